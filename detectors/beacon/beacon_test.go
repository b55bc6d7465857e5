package beacon

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kagami/detectors/census"
	"kagami/records"
)

// beats plays a beacon on a machine that people use and returns after how many
// beats seen it was told, 0 for never.
func beats(t testing.TB, seed uint64, sleep, jitter, loss float64, n int) (told int, s *stage) {
	s = newOffice(t)
	r := rand.New(rand.NewPCG(seed, 1))
	next := sleeps(r, sleep, jitter)
	at := monday + 10*hour + int64(r.Float64()*1e9*3600)
	seen := 0
	for range n {
		at += next()
		if r.Float64() < loss {
			continue
		}
		seen++
		s.feed(s.hello(at, user, "192.0.2.9", "c2.rare.test"))
		if told == 0 && len(s.alerts) > 0 {
			told = seen
		}
	}
	return told, s
}

// On a sensor's first day, when nothing speaks against a destination but that one
// machine knows it; later its age does, too (docs/detection-report.md).
func TestRecallAndTimeToDetect(t *testing.T) {
	const series = 40
	for _, c := range []struct {
		sleep, jitter, loss float64
		beats, median       int // played; wanted at most
	}{
		{10, 0, 0, 120, 62}, {10, .25, 0, 140, 71}, {10, .5, 0, 160, 84},
		{60, 0, 0, 60, 11}, {60, .25, 0, 60, 14}, {60, .5, 0, 80, 17},
		{600, 0, 0, 30, 6}, {600, .25, 0, 30, 11}, {600, .5, 0, 30, 16},
		{3600, 0, 0, 30, 6}, {3600, .25, 0, 30, 11}, {3600, .5, 0, 30, 16},
		{28800, 0, 0, 30, 6}, {28800, .25, 0, 30, 11}, {28800, .5, 0, 30, 16},
		{86400, 0, 0, 30, 7}, {86400, .25, 0, 30, 11}, {86400, .5, 0, 40, 16},
		{600, 0, .2, 30, 7}, {600, .25, .2, 40, 12}, {600, .5, .2, 60, 22}, {600, 0, .4, 40, 9}, {600, .25, .4, 50, 16},
	} {
		t.Run(fmt.Sprintf("%vs jitter %v loss %v", c.sleep, c.jitter, c.loss), func(t *testing.T) {
			var at []int
			for seed := range uint64(series) {
				if told, _ := beats(t, seed, c.sleep, c.jitter, c.loss, c.beats); told > 0 {
					at = append(at, told)
				}
			}
			slices.Sort(at)
			if len(at) < series*97/100 || at[len(at)/2] > c.median {
				t.Errorf("found %d of %d after %v beats, want a median of at most %d", len(at), series, at, c.median)
			}
		})
	}
}

func TestToldOnce(t *testing.T) {
	for _, pause := range []int64{0, 3 * day, 20 * day} {
		_, s := beats(t, 1, 300, .25, 0, 80)
		s.every(s.census.Now()+pause, 280*second, 80, func(at int64) records.Record { return s.hello(at, user, "192.0.2.9", "c2.rare.test") })
		if n := s.incidents(); n != 1 {
			t.Errorf("after a pause of %d days there are %d incidents, want 1", pause/day, n)
		}
		if (s.counter("told_before") > 0) != (pause > 7*day) {
			t.Errorf("after a pause of %d days, told_before is %d", pause/day, s.counter("told_before"))
		}
	}
}

func TestAfterMonthsItIsNews(t *testing.T) {
	_, s := beats(t, 1, 300, .25, 0, 80)
	s.every(s.census.Now()+day, day, 65, func(at int64) records.Record { return s.hello(at, user, "203.0.113.1", "www.popular1.test") })
	s.every(s.census.Now()+5*day, 280*second, 80, func(at int64) records.Record { return s.hello(at, user, "192.0.2.9", "c2.rare.test") })
	if n := s.incidents(); n != 2 {
		t.Errorf("%d incidents, want 2", n)
	}
}

// A timer mixed with other contacts of the same destination.
func TestMixedTraffic(t *testing.T) {
	found := 0
	for seed := range uint64(20) {
		s := newOffice(t)
		r := rand.New(rand.NewPCG(seed, 5))
		at := monday + 9*hour
		for range 67 {
			gap := int64(600e9 * (1 - .1*r.Float64()))
			if r.Float64() < .5 {
				s.feed(s.hello(at+int64(r.Float64()*float64(gap)), user, "192.0.2.9", "c2.rare.test"))
			}
			at += gap
			s.feed(s.hello(at, user, "192.0.2.9", "c2.rare.test"))
		}
		found += min(len(s.alerts), 1)
	}
	if found < 19 {
		t.Errorf("found %d of 20", found)
	}
}

func TestWhatBeats(t *testing.T) {
	for _, c := range []struct {
		name string
		pace int64
		n    int
		beat func(s *stage, at int64, i int) records.Record
		also string // in the evidence
	}{
		{"pulses in one session", 2 * minute, 20, func(s *stage, at int64, _ int) records.Record { return s.pulse(at, user, "192.0.2.9", "c2.rare.test") }, "connection that stays open"},
		{"a controller that is gone", 2 * minute, 20, func(s *stage, at int64, _ int) records.Record { return s.flow(at, user, "192.0.2.9", 4444, "S0") }, "no answer"},
		{"through the proxy", 2 * minute, 20, func(s *stage, at int64, _ int) records.Record { return s.get(at, user, proxyAddr, "c2.rare.test") }, "through the proxy"},
		{"in DNS queries", 10 * minute, 20, func(s *stage, at int64, i int) records.Record {
			return s.query(at, user, fmt.Sprintf("%08x.rare.test", i), "rare.test")
		}, "DNS queries"},
		{"turns of three subdomains", 10 * minute, 40, func(s *stage, at int64, i int) records.Record {
			return s.hello(at, user, "192.0.2.9", fmt.Sprintf("n%d.rare.test", i%3))
		}, "take turns"},
		{"turns of addresses in a network", 10 * minute, 40, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, user, fmt.Sprintf("192.0.2.%d", 1+i*7%5), 4444, "SF")
		}, "take turns"},
		{"a request and its result", 10 * minute, 60, func(s *stage, at int64, i int) records.Record {
			return s.hello(at/(20*minute)*(20*minute)+int64(i%2)*6*second, user, "192.0.2.9", "c2.rare.test")
		}, "count with it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newOffice(t)
			for i := range c.n {
				s.feed(c.beat(s, monday+9*hour+int64(i)*c.pace, i))
			}
			if len(s.alerts) == 0 {
				t.Fatal("not found")
			}
			if text := strings.Join(s.alerts[0].Evidence, "\n"); !strings.Contains(text, c.also) {
				t.Errorf("%q is not in\n%s", c.also, text)
			}
			if n := s.incidents(); n != 1 {
				t.Errorf("%d incidents, want 1", n)
			}
		})
	}
}

// A machine that sleeps at night does not lose its rhythm.
func TestAsleepAtNight(t *testing.T) {
	s := newOffice(t)
	for d := range int64(6) {
		for i := range int64(3) {
			at := monday + d*day + 9*hour + i*4*hour
			s.browse(at-minute, user)
			s.feed(s.hello(at, user, "192.0.2.9", "c2.rare.test"))
		}
	}
	if len(s.alerts) == 0 {
		t.Error("every 4 hours by day was not found")
	}
}

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
				s.feed(s.hello(at+int64(r.ExpFloat64()*300e9), user, "192.0.2.7", "www.forum.test"))
				return s.query(at, user, "www.forum.test", "forum.test")
			})
		}},
		{"servers inside", func(s *stage) {
			s.every(monday+9*hour, minute, 200, func(at int64) records.Record { return s.flow(at, user, "10.0.0.99", 10050, "SF") })
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

// A daily beacon shows when it comes on free days, or at any time.
func TestDailyBeacon(t *testing.T) {
	for _, c := range []struct {
		name   string
		days   []int64
		drift  int64 // a day
		within int   // beats, 0 = never
	}{
		{"on working days, as people do", []int64{0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18}, 3 * minute, 0},
		{"every day", []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 3 * minute, 7},
		{"drifting through the day", []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 100 * minute, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newOffice(t)
			told := 0
			for i, d := range c.days {
				s.browse(monday+d*day+9*hour, user)
				s.feed(s.hello(monday+d*day+9*hour+20*minute+int64(i)*c.drift, user, "192.0.2.9", "c2.rare.test"))
				if told == 0 && len(s.alerts) > 0 {
					told = i + 1
				}
			}
			if c.within == 0 && told != 0 || c.within != 0 && (told == 0 || told > c.within) {
				t.Errorf("told at beat %d, want by %d: %v", told, c.within, s.alerts)
			}
		})
	}
}

func TestSaturate(t *testing.T) {
	for _, c := range []struct{ evidence, limit, want float64 }{
		{5, 20, 5}, {12, 20, 12}, {200, 20, 20}, {8, 8, 8 - math.Ln2}, {80, 6, 6},
	} {
		if got := saturate(c.evidence, c.limit); math.Abs(got-c.want) > 0.01 {
			t.Errorf("saturate(%v, %v) = %v, want %v", c.evidence, c.limit, got, c.want)
		}
	}
}

func TestExplain(t *testing.T) {
	_, s := beats(t, 1, 600, .1, 0, 12)
	s.feed(s.hello(s.census.Now(), user, "192.0.2.11", "once.test"))
	for _, x := range []struct {
		target string
		want   []string
	}{
		{"c2.rare.test:443", []string{"contacted 12 times", "are needed", "weighed with", "in all", "an alert was raised"}},
		{"c2.rare.test", []string{"contacted 12 times"}},
		{"once.test", []string{"1 contact so far"}},
		{"never.test", []string{"no contact"}},
	} {
		to, err := census.ParseTarget(x.target)
		if err != nil {
			t.Fatal(err)
		}
		en, ja := s.explanation(user, to)
		for _, w := range x.want {
			if !strings.Contains(en, w) {
				t.Errorf("%s: %q is not in\n%s", x.target, w, en)
			}
		}
		if strings.Count(en, "\n") != strings.Count(ja, "\n") || strings.Contains(en+ja, "%!") {
			t.Errorf("%s: badly said:\n%s%s", x.target, en, ja)
		}
	}
}
