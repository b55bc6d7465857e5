package site

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
)

// TestMemory: with every table full, the stage takes no more than its plan says.
func TestMemory(t *testing.T) {
	c := Default()
	s := newStage(t, nil)
	s.join()
	s.out = nil
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	emit := func(records.Record) {}
	see := func(r records.Record) {
		r.Meta().At = s.now
		s.site.Observe(r, emit)
	}
	for i := range 2 * c.Hosts {
		ws := fmt.Sprintf("10.%d.%d.1", i/250, i%250)
		h := s.agent(0, ws, strings.Repeat("x", 200)+" Windows NT 10.0")
		h.User = fmt.Sprintf("user%0100d", i)
		h.Meta().ClientMAC = [6]byte{2, 0, byte(i >> 8), byte(i)}
		see(h)
		see(s.dhcp(0, "REQUEST", false, func(r *records.DHCP) {
			r.HostName, r.ClientIP, r.MAC = fmt.Sprintf("host%060d", i), addr(ws), [6]byte{2, 0, byte(i >> 8), byte(i)}
		}))
		f := s.flow(0, 0, ws+":1", "10.200.0.1:80")
		f.Meta().ClientMAC = h.Meta().ClientMAC
		see(f)
		for j := range 6 {
			see(s.answer(0, ws, fmt.Sprintf("www%d-%d.some-site.example.test", i, j), fmt.Sprintf("198.%d.%d.%d", j, i/250, i%250)))
		}
	}
	for i := range 2 * c.Legs {
		see(s.fetched(0, 0, fmt.Sprintf("http://www%d.example.test/", i)))
	}
	for i := range 2 * c.Tunnels {
		tunnel := s.meta(packet.ProtoTCP, ws1+":40000", proxyAddr+":3128")
		inner, outer := handshake(records.NewTLS(tunnel), 0, "CONNECT", byte(i)), handshake(records.NewTLS(s.meta(packet.ProtoTCP, proxyAddr+":50000", originAddr+":443")), 0, "", byte(i))
		inner.ClientRandom[1], outer.ClientRandom[1] = byte(i>>8), byte(i>>8)
		see(inner)
		see(outer)
		for range maxWorkstations {
			w := s.site.workstation(&tunnel, "user")
			s.uid++
			w.Flow = s.uid
			s.site.serves(outer.Meta().UID, w)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	took, plan := int64(after.HeapAlloc)-int64(before.HeapAlloc), c.Memory()
	t.Logf("%d KiB of %d KiB", took>>10, plan>>10)
	if took > plan || took < plan/4 {
		t.Errorf("it took %d KiB; the plan says %d KiB", took>>10, plan>>10)
	}
	for _, name := range []string{"hosts", "names", "legs", "handshakes", "proxy_connections", "tunnels"} {
		if counter(s.site, name+"_evicted") == 0 {
			t.Errorf("%s did not fill up", name)
		}
	}
	runtime.KeepAlive(s)
}
