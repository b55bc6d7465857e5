package rhythm

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var tables = flag.Bool("tables", false, "print the tables of recall and false alarms (minutes)")

// The thresholds of the detector (beacon.Config) are chosen from these tables:
// seeds 1 to 1000 to choose by, others to check.
func TestTables(t *testing.T) {
	if !*tables {
		t.Skip("run with -tables")
	}
	for _, first := range []uint64{1, 100001} {
		t.Run(fmt.Sprintf("seeds from %d", first), func(t *testing.T) {
			t.Log("\n" + recallTable(first) + "\n" + mixedTable(first) + "\n" + falseTable(first) + "\n" + honestTable(first))
		})
	}
}

const tableSeries = 200

// recallTable: events until LISS finds a beacon, and the share found within 60 events.
func recallTable(first uint64) string {
	out := "LISS: median events / found within 60, at evidence 7, 8, 12\n"
	l := NewLISS()
	for _, m := range []struct {
		name string
		law  func(s, j float64) law
	}{{"shortened", shortened}, {"both ways", bothWays}, {"added", added}, {"grid", grid}} {
		for _, s := range []float64{60, 600, 86400} {
			for _, missed := range []float64{0, .2, .4} {
				out += fmt.Sprintf("%-9s %6.0f s, %2.0f %% missed:", m.name, s, 100*missed)
				for _, j := range []float64{0, .05, .1, .25, .5, .6} {
					out += fmt.Sprintf("  j%.0f", 100*j)
					for _, need := range []float64{7, 8, 12} {
						var at []int
						for seed := range uint64(tableSeries) {
							if n := found(l, series(random(first+seed), m.law(s, j), 60, missed, 0), need); n > 0 {
								at = append(at, n)
							}
						}
						out += fmt.Sprintf(" %d/%.2f", middle(at), float64(len(at))/tableSeries)
					}
				}
				out += "\n"
			}
		}
	}
	return out
}

// mixedTable: the same for PDT among unrelated events.
func mixedTable(first uint64) string {
	out := "PDT: median events / found within 100, at evidence 12\n"
	for _, s := range []float64{60, 600, 3600} {
		for _, noise := range []float64{.25, .5, 1} {
			out += fmt.Sprintf("%4.0f s, %.2f others a beat:", s, noise)
			for _, j := range []float64{0, .1, .25, .5} {
				var at []int
				for seed := range uint64(tableSeries) {
					if n := foundMixed(series(random(first+seed), shortened(s, j), 100, 0, noise), 12); n > 0 {
						at = append(at, n)
					}
				}
				out += fmt.Sprintf("  j%.0f %d/%.2f", 100*j, middle(at), float64(len(at))/tableSeries)
			}
			out += "\n"
		}
	}
	return out
}

// negatives are series that no timer makes.
func negatives() []struct {
	name string
	law  func() law
	n    int
} {
	type negative = struct {
		name string
		law  func() law
		n    int
	}
	return []negative{
		{"log-normal 0.7", func() law { return logNormal(600, .7) }, 500},
		{"log-normal 0.8", func() law { return logNormal(600, .8) }, 500},
		{"log-normal 1.0", func() law { return logNormal(600, 1) }, 500},
		{"log-normal 1.3", func() law { return logNormal(600, 1.3) }, 500},
		{"Poisson", func() law { return poisson(600) }, 500},
		{"pages 30 s, 1.3", func() law { return pages(30, 1.3) }, 500},
		{"pages 60 s, 1.1", func() law { return pages(60, 1.1) }, 500},
		{"pages 5 min, 1.1", func() law { return pages(300, 1.1) }, 500},
		{"mornings 5 min", func() law { return mornings(5) }, 30},
		{"mornings 20 min", func() law { return mornings(20) }, 30},
	}
}

// falseTable: shares of whole series that are ever called a rhythm.
func falseTable(first uint64) string {
	const n = 1000
	out := "share of series that ever reach an evidence of 7, 8, 9, 10, 12 (LISS); 9, 12 (PDT)\n"
	l := NewLISS()
	for _, c := range negatives() {
		out += fmt.Sprintf("%-16s", c.name)
		for _, need := range []float64{7, 8, 9, 10, 12} {
			out += fmt.Sprintf(" %.4f", flagged(n, func(i uint64) bool { return found(l, series(random(first+i), c.law(), c.n, 0, 0), need) > 0 }))
		}
		for _, need := range []float64{9, 12} {
			out += fmt.Sprintf(" %.4f", flagged(n/2, func(i uint64) bool { return foundMixed(series(random(first+i), c.law(), c.n, 0, 0), need) > 0 }))
		}
		out += "\n"
	}
	return out
}

func flagged(n uint64, hit func(uint64) bool) float64 {
	k := 0
	for i := range n {
		if hit(i) {
			k++
		}
	}
	return float64(k) / float64(n)
}

// honestTable: -ln of the share of series of so many gaps, log-normal with the
// spread of humanSpread, that give at least so much evidence in a single look.
func honestTable(first uint64) string {
	out := "LISS: -ln P(evidence >= 2, 4, 6, 8) of the most regular human behaviour\n"
	for _, n := range []int{3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48} {
		tail := tails(first, n, 50000)
		out += fmt.Sprintf("%2d gaps", n)
		for _, x := range []int{2, 4, 6, 8} {
			out += fmt.Sprintf(" %.2f", tail(float64(x)))
		}
		out += "\n"
	}
	return out
}

// tails draws series of n gaps and returns -ln of the share with an evidence of
// at least x.
func tails(seed uint64, n, count int) func(x float64) float64 {
	l, r := NewLISS(), random(seed+uint64(n)<<32)
	evidence := make([]float64, count)
	gap := logNormal(600, humanSpread)
	for i := range evidence {
		evidence[i] = l.Test(ringOf(gapsOf(r, gap, n)...)).Evidence
	}
	slices.Sort(evidence)
	return func(x float64) float64 {
		i, _ := slices.BinarySearch(evidence, x)
		return -math.Log(float64(count-i) / float64(count))
	}
}

func gapsOf(r *rand.Rand, gap law, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = gap(r)
	}
	return out
}

func middle(x []int) int {
	if len(x) == 0 {
		return 0
	}
	slices.Sort(x)
	return x[len(x)/2]
}
