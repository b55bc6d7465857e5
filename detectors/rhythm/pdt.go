package rhythm

import (
	"math"

	"kagami/detectors/state"
)

// PDT, the pair-difference test: are many events followed by another one after
// the same time? It finds a timer whose gaps are broken up by other traffic to
// the same place, where LISS sees no band.
//
// Lags that stand out among the differences of times up to lookAhead events
// apart are candidates. For each, the events that have a successor in the lag's
// window are counted, and compared with how many would have one by accident at
// the density of events around them.

// Paired is what PDT found.
type Paired struct {
	Evidence float64 // nats against unrelated events; the rest is 0 when it is 0
	Period   float64 // log2 of seconds
	Width    float64 // of the window, octaves
	Hits     int     // events with a successor in the window
	Of       int     // events that were long enough ago to have one
	Expected float64 // hits by accident
}

// Seconds is the period.
func (p *Paired) Seconds() float64 { return math.Exp2(p.Period) }

const (
	// TimesKept is how many times are remembered for PDT.
	TimesKept = 96
	// PairedLeast is how many events PDT needs.
	PairedLeast = 24
	// PairedFrom and PairedTo are the periods it looks for, in seconds. Longer
	// ones are people's days.
	PairedFrom, PairedTo = 20, 4 * 3600

	tick      = second / 64
	lookAhead = 6
	lagStep   = 1.0 / 16 // octaves
	lagLimit  = 160      // steps from PairedFrom on: log2(4 h / 20 s) octaves and the widest window
	lagPrice  = 7.4      // ln of the lags and widths tried
)

// lagWidths are the windows tried, in octaves: jitter of 4 to 25 %.
var lagWidths = [...]float64{1.0 / 16, 1.0 / 8, 1.0 / 4, 0.42}

// Times are the last times of one series, in 400 octets without pointers.
type Times struct {
	base  int64 // times count from here, in 1/64 s
	n     uint8
	ticks [TimesKept]uint32 // ascending
}

// Fill starts over with the times of a ring.
func (s *Times) Fill(r *Ring, scratch []int64) {
	times := r.Times(scratch[:0])
	s.n, s.base = 0, times[0]
	for _, t := range times {
		s.Add(t)
	}
}

// Len is the number of times.
func (s *Times) Len() int { return int(s.n) }

// Add inserts a time. What comes too late or after two years starts over.
func (s *Times) Add(t int64) {
	x := (t - s.base) / tick
	if s.n == 0 || x < 0 || x > math.MaxUint32 {
		s.base, s.n, s.ticks[0] = t, 1, 0
		return
	}
	if int(s.n) == TimesKept {
		copy(s.ticks[:], s.ticks[1:])
		s.n--
	}
	i := s.n
	for ; i > 0 && s.ticks[i-1] > uint32(x); i-- {
		s.ticks[i] = s.ticks[i-1]
	}
	s.ticks[i] = uint32(x)
	s.n++
}

// PDT is the test with its scratch space. It is for one goroutine.
type PDT struct {
	lags [lagLimit]uint16 // by step: pairs with that difference
	seen [lagLimit]uint8  // by step: event that counted last, so that each counts once
}

// Test looks for a timer among times.
func (p *PDT) Test(s *Times) Paired {
	var best Paired
	if s.n < PairedLeast {
		return best
	}
	p.count(s)
	for range 3 {
		at := 0
		for i := range p.lags {
			if p.lags[i] > p.lags[at] {
				at = i
			}
		}
		if p.lags[at] < MinKept {
			break
		}
		for _, w := range lagWidths {
			for _, shift := range [...]float64{-0.5, 0, 0.5} {
				center := math.Log2(PairedFrom) + (float64(at)+0.5)*lagStep + shift*w
				if f := weighLag(s, center, w); f.Evidence > best.Evidence {
					best = f
				}
			}
		}
		p.lags[at] = 0
	}
	return best
}

// count makes the histogram of differences.
func (p *PDT) count(s *Times) {
	clear(p.lags[:])
	clear(p.seen[:])
	for i := range int(s.n) {
		for j := i + 1; j < int(s.n) && j <= i+lookAhead; j++ {
			d := float64(s.ticks[j]-s.ticks[i]) * float64(tick) / float64(second)
			if d < PairedFrom || d > PairedTo {
				continue
			}
			k := int((math.Log2(d) - math.Log2(PairedFrom)) / lagStep)
			if p.seen[k] != uint8(i+1) {
				p.seen[k] = uint8(i + 1)
				p.lags[k]++
			}
		}
	}
}

// weighLag counts successors in a window of lags.
func weighLag(s *Times, center, width float64) Paired {
	lo := uint32(math.Exp2(center-width/2) * 64)
	hi := uint32(math.Exp2(center+width/2) * 64)
	times := s.ticks[:s.n]
	last := times[len(times)-1]
	f := Paired{Period: center, Width: width}
	a, b, c := 0, 0, 0
	for i, t := range times {
		if t+hi > last {
			break
		}
		for a < len(times) && times[a] < t+lo {
			a++
		}
		b = max(a, b)
		for b < len(times) && times[b] <= t+hi {
			b++
		}
		for c < len(times) && times[c] <= t+3*hi {
			c++
		}
		f.Of++
		if b > a {
			f.Hits++
		}
		// Others around, over up to three windows ahead.
		reach := min(3*hi, last-t)
		f.Expected += 1 - math.Exp(-float64(max(c-i-1, 1))/float64(reach)*float64(hi-lo))
	}
	if f.Of < PairedLeast/2 || f.Hits < MinKept {
		return Paired{}
	}
	m := float64(f.Of)
	q, e := min(float64(f.Hits)/m, 1-1e-9), min(f.Expected/m, 1-1e-9)
	if q <= e {
		return Paired{}
	}
	f.Evidence = max(0, m*(q*math.Log(q/e)+(1-q)*math.Log((1-q)/(1-e)))-lagPrice)
	return f
}

// Save writes the times.
func (s *Times) Save(e *state.Encoder) {
	e.Int(s.base)
	e.Uint(uint64(s.n))
	last := uint32(0)
	for _, x := range s.ticks[:s.n] {
		e.Uint(uint64(x - last))
		last = x
	}
}

// Load reads times.
func (s *Times) Load(d *state.Decoder) {
	*s = Times{base: d.Int()}
	last := uint64(0)
	for range d.Len(TimesKept) {
		if last += d.Uint(); last > math.MaxUint32 {
			d.Fail("times out of range")
			return
		}
		s.ticks[s.n] = uint32(last)
		s.n++
	}
}
