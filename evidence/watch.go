package evidence

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"

	"kagami/packet"
)

// maxWatched bounds the hosts whose flows are kept whole at one time.
const maxWatched = 1024

// watched are the hosts that alerts are about: everything between them and others
// is kept whole until a moment. Writers read the table without a lock: it is
// replaced, never changed.
type watched struct {
	hosts  atomic.Pointer[map[[16]byte]int64] // address to the packet time until which it counts
	mu     sync.Mutex                         // of those that replace it
	denied atomic.Uint64                      // hosts that found no place
}

// add puts a host in, or makes its time longer. In a full table the one whose time
// ends first makes way, if it ends before.
func (w *watched) add(addr netip.Addr, until int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := map[[16]byte]int64{}
	if old := w.hosts.Load(); old != nil {
		next = maps.Clone(*old)
	}
	a := addr.As16()
	if _, ok := next[a]; !ok && len(next) == maxWatched {
		first := soonest(next)
		w.denied.Add(1)
		if next[first] >= until {
			return
		}
		delete(next, first)
	}
	next[a] = max(next[a], until)
	w.hosts.Store(&next)
}

// soonest is the host whose time ends first; of several, the lowest address.
func soonest(hosts map[[16]byte]int64) (first [16]byte) {
	at, found := int64(0), false
	for a, until := range hosts {
		if !found || until < at || until == at && string(a[:]) < string(first[:]) {
			first, at, found = a, until, true
		}
	}
	return first
}

// has tells whether one of a flow's ends is in the table at a time.
func (w *watched) has(k *packet.Key, now int64) bool {
	hosts := w.hosts.Load()
	if hosts == nil {
		return false
	}
	if until, ok := (*hosts)[k.A]; ok && now < until {
		return true
	}
	until, ok := (*hosts)[k.B]
	return ok && now < until
}

// expire takes out what is over.
func (w *watched) expire(now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.hosts.Load()
	if old == nil {
		return
	}
	next := maps.Clone(*old)
	maps.DeleteFunc(next, func(_ [16]byte, until int64) bool { return until <= now })
	if len(next) == len(*old) {
		return
	}
	w.hosts.Store(&next)
	if len(next) == 0 {
		w.hosts.Store(nil)
	}
}
