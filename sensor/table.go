package sensor

import (
	"sync/atomic"

	"kagami/packet"
)

// relist is how long a flow keeps its place in its time-out list although more
// packets came, in nanoseconds of logical time: to move it for each would touch
// its neighbours' memory too. Lists are in order of the time of listing.
const relist = 250e6

// class is a time-out class of flows. Each has an ordered list: the flow that
// was silent longest, but for relist, comes first.
type class uint8

const (
	tcpClosed  class = iota // both FINs or a RST
	tcpAttempt              // a SYN without answer
	otherIP                 // neither TCP, UDP nor ICMP
	icmp                    //
	udp                     //
	tcpHalf                 // one FIN
	tcpOpen                 // anything else
	tcpTunnel               // the same, carrying a tunnel: what it leads to stands at its beginning only
	numClasses
)

// table holds a worker's flows: a chained hash table of fixed size and the
// time-out lists. All workers' tables together are bounded by limit; free flows
// are reused.
type table struct {
	buckets []*Flow
	mask    uint64
	limit   int64
	all     *atomic.Int64 // flows of all workers
	count   int
	lists   [numClasses]flowList
	free    *Flow
}

// flowList is a doubly linked list in order of listing, oldest first.
type flowList struct{ head, tail *Flow }

func newTable(limit int, all *atomic.Int64) table {
	n := 1
	for n < limit {
		n *= 2
	}
	return table{buckets: make([]*Flow, n), mask: uint64(n - 1), limit: int64(limit), all: all}
}

// full tells that all workers together have as many flows as are allowed.
func (t *table) full() bool { return t.all.Load() >= t.limit }

func (t *table) find(k *packet.Key, hash uint64) *Flow {
	for f := t.buckets[hash&t.mask]; f != nil; f = f.chain {
		if f.hash == hash && f.Key == *k {
			return f
		}
	}
	return nil
}

// insert adds a flow for k; the caller has made room.
func (t *table) insert(k *packet.Key, hash uint64) *Flow {
	f := t.free
	if f != nil {
		t.free = f.chain
	} else {
		f = new(Flow)
	}
	*f = Flow{Key: *k}
	f.hash = hash
	b := &t.buckets[hash&t.mask]
	f.chain, *b = *b, f
	t.count++
	t.all.Add(1)
	return f
}

// remove takes a flow out of the table and its list and keeps its memory.
func (t *table) remove(f *Flow) {
	p := &t.buckets[f.hash&t.mask]
	for *p != f {
		p = &(*p).chain
	}
	*p = f.chain
	t.lists[f.class].unlink(f)
	*f = Flow{}
	f.chain, t.free = t.free, f
	t.count--
	t.all.Add(-1)
}

// touch gives a flow its place in the list of class c at the logical time now.
func (t *table) touch(f *Flow, c class, now int64) {
	f.touched = now
	if f.listed {
		if f.class == c && now-f.listedAt < relist {
			return
		}
		t.lists[f.class].unlink(f)
	}
	f.class, f.listed, f.listedAt = c, true, now
	t.lists[c].push(f)
}

// oldest is the flow to give up when the table is full: of the first class that
// has any, in the order of the classes, the first of its list.
func (t *table) oldest() *Flow {
	for c := range t.lists {
		if f := t.lists[c].head; f != nil {
			return f
		}
	}
	return nil
}

func (l *flowList) push(f *Flow) {
	f.prev, f.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = f
	} else {
		l.head = f
	}
	l.tail = f
}

func (l *flowList) unlink(f *Flow) {
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		l.head = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		l.tail = f.prev
	}
	f.prev, f.next = nil, nil
}
