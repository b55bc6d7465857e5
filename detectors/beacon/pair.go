package beacon

import (
	"math"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/rhythm"
	"kagami/detectors/state"
)

const (
	second = int64(time.Second)
	hour   = int64(time.Hour)
	day    = 24 * hour
)

// daily and weekly tell whether a period in seconds is about a day or a week:
// what people do, too.
func daily(seconds float64) bool  { return 20*3600 <= seconds && seconds <= 28*3600 }
func weekly(seconds float64) bool { return 156*3600 <= seconds && seconds <= 180*3600 }

// pair is one machine's history with one destination, or with one group of
// destinations: 168 octets without pointers.
type pair struct {
	ring     rhythm.Ring
	first    int64   // contact
	locked   int64   // for how long the rhythm goes on, nanoseconds, 0 = none
	lockedTo float32 // its period, log2 of seconds
	evidence float32 // of the last evaluation
	contacts uint32  // accepted since the first
	lastDest uint32  // of a group: where the last contact went
	repeats  uint32  // of a group: contacts that went where the one before did
	upN      uint32
	upMean   float32 // of log2 of request octets, Welford
	upM      float32
	failed   uint16
	offHours uint16
	skip     uint8 // contacts until the next evaluation
	passes   uint8 // of the test for mixed traffic, in a row
	flags    uint8
	how      census.How
}

const (
	isGroup  = 1 << iota // of destinations
	hasTimes             // in Detector.mixed
	hasPulse             // was contacted inside a flow, too
)

// begin makes t the only contact.
func (p *pair) begin(t int64) {
	*p = pair{first: t, flags: p.flags & isGroup}
	p.ring.Start(t)
}

// note counts what a contact says besides its time.
func (p *pair) note(k *census.Contact, offHours bool) {
	p.contacts++
	p.first = min(p.first, k.Start)
	p.how = k.How
	if k.Pulse {
		p.flags |= hasPulse
	}
	if k.Failed && p.failed < math.MaxUint16 {
		p.failed++
	}
	if offHours && p.offHours < math.MaxUint16 {
		p.offHours++
	}
	if dest := uint32(k.Destination()); dest == p.lastDest {
		p.repeats++
	} else {
		p.lastDest = dest
	}
	if k.Up > 0 && (k.How != census.ByProxyConnect || k.Pulse) { // all requests for a tunnel are alike
		p.size(math.Log2(float64(k.Up)))
	}
}

func (p *pair) size(x float64) {
	p.upN++
	d := x - float64(p.upMean)
	mean := float64(p.upMean) + d/float64(p.upN)
	p.upM += float32(d * (x - mean))
	p.upMean = float32(mean)
}

// dominated tells of a group that many of its contacts go where the one before
// did: to one destination, which is judged by itself.
func (p *pair) dominated() bool { return 5*p.repeats > 2*p.contacts }

// lock follows how long one rhythm lasts, longer than the ring remembers.
func (p *pair) lock(f *rhythm.Found, release float64) {
	switch {
	case f.Evidence == 0 || f.Evidence < release && p.locked != 0:
		p.locked = 0
	case p.locked == 0 || math.Abs(f.Period-float64(p.lockedTo)) > 0.5:
		p.locked, p.lockedTo = 0, float32(f.Period)
		for gap := range p.ring.Each {
			p.goOn(gap)
		}
	}
}

// goOn adds a gap to the time that the rhythm lasts: of pauses no more than the
// beats that may be missed.
func (p *pair) goOn(gap int64) {
	const most = 8.5 // periods
	p.locked += min(gap, int64(most*math.Exp2(float64(p.lockedTo))*float64(second)))
}

// lasted is for how long the rhythm goes on, and how long it must.
func (p *pair) lasted(atLeast time.Duration) (is, must int64) {
	periods := 3.6 * math.Exp2(float64(p.lockedTo)) * float64(second)
	return p.locked, max(int64(periods), int64(atLeast))
}

// steadiness is the evidence in nats of requests of equal size.
func (p *pair) steadiness() float64 {
	if p.upN < 4 {
		return 0
	}
	switch sd := math.Sqrt(float64(p.upM) / float64(p.upN-1)); {
	case sd < 0.07:
		return 1
	case sd < 0.3:
		return 0.5
	}
	return 0
}

func savePair(e *state.Encoder, p *pair) {
	p.ring.Save(e)
	for _, x := range [...]int64{p.first, p.locked} {
		e.Int(x)
	}
	for _, x := range [...]float32{p.lockedTo, p.evidence, p.upMean, p.upM} {
		e.Uint(uint64(math.Float32bits(x)))
	}
	for _, x := range [...]uint32{p.contacts, p.lastDest, p.repeats, p.upN, uint32(p.failed), uint32(p.offHours),
		uint32(p.skip), uint32(p.passes), uint32(p.flags), uint32(p.how)} {
		e.Uint(uint64(x))
	}
}

func loadPair(d *state.Decoder, p *pair) {
	p.ring.Load(d)
	p.first, p.locked = moment(d), moment(d)
	for _, x := range [...]*float32{&p.lockedTo, &p.evidence, &p.upMean, &p.upM} {
		*x = float(d)
	}
	for _, x := range [...]*uint32{&p.contacts, &p.lastDest, &p.repeats, &p.upN} {
		*x = uint32(d.Uint())
	}
	p.failed, p.offHours = uint16(d.Uint()), uint16(d.Uint())
	p.skip, p.passes, p.flags, p.how = uint8(d.Uint()), uint8(d.Uint()), uint8(d.Uint()), census.How(d.Uint())
	if p.how > census.ByProxyConnect || math.Abs(float64(p.lockedTo)) > 64 || p.upM < 0 {
		d.Fail("a pair that cannot be")
	}
}

// moment reads a time between 1970 and 2200, or 0 for none.
func moment(d *state.Decoder) int64 {
	t := d.Int()
	if t < 0 || t > 230*365*day {
		d.Fail("a time that cannot be")
		return 0
	}
	return t
}

func float(d *state.Decoder) float32 {
	x := math.Float32frombits(uint32(d.Uint()))
	if x != x || math.IsInf(float64(x), 0) {
		d.Fail("a number is not finite")
		return 0
	}
	return x
}
