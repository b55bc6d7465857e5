package detectors

import (
	"net/netip"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// scan finds machines inside that search: many machines on a few ports
// (lateral-scan) or many ports of one machine (port-scan).
//
// Only first contacts count, as told by a memory of weeks, so pace does not
// matter: one probe an hour adds up like one a second. Three tests run: a
// sequential test over the outcomes of first contacts per client, for all ports
// and for ports of administration; the same per client and server over ports;
// and, because machines inside often do answer, the number of new peers on
// ports of administration against the client's own habit.
type scan struct {
	config  ScanConfig
	site    *site
	met     *memory
	sources *table[source]
	pairs   *table[ports]

	first, abstained, allowed uint64
}

// source is a client as far as searching goes.
type source struct {
	all, admin cusum
	failing    targets // first contacts since the sums were last zero
	peers      targets // of the current day
	habit      habit
	run        run
	failed     int // among failing
	alerted    int // targets when first told
	told       raised
}

// ports is a client's history with one server.
type ports struct {
	cusum
	failing targets
	failed  int
	alerted int // targets when first told
	told    raised
}

// target is one first contact.
type target struct {
	at      int64
	addr    netip.Addr
	port    uint16
	proto   uint8
	outcome outcome
}

// targets are the first few, and how many there were.
type targets struct {
	kept  []target // at most maxSamples
	n     int
	flows samples
}

func (t *targets) add(x target, m *records.Meta) {
	if t.n == 0 {
		*t = targets{kept: t.kept[:0]}
	}
	t.n++
	if len(t.kept) < maxSamples {
		t.kept = append(t.kept, x)
		t.flows.add(m)
	}
}

// outcome of a first contact.
type outcome uint8

const (
	unknown outcome = iota // cannot be told: no evidence
	success
	failure
	mute // UDP without answer
)

func (o outcome) String() string {
	return [...]string{"unknown", "answered", "failed", "no answer"}[o]
}

func (o outcome) step() float64 {
	return [...]float64{0, stepSuccess, stepFail, stepMute}[o]
}

// outcomeOf reads what a flow came to. A flow that shows one direction only
// where the other must exist says nothing; nor does a datagram without an answer
// where the mirror is blind for one direction.
func outcomeOf(r *records.Flow, blind bool) outcome {
	m := r.Meta()
	switch m.Key.Proto {
	case packet.ProtoTCP:
		switch {
		case !strings.Contains(r.History, "S"):
			return unknown // no request seen: it may run the other way round
		case answered(r.ConnState):
			return success
		case refused(r):
			return failure
		}
	case packet.ProtoUDP:
		switch {
		case r.Orig.Packets == 0:
		case r.Resp.Packets > 0:
			return success
		case blind || traceroute(m.Server().Port()) || reply(m):
		default:
			return mute
		}
	case packet.ProtoICMP, packet.ProtoICMPv6:
		echo := r.ICMPType == 8 && m.Key.Proto == packet.ProtoICMP || r.ICMPType == 128 && m.Key.Proto == packet.ProtoICMPv6
		switch {
		case !echo:
		case r.Resp.Packets > 0:
			return success
		case !blind:
			return failure
		}
	}
	return unknown
}

// traceroute tells whether a UDP port is of the range that traceroute walks
// through, which no one answers.
func traceroute(port uint16) bool { return port >= 33434 && port < 33534 }

// reply tells whether a datagram looks like the late answer of a server, which
// begins a flow of its own: to a port that clients use, or from a port that
// servers use.
func reply(m *records.Meta) bool {
	from, to := m.Client().Port(), m.Server().Port()
	return to >= 32768 || from < 1024 && to >= 1024
}

// administrative tells whether a port gives control over a machine or its
// directory: remote procedure calls, file shares, shells, desktops, databases.
func administrative(proto uint8, port uint16) bool {
	if proto != packet.ProtoTCP {
		return false
	}
	switch port {
	case 22, 23, 88, 135, 139, 389, 445, 623, 1433, 3306, 3389, 5432, 5900, 5985, 5986:
		return true
	}
	return false
}

func newScan(c ScanConfig, s *site) *scan {
	return &scan{
		config: c, site: s,
		met:     newMemory(c.Contacts, int64(c.Memory)),
		sources: newTable[source](c.Sources),
		pairs:   newTable[ports](c.Pairs),
	}
}

// Observe implements sensor.Detector.
func (d *scan) Observe(r records.Record, emit sensor.Emit) {
	f, ok := r.(*records.Flow)
	if !ok || !f.Meta().ClientInternal {
		return
	}
	m := f.Meta()
	server := m.Server()
	if !single(server.Addr()) && !server.Addr().IsLinkLocalUnicast() {
		return
	}
	if d.ignored(m.Client().Addr()) {
		d.allowed++
		return
	}
	x := target{at: f.Start, addr: server.Addr(), port: server.Port(), proto: m.Key.Proto, outcome: outcomeOf(f, d.site.sight.blind())}
	if x.outcome == unknown {
		d.abstained++
		return
	}
	if !m.HasPorts() {
		x.port = 0
	}
	d.horizontal(f, x, emit)
	if x.port != 0 {
		d.vertical(f, x, emit)
	}
}

// Advance implements sensor.Detector. All evidence comes with flows.
func (d *scan) Advance(int64, sensor.Emit) {}

// Name implements Counted.
func (d *scan) Name() string { return "scan" }

// Counters implements Counted.
func (d *scan) Counters() []Counter {
	return []Counter{
		{"first_contacts", d.first}, {"abstained", d.abstained}, {"allowed", d.allowed},
		{"contacts", uint64(d.met.n)}, {"contacts_turned_early", d.met.early},
		{"sources", uint64(d.sources.len())}, {"sources_evicted", d.sources.evicted},
		{"pairs", uint64(d.pairs.len())}, {"pairs_evicted", d.pairs.evicted},
	}
}

// ignored tells whether a client may search: a configured scanner, or a proxy,
// whose contacts others choose.
func (d *scan) ignored(a netip.Addr) bool {
	for _, p := range d.config.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return d.site.isProxy(a)
}

// Kinds of first contact, which keep the keys of the memory apart.
const (
	withMachine uint64 = iota + 1
	withAdmin
	withPort
)

func contactKey(kind uint64, m *records.Meta, detail uint64) uint64 {
	h := hashNumber(fnvOffset, kind)
	h = hashNumber(h, addrKey(m.Client().Addr()))
	h = hashNumber(h, addrKey(m.Server().Addr()))
	return mix(hashNumber(h, detail))
}

// horizontal counts machines. Outside, only ports of administration count: the
// web is full of dead servers that nobody searches for.
func (d *scan) horizontal(f *records.Flow, x target, emit sensor.Emit) {
	m := f.Meta()
	admin := administrative(x.proto, x.port)
	if !m.ServerInternal && !admin || x.outcome == mute {
		return
	}
	newMachine := d.met.first(contactKey(withMachine, m, 0), m.At)
	newAdmin := admin && d.met.first(contactKey(withAdmin, m, 0), m.At)
	if !newMachine && !newAdmin {
		return
	}
	d.first++
	s, _ := d.sources.at(addrKey(m.Client().Addr()))
	nats := x.outcome.step()
	if s.run.next(x.addr) && x.outcome == failure {
		nats += sequenceBonus
	}
	sum := 0.0
	if newMachine {
		sum = s.all.step(nats, m.At, d.config.Threshold)
	}
	if newAdmin {
		sum = max(sum, s.admin.step(nats, m.At, d.config.Threshold))
	}
	if s.all.sum == 0 && s.admin.sum == 0 {
		s.failing.n, s.failed = 0, 0
	} else if s.failing.add(x, m); x.outcome == failure {
		s.failed++
	}
	if sum >= d.config.Threshold && x.outcome == failure {
		d.tellSearch(f, s, sum, emit)
	}
	if newAdmin && !d.wellKnown(x) {
		d.peer(f, s, x, emit)
	}
}

// wellKnown tells whether several other machines use that very service.
func (d *scan) wellKnown(x target) bool { return d.site.serves(x.addr, x.port) >= 4 }

// peer counts a new peer on a port of administration against the client's habit.
func (d *scan) peer(f *records.Flow, s *source, x target, emit sensor.Emit) {
	m := f.Meta()
	if s.habit.count(m.At) {
		s.peers.n = 0
	}
	s.peers.add(x, m)
	if n, mean, days, odd := s.habit.unusual(d.config.FirstDayPeers, d.config.PeerOdds); odd {
		d.tellPeers(f, s, n, mean, days, emit)
	}
}

// vertical counts ports of one machine.
func (d *scan) vertical(f *records.Flow, x target, emit sensor.Emit) {
	m := f.Meta()
	key := contactKey(withMachine, m, 0)
	p := d.pairs.get(key)
	if p == nil && x.outcome == success || !d.met.first(contactKey(withPort, m, uint64(x.proto)<<16|uint64(x.port)), m.At) {
		return
	}
	d.first++
	if p == nil {
		p, _ = d.pairs.at(key)
	}
	sum := p.step(x.outcome.step(), m.At, d.config.Threshold)
	if sum == 0 {
		p.failing.n, p.failed = 0, 0
		return
	}
	p.failing.add(x, m)
	if x.outcome != success {
		p.failed++
	}
	if sum >= d.config.Threshold && x.outcome != success {
		d.tellPorts(f, p, emit)
	}
}
