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

// A daily beacon shows when it comes on free days, or at any time.
func TestDailyBeacon(t *testing.T) {
	for _, c := range []struct {
		name   string
		days   []int64
		drift  int64 // a day
		within int   // beats, 0 = never
	}{
		{"on working days, as people do", []int64{0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18}, 3 * minute, 0},
		{"on working days and one Saturday", []int64{0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15, 16, 19}, 3 * minute, 0},
		{"every day", []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 3 * minute, 6},
		{"from a Wednesday on", []int64{2, 3, 4, 5, 6, 7, 8, 9}, 3 * minute, 5},
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

// Five weekly beats are remembered among what was met once.
func TestWeeklyBeacon(t *testing.T) {
	s := newOffice(t)
	for week := range int64(7) {
		for d := range int64(7) {
			s.browse(monday+(7*week+d)*day, user)
		}
		s.feed(s.hello(monday+(7*week+6)*day+23*hour+week*20*minute, user, "192.0.2.9", "c2.rare.test"))
		if told := s.tells("c2.rare.test:443"); told != (week >= 4) {
			t.Fatalf("told %v at beat %d", told, week+1)
		}
	}
}

// A pair that was told stays one incident when others in its network turn up.
func TestToldOnceThoughOthersCome(t *testing.T) {
	_, s := beats(t, 1, 300, .25, 0, 80)
	for i := range int64(5) {
		s.feed(s.hello(s.census.Now()+minute, user, "192.0.2.77", fmt.Sprintf("once%d.test", i)))
	}
	s.every(s.census.Now()+5*minute, 280*second, 80, func(at int64) records.Record { return s.hello(at, user, "192.0.2.9", "c2.rare.test") })
	if n := s.incidents(); n != 1 {
		t.Errorf("%d incidents, want 1", n)
	}
}

// Domains of no common name or network, contacted by one rare program.
func TestTurnsOfDomainsByOneProgram(t *testing.T) {
	s := newOffice(t)
	for i := range 12 {
		h := s.hello(monday+2*hour+int64(i)*second, fmt.Sprintf("10.0.3.%d", i+1), "203.0.113.9", "www.popular1.test")
		h.JA4 = "common"
		s.feed(h)
	}
	s.every(monday+9*hour, 10*minute, 30, func(at int64) records.Record {
		i := at / (10 * minute) * 7 % 11
		h := s.hello(at, user, fmt.Sprintf("192.%d.2.9", 1+i), fmt.Sprintf("c2-%d.test", i))
		h.JA4 = "implant"
		return h
	})
	if s.incidents() != 1 {
		t.Errorf("%d incidents, want 1", s.incidents())
	}
}

// What the sensor could not see says nothing.
func TestSensorOff(t *testing.T) {
	for _, c := range []struct {
		name    string
		dropped uint64
		slept   bool
	}{{"all was seen", 0, false}, {"most was dropped", 9000, true}} {
		s := newOffice(t)
		beat := func(at int64) records.Record { return s.hello(at, user, "192.0.2.9", "c2.rare.test") }
		s.every(monday+9*hour, 20*minute, 3, beat)
		for at := monday + 10*hour; at < monday+13*hour; at += minute {
			x := records.NewStats(records.Meta{At: at + minute})
			x.Start, x.End, x.Frames, x.Dropped = at, at+minute, 1000, c.dropped
			s.feed(x)
			s.feed(s.hello(at, user, "203.0.113.1", "www.popular1.test"))
		}
		s.every(monday+12*hour+53*minute, 20*minute, 4, beat)
		to, _ := census.ParseTarget("c2.rare.test:443")
		if en, _ := s.explanation(user, to); strings.Contains(en, "or the sensor off") != c.slept {
			t.Errorf("%s:\n%s", c.name, en)
		}
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
