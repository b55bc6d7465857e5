package decoders

import (
	"kagami/packet"
	"kagami/sensor"
)

// Limits of one HTTP connection. What they bound is attacker-controlled.
const (
	maxOutstanding = 128       // transactions waiting for an answer; more, and the oldest is written as a half
	maxKept        = 64 << 10  // octets of strings that waiting transactions may keep; more, likewise
	maxEarly       = 16 << 10  // octets kept that a client sends before its CONNECT is answered
	maxLost        = 256 << 10 // octets of each direction without a message before the connection is given up
	heldRoom       = 4 << 10   // size up to which a buffer is kept for the next message
)

// httpProtocol is HTTP/1.0 and 1.1 (RFC 9112) and HTTP/0.9 over TCP on any port.
func httpProtocol() sensor.Protocol {
	pool := newInflaters()
	return sensor.Protocol{
		Name:      "http",
		Transport: packet.ProtoTCP,
		Match:     matchHTTP,
		New:       func() sensor.Decoder { return &httpDecoder{inflaters: pool} },
	}
}

// httpDecoder reads one connection: two streams of messages, joined by a queue
// of transactions.
type httpDecoder struct {
	began    bool
	up, down httpStream      // requests, responses
	queue    []*httpExchange // what is not written yet, oldest first
	ready    bool            // the queue holds something to write
	depth    int             // transactions begun
	kept     int             // octets of strings in the queue

	pipelined bool // the client sends requests before it has the answers
	missed    bool // a gap may have swallowed the start of a response
	labelled  bool

	tunnel   *httpExchange  // the CONNECT or Upgrade whose tunnel is open
	inner    sensor.Decoder // reads the tunnel, nil when it is opaque
	done     bool           // nothing more can be learnt from octets
	strings  httpStrings
	sniffed  []byte // first octets of a response's content that came in pieces
	inflater *inflaters
}

// httpState is what a stream's next octet belongs to.
type httpState uint8

const (
	httpIdle       httpState = iota // empty lines or the start of a message
	httpInHead                      // start line and header section
	httpBody                        // content of known length
	httpChunkSize                   // chunk-size line
	httpChunk                       // chunk-data
	httpChunkEnd                    // line end after chunk-data
	httpTrailer                     // trailer section
	httpUntilClose                  // content that the end of the connection ends
	httpAwait                       // client: CONNECT was sent and not answered yet
	httpTunnel                      // octets of a tunnel
	httpLost                        // unknown: wait for a segment that begins a message
)

// httpStream is one direction.
type httpStream struct {
	side  packet.Side
	state httpState
	x     *httpExchange // whose message is being read, nil between messages
	since int64         // capture time of the first octet of the message under way
	fed   uint64        // octets of this stream, gaps included
	lost  int           // octets since synchronisation was lost

	held    []byte // start of a header section that is not complete; early octets in httpAwait
	matched bool   // held begins with a start line, as far as can be seen
	line    int    // where the line under way begins
	scanned int    // up to where that line was searched for its end

	remain int64 // octets to come of the content or chunk
	chunk  chunkLine
}

// Data implements sensor.Decoder.
func (h *httpDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	s := h.stream(f, side)
	if s.state == httpLost && h.begins(s, data) {
		s.state, s.lost = httpIdle, 0
	}
	h.feed(f, s, data, emit)
	h.flush(f, emit)
	return h.verdict()
}

// Gap implements sensor.Decoder.
func (h *httpDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	s := h.stream(f, side)
	s.fed += uint64(n)
	h.gap(f, s, int64(n))
	return h.verdict()
}

// Close implements sensor.Decoder.
func (h *httpDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	if h.inner != nil {
		h.inner.Close(f, emit)
	}
	if h.began {
		h.closeStream(f, &h.up)
		h.closeStream(f, &h.down)
	}
	if h.tunnel != nil {
		h.closeTunnel(f)
	}
	for _, x := range h.queue {
		x.asked, x.answered = true, true
	}
	h.ready = true
	h.flush(f, emit)
}

func (h *httpDecoder) verdict() sensor.Verdict {
	if h.done || h.up.lost > maxLost && h.down.lost > maxLost {
		return sensor.Done
	}
	return sensor.More
}

// stream is the direction that side sends. Who is the client is settled by the
// first octets, before a tunnel's content may have another opinion.
func (h *httpDecoder) stream(f *sensor.Flow, side packet.Side) *httpStream {
	if !h.began {
		h.began = true
		h.up.side, h.down.side = f.Orig, f.Orig.Other()
	}
	if side == h.up.side {
		return &h.up
	}
	return &h.down
}

// begins tells whether a segment starts with a message of s's direction.
func (h *httpDecoder) begins(s *httpStream, data []byte) bool {
	return s.match(data) != sensor.No && s.match(data) != sensor.Maybe
}

func (s *httpStream) match(b []byte) sensor.Match { return sensor.No }

// feed reads octets of one stream.
func (h *httpDecoder) feed(f *sensor.Flow, s *httpStream, data []byte, emit sensor.Emit) {
	whole := len(data)
	for len(data) > 0 {
		n := h.step(f, s, data, whole)
		s.fed += uint64(n)
		data = data[n:]
		if h.ready {
			h.flush(f, emit)
		}
	}
}
