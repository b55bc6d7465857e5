package capture

import (
	"encoding/binary"
	"fmt"
)

// maxSearch bounds the search for the next good block after damage.
const maxSearch = 16 << 20

// resync looks for the next credible block at every fourth octet.
func (g *pcapng) resync(f *File, data []byte, eof bool) step {
	p := 0
	for ; p+blockOverhead <= len(data) && g.looked+int64(p) <= maxSearch; p += 4 {
		need, good := g.credible(data[p:], eof)
		if good {
			f.damage(g.lost.at, fmt.Sprintf("%s; %d octets skipped", g.lost.what, g.looked+int64(p)))
			g.lost = nil
			return step{used: p}
		}
		if need > 0 {
			g.looked += int64(p)
			return step{used: p, need: need}
		}
	}
	if g.looked+int64(p) > maxSearch {
		return step{err: f.corrupt(g.lost.at, fmt.Sprintf("%s, and no good block in the next %d MiB", g.lost.what, maxSearch>>20))}
	}
	if !eof {
		p = min(p, len(data))
		g.looked += int64(p)
		return step{used: p, need: blockOverhead}
	}
	e := &RecordError{Path: f.path, Offset: g.lost.at, Compressed: f.in.compressed, Torn: g.lost.torn, What: g.lost.what, Err: f.fail}
	if f.fail != nil {
		e.What, e.Torn = readError(f.fail)
	}
	return step{used: len(data), err: e}
}

// credible tells whether a block of a known type stands at the start of data:
// its two lengths agree and what follows looks like a block too. need > 0 says
// that it takes more octets to tell.
func (g *pcapng) credible(data []byte, eof bool) (need int, good bool) {
	order := g.order
	if binary.BigEndian.Uint32(data) == blockSection {
		if order = sectionOrder(data); order == nil {
			return 0, false
		}
	}
	typ, length := order.Uint32(data), order.Uint32(data[4:])
	if length > maxBlock || length%4 != 0 || length < minLength(typ) {
		return 0, false
	}
	next := int(length) + 8
	if next > len(data) && !eof {
		return next, false
	}
	if int(length) > len(data) || order.Uint32(data[length-4:]) != length {
		return 0, false
	}
	if next > len(data) {
		return 0, int(length) == len(data) || typ == blockEnhanced
	}
	after := data[length:]
	if binary.BigEndian.Uint32(after) == blockSection {
		return 0, true
	}
	return 0, order.Uint32(after[4:])%4 == 0 && order.Uint32(after[4:]) >= minLength(order.Uint32(after))
}

// minLength is the shortest block of a type; of an unknown type no block is
// short enough to be credible.
func minLength(typ uint32) uint32 {
	switch typ {
	case blockSection:
		return minSectionLen
	case blockInterface:
		return minInterfaceLen
	case blockEnhanced, blockPacket:
		return minEnhancedLen
	case blockSimple:
		return minSimpleLen
	case blockNames, blockStatistics, blockSecrets, blockCustom, blockCustomNoCopy, blockLocal:
		return blockOverhead
	}
	return ^uint32(0)
}

// pass skips a block that is too long to hold in memory, then looks at the
// length that ends it.
func (g *pcapng) pass(f *File, data []byte, eof bool) step {
	const tail = 4
	if g.skip > tail && len(data) > 0 {
		n := min(g.skip-tail, int64(len(data)))
		g.skip -= n
		return step{used: int(n)}
	}
	if len(data) < tail || g.skip > tail {
		if !eof {
			return step{need: tail}
		}
		e := f.ended("a long block needs more octets", len(data), f.fail).(*RecordError)
		e.Offset = g.long.at
		return step{used: len(data), err: e}
	}
	g.skip = 0
	if g.order.Uint32(data) != g.long.length {
		g.lost = &problem{at: g.long.at, what: fmt.Sprintf("the two lengths of a block of %d octets differ", g.long.length)}
		g.looked = int64(g.long.length)
	}
	return step{used: tail}
}
