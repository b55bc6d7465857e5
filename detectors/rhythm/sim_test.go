package rhythm

import (
	"math"
	"math/rand/v2"
	"slices"
)

// law draws gaps in seconds.
type law func(*rand.Rand) float64

// The jitter models of implants: Cobalt Strike shortens its sleep by up to j,
// Empire and PoshC2 go both ways, Sliver adds.

func shortened(s, j float64) law {
	return func(r *rand.Rand) float64 { return s * (1 - j*r.Float64()) }
}

func bothWays(s, j float64) law {
	return func(r *rand.Rand) float64 { return s * (1 + j*(2*r.Float64()-1)) }
}

func added(s, j float64) law {
	return func(r *rand.Rand) float64 { return s * (1 + j*r.Float64()) }
}

// grid is cron with a random delay.
func grid(s, j float64) law {
	tick, last := 0.0, 0.0
	return func(r *rand.Rand) float64 {
		tick++
		at := s * (tick + j*r.Float64())
		gap := at - last
		last = at
		return gap
	}
}

// What is no timer.

func logNormal(median, sigma float64) law {
	return func(r *rand.Rand) float64 { return median * math.Exp(sigma*r.NormFloat64()) }
}

func poisson(mean float64) law { return func(r *rand.Rand) float64 { return mean * r.ExpFloat64() } }

// pages is a person who reads pages of a site in sessions.
func pages(median, sigma float64) law {
	left := 0.0
	return func(r *rand.Rand) float64 {
		if left--; left < 0 {
			left = math.Floor(1 + 6*r.ExpFloat64())
			return 600 + 3600*math.Exp(1.5+1.2*r.NormFloat64())
		}
		return max(2.1, median*math.Exp(sigma*r.NormFloat64()))
	}
}

// mornings is a person who opens a site on working days at about the same time,
// give or take sd minutes, and often a second page of it.
func mornings(sd float64) law {
	day, last := 0.0, 0.0
	return func(r *rand.Rand) float64 {
		if r.Float64() < 0.3 && day > 0 {
			gap := 10 * math.Exp(1.3*r.NormFloat64())
			last += gap
			return gap
		}
		if day++; int(day)%7 == 6 {
			day += 2
		}
		at := day*86400 + sd*60*r.NormFloat64()
		gap := max(at-last, 60)
		last = at
		return gap
	}
}

// series draws the times of n events that reach the wire: beats of which some are
// missed, and so many unrelated events for each beat, in between.
func series(r *rand.Rand, gap law, n int, missed, noise float64) []int64 {
	const start = int64(1.7e18)
	t := start + int64(r.Float64()*3600e9)
	var out []int64
	for len(out) < 2*n { // more than needed, as they are in order only when sorted
		d := gap(r)
		for range poissonCount(r, noise) {
			out = append(out, t+int64(r.Float64()*d*1e9))
		}
		t += int64(d * 1e9)
		if r.Float64() >= missed {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out[:n]
}

func poissonCount(r *rand.Rand, mean float64) int {
	n := 0
	for p := r.Float64(); p > math.Exp(-mean); p *= r.Float64() {
		n++
	}
	return n
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 42)) }

// gate is how long a rhythm must last, as the detector wants it.
const gate = 600 * second

// found plays a series and returns the event at which LISS gives that evidence
// for a rhythm that lasts, 0 for never.
func found(l *LISS, times []int64, need float64) int {
	var r Ring
	r.Start(times[0])
	skip, n, since := 0, 1, int64(0)
	for _, t := range times[1:] {
		if r.Add(t, nil) != Accepted {
			continue
		}
		n++
		if skip--; skip > 0 {
			continue
		}
		f := l.Test(&r)
		skip = f.Hopeless
		switch {
		case f.Evidence < need/2:
			since = 0
		case since == 0:
			since = r.First()
		}
		if f.Evidence >= need && float64(t-since) >= max(float64(gate), 3.9*f.Seconds()*1e9) {
			return n
		}
	}
	return 0
}

// foundMixed is found for PDT, tested every 8 events, three times in a row.
func foundMixed(times []int64, need float64) int {
	var (
		s    Times
		p    PDT
		r    Ring
		runs int
	)
	r.Start(times[0])
	s.Add(times[0])
	n := 1
	for _, t := range times[1:] {
		if r.Add(t, nil) != Accepted {
			continue
		}
		s.Add(t)
		if n++; n < PairedLeast || n%8 != 0 {
			continue
		}
		if p.Test(&s).Evidence < need || t-times[0] < gate {
			runs = 0
		} else if runs++; runs == 3 {
			return n
		}
	}
	return 0
}
