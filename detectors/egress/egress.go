package egress

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Detector finds traffic around the proxy, the name servers and the relays.
type Detector struct {
	config Config
	census *census.Census
	book   *incident.Book
	hosts  *table.Table[host]
	dests  *table.Table[table.Crowd] // destination, domain, network and port, or port -> machines that went there directly
	met    *table.Memory             // machine and destination
	place  [ways]discipline

	direct, excepted, relayed, unjudged uint64
}

const day = int64(24 * time.Hour)

// New makes a detector that has learned nothing.
func New(c Config, who *census.Census, b *incident.Book) *Detector {
	d := &Detector{config: c, census: who, book: b, hosts: table.New[host](c.Hosts), dests: table.New[table.Crowd](c.Destinations),
		met: table.NewMemory(c.Contacts, int64(c.Remember))}
	d.hosts.Spare = func(h *host) bool { return h.told || h.latched[byProxy] }
	return d
}

// Observe implements sensor.Detector.
func (d *Detector) Observe(r records.Record, emit sensor.Emit) {
	m := r.Meta()
	if !m.ClientInternal {
		return
	}
	switch r := r.(type) {
	case *records.HTTP:
		if r.Proxied && r.RequestSeen && r.Depth <= 1 {
			d.pass(m, byProxy)
			return
		}
	case *records.SOCKS:
		if r.Command == "connect" {
			d.pass(m, byProxy)
		}
		return
	case *records.Flow:
		if m.ServerInternal {
			d.inside(r)
			return
		}
	case *records.TLS, *records.Pulse:
	default:
		return
	}
	if !m.ServerInternal && single(m.Server().Addr()) {
		d.outside(r, emit)
	}
}

// Advance implements sensor.Detector. Every alert is raised by a contact.
func (d *Detector) Advance(int64, sensor.Emit) {}

// single tells whether an address is of one machine beyond the link.
func single(a netip.Addr) bool {
	return a.IsGlobalUnicast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// Counters are the bookkeeping.
func (d *Detector) Counters() []census.Counter {
	return []census.Counter{
		{Name: "direct", Value: d.direct}, {Name: "excepted", Value: d.excepted}, {Name: "relayed", Value: d.relayed}, {Name: "unjudged", Value: d.unjudged},
		{Name: "hosts", Value: uint64(d.hosts.Len())}, {Name: "hosts_evicted", Value: d.hosts.Evicted()},
		{Name: "destinations", Value: uint64(d.dests.Len())}, {Name: "destinations_evicted", Value: d.dests.Evicted()},
		{Name: "contacts", Value: uint64(d.met.Len())}, {Name: "contacts_turned_early", Value: d.met.Early()},
	}
}

// inside notes queries and mail that go to servers inside.
func (d *Detector) inside(r *records.Flow) {
	m := r.Meta()
	if !m.HasPorts() || r.Resp.Packets == 0 {
		return
	}
	switch m.Server().Port() {
	case 53:
		d.pass(m, byResolver)
	case 25, 465, 587:
		if m.Key.Proto == packet.ProtoTCP && census.Answered(r) {
			d.pass(m, byRelay)
		}
	}
}

func (d *Detector) pass(m *records.Meta, w way) {
	h, _ := d.hosts.At(d.census.Source(m))
	h.pass(w, &d.place[w], m.At/day)
}

// outside judges a direct contact.
func (d *Detector) outside(r records.Record, emit sensor.Emit) {
	m := r.Meta()
	client := m.Client().Addr()
	roles := d.census.Roles(client)
	if roles&census.Proxy != 0 {
		d.relayed++
		d.met.First(relayKey(m.Server().Addr()), m.At)
		return
	}
	x, ok := d.excursion(r)
	if !ok || x.class.role(roles) {
		d.unjudged++
		return
	}
	d.direct++
	x.key = table.Addr(x.addr)
	if x.name != "" {
		x.key = table.Name(x.name)
	}
	source := d.census.Source(m)
	fresh := d.meet(&x, m, source)
	if d.exception(client, &x) {
		d.excepted++
		return
	}
	h, _ := d.hosts.At(source)
	if fresh {
		for w := range ways {
			if x.class.around(w) {
				h.leave(w, &d.place[w], m.At/day)
			}
		}
	}
	if news := h.note(&x, m, fresh, int64(d.config.Window)); news {
		d.judge(m, h, emit)
	}
}

// meet notes that a machine goes to a destination directly, and tells whether it
// is new to it; then it completes what must be asked for.
func (d *Detector) meet(x *excursion, m *records.Meta, source uint64) bool {
	contact := table.Number(table.Pair(source, x.key), uint64(x.class)<<16|uint64(x.port))
	// What does not answer may be known in vain: when it answers, that is new.
	fresh := d.met.First(table.Number(contact, uint64(min(x.opened, 1))), m.At)
	if !fresh {
		x.domain = x.key
		return false
	}
	k := census.Contact{Meta: m, Client: m.Client().Addr(), Source: source, Name: x.name, Addr: x.addr, Port: x.port}
	unnamed := d.census.Nameless(&census.Contact{Addr: x.addr})
	x.nameless = unnamed && x.name == ""
	x.domain = x.key
	if x.name != "" && !unnamed { // else the name is only what the client says
		x.domain = k.DomainKey()
	}
	f := d.census.Familiar(&k)
	x.recent, x.famous = f.New, f.Common() || x.name == "" && d.met.Known(relayKey(x.addr))
	x.habit = m.At-d.census.Start() < int64(d.config.Learning)
	x.name = strings.Clone(x.name[:min(len(x.name), maxName)])
	id := uint32(source)
	for _, key := range [...]uint64{x.key, x.domain, networkKey(x), portKey(x)} {
		crowd, _ := d.dests.At(key)
		crowd.Add(id)
	}
	return true
}

// networkKey is of a /24 (IPv6: /48) and a port: services with many addresses.
func networkKey(x *excursion) uint64 {
	bits := 24
	if x.addr.Is6() {
		bits = 48
	}
	p, err := x.addr.Prefix(bits)
	if err != nil {
		return x.key
	}
	return table.Number(table.Number(table.Addr(p.Addr()), networkSalt), uint64(x.proto)<<16|uint64(x.port))
}

func portKey(x *excursion) uint64 {
	return table.Number(portSalt, uint64(x.proto)<<16|uint64(x.port))
}

// relayKey is of an address that a proxy goes to.
func relayKey(a netip.Addr) uint64 { return table.Number(table.Addr(a), relaySalt) }

const networkSalt, portSalt, relaySalt = 0x6e6574, 0x706f7274, 0x70726f78

// exception tells whether a destination may be reached directly: configured, or
// so usual that the network must allow it.
func (d *Detector) exception(client netip.Addr, x *excursion) bool {
	if d.config.allowed(client, x) {
		return true
	}
	common := d.config.CommonHosts
	if d.machines(x.key) >= common || x.domain != x.key && d.machines(x.domain) >= common {
		return true
	}
	return d.machines(networkKey(x)) >= common
}

// machines is how many machines went there directly.
func (d *Detector) machines(key uint64) int {
	if c := d.dests.Get(key); c != nil {
		return c.Len()
	}
	return 0
}

// note adds a contact to a machine's excursions, and tells whether it is news:
// a new destination, or another visit to one that still is followed.
func (h *host) note(x *excursion, m *records.Meta, fresh bool, window int64) bool {
	h.list = slices.DeleteFunc(h.list, func(have excursion) bool { return x.last-have.last > window })
	if len(h.list) == 0 {
		h.beyond, h.told, h.bearing, h.flows = 0, false, 0, incident.Samples{}
	}
	for i := range h.list {
		have := &h.list[i]
		if !have.same(x) {
			continue
		}
		visits, opened := have.visits, have.opened
		have.merge(x)
		if fresh {
			have.habit, have.recent, have.famous, have.nameless = x.habit, x.recent, x.famous, x.nameless
		}
		h.flows.Add(m)
		return !h.told && have.visits > visits || opened == 0 && have.opened > 0
	}
	if !fresh {
		return false // a habit
	}
	h.flows.Add(m)
	if len(h.list) == maxExcursions {
		h.beyond++
		h.list = slices.Delete(h.list, 0, 1)
	}
	h.list = append(h.list, *x)
	return true
}

// Name implements state.Part.
func (d *Detector) Name() string { return "egress" }

// Version implements state.Part.
func (d *Detector) Version() int { return 1 }

// Save implements state.Part.
func (d *Detector) Save(e *state.Encoder) {
	d.hosts.Save(e, func(e *state.Encoder, h *host) { h.save(e) })
	d.dests.Save(e, func(e *state.Encoder, c *table.Crowd) { c.Save(e) })
	d.met.Save(e)
	for w := range ways {
		p := &d.place[w]
		e.Float(p.days)
		e.Float(p.leaks)
		e.Int(p.day)
	}
}

// Load implements state.Part.
func (d *Detector) Load(dec *state.Decoder) {
	d.hosts.Load(dec, func(dec *state.Decoder, h *host) { h.load(dec) })
	d.dests.Load(dec, func(dec *state.Decoder, c *table.Crowd) { c.Load(dec) })
	d.met.Load(dec)
	for w := range ways {
		days, leaks := max(0, min(dec.Float(), 1e9)), max(0, min(dec.Float(), 1e9))
		d.place[w] = discipline{days: days, leaks: leaks, day: dec.Int()}
	}
}
