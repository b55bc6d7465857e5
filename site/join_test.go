package site

import (
	"net/netip"
	"strconv"
	"testing"

	"kagami/records"
)

const url = "http://www.example.test/page?x=1"

func wantOrigin(t *testing.T, r *records.HTTP, cache records.CacheState, origin string, flow uint64, candidates int) {
	t.Helper()
	addr := ""
	if r.OriginAddr.IsValid() {
		addr = r.OriginAddr.String()
	}
	if r.Cache != cache || addr != origin || r.OriginFlow != flow || r.OriginCandidates != candidates {
		t.Errorf("cache %q, origin %q, flow %d, candidates %d; want %q, %q, %d, %d", r.Cache, addr, r.OriginFlow, r.OriginCandidates, cache, origin, flow, candidates)
	}
}

func wantWorkstations(t *testing.T, r records.Record, want ...string) {
	t.Helper()
	var got []string
	if w := r.Meta().Workstations; w != nil {
		for _, x := range w.List {
			text := x.Addr.Addr().String()
			if x.Candidate {
				text += "?"
			}
			got = append(got, text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("workstations %v, want %v", got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("workstations %v, want %v", got, want)
		}
	}
}

func TestPlainRequestIsJoined(t *testing.T) {
	s := newStage(t, nil)
	s.join()
	ms := millisecond
	origin, client := s.fetched(1010*ms, 1090*ms, url), s.proxied(1000*ms, 1100*ms, ws1, url)
	client.User = "hanako"
	s.see(1090*ms, origin)
	if !s.held(origin) {
		t.Error("the origin's leg does not wait for the client's")
	}
	s.see(1100*ms, client)
	if s.held(origin) || s.held(client) {
		t.Error("joined legs wait")
	}
	wantOrigin(t, client, records.CacheMiss, originAddr+":80", origin.Meta().UID, 0)
	wantWorkstations(t, origin, ws1)
	if w := origin.Meta().Workstations.List[0]; w.User != "hanako" || w.Flow != client.Meta().UID || w.Addr.Port() != 40000 {
		t.Errorf("workstation %+v", w)
	}
	if origin.Meta().At != client.Meta().At {
		t.Error("the origin's leg does not bear the time at which it was handed on")
	}
	// The connection ends: it served this workstation, and another one after it.
	m := origin.Meta()
	again, other := s.fetched(2010*ms, 2020*ms, url), s.proxied(2000*ms, 2030*ms, ws2, url)
	*again.Meta() = *m
	again.Meta().Workstations = nil
	s.see(2020*ms, again)
	s.see(2030*ms, other)
	f := s.flow(1000*ms, 2040*ms, proxyAddr+":50000", originAddr+":80")
	f.Meta().UID = m.UID
	s.see(2040*ms, f)
	wantWorkstations(t, f, ws1, ws2)
}

// TestWhatTellsLegsApart: two workstations fetch one thing at the same time.
func TestWhatTellsLegsApart(t *testing.T) {
	ms := millisecond
	for _, c := range []struct {
		name        string
		change      func(legs, clients [2]*records.HTTP)
		first       string // flow that belongs to the first client: "0", "1" or "" for ambiguous
		cache       records.CacheState
		workstation [2][]string
	}{
		{"nothing", func(_, _ [2]*records.HTTP) {}, "", records.CacheAmbiguous, [2][]string{{ws1 + "?", ws2 + "?"}, {ws1 + "?", ws2 + "?"}}},
		{"forwarded for", func(l, _ [2]*records.HTTP) { l[0].ForwardedFor, l[1].ForwardedFor = ws2, "unknown, "+ws1 }, "1", records.CacheMiss, [2][]string{{ws2}, {ws1}}},
		{"forwarded", func(l, _ [2]*records.HTTP) {
			l[0].Forwarded, l[1].Forwarded = `proto=http;for="`+ws2+`:99"`, `for=192.0.2.1, For=`+ws1
		}, "1", records.CacheMiss, [2][]string{{ws2}, {ws1}}},
		{"length", func(l, c [2]*records.HTTP) { l[1].ResponseBody, c[0].ResponseBody = 777, 777 }, "1", records.CacheMiss, [2][]string{{ws2}, {ws1}}},
		{"status", func(l, c [2]*records.HTTP) { l[1].Status, c[0].Status = 404, 404 }, "1", records.CacheMiss, [2][]string{{ws2}, {ws1}}},
		{"time: the second client asked when one leg was open already", func(l, c [2]*records.HTTP) { c[1].Start, l[1].Start = l[0].Start+30*ms, l[0].Start+31*ms }, "0", records.CacheMiss, [2][]string{{ws1}, {ws2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, nil)
			s.join()
			legs := [2]*records.HTTP{s.fetched(1010*ms, 1090*ms, url), s.fetched(1012*ms, 1092*ms, url)}
			clients := [2]*records.HTTP{s.proxied(1000*ms, 1100*ms, ws1, url), s.proxied(1005*ms, 1101*ms, ws2, url)}
			c.change(legs, clients)
			s.see(1090*ms, legs[0])
			s.see(1092*ms, legs[1])
			s.see(1100*ms, clients[0])
			s.see(1101*ms, clients[1])
			s.pass(4000 * ms)
			flow, candidates := uint64(0), 2
			if c.first != "" {
				i, _ := strconv.Atoi(c.first)
				flow, candidates = legs[i].Meta().UID, 0
			}
			wantOrigin(t, clients[0], c.cache, originAddr+":80", flow, candidates)
			for i := range legs {
				wantWorkstations(t, legs[i], c.workstation[i]...)
			}
		})
	}
}

func TestAmbiguousOriginsHaveNoAddress(t *testing.T) {
	s := newStage(t, nil)
	s.join()
	s.see(1100*millisecond, s.fetched(1010*millisecond, 1090*millisecond, url))
	s.see(1100*millisecond, s.get(1010*millisecond, 1090*millisecond, proxyAddr+":50001", "203.0.113.81:80", url))
	r := s.proxied(1000*millisecond, 1100*millisecond, ws1, url)
	s.see(1100*millisecond, r)
	s.pass(4 * second)
	wantOrigin(t, r, records.CacheAmbiguous, "", 0, 2)
}

// TestOneOriginForTwo: the proxy asked once and answered two; the second is not
// called a hit, unless the request says for whom it was.
func TestOneOriginForTwo(t *testing.T) {
	for _, c := range []struct {
		forwarded  string
		cache      records.CacheState
		candidates int
	}{{"", records.CacheAmbiguous, 1}, {ws1, records.CacheHit, 0}} {
		s := newStage(t, nil)
		s.join()
		leg := s.fetched(1010*millisecond, 1090*millisecond, url)
		leg.ForwardedFor = c.forwarded
		a, b := s.proxied(1000*millisecond, 1100*millisecond, ws1, url), s.proxied(1001*millisecond, 1100*millisecond, ws2, url)
		s.see(1090*millisecond, leg)
		s.see(1100*millisecond, a)
		s.see(1100*millisecond, b)
		s.pass(4 * second)
		if a.Cache != records.CacheMiss || b.Cache != c.cache || b.OriginCandidates != c.candidates {
			t.Errorf("forwarded %q: %q and %q with %d candidates", c.forwarded, a.Cache, b.Cache, b.OriginCandidates)
		}
	}
}

func TestCache(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(leg, client *records.HTTP) (asked bool)
		want   records.CacheState
	}{
		{"hit", func(_, _ *records.HTTP) bool { return false }, records.CacheHit},
		{"hit, not modified", func(_, c *records.HTTP) bool { c.Status = 304; return false }, records.CacheHit},
		{"remembered 404", func(_, c *records.HTTP) bool { c.Status = 404; return false }, records.CacheHit},
		{"refused", func(_, c *records.HTTP) bool { c.Status = 403; return false }, records.CacheLocal},
		{"failed", func(_, c *records.HTTP) bool { c.Status = 503; return false }, records.CacheLocal},
		{"credentials wanted", func(_, c *records.HTTP) bool { c.Status = 407; return false }, records.CacheLocal},
		{"no answer", func(_, c *records.HTTP) bool { c.ResponseSeen = false; return false }, records.CacheUnseen},
		{"https from the proxy", func(_, c *records.HTTP) bool { c.URL = "https://www.example.test/"; return false }, records.CacheUnseen},
		{"miss", func(_, _ *records.HTTP) bool { return true }, records.CacheMiss},
		{"refused by the origin", func(l, c *records.HTTP) bool { l.Status, c.Status = 403, 403; return true }, records.CacheMiss},
		{"revalidated", func(l, _ *records.HTTP) bool { l.Status, l.ResponseBody = 304, 0; return true }, records.CacheRevalidated},
		{"not modified, says the origin", func(l, c *records.HTTP) bool { l.Status, c.Status = 304, 304; return true }, records.CacheMiss},
		{"another answer", func(l, _ *records.HTTP) bool { l.Status = 500; return true }, records.CacheHit},
		{"another method", func(l, _ *records.HTTP) bool { l.Method = "POST"; return true }, records.CacheHit},
		{"too early", func(l, _ *records.HTTP) bool { l.Start -= second; return true }, records.CacheHit},
		{"too late", func(l, _ *records.HTTP) bool { l.Start += second; return true }, records.CacheHit},
		{"somebody else's request", func(l, _ *records.HTTP) bool {
			l.Meta().Key.A = netip.MustParseAddr("10.0.7.7").As16()
			return true
		}, records.CacheHit},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, nil)
			s.join()
			leg, client := s.fetched(1010*millisecond, 1090*millisecond, url), s.proxied(1000*millisecond, 1100*millisecond, ws1, url)
			if c.change(leg, client) {
				s.see(1090*millisecond, leg)
			}
			s.see(1100*millisecond, client)
			s.pass(3100 * millisecond)
			early := !s.held(client)
			s.pass(3101 * millisecond)
			if s.held(client) || client.Cache != c.want {
				t.Errorf("cache %q, want %q", client.Cache, c.want)
			}
			if waits := c.want == records.CacheHit || c.want == records.CacheLocal && client.Status != 407 || !client.ResponseSeen; early == waits {
				t.Errorf("handed on before its time: %v", early)
			}
			if c.want == records.CacheHit && client.Meta().At != (1000*second+3100*millisecond) {
				t.Errorf("handed on at %d", client.Meta().At)
			}
		})
	}
}

// TestOneLegOnly: without the proxy's other side nothing waits and nothing is said.
func TestOneLegOnly(t *testing.T) {
	s := newStage(t, nil)
	for range 30 {
		r, c := s.proxied(0, 0, ws1, url), s.tunnel(0, 0, ws1, "www.example.test:443")
		s.see(0, r)
		s.see(0, c)
		if s.held(r) || s.held(c) {
			t.Fatal("it waits for what nobody sees")
		}
		wantOrigin(t, r, records.CacheUnseen, "", 0, 0)
		wantOrigin(t, c, records.CacheUnseen, "", 0, 0)
	}
	s.wantIdentities(`10.0.0.6 role: "" -> "proxy" (traffic)`)
}

// TestOriginLegComesLate: the mirror shows the origin's answer after the client's.
func TestOriginLegComesLate(t *testing.T) {
	s := newStage(t, nil)
	s.join()
	leg, client := s.fetched(1010*millisecond, 1105*millisecond, url), s.proxied(1000*millisecond, 1100*millisecond, ws1, url)
	s.see(1100*millisecond, client)
	s.see(1105*millisecond, leg)
	wantOrigin(t, client, records.CacheMiss, originAddr+":80", leg.Meta().UID, 0)
	wantWorkstations(t, leg, ws1)
	if s.held(client) || s.held(leg) {
		t.Error("joined legs wait")
	}
}

// TestOtherAddresses: a proxy turns to origins from an address that clients do not know.
func TestOtherAddresses(t *testing.T) {
	const six = "[2001:db8:0:10::6]:50000"
	for _, c := range []struct {
		name   string
		change func(leg, client *records.HTTP)
		want   bool
	}{
		{"nothing speaks for it", func(_, _ *records.HTTP) {}, false},
		{"it says for whom it asks", func(l, _ *records.HTTP) { l.ForwardedFor = ws1 }, true},
		{"it says that it asks for somebody", func(l, _ *records.HTTP) { l.Via = "1.1 proxy" }, true},
		{"the same network card", func(l, c *records.HTTP) {
			l.Meta().ClientMAC, c.Meta().ServerMAC = [6]byte{2, 6}, [6]byte{2, 6}
		}, true},
		{"the same router", func(l, c *records.HTTP) {
			l.Meta().ClientMAC, c.Meta().ServerMAC = [6]byte{2, 1}, [6]byte{2, 1}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, nil)
			card := s.flow(0, 0, "10.0.0.6:1", "10.0.0.5:53")
			card.Meta().ClientMAC = [6]byte{2, 6}
			s.see(0, card)
			router := s.flow(0, 0, "10.0.8.8:1", "198.51.100.1:53")
			router.Meta().ClientMAC, router.Meta().ServerMAC = [6]byte{2, 8}, [6]byte{2, 1}
			s.see(0, router)
			s.join()
			leg, client := s.get(1010*millisecond, 1090*millisecond, six, "[2001:db8:1::80]:80", url), s.proxied(1000*millisecond, 1100*millisecond, ws1, url)
			c.change(leg, client)
			s.see(1090*millisecond, leg)
			s.see(1100*millisecond, client)
			if (client.Cache == records.CacheMiss) != c.want {
				t.Errorf("cache %q", client.Cache)
			}
		})
	}
}

// TestFailedRequest: the proxy could not reach the origin, and says so; its last
// attempt tells which address that was.
func TestFailedRequest(t *testing.T) {
	s := newStage(t, nil)
	s.join()
	s.see(1000*millisecond, s.answer(1000*millisecond, proxyAddr, "www.example.test", "203.0.113.81", originAddr))
	client := s.proxied(1000*millisecond, 1100*millisecond, ws1, url)
	client.Status = 503
	s.see(1100*millisecond, client)
	for i, server := range []string{originAddr, "203.0.113.81"} {
		f := s.flow((1010+int64(i))*millisecond, 1020*millisecond, proxyAddr+":50001", server+":80")
		f.ConnState, f.Service, f.Orig.Payload, f.Resp.Payload = "REJ", "", 0, 0
		s.see(2020*millisecond, f)
	}
	s.pass(9 * second)
	if client.OriginAddr.String() != "203.0.113.81:80" || client.Cache != records.CacheMiss {
		t.Errorf("origin %v, cache %q", client.OriginAddr, client.Cache)
	}
}

// TestSpelling: a proxy writes a URL in its own way.
func TestSpelling(t *testing.T) {
	for _, c := range []struct {
		client, origin string
		same           bool
	}{
		{"http://www.example.test/with a\tblank", "http://www.example.test/withablank", true},
		{"http://www.example.test?q", "http://www.example.test/?q", true},
		{"http://www.example.test", "http://www.example.test/", true},
		{"http://WWW.example.test.:80/", "http://www.example.test/", true},
		{"http://www.example.test.:8000/", "http://www.example.test:8000/", true},
		{"http://user:secret@www.example.test/", "http://www.example.test/", true},
		{"http://www.example.test/#top", "http://www.example.test/", true},
		{"http://[2001:DB8::0:1]/", "http://[2001:db8::1]:80/", true},
		{"http://www.example.test/a", "http://www.example.test/A", false},
		{"http://www.example.test:81/", "http://www.example.test/", false},
		{"http://a.test/b", "http://b.test/b", false},
	} {
		a, _ := requestKey(&records.HTTP{Method: "GET", URL: c.client})
		b, _ := requestKey(&records.HTTP{Method: "GET", URL: c.origin})
		if (a == b) != c.same {
			t.Errorf("%s and %s", c.client, c.origin)
		}
	}
}

func TestSlowClient(t *testing.T) {
	s := newStage(t, nil)
	s.join()
	leg, client := s.fetched(1010*millisecond, 1090*millisecond, url), s.proxied(1000*millisecond, 9*second, ws1, url)
	client.ResponseFrom = client.Start + 20*millisecond
	leg.ResponseFrom = leg.Start + 5*millisecond
	s.see(1090*millisecond, leg)
	s.pass(8 * second)
	if s.held(leg) {
		t.Error("the leg waits for longer than it may")
	}
	s.see(9*second, client)
	wantOrigin(t, client, records.CacheMiss, originAddr+":80", leg.Meta().UID, 0)
	f := s.flow(1000*millisecond, 9*second, proxyAddr+":50000", originAddr+":80")
	f.Meta().UID = leg.Meta().UID
	s.see(10*second, f)
	wantWorkstations(t, f, ws1)
}
