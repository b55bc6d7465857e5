// Package table holds the bounded memories that detectors are made of: a table
// from hashes to values, a crowd of the first ten members, and a memory of keys
// met before. Each has a limit, counts what it had to forget, and can be saved
// and restored.
//
// It imports state and nothing else of Kagami.
package table

import (
	"iter"
	"reflect"

	"kagami/detectors/state"
)

// Table is a bounded map from a 64-bit hash to a V. When it is full, adding
// evicts the first entry that was not used since the clock hand last passed
// (CLOCK); Spare may ask to keep an entry. Entries live in blocks, so pointers
// stay valid until their own entry is removed or evicted, memory grows with
// use, and a V without pointers costs the garbage collector nothing.
//
// Two keys with one hash share an entry. That mixes two histories; with 64 bits
// it does not happen by accident.
type Table[V any] struct {
	Spare func(*V) bool // asked before an entry is evicted; nil spares none

	limit   int
	index   []uint32 // open addressing, linear probing: number of a slot + 1, 0 = free
	blocks  [][]slot[V]
	n       int      // slots ever used, <= limit
	live    int      // entries
	free    []uint32 // slots given back by Remove
	hand    int
	evicted uint64
}

type slot[V any] struct {
	key  uint64
	used bool // since the hand passed
	live bool
	val  V
}

const (
	blockSize = 256
	firstRoom = 64 // places of the smallest index: a power of two
	// patience is how many entries one eviction may spare: it bounds the work of
	// one addition when everything asks to be kept.
	patience = 64
)

// New makes a table of at most limit entries.
func New[V any](limit int) *Table[V] {
	return &Table[V]{limit: max(limit, 1), index: make([]uint32, firstRoom)}
}

// Len is how many entries there are.
func (t *Table[V]) Len() int { return t.live }

// Evicted is how many entries were forgotten for want of room.
func (t *Table[V]) Evicted() uint64 { return t.evicted }

func (t *Table[V]) slot(i uint32) *slot[V] { return &t.blocks[i/blockSize][i%blockSize] }

// find is the place of key in the index, or the free place where it belongs.
func (t *Table[V]) find(key uint64) int {
	mask := len(t.index) - 1
	for at := int(Mix(key)) & mask; ; at = (at + 1) & mask {
		if i := t.index[at]; i == 0 || t.slot(i-1).key == key {
			return at
		}
	}
}

// Get returns the entry of key, or nil.
func (t *Table[V]) Get(key uint64) *V {
	i := t.index[t.find(key)]
	if i == 0 {
		return nil
	}
	s := t.slot(i - 1)
	s.used = true
	return &s.val
}

// At returns the entry of key, making a zero one if there is none.
func (t *Table[V]) At(key uint64) (v *V, fresh bool) {
	if v := t.Get(key); v != nil {
		return v, false
	}
	i := t.place()
	if 4*(t.live+1) > 3*len(t.index) {
		t.grow()
	}
	s := t.slot(i)
	*s = slot[V]{key: key, live: true, used: true}
	t.index[t.find(key)] = i + 1
	t.live++
	return &s.val, true
}

// Remove forgets key.
func (t *Table[V]) Remove(key uint64) {
	if i := t.index[t.find(key)]; i != 0 {
		t.drop(i - 1)
		t.free = append(t.free, i-1)
	}
}

// All are the entries in the order of their slots, which is the same in every
// run. The entry at hand may be removed meanwhile, no other.
func (t *Table[V]) All() iter.Seq2[uint64, *V] {
	return func(yield func(uint64, *V) bool) {
		for i := range t.n {
			if s := t.slot(uint32(i)); s.live && !yield(s.key, &s.val) {
				return
			}
		}
	}
}

// drop takes an entry out and closes the gap that it leaves in the index (Knuth,
// The Art of Computer Programming 3, section 6.4, algorithm R).
func (t *Table[V]) drop(i uint32) {
	mask := len(t.index) - 1
	hole := t.find(t.slot(i).key)
	*t.slot(i) = slot[V]{}
	t.live--
	for at := (hole + 1) & mask; t.index[at] != 0; at = (at + 1) & mask {
		home := int(Mix(t.slot(t.index[at]-1).key)) & mask
		if (at-home)&mask >= (at-hole)&mask {
			t.index[hole] = t.index[at]
			hole = at
		}
	}
	t.index[hole] = 0
}

func (t *Table[V]) grow() {
	old := t.index
	t.index = make([]uint32, 2*len(old))
	for _, i := range old {
		if i != 0 {
			t.index[t.find(t.slot(i-1).key)] = i
		}
	}
}

// place finds a slot for a new entry.
func (t *Table[V]) place() uint32 {
	if k := len(t.free); k > 0 {
		i := t.free[k-1]
		t.free = t.free[:k-1]
		return i
	}
	if t.n < t.limit {
		if t.n%blockSize == 0 {
			t.blocks = append(t.blocks, make([]slot[V], min(blockSize, t.limit-t.n)))
		}
		t.n++
		return uint32(t.n - 1)
	}
	for spared := 0; ; {
		i := uint32(t.hand)
		t.hand = (t.hand + 1) % t.n
		s := t.slot(i)
		if spared < patience {
			if s.used {
				s.used, spared = false, spared+1
				continue
			}
			if t.Spare != nil && t.Spare(&s.val) {
				spared++
				continue
			}
		}
		t.evicted++
		t.drop(i)
		return i
	}
}

// Save writes the entries; one writes a value.
func (t *Table[V]) Save(e *state.Encoder, one func(*state.Encoder, *V)) {
	e.Uint(t.evicted)
	e.Uint(uint64(t.live))
	for key, v := range t.All() {
		e.Hash(key)
		one(e, v)
	}
}

// Load reads entries into an empty table; one reads a value. Entries beyond the
// limit, which may have become lower, push out others as ever.
func (t *Table[V]) Load(d *state.Decoder, one func(*state.Decoder, *V)) {
	t.evicted = d.Uint()
	for range d.Len(1 << 30) {
		key := d.Hash()
		if d.Err() != nil {
			return
		}
		v, _ := t.At(key)
		one(d, v)
	}
}

// Bytes is what a full table of that many V takes at most, each with so many
// octets behind pointers.
func Bytes[V any](limit int, behind int64) int64 {
	return int64(limit)*(int64(reflect.TypeFor[slot[V]]().Size())+behind) + 4*int64(places(limit))
}

// places is the size of the index for so many entries.
func places(limit int) int {
	n := firstRoom
	for 4*limit > 3*n {
		n *= 2
	}
	return n
}
