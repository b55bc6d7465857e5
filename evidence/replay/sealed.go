package replay

import (
	"encoding/binary"
	"fmt"

	"kagami/evidence/replay/tlskeys"
	"kagami/packet"
)

// sealedRun decrypts a channel's TLS into another channel.
type sealedRun struct {
	session *tlskeys.Session
	inner   *channel
	st      stamp // of the octets at hand
}

// unseal begins to decrypt, with what has come so far.
func (c *channel) unseal() {
	keys := c.r.Keys
	if keys == nil {
		keys = c.r.noKeys
	}
	c.flow.TLS = &TLS{}
	run := &sealedRun{inner: &channel{r: c.r, flow: c.flow, client: c.client, orig: c.client, depth: c.depth}}
	run.session = tlskeys.NewSession(keys, run)
	c.tls = run
	reels := [2]*reel{c.tapes[0].peek(), c.tapes[1].peek()}
	for i := range c.tapes {
		c.tapes[i].clear(&c.r.memory)
	}
	play(run, reels, [2]int64{reels[0].start, reels[1].start})
}

func (s *sealedRun) data(side packet.Side, b []byte, st stamp) {
	s.st = st
	s.session.Data(side, b)
}

func (s *sealedRun) gap(side packet.Side, g gap) { s.session.Gap(side, int(g.n)) }

// dark tells that nothing more can come of either direction.
func (s *sealedRun) dark() bool {
	r := s.session.Report()
	return r.Sides[0].Dark != tlskeys.None && r.Sides[1].Dark != tlskeys.None
}

// Plain implements tlskeys.Sink.
func (s *sealedRun) Plain(side packet.Side, b []byte) { s.inner.data(side, b, s.st) }

// Lost implements tlskeys.Sink.
func (s *sealedRun) Lost(side packet.Side, l tlskeys.Loss) {
	why := HoleDark
	switch l.Reason {
	case tlskeys.Gap:
		why = HoleGap
	case tlskeys.Limit:
		why = HoleLimit
	}
	s.inner.gap(side, gap{n: int64(l.Octets), why: why, guess: !l.Exact})
}

// closeTLS reads what was decrypted, and says what was not.
func (c *channel) closeTLS() {
	s := c.tls
	s.session.Close()
	r := s.session.Report()
	t := c.flow.TLS
	t.ServerName, t.ALPN = r.ServerName, r.ALPN
	if r.Version != 0 {
		t.Version = r.VersionName()
	}
	if r.Suite != 0 {
		t.Cipher = r.SuiteName()
	}
	c.flow.Protocol = "tls"
	if s.inner.content != unknown || r.Sides[0].Plain+r.Sides[1].Plain > 0 {
		for side := range s.inner.tapes {
			x := &r.Sides[side]
			s.inner.tapes[side].loose = !x.Closed
			s.inner.end(packet.Side(side), x.Closed || x.Dark == tlskeys.None && x.Cut == 0 && c.tapes[side].ended)
			if x.Dark != tlskeys.None && x.Unread > 0 {
				s.inner.gap(packet.Side(side), gap{n: x.Unread, why: HoleDark, guess: true})
			}
		}
		s.inner.close()
		if c.flow.Protocol == "" {
			c.flow.Protocol = "tls"
		}
		c.partlyDark(&r)
		return
	}
	for side := range r.Sides {
		if d := r.Sides[side].Dark; d != tlskeys.None && (t.Dark == "" || d == tlskeys.NoKey) {
			t.Dark = d.String()
		}
	}
	if t.Dark == "" {
		t.Dark = "no application data"
	}
	if c.r.addFlow(c.flow) {
		c.r.dark(c.flow)
	}
}

// partlyDark says what of a flow that was decrypted is not to be seen.
func (c *channel) partlyDark(r *tlskeys.Report) {
	say := func(n int64, text string) {
		c.r.hole(Hole{Kind: HoleDark, Flow: c.flow, Time: c.flow.First, Length: n, Text: text})
	}
	if r.ECH {
		say(0, "the ClientHello is encrypted (ECH): the server's name is that of its provider")
	}
	if n := r.EarlyDropped; n > 0 {
		say(n, fmt.Sprintf("%s of early data (0-RTT) %s refused by the server, or nobody knows: the client sends that again", plural(n, "octet"), were(n)))
	}
	for side := range r.Sides {
		who := "client's stream"
		if packet.Side(side) != c.client {
			who = "server's stream"
		}
		switch x := &r.Sides[side]; {
		case x.Dark != tlskeys.None:
			say(x.Unread, fmt.Sprintf("the end of the %s was not decrypted: %s", who, x.Dark))
		case x.Cut > 0:
			say(int64(x.Cut), fmt.Sprintf("the %s ends within a record of TLS", who))
		}
	}
}

// dark says that a flow was not decrypted.
func (r *reader) dark(f *Flow) {
	text := "not decrypted: " + f.TLS.Dark
	if f.TLS.ServerName != "" {
		text += ", for " + f.TLS.ServerName
	}
	r.hole(Hole{Kind: HoleDark, Flow: f, Time: f.First, Text: text})
}

// isRecords tells whether a frame begins with records of TLS that follow each other.
func isRecords(r *reel) bool {
	const enough = 3
	for _, p := range r.pieces {
		b, n := r.run(p.off), 0
		for len(b) >= 5 && b[0] >= 20 && b[0] <= 23 && b[1] == 3 && b[2] <= 4 && n < enough {
			size := 5 + int(binary.BigEndian.Uint16(b[3:]))
			if size > 1<<14+2048+5 {
				break
			}
			b = b[min(size, len(b)):]
			n++
		}
		if n == enough {
			return true
		}
	}
	return false
}
