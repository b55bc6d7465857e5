package detectors

import (
	"math"
	"testing"
)

func TestConcentrationIsTheLogNormalMass(t *testing.T) {
	want := [...]float64{.023, .046, .092, .165, .271, .389, .482}
	for i, w := range bands {
		if got := concentration(w); math.Abs(got-want[i]) > 0.0006 {
			t.Errorf("concentration(%v) = %.4f, want %.3f", w, got, want[i])
		}
	}
}

// exact returns n gaps of that many seconds.
func exact(n int, seconds float64) []gap {
	g := make([]gap, n)
	for i := range g {
		g[i].log2 = math.Log2(seconds)
	}
	return g
}

func TestLISS(t *testing.T) {
	mixed := func(kept int, rest ...float64) []gap {
		g := exact(kept, 600)
		for _, s := range rest {
			g = append(g, gap{log2: math.Log2(s)})
		}
		return g
	}
	asleep := mixed(8)
	for _, s := range []float64{50000, 61000, 7100} {
		asleep = append(asleep, gap{log2: math.Log2(s), silent: true})
	}
	for _, c := range []struct {
		name                string
		gaps                []gap
		evidence            float64
		kept, missed, other int
	}{
		{"two gaps are no rhythm", exact(2, 60), 0, 0, 0, 0},
		{"4 exact beats", exact(3, 60), 3.6, 3, 0, 0},
		{"5 exact beats", exact(4, 86400), 7.4, 4, 0, 0},
		{"6 exact beats", exact(5, 3600), 11.1, 5, 0, 0},
		{"the period does not matter", exact(5, 10), 11.1, 5, 0, 0},
		{"missed beats are neutral", mixed(5, 1200, 1800), 11.1, 5, 2, 0},
		{"nine periods are not a missed beat", mixed(8, 5400), 19.33, 8, 0, 1},
		{"short gaps count against", mixed(8, 30, 45), 17.49, 8, 0, 2},
		{"too many others", mixed(6, 30, 45, 77, 2500), 0, 0, 0, 0},
		{"more missed than kept", mixed(3, 1200, 1200, 1800, 1800), 0, 0, 0, 0},
		{"a sleeping machine is neutral", asleep, 22.5, 8, 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := liss(c.gaps)
			if math.Abs(r.evidence-c.evidence) > 0.06 {
				t.Errorf("evidence %.2f, want %.2f", r.evidence, c.evidence)
			}
			if r.kept != c.kept || r.missed != c.missed || r.other != c.other {
				t.Errorf("kept %d missed %d other %d, want %d %d %d", r.kept, r.missed, r.other, c.kept, c.missed, c.other)
			}
		})
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
		if got := multiple(math.Log2(c.ratio), c.width); got != c.want {
			t.Errorf("multiple of %v in width %v: %v, want %v", c.ratio, c.width, got, c.want)
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

func BenchmarkLISS(b *testing.B) {
	src := simulateHuman(1, ring)
	g := make([]gap, len(src))
	b.ReportAllocs()
	for b.Loop() {
		copy(g, src)
		liss(g)
	}
}
