package index

import (
	"math"
	"slices"
	"sort"

	"kagami/evidence/segment"
	"kagami/packet"
)

const (
	firstFold   = 1 << 14 // flows at which folding is tried first
	foldTargets = 256     // a fold has more targets, or sources, than that
	foldAttempt = 8       // packets of a TCP connection without payload that is folded
	foldOther   = 2       // packets of another flow that is folded
	// rowCost is about what a small flow takes in the index, octets; it is folded if
	// all such flows would take more than one part in foldShare of what is stored.
	rowCost    = 16
	foldShare  = 250
	manyLoners = 1 << 12 // connections without payload of no scan
	// dense says that one address in so many between the lowest and the highest is in
	// the fold: its range says as much as a filter would.
	dense = 16
	// A fold's keys get at most filterPart/filterOf of its packets' octets in the filter.
	filterPart, filterOf = 3, 200
)

// fold is a Fold in the making. Its extents are runs of packets that begin in the
// same runBytes of the file.
type fold struct {
	Fold
	hint int // the run that the last packet went to
}

// foldable tells whether a flow is small and dull enough to do without a row.
func (f *flow) foldable() bool {
	if f.state&noted != 0 || f.flags&NoIP != 0 {
		return false
	}
	n := f.packets[0] + f.packets[1]
	if f.key.Proto == packet.ProtoTCP {
		return n <= foldAttempt && f.state&payload == 0
	}
	return n <= foldOther
}

// makeRoom folds what can be folded when the table has grown, and says when it is to
// be tried again.
func (b *Builder) makeRoom() {
	b.foldFlows(len(b.flows.all) >= b.limits.rows)
	n := len(b.flows.all)
	b.crammed = b.crammed || n > b.limits.rows-b.limits.rows/8
	switch {
	case !b.crammed:
		b.fold = min(max(2*n, firstFold), b.limits.rows)
	case n < b.hardRows():
		b.fold = b.hardRows()
	default:
		b.fold = math.MaxInt // trying again for every packet would help nobody
	}
}

// hardRows is the number of rows behind which packets of new flows go to overflow.
func (b *Builder) hardRows() int { return b.limits.rows + b.limits.rows/slack }

// finish folds at the end of a segment.
func (b *Builder) finish() { b.foldFlows(false) }

// foldFlows folds scans if they take much of the index, or by force. Attempts that
// belong to no scan are folded only when there are very many of them: their fold is one
// of anything.
func (b *Builder) foldFlows(force bool) {
	all := b.flows.all
	much := func(flows int) bool { return force || uint64(flows)*rowCost > b.stored/foldShare }
	if !much(len(all)) {
		return
	}
	grouped, loners := b.group()
	if loners < manyLoners || !much(loners) {
		loners = 0
	}
	if grouped+loners == 0 || !much(grouped+loners) {
		return
	}
	if b.filter == nil {
		b.filter = newBloom(segmentScale)
	}
	s := &b.scratch
	s.moved = slices.Grow(s.moved[:0], len(all))[:len(all)]
	kept := 0
	for i := range all {
		gone := false
		switch g := s.choice[i]; {
		case g >= 0:
			gone = b.take(&s.groups[g], &all[i])
		case g == loner && loners > 0:
			b.takeLoner(&all[i])
			gone = true
		}
		if s.moved[i] = -1; !gone {
			s.moved[i] = int32(kept)
			all[kept] = all[i]
			kept++
		}
	}
	b.flows.all = all[:kept]
	b.flows.rehash()
	for i := range b.notes.all {
		if e := &b.notes.all[i]; e.row >= 0 {
			e.row = s.moved[e.row]
		}
	}
	b.cur = -1
}

// take moves a flow into the fold of its group; false when there is no room for one.
func (b *Builder) take(g *group, f *flow) bool {
	if g.fold == 0 && !b.foldFor(g) {
		return false
	}
	d := &b.folds[g.fold-1]
	one, other := f.ends()
	if !g.client {
		one, other = other, one
	}
	d.widen(other.addr, one.port, other.port, f.first, f.last)
	if !d.Dense {
		b.filter.add(addrValue(&other.addr))
	}
	b.move(d, f)
	return true
}

// takeLoner moves a flow into the fold of anything.
func (b *Builder) takeLoner(f *flow) {
	d := b.anything()
	d.widenAny(&f.key, f.first, f.last)
	b.filter.add(addrValue(&f.key.A))
	b.filter.add(addrValue(&f.key.B))
	b.move(d, f)
}

// move adds up a flow and its extents in a fold.
func (b *Builder) move(d *fold, f *flow) {
	d.Flows++
	d.Packets += uint64(f.packets[0]) + uint64(f.packets[1])
	d.Stored += f.stored[0] + f.stored[1]
	d.Bytes += f.bytes[0] + f.bytes[1]
	b.filter.flow(&f.key)
	b.cover(d, f.tail)
	for n := f.chain; n != 0; n = b.extents.nodes[n-1].prev {
		b.cover(d, b.extents.nodes[n-1].Extent)
	}
	b.extents.drop(f)
}

// foldFor finds the fold of a group or makes it; false when there are too many.
func (b *Builder) foldFor(g *group) bool {
	dense := g.dense()
	for i := range b.folds {
		o := &b.folds[i]
		if o.Any || o.Addr != g.one || o.Proto != g.proto || o.Client != g.client {
			continue
		}
		if o.Dense == dense || o.Dense && o.ranges(&g.low) && o.ranges(&g.high) {
			g.fold = i + 1
			return true
		}
	}
	if len(b.folds) >= b.limits.folds {
		return false
	}
	g.fold = b.newFold(Fold{Addr: g.one, Proto: g.proto, Client: g.client, Dense: dense}) + 1
	b.filter.add(addrValue(&g.one))
	return true
}

func (b *Builder) newFold(f Fold) int {
	f.Ports, f.Others = [2]uint16{math.MaxUint16, 0}, [2]uint16{math.MaxUint16, 0}
	f.First, f.Last = math.MaxInt64, math.MinInt64
	if n := len(b.folds); n < cap(b.folds) { // keep the memory for extents
		f.Extents = b.folds[:n+1][n].Extents[:0]
	}
	b.folds = append(b.folds, fold{Fold: f})
	return len(b.folds) - 1
}

func (f *fold) widen(other [16]byte, onePort, otherPort uint16, first, last int64) {
	if f.Flows == 0 {
		f.Low, f.High = other, other
	}
	widen(&f.Low, &f.High, &other)
	f.Ports = [2]uint16{min(f.Ports[0], onePort), max(f.Ports[1], onePort)}
	f.Others = [2]uint16{min(f.Others[0], otherPort), max(f.Others[1], otherPort)}
	f.First, f.Last = min(f.First, first), max(f.Last, last)
}

// widenAny is widen for the fold of anything, which has no one address.
func (f *fold) widenAny(k *packet.Key, first, last int64) {
	f.widen(k.A, k.APort, k.BPort, first, last)
	widen(&f.Low, &f.High, &k.B)
	f.Ports = [2]uint16{min(f.Ports[0], f.Others[0]), max(f.Ports[1], f.Others[1])}
	f.Others = f.Ports
}

// anything is the fold of anything.
func (b *Builder) anything() *fold {
	for i := range b.folds {
		if b.folds[i].Any {
			return &b.folds[i]
		}
	}
	if b.filter == nil {
		b.filter = newBloom(segmentScale)
	}
	return &b.folds[b.newFold(Fold{Any: true})]
}

// overflow puts a packet for whose flow there is no room into the fold of anything.
func (b *Builder) overflow(k *packet.Key, p *segment.Packet) {
	f := b.anything()
	f.widenAny(k, p.Time, p.Time)
	f.Flows++
	f.Packets++
	f.Stored += uint64(len(p.Data))
	f.Bytes += uint64(max(p.WireLen, uint32(len(p.Data))))
	b.filter.flow(k)
	b.filter.add(addrValue(&k.A))
	b.filter.add(addrValue(&k.B))
	b.cover(f, Extent{Pos: p.Pos, Len: int32(p.Len), Packets: 1})
}

// cover adds a stretch of packets to a fold's runs, which stay ascending and apart
// from each other.
func (b *Builder) cover(f *fold, e Extent) {
	x := f.Extents
	i := min(f.hint, len(x))
	if i > 0 && block(x[i-1].Pos) >= block(e.Pos) || i < len(x) && block(x[i].Pos) < block(e.Pos) {
		i = sort.Search(len(x), func(n int) bool { return block(x[n].Pos) >= block(e.Pos) })
	}
	before := len(x)
	switch {
	case i < len(x) && block(x[i].Pos) == block(e.Pos):
		x[i].join(e)
	case b.extents.full() && i > 0 && e.End()-x[i-1].Pos <= maxExtent:
		i--
		x[i].join(e)
	default:
		x = slices.Insert(x, i, e)
	}
	for i+1 < len(x) && x[i].End() > x[i+1].Pos {
		x[i].join(x[i+1])
		x = slices.Delete(x, i+1, i+2)
	}
	for i > 0 && x[i-1].End() > x[i].Pos {
		x[i-1].join(x[i])
		x = slices.Delete(x, i, i+1)
		i--
	}
	b.extents.used += len(x) - before
	f.Extents, f.hint = x, i
}

func block(pos int64) int64 { return pos / runBytes }

func (e *Extent) join(o Extent) {
	end := max(e.End(), o.End())
	e.Pos = min(e.Pos, o.Pos)
	e.Len = int32(end - e.Pos)
	e.Packets += o.Packets
}
