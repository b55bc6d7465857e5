package beacon

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kagami/records"
)

func TestPeopleAreNoBeacons(t *testing.T) {
	const series = 200
	visit := func(s *stage, at int64) { s.feed(s.hello(at, user, "192.0.2.10", "news.test")) }
	habit := func(sd float64) func(*rand.Rand, *stage) {
		return func(r *rand.Rand, s *stage) {
			for d := range int64(28) {
				if d%7 < 5 {
					visit(s, monday+d*day+9*hour+int64(r.NormFloat64()*sd)*minute)
				}
			}
		}
	}
	logNormal := func(sigma float64) func(*rand.Rand, *stage) {
		return func(r *rand.Rand, s *stage) {
			for d := range int64(5) {
				for at := monday + d*day + 9*hour; at < monday+d*day+18*hour; {
					visit(s, at)
					at += int64(math.Exp(math.Log(400)+sigma*r.NormFloat64()) * 1e9)
				}
			}
		}
	}
	for _, c := range []struct {
		name string
		play func(*rand.Rand, *stage)
		most int // of 200
	}{
		{"log-normal gaps, sigma 1.3, 5 days", logNormal(1.3), 0},
		{"log-normal gaps, sigma 1.0, 5 days", logNormal(1), 1},
		{"Poisson, one in 10 min, 2 days", func(r *rand.Rand, s *stage) {
			for at := monday; at < monday+2*day; at += int64(r.ExpFloat64() * 600e9) {
				visit(s, at)
			}
		}, 1},
		{"every working morning, sd 20 min", habit(20), 0},
		{"every working morning, sd 5 min", habit(5), 0},
		{"every working morning, sd 1 min", habit(1), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			for seed := range uint64(series) {
				s := newOffice(t)
				c.play(rand.New(rand.NewPCG(seed, 3)), s)
				n += min(len(s.alerts), 1)
			}
			if n > c.most {
				t.Errorf("%d of %d flagged, want at most %d", n, series, c.most)
			}
		})
	}
}

func TestHarmlessTimers(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(*stage)
	}{
		{"NTP is a protocol's timer", func(s *stage) {
			s.every(monday+9*hour, 1024*second, 60, func(at int64) records.Record {
				f := s.flow(at, user, "192.0.2.123", 123, "SF")
				f.Meta().Key.Proto = 17
				return f
			})
			if s.counter("protocol_timers") != 60 {
				s.t.Error("not counted as protocol timer")
			}
		}},
		{"telemetry of every machine", func(s *stage) {
			for i := range int64(20 * 40) {
				s.feed(s.hello(monday+9*hour+i/20*30*minute+i%20*41*second, fmt.Sprintf("10.0.0.%d", 30+i%20), "192.0.2.50", "telemetry.vendor.test"))
			}
		}},
		{"three machines with one gadget", func(s *stage) {
			for i := range int64(3 * 40) {
				client := fmt.Sprintf("10.0.0.%d", 30+i%3)
				if i < 3 {
					s.browse(monday+hour, client)
				}
				s.feed(s.hello(monday+9*hour+i/3*20*minute+i%3*41*second, client, "192.0.2.51", "widget.test"))
			}
		}},
		{"a television and its maker", func(s *stage) {
			s.every(monday+9*hour, 5*minute, 480, func(at int64) records.Record { return s.get(at, "10.0.0.41", "", "api.tv.test") })
		}},
		{"a television behind the proxy", func(s *stage) {
			s.every(monday+9*hour, hour, 48, func(at int64) records.Record { return s.get(at, "10.0.0.41", proxyAddr, "api.tv.test") })
		}},
		{"certificate status", func(s *stage) {
			s.every(monday+9*hour, hour, 48, func(at int64) records.Record {
				h := s.get(at, user, "", "ocsp.ca.test")
				h.ContentType, h.RequestHeaders = "application/ocsp-response", 300+at/hour%7*40
				return h
			})
		}},
		{"look-ups of what is contacted", func(s *stage) {
			r := rand.New(rand.NewPCG(1, 1))
			s.every(monday+9*hour, 10*minute, 100, func(at int64) records.Record {
				s.feed(s.hello(at+int64(r.ExpFloat64()*1200e9), user, "192.0.2.7", "www.forum.test"))
				return s.query(at, user, "www.forum.test", "forum.test")
			})
		}},
		{"servers inside", func(s *stage) {
			s.every(monday+9*hour, minute, 200, func(at int64) records.Record { return s.flow(at, user, "10.0.0.99", 10050, "SF") })
		}},
		{"a session that is kept alive", func(s *stage) {
			s.every(monday+9*hour, minute, 400, func(at int64) records.Record {
				p := records.NewPulse(s.meta(at, user, "192.0.2.22", 22, 6))
				p.Start, p.Idle, p.Bytes, p.ServerName = at, minute, 52, "shell.partner.test"
				return p
			})
		}},
		{"a known service", func(s *stage) {
			s.every(monday+9*hour, 2*hour, 5, func(at int64) records.Record { return s.get(at, user, proxyAddr, "au.windowsupdate.com") })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newOffice(t)
			c.play(s)
			for _, a := range s.alerts {
				t.Errorf("%s: %q", a.Title, a.Evidence)
			}
		})
	}
}

func TestLookupsAtThePaceOfTheirTTL(t *testing.T) {
	for _, c := range []struct {
		seconds float64
		ttl     uint32
		want    bool
	}{{300, 300, true}, {330, 300, true}, {600, 300, false}, {60, 300, false}, {300, 0, false}} {
		if got := ttlBound(c.seconds, c.ttl); got != c.want {
			t.Errorf("every %v s with a TTL of %d: %v", c.seconds, c.ttl, got)
		}
	}
}

func TestRelayedContactsAreNotJudged(t *testing.T) {
	s := newStage(t, Default())
	for i := range int64(5) {
		s.feed(s.get(monday+i*second, fmt.Sprintf("10.0.0.%d", 60+i), proxyAddr, "www.popular.test"))
	}
	s.browse(monday+hour, proxyAddr)
	s.every(monday+2*hour, 5*minute, 60, func(at int64) records.Record { return s.hello(at, proxyAddr, "192.0.2.9", "c2.rare.test") })
	if len(s.alerts) != 0 || s.counter("relayed_by_proxy") < 60 {
		t.Errorf("%d alerts, %d relayed", len(s.alerts), s.counter("relayed_by_proxy"))
	}
}
