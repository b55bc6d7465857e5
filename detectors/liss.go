package detectors

import (
	"cmp"
	"math"
	"slices"
)

// LISS, the log-interval scan statistic: do the gaps between contacts crowd into
// one narrow band, narrower than any law of human behaviour puts them?
//
// Gaps are compared on a logarithmic scale, where "every S seconds, with a
// jitter of j" is a band of log2(1/(1-j)) octaves whatever S is, and where a
// missed contact is a shift by log2(2). Drift, as of programs that sleep, call
// and sleep again, does not blur it.

// gap is the time between two contacts.
type gap struct {
	log2   float64 // of seconds
	silent bool    // the machine itself was inactive for half of it
}

// rhythm is what LISS found.
type rhythm struct {
	evidence float64 // nats against the most regular human behaviour; the rest is 0 when it is 0
	period   float64 // median gap in the band, log2 of seconds
	lo, hi   float64 // ends of the band as filled, log2 of seconds
	kept     int     // gaps in the band
	missed   int     // near multiples of the period, or the machine was silent: neutral
	other    int     // all other gaps: evidence against
}

const (
	// minKept gaps make a rhythm: 4 contacts.
	minKept = 3
	// minShare of the gaps that count must be in the band.
	minShare = 0.7
	// humanSpread is the standard deviation, in nats, of the most concentrated
	// law of gaps that unattended human behaviour is granted: log-normal.
	humanSpread = 0.75
	// searched octaves of periods: 2 s to 24 days.
	searched = 20
	// maxMissed contacts in a row still count as missed.
	maxMissed = 8
)

// bands are the widths tried, in octaves: jitter of 4, 8, 16, 27, 41, 53, 62 %.
var bands = [...]float64{1.0 / 16, 1.0 / 8, 1.0 / 4, 0.45, 0.75, 1.1, 1.4}

// concentration is the largest share of its gaps that human behaviour puts into
// any band of that width in octaves.
func concentration(width float64) float64 {
	return math.Erf(width * math.Ln2 / (2 * humanSpread * math.Sqrt2))
}

// liss tries all bands on the gaps, which it sorts, and returns the strongest.
func liss(gaps []gap) rhythm {
	slices.SortFunc(gaps, func(a, b gap) int { return cmp.Compare(a.log2, b.log2) })
	var best rhythm
	for _, width := range bands {
		if r := scanBand(gaps, width); r.evidence > best.evidence {
			best = r
		}
	}
	return best
}

// scanBand finds the fullest window of that width over sorted gaps, and weighs
// what is outside of it.
func scanBand(gaps []gap, width float64) rhythm {
	from, kept := 0, 0
	for i, j := 0, 0; j < len(gaps); j++ {
		for gaps[j].log2-gaps[i].log2 > width {
			i++
		}
		if j-i+1 > kept {
			from, kept = i, j-i+1
		}
	}
	if kept < minKept {
		return rhythm{}
	}
	in := gaps[from : from+kept]
	r := rhythm{period: in[kept/2].log2, lo: in[0].log2, hi: in[kept-1].log2, kept: kept, other: from}
	if kept%2 == 0 {
		r.period = (in[kept/2-1].log2 + in[kept/2].log2) / 2
	}
	for _, g := range gaps[from+kept:] {
		if g.silent || multiple(g.log2-r.period, width) {
			r.missed++
		} else {
			r.other++
		}
	}
	if r.missed > r.kept {
		return rhythm{}
	}
	r.evidence = bandEvidence(r.kept, r.other, width)
	return r
}

// multiple tells whether a gap, given as octaves above the period, is a near
// multiple of it. Jitter averages out over m periods, hence the square root.
func multiple(octaves, width float64) bool {
	m := math.Round(math.Exp2(octaves))
	if m < 2 || m > maxMissed {
		return false
	}
	return math.Abs(octaves-math.Log2(m)) <= max(width/2, 0.06)/math.Sqrt(m)
}

// bandEvidence is the evidence in nats of kept gaps inside a band against other
// outside: N times the Kullback-Leibler divergence from what human behaviour
// could do, less the price of having searched all places and widths.
func bandEvidence(kept, other int, width float64) float64 {
	n := float64(kept + other)
	p := float64(kept) / n
	if kept < minKept || p < minShare {
		return 0
	}
	c := concentration(width)
	kl := p * math.Log(p/c)
	if other > 0 {
		kl += (1 - p) * math.Log((1-p)/(1-c))
	}
	return max(0, n*kl-math.Log(searched/width)-math.Log(float64(len(bands))))
}

// saturate limits what the regularity of gaps can say: it speaks against human
// behaviour, but a harmless timer beats as evenly as a harmful one. limit is the
// evidence in nats against a harmless timer in that place.
func saturate(evidence, limit float64) float64 {
	return -math.Log(math.Exp(-evidence) + math.Exp(-limit))
}
