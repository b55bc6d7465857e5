package evidence

import (
	"net/netip"
	"sync"
	"testing"

	"kagami/packet"
)

func TestWatch(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	defer w.Close()
	host, other := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("2001:db8::7")
	k := packet.Key{A: host.As16(), B: other.As16()}
	back := packet.Key{A: other.As16(), B: host.As16()}
	w.Tick(t0, 0)
	if w.Whole(&k) {
		t.Error("nobody is watched")
	}
	s.Watch(host, t0+60*second)
	s.Watch(host, t0+30*second) // does not make it shorter
	if !w.Whole(&k) || !w.Whole(&back) {
		t.Error("watched on neither side")
	}
	if w.Whole(&packet.Key{A: other.As16(), B: other.As16()}) {
		t.Error("another host is watched")
	}
	w.Tick(t0+60*second, 0)
	w.Flush()
	if w.Whole(&k) || s.watched.hosts.Load() != nil {
		t.Error("watched for longer than asked, or kept when it is over")
	}
}

func TestWatchIsBounded(t *testing.T) {
	var w watched
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range maxWatched {
		w.add(addr(i), t0+int64(i+2))
	}
	w.add(addr(5000), t0+1) // ends before all others
	w.add(addr(6000), t0+9000)
	has := func(i int) bool { return w.has(&packet.Key{A: addr(i).As16()}, t0) }
	if len(*w.hosts.Load()) != maxWatched || has(5000) || !has(6000) || has(0) || !has(1) || w.denied.Load() != 2 {
		t.Errorf("%d hosts, %d without a place", len(*w.hosts.Load()), w.denied.Load())
	}
}

func TestWatchFromSeveralGoroutines(t *testing.T) {
	var w watched
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				w.add(netip.AddrFrom4([4]byte{10, byte(g), 0, byte(i)}), t0+int64(i))
				w.has(&packet.Key{}, t0)
				if i%50 == 0 {
					w.expire(t0 + int64(i/2))
				}
			}
		})
	}
	wg.Wait()
	w.expire(t0 + 499)
	if w.hosts.Load() != nil {
		t.Error("hosts are left when the time of all is over")
	}
}
