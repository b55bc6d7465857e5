package site

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
)

func TestFinishHandsOnEverything(t *testing.T) {
	s := newStage(t, nil)
	s.join()
	leg, hit := s.fetched(1010*millisecond, 1090*millisecond, "http://other.test/"), s.proxied(1000*millisecond, 1100*millisecond, ws1, url)
	s.see(1090*millisecond, leg)
	s.see(1100*millisecond, hit)
	s.site.Finish(s.emit)
	if s.held(leg) || s.held(hit) || hit.Cache != records.CacheHit || hit.Meta().At != s.now+2*second {
		t.Errorf("cache %q at %d", hit.Cache, hit.Meta().At)
	}
	late := s.proxied(1000*millisecond, 1100*millisecond, ws2, "http://other.test/")
	s.out = nil // another epoch: its time is its own
	s.see(1100*millisecond, late)
	s.site.Finish(s.emit)
	wantOrigin(t, late, records.CacheHit, "", 0, 0) // the leg was of another time
}

func TestNothingWaits(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Hold = 0 })
	s.join()
	leg, client, hit := s.fetched(1010*millisecond, 1090*millisecond, url), s.proxied(1000*millisecond, 1100*millisecond, ws1, url), s.proxied(2*second, 2*second, ws1, url)
	s.see(1090*millisecond, leg)
	s.see(1100*millisecond, client)
	s.see(2*second, hit)
	if s.held(leg) || s.held(client) || s.held(hit) {
		t.Error("a record waits")
	}
	wantOrigin(t, client, records.CacheMiss, originAddr+":80", leg.Meta().UID, 0)
	if hit.Cache != records.CacheHit {
		t.Errorf("cache %q", hit.Cache)
	}
}

func TestConfiguredProxy(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Proxies = []netip.Addr{netip.MustParseAddr(proxyAddr)} })
	leg := s.fetched(10*millisecond, 90*millisecond, url)
	s.see(90*millisecond, leg)
	if !s.held(leg) {
		t.Error("the first request of a configured proxy does not wait")
	}
	client := s.proxied(0, 100*millisecond, ws1, url)
	s.see(100*millisecond, client)
	wantWorkstations(t, leg, ws1)
}

// TestJoinLimits: more of everything than may be kept.
func TestJoinLimits(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Held, c.Legs, c.Tunnels, c.Hold = 16, 32, 16, 10*time.Second })
	s.join()
	for i := range 200 {
		at := second + int64(i)
		u := "http://www.example.test/" + strconv.Itoa(i)
		s.see(at, s.proxied(at, at, ws1, u))
		s.see(at, s.fetched(at, at, u+"x"))
		m := s.meta(packet.ProtoTCP, proxyAddr+":50000", originAddr+":443")
		s.see(at, handshake(records.NewTLS(m), at, "", byte(i)))
	}
	for name, limit := range map[string]uint64{"legs": 32, "handshakes": 16} {
		if got := counter(s.site, name); got != limit {
			t.Errorf("%s: %d, want %d", name, got, limit)
		}
		if counter(s.site, name+"_evicted") == 0 {
			t.Errorf("%s_evicted: 0", name)
		}
	}
	if waits := len(s.site.queue.items) - s.site.queue.head; waits != 16 || counter(s.site, "held_too_many") == 0 {
		t.Errorf("%d records wait", waits)
	}
	if len(s.site.joins.waits) > 16 {
		t.Errorf("%d keys waited for", len(s.site.joins.waits))
	}
	s.site.Finish(s.emit)
	if n := len(s.out); n < 602 {
		t.Errorf("%d records of 602 were handed on", n)
	}
}

func TestManyWorkstations(t *testing.T) {
	s := newStage(t, nil)
	s.join()
	var uid uint64
	for i := range 20 {
		at := second + int64(i)*second
		leg, client := s.fetched(at, at, url), s.proxied(at, at, "10.0.2."+strconv.Itoa(i), url)
		if i == 0 {
			uid = leg.Meta().UID
		}
		leg.Meta().UID = uid
		s.see(at, leg)
		s.see(at, client)
	}
	f := s.flow(second, 30*second, proxyAddr+":50000", originAddr+":80")
	f.Meta().UID = uid
	s.see(30*second, f)
	if n := len(f.Meta().Workstations.List); n != maxWorkstations || counter(s.site, "workstations_left_out") != 20-maxWorkstations {
		t.Errorf("%d workstations", n)
	}
}

// TestSameRequestOverAndOver: what cannot be told apart costs no more than a
// bounded look.
func TestSameRequestOverAndOver(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Held = 4096 })
	s.join()
	for i := range 1000 {
		leg := s.fetched(second, 2*second, url)
		leg.Meta().UID = uint64(10000 + i)
		s.see(2*second, leg)
	}
	for range 1000 {
		s.see(2*second, s.proxied(second, 2*second, ws1, url))
	}
	r := s.proxied(second, 2*second, ws2, url)
	s.see(2*second, r)
	s.pass(5 * second)
	if r.Cache != records.CacheAmbiguous || r.OriginCandidates != maxCandidates {
		t.Errorf("cache %q, %d candidates", r.Cache, r.OriginCandidates)
	}
}
