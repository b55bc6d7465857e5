package search

import (
	"slices"

	"kagami/evidence/index"
	"kagami/packet"
)

// pick is which packets of a segment are wanted.
type pick struct {
	flows []Flow               // parts of flows in this segment
	spans []octets             // where their packets are, ascending, apart from each other
	exact []int32              // of a span: the flow that all its packets are of; byKey if not
	keys  map[packet.Key]int32 // flows that are found by key
}

// byKey says that the packets of a span are told by their keys.
const byKey = -1

// add wants the packets of a row.
func (p *pick) add(r *index.Row) {
	n := int32(len(p.flows))
	p.flows = append(p.flows, flowOf(r))
	flow := n
	if r.Flags&index.Exact == 0 {
		flow = byKey
		p.key(&r.Key, n)
	}
	for i := range r.Extents {
		p.spans = append(p.spans, octets{r.Extents[i].Pos, r.Extents[i].End()})
		p.exact = append(p.exact, flow)
	}
}

func (p *pick) key(k *packet.Key, flow int32) {
	if p.keys == nil {
		p.keys = map[packet.Key]int32{}
	}
	p.keys[*k] = flow
}

// settle brings the spans into order. Those that touch each other become one, unless
// all packets of both are of one flow each; where a span of keys covers another's,
// its flow is found by key, too.
func (p *pick) settle() {
	order := make([]int, len(p.spans))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := p.spans[a], p.spans[b]
		if x.from != y.from {
			return compare(x.from, y.from)
		}
		return compare(y.to, x.to)
	})
	var spans []octets
	var exact []int32
	for _, i := range order {
		s, flow := p.spans[i], p.exact[i]
		last := len(spans) - 1
		switch {
		case last < 0 || s.from > spans[last].to || s.from == spans[last].to && exact[last] != flow:
			spans, exact = append(spans, s), append(exact, flow)
			continue
		case exact[last] != flow: // one of them is found by key: so is all
			for _, f := range []int32{flow, exact[last]} {
				if f != byKey {
					p.key(&p.flows[f].Key, f)
				}
			}
			exact[last] = byKey
		}
		spans[last].to = max(spans[last].to, s.to)
	}
	p.spans, p.exact = spans, exact
}

// maxThrough is the longest stretch of octets nobody wants that is read rather than
// passed over: as much as a disk reads while it would move on.
const maxThrough = 64 << 10

// reach is up to where it is worth reading on from pos, which is in span i.
func (p *pick) reach(i int, pos int64) int64 {
	to := p.spans[i].to
	for i++; i < len(p.spans) && p.spans[i].from-to <= maxThrough && to-pos < chunkLen; i++ {
		to = p.spans[i].to
	}
	return min(to, pos+chunkLen)
}
