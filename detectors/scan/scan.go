package scan

import (
	"net/netip"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Detector finds scans from inside.
type Detector struct {
	config Config
	census *census.Census
	book   *incident.Book
	plans  []schedule // of the configured scanners

	met     *table.Memory // client and machine; client, machine and port of administration
	tried   *table.Memory // client, machine and port
	sources *table.Table[source]
	series  *table.Table[series]
	stale   *table.Table[table.Crowd] // (machine, port) -> clients whose first contact failed
	cards   *table.Table[table.Crowd] // MAC address -> addresses behind it
	lessors *table.Table[struct{}]    // addresses of DHCP servers, and of the routers they tell of
	asks    *table.Table[ask]
	replies replies
	queue   []request // who-has requests under half a second old

	first, abstained, allowed, unawaited uint64
}

const maxLessors = 64

// New makes a detector that has learned nothing.
func New(c Config, who *census.Census, b *incident.Book) *Detector {
	d := &Detector{
		config: c, census: who, book: b,
		met: table.NewMemory(c.Contacts, int64(c.Remember)), tried: table.NewMemory(c.Contacts, int64(c.Remember)),
		sources: table.New[source](c.Sources), series: table.New[series](c.Pairs),
		stale: table.New[table.Crowd](c.Stale), cards: table.New[table.Crowd](c.Stale),
		lessors: table.New[struct{}](maxLessors), asks: table.New[ask](maxAsks),
	}
	for _, s := range c.Scanners {
		d.plans = append(d.plans, newSchedule(s, c.UTCOffset))
	}
	d.sources.Spare = func(s *source) bool { return s.all.sum+s.admin.sum >= c.Threshold/2 }
	d.series.Spare = func(p *series) bool { return p.sum >= c.Threshold/2 }
	return d
}

// Observe implements sensor.Detector.
func (d *Detector) Observe(r records.Record, emit sensor.Emit) {
	d.await(r.Meta().At, emit)
	switch r := r.(type) {
	case *records.Flow:
		d.learnCards(r.Meta())
		d.flow(r, emit)
	case *records.ARP:
		d.arp(r)
	case *records.DHCP:
		d.lease(r)
	}
}

// lease notes who gives addresses out, and asks whether they are free, and which
// routers ask for others.
func (d *Detector) lease(r *records.DHCP) {
	if !r.Response {
		return
	}
	for _, a := range append([]netip.Addr{r.ServerIP}, r.Routers...) {
		if a.IsValid() {
			d.lessors.At(table.Addr(a.Unmap()))
		}
	}
}

// Advance implements sensor.Detector.
func (d *Detector) Advance(now int64, emit sensor.Emit) { d.await(now, emit) }

// Counters are the bookkeeping.
func (d *Detector) Counters() []census.Counter {
	return []census.Counter{
		{Name: "first_contacts", Value: d.first}, {Name: "abstained", Value: d.abstained}, {Name: "allowed", Value: d.allowed},
		{Name: "contacts", Value: uint64(d.met.Len())}, {Name: "contacts_turned_early", Value: d.met.Early()},
		{Name: "ports", Value: uint64(d.tried.Len())}, {Name: "ports_turned_early", Value: d.tried.Early()},
		{Name: "sources", Value: uint64(d.sources.Len())}, {Name: "sources_evicted", Value: d.sources.Evicted()},
		{Name: "pairs", Value: uint64(d.series.Len())}, {Name: "pairs_evicted", Value: d.series.Evicted()},
		{Name: "stale", Value: uint64(d.stale.Len())}, {Name: "stale_evicted", Value: d.stale.Evicted()},
		{Name: "cards", Value: uint64(d.cards.Len())}, {Name: "cards_evicted", Value: d.cards.Evicted()},
		{Name: "asks", Value: uint64(d.asks.Len())}, {Name: "asks_evicted", Value: d.asks.Evicted()}, {Name: "asks_unawaited", Value: d.unawaited},
	}
}

// contact is a first contact that is being judged.
type contact struct {
	target
	meta   *records.Meta
	flow   *records.Meta // of a flow: meta, else nil
	client netip.Addr
	source uint64 // the client
	known  uint64 // the client as the memories know it
	server uint64 // the target's address
	inside bool   // the target is
	named  bool   // the client was given the address by name
	at     int64  // time of the record: steps of the sums go by it
}

// flow judges what a flow came to.
func (d *Detector) flow(r *records.Flow, emit sensor.Emit) {
	m := r.Meta()
	server := m.Server()
	if !m.ClientInternal || !single(server.Addr()) && !server.Addr().IsLinkLocalUnicast() {
		return
	}
	k := contact{meta: m, flow: m, client: m.Client().Addr(), source: d.census.Source(m), server: table.Addr(server.Addr()),
		inside: m.ServerInternal, named: m.Resolved != nil, at: m.At,
		target: target{at: r.Start, addr: server.Addr(), port: server.Port(), proto: m.Key.Proto}}
	if !m.HasPorts() {
		k.port = 0
	}
	if d.exempt(&k) {
		d.allowed++
		return
	}
	if k.outcome = outcomeOf(r, d.census.Blind()); k.outcome == unknown {
		d.abstained++
		return
	}
	d.machine(&k, emit)
	if k.port != 0 {
		d.ports(&k, emit)
	}
}

// single tells whether an address is of one machine beyond the link. Of loopback,
// 127.0.0.1 and ::1 are not: a machine talks to itself all day. The others are
// nobody's, and kagami canary tries them.
func single(a netip.Addr) bool {
	if a.IsLoopback() {
		return a.Is4() && a != netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return a.IsGlobalUnicast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// exempt tells whether what a client does is not judged: that of machines to
// ignore, of proxies, whose contacts others choose, of scanners in their windows,
// and the duties of monitors and DHCP servers. It also completes the contact by
// the name that the memories have for the client.
func (d *Detector) exempt(k *contact) bool {
	k.known = k.source
	if contains(d.config.Allow, k.client) {
		return true
	}
	roles := d.census.Roles(k.client)
	if roles&(census.Proxy|census.Scanner) != 0 || k.port == 0 && d.lessors.Get(table.Addr(k.client)) != nil {
		return true
	}
	if roles&census.Monitor != 0 && watching(k.port) {
		return true
	}
	for i := range d.plans {
		p := &d.plans[i]
		if !contains(p.networks, k.client) {
			continue
		}
		if p.open(k.target.at) && p.permits(k.addr) {
			return true
		}
		k.known = table.Number(k.source, uint64(k.at/day)) // judged anew each day
	}
	return false
}

// watching tells whether a port is there for being watched: echo (0), SNMP, and
// the agents of Check_MK, NRPE, Zabbix and NSClient++.
func watching(port uint16) bool {
	switch port {
	case 0, 161, 5666, 6556, 10050, 12489:
		return true
	}
	return false
}

// Kinds of first contact, which keep the keys of the memories apart.
const (
	withMachine uint64 = iota + 1
	withAdmin
	withPort
	withUDP
	withARP
	asCaller
)

func key(kind, client, server uint64) uint64 {
	return table.Pair(table.Number(client, kind), server)
}

// machine counts machines. Outside, only ports of administration count: the web
// is full of dead servers that nobody searches for.
func (d *Detector) machine(k *contact, emit sensor.Emit) {
	admin := administrative(k.proto, k.port)
	if !k.inside && !admin {
		return
	}
	if k.outcome == mute && k.proto == packet.ProtoUDP {
		return // see ports
	}
	machine, control := key(withMachine, k.known, k.server), key(withAdmin, k.known, k.server)
	newMachine, newAdmin := !d.met.Known(machine), admin && !d.met.Known(control)
	if (newMachine || newAdmin) && d.suppressed("lateral-scan", k) {
		return
	}
	d.met.First(machine, k.at)
	if admin {
		d.met.First(control, k.at)
	}
	if !newMachine && !newAdmin {
		return
	}
	if newMachine && k.inside && k.outcome == success {
		d.met.First(key(asCaller, table.Addr(k.client), k.server), k.at)
	}
	d.first++
	s := d.source(k)
	d.look(k, s)
	d.search(k, s, newMachine, newAdmin, emit)
	if newAdmin && k.inside && d.census.Serves(k.addr, k.port) < wellKnown {
		d.turn(k, s, emit)
	}
}

// suppressed tells whether a suppression covers a contact. Then it is not
// remembered either: where the suppression ends, it is still the first.
func (d *Detector) suppressed(rule string, k *contact) bool {
	if !d.book.Allowed(rule, k.meta, k.client, "", netip.AddrPortFrom(k.addr, k.port), k.target.at) {
		return false
	}
	d.allowed++
	return true
}

// wellKnown is how many machines must use a service for it to be no new peer.
const wellKnown = 4

// source is what is known of a contact's client.
func (d *Detector) source(k *contact) *source {
	s, fresh := d.sources.At(k.source)
	if fresh {
		since := k.at
		if h := d.census.Host(k.client); h != nil {
			since = h.First
		}
		s.habit.begin(k.at-since, k.at)
	}
	s.settle(k.at)
	return s
}

// search adds a first contact to the sums of its client.
func (d *Detector) search(k *contact, s *source, newMachine, newAdmin bool, emit sensor.Emit) {
	nats := s.luck.step(k.outcome)
	s.luck.note(k.outcome, k.at)
	if s.run.next(ordinal(k.addr)) && k.outcome.failed() {
		nats += sequenceBonus
		s.failing.runs++
	}
	sum := 0.0
	if newMachine {
		sum = s.all.step(nats, k.at, d.config.Threshold)
	}
	if newAdmin {
		sum = max(sum, s.admin.step(nats, k.at, d.config.Threshold))
	}
	if s.all.sum == 0 && s.admin.sum == 0 {
		s.failing.clear()
		return
	}
	if k.outcome == unknown {
		return
	}
	s.failing.add(k.target, k.flow)
	if sum >= d.config.Threshold && k.outcome.failed() && s.failing.enough() {
		d.tellSearch(k, s, sum, emit)
	}
}

// turn counts a new peer on a port of administration against the client's habit.
func (d *Detector) turn(k *contact, s *source, emit sensor.Emit) {
	if s.habit.count(k.at) {
		s.peers.clear()
	}
	s.peers.add(k.target, k.flow)
	odds := d.config.PeerOdds
	if !d.census.Learned() {
		odds /= 1000 // the first day's contacts are all first contacts
	}
	if o := s.habit.unusual(d.config.FirstDayPeers); o.odds < odds {
		d.tellPeers(k, s, o, emit)
	}
}

// ports counts ports of one machine, and machines with one UDP port. Both are
// followed from their first failure on.
func (d *Detector) ports(k *contact, emit sensor.Emit) {
	vertical, sweep := key(withMachine, k.known, k.server), uint64(0)
	p, u := d.series.Get(vertical), (*series)(nil)
	if k.proto == packet.ProtoUDP && k.inside {
		sweep = key(withUDP, k.known, uint64(k.port))
		u = d.series.Get(sweep)
	}
	if p == nil && u == nil && !k.outcome.failed() || k.outcome == unknown {
		return
	}
	port := table.Number(key(withPort, k.known, k.server), uint64(k.proto)<<16|uint64(k.port))
	fresh := !d.tried.Known(port)
	if fresh && d.suppressed("port-scan", k) {
		return
	}
	if d.tried.First(port, k.at); !fresh {
		return
	}
	if k.proto == packet.ProtoUDP && p == nil {
		d.first++
		if d.look(k, d.source(k)); k.outcome == unknown {
			return
		}
	}
	if p == nil {
		p, _ = d.series.At(vertical)
	}
	if d.follow(k, p, uint64(k.port)) {
		d.tellPorts(k, p, emit)
	}
	if sweep == 0 || p.failing.n > 2 { // then one machine's ports are swept
		return
	}
	u, _ = d.series.At(sweep)
	if k.outcome == mute {
		k.outcome = failure // what one machine does not answer, all of many do not
	}
	if d.follow(k, u, ordinal(k.addr)) {
		d.tellSweep(k, u, emit)
	}
}

// follow adds a first contact to a series, and reports whether it gives the alarm.
func (d *Detector) follow(k *contact, p *series, number uint64) bool {
	p.settle(k.at)
	nats := k.outcome.step()
	if p.run.next(number) && k.outcome.failed() {
		nats += sequenceBonus
		p.failing.runs++
	}
	if p.step(nats, k.at, d.config.Threshold) == 0 {
		p.failing.clear()
		return false
	}
	p.failing.add(k.target, k.flow)
	return p.sum >= d.config.Threshold && k.outcome.failed()
}
