// Package beacon finds programs that call home: a machine inside that contacts
// one destination outside in a rhythm no person keeps (package rhythm), where
// the rhythm is not explained by the place.
//
// A pair of machine and destination is on probation until its third contact
// (probation.go), then has a ring of gaps (pair.go). Destinations that rotate
// are followed by what they have in common (group.go). judge.go weighs, report.go
// tells, explain.go answers why a pair is or is not a beacon.
//
// It imports census, incident, rhythm, state, table, records and sensor.
package beacon

import (
	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/rhythm"
	"kagami/detectors/table"
	"kagami/records"
	"kagami/sensor"
)

// Detector is the beacon detector. It is for one goroutine.
type Detector struct {
	config Config
	census *census.Census
	book   *incident.Book

	probation *probation
	pairs     *table.Table[pair]
	mixed     *table.Table[rhythm.Times] // of pairs whose gaps show no rhythm
	groups    *table.Table[uint32]       // (machine, what destinations share) -> the first destination, 0 = there are others
	watched   *table.Table[incident.Samples]
	direct    *table.Memory // (machine, domain) that were contacted, not only looked up
	told      *table.Memory // pairs that were told
	workday   workday
	today     int64 // day since the epoch

	liss   *rhythm.LISS
	pdt    rhythm.PDT
	host   *census.Host // of the contact at hand
	asleep func(from, to int64) bool
	times  []int64 // scratch

	contacts, coalesced, late, timers, relayed, lookups, evaluated, again uint64
}

const (
	// watchEvidence is the rhythm, in nats, from which on sample flows are kept
	// and the pair is spared by eviction.
	watchEvidence = 3
	// directSpan is for how long a contacted domain's look-ups tell nothing.
	directSpan = 2 * day
	// toldSpan is for how long at least after its last beat a pair that was told is
	// not news.
	toldSpan = 30 * day
	toldKeys = 1 << 14
)

func directKeys(c *Config) int { return c.Pairs }

// New makes a detector that reports to the book.
func New(c Config, who *census.Census, book *incident.Book) *Detector {
	d := &Detector{
		config: c, census: who, book: book,
		probation: newProbation(c.Probation),
		pairs:     table.New[pair](c.Pairs),
		mixed:     table.New[rhythm.Times](c.Mixed),
		groups:    table.New[uint32](c.Groups),
		watched:   table.New[incident.Samples](c.Watched),
		direct:    table.NewMemory(directKeys(&c), directSpan),
		told:      table.NewMemory(toldKeys, toldSpan),
		liss:      rhythm.NewLISS(),
		times:     make([]int64, 0, rhythm.Gaps+1),
	}
	d.asleep = func(from, to int64) bool {
		return d.host != nil && d.host.Silent(from, to) || d.census.Down(from, to)
	}
	d.pairs.Spare = func(p *pair) bool {
		idle := d.census.Now() - p.ring.Last()
		return idle < 10*day && p.evidence >= watchEvidence || idle < 30*day && slow(&p.ring)
	}
	return d
}

// slow tells whether the last contacts may be those of a daily or weekly beacon.
func slow(r *rhythm.Ring) bool {
	s := float64(r.LastGap()) / float64(second)
	return daily(s) || weekly(s)
}

// Name is the [detect.NAME] section that governs it, and its part of the state.
func (d *Detector) Name() string { return "beacon" }

// Observe implements sensor.Detector.
func (d *Detector) Observe(r records.Record, emit sensor.Emit) {
	k, ok := d.census.ContactOf(r)
	if !ok {
		if k, ok = d.census.DNSContactOf(r); !ok {
			return
		}
	}
	if d.census.Proxy(k.Client) {
		d.relayed++ // the client's leg was judged
		return
	}
	domain := table.Pair(k.Source, k.DomainKey())
	if k.How == census.OverDNS {
		if d.direct.Known(domain) {
			d.lookups++ // what follows the look-up is judged
			return
		}
	} else if k.Name != "" {
		d.direct.First(domain, k.Meta.At)
	}
	if k.NTP() {
		d.timers++
		return
	}
	d.contacts++
	if today := k.Meta.At / day; today != d.today {
		d.today = today
		d.told.First(uint64(today), k.Meta.At) // so that its time passes when nothing is told
	}
	d.host = d.census.HostOf(k.Source)
	fresh := d.take(k.Key(), &k, 0, emit)
	if fresh && k.Name != "" {
		d.workday.note(k.Start)
	}
	d.group(&k, fresh, emit)
}

// Advance implements sensor.Detector. A rhythm shows when it beats: every alert
// is raised by a contact, so nothing is to be done between them.
func (d *Detector) Advance(int64, sensor.Emit) {}

// Counters are the detector's numbers, always in the same order.
func (d *Detector) Counters() []census.Counter {
	return []census.Counter{
		{Name: "contacts", Value: d.contacts}, {Name: "coalesced", Value: d.coalesced}, {Name: "late", Value: d.late},
		{Name: "protocol_timers", Value: d.timers}, {Name: "relayed_by_proxy", Value: d.relayed}, {Name: "lookups_of_contacted", Value: d.lookups},
		{Name: "evaluated", Value: d.evaluated}, {Name: "told_before", Value: d.again},
		{Name: "probation", Value: uint64(d.probation.n)}, {Name: "probation_evicted", Value: d.probation.evicted},
		{Name: "pairs", Value: uint64(d.pairs.Len())}, {Name: "pairs_evicted", Value: d.pairs.Evicted()},
		{Name: "mixed", Value: uint64(d.mixed.Len())}, {Name: "mixed_evicted", Value: d.mixed.Evicted()},
		{Name: "groups", Value: uint64(d.groups.Len())}, {Name: "groups_evicted", Value: d.groups.Evicted()},
		{Name: "watched", Value: uint64(d.watched.Len())}, {Name: "watched_evicted", Value: d.watched.Evicted()},
		{Name: "contacted_forgotten_early", Value: d.direct.Early()}, {Name: "told_forgotten_early", Value: d.told.Early()},
	}
}

// take adds a contact to a pair and judges it when there is a new gap. It
// reports whether the pair was not known.
func (d *Detector) take(key uint64, k *census.Contact, flags uint8, emit sensor.Emit) (fresh bool) {
	p := d.pairs.Get(key)
	if p == nil {
		if p, fresh = d.promote(key, k.Start); p == nil {
			return fresh
		}
		p.flags |= flags
	} else if !d.insert(p, k.Start) {
		return false
	}
	p.note(k, d.offHours(k.Start))
	if p.locked > 0 && p.ring.Last() == k.Start {
		p.goOn(p.ring.LastGap())
	}
	if p.flags&hasTimes != 0 {
		d.addTime(key, p, k.Start)
	}
	if p.evidence >= watchEvidence {
		w, _ := d.watched.At(key)
		w.Add(k.Meta)
	}
	if p.skip > 0 {
		p.skip--
	}
	if p.skip == 0 || p.flags&hasTimes != 0 && p.contacts%mixedEvery == 0 {
		d.judge(key, p, k, emit)
	}
	return false
}

// promote counts the first contacts of a pair, and makes it a pair at the third.
func (d *Detector) promote(key uint64, t int64) (p *pair, fresh bool) {
	x := d.probation.get(key)
	if x == nil {
		d.probation.add(key, t)
		return nil, true
	}
	last := x.time(t)
	first := last - int64(x.before())
	if near(last, t) || near(first, t) {
		d.coalesced++
		return nil, false
	}
	if x.gap == 0 {
		x.gap = rhythm.Code(max(last, t) - min(last, t))
		x.last = uint32(max(last, t) / trialTick)
		return nil, false
	}
	d.probation.drop(x)
	p, _ = d.pairs.At(key)
	p.begin(min(first, t))
	p.contacts = 2
	for _, at := range [...]int64{first, last} { // t is noted by the caller
		if d.offHours(at) {
			p.offHours++
		}
	}
	for _, at := range [...]int64{min(max(first, t), last), max(last, t)} {
		p.ring.Add(at, d.asleep)
	}
	return p, false
}

// near tells whether two contacts are too close to be two.
func near(a, b int64) bool { return a-b < rhythm.Coalesce && b-a < rhythm.Coalesce }

// insert adds a contact to the ring; records come at the end of what they
// describe, so contacts may be late.
func (d *Detector) insert(p *pair, t int64) bool {
	switch p.ring.Add(t, d.asleep) {
	case rhythm.Coalesced:
		d.coalesced++
		return false
	case rhythm.Late:
		d.late++
		return false
	}
	return true
}

// offHours tells whether hardly anybody is at work at that time, or the machine
// hardly ever active. What people do is learned in a week; until then it is what
// the configuration says.
func (d *Detector) offHours(t int64) bool {
	if d.workday.known() {
		if d.workday.free(t) {
			return true
		}
	} else if d.config.offHours(t) {
		return true
	}
	if d.host == nil {
		return false
	}
	share := d.host.Usual(t)
	return share >= 0 && share < rarelyActive
}

// rarelyActive is the share of weeks in which a machine is active in an hour.
const rarelyActive = 0.05
