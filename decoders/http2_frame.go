package decoders

import (
	"encoding/binary"

	"golang.org/x/net/http2/hpack"

	"kagami/packet"
	"kagami/sensor"
)

// Frame types and flags (RFC 9113 section 6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameReset        = 0x3
	frameSettings     = 0x4
	framePush         = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	frameHeaderLen = 9
)

// http2State is what a direction's next octet belongs to.
type http2State uint8

const (
	http2InPreface http2State = iota // client: the connection preface
	http2InHeader                    // a frame's header
	http2InFields                    // fixed fields before a frame's body
	http2InBody                      // content, header block, or what is not looked at
	http2InPadding
	http2Lost // unknown: wait for a segment that begins a frame
)

// http2Side is one direction.
type http2Side struct {
	side   packet.Side
	state  http2State
	now    int64 // capture time of the last octets or gap
	since  int64 // capture time of the frame's first octet
	lost   int   // octets since synchronisation was lost
	frames bool  // a frame was read

	held [frameHeaderLen + 1]byte // of the preface (its length only), a header or fixed fields
	n    int                      // octets of it

	frame  frameHeader
	fields int          // octets of fixed fields
	body   int          // octets to come of the body
	pad    int          // and of the padding
	stream *http2Stream // whose content is being read

	block headerBlock
	hpack *hpack.Decoder // nil: as at the start of a connection
	table int            // octets of its dynamic table, at most
	large bool           // the table was made larger than HPACK has it at first
	blind bool           // hpack has not seen the table's history
}

type frameHeader struct {
	length int
	kind   byte
	flags  byte
	stream uint32
}

func (h *frameHeader) has(flag byte) bool { return h.flags&flag != 0 }

func parseFrameHeader(b []byte) frameHeader {
	return frameHeader{length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]), kind: b[3], flags: b[4],
		stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31)}
}

// step reads some of data and returns how many octets; 0 only with a new state.
func (d *http2Decoder) step(f *sensor.Flow, s *http2Side, data []byte, emit sensor.Emit) int {
	switch s.state {
	case http2InPreface:
		return d.preface(s, data)
	case http2InHeader:
		if s.n == 0 {
			s.since = s.now
		}
		n := s.gather(data, frameHeaderLen)
		if s.n == frameHeaderLen {
			d.beginFrame(f, s)
		}
		return n
	case http2InFields:
		n := s.gather(data, s.fields)
		if s.n == s.fields {
			d.beginBody(f, s)
		}
		return n
	case http2InBody:
		n := min(len(data), s.body)
		s.body -= n
		d.octets(f, s, data[:n], emit)
		if s.body == 0 {
			d.endBody(f, s)
		}
		return n
	case http2InPadding:
		n := min(len(data), s.pad)
		if s.pad -= n; s.pad == 0 {
			d.endFrame(s)
		}
		return n
	}
	s.lost += len(data)
	return len(data)
}

// gather collects octets of a header or of fixed fields.
func (s *http2Side) gather(data []byte, want int) int {
	n := copy(s.held[s.n:want], data)
	s.n += n
	return n
}

// preface reads the client's first octets. What begins with something else is a
// connection whose start was not seen.
func (d *http2Decoder) preface(s *http2Side, data []byte) int {
	n := 0
	for n < len(data) && s.n < len(http2Preface) && data[n] == http2Preface[s.n] {
		n, s.n = n+1, s.n+1
	}
	switch {
	case s.n == len(http2Preface):
		s.state, s.n = http2InHeader, 0
	case n < len(data) && s.n == 0 && startsFrame(data):
		s.forget()
		s.state = http2InHeader
	case n < len(data):
		s.lose()
	}
	return n
}

// beginFrame follows a frame's header.
func (d *http2Decoder) beginFrame(f *sensor.Flow, s *http2Side) {
	h := parseFrameHeader(s.held[:])
	if !s.frames && s == &d.down && h.kind != frameSettings {
		s.forget() // a server begins with SETTINGS
	}
	s.frame, s.frames, s.n = h, true, 0
	if d.leaving > 0 && s == &d.down {
		d.leaves()
	}
	s.fields, s.body, s.pad, s.stream = 0, h.length, 0, nil
	d.order(f, s)
	switch h.kind {
	case frameData, frameHeaders, framePush:
		if h.has(flagPadded) {
			s.fields++
		}
		if h.kind == frameHeaders && h.has(flagPriority) {
			s.fields += 5
		} else if h.kind == framePush {
			s.fields += 4
		}
	case frameReset:
		s.fields = 4
	case frameGoAway:
		s.fields = 8
	}
	s.fields = min(s.fields, h.length)
	if s.body -= s.fields; s.fields > 0 {
		s.state = http2InFields
		return
	}
	d.beginBody(f, s)
}

// order heeds that a header block is one frame followed by nothing but its
// CONTINUATION frames (RFC 9113 section 6.10).
func (d *http2Decoder) order(f *sensor.Flow, s *http2Side) {
	b, h := &s.block, &s.frame
	switch {
	case h.kind == frameContinuation && b.open && h.stream == b.stream:
		if b.frames++; b.frames == maxContinuations+1 {
			b.note(oddContinuations)
		}
	case b.open || h.kind == frameContinuation:
		s.forget()
		if b.open {
			d.cutBlock(f, s, oddInterrupted)
		}
	}
	if b.open {
		b.wire += frameHeaderLen + h.length
	}
}

// beginBody follows a frame's fixed fields, which are in held.
func (d *http2Decoder) beginBody(f *sensor.Flow, s *http2Side) {
	h, fields := &s.frame, s.held[:s.fields]
	s.n, s.state = 0, http2InBody
	if h.has(flagPadded) && len(fields) > 0 && (h.kind == frameData || h.kind == frameHeaders || h.kind == framePush) {
		s.pad = int(fields[0])
		fields = fields[1:]
		if s.pad > s.body {
			d.noteStream(h.stream, oddPadding)
			s.pad = s.body
		}
		s.body -= s.pad
	}
	switch h.kind {
	case frameData:
		if s.stream = d.find(h.stream); s.stream != nil {
			s.stream.wire(s == &d.up, frameHeaderLen+h.length, s.now)
		}
	case frameHeaders:
		s.beginBlock(0)
	case framePush:
		if len(fields) == 4 {
			s.beginBlock(binary.BigEndian.Uint32(fields) &^ (1 << 31))
		}
	case frameReset:
		if len(fields) == 4 {
			d.reset(s, h.stream, http2Code(binary.BigEndian.Uint32(fields)))
		}
	case frameGoAway:
		if len(fields) == 8 {
			d.goAway(s, binary.BigEndian.Uint32(fields)&^(1<<31), http2Code(binary.BigEndian.Uint32(fields[4:])))
		}
	}
	if s.body == 0 {
		d.endBody(f, s)
	}
}

// octets takes octets of a frame's body.
func (d *http2Decoder) octets(f *sensor.Flow, s *http2Side, b []byte, emit sensor.Emit) {
	switch s.frame.kind {
	case frameData:
		if s.stream != nil {
			s.stream.content(f, s, s == &d.up, b, emit)
		}
	case frameHeaders, framePush, frameContinuation:
		if s.block.open {
			s.block.add(b, s.body == 0 && s.frame.has(flagEndHeaders))
		}
	}
}

func (d *http2Decoder) endBody(f *sensor.Flow, s *http2Side) {
	if s.block.open && s.frame.has(flagEndHeaders) && isBlockFrame(s.frame.kind) {
		d.endBlock(f, s)
	}
	if s.state = http2InPadding; s.pad == 0 {
		d.endFrame(s)
	}
}

func isBlockFrame(kind byte) bool {
	return kind == frameHeaders || kind == framePush || kind == frameContinuation
}

func (d *http2Decoder) endFrame(s *http2Side) {
	s.state = http2InHeader
	if st := s.stream; st != nil && s.frame.has(flagEndStream) {
		d.endStream(st, s)
	}
	s.stream = nil
}

// gap passes over n octets that were lost.
func (d *http2Decoder) gap(f *sensor.Flow, s *http2Side, n int) {
	if st := s.stream; st != nil {
		st.Gap = true
	}
	switch s.state {
	case http2InBody:
		k := min(n, s.body)
		if s.stream != nil {
			s.stream.gap(f, s, s == &d.up, k)
		}
		if isBlockFrame(s.frame.kind) {
			d.loseBlock(f, s)
		}
		s.body -= k
		if n -= k; s.body == 0 {
			d.endBody(f, s)
		}
	case http2InPadding:
		k := min(n, s.pad)
		s.pad -= k
		if n -= k; s.pad == 0 {
			d.endFrame(s)
		}
	default:
		d.loseBlock(f, s)
		s.lose()
		return
	}
	if n > 0 {
		d.gap(f, s, n)
	}
}

// loseBlock gives up the header block under way: octets of it are missing.
func (d *http2Decoder) loseBlock(f *sensor.Flow, s *http2Side) {
	s.forget()
	if s.block.open {
		d.list.gap = true
		d.cutBlock(f, s, oddHPACK)
	}
}

// lose waits for a segment that begins a frame. What header blocks were missed
// is not known.
func (s *http2Side) lose() {
	s.state, s.n, s.stream = http2Lost, 0, nil
	s.forget()
}
