package rhythm

import (
	"math"
	"testing"
)

// ringOf returns a ring with gaps of so many seconds, negative ones asleep.
func ringOf(seconds ...float64) *Ring {
	r := &Ring{}
	t := int64(1.7e18)
	r.Start(t)
	for _, s := range seconds {
		t += int64(math.Abs(s) * 1e9)
		if r.Add(t, func(int64, int64) bool { return s < 0 }) != Accepted {
			panic("gap too short")
		}
	}
	return r
}

// times returns n gaps of so many seconds, and others.
func exact(n int, s float64, others ...float64) []float64 {
	out := make([]float64, n, n+len(others))
	for i := range out {
		out[i] = s
	}
	return append(out, others...)
}

func TestLISS(t *testing.T) {
	for _, c := range []struct {
		name                       string
		gaps                       []float64
		evidence                   float64
		kept, missed, slept, other int
	}{
		{"two gaps are no rhythm", exact(2, 60), 0, 0, 0, 0, 0},
		{"4 exact beats", exact(3, 60), 7.3, 3, 0, 0, 0},
		{"5 exact beats", exact(4, 86400), 11.4, 4, 0, 0, 0},
		{"6 exact beats", exact(5, 3600), 15.6, 5, 0, 0, 0},
		{"the period does not matter", exact(5, 10), 15.6, 5, 0, 0, 0},
		{"missed beats count, too", exact(5, 600, 1200, 1800), 18.6, 5, 2, 0, 0},
		{"nine periods are no missed beat", exact(8, 600, 5400), 26.3, 8, 0, 0, 1},
		{"a short gap counts against", exact(8, 600, 45), 26.3, 8, 0, 0, 1},
		{"too many others", exact(6, 600, 45, 77, 133, 2500), 0, 0, 0, 0, 0},
		{"more missed than can be", exact(3, 60, 180, 240, 300, 360, 360, 420, 480), 0, 0, 0, 0, 0},
		{"a sleeping machine is neutral", exact(8, 600, -50000, -61000, -7100), 28.4, 8, 0, 3, 0},
		{"but not when it beats in its sleep", []float64{600, 600, -600, 600, 600}, 15.6, 5, 0, 0, 0},
		{"bursts are one", []float64{5, 595, 4, 596, 6, 594, 5, 595, 5, 595}, 14.9, 5, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewLISS().Test(ringOf(c.gaps...))
			if math.Abs(f.Evidence-c.evidence) > 0.1 {
				t.Errorf("evidence %.2f, want %.1f", f.Evidence, c.evidence)
			}
			if f.Kept != c.kept || f.Missed != c.missed || f.Slept != c.slept || f.Other != c.other {
				t.Errorf("kept %d missed %d slept %d other %d, want %d %d %d %d", f.Kept, f.Missed, f.Slept, f.Other, c.kept, c.missed, c.slept, c.other)
			}
		})
	}
}

func TestPeriodAndJitter(t *testing.T) {
	f := NewLISS().Test(ringOf(900, 1000, 950, 800, 850, 2000))
	if math.Abs(f.Seconds()-900) > 2 || math.Abs(f.Jitter()-0.2) > 0.003 {
		t.Errorf("period %.0f s, jitter %.2f, want 900 and 0.20", f.Seconds(), f.Jitter())
	}
}

// The evidence must be what it says: of the most regular human behaviour, no
// more than about e^-E may give E. (1.6 nats are granted: see honestTable.)
func TestEvidenceIsHonest(t *testing.T) {
	for _, n := range []int{4, 6, 10, 16, 24, Gaps} {
		tail := tails(7, n, 20000)
		for _, x := range []float64{3, 5, 7} {
			if got := tail(x); got < x-1.6 {
				t.Errorf("%d gaps: evidence of %.0f has a probability of e^-%.1f", n, x, got)
			}
		}
	}
}

// Between two evaluations that the ring's state makes hopeless, none may succeed.
func TestHopelessIsExact(t *testing.T) {
	l := NewLISS()
	for seed := range uint64(300) {
		r := random(seed)
		gap := []law{logNormal(300, 1.5), pages(30, 1.3), shortened(600, .4)}
		var ring Ring
		at := int64(1.7e18)
		ring.Start(at)
		hopelessUntil := 0
		for i := range 200 {
			at += int64(gap[(i/40+int(seed))%3](r) * 1e9)
			if ring.Add(at, nil) != Accepted {
				continue
			}
			f := l.Test(&ring)
			if i < hopelessUntil && f.Evidence > 0 {
				t.Fatalf("seed %d, event %d: evidence %.1f though hopeless until %d", seed, i, f.Evidence, hopelessUntil)
			}
			hopelessUntil = max(hopelessUntil, i+f.Hopeless)
		}
	}
}

func TestBurstCode(t *testing.T) {
	if Code(Burst) != burstCode {
		t.Errorf("Code(Burst) = %d", Code(Burst))
	}
}

func TestMultiple(t *testing.T) {
	for _, c := range []struct {
		ratio, width float64
		want         bool
	}{
		{2, 1. / 16, true}, {2.05, 1. / 16, true}, {2.2, 1. / 16, false}, {2.5, 1. / 16, false},
		{2.3, 0.75, true}, {8, 1. / 16, true}, {9, 1. / 16, false}, {1.4, 0.75, false}, {1, 0.1, false},
	} {
		if got := NewLISS().multiple(math.Log2(c.ratio), c.width); got != c.want {
			t.Errorf("multiple of %v in width %v: %v, want %v", c.ratio, c.width, got, c.want)
		}
	}
}

// What the thresholds of the detector rest on, on seeds that were not chosen by.
func TestRecall(t *testing.T) {
	l := NewLISS()
	for _, c := range []struct {
		name           string
		gap            law
		missed, need   float64
		within, median int
		recall         float64
	}{
		{"no jitter", shortened(600, 0), 0, 8, 30, 5, 1},
		{"25 %", shortened(600, .25), 0, 8, 30, 8, 1},
		{"50 %", shortened(600, .5), 0, 8, 30, 13, 1},
		{"both ways 25 %", bothWays(3600, .25), 0, 8, 40, 11, 1},
		{"added 50 %", added(3600, .5), 0, 8, 40, 10, 1},
		{"cron", grid(3600, .1), 0, 8, 40, 7, 1},
		{"no jitter, 20 % missed", shortened(600, 0), .2, 8, 30, 6, 1},
		{"25 %, 20 % missed", shortened(600, .25), .2, 8, 30, 10, .99},
		{"50 %, 20 % missed", shortened(600, .5), .2, 8, 40, 18, .97},
		{"25 %, 40 % missed", shortened(600, .25), .4, 8, 30, 12, .95},
		{"a minute", shortened(60, .25), 0, 8, 30, 13, 1},
		{"a day, both ways 5 %", bothWays(86400, .05), 0, 7, 12, 5, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 200
			var at []int
			for seed := range uint64(n) {
				if k := found(l, series(random(50000+seed), c.gap, c.within, c.missed, 0), c.need); k > 0 {
					at = append(at, k)
				}
			}
			if recall := float64(len(at)) / n; recall < c.recall || middle(at) > c.median {
				t.Errorf("found %.3f, median %d, want %.2f and %d", recall, middle(at), c.recall, c.median)
			}
		})
	}
}

func TestPeopleAreNoTimers(t *testing.T) {
	l := NewLISS()
	for _, c := range negatives() {
		most := map[string]float64{"log-normal 0.7": .35, "log-normal 0.8": .08, "mornings 5 min": 1, "mornings 20 min": 1}[c.name] // others decide there
		got := flagged(200, func(i uint64) bool { return found(l, series(random(60000+i), c.law(), min(c.n, 200), 0, 0), 8) > 0 })
		if got > max(most, .01) {
			t.Errorf("%s: %.3f of the series are called a rhythm, want at most %.3f", c.name, got, max(most, .01))
		}
	}
}

func BenchmarkLISS(b *testing.B) {
	for _, c := range []struct {
		name string
		gap  law
	}{{"beacon", shortened(600, .25)}, {"human", logNormal(60, 1.3)}, {"regular human", logNormal(60, .8)}, {"pages", pages(30, 1.3)}} {
		b.Run(c.name, func(b *testing.B) {
			var r Ring
			times := series(random(1), c.gap, Gaps+1, 0.1, 0)
			r.Start(times[0])
			for _, t := range times[1:] {
				r.Add(t, nil)
			}
			l := NewLISS()
			b.ReportAllocs()
			for b.Loop() {
				l.Test(&r)
			}
		})
	}
}
