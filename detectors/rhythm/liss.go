package rhythm

import "math"

// LISS, the log-interval scan statistic: do the gaps between events crowd into
// one band, narrower than any law of human behaviour puts them?
//
// Gaps are compared on a logarithmic scale, where "every S seconds, with a
// jitter of j" is a band of log2(1/(1-j)) octaves whatever S is, and where a
// missed beat is a shift by log2(2). Drift, as of programs that sleep, call and
// sleep again, does not blur it.
//
// For every number k of gaps, the shortest band that holds k of them is found.
// Gaps above it that are near multiples of its median are missed beats. Longer
// gaps in which nothing could have happened are left out. All others are
// evidence against.
//
// The evidence is -ln of the probability that so many gaps of the most regular
// human behaviour crowd so narrowly anywhere, a scan statistic in the form of
// Naus (1982) for small probabilities: C(n,k) sqrt(k) c^(k-1) (1-c)^(n-k), with
// c the share that behaviour puts into the band; with missed beats it is the
// multinomial of band, multiples and elsewhere.

// Found is what LISS found in a ring.
type Found struct {
	Evidence float64 // nats against the most regular human behaviour; the rest is 0 when it is 0
	Period   float64 // median gap in the band, log2 of seconds
	Lo, Hi   float64 // ends of the band as filled, log2 of seconds
	Kept     int     // gaps in the band
	Missed   int     // near multiples of the period
	Slept    int     // longer gaps in which nothing could have happened
	Other    int     // all other gaps: evidence against
	Bursts   int     // events that were put together with others
	Hopeless int     // so many gaps must come before there can be evidence
}

// Seconds is the period.
func (f *Found) Seconds() float64 { return math.Exp2(f.Period) }

// Jitter is the width of the band as a share of its upper end.
func (f *Found) Jitter() float64 { return 1 - math.Exp2(f.Lo-f.Hi) }

// Burst is the gap up to which events are put together when single ones show no
// rhythm: a request and its result some seconds later, or commands typed.
const Burst = 30 * second

const burstCode = 16194 // Code(Burst)

const (
	// MinKept gaps make a rhythm: 4 events.
	MinKept = 3
	// minShare of the gaps that are not missed beats must be in the band.
	minShare = 0.7
	// Of a band, so many gaps may be missed beats for each one kept: of a narrow one
	// more, as its multiples take up less room.
	patience, narrowPatience = 1, 2
	narrow                   = 0.5 // octaves
	// hopeful is the least share of all gaps that a band must hold when the others
	// are missed beats: k >= 0.7 (n - patience k).
	hopeful       = minShare / (1 + patience*minShare)
	narrowHopeful = minShare / (1 + narrowPatience*minShare)
	// humanSpread is the standard deviation, in nats, of the most concentrated
	// law of gaps that unattended human behaviour is granted: log-normal.
	humanSpread = 0.75
	// narrowest and widest band, in octaves: jitter of 2 % and of 62 %.
	narrowest = 1.0 / 32
	widest    = 1.4
	// widthStep is the resolution of widths, in octaves.
	widthStep = 1.0 / 64
	widths    = 91 // steps up to the widest, and one
	// centers of human behaviour are tried above the band, in octaves: what lies
	// below its middle looks like a beat with missed ones.
	centers    = 9
	centerStep = 0.25
	// maxMissed beats in a row still count as missed.
	maxMissed = 8
	// searchPrice is what trying all numbers of gaps costs, in nats, besides
	// searchPower of ln k; with them about e^-E of the most regular human series
	// give E (TestEvidenceIsHonest).
	searchPrice = 0.3
	searchPower = 0.7
	// burstPrice is what trying bursts as well costs, in nats.
	burstPrice = 0.7
)

// LISS is the test with its tables and scratch space. It is for one goroutine.
type LISS struct {
	human     [centers]shares
	logs      [Gaps + 1]float64      // ln k
	factorial [Gaps + 1]float64      // ln k!
	octaves   [maxMissed + 1]float64 // log2 m
	sorted    [Gaps]uint16
}

// shares are, by width, -ln of the share of human gaps in a band, beside it,
// near its multiples, and in neither, for behaviour centered above the band.
type shares struct{ band, beside, comb, outside [widths]float64 }

// NewLISS makes a test.
func NewLISS() *LISS {
	l := &LISS{}
	for i := range l.human {
		for j := range widths {
			l.human[i].fill(j, max(float64(j)*widthStep, narrowest), float64(i)*centerStep)
		}
	}
	for i := range l.logs {
		l.logs[i] = math.Log(max(float64(i), 1))
		l.factorial[i], _ = math.Lgamma(float64(i + 1))
	}
	for m := range l.octaves {
		l.octaves[m] = math.Log2(max(float64(m), 1))
	}
	return l
}

func (s *shares) fill(step int, width, center float64) {
	const sd = humanSpread / math.Ln2 // in octaves
	below := func(x float64) float64 { return 0.5 * (1 + math.Erf((x-center)/(sd*math.Sqrt2))) }
	band := below(width/2) - below(-width/2)
	comb, end := 0.0, width/2
	for m := 2; m <= maxMissed; m++ {
		at, half := math.Log2(float64(m)), tolerance(width, m)
		comb += max(0, below(at+half)-below(max(at-half, end)))
		end = max(end, at+half)
	}
	s.band[step], s.beside[step] = -math.Log(band), -math.Log(1-band)
	s.comb[step], s.outside[step] = -math.Log(comb), -math.Log(max(1-band-comb, 1e-3))
}

// tolerance is how far from m periods m missed beats may be, in octaves. Jitter
// averages out over m periods, hence the square root.
func tolerance(width float64, m int) float64 {
	return max(width/2, 0.06) / math.Sqrt(float64(m))
}

// Test looks for a rhythm in a ring: in its gaps, and in those between bursts of
// events less than Burst apart.
func (l *LISS) Test(r *Ring) Found {
	gaps, slept := l.load(r, 0)
	n := len(gaps)
	best := l.search(gaps, slept)
	short := 0
	for short < n && gaps[short] < burstCode {
		short++
	}
	if 10*short < 3*n || n-short < MinKept {
		return best // hardly anything would be put together, or all
	}
	f := l.search(l.load(r, burstCode))
	if f.Evidence -= burstPrice; f.Evidence > best.Evidence {
		f.Bursts = short
		return f
	}
	best.Hopeless = min(best.Hopeless, f.Hopeless)
	return best
}

// search looks for a rhythm in sorted gaps.
func (l *LISS) search(gaps []uint16, slept int) Found {
	if len(gaps) < MinKept {
		return Found{Hopeless: MinKept - len(gaps)}
	}
	awake := float64(len(gaps) - slept)
	most := fullest(gaps, widest)
	lack := min(hopeful*awake-float64(most), narrowHopeful*awake-float64(fullest(gaps, narrow)))
	if lack > 0 {
		if len(gaps) < Gaps {
			lack /= 1 - narrowHopeful
		}
		return Found{Hopeless: int(math.Ceil(lack))}
	}
	var best Found
	for k := most; k >= MinKept && float64(k) >= narrowHopeful*awake; k-- {
		from, width := shortest(gaps, k)
		if width > narrow && float64(k) < hopeful*awake {
			continue
		}
		b := band{gaps: gaps, from: from, kept: k, step: int(math.Ceil(width / widthStep)), width: width}
		if l.ceiling(&b) <= best.Evidence {
			continue
		}
		if f := l.weigh(&b); f.Evidence > best.Evidence {
			best = f
		}
	}
	return best
}

// load sorts the gaps and counts the neutral ones. Gaps shorter than least are
// added to the one before, so that the next one counts from the burst's start.
func (l *LISS) load(r *Ring, least uint16) (gaps []uint16, slept int) {
	n := 0
	burst := int64(0) // duration of the one under way
	for _, c := range r.codes[:r.n] {
		if c < least {
			burst += Length(c)
			continue
		}
		if burst > 0 {
			c = Code(burst+Length(c)) | c&neutral
			burst = 0
		}
		slept += int(c & neutral)
		j := n
		for ; j > 0 && l.sorted[j-1] > c; j-- {
			l.sorted[j] = l.sorted[j-1]
		}
		l.sorted[j] = c
		n++
	}
	return l.sorted[:n], slept
}

// fullest is the largest number of gaps in any band of so many octaves.
func fullest(gaps []uint16, octaves float64) int {
	width := 2 * uint16(octaves*octave)
	most := 0
	for i, j := 0, 0; j < len(gaps); j++ {
		for gaps[j]-gaps[i] > width {
			i++
		}
		most = max(most, j-i+1)
	}
	return most
}

// shortest finds the narrowest band that holds k gaps, and its width in octaves.
func shortest(gaps []uint16, k int) (from int, width float64) {
	least := gaps[k-1] - gaps[0]
	for i := 1; i+k <= len(gaps); i++ {
		if w := gaps[i+k-1] - gaps[i]; w < least {
			from, least = i, w
		}
	}
	return from, float64(least/2) / octave
}

// band is a place among sorted gaps.
type band struct {
	gaps       []uint16
	from, kept int
	step       int // of its width in the tables
	width      float64
}

// ceiling is the most that a band can give: if all gaps above it slept, or were
// missed beats.
func (l *LISS) ceiling(b *band) float64 {
	above := len(b.gaps) - b.from - b.kept
	return max(l.evidence(b.step, b.kept, 0, b.from), l.evidence(b.step, b.kept, above, b.from))
}

// weigh sorts out what is around a band.
func (l *LISS) weigh(b *band) Found {
	in := b.gaps[b.from : b.from+b.kept]
	f := Found{Period: log2(in[b.kept/2]), Lo: log2(in[0]), Hi: log2(in[b.kept-1]), Kept: b.kept, Other: b.from}
	if b.kept%2 == 0 {
		f.Period = (f.Period + log2(in[b.kept/2-1])) / 2
	}
	for _, g := range b.gaps[b.from+b.kept:] {
		switch {
		case l.multiple(log2(g)-f.Period, b.width):
			f.Missed++
		case g&neutral != 0:
			f.Slept++
		default:
			f.Other++
		}
	}
	most := patience * f.Kept
	if b.width <= narrow {
		most = narrowPatience * f.Kept
	}
	if f.Missed > most || float64(f.Kept) < minShare*float64(f.Kept+f.Other) {
		return Found{}
	}
	f.Evidence = max(0, l.evidence(b.step, f.Kept, f.Missed, f.Other))
	return f
}

// multiple tells whether a gap, given as octaves above the period, is a near
// multiple of it.
func (l *LISS) multiple(octaves, width float64) bool {
	for m := 2; m <= maxMissed; m++ {
		if d := octaves - l.octaves[m]; d*d*float64(m) <= max(width/2, 0.06)*max(width/2, 0.06) {
			return true
		}
	}
	return false
}

// evidence is that of so many gaps kept in a band, near its multiples, and
// elsewhere, against the human behaviour that explains them best.
func (l *LISS) evidence(step, kept, missed, other int) float64 {
	all, h := kept+missed+other, &l.human[0]
	place := l.factorial[kept] - l.factorial[all] - (0.5+searchPower)*l.logs[kept] - searchPrice
	alone := place + float64(kept-1)*h.band[step] + float64(all-kept)*h.beside[step] + l.factorial[all-kept]
	if missed == 0 {
		return alone
	}
	comb := math.Inf(1)
	for i := range l.human {
		h := &l.human[i]
		comb = min(comb, float64(kept-1)*h.band[step]+float64(missed)*h.comb[step]+float64(other)*h.outside[step])
	}
	return max(alone, place+comb+l.factorial[missed]+l.factorial[other])
}
