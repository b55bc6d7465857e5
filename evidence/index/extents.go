package index

const (
	exactPackets = 64       // of a flow with more, the extents are runs
	runBytes     = 64 << 10 // length of a run
	maxJoin      = 1 << 20  // length of an extent of packets that adjoin
	maxExtent    = 1 << 30  // length of an extent when there is no room for more of them
)

// node is an extent that is not its flow's last.
type node struct {
	Extent
	prev uint32 // number of the one before, plus 1
}

// extents holds the extents of all flows.
type extents struct {
	nodes []node
	free  uint32 // first of those not in use, plus 1
	used  int    // these, and the folds'
	most  int    // more are not made
}

func (x *extents) reset() { x.nodes, x.free, x.used = x.nodes[:0], 0, 0 }

func (x *extents) full() bool { return x.used >= x.most }

func (x *extents) push(e Extent, prev uint32) uint32 {
	x.used++
	if i := x.free; i != 0 {
		x.free = x.nodes[i-1].prev
		x.nodes[i-1] = node{e, prev}
		return i
	}
	x.nodes = append(x.nodes, node{e, prev})
	return uint32(len(x.nodes))
}

func (x *extents) release(i uint32) {
	x.used--
	x.nodes[i-1].prev = x.free
	x.free = i
}

// place adds a packet's block to a flow's extents.
func (x *extents) place(f *flow, pos int64, length int32) {
	c := &f.tail
	count := f.packets[0] + f.packets[1]
	if count == exactPackets+1 {
		x.coalesce(f)
	}
	reach := pos + int64(length) - c.Pos
	switch {
	case count == 1:
		*c = Extent{Pos: pos, Len: length, Packets: 1}
		return
	case c.End() == pos && reach <= maxJoin:
	case count > exactPackets && reach <= runBytes:
		f.flags &^= Exact
	case x.full() && reach <= maxExtent:
		f.flags &^= Exact
	default:
		f.chain = x.push(*c, f.chain)
		f.extents++
		*c = Extent{Pos: pos, Len: length, Packets: 1}
		return
	}
	c.Len = int32(reach)
	c.Packets++
}

// coalesce joins a flow's extents to runs.
func (x *extents) coalesce(f *flow) {
	e, link := &f.tail, &f.chain
	for i := f.chain; i != 0; {
		n := &x.nodes[i-1]
		prev := n.prev
		if e.End()-n.Pos <= runBytes {
			e.Len, e.Pos, e.Packets = int32(e.End()-n.Pos), n.Pos, e.Packets+n.Packets
			x.release(i)
			f.extents--
			f.flags &^= Exact
		} else {
			*link = i
			e, link = &n.Extent, &n.prev
		}
		i = prev
	}
	*link = 0
}

// all appends a flow's extents in their order.
func (x *extents) all(dst []Extent, f *flow) []Extent {
	at := len(dst)
	for range f.extents + 1 {
		dst = append(dst, Extent{})
	}
	last := len(dst) - 1
	dst[last] = f.tail
	for i := f.chain; i != 0 && last > at; i = x.nodes[i-1].prev {
		last--
		dst[last] = x.nodes[i-1].Extent
	}
	return dst
}

// drop gives a flow's extents free.
func (x *extents) drop(f *flow) {
	for i := f.chain; i != 0; {
		prev := x.nodes[i-1].prev
		x.release(i)
		i = prev
	}
	f.chain, f.extents = 0, 0
}
