package sensor

import "sync/atomic"

// Keeper is an optional ability of a Decoder: it tells what it keeps, so that all
// of them together stay within a limit. A decoder that keeps no more than its own
// small state does without.
type Keeper interface {
	// Keeps is about how many octets of memory the decoder has for its flow now:
	// what it gathers, and transactions that are not written. It is asked after
	// every packet and must be cheap.
	Keeps() int
}

// Keeps is what a decoder keeps, 0 if it does not tell. It is for decoders that
// read what another one carries.
func Keeps(d Decoder) int {
	if k, ok := d.(Keeper); ok {
		return k.Keeps()
	}
	return 0
}

// keepers are a worker's flows whose decoders keep something, in the order in which
// that last changed: the first is the one that has stood still for longest.
type keepers struct {
	head, tail *Flow
	bytes      *atomic.Int64 // of all workers
	limit      int64
}

// keeping is a flow's place among the keepers.
type keeping struct {
	bytes      int // 0 = it is none of them
	prev, next *Flow
}

// full tells that all workers keep too much and that this one can do something
// about it.
func (k *keepers) full() bool { return k.head != nil && k.bytes.Load() > k.limit }

// set notes what a flow's decoder keeps from now on.
func (k *keepers) set(f *Flow, n int) {
	k.bytes.Add(int64(n - f.keeping.bytes))
	if f.keeping.bytes > 0 {
		k.unlink(f)
	}
	f.keeping.bytes = n
	if n > 0 {
		k.push(f)
	}
}

func (k *keepers) push(f *Flow) {
	f.keeping.prev, f.keeping.next = k.tail, nil
	if k.tail != nil {
		k.tail.keeping.next = f
	} else {
		k.head = f
	}
	k.tail = f
}

func (k *keepers) unlink(f *Flow) {
	at := &f.keeping
	if at.prev != nil {
		at.prev.keeping.next = at.next
	} else {
		k.head = at.next
	}
	if at.next != nil {
		at.next.keeping.prev = at.prev
	} else {
		k.tail = at.prev
	}
	at.prev, at.next = nil, nil
}

// keptShare is the part of the limit that one flow may keep once all keep too much.
const keptShare = 16

// weigh follows a packet that a decoder has read. When all keep too much, the flow
// that has stood still for longest is not decoded any more: of transactions that
// are begun and left, the oldest go first. A flow that keeps very much goes before
// them: it must not push out all others.
func (w *Worker) weigh(f *Flow) {
	d := f.decoder
	if d == nil {
		d = f.waiting
	}
	n := Keeps(d)
	if n == f.keeping.bytes {
		return
	}
	w.keepers.set(f, n)
	if w.keepers.full() && int64(n) > w.keepers.limit/keptShare {
		w.giveUpDecoding(f)
	}
	for w.keepers.full() {
		w.giveUpDecoding(w.keepers.head)
	}
}

// giveUpDecoding writes what is half finished; the flow is only counted from then on.
func (w *Worker) giveUpDecoding(f *Flow) {
	w.stats.GivenUp++
	f.givenUp = true
	f.clock, f.Now, f.Cut = w.clock, f.last, 0
	w.closeDecoder(f)
	w.keepers.set(f, 0)
}
