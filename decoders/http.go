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
func httpProtocol(files *files) sensor.Protocol {
	return sensor.Protocol{
		Name:      "http",
		Transport: packet.ProtoTCP,
		Match:     matchHTTP,
		New:       func() sensor.Decoder { return &httpDecoder{files: files} },
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
	skip     int             // responses to come whose requests were written as halves

	pipelined bool // the client sends requests before it has the answers
	missed    bool // a gap may have swallowed the start of a response
	labelled  bool

	tunnel *httpExchange  // the CONNECT or Upgrade whose tunnel is open
	inner  sensor.Decoder // reads the tunnel, nil when it is opaque
	opaque bool           // nothing more can be learnt from the tunnel's octets
	left   bool           // said Enough: the rest is counted by the engine

	strings httpStrings
	files   *files
}

// Data implements sensor.Decoder.
func (h *httpDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	s := h.stream(f, side)
	s.now = f.Now
	if s.state == httpLost && h.match(s, data) == h.wanted(s) {
		s.state, s.lost = httpIdle, 0
	}
	h.feed(f, s, data, emit)
	h.flush(f, emit)
	return h.verdict(f)
}

// Gap implements sensor.Decoder. What it finishes is written with the next
// octets or at the end.
func (h *httpDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	s := h.stream(f, side)
	s.now = f.Now
	h.gap(f, s, int64(n))
	return h.verdict(f)
}

// Close implements sensor.Decoder.
func (h *httpDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	if h.inner != nil {
		h.inner.Close(f, emit)
	}
	h.closeStream(f, &h.up)
	h.closeStream(f, &h.down)
	if x := h.next(); x != nil && h.missed {
		x.Gap = true
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

// verdict says when no octet can tell more. A tunnel's transaction is written
// when the connection ends, with what went through it until then.
func (h *httpDecoder) verdict(f *sensor.Flow) sensor.Verdict {
	switch {
	case h.tunnel == nil && h.up.lost > maxLost && h.down.lost > maxLost:
		return sensor.Done
	case h.opaque && h.up.state == httpTunnel && h.down.state == httpTunnel:
		h.left = true
		h.up.from, h.down.from = f.Delivered(h.up.side), f.Delivered(h.down.side)
		return sensor.Enough
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

// match tells whether b begins a message of s's direction.
func (h *httpDecoder) match(s *httpStream, b []byte) sensor.Match {
	if s == &h.up {
		return matchRequest(b)
	}
	return matchResponse(b)
}

// wanted is what match says when it does.
func (h *httpDecoder) wanted(s *httpStream) sensor.Match {
	if s == &h.up {
		return sensor.FromClient
	}
	return sensor.FromServer
}

// feed reads octets of one stream.
func (h *httpDecoder) feed(f *sensor.Flow, s *httpStream, data []byte, emit sensor.Emit) {
	for len(data) > 0 {
		data = data[h.step(f, s, data, emit):]
		if h.ready {
			h.flush(f, emit)
		}
	}
}
