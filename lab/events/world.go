package events

import (
	"iter"
	"net/netip"
)

// World is a site in which things will happen. It can be played any number of
// times, and plays the same each time.
type World struct {
	site    Site
	opt     Options
	attacks []*plan
}

// New makes a world and plans its attacks.
func New(s Site, o Options) *World {
	w := &World{site: s, opt: o.withDefaults()}
	w.attacks = newRun(w, nil).planAttacks()
	return w
}

// Hosts is how many machines are inside.
func (w *World) Hosts() int { return w.site.Hosts() }

// Machine is one of them.
type Machine struct {
	Name string
	Role string     // "ws", "srv", "dc", "proxy", "vulnscan" ...
	Addr netip.Addr // in the beginning
}

// Machines are all of them, those of the same role together.
func (w *World) Machines() []Machine {
	var out []Machine
	for _, h := range newRun(w, nil).hosts {
		out = append(out, Machine{h.name, h.role.String(), h.addr})
	}
	return out
}

// Days is how long the world lasts.
func (w *World) Days() int { return w.opt.Days }

// Start is the world's first moment, nanoseconds since the epoch.
func (w *World) Start() int64 { return w.opt.Start.UnixNano() }

// Attacks are those that were planted, in order of their specifications.
func (w *World) Attacks() []*Attack {
	var out []*Attack
	for _, p := range w.attacks {
		out = append(out, p.attack)
	}
	return out
}

// Events plays the world as records, in the order in which the sensor writes them
// (Meta's Epoch, At, UID, Seq).
func (w *World) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		sink := newRecorder(w.opt)
		r := newRun(w, sink)
		sink.r = r
		r.begin()
		for {
			s, more := r.sources.first()
			for more && s.at <= sink.due() {
				r.step()
				s, more = r.sources.first()
			}
			e, ok := sink.take()
			if !ok || e.Record.Meta().At >= r.end {
				return
			}
			if !yield(e) {
				return
			}
			sink.release(e.Record)
		}
	}
}

// run is one play of a world.
type run struct {
	site       Site
	opt        Options
	start, end int64
	place      place
	hosts      []*host
	count      [tv + 1]int
	router     *host
	resolver   *host
	dc         *host
	proxy      *host
	plans      []*plan

	dests    int
	famous   []*dest          // sites, by fame; nil until somebody goes there
	widely   []*dest          // services that pages of many sites load from
	services map[string]*dest // by name and port; looked up only
	upstream []int64          // when the resolver forgets a destination, by its number
	fame     zipf

	sources heap[ticket]
	order   uint64
	now     int64 // of the step under way
	uid     uint64
	spare   []*session
	sink    sink
}

// source is one thing that goes on: step plays what is due at t and returns when
// it goes on; a time that is not later ends it.
type source interface {
	step(r *run, t int64) int64
}

// ticket is a source's place in the queue.
type ticket struct {
	at     int64
	order  uint64
	source source
}

// Less orders sources by when they are due.
func (a ticket) Less(b ticket) bool { return a.at < b.at || a.at == b.at && a.order < b.order }

func newRun(w *World, s sink) *run {
	start := w.opt.Start.UnixNano()
	r := &run{
		site: w.site, opt: w.opt, start: start, end: start + int64(w.opt.Days)*day, place: placeOf(w.site), plans: w.attacks,
		famous: make([]*dest, sites), services: make(map[string]*dest), fame: newZipf(sites, 11),
		uid: mix(w.opt.Seed), sink: s,
	}
	r.populate()
	return r
}

// begin puts all sources into the queue.
func (r *run) begin() {
	if !r.opt.Quiet {
		r.beginPeople()
		r.beginPeriodic()
		r.beginDevices()
		r.beginInside()
		r.beginChores()
	}
	r.beginStats()
	r.beginAttacks()
}

// add begins a source at t, unless the world is over then.
func (r *run) add(t int64, s source) {
	if t >= r.end {
		return
	}
	r.order++
	r.sources.push(ticket{max(t, r.start), r.order, s})
}

// step plays the source that is due first.
func (r *run) step() {
	t := r.sources.items[0]
	r.now = t.at
	if next := t.source.step(r, t.at); next > t.at && next < r.end {
		t.at = next
		r.sources.items[0] = t
		r.sources.sink(0)
		return
	}
	r.sources.pop()
}

// stats is the sensor's word about itself, once a minute.
type stats struct{}

func (r *run) beginStats() { r.add(r.start+minute, stats{}) }

func (stats) step(r *run, t int64) int64 {
	r.sink.stats(t)
	return t + minute
}

// benign returns the label of a class of harmless traffic.
func benign(class string) *Label { return &Label{Class: class, Benign: true} }

// id is a flow's: distinct in a world, without order.
func (r *run) id() uint64 {
	r.uid++
	return mix(r.uid)
}
