package detectors

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"kagami/records"
)

const proxyAddr = "10.0.0.8"

// simulateHuman draws gaps of a person returning to one site: log-normal.
func simulateHuman(seed uint64, n int) []gap {
	r := rand.New(rand.NewPCG(seed, 7))
	g := make([]gap, n)
	for i := range g {
		g[i].log2 = math.Log2(60) + r.NormFloat64()*1.3/math.Ln2
	}
	return g
}

// beats plays a beacon on a machine that people use and returns after how many
// beats seen it was told, 0 for never, and how many alerts there were.
func beats(t testing.TB, seed uint64, sleep, jitter, loss float64, n int) (told, alerts int) {
	s := newStage(t, only("beacon"))
	r := rand.New(rand.NewPCG(seed, 1))
	s.play(s.browse(monday+hour, "10.0.0.21", ""))
	next := gaps(r, sleep, jitter)
	at := monday + 10*hour + int64(r.Float64()*1e9*3600)
	seen := 0
	for range n {
		at += next()
		if r.Float64() < loss {
			continue
		}
		seen++
		s.feed(s.hello(at, "10.0.0.21", "192.0.2.9", "c2.rare.test"))
		if told == 0 && len(s.alerts) > 0 {
			told = seen
		}
	}
	return told, len(s.alerts)
}

func TestBeaconRecallAndTimeToDetect(t *testing.T) {
	const series = 30
	for _, c := range []struct {
		sleep, jitter, loss float64
		beats, median       int // played; wanted at most
	}{
		{10, 0, 0, 120, 62}, {10, .25, 0, 140, 71}, {10, .5, 0, 160, 84},
		{60, 0, 0, 60, 12}, {60, .25, 0, 60, 14}, {60, .5, 0, 80, 20},
		{600, 0, 0, 60, 7}, {600, .25, 0, 60, 11}, {600, .5, 0, 80, 19},
		{3600, 0, 0, 60, 7}, {3600, .25, 0, 60, 11}, {3600, .5, 0, 80, 19},
		{14400, 0, 0, 60, 7}, {14400, .25, 0, 60, 11}, {14400, .5, 0, 80, 18},
		{28800, 0, 0, 40, 7}, {28800, .25, 0, 40, 11}, {28800, .5, 0, 60, 19},
		{86400, 0, 0, 40, 7}, {86400, .25, 0, 40, 15}, {86400, .5, 0, 60, 22},
		{600, 0, .2, 60, 9}, {600, .25, .2, 60, 15}, {600, 0, .4, 60, 13}, {600, .25, .4, 80, 20},
	} {
		t.Run(fmt.Sprintf("%vs jitter %v loss %v", c.sleep, c.jitter, c.loss), func(t *testing.T) {
			var at []int
			for seed := range uint64(series) {
				if told, _ := beats(t, seed, c.sleep, c.jitter, c.loss, c.beats); told > 0 {
					at = append(at, told)
				}
			}
			if len(at) < series*98/100 {
				t.Errorf("found %d of %d", len(at), series)
			}
			m := median(at)
			t.Logf("found %d of %d, median after %d beats", len(at), series, m)
			if m > c.median {
				t.Errorf("median after %d beats, want at most %d", m, c.median)
			}
		})
	}
}

func median(x []int) int {
	if len(x) == 0 {
		return math.MaxInt
	}
	sorted := append([]int(nil), x...)
	for i := range sorted {
		for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted[len(sorted)/2]
}

func TestBeaconIsToldOnceADay(t *testing.T) {
	if _, n := beats(t, 1, 300, .25, 0, 80); n != 1 { // 6 h
		t.Errorf("%d alerts in 6 h, want 1", n)
	}
	if _, n := beats(t, 1, 3600, .1, 0, 72); n != 3 { // 68 h
		t.Errorf("%d alerts in 68 h, want 3", n)
	}
}

// human plays one person's returns to one rare site over days.
func human(r *rand.Rand, s *stage, client string, days int, sigma float64) {
	for d := range int64(days) {
		at := monday + d*day + 9*hour
		for at < monday+d*day+18*hour {
			s.feed(s.hello(at, client, "192.0.2.10", "hobby.test"))
			at += int64(math.Exp(math.Log(400)+sigma*r.NormFloat64()) * 1e9)
		}
	}
}

func TestPeopleAreNoBeacons(t *testing.T) {
	const series = 200
	flagged := func(play func(*rand.Rand, *stage)) int {
		n := 0
		for seed := range uint64(series) {
			s := newStage(t, only("beacon"))
			s.play(s.browse(monday+hour, "10.0.0.21", ""))
			play(rand.New(rand.NewPCG(seed, 3)), s)
			n += min(len(s.alerts), 1)
		}
		return n
	}
	habit := func(sd float64) func(*rand.Rand, *stage) {
		return func(r *rand.Rand, s *stage) {
			for d := range int64(28) {
				if d%7 < 5 {
					s.feed(s.hello(monday+d*day+9*hour+int64(r.NormFloat64()*sd)*minute, "10.0.0.21", "192.0.2.10", "news.test"))
				}
			}
		}
	}
	for _, c := range []struct {
		name string
		play func(*rand.Rand, *stage)
		most int // of 200
	}{
		{"log-normal gaps, sigma 1.3, 5 days", func(r *rand.Rand, s *stage) { human(r, s, "10.0.0.21", 5, 1.3) }, 0},
		{"log-normal gaps, sigma 1.0, 5 days", func(r *rand.Rand, s *stage) { human(r, s, "10.0.0.21", 5, 1.0) }, 4},
		{"Poisson, one in 10 min, 2 days", func(r *rand.Rand, s *stage) {
			for at := monday; at < monday+2*day; at += int64(r.ExpFloat64() * 600e9) {
				s.feed(s.hello(at, "10.0.0.21", "192.0.2.10", "feed.test"))
			}
		}, 0},
		{"every working morning, sd 20 min", habit(20), 1},
		{"every working morning, sd 5 min", habit(5), 2},
		{"every working morning, sd 1 min", habit(1), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := flagged(c.play)
			t.Logf("%d of %d", n, series)
			if n > c.most {
				t.Errorf("%d of %d flagged, want at most %d", n, series, c.most)
			}
		})
	}
}

func TestHarmlessTimers(t *testing.T) {
	every := func(s *stage, d time.Duration, n int, r func(at int64) records.Record) {
		for i := range int64(n) {
			s.feed(r(monday + 9*hour + i*int64(d)))
		}
	}
	for _, c := range []struct {
		name string
		play func(*stage)
	}{
		{"NTP is a protocol's timer", func(s *stage) {
			every(s, 1024*time.Second, 60, func(at int64) records.Record {
				return s.udp(at, "10.0.0.21", "192.0.2.123", 123, true, 48)
			})
			if s.counter("beacon", "protocol_timers") != 60 {
				t.Error("not counted as protocol timer")
			}
		}},
		{"telemetry of every machine", func(s *stage) {
			for i := range int64(20 * 40) {
				client := fmt.Sprintf("10.0.0.%d", 30+i%20)
				s.feed(s.hello(monday+9*hour+i/20*30*minute+i%20*41*second, client, "192.0.2.50", "telemetry.vendor.test"))
			}
		}},
		{"three machines with one gadget", func(s *stage) {
			for i := range int64(3 * 40) {
				client := fmt.Sprintf("10.0.0.%d", 30+i%3)
				if i < 3 {
					s.play(s.browse(monday+hour, client, ""))
				}
				s.feed(s.hello(monday+9*hour+i/3*20*minute+i%3*41*second, client, "192.0.2.51", "widget.test"))
			}
		}},
		{"a television and its maker", func(s *stage) {
			every(s, time.Hour, 48, func(at int64) records.Record {
				return s.get(at, "10.0.0.41", "", "api.tv.test", "/v1")
			})
		}},
		{"a television behind the proxy", func(s *stage) {
			every(s, time.Hour, 48, func(at int64) records.Record {
				return s.get(at, "10.0.0.41", proxyAddr, "api.tv.test", "/v1")
			})
		}},
		{"a server that relays is not judged", func(s *stage) {
			for i := range int64(5) {
				s.feed(s.get(monday+i*second, fmt.Sprintf("10.0.0.%d", 60+i), proxyAddr, "www.popular.test", "/"))
			}
			s.play(s.browse(monday+hour, proxyAddr, ""))
			every(s, 5*time.Minute, 60, func(at int64) records.Record {
				return s.hello(at, proxyAddr, "192.0.2.9", "c2.rare.test")
			})
		}},
		{"certificate status", func(s *stage) {
			s.play(s.browse(monday+hour, "10.0.0.21", ""))
			every(s, time.Hour, 48, func(at int64) records.Record {
				h := s.get(at, "10.0.0.21", "", "ocsp.ca.test", "/")
				h.ContentType, h.RequestHeaders = "application/ocsp-response", 300+at/hour%7*40
				return h
			})
		}},
		{"servers inside", func(s *stage) {
			s.play(s.browse(monday+hour, "10.0.0.21", ""))
			every(s, time.Minute, 200, func(at int64) records.Record {
				return s.flow(at, "10.0.0.21", "10.0.0.99", 10050, "SF")
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, only("beacon"))
			c.play(s)
			for _, a := range s.alerts {
				t.Errorf("%s: %q", a.Title, a.Evidence)
			}
		})
	}
}
