package replay

import (
	"encoding/binary"
	"fmt"
)

// Frames of HTTP/2 (RFC 9113 section 6).
const (
	frameHeader = 9 // octets before each frame's payload

	frameData         = 0
	frameHeaders      = 1
	framePriority     = 2
	frameReset        = 3
	frameSettings     = 4
	framePush         = 5
	framePing         = 6
	frameGoAway       = 7
	frameWindow       = 8
	frameContinuation = 9

	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	// maxStreams bounds the streams of a connection that are told.
	maxStreams = 1 << 16
	// maxLosses bounds how often frames are looked for anew.
	maxLosses = 1000
)

// frame is a frame's header and where it lies.
type frame struct {
	kind, flags uint8
	stream      uint32
	off         int64 // of its payload
	n           int64 // octets of it
}

func parseFrame(b []byte, off int64) frame {
	return frame{kind: b[3], flags: b[4], stream: binary.BigEndian.Uint32(b[5:]) & 0x7fffffff,
		off: off + frameHeader, n: int64(b[0])<<16 | int64(b[1])<<8 | int64(b[2])}
}

func (f *frame) has(flag uint8) bool { return f.flags&flag != 0 }

// conn2 parses HTTP/2.
type conn2 struct {
	r        *reader
	flow     *Flow
	up, down half2
	streams  map[uint32]*stream2
	all      []*stream2
	many     bool // more streams than are told
	full     bool // there is no room for more
}

// half2 is one direction.
type half2 struct {
	*reel
	client bool
	table  *hpackTable
	open   *openBlock
	losses int // how often it was not known where frames are
}

// openBlock is a header block that goes on in CONTINUATION frames.
type openBlock struct {
	stream, promised uint32
	block            []byte
	from             int64 // where its first frame begins
	end, over        bool  // END_STREAM was set; it is longer than is read
}

func newConn2(r *reader, flow *Flow, up, down *reel) *conn2 {
	static := staticTable()
	return &conn2{r: r, flow: flow, streams: map[uint32]*stream2{},
		up:   half2{reel: up, client: true, table: newHPACK(static, r.limits.Table)},
		down: half2{reel: down, table: newHPACK(static, r.limits.Table)}}
}

// closeHTTP2 parses what was gathered.
func (c *channel) closeHTTP2() {
	up, down := c.tapes[c.client].reel(&c.r.memory), c.tapes[c.client.Other()].reel(&c.r.memory)
	p := newConn2(c.r, c.flow, up, down)
	p.parse(up.start, down.start)
	c.r.addFlow(c.flow)
	c.r.add(p.transactions())
	c.r.used -= int64(len(up.octets) + len(down.octets)) // nothing refers to them
}

// goOnHTTP2 parses what follows an upgrade from HTTP/1 (RFC 7540 section 3.2): the
// request that asked for it is stream 1, and its answer comes there.
func (c *channel) goOnHTTP2(t *Transaction, p *conn1, up, down *reel) {
	q := newConn2(c.r, c.flow, up, down)
	t.Early, t.Response, t.Stream = append(t.Early, t.Response), nil, 1
	q.streams[1] = &stream2{id: 1, t: t, sides: [2]side2{{msg: &t.Request.Message, over: true}, {}}}
	q.all = append(q.all, q.streams[1])
	q.parse(p.up.off, p.down.off)
	all := q.transactions()
	c.r.add(all[1:]) // the first is among those of HTTP/1
}

// parse reads the client's frames, then the server's: each direction has a table of
// its own.
func (c *conn2) parse(up, down int64) {
	if b := c.up.run(up); len(b) >= len(http2Preface) && string(b[:len(http2Preface)]) == http2Preface {
		up += int64(len(http2Preface))
	} else if c.up.size > up {
		c.unsure(&c.up, up, HoleMidstream, "the client's beginning was not captured")
		up = c.seek(&c.up, up)
	}
	if c.flow.Midstream && down < c.down.size {
		c.unsure(&c.down, down, HoleMidstream, "the server's beginning was not captured")
		down = c.seek(&c.down, down)
	}
	c.frames(&c.up, up)
	c.frames(&c.down, down)
}

// unsure says that header blocks may be missing from here on.
func (c *conn2) unsure(s *half2, off int64, kind HoleKind, why string) {
	s.table.unsure = true
	s.open = nil
	s.losses++
	c.r.hole(Hole{Kind: kind, Flow: c.flow, Time: s.at(off).time, Offset: off,
		Text: why + ": header fields that refer to it are not known"})
}

// frames reads a direction's frames from off on.
func (c *conn2) frames(s *half2, off int64) {
	for off < s.size {
		if c.full || s.losses > maxLosses {
			text := noRoom
			if !c.full {
				text = fmt.Sprintf("more than %d times no frame where one should be: the rest is not read", maxLosses)
			}
			c.r.hole(Hole{Kind: HoleLimit, Flow: c.flow, Time: s.at(off).time, Offset: off, Text: text})
			return
		}
		b := s.run(off)
		if len(b) < frameHeader {
			g := s.gapAt(off + int64(len(b)))
			if g == nil {
				c.r.hole(Hole{Kind: HoleTruncated, Flow: c.flow, Time: s.at(off).time, Offset: off, Text: "the stream ends within a frame's header"})
				return
			}
			off = c.lose(s, off, g)
			continue
		}
		f := parseFrame(b, off)
		if !f.possible() {
			c.unsure(s, off, HoleSyntax, "no frame where one should be")
			c.interrupt(s)
			off = c.seek(s, off+1)
			continue
		}
		if gs := s.gapsIn(f.off, min(f.off+f.n, s.size)); len(gs) > 0 && gs[len(gs)-1].guess {
			off = c.lose(s, off, &gs[len(gs)-1])
			continue
		}
		c.frame(s, &f)
		off = f.off + f.n
	}
	if s.open != nil {
		c.r.hole(Hole{Kind: HoleTruncated, Flow: c.flow, Time: s.at(s.open.from).time, Text: "a header block is not complete"})
	}
}

// lose passes over a gap that took a frame's header.
func (c *conn2) lose(s *half2, off int64, g *gap) int64 {
	c.unsure(s, off, g.why, fmt.Sprintf("%s of frames %s not captured", plural(g.n, "octet"), were(g.n)))
	c.interrupt(s)
	return c.seek(s, g.off+g.n)
}

// seek is where frames follow each other again.
func (c *conn2) seek(s *half2, off int64) int64 {
	if to := s.findHead(off, isFrames); to >= 0 {
		return to
	}
	return s.size
}

// isFrames tells whether b begins with frames that follow each other, or one that
// fills it.
func isFrames(b []byte) bool {
	const enough = 2
	for n := 0; len(b) >= frameHeader; n++ {
		f := parseFrame(b, 0)
		if b[5]&0x80 != 0 || !f.plausible() {
			return false
		}
		if n+1 == enough || f.n == int64(len(b)-frameHeader) {
			return true
		}
		b = b[min(f.off+f.n, int64(len(b))):]
	}
	return false
}

// possible tells whether a frame can be one that was agreed on. No browser or server
// in use takes frames of more than a few MiB.
func (f *frame) possible() bool { return f.n <= 1<<23 && (f.kind <= frameContinuation || f.n <= 1<<16) }

// plausible tells whether a frame is as RFC 9113 section 6 has it, within the sizes
// that everybody uses.
func (f *frame) plausible() bool {
	only := func(flags uint8) bool { return f.flags&^flags == 0 }
	if f.n > 16<<10 || f.stream >= 1<<24 {
		return false
	}
	switch f.kind {
	case frameData:
		return f.stream != 0 && only(flagEndStream|flagPadded)
	case frameHeaders:
		return f.stream != 0 && f.n > 0 && only(flagEndStream|flagEndHeaders|flagPadded|flagPriority)
	case framePriority:
		return f.stream != 0 && f.n == 5 && only(0)
	case frameReset:
		return f.stream != 0 && f.n == 4 && only(0)
	case frameSettings:
		return f.stream == 0 && f.n%6 == 0 && f.n <= 6*32 && only(1) && (f.flags == 0 || f.n == 0)
	case framePush:
		return f.stream != 0 && f.n > 4 && only(flagEndHeaders|flagPadded)
	case framePing:
		return f.stream == 0 && f.n == 8 && only(1)
	case frameGoAway:
		return f.stream == 0 && f.n >= 8 && only(0)
	case frameWindow:
		return f.n == 4 && only(0)
	case frameContinuation:
		return f.stream != 0 && only(flagEndHeaders)
	}
	return false
}

// frame takes one frame.
func (c *conn2) frame(s *half2, f *frame) {
	if o := s.open; o != nil && (f.kind != frameContinuation || f.stream != o.stream) {
		c.unsure(s, f.off-frameHeader, HoleSyntax, "a header block was interrupted by another frame")
	}
	switch f.kind {
	case frameData:
		c.dataFrame(s, f)
	case frameHeaders:
		c.headersFrame(s, f)
	case framePush:
		c.pushFrame(s, f)
	case frameContinuation:
		if s.open != nil {
			c.gather(s, f, f.off, f.off+f.n)
		}
	case frameReset:
		if x := c.streams[f.stream]; x != nil && f.n == 4 {
			if b := s.run(f.off); len(b) >= 4 {
				x.reset(s, binary.BigEndian.Uint32(b), f.off)
			}
		}
	}
}

// unpad is the payload of a frame without its padding.
func (s *half2) unpad(f *frame) (from, to int64, ok bool) {
	from, to = f.off, f.off+f.n
	if f.has(flagPadded) {
		b := s.run(from)
		if len(b) == 0 || f.n == 0 {
			return 0, 0, false
		}
		from++
		to -= int64(b[0])
	}
	return from, to, from <= to
}
