package evidence

import (
	"sync"

	"kagami/evidence/segment"
)

// books are a writer's counters, kept in double entry: every packet seen is in
// exactly one of the others, at every moment.
type books struct {
	mu sync.Mutex
	c  segment.Counters
}

// tally is what a writer has counted since it entered it into the books: packets.
type tally struct {
	kept     uint64 // in memory
	lostSlow uint64
	leftOut  uint64
	ignored  uint64
}

// load is what a chunk holds.
type load struct {
	packets, bytes, cut, cutBytes uint64
}

func (l *load) add(o load) {
	l.packets += o.packets
	l.bytes += o.bytes
	l.cut += o.cut
	l.cutBytes += o.cutBytes
}

// seen enters what came since the last time, and the kernel's total.
func (b *books) seen(t tally, dropped uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &b.c
	c.Seen += t.kept + t.lostSlow + t.leftOut + t.ignored
	c.Waiting += t.kept
	c.LostSlow += t.lostSlow
	c.LeftOut += t.leftOut
	c.Ignored += t.ignored
	c.KernelDropped = dropped
}

// stored enters a chunk that was written.
func (b *books) stored(l load) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &b.c
	c.Waiting -= l.packets
	c.Stored += l.packets
	c.StoredBytes += l.bytes
	c.Cut += l.cut
	c.CutBytes += l.cutBytes
}

// lost enters a chunk that will never be written, by its cause.
func (b *books) lost(l load, why cause) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &b.c
	c.Waiting -= l.packets
	switch why {
	case bySpace:
		c.LostFull += l.packets
	case byBudget:
		c.LeftOut += l.packets
	default:
		c.LostError += l.packets
	}
}

func (b *books) read() segment.Counters {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.c
}

// addCounters sums the books of several writers.
func addCounters(a *segment.Counters, b segment.Counters) {
	a.Seen += b.Seen
	a.Stored += b.Stored
	a.StoredBytes += b.StoredBytes
	a.Cut += b.Cut
	a.CutBytes += b.CutBytes
	a.LostSlow += b.LostSlow
	a.LostFull += b.LostFull
	a.LostError += b.LostError
	a.LeftOut += b.LeftOut
	a.Ignored += b.Ignored
	a.KernelDropped += b.KernelDropped
	a.Waiting += b.Waiting
}

// dropsMoved tells whether packets were lost between two readings.
func dropsMoved(a, b *segment.Counters) bool {
	return a.KernelDropped != b.KernelDropped || a.LostSlow != b.LostSlow || a.LostFull != b.LostFull || a.LostError != b.LostError
}
