package replay

import (
	"bytes"

	"kagami/packet"
)

// watchTunnel looks whether a connection begins with a CONNECT that was granted: what
// follows is read anew while it comes.
func (c *channel) watchTunnel() {
	up, down := &c.tapes[c.client], &c.tapes[c.client.Other()]
	if c.plain || down.had == 0 {
		return
	}
	const method = "CONNECT "
	ask, answer := up.first(sniffed), down.first(sniffed)
	if c.depth >= maxDepth || len(up.gaps)+len(down.gaps) > 0 || len(ask) >= len(method) && string(ask[:len(method)]) != method || down.had > sniffed {
		c.plain = true
		return
	}
	q, a := readHead(ask, sniffed, false, true), readHead(answer, sniffed, false, false)
	if !q.whole || !a.whole {
		return
	}
	c.plain = true
	if _, status, _, ok := statusLine(a.line); !ok || status/100 != 2 {
		return
	}
	reels := [2]*reel{}
	from := [2]int64{}
	for i, h := range []*head{&q, &a} {
		side := c.client
		if i == 1 {
			side = c.client.Other()
		}
		t := &c.tapes[side]
		reels[side] = t.peek()
		from[side] = reels[side].start + headEnd(t.first(sniffed), h)
	}
	c.tunnel = c.inside()
	play(c.tunnel, reels, from)
	for i := range c.tapes {
		c.tapes[i].cut(from[i], &c.r.memory)
	}
}

// headEnd is where a head ends that the octets begin with, empty lines before it
// included.
func headEnd(b []byte, h *head) int64 { return int64(bytes.Index(b, h.raw) + len(h.raw)) }

// inside is a channel for what a tunnel carries.
func (c *channel) inside() *channel {
	f := &Flow{Client: c.flow.Client, Server: c.flow.Server, CommunityID: c.flow.CommunityID, Last: c.flow.Last}
	if c.client != c.orig {
		f.Client, f.Server = f.Server, f.Client
	}
	return &channel{r: c.r, flow: f, client: c.client, orig: c.client, depth: c.depth + 1}
}

// closeHTTP1 parses what was gathered.
func (c *channel) closeHTTP1() {
	up, down := c.tapes[c.client].reel(&c.r.memory), c.tapes[c.client.Other()].reel(&c.r.memory)
	p := newConn1(c.r, c.flow, up, down)
	p.parse()
	c.r.addFlow(c.flow)
	if c.r.add(p.all) == 0 {
		c.r.used -= int64(len(up.octets) + len(down.octets))
	}
	if t := p.connect; t != nil {
		c.goOn(t, p, up, down)
	} else if c.tunnel != nil {
		c.tunnel.close()
	}
}

// goOn follows what a connection carries behind a CONNECT or an upgrade.
func (c *channel) goOn(t *Transaction, p *conn1, up, down *reel) {
	t.Switched = upgraded(t)
	t.Carried = [2]int64{up.size - p.up.off, down.size - p.down.off}
	in := c.tunnel
	switch {
	case t.Switched == "h2c":
		c.goOnHTTP2(t, p, up, down)
		return
	case t.Switched != "connect":
		return
	case in == nil && c.depth >= maxDepth:
		c.r.hole(Hole{Kind: HoleLimit, Flow: c.flow, Transaction: t, Time: t.Request.Time, Text: "too many tunnels within each other"})
		return
	case in == nil:
		in = c.inside()
		reels, from := [2]*reel{up, down}, [2]int64{p.up.off, p.down.off}
		if c.client != packet.FromA {
			reels, from = [2]*reel{down, up}, [2]int64{p.down.off, p.up.off}
		}
		play(in, reels, from)
	default:
		t.Carried = [2]int64{in.through[c.client], in.through[c.client.Other()]}
	}
	for i := range in.tapes {
		in.end(packet.Side(i), c.tapes[i].ended)
	}
	in.flow.Via, in.flow.Last = t, c.flow.Last
	in.close()
}
