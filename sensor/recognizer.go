package sensor

import "kagami/packet"

const (
	// pendingLimit bounds the octets kept while a flow's protocol is not known.
	pendingLimit = 4096
	// maxTries bounds the segments or datagrams at which a protocol is looked
	// for afresh: after a gap, in a flow whose start was not seen, or in UDP.
	maxTries = 8
	// maxQuiet bounds the segments of one unknown direction while the other
	// has not spoken.
	maxQuiet = 64
)

// recognizer is the Decoder of a flow whose protocol is not known yet. It finds
// the protocol by content and hands everything over, in order.
type recognizer struct {
	protocols []Protocol
	inner     Decoder
	pending   []chunk
	size      int
	tries     int
	quiet     int
	unknown   [2]bool
	broken    [2]bool // the start of this direction's message is not known
}

// chunk is what came before the protocol was known.
type chunk struct {
	side packet.Side
	data []byte
	gap  int
}

// Keeps implements Keeper.
func (r *recognizer) Keeps() int { return r.size + Keeps(r.inner) }

func newRecognizer(p []Protocol) *recognizer { return &recognizer{protocols: p} }

// Data implements Decoder.
func (r *recognizer) Data(f *Flow, side packet.Side, data []byte, emit Emit) Verdict {
	if r.inner != nil {
		return r.inner.Data(f, side, data, emit)
	}
	if r.unknown[side] {
		if !r.mayRetry(f, side) {
			return r.waiting(f)
		}
		r.tries++
		r.unknown[side] = false
	}
	first := r.start(side, data)
	p, verdict := r.match(f, side, first)
	if verdict == No && len(first) > len(data) && r.mayRetry(f, side) {
		r.tries++ // what came before was the end of something: a keep-alive's octet, a message's tail
		r.forget(side)
		p, verdict = r.match(f, side, data[:min(len(data), MatchLimit)])
	}
	if p != nil {
		return r.found(f, p, verdict, side, data, emit)
	}
	if verdict == Maybe && r.size+len(data) <= pendingLimit {
		r.pending = append(r.pending, chunk{side: side, data: append([]byte(nil), data...)})
		r.size += len(data)
		return More
	}
	r.unknown[side] = true
	r.forget(side)
	return r.waiting(f)
}

// match asks the protocols in order: one that is sure, or Maybe, or No.
func (r *recognizer) match(f *Flow, side packet.Side, first []byte) (*Protocol, Match) {
	best := No
	for i := range r.protocols {
		switch m := r.protocols[i].Match(f, side, first); {
		case m == FromClient || m == FromServer:
			return &r.protocols[i], m
		case m == Maybe && len(first) < MatchLimit && f.Key.Proto == packet.ProtoTCP:
			best = Maybe
		}
	}
	return nil, best
}

// mayRetry tells whether a direction that was not understood may be looked at
// again from its next segment on.
func (r *recognizer) mayRetry(f *Flow, side packet.Side) bool {
	return r.tries < maxTries && (f.Key.Proto != packet.ProtoTCP || r.broken[side] || f.midstream())
}

// waiting says Done when no direction can be understood any more.
func (r *recognizer) waiting(f *Flow) Verdict {
	if r.quiet++; r.quiet > maxQuiet {
		return Done
	}
	for side := range r.unknown {
		if !r.unknown[side] || r.mayRetry(f, packet.Side(side)) {
			return More
		}
	}
	return Done
}

// start is what side has sent so far, as far as a match needs it.
func (r *recognizer) start(side packet.Side, data []byte) []byte {
	var kept []byte
	for i := range r.pending {
		if c := &r.pending[i]; c.side == side {
			kept = append(kept, c.data...)
		}
	}
	if kept != nil {
		data = append(kept, data...)
	}
	return data[:min(len(data), MatchLimit)]
}

// forget drops what side sent: it is of no protocol we know.
func (r *recognizer) forget(side packet.Side) {
	kept := r.pending[:0]
	for _, c := range r.pending {
		if c.side != side {
			kept = append(kept, c)
		} else {
			r.size -= len(c.data)
		}
	}
	r.pending = kept
}

// found starts the protocol's decoder and gives it all that was kept.
func (r *recognizer) found(f *Flow, p *Protocol, m Match, side packet.Side, data []byte, emit Emit) Verdict {
	if (m == FromClient) != (side == f.Orig) && !f.inTunnel {
		f.flip()
	}
	r.inner = p.New()
	f.sealed = p.Encrypted
	if f.decoder == Decoder(r) { // not within a tunnel's decoder
		f.decoder = r.inner
	}
	pending := r.pending
	r.pending, r.size = nil, 0
	verdict := More
	for i := 0; i < len(pending) && verdict == More; i++ {
		if c := &pending[i]; c.gap > 0 {
			verdict = r.inner.Gap(f, c.side, c.gap)
		} else {
			verdict = r.inner.Data(f, c.side, c.data, emit)
		}
	}
	if verdict == More {
		verdict = r.inner.Data(f, side, data, emit)
	}
	return verdict
}

// Gap implements Decoder.
func (r *recognizer) Gap(f *Flow, side packet.Side, n int) Verdict {
	if r.inner != nil {
		return r.inner.Gap(f, side, n)
	}
	r.forget(side)
	r.unknown[side], r.broken[side] = true, true
	return r.waiting(f)
}

// Close implements Decoder.
func (r *recognizer) Close(f *Flow, emit Emit) {
	if r.inner != nil {
		r.inner.Close(f, emit)
	}
}
