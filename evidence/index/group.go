package index

import (
	"bytes"
	"encoding/binary"
	"slices"

	"kagami/packet"
)

// scratch is memory for makeRoom.
type scratch struct {
	seen   []uint32
	counts []groupCount
	groups []group
	choice []int32 // of each flow: the group that it is folded into, or keep or loner
	moved  []int32 // new number of each flow
}

// What choice says besides a group.
const (
	keep  = -1
	loner = -2 // a connection without payload that belongs to no group
)

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

// group finds the addresses with many small flows, and for each flow the larger of
// the two groups that it could be folded into. It returns the number of such flows, and
// that of attempts that belong to no group.
func (b *Builder) group() (grouped, loners int) {
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
	for i := range all {
		switch s.choice[i] = s.choose(&all[i]); {
		case s.choice[i] >= 0:
			grouped++
		case s.choice[i] == loner:
			loners++
		}
	}
	return grouped, loners
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

// choose picks the group that a flow is folded into, or keep or loner.
func (s *scratch) choose(f *flow) int32 {
	if !f.foldable() {
		return keep
	}
	c, v := f.ends()
	best, one, other := s.counter(c.group(f, true)), c.addr, v.addr
	client := true
	if o := s.counter(v.group(f, false)); o.n > best.n {
		best, one, other, client = o, v.addr, c.addr, false
	}
	if best.n <= foldTargets {
		if f.key.Proto == packet.ProtoTCP {
			return loner
		}
		return keep
	}
	if best.group == 0 {
		s.groups = append(s.groups, group{one: one, proto: f.key.Proto, client: client, low: other, high: other})
		best.group = int32(len(s.groups))
	}
	g := &s.groups[best.group-1]
	if g.one != one || g.client != client || g.proto != f.key.Proto { // hashes that collide
		return keep
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
