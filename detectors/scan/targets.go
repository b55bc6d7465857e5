package scan

import (
	"net/netip"
	"reflect"

	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/detectors/table"
	"kagami/records"
)

// maxTargets is how many first contacts are kept for the alert.
const maxTargets = 16

// target is one first contact.
type target struct {
	at      int64 // of the request, nanoseconds since the epoch
	addr    netip.Addr
	port    uint16 // 0 = ARP, ICMP
	proto   uint8  // 0 = ARP
	outcome outcome
}

var targetSize = int64(reflect.TypeFor[target]().Size())

// targets are the first few first contacts of a series, and how many there were.
type targets struct {
	kept   []target // at most maxTargets
	n      int
	failed int
	dark   int // of those that failed
	runs   int // completed runs of neighbours
	flows  incident.Samples
}

// add counts a first contact; m is its flow's header, nil if it has none.
func (t *targets) add(x target, m *records.Meta) {
	t.n++
	if x.outcome.failed() {
		t.failed++
	}
	if x.outcome == dark {
		t.dark++
	}
	if len(t.kept) == maxTargets {
		return
	}
	t.kept = append(t.kept, x)
	if m != nil {
		t.flows.Add(m)
	}
}

const (
	fewTargets = 4
	oneSpree   = day / 144 // 10 min
)

// enough tells whether there are enough failures for a search: three machines
// that are no more, some time apart, are an old configuration.
func (t *targets) enough() bool {
	return t.failed >= fewTargets || t.kept[len(t.kept)-1].at-t.kept[0].at <= oneSpree
}

func (t *targets) clear() { *t = targets{kept: t.kept[:0]} }

// source is a client as far as searching goes.
type source struct {
	all, admin cusum
	failing    targets // first contacts since the sums were last zero
	peers      targets // new administrative peers of about a day
	asked      targets // neighbours asked for by ARP for the first time, lately
	habit      habit
	luck       luck
	run        run

	// The incident under way, if there is one.
	last      int64   // its last sign
	searching int     // first contacts when the sums first gave the alarm, 0 = they did not
	turning   int     // new peers when their number first was odd, 0 = it was not
	score     float64 // of lateral-scan, nats
	combed    int     // machines of which it tried the ports, and UDP ports that it tried on machines
	searches  int     // incidents so far
}

// rest is how long a machine must search for nothing for its incident to be over
// as far as the sums go: what comes later must give the alarm anew.
const rest = day / 4

// sign notes a sign of a search, and tells whether it is the incident's first.
func (s *source) sign(at int64) bool {
	first := s.last == 0
	if first {
		s.searches++
	}
	s.last = at
	return first
}

// bearing is the part of a score whose growth is news: a search that begins after
// a pause is.
func (s *source) bearing(score float64) float64 { return score + tenfold*float64(s.searches) }

// settle ends the incident if nothing came for long.
func (s *source) settle(now int64) {
	if s.last == 0 || now-s.last < rest {
		return
	}
	if s.searching > 0 {
		s.all, s.admin = cusum{}, cusum{}
		s.failing.clear()
		s.luck.forget()
	}
	s.last, s.searching, s.turning, s.score, s.combed = 0, 0, 0, 0, 0
}

// series is a client's history over the ports of one server, or over the
// machines with one UDP port.
type series struct {
	cusum
	failing targets
	run     run
	alerted int   // targets when it first gave the alarm, 0 = it did not
	last    int64 // sign of it after that
}

// settle is source.settle for a series.
func (p *series) settle(now int64) {
	if p.alerted > 0 && now-p.last >= rest {
		*p = series{failing: p.failing}
		p.failing.clear()
	}
}

func (t *targets) save(e *state.Encoder) {
	e.Uint(uint64(len(t.kept)))
	for _, x := range t.kept {
		e.Int(x.at)
		e.Addr(x.addr)
		e.Uint(uint64(x.port))
		e.Uint(uint64(x.proto))
		e.Uint(uint64(x.outcome))
	}
	for _, n := range [...]int{t.n, t.failed, t.dark, t.runs} {
		e.Uint(uint64(n))
	}
	t.flows.Save(e)
}

func (t *targets) load(d *state.Decoder) {
	*t = targets{}
	for range d.Len(maxTargets) {
		x := target{at: d.Int(), addr: d.Addr(), port: uint16(d.Uint()), proto: uint8(d.Uint()), outcome: outcome(d.Uint())}
		if x.outcome >= numbers || !x.addr.IsValid() {
			d.Fail("a first contact makes no sense")
			return
		}
		t.kept = append(t.kept, x)
	}
	for _, n := range [...]*int{&t.n, &t.failed, &t.dark, &t.runs} {
		*n = count(d)
	}
	if t.n = max(t.n, len(t.kept)); t.n > 0 && len(t.kept) == 0 {
		d.Fail("first contacts are missing")
	}
	t.flows.Load(d)
}

// count reads a number that fits everywhere.
func count(d *state.Decoder) int { return int(min(d.Uint(), 1<<31-1)) }

func (r *run) save(e *state.Encoder) {
	e.Hash(r.last)
	e.Bool(r.up)
	e.Uint(uint64(r.length))
}

func (r *run) load(d *state.Decoder) {
	*r = run{last: d.Hash(), up: d.Bool(), length: uint8(d.Uint())}
}

func (s *source) save(e *state.Encoder) {
	s.all.save(e)
	s.admin.save(e)
	s.failing.save(e)
	s.peers.save(e)
	s.asked.save(e)
	s.habit.save(e)
	s.luck.save(e)
	s.run.save(e)
	e.Int(s.last)
	e.Float(s.score)
	for _, n := range [...]int{s.searching, s.turning, s.combed, s.searches} {
		e.Uint(uint64(n))
	}
}

func (s *source) load(d *state.Decoder) {
	s.all.load(d)
	s.admin.load(d)
	s.failing.load(d)
	s.peers.load(d)
	s.asked.load(d)
	s.habit.load(d)
	s.luck.load(d)
	s.run.load(d)
	s.last, s.score = d.Int(), max(0, min(d.Float(), 1000))
	for _, n := range [...]*int{&s.searching, &s.turning, &s.combed, &s.searches} {
		*n = count(d)
	}
}

func (p *series) save(e *state.Encoder) {
	p.cusum.save(e)
	p.failing.save(e)
	p.run.save(e)
	e.Uint(uint64(p.alerted))
	e.Int(p.last)
}

func (p *series) load(d *state.Decoder) {
	p.cusum.load(d)
	p.failing.load(d)
	p.run.load(d)
	p.alerted, p.last = count(d), d.Int()
}

// Name implements state.Part.
func (d *Detector) Name() string { return "scan" }

// Version implements state.Part.
func (d *Detector) Version() int { return 2 }

// Save implements state.Part. Requests that wait for an answer are left out: they
// wait for half a second.
func (d *Detector) Save(e *state.Encoder) {
	d.sources.Save(e, func(e *state.Encoder, s *source) { s.save(e) })
	d.series.Save(e, func(e *state.Encoder, p *series) { p.save(e) })
	d.stale.Save(e, func(e *state.Encoder, c *table.Crowd) { c.Save(e) })
	d.cards.Save(e, func(e *state.Encoder, c *table.Crowd) { c.Save(e) })
	d.lessors.Save(e, func(*state.Encoder, *struct{}) {})
	d.met.Save(e)
	d.tried.Save(e)
	d.asks.Save(e, func(e *state.Encoder, a *ask) {
		e.Int(a.answered)
		e.Uint(uint64(a.n))
		e.Bool(a.counted)
	})
	e.Uint(uint64(d.replies.answered))
	e.Uint(uint64(d.replies.silent))
}

// Load implements state.Part.
func (d *Detector) Load(dec *state.Decoder) {
	d.sources.Load(dec, func(dec *state.Decoder, s *source) { s.load(dec) })
	d.series.Load(dec, func(dec *state.Decoder, p *series) { p.load(dec) })
	d.stale.Load(dec, func(dec *state.Decoder, c *table.Crowd) { c.Load(dec) })
	d.cards.Load(dec, func(dec *state.Decoder, c *table.Crowd) { c.Load(dec) })
	d.lessors.Load(dec, func(*state.Decoder, *struct{}) {})
	d.met.Load(dec)
	d.tried.Load(dec)
	d.asks.Load(dec, func(dec *state.Decoder, a *ask) {
		*a = ask{answered: dec.Int(), n: uint8(min(dec.Uint(), darkAfter+1)), counted: dec.Bool()}
	})
	d.replies = replies{uint32(min(dec.Uint(), 1024)), uint32(min(dec.Uint(), 1024))}
}
