package index

import (
	"bytes"
	"encoding/binary"
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
	rowCost   = 16
	foldShare = 250
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

// scratch is memory for makeRoom.
type scratch struct {
	seen   []uint32
	counts []groupCount
	groups []group
	choice []int32 // of each flow: the group that it is folded into, or -1
	moved  []int32 // new number of each flow
}

// groupCount counts the different targets of one address, or its sources.
type groupCount struct {
	tag   uint32
	n     uint32
	group int32 // number in groups plus 1
}

// group is one that is large enough to be folded.
type group struct {
	one       [16]byte
	proto     uint8
	client    bool
	low, high [16]byte
	flows     int
	fold      int // number in Builder.folds plus 1
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

// foldFlows folds scans if they take much of the index, or by force.
func (b *Builder) foldFlows(force bool) {
	all := b.flows.all
	if uint64(len(all))*rowCost <= b.stored/foldShare && !force {
		return
	}
	n := b.group()
	if n == 0 || uint64(n)*rowCost <= b.stored/foldShare && !force {
		return
	}
	if b.filter == nil {
		b.filter = newBloom(segmentScale)
	}
	s := &b.scratch
	s.moved = slices.Grow(s.moved[:0], len(all))[:len(all)]
	kept := 0
	for i := range all {
		if g := s.choice[i]; g >= 0 && b.take(&s.groups[g], &all[i]) {
			s.moved[i] = -1
			continue
		}
		s.moved[i] = int32(kept)
		all[kept] = all[i]
		kept++
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

// group finds the addresses with many small flows, and for each flow the larger of
// the two groups that it could be folded into. It returns the number of such flows.
func (b *Builder) group() int {
	s, all := &b.scratch, b.flows.all
	size := minSlots
	for size < 4*len(all) {
		size *= 2
	}
	s.seen = slices.Grow(s.seen[:0], size)[:size]
	s.counts = slices.Grow(s.counts[:0], size)[:size]
	clear(s.seen)
	clear(s.counts)
	s.groups = s.groups[:0]
	s.choice = slices.Grow(s.choice[:0], len(all))[:len(all)]
	for i := range all {
		if f := &all[i]; f.foldable() {
			c, v := f.ends()
			s.count(c.group(f, true), v.target(true))
			s.count(v.group(f, false), c.target(false))
		}
	}
	n := 0
	for i := range all {
		if s.choice[i] = s.choose(&all[i]); s.choice[i] >= 0 {
			n++
		}
	}
	return n
}

// endpoint is one side of a flow.
type endpoint struct {
	addr [16]byte
	port uint16
}

func (f *flow) ends() (client, server endpoint) {
	c, v := f.client, f.client.Other()
	return endpoint{f.key.Addr(c), f.key.Port(c)}, endpoint{f.key.Addr(v), f.key.Port(v)}
}

// group is the hash of the flows of which e is the client, or the server.
func (e *endpoint) group(f *flow, client bool) uint64 {
	h := addrValue(&e.addr) ^ uint64(f.key.Proto)<<8
	if client {
		h ^= 1
	}
	return mix(h)
}

// target is the hash of what tells e from others: a server's port counts.
func (e *endpoint) target(server bool) uint64 {
	h := addrValue(&e.addr)
	if server {
		h ^= uint64(e.port) + 1
	}
	return mix(h)
}

// count counts a target once. Hashes stand for what they are of: if two collide, a
// group seems a little larger or smaller than it is.
func (s *scratch) count(group, target uint64) {
	h := mix(group ^ target*0x9e3779b97f4a7c15)
	mask := uint64(len(s.seen) - 1)
	tag := max(uint32(h>>32), 1)
	for i := h & mask; ; i = (i + 1) & mask {
		if s.seen[i] == tag {
			return
		}
		if s.seen[i] == 0 {
			s.seen[i] = tag
			break
		}
	}
	s.counter(group).n++
}

func (s *scratch) counter(group uint64) *groupCount {
	mask := uint64(len(s.counts) - 1)
	tag := max(uint32(group>>32), 1)
	for i := group & mask; ; i = (i + 1) & mask {
		c := &s.counts[i]
		if c.tag == 0 {
			c.tag = tag
		}
		if c.tag == tag {
			return c
		}
	}
}

// choose picks the group that a flow is folded into, -1 for none.
func (s *scratch) choose(f *flow) int32 {
	if !f.foldable() {
		return -1
	}
	c, v := f.ends()
	best, one, other := s.counter(c.group(f, true)), c.addr, v.addr
	client := true
	if o := s.counter(v.group(f, false)); o.n > best.n {
		best, one, other, client = o, v.addr, c.addr, false
	}
	if best.n <= foldTargets {
		return -1
	}
	if best.group == 0 {
		s.groups = append(s.groups, group{one: one, proto: f.key.Proto, client: client, low: other, high: other})
		best.group = int32(len(s.groups))
	}
	g := &s.groups[best.group-1]
	if g.one != one || g.client != client || g.proto != f.key.Proto { // hashes that collide
		return -1
	}
	g.flows++
	widen(&g.low, &g.high, &other)
	return best.group - 1
}

func widen(low, high, a *[16]byte) {
	if bytes.Compare(a[:], low[:]) < 0 {
		*low = *a
	}
	if bytes.Compare(a[:], high[:]) > 0 {
		*high = *a
	}
}

// dense tells whether the addresses of the others lie close together.
func (g *group) dense() bool {
	if string(g.low[:8]) != string(g.high[:8]) {
		return false
	}
	return binary.BigEndian.Uint64(g.high[8:])-binary.BigEndian.Uint64(g.low[8:]) < dense*uint64(g.flows)
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
	d.Flows++
	d.Packets += uint64(f.packets[0]) + uint64(f.packets[1])
	d.Stored += f.stored[0] + f.stored[1]
	d.Bytes += f.bytes[0] + f.bytes[1]
	b.filter.flow(&f.key)
	if !d.Dense {
		b.filter.add(addrValue(&other.addr))
	}
	b.cover(d, f.tail)
	for n := f.chain; n != 0; n = b.extents.nodes[n-1].prev {
		b.cover(d, b.extents.nodes[n-1].Extent)
	}
	b.extents.drop(f)
	return true
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

// overflow puts a packet for whose flow there is no room into the Fold of anything.
func (b *Builder) overflow(k *packet.Key, p *segment.Packet) {
	i := len(b.folds) - 1
	for i >= 0 && !b.folds[i].Any {
		i--
	}
	if i < 0 {
		if b.filter == nil {
			b.filter = newBloom(segmentScale)
		}
		i = b.newFold(Fold{Any: true})
	}
	f := &b.folds[i]
	f.widen(k.A, k.APort, k.BPort, p.Time, p.Time)
	f.widen(k.B, k.BPort, k.APort, p.Time, p.Time)
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
