package peers

import (
	"math"
	"testing"
)

func TestRegularityOfGaps(t *testing.T) {
	for _, c := range []struct {
		name string
		gaps []int64
		want float64
	}{
		{"one second apart", []int64{1, 1, 1, 1, 1, 1, 1, 1, 1}, 1},
		{"a minute apart", []int64{60, 60, 60, 60, 60, 60, 60, 60, 60}, 1},
		{"close to each other", []int64{98, 99, 99, 100, 100, 100, 101, 101, 102}, 0.995},
		{"of two kinds", []int64{98, 300, 98, 300, 98, 300, 98, 300, 98, 300}, 0.746},
		{"random", []int64{1, 299, 25, 4975, 90, 2, 42, 500, 1500}, 0.083},
	} {
		if got := regularity(c.gaps, 1); got != c.want {
			t.Errorf("gaps %s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRegularityOfSizes(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int64
		want  float64
	}{
		{"one to ten", []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.773},
		{"equal", []int64{60, 60, 60, 60, 60, 60, 60, 60, 60}, 1},
		{"close to each other", []int64{98, 99, 99, 100, 100, 100, 101, 101, 102}, 0.995},
		{"nothing sent", []int64{0, 0, 0, 0}, 0.5},
	} {
		if got := regularity(c.sizes, 0); got != c.want {
			t.Errorf("sizes %s: %v, want %v", c.name, got, c.want)
		}
	}
}

const day = 86400

// cron is a connection every so many seconds for a time, all of one size.
func cron(every, long int64) (times, sizes []int64) {
	for t := int64(0); t <= long; t += every {
		times, sizes = append(times, 1_000_000+t), append(sizes, 500)
	}
	return times, sizes
}

func TestBeaconScore(t *testing.T) {
	for _, c := range []struct {
		name        string
		every, long int64
		ok          bool
		want        Score
	}{
		{"ten minutes for a day", 600, day, true, Score{Total: 1, Timestamps: 1, Sizes: 1, Duration: 1, Hourly: 1, Count: 145}},
		{"an hour for a day", 3600, day, true, Score{Total: 1, Timestamps: 1, Sizes: 1, Duration: 1, Hourly: 1, Count: 25}},
		{"four hours for a day: seven bins, nothing in a row but the ends", 4 * 3600, day, true,
			Score{Total: 0.75, Timestamps: 1, Sizes: 1, Duration: 1, Hourly: 0, Count: 7}},
		{"three connections", day / 2, day, false, Score{}},
		{"one a second is a strobe", 1, day, false, Score{}},
	} {
		times, sizes := cron(c.every, c.long)
		got, ok := BeaconScore(times, sizes, 1_000_000, 1_000_000+day)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %v, want %+v %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

// TestBeaconScoreOfPort compares with values that the reference port of the
// formulas gives for the same series.
func TestBeaconScoreOfPort(t *testing.T) {
	for _, c := range vectors() {
		times, sizes := c.series()
		got, ok := BeaconScore(times, sizes, c.from, c.to)
		if !ok || math.Abs(got.Total-c.want.Total) > 5e-4 || got.Timestamps != c.want.Timestamps || got.Sizes != c.want.Sizes ||
			got.Duration != c.want.Duration || got.Hourly != c.want.Hourly {
			t.Errorf("seed %d: %+v, want %+v", c.seed, got, c.want)
		}
	}
}

func TestBeaconScoreRefuses(t *testing.T) {
	for name, times := range map[string][]int64{
		"nothing":                 {},
		"three seconds, many hit": {1, 1, 1, 2, 2, 3, 3, 3, 3},
		"an empty range":          {5, 6, 7, 8},
	} {
		to := int64(100)
		if name == "an empty range" {
			to = 5
		}
		if s, ok := BeaconScore(times, make([]int64, len(times)), 5, to); ok {
			t.Errorf("%s: scored %+v", name, s)
		}
	}
}

func FuzzBeaconScore(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6}, uint16(10), uint16(900))
	f.Fuzz(func(t *testing.T, b []byte, from, span uint16) {
		var times, sizes []int64
		at := int64(from)
		for _, x := range b {
			at += int64(x)
			times, sizes = append(times, at), append(sizes, int64(x)*int64(x))
		}
		s, ok := BeaconScore(times, sizes, int64(from), int64(from)+int64(span))
		for _, x := range [...]float64{s.Total, s.Timestamps, s.Sizes, s.Duration, s.Hourly} {
			if ok && !(x >= 0 && x <= 1) {
				t.Errorf("%+v out of range for %v", s, times)
			}
		}
	})
}
