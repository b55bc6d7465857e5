package lab

import (
	"container/heap"
	"fmt"
	"net/netip"
	"time"
)

// activity is one thing people, machines or intruders do. It schedules its
// events on the day; its draws come from its own random stream.
type activity struct {
	name string
	plan func(*day, *Rand)
}

// activities lists everything that happens, in the order in which it is
// planned. Order matters for events of the same microsecond only.
func activities() []activity {
	return []activity{
		{"noise", planNoise},
		{"ntp", planNTP},
		{"monitor", planMonitor},
		{"mail", planMail},
		{"files", planFiles},
		{"poll", planPolls},
		{"update", planUpdates},
		{"browsing", planBrowsing},
		{"driveby", planDriveBys},
		{"beacon", planBeacons},
		{"bypass", planBypasses},
		{"scan", planScans},
	}
}

// Generate plays the scenario and returns the capture and the truth about it.
func (s *Scenario) Generate() (*Capture, *Truth, error) {
	if err := s.Validate(); err != nil {
		return nil, nil, fmt.Errorf("check scenario: %w", err)
	}
	d := newDay(s)
	for _, a := range activities() {
		a.plan(d, NewRand(s.Seed, a.name))
	}
	d.run()
	d.pool.closeAll(s.length() - time.Second)
	if d.pki.err != nil {
		return nil, nil, fmt.Errorf("generate scenario %q: %w", s.Name, d.pki.err)
	}
	c, err := d.wire.Capture(s.Start)
	if err != nil {
		return nil, nil, fmt.Errorf("generate scenario %q: %w", s.Name, err)
	}
	if n := len(c.Frames); n == 0 || c.Frames[0].Time < 0 || c.Frames[n-1].Time > s.length() {
		return nil, nil, fmt.Errorf("generate scenario %q: traffic must lie between start and end: move or shorten an activity", s.Name)
	}
	return c, d.truth.finish(d, len(c.Frames)), nil
}

// day is the state of one run: who is there, what time it is, and what the
// caches hold. Events run in time order, so caches are filled in time order.
type day struct {
	s      *Scenario
	rng    *Rand // for the network itself: round trips, think times, ids
	wire   *Wire
	truth  *Truth
	pki    *pki
	pool   *pool
	events eventQueue
	ends   map[string]*Endpoint // by host or site name
	names  map[dnsKey]time.Duration
	cached map[string]time.Duration // proxy cache: URL to expiry
}

func newDay(s *Scenario) *day {
	rng := NewRand(s.Seed, "network")
	d := &day{
		s: s, rng: rng, truth: newTruth(s), pki: newPKI(s),
		wire:   NewWire(NewRand(s.Seed, "wire"), s.Faults),
		pool:   new(pool),
		ends:   make(map[string]*Endpoint),
		names:  make(map[dnsKey]time.Duration),
		cached: make(map[string]time.Duration),
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		d.ends[h.Name] = s.endpoint(h, h.IP)
		if h.IP6.IsValid() {
			d.ends[h.Name+"/6"] = s.endpoint(h, h.IP6)
		}
	}
	for i := range s.Sites {
		site := &s.Sites[i]
		d.ends[site.Name] = s.outside(site, site.IP)
		if site.IP6.IsValid() {
			d.ends[site.Name+"/6"] = s.outside(site, site.IP6)
		}
	}
	return d
}

// endpoint is an inside host as the mirror sees it.
func (s *Scenario) endpoint(h *Host, addr netip.Addr) *Endpoint {
	stack := Unix
	if h.OS == "windows" {
		stack = Windows
	}
	rtt := h.RTT
	if rtt == 0 {
		rtt = 250 * time.Microsecond
	}
	return &Endpoint{Name: h.Name, Addr: addr, MAC: h.MAC, VLAN: h.VLAN, TTL: stack.ttl(), RTT: rtt, Stack: stack}
}

// outside is a site as the mirror sees it: behind the gateway, some hops away.
func (s *Scenario) outside(site *Site, addr netip.Addr) *Endpoint {
	return &Endpoint{
		Name: site.Name, Addr: addr, MAC: s.host(s.Network.Gateway).MAC,
		TTL: Unix.ttl() - uint8(min(6+site.RTT/(4*time.Millisecond), 30)), RTT: site.RTT, Stack: Unix,
	}
}

func (d *day) end(name string) *Endpoint { return d.ends[name] }
func (d *day) proxy() *Endpoint          { return d.ends[d.s.Network.Proxy] }
func (d *day) resolver() *Endpoint       { return d.ends[d.s.Network.Resolver] }

// routed is an inside address of another subnet, reached through the gateway.
func (d *day) routed(addr netip.Addr) *Endpoint {
	gw := d.end(d.s.Network.Gateway)
	return &Endpoint{Name: addr.String(), Addr: addr, MAC: gw.MAC, TTL: Unix.ttl() - 1, RTT: 2 * time.Millisecond}
}

// at schedules f; events outside the capture are dropped.
func (d *day) at(t time.Duration, f func(t time.Duration)) {
	if t < 0 || t >= d.s.length()-tail {
		return
	}
	heap.Push(&d.events, event{t, d.events.made, f})
	d.events.made++
}

// tail is left free of new events so that conversations end inside the
// capture.
const tail = 90 * time.Second

// every schedules f from first until last with the gaps that gap returns.
func (d *day) every(first, last time.Duration, gap func() time.Duration, f func(t time.Duration)) {
	var step func(t time.Duration)
	step = func(t time.Duration) {
		f(t)
		if next := t + gap(); next <= last {
			d.at(next, step)
		}
	}
	if first <= last {
		d.at(first, step)
	}
}

// steady returns gaps of period, give or take percent.
func steady(r *Rand, period time.Duration, percent int) func() time.Duration {
	slack := period * time.Duration(percent) / 100
	return func() time.Duration { return r.Span(period-slack, period+slack+time.Microsecond) }
}

func (d *day) run() {
	for len(d.events.list) > 0 {
		e := heap.Pop(&d.events).(event)
		e.run(e.at)
	}
}

type event struct {
	at    time.Duration
	order int // of scheduling: ties run first come, first served
	run   func(time.Duration)
}

// eventQueue implements heap.Interface.
type eventQueue struct {
	list []event
	made int
}

func (q *eventQueue) Len() int      { return len(q.list) }
func (q *eventQueue) Swap(i, j int) { q.list[i], q.list[j] = q.list[j], q.list[i] }
func (q *eventQueue) Push(x any)    { q.list = append(q.list, x.(event)) }

func (q *eventQueue) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (q *eventQueue) Pop() any {
	last := q.list[len(q.list)-1]
	q.list = q.list[:len(q.list)-1]
	return last
}
