package index

import "kagami/packet"

// flow is a row in the making: two cache lines.
type flow struct {
	key         packet.Key
	first, last int64
	stored      [2]uint64
	bytes       [2]uint64
	packets     [2]uint32
	tail        Extent
	chain       uint32 // the extents before tail, newest first: number in extents.nodes plus 1
	extents     uint32 // number of these
	vlan        [2]uint16
	flags       Flags
	client      packet.Side
	state       flowState
}

type flowState uint8

const (
	finA        flowState = 1 << iota // A sent a FIN
	finB                              // B did
	clientKnown                       // not guessed
	payload                           // TCP with payload
	noted                             // has notes
)

// flows is an open-addressing hash table of flows in the order of their first packets.
type flows struct {
	slots []slot // a power of two, at least twice as many as flows
	all   []flow
}

// slot refers to a flow; tag spares looking at others.
type slot struct{ tag, ref uint32 } // ref is its number plus 1

const minSlots = 1 << 10

func (t *flows) reset() {
	clear(t.slots)
	t.all = t.all[:0]
}

// find returns the number of a flow, or -1.
func (t *flows) find(k *packet.Key, hash uint64) int {
	mask := uint64(len(t.slots) - 1)
	tag := uint32(hash >> 32)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.ref == 0 {
			return -1
		}
		if s.tag == tag && t.all[s.ref-1].key == *k {
			return int(s.ref - 1)
		}
	}
}

// insert adds a flow that is not there.
func (t *flows) insert(k *packet.Key, hash uint64) int {
	if 2*(len(t.all)+1) > len(t.slots) {
		t.slots = make([]slot, 2*len(t.slots))
		t.rehash()
	}
	t.all = append(t.all, flow{key: *k, flags: Exact})
	t.link(len(t.all)-1, hash)
	return len(t.all) - 1
}

func (t *flows) link(i int, hash uint64) {
	mask := uint64(len(t.slots) - 1)
	at := hash & mask
	for t.slots[at].ref != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = slot{tag: uint32(hash >> 32), ref: uint32(i + 1)}
}

// rehash fills the slots anew.
func (t *flows) rehash() {
	clear(t.slots)
	for i := range t.all {
		t.link(i, t.all[i].key.Hash())
	}
}
