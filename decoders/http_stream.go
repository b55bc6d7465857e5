package decoders

import (
	"bytes"

	"kagami/packet"
	"kagami/sensor"
)

// maxChunkLine is the longest chunk-size line with its extensions, in octets.
const maxChunkLine = 4 << 10

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
	side    packet.Side
	state   httpState
	x       *httpExchange // whose message is being read, nil between messages
	now     int64         // capture time of the last octets or gap
	since   int64         // capture time of the first octet of the message under way
	through int64         // octets through the tunnel, gaps included
	from    uint64        // position in the stream from which on the engine counts them
	lost    int           // octets since synchronisation was lost

	held    []byte // start of a header section that is not complete; octets that came in httpAwait
	matched bool   // held begins with a start line, as far as can be seen
	line    int    // where the line under way begins
	scanned int    // up to where that line was searched for its end

	remain int64 // octets to come of the content or chunk; in httpAwait, octets dropped after held
	chunk  chunkLine
}

// step reads some of data and returns how many octets; 0 only with a new state.
func (h *httpDecoder) step(f *sensor.Flow, s *httpStream, data []byte, emit sensor.Emit) int {
	switch s.state {
	case httpIdle:
		rest := skipEmptyLines(data)
		if len(rest) > 0 {
			s.state, s.since = httpInHead, s.now
		}
		return len(data) - len(rest)
	case httpInHead:
		return h.head(f, s, data, emit)
	case httpBody, httpChunk:
		n := int(min(int64(len(data)), s.remain))
		h.content(f, s, data[:n], emit)
		if s.remain -= int64(n); s.remain == 0 {
			h.endContent(s)
		}
		return n
	case httpUntilClose:
		h.content(f, s, data, emit)
	case httpChunkSize, httpChunkEnd, httpTrailer:
		return h.framing(s, data)
	case httpAwait:
		return h.await(f, s, data)
	case httpTunnel:
		s.through += int64(len(data))
		if h.inner != nil && !h.opaque && h.inner.Data(f, s.side, data, emit) != sensor.More {
			h.opaque = true
		}
	case httpLost:
		s.lost += len(data)
	}
	return len(data)
}

// gap passes over n octets that were lost.
func (h *httpDecoder) gap(f *sensor.Flow, s *httpStream, n int64) {
	switch s.state {
	case httpIdle:
		h.lose(s)
	case httpInHead:
		if x := h.cut(f, s, s.held); x != nil {
			x.Gap = true
		}
	case httpBody, httpUntilClose, httpChunk:
		h.contentGap(f, s, n)
	case httpChunkSize, httpChunkEnd, httpTrailer:
		s.x.Gap = true
		h.count(s, 0, n)
		h.abandon(s)
	case httpAwait:
		s.remain += n
	case httpTunnel:
		s.through += n
		if h.inner != nil && !h.opaque && h.inner.Gap(f, s.side, int(n)) != sensor.More {
			h.opaque = true
		}
	}
}

// contentGap counts lost octets of content. When they reach beyond it, what
// followed is unknown.
func (h *httpDecoder) contentGap(f *sensor.Flow, s *httpStream, n int64) {
	s.x.Gap = true
	if s.state == httpUntilClose {
		h.count(s, n, n)
		h.contentOf(s).gap(f, n)
		return
	}
	k := min(n, s.remain)
	h.count(s, k, k)
	h.contentOf(s).gap(f, k)
	s.remain -= k
	switch {
	case s.remain > 0:
	case n == k:
		h.endContent(s)
	case s.state == httpBody:
		h.endMessage(s)
		h.lose(s)
	default:
		h.count(s, 0, n-k)
		h.abandon(s)
	}
}

// lose waits for a segment that begins a message.
func (h *httpDecoder) lose(s *httpStream) {
	s.reset()
	s.state = httpLost
	if s == &h.down {
		h.missed = true
	}
}

// reset forgets a start line and header section.
func (s *httpStream) reset() {
	s.matched, s.line, s.scanned = false, 0, 0
	s.held = s.held[:0]
	if cap(s.held) > heldRoom {
		s.held = nil
	}
}

// head gathers and reads a start line and header section. It copies only when
// the section comes in several segments.
func (h *httpDecoder) head(f *sensor.Flow, s *httpStream, data []byte, emit sensor.Emit) int {
	b, old := data, len(s.held)
	if old > 0 {
		s.held = append(s.held, data[:min(len(data), maxHead-old)]...)
		b = s.held
	}
	b = b[:min(len(b), maxHead)]
	if !s.matched {
		switch h.match(s, b) {
		case sensor.No:
			return h.stray(f, s, data, old, emit)
		case h.wanted(s):
			s.matched = true
		}
	}
	end := 0
	if s.matched {
		end = h.headEnd(s, b)
	}
	switch {
	case end > 0 && s == &h.up:
		h.request(f, s, b[:end])
	case end > 0:
		h.response(f, s, b[:end], emit)
	case len(b) == maxHead:
		if x := h.cut(f, s, b); x != nil {
			x.note(oddHeadTooLong)
		}
		return len(data)
	default:
		if old == 0 {
			s.held = append(s.held, b...)
		}
		return len(data)
	}
	s.reset()
	return end - old
}

// headEnd is the length of the section that b begins with, up to and including
// its empty line; 0 when that has not come yet. A simple request (HTTP/0.9) is
// one line.
func (h *httpDecoder) headEnd(s *httpStream, b []byte) int {
	for {
		i := bytes.IndexByte(b[s.scanned:], '\n')
		if i < 0 {
			s.scanned = len(b)
			return 0
		}
		end, start := s.scanned+i+1, s.line
		s.scanned, s.line = end, end
		if start > 0 {
			if n := end - start; n == 1 || n == 2 && b[start] == '\r' {
				return end
			}
		} else if s == &h.up {
			if l, ok := parseRequestLine(b[:end]); ok && l.version == "" {
				return end
			}
		}
	}
}

// stray deals with octets that begin no message: the answer to a simple request
// is content alone; else synchronisation is lost.
func (h *httpDecoder) stray(f *sensor.Flow, s *httpStream, data []byte, old int, emit sensor.Emit) int {
	if x := h.next(); s == &h.down && x != nil && x.simple {
		x.begun, x.ResponseSeen, x.ResponseVersion, x.ResponseFrom = true, true, "0.9", s.since
		s.x, s.state = x, httpUntilClose
		x.got.openResponse(h.files, f, s.side, x, &httpHead{length: -1})
		h.content(f, s, s.held[:old], emit)
		s.reset()
		return 0
	}
	h.lose(s)
	return len(data)
}

// cut ends a message within its header section b and keeps what the whole lines
// of it say. It returns the transaction, nil when not even the start line came.
func (h *httpDecoder) cut(f *sensor.Flow, s *httpStream, b []byte) *httpExchange {
	var head httpHead
	var x *httpExchange
	if s.line > 0 || len(b) < maxHead { // an endless first line is kept as it is
		b = b[:min(len(b), s.line)]
	}
	switch {
	case len(b) == 0 || s == &h.up && !head.parseRequest(b):
		h.lose(s)
		return nil
	case s == &h.up:
		x = h.ask(f, s, &head, len(b))
	default:
		head.parseResponse(b)
		x = h.answer(f, s, &head, len(b))
	}
	s.x = x
	h.abandon(s)
	return x
}

// framing reads the octets between chunks (RFC 9112 section 7.1).
func (h *httpDecoder) framing(s *httpStream, data []byte) int {
	n, odd := 0, ""
	switch s.state {
	case httpChunkSize:
		n, odd = s.chunk.readSize(data)
	case httpChunkEnd:
		n, odd = s.chunk.readEnd(data)
	default:
		n, odd = s.readTrailer(data)
	}
	h.count(s, 0, int64(n))
	switch {
	case odd != "":
		s.x.note(odd)
		h.abandon(s)
	case !s.chunk.over:
	case s.state == httpTrailer:
		h.endMessage(s)
	case s.state == httpChunkEnd:
		s.state, s.chunk = httpChunkSize, chunkLine{}
	case s.chunk.size == 0:
		s.state, s.chunk = httpTrailer, chunkLine{}
	default:
		s.state, s.remain, s.chunk = httpChunk, s.chunk.size, chunkLine{}
	}
	return n
}

// endContent follows the last octet of a body or chunk.
func (h *httpDecoder) endContent(s *httpStream) {
	if s.state == httpChunk {
		s.state = httpChunkEnd
		return
	}
	h.endMessage(s)
}

// chunkLine reads one line of chunked framing octet by octet, so that it needs
// no buffer.
type chunkLine struct {
	size   int64
	digits int  // of size, leading zeros included
	ext    bool // the size is over, an extension or CR follows
	length int  // octets of the line so far
	total  int  // octets of the trailer section so far
	named  bool // the name of the trailer field under way is known
	over   bool // the line, or the trailer section, is complete
}

func (c *chunkLine) readSize(b []byte) (n int, odd string) {
	for i, ch := range b {
		c.length++
		digit, isHex := hexDigit(ch)
		switch {
		case c.length > maxChunkLine, c.digits == 0 && !isHex, c.size>>55 != 0:
			return i + 1, oddChunkSize
		case ch == '\n':
			c.over = true
			return i + 1, ""
		case c.ext:
		case isHex:
			c.size, c.digits = c.size<<4|int64(digit), c.digits+1
		case ch == ';' || ch == '\r' || isBlank(ch):
			c.ext = true
		default:
			return i + 1, oddChunkSize
		}
	}
	return len(b), ""
}

func (c *chunkLine) readEnd(b []byte) (n int, odd string) {
	for i, ch := range b {
		c.length++
		switch {
		case ch == '\n':
			c.over = true
			return i + 1, ""
		case ch != '\r' || c.length > 1:
			return i + 1, oddChunkEnd
		}
	}
	return len(b), ""
}

// readTrailer reads a trailer section and notes the names of its fields, which
// are gathered in held.
func (s *httpStream) readTrailer(b []byte) (n int, odd string) {
	c := &s.chunk
	for i, ch := range b {
		c.total++
		switch {
		case ch == '\n' && c.length == 0:
			c.over = true
			s.reset()
			return i + 1, ""
		case c.total > maxHead:
			return i + 1, oddHeadTooLong
		case ch == '\n':
			c.length, c.named, s.held = 0, false, s.held[:0]
		case ch == '\r':
		default:
			s.trailerOctet(ch)
		}
	}
	return len(b), ""
}

func (s *httpStream) trailerOctet(ch byte) {
	c := &s.chunk
	switch {
	case c.length == 0 && isBlank(ch): // the line before goes on
		c.named = true
	case c.named:
	case ch == ':':
		s.x.trailer(string(s.held))
		c.named = true
	case len(s.held) < maxTrailerName:
		s.held = append(s.held, ch)
	}
	c.length++
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
