// Package rhythm tells from the times of events alone whether a timer makes them.
//
// It holds two tests. [LISS], the log-interval scan statistic, asks whether the
// gaps between events crowd into one narrow band; it is for series that the
// timer has for itself. [PDT], the pair-difference test, asks whether many events
// are followed by another one after the same time; it is for a timer mixed with
// other traffic. Both give evidence in nats against unattended human behaviour,
// of a single look. Both work on compact rings: a [Ring] of gaps, [Times].
//
// Everything is pure: no records, no clocks, no maps, no allocation per event.
package rhythm

import (
	"math"
	"time"

	"kagami/detectors/state"
)

const (
	// Coalesce is the time within which events are one: a page's parts, retries,
	// IPv6 and IPv4 tried at once.
	Coalesce = int64(2 * time.Second)
	// Gaps is how many gaps a Ring remembers.
	Gaps = 48

	second = int64(time.Second)
)

// A gap is kept as a code: its logarithm in steps of 1/1024 octave (0.07 %)
// above 1/8 s, times 2, plus a bit that marks a neutral gap. It reaches 17 years
// and sorts by length.
const (
	octave    = 1024
	gapUnits  = 8 // a second
	neutral   = 1
	codeLimit = 1<<16 - 2
)

// Code is a gap of ns in 16 bits.
func Code(ns int64) uint16 {
	x := math.Round(math.Log2(float64(ns)*gapUnits/float64(second)) * octave)
	return uint16(min(max(x, 0), codeLimit/2)) << 1
}

// Length is the gap in nanoseconds that a code stands for, within 0.04 %.
func Length(code uint16) int64 { return int64(math.Exp2(log2(code)) * float64(second)) }

// log2 is the logarithm in octaves of the gap in seconds.
func log2(code uint16) float64 { return float64(code>>1)/octave - 3 }

// Outcome is what became of an event given to a ring.
type Outcome uint8

// The outcomes.
const (
	Accepted  Outcome = iota // a new gap
	Coalesced                // too close to another event
	Late                     // before all that is remembered
)

// Ring is the recent history of one series: the time of its last event and up
// to Gaps gaps before it, in 112 octets without pointers. The zero Ring is empty.
type Ring struct {
	last  int64
	n     uint8 // gaps
	codes [Gaps]uint16
}

// Start makes t the only event.
func (r *Ring) Start(t int64) { r.last, r.n = t, 0 }

// Len is the number of gaps.
func (r *Ring) Len() int { return int(r.n) }

// Last is the time of the youngest event; 0 when there was none.
func (r *Ring) Last() int64 { return r.last }

// First is the time of the oldest event remembered, within 0.04 % of its age.
func (r *Ring) First() int64 {
	t := r.last
	for _, c := range r.codes[:r.n] {
		t -= Length(c)
	}
	return t
}

// Add puts an event at t into the ring. Events may come late, as those that are
// told at their end: one between two others divides their gap. asleep tells of a
// gap whether it says nothing, as nothing could have happened in it; it is asked
// at once, because what it is told from is forgotten sooner.
func (r *Ring) Add(t int64, asleep func(from, to int64) bool) Outcome {
	if t-r.last > -Coalesce && t-r.last < Coalesce {
		return Coalesced
	}
	if t > r.last {
		r.push(gap(r.last, t, asleep))
		r.last = t
		return Accepted
	}
	to := r.last
	for i := int(r.n) - 1; i >= 0; i-- {
		from := to - Length(r.codes[i])
		if t-from > -Coalesce && t-from < Coalesce {
			return Coalesced
		}
		if t > from {
			r.divide(i, gap(from, t, asleep), gap(t, to, asleep))
			return Accepted
		}
		to = from
	}
	if int(r.n) == Gaps || to-t > Length(codeLimit) {
		return Late
	}
	copy(r.codes[1:r.n+1], r.codes[:r.n])
	r.codes[0] = gap(t, to, asleep)
	r.n++
	return Accepted
}

func gap(from, to int64, asleep func(from, to int64) bool) uint16 {
	c := Code(to - from)
	if asleep != nil && asleep(from, to) {
		c |= neutral
	}
	return c
}

// push appends a gap, dropping the oldest when the ring is full.
func (r *Ring) push(code uint16) {
	if int(r.n) == Gaps {
		copy(r.codes[:], r.codes[1:])
		r.n--
	}
	r.codes[r.n] = code
	r.n++
}

// divide replaces gap i by two.
func (r *Ring) divide(i int, a, b uint16) {
	if int(r.n) == Gaps {
		copy(r.codes[:i], r.codes[1:i+1]) // the oldest is dropped
		if i--; i < 0 {
			r.codes[0] = b
			return
		}
		r.codes[i], r.codes[i+1] = a, b
		return
	}
	copy(r.codes[i+2:r.n+1], r.codes[i+1:r.n])
	r.codes[i], r.codes[i+1] = a, b
	r.n++
}

// Times appends the times of the events remembered to dst, ascending. They are
// counted back from the last one, with an error of 0.04 % of each gap.
func (r *Ring) Times(dst []int64) []int64 {
	from := len(dst)
	for range int(r.n) + 1 {
		dst = append(dst, 0)
	}
	t := r.last
	for i := int(r.n); i > 0; i-- {
		dst[from+i] = t
		t -= Length(r.codes[i-1])
	}
	dst[from] = t
	return dst
}

// Each calls yield with every gap in nanoseconds, the oldest first, until it
// returns false.
func (r *Ring) Each(yield func(ns int64, asleep bool) bool) {
	for _, c := range r.codes[:r.n] {
		if !yield(Length(c), c&neutral != 0) {
			return
		}
	}
}

// Spread is the circular standard deviation of times within a period: how far
// from the same time of day (or week) the events are, in nanoseconds.
func Spread(times []int64, period time.Duration) time.Duration {
	var x, y float64
	for _, t := range times {
		angle := 2 * math.Pi * float64(t%int64(period)) / float64(period)
		x, y = x+math.Cos(angle), y+math.Sin(angle)
	}
	if len(times) == 0 {
		return 0
	}
	length := min(math.Hypot(x, y)/float64(len(times)), 1)
	if length < 1e-9 {
		return period
	}
	return min(time.Duration(math.Sqrt(-2*math.Log(length))/(2*math.Pi)*float64(period)), period)
}

// LastGap is the youngest gap in nanoseconds, 0 if there is none.
func (r *Ring) LastGap() int64 {
	if r.n == 0 {
		return 0
	}
	return Length(r.codes[r.n-1])
}

// Save writes the ring.
func (r *Ring) Save(e *state.Encoder) {
	e.Int(r.last)
	e.Uint(uint64(r.n))
	for _, c := range r.codes[:r.n] {
		e.Uint(uint64(c))
	}
}

// Load reads a ring.
func (r *Ring) Load(d *state.Decoder) {
	*r = Ring{last: d.Int()}
	for range d.Len(Gaps) {
		r.push(uint16(d.Uint()))
	}
	if r.last < 0 {
		d.Fail("a time before 1970")
	}
}
