package replay

import "fmt"

// fill makes a message's body of its DATA frames.
func (c *conn2) fill(x *stream2, s *half2) {
	y := &x.sides[s.index2()]
	if y.msg == nil || x.t.Stream == 1 && s.client && y.over && len(y.chunks) == 0 && len(y.msg.Body.Wire) > 0 {
		return // none, or the request that was upgraded from HTTP/1
	}
	b := &y.msg.Body
	first := c.wire(x, s, y)
	whole := first < 0
	say := func(kind HoleKind, short int64, why string) {
		whole = false
		b.Missing += short
		if b.Why == "" {
			b.Why = why
		}
		c.r.hole(Hole{Kind: kind, Flow: c.flow, Transaction: x.t, Time: y.msg.End, Offset: int64(len(b.Wire)), Length: short, Text: why})
	}
	short := b.Declared - int64(len(b.Wire)) - b.Missing
	bodyless := !s.client && (x.t.Request.Method == "HEAD" || x.t.Response.Status == 204 || x.t.Response.Status == 304)
	switch {
	case y.broken:
		say(HoleGap, 0, "part of the header section is missing")
	case bodyless:
	case b.Declared >= 0 && short > 0 && !(s.client && y.over && len(b.Wire) == 0):
		why := fmt.Sprintf("%s %s declared, %d came", plural(b.Declared, "octet"), were(b.Declared), len(b.Wire))
		if y.why != "" {
			why += ": " + y.why
		}
		say(HoleTruncated, short, why)
	case b.Declared >= 0 && short < 0:
		say(HoleSyntax, 0, fmt.Sprintf("%s %s declared, %d came", plural(b.Declared, "octet"), were(b.Declared), len(b.Wire)))
	case !y.over && b.Declared < 0:
		why := "the end of the stream was not captured"
		if y.why != "" {
			why = y.why
		}
		say(HoleTruncated, 0, why)
	}
	data := b.Wire
	if first >= 0 {
		data = data[:first:first]
	}
	c.r.decode(x.t, y.msg, data, whole, nil)
}

// wire joins the content of a message's frames, and is where its first hole is, -1 =
// there is none.
func (c *conn2) wire(x *stream2, s *half2, y *side2) (first int) {
	b := &y.msg.Body
	first = -1
	n := 0
	for _, k := range y.chunks {
		n += len(s.span(k[0], k[1]))
	}
	hole := func(at int, length int64, why HoleKind, text string) {
		if first < 0 {
			first = at
		}
		b.Holes = append(b.Holes, Span{Offset: int64(at), Length: length})
		b.Missing += length
		if b.Why == "" {
			b.Why = text
		}
		c.r.hole(Hole{Kind: why, Flow: c.flow, Transaction: x.t, Time: y.msg.End, Offset: int64(at) + b.Missing - length, Length: length, Text: text})
	}
	wire := make([]byte, 0, n)
	holes := y.holes
	if len(holes) > 0 && holes[0] == 0 {
		hole(0, 0, HoleGap, "an unknown number of octets is missing")
		holes = holes[1:]
	}
	for _, k := range y.chunks {
		for _, g := range s.gapsIn(k[0], k[1]) {
			at := len(wire) + s.index(max(g.off, k[0])) - s.index(k[0])
			length := min(g.off+g.n, k[1]) - max(g.off, k[0])
			hole(at, length, g.why, gapText(g.why, length, int64(at)))
		}
		wire = append(wire, s.span(k[0], k[1])...)
		for len(holes) > 0 && holes[0] <= k[1] {
			hole(len(wire), 0, HoleGap, "an unknown number of octets is missing")
			holes = holes[1:]
		}
	}
	if len(wire) > 0 {
		b.Wire = wire
		c.r.used += int64(len(wire))
	}
	return first
}
