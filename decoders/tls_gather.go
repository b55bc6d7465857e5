package decoders

import "slices"

// gatherMaxSpans bounds the separate pieces that are held of one stream.
const gatherMaxSpans = 64

// gather puts octets together that come in pieces and in any order: QUIC's
// CRYPTO frames, DTLS's fragments. Where pieces overlap, the first one counts.
type gather struct {
	b    []byte
	have []span // what is there: in order, neither overlapping nor touching
}

// span is octets from up to, but not including, to.
type span struct{ from, to int }

// put adds a piece that begins at octet at. It refuses what goes beyond limit
// octets or gatherMaxSpans pieces.
func (g *gather) put(at int, piece []byte, limit int) bool {
	end := at + len(piece)
	if end > limit {
		return false
	}
	i := 0
	for i < len(g.have) && g.have[i].to < at {
		i++
	}
	j, whole := i, span{at, end}
	for ; j < len(g.have) && g.have[j].from <= end; j++ {
		whole.from, whole.to = min(whole.from, g.have[j].from), max(whole.to, g.have[j].to)
	}
	if i == j && len(g.have) == gatherMaxSpans {
		return false
	}
	if end > len(g.b) {
		g.b = slices.Grow(g.b, end-len(g.b))[:end]
	}
	pos := at
	for _, s := range g.have[i:j] {
		if pos < s.from {
			copy(g.b[pos:s.from], piece[pos-at:])
		}
		pos = max(pos, s.to)
	}
	if pos < end {
		copy(g.b[pos:end], piece[pos-at:])
	}
	g.have = slices.Replace(g.have, i, j, whole)
	return true
}

// ready is what is there from the start on without a hole.
func (g *gather) ready() []byte {
	if len(g.have) == 0 || g.have[0].from > 0 {
		return nil
	}
	return g.b[:g.have[0].to]
}

// reset forgets everything and keeps the room.
func (g *gather) reset() { g.b, g.have = g.b[:0], g.have[:0] }
