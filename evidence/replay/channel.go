package replay

import (
	"kagami/packet"
)

const (
	// sniffed is how many octets of a direction are looked at to tell what it holds.
	sniffed = 16 << 10
	// silence is how much one side may send that is not understood before the other
	// has spoken.
	silence = 64 << 10
	// window is how many octets of a stream without a beginning are gathered before a
	// message head is looked for in them, and windowKept how many stay for a head that
	// began at their end.
	window, windowKept = 32 << 10, 4 << 10
	// maxPrologue is how many turns there may be before what we look for.
	maxPrologue = 16
	// maxDepth bounds tunnels within tunnels.
	maxDepth = 3
)

// channel is a connection's two streams of octets: those of a TCP flow, what TLS
// protects, or what a tunnel carries.
type channel struct {
	r      *reader
	flow   *Flow
	client packet.Side // by content
	orig   packet.Side // the flow's Client
	depth  int         // of tunnels

	content content
	broken  bool // the beginning of a direction is not known
	muted   bool // what is left of this turn is of no interest
	sides   [2]struct {
		content content
		seen    int // octets that were searched
	}
	tapes [2]tape
	turn  int
	last  packet.Side

	tls     *sealedRun
	tunnel  *channel // behind a CONNECT that was seen while it came
	plain   bool     // there will be none
	through [2]int64 // octets that came, gaps included
	missing [2]int64 // octets that were not captured
	over    bool     // nothing more is wanted
}

func (c *channel) data(side packet.Side, b []byte, st stamp) {
	if c.through[0]+c.through[1] == 0 && c.flow.First == 0 {
		c.flow.First, c.flow.Frame = st.time, st.frame
	}
	c.through[side] += int64(len(b))
	switch {
	case c.over || len(b) == 0:
		return
	case c.tls != nil:
		c.tls.data(side, b, st)
		c.over = c.tls.dark()
		return
	case c.tunnel != nil:
		c.tunnel.data(side, b, st)
		return
	case c.muted && side == c.last:
		return
	}
	c.muted = false
	c.speaks(side)
	c.tapes[side].add(b, st, c.turn, &c.r.memory)
	switch c.content {
	case unknown:
		c.decide(side)
	case http1:
		c.watchTunnel()
	}
}

// speaks notes whose turn it is.
func (c *channel) speaks(side packet.Side) {
	if c.turn == 0 || side != c.last {
		c.turn++
		c.last = side
	}
}

func (c *channel) gap(side packet.Side, g gap) {
	c.through[side] += g.n
	switch {
	case c.over:
	case c.tls != nil:
		c.tls.gap(side, g)
	case c.tunnel != nil:
		c.tunnel.gap(side, g)
	default:
		c.broken = true
		c.speaks(side)
		c.tapes[side].skip(g, &c.r.memory)
	}
}

// decide looks at what has come so far.
func (c *channel) decide(side packet.Side) {
	s, t := &c.sides[side], &c.tapes[side]
	if s.content == unknown {
		var client bool
		first := t.first(sniffed)
		s.content, client = sniff(first)
		if s.content > other {
			c.found(s.content, side, client)
			return
		}
		if len(first) >= sniffed || len(first) < t.had { // there is more, but it does not help
			s.content = other
		}
	}
	if s.content != other {
		return
	}
	c.broken = c.broken || len(t.gaps)+len(c.tapes[side.Other()].gaps) > 0
	switch {
	case c.broken:
		c.search(side)
	case t.had > silence, c.turn > maxPrologue:
		c.drop()
	case c.sides[side.Other()].content == other:
		c.pass()
	}
}

// pass waits for the next turn: what is in a proxy's tunnel (SOCKS), or begins by
// agreement (STARTTLS), follows a prologue.
func (c *channel) pass() {
	for i := range c.tapes {
		c.tapes[i].clear(&c.r.memory)
		c.sides[i].content, c.sides[i].seen = unknown, 0
	}
	c.muted = true
}

// found says what the channel holds.
func (c *channel) found(what content, side packet.Side, client bool) {
	c.content, c.client = what, side
	if !client {
		c.client = side.Other()
	}
	switch what {
	case sealed:
		c.unseal()
	case http1:
		c.watchTunnel()
	}
}

// search looks for the head of a message in a stream whose beginning is not known,
// once much has come, and forgets what is before.
func (c *channel) search(side packet.Side) {
	s, t := &c.sides[side], &c.tapes[side]
	if t.had-s.seen < window {
		return
	}
	if c.hasHead(side) {
		return
	}
	t.keep(windowKept, &c.r.memory)
	s.seen = t.had
}

// hasHead tells whether side has sent the head of a message, and says so.
func (c *channel) hasHead(side packet.Side) bool {
	r := c.tapes[side].peek()
	at := r.findHead(r.start, isHead)
	if at < 0 {
		return false
	}
	c.found(http1, side, sniffResponse(r.run(at)) != http1)
	return true
}

// drop gives up a channel that holds nothing for us.
func (c *channel) drop() {
	c.content, c.over = other, true
	for i := range c.tapes {
		c.tapes[i].clear(&c.r.memory)
	}
}

// end says that a side sends nothing more, in order if it closed its stream itself.
func (c *channel) end(side packet.Side, finished bool) { c.tapes[side].ended = finished }

// close reads what has been gathered.
func (c *channel) close() {
	if c.content == unknown {
		for side := range c.tapes {
			if c.content == unknown && c.broken && c.hasHead(packet.Side(side)) {
				break
			}
		}
	}
	if c.client != c.orig {
		c.flow.Client, c.flow.Server = c.flow.Server, c.flow.Client
		c.orig = c.client
	}
	if c.missing != [2]int64{} {
		c.flow.Missing = [2]int64{c.missing[c.client], c.missing[c.client.Other()]}
	}
	switch c.content {
	case http1:
		c.flow.Protocol = "http/1"
		c.closeHTTP1()
	case http2:
		c.flow.Protocol = "h2"
		c.closeHTTP2()
	case sealed:
		c.closeTLS()
	default:
		c.closeOther()
	}
}

// closeOther counts what holds nothing for us, but for TLS of which the beginning is
// not there.
func (c *channel) closeOther() {
	defer c.drop()
	for i := range c.tapes {
		if c.broken && isRecords(c.tapes[i].peek()) {
			c.flow.Protocol, c.flow.TLS = "tls", &TLS{Dark: "handshake not captured"}
			if c.r.addFlow(c.flow) {
				c.r.dark(c.flow)
			}
			return
		}
	}
	if c.depth == 0 && c.flow.TLS == nil {
		c.r.out.Others++
		return
	}
	c.r.addFlow(c.flow)
}

// play gives another channel what this one's streams hold from two offsets on, in the
// order in which it came.
func play(to interface {
	data(packet.Side, []byte, stamp)
	gap(packet.Side, gap)
}, reels [2]*reel, from [2]int64) {
	pieces := [2][]piece{}
	for i, r := range reels {
		pieces[i] = r.pieces
		for len(pieces[i]) > 0 && pieces[i][0].off+int64(pieces[i][0].n) <= from[i] {
			pieces[i] = pieces[i][1:]
		}
	}
	for len(pieces[0])+len(pieces[1]) > 0 {
		i := 0
		if len(pieces[0]) == 0 || len(pieces[1]) > 0 && pieces[1][0].turn < pieces[0][0].turn {
			i = 1
		}
		p, side := pieces[i][0], packet.Side(i)
		pieces[i] = pieces[i][1:]
		playGaps(to, side, reels[i], from[i], p.off)
		from[i] = max(from[i], p.off)
		to.data(side, reels[i].span(from[i], p.off+int64(p.n)), p.stamp)
		from[i] = p.off + int64(p.n)
	}
	for i, r := range reels {
		playGaps(to, packet.Side(i), r, from[i], r.size)
	}
}

func playGaps(to interface{ gap(packet.Side, gap) }, side packet.Side, r *reel, from, until int64) {
	for _, g := range r.gapsIn(from, until) {
		end := min(g.off+g.n, until)
		g.off = max(g.off, from)
		g.n = end - g.off
		to.gap(side, g)
	}
}
