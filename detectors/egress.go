package detectors

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// egress finds traffic that goes around the proxy. A machine whose web
// connections go through an explicit proxy as good as always has no business
// outside by itself; programs that know no proxy, and those that are not meant
// to be seen by it, try nevertheless. Attempts that the firewall stops count as
// well as those that succeed.
type egress struct {
	config EgressConfig
	site   *site
	hosts  *table[excursions]
	dests  *table[crowd] // destination or odd port -> machines that went there directly

	leaky                               uint64 // proxy-only machines with direct contacts that are no exceptions
	direct, excepted, relayed, unjudged uint64
}

// excursions are one machine's direct contacts.
type excursions struct {
	list     []excursion // at most maxExcursions
	beyond   int         // destinations that found no room
	distinct int         // direct destinations ever, exceptions included
	latched  bool        // was proxy-only when enough was known
	flows    samples
	told     raised
	alerted  int
}

// excursion is one destination contacted directly.
type excursion struct {
	key         uint64
	name        string // cut
	addr        netip.Addr
	port        uint16
	proto       uint8
	nameless    bool
	visits      int // a minute or more apart
	opened      int
	blocked     int
	octets      uint64
	first, last int64
}

const (
	maxExcursions = 32
	visitGap      = int64(time.Minute)
)

func newEgress(c EgressConfig, s *site) *egress {
	return &egress{config: c, site: s, hosts: newTable[excursions](c.Hosts), dests: newTable[crowd](c.Destinations)}
}

// Observe implements sensor.Detector.
func (d *egress) Observe(r records.Record, emit sensor.Emit) {
	f, ok := r.(*records.Flow)
	if !ok || !outward(f.Meta()) {
		return
	}
	m := f.Meta()
	client := m.Client().Addr()
	if d.site.isProxy(client) {
		d.relayed++
		return
	}
	x, ok := d.excursion(f)
	if !ok {
		d.unjudged++
		return
	}
	d.direct++
	id := uint32(addrKey(client))
	known, _ := d.dests.at(x.key)
	known.add(id)
	if !web(x.port) {
		known, _ = d.dests.at(portKey(x.proto, x.port))
		known.add(id)
	}
	if d.exception(&x) {
		d.excepted++
		return
	}
	h, _ := d.hosts.at(addrKey(client))
	h.note(&x, m, int64(d.config.Window))
	d.judge(f, h, emit)
}

// Advance implements sensor.Detector. Every alert is raised by a flow.
func (d *egress) Advance(int64, sensor.Emit) {}

// Name implements Counted.
func (d *egress) Name() string { return "egress" }

// Counters implements Counted.
func (d *egress) Counters() []Counter {
	return []Counter{
		{"leaky_hosts", d.leaky}, {"direct", d.direct}, {"excepted", d.excepted}, {"relayed_by_proxy", d.relayed}, {"unjudged", d.unjudged},
		{"hosts", uint64(d.hosts.len())}, {"hosts_evicted", d.hosts.evicted},
		{"destinations", uint64(d.dests.len())}, {"destinations_evicted", d.dests.evicted},
	}
}

// excursion reads a direct flow; flows that show too little, and time and name
// requests, which proxies do not carry, are not judged.
func (d *egress) excursion(f *records.Flow) (excursion, bool) {
	m := f.Meta()
	server := m.Server()
	x := excursion{name: cut(f.ServerName), addr: server.Addr(), port: server.Port(), proto: m.Key.Proto,
		octets: f.Orig.IPBytes + f.Resp.IPBytes, visits: 1, first: f.Start, last: f.Start}
	switch m.Key.Proto {
	case packet.ProtoTCP:
		switch {
		case refused(f):
			x.blocked = 1
		case answered(f.ConnState):
			x.opened = 1
		default:
			return x, false
		}
	case packet.ProtoUDP:
		switch {
		case x.port == 53 || f.Service == "dns" || ntpShaped(f):
			return x, false
		case f.Resp.Packets > 0:
			x.opened = 1
		case d.site.sight.blind():
			return x, false
		default:
			x.blocked = 1
		}
	default:
		return x, false
	}
	x.key = addrKey(x.addr)
	if x.name != "" {
		x.key = nameKey(x.name)
	}
	x.nameless = d.site.nameless(&contact{name: x.name, addr: x.addr}) > 0
	return x, !d.role(m.Client().Addr(), x.port)
}

// ntpShaped tells whether a flow is of time requests: port 123 and datagrams of
// 48 octets (RFC 5905 section 7.3) or 68 with a digest.
func ntpShaped(f *records.Flow) bool {
	n := f.Orig.Packets
	return f.Meta().Server().Port() == 123 && (f.Orig.Payload == 48*n || f.Orig.Payload == 68*n)
}

// role tells whether a machine is there to talk to that port outside: mail
// relays, name and time servers, known by whom they serve.
func (d *egress) role(client netip.Addr, port uint16) bool {
	switch port {
	case 53, 853:
		return d.site.serves(client, 53) >= 2
	case 25, 465, 587:
		return d.site.serves(client, 25) >= 2 || d.site.serves(client, 587) >= 2
	case 123:
		return d.site.serves(client, 123) >= 2
	}
	return false
}

func web(port uint16) bool { return port == 80 || port == 443 }

func portKey(proto uint8, port uint16) uint64 {
	return mix(hashNumber(fnvOffset, 1<<32|uint64(proto)<<16|uint64(port)))
}

// exception tells whether a destination may be reached directly: configured, or
// so usual that the network must allow it.
func (d *egress) exception(x *excursion) bool {
	for _, p := range d.config.AllowNetworks {
		if p.Contains(x.addr) {
			return true
		}
	}
	if x.name != "" && within(x.name, d.config.AllowNames) {
		return true
	}
	if d.directHosts(x.key) >= d.config.CommonHosts {
		return true
	}
	return !web(x.port) && d.directHosts(portKey(x.proto, x.port)) >= d.config.CommonHosts
}

// directHosts is how many machines, proxies aside, went there directly.
func (d *egress) directHosts(key uint64) int {
	c := d.dests.get(key)
	if c == nil {
		return 0
	}
	n := 0
	for _, id := range c.ids[:c.n] {
		if !d.site.proxyID(id) {
			n++
		}
	}
	return n
}

// note adds a contact to a machine's excursions.
func (h *excursions) note(x *excursion, m *records.Meta, window int64) {
	h.flows.add(m)
	h.list = slices.DeleteFunc(h.list, func(have excursion) bool { return x.last-have.last > window })
	for i := range h.list {
		have := &h.list[i]
		if have.key != x.key || have.port != x.port || have.proto != x.proto {
			continue
		}
		if x.last-have.last >= visitGap {
			have.visits++
		}
		have.first, have.last = min(have.first, x.first), max(have.last, x.last)
		have.opened += x.opened
		have.blocked += x.blocked
		have.octets += x.octets
		return
	}
	h.distinct++
	if len(h.list) == maxExcursions {
		h.beyond++
		return
	}
	h.list = append(h.list, *x)
}

// judge weighs a machine's excursions against its use of the proxy.
func (d *egress) judge(f *records.Flow, h *excursions, emit sensor.Emit) {
	m := f.Meta()
	seen := d.site.host(m.Client().Addr())
	if seen == nil {
		return
	}
	through := int(seen.proxied)
	if !h.latched && through >= d.config.MinProxied && proxiedShare(through, h.distinct) >= d.config.ProxyShare {
		h.latched = true
		d.leaky++
	}
	if !h.latched {
		return
	}
	total := surprise(through) + laxity(d.leaky-1, d.site.users)
	live := h.list[:0:0]
	for _, x := range h.list {
		if d.exception(&x) {
			continue // became usual since
		}
		live = append(live, x)
		total += x.weight(d.directHosts(x.key))
	}
	if len(live) == 0 || total < d.config.Threshold {
		return
	}
	if h.told.at == 0 {
		h.alerted = len(live) + h.beyond
	}
	// Further destinations of an incident that was told are its continuation,
	// unless their number grows tenfold.
	if !h.told.due(m.At, scope(alertScore, h.alerted, len(live)+h.beyond)) {
		return
	}
	emit(d.alert(f, h, live, through, min(total, 2*highScore)))
}

// proxiedShare is the share of the proxy in a machine's web connections. Direct
// contacts count by destination: one program that calls one server often must
// not make its machine a direct user.
func proxiedShare(through, direct int) float64 {
	return float64(through) / float64(max(through+direct, 1))
}

// surprise is how unexpected, in nats, a direct contact is after so many
// connections through the proxy (Krichevsky-Trofimov estimate), at most 8.
func surprise(through int) float64 {
	return min(8, -math.Log(0.5/float64(through+1)))
}

// laxity lessens the surprise, in nats, where other proxy-only machines of so
// many users go outside directly, too, or too few are known to tell the rule.
func laxity(others, users uint64) float64 {
	const strict = 3 // nats: none of nine others does
	return min(0, -math.Log((float64(others)+0.5)/float64(max(users, others)+1))-strict)
}

// weight is the evidence in nats of one destination, that so many machines
// contact directly.
func (x *excursion) weight(hosts int) float64 {
	if x.opened == 0 {
		return 1.5 + 0.5*float64(min(x.visits-1, 4))
	}
	w := min(float64(x.visits-1), 6) + familiarity{hosts: hosts, total: 1000}.rarity()
	if !web(x.port) {
		w += 2
	}
	if x.nameless {
		w += 2
	}
	return w
}

// alert tells the incident.
func (d *egress) alert(f *records.Flow, h *excursions, live []excursion, through int, total float64) *records.Alert {
	m := f.Meta()
	a := records.NewAlert(*m)
	last := live[len(live)-1]
	a.Rule = "direct-egress"
	a.Source = m.Client().Addr()
	a.Score, a.Severity = total, severity(total)
	a.Destination = endpointText(last.name, last.addr, last.port)
	a.DestAddr, a.DestPort = last.addr, last.port
	a.Since, a.Until = live[0].first, live[0].last
	opened, blocked := 0, 0
	for i := range live {
		a.Since, a.Until = min(a.Since, live[i].first), max(a.Until, live[i].last)
		opened, blocked = opened+live[i].opened, blocked+live[i].blocked
	}
	a.Title = fmt.Sprintf("%s goes around the proxy to %d destination(s)", a.Source, len(live)+h.beyond)
	a.Evidence = []string{
		fmt.Sprintf("%d connections of %s went through a proxy, %.1f %% of what counts; direct contacts are out of the ordinary by %.1f nats",
			through, a.Source, 100*proxiedShare(through, h.distinct), surprise(through)+laxity(d.leaky-1, d.site.users)),
		fmt.Sprintf("%d direct connections were answered, %d were blocked or unanswered", opened, blocked),
		listExcursions(live, h.beyond),
	}
	a.Benign = "Programs that do not know the proxy (updaters, calls, captive-portal checks, VPN clients) and destinations that the " +
		"automatic proxy configuration excepts. If it is meant to be, add it to detect.egress.allow_names or allow_networks."
	a.Technique = egressTechniques(live)
	h.flows.into(a)
	return a
}

// egressTechniques names the MITRE ATT&CK techniques for the ports used.
func egressTechniques(live []excursion) []string {
	t := []string{"T1071"}
	for i := range live {
		if !web(live[i].port) {
			return append(t, "T1571")
		}
	}
	return t
}

func listExcursions(live []excursion, beyond int) string {
	var b strings.Builder
	b.WriteString("direct destinations: ")
	for i := range live {
		x := &live[i]
		if i == maxSamples {
			fmt.Fprintf(&b, ", and %d more", len(live)-i+beyond)
			return b.String()
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (%s, %d answered, %d blocked, %d octets, first %s)", quote(endpointText(x.name, x.addr, x.port)),
			records.Transport(x.proto), x.opened, x.blocked, x.octets, clock(x.first))
	}
	return b.String()
}
