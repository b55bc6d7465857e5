package peers

import (
	"math"
	"slices"
)

// Score is RITA's beacon score of one key and its four parts, 0 to 1 each.
type Score struct {
	Total                               float64
	Timestamps, Sizes, Duration, Hourly float64
	Count                               int // connections
}

// Times of RITA's score are whole seconds since the epoch.
const (
	window     = 24 * 3600 // what is looked at, seconds
	bins       = 24
	strobe     = 86400 // so many connections are no beacon any more
	enough     = 4     // distinct seconds
	modalBars  = 11    // filled bins from which on the two commonest heights count
	dayBars    = 6     // filled bins from which on the duration counts
	idealRun   = 12    // filled bins in a row for the whole duration score
	heightStep = 0.05  // of the highest bin: heights within it are one
)

// BeaconScore is RITA v5's score (activecm/rita, analysis/beacons.go) of the
// connections of one key: their times and octets sent, in any order, and the
// range of the data set. It returns false where RITA would not score. It may
// sort its arguments.
func BeaconScore(times, sizes []int64, from, to int64) (Score, bool) {
	slices.Sort(times)
	if len(times) >= strobe || to <= from || distinct(times) < enough {
		return Score{}, false
	}
	gaps := make([]int64, 0, len(times))
	for i := 1; i < len(times); i++ {
		if g := times[i] - times[i-1]; g > 0 {
			gaps = append(gaps, g)
		}
	}
	h := histogram(times, from, to)
	first, last := times[0], times[len(times)-1]
	s := Score{Timestamps: regularity(gaps, 1), Sizes: regularity(slices.Clone(sizes), 0),
		Hourly: h.score(), Duration: h.duration(first, last, from, to), Count: len(times)}
	s.Total = round3(0.25*s.Timestamps + 0.25*s.Sizes + 0.25*s.Duration + 0.25*s.Hourly)
	return s, true
}

// distinct counts the different values of a sorted list.
func distinct(a []int64) int {
	n := 0
	for i, x := range a {
		if i == 0 || x != a[i-1] {
			n++
		}
	}
	return n
}

// regularity is 1 when the values are alike: Bowley's skewness and the median
// absolute deviation. It sorts a.
func regularity(a []int64, whenTiny float64) float64 {
	slices.Sort(a)
	n := len(a)
	q1, q2, q3 := median(a[:n/2]), median(a), median(a[(n+1)/2:])
	skew := 0.0
	if q3-q1 >= 10 && q2 != q1 && q2 != q3 {
		skew = (q1 + q3 - 2*q2) / (q3 - q1)
	}
	spread := whenTiny
	if q2 >= 1 {
		off := make([]float64, n)
		for i, x := range a {
			off[i] = math.Abs(float64(x) - q2)
		}
		slices.Sort(off)
		spread = max(0, (q2-median(off))/q2)
	}
	return round3((1 - math.Abs(skew) + spread) / 2)
}

// median of a sorted list, not a number if it is empty.
func median[T int64 | float64](a []T) float64 {
	n := len(a)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return float64(a[n/2])
	}
	return (float64(a[n/2-1]) + float64(a[n/2])) / 2
}

// bars is how many connections fell into each 24th of the range.
type bars [bins]int

// histogram of sorted times.
func histogram(times []int64, from, to int64) (h bars) {
	step := float64(to-from) / bins
	at := 0
	for _, t := range times {
		for at < bins-1 && float64(t) >= float64(from)+float64(at+1)*step {
			at++
		}
		h[at]++
	}
	return h
}

func (h *bars) filled() int {
	n := 0
	for _, x := range h {
		if x > 0 {
			n++
		}
	}
	return n
}

// run is the longest row of filled bins; the last is followed by the first.
func (h *bars) run() int {
	best, now := 0, 0
	for i := range 2 * bins {
		if h[i%bins] == 0 {
			now = 0
			continue
		}
		now++
		best = max(best, now)
	}
	return min(best, bins)
}

// score is 1 when the bins are equally high, or of two heights.
func (h *bars) score() float64 {
	sum, top := 0, 0
	for _, x := range h {
		sum += x
		top = max(top, x)
	}
	mean, variance := float64(sum)/bins, 0.0
	for _, x := range h {
		variance += (float64(x) - mean) * (float64(x) - mean) / bins
	}
	flat := 0.0
	if cv := math.Sqrt(variance) / mean; cv <= 1 {
		flat = round3(1 - cv)
	}
	n := h.filled()
	if n < modalBars {
		return flat
	}
	step := int(math.Ceil(float64(top) * heightStep))
	counts := map[int]int{}
	for _, x := range h {
		if x > 0 {
			counts[x/step]++
		}
	}
	first, second := 0, 0
	for _, c := range counts {
		if c > first {
			first, second = c, first
		} else if c > second {
			second = c
		}
	}
	return max(flat, min(1, round3(float64(first+second)/float64(max(n-1, 1)))))
}

// duration is 1 when the connections cover the range, or half of it in a row.
func (h *bars) duration(first, last, from, to int64) float64 {
	if h.filled() < dayBars {
		return 0
	}
	covered := min(1, ceil3(float64(last-first)/float64(to-from)))
	return max(covered, min(1, ceil3(float64(h.run())/idealRun)))
}

func round3(x float64) float64 { return math.Round(x*1000) / 1000 }
func ceil3(x float64) float64  { return math.Ceil(x*1000) / 1000 }
