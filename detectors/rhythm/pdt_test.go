package rhythm

import (
	"math"
	"testing"
)

func TestPDT(t *testing.T) {
	for _, c := range []struct {
		name   string
		gap    law
		noise  float64
		within int
		recall float64 // at an evidence of 12, three times in a row
	}{
		{"cron every minute, 0.5 others", shortened(60, 0), .5, 100, 1},
		{"10 %, 0.5 others", shortened(60, .1), .5, 100, .98},
		{"10 min, 10 %, 0.5 others", shortened(600, .1), .5, 100, .98},
		{"an hour, 10 %, 0.5 others", shortened(3600, .1), .5, 100, .98},
		{"10 min, exact, 1 other", shortened(600, 0), 1, 100, .98},
		{"10 min, 25 %, 0.25 others", shortened(600, .25), .25, 100, .9},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 100
			got := flagged(n, func(i uint64) bool { return foundMixed(series(random(70000+i), c.gap, c.within, 0, c.noise), 12) > 0 })
			if got < c.recall {
				t.Errorf("found %.2f, want %.2f", got, c.recall)
			}
		})
	}
}

func TestPDTFindsThePeriod(t *testing.T) {
	var s Times
	for _, at := range series(random(3), shortened(600, .05), 96, 0, .5) {
		s.Add(at)
	}
	var p PDT
	f := p.Test(&s)
	if math.Abs(f.Seconds()-585) > 30 || f.Hits < f.Of/2 || f.Expected > float64(f.Hits) {
		t.Errorf("found %+v, %.0f s", f, f.Seconds())
	}
}

func TestPDTAndPeople(t *testing.T) {
	for _, c := range negatives() {
		got := flagged(100, func(i uint64) bool { return foundMixed(series(random(80000+i), c.law(), min(c.n, 200), 0, 0), 12) > 0 })
		if got > .01 {
			t.Errorf("%s: %.2f of the series hold a timer", c.name, got)
		}
	}
}

func TestTimesStartOver(t *testing.T) {
	var s Times
	for _, at := range []int64{start, start + 60*second, start + 3*365*86400*second, start} {
		s.Add(at)
	}
	if s.Len() != 1 {
		t.Errorf("%d times after a leap of years and one back, want 1", s.Len())
	}
}

func BenchmarkPDT(b *testing.B) {
	var s Times
	for _, at := range series(random(1), shortened(600, .1), 96, 0, .5) {
		s.Add(at)
	}
	var p PDT
	b.ReportAllocs()
	for b.Loop() {
		p.Test(&s)
	}
}
