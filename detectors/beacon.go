package detectors

import (
	"math"
	"time"

	"kagami/records"
	"kagami/sensor"
)

// beacon finds programs that call home: a machine inside that contacts one
// destination outside in a rhythm no person keeps (liss.go), where the rhythm is
// not explained by the place (beacon_score.go).
//
// A pair of client and destination is on probation until its third contact, so
// that the many destinations contacted once or twice cost little.
type beacon struct {
	config    BeaconConfig
	site      *site
	probation *table[firsts]
	pairs     *table[pair]
	watched   *table[samples]

	contacts, coalesced, timers, relayed, late uint64
	gaps                                       [ring]gap // scratch of one evaluation
}

const (
	ring     = 48                     // gaps remembered
	coalesce = int64(2 * time.Second) // contacts closer than this are one: a page's parts, retries
	tick     = int64(time.Second / 64)
	ticks    = 64 // a second
	// watchEvidence is the rhythm, in nats, from which on sample flows are kept
	// and the pair is spared by eviction.
	watchEvidence = 3
)

// firsts are the contacts of a pair on probation.
type firsts struct {
	at [2]int64
	n  uint8
}

// pair is one client's history with one destination.
type pair struct {
	base        int64            // times count from here, in ticks: 2 years fit
	times       [ring + 1]uint32 // ascending
	n           uint8
	contacts    uint32 // accepted since the first
	failed      uint32
	offHours    uint32
	first, last int64
	evidence    float64 // of the last evaluation
	lockedAt    int64   // start of the rhythm, 0 = none
	lockedTo    float64 // its period, log2 of seconds
	upN         uint32
	upMean, upM float64 // of log2 of request octets, Welford
	told        raised
}

func newBeacon(c BeaconConfig, s *site) *beacon {
	b := &beacon{
		config: c, site: s,
		probation: newTable[firsts](c.Probation),
		pairs:     newTable[pair](c.Pairs),
		watched:   newTable[samples](c.Watched),
	}
	const day = int64(24 * time.Hour)
	daily := func(from, to int64) bool {
		g := to - from
		return 20*60*int64(time.Minute) <= g && g <= 28*60*int64(time.Minute)
	}
	b.probation.keep = func(f *firsts) bool {
		return f.n == 2 && daily(f.at[0], f.at[1]) && s.now-f.at[1] < 10*day
	}
	b.pairs.keep = func(p *pair) bool {
		return s.now-p.last < 10*day && (p.evidence >= watchEvidence || p.n >= 3 && daily(p.time(p.n-2), p.time(p.n-1)))
	}
	return b
}

// Observe implements sensor.Detector.
func (b *beacon) Observe(r records.Record, emit sensor.Emit) {
	c, ok := contactOf(r)
	switch {
	case !ok:
		return
	case b.site.isProxy(c.client):
		b.relayed++ // the client's leg was judged
		return
	case c.ntp():
		b.timers++
		return
	}
	b.contacts++
	key := c.key()
	p := b.note(key, &c)
	if p == nil || p.n > ring/2 && p.contacts%2 == 1 || p.n <= minKept {
		return
	}
	b.judge(key, p, &c, emit)
}

// Advance implements sensor.Detector. A rhythm shows when it beats: every alert
// is raised by a contact, so nothing is to be done between them.
func (b *beacon) Advance(int64, sensor.Emit) {}

// Name implements Counted.
func (b *beacon) Name() string { return "beacon" }

// Counters implements Counted.
func (b *beacon) Counters() []Counter {
	return []Counter{
		{"contacts", b.contacts}, {"coalesced", b.coalesced}, {"late", b.late},
		{"protocol_timers", b.timers}, {"relayed_by_proxy", b.relayed},
		{"probation", uint64(b.probation.len())}, {"probation_evicted", b.probation.evicted},
		{"pairs", uint64(b.pairs.len())}, {"pairs_evicted", b.pairs.evicted},
		{"watched", uint64(b.watched.len())}, {"watched_evicted", b.watched.evicted},
	}
}

// note adds a contact to its pair. It returns the pair when that has a new gap.
func (b *beacon) note(key uint64, c *contact) *pair {
	p := b.pairs.get(key)
	if p == nil {
		if p = b.promote(key, c.start); p == nil {
			return nil
		}
	} else if !b.insert(p, c.start) {
		return nil
	}
	p.contacts++
	p.first, p.last = min(p.first, c.start), max(p.last, c.start)
	if c.failed {
		p.failed++
	}
	if b.config.offHours(c.start) {
		p.offHours++
	}
	if c.up > 0 {
		x := math.Log2(float64(c.up))
		p.upN++
		d := x - p.upMean
		p.upMean += d / float64(p.upN)
		p.upM += d * (x - p.upMean)
	}
	if p.evidence >= watchEvidence {
		w, _ := b.watched.at(key)
		w.add(c.meta)
	}
	return p
}

// promote counts the first contacts of a pair, and makes it a pair at the third.
func (b *beacon) promote(key uint64, t int64) *pair {
	f, _ := b.probation.at(key)
	for _, have := range f.at[:f.n] {
		if near(have, t) {
			b.coalesced++
			return nil
		}
	}
	if f.n < 2 {
		f.at[f.n] = t
		f.n++
		return nil
	}
	first := min(f.at[0], f.at[1], t)
	last := max(f.at[0], f.at[1], t)
	middle := f.at[0] + f.at[1] + t - first - last
	if last-first > reach {
		f.at, f.n = [2]int64{last}, 1 // too far apart to have to do with each other
		return nil
	}
	b.probation.remove(key)
	p, _ := b.pairs.at(key)
	p.start(first)
	p.contacts, p.last = 2, last
	p.put(middle)
	p.put(last)
	return p
}

// insert adds a contact to the ring in order of time; records come at the end
// of what they describe, so contacts may be late.
func (b *beacon) insert(p *pair, t int64) bool {
	if t-p.base > slack+reach {
		p.start(t)
		return false
	}
	if p.time(0)-t > 0 && int(p.n) == len(p.times) || t < p.base {
		b.late++ // before all that is remembered
		return false
	}
	for i := range p.n {
		if near(p.time(i), t) {
			b.coalesced++
			return false
		}
	}
	p.put(t)
	return true
}

// near tells whether two contacts are too close to be two.
func near(a, b int64) bool { return a-b < coalesce && b-a < coalesce }

const (
	slack = 2 * dayLength                 // room before the first contact for contacts told late
	reach = math.MaxUint32*tick - 2*slack // from the first contact on
)

// start makes t the only contact in the ring.
func (p *pair) start(t int64) {
	*p = pair{base: t - slack, first: t, last: t, told: p.told}
	p.put(t)
}

// put inserts a time, dropping the oldest when the ring is full.
func (p *pair) put(t int64) {
	if int(p.n) == len(p.times) {
		copy(p.times[:], p.times[1:])
		p.n--
	}
	x := uint32((t - p.base) / tick)
	i := p.n
	for ; i > 0 && p.times[i-1] > x; i-- {
		p.times[i] = p.times[i-1]
	}
	p.times[i] = x
	p.n++
}

func (p *pair) time(i uint8) int64 { return p.base + int64(p.times[i])*tick }

// rhythm runs the test over the ring.
func (b *beacon) rhythm(p *pair, h *host) rhythm {
	gaps := b.gaps[:0]
	for i := uint8(1); i < p.n; i++ {
		d := max(p.times[i]-p.times[i-1], 1)
		g := gap{log2: math.Log2(float64(d) / ticks)}
		if h != nil && d >= 30*60*ticks {
			g.silent = h.silent(p.time(i-1), p.time(i))
		}
		gaps = append(gaps, g)
	}
	return liss(gaps)
}

// judge evaluates a pair after a contact.
func (b *beacon) judge(key uint64, p *pair, c *contact, emit sensor.Emit) {
	h := b.site.host(c.client)
	r := b.rhythm(p, h)
	p.evidence = r.evidence
	p.lock(&r, b.config.Threshold/2)
	if r.evidence < b.needed(r.period) || !p.lasted(b.config.MinLasting) {
		return
	}
	s := b.score(p, c, h, &r)
	if s.total < b.config.Threshold {
		return
	}
	// More beats of the same rhythm are no news: an incident is told again when
	// its circumstances change for the worse, or the next day.
	if !p.told.due(c.meta.At, s.context()) {
		return
	}
	w, _ := b.watched.at(key)
	w.add(c.meta)
	emit(b.alert(p, c, &r, &s, w))
}

// needed is what the rhythm alone must give. People have many rare destinations
// and come back to them within minutes; what comes back by the hour or day is
// rarer, and costs more to wait for.
func (b *beacon) needed(period float64) float64 {
	if period < math.Log2(3600)-0.1 {
		return max(b.config.Threshold, b.config.MinEvidence)
	}
	return b.config.MinEvidence
}

// lock follows how long one rhythm lasts, longer than the ring remembers.
func (p *pair) lock(r *rhythm, release float64) {
	switch {
	case r.evidence == 0 || r.evidence < release && p.lockedAt != 0:
		p.lockedAt = 0
	case p.lockedAt == 0 || math.Abs(r.period-p.lockedTo) > 0.5:
		p.lockedAt, p.lockedTo = p.time(0), r.period
	}
}

// lasted tells whether the rhythm went on for at least four periods and a time.
func (p *pair) lasted(atLeast time.Duration) bool {
	if p.lockedAt == 0 {
		return false
	}
	periods := 3.9 * math.Exp2(p.lockedTo) * float64(time.Second)
	return float64(p.last-p.lockedAt) >= max(periods, float64(atLeast))
}
