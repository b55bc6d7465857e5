package detectors

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// site learns from traffic who is who, for the other detectors: the machines
// inside and when they are active, how many of them know a destination, which
// are proxies, resolvers and other servers, and which addresses came from DNS.
// It writes no alerts. It must see each record before they do.
type site struct {
	config SiteConfig
	start  int64 // first record's time
	now    int64

	hosts   *table[host]
	dests   *table[destination]
	servers *table[crowd]     // (internal address, port) -> clients that it answered
	roles   *table[proxyRole] // by address
	named   *table[int64]     // addresses that DNS answers gave -> when
	proxies []uint64          // addrKey of the explicit proxies, in order of discovery
	proxied uint64            // transactions through explicit proxies
	refused uint64            // proxies beyond maxProxies
	users   uint64            // machines that use a proxy
	sight   sight
}

// host is a machine inside.
type host struct {
	first, last  int64
	destinations uint32 // distinct (destination, port) it turned to outside
	proxied      uint32 // connections through an explicit proxy
	browsed      uint32 // requests that name the page they come from
	slot         int64  // number of the last activity slot
	active       [activitySlots / 8]byte
}

const (
	activitySlot  = int64(10 * time.Minute)
	activitySlots = 14 * 24 * 6
)

// destination is a name or address outside.
type destination struct {
	first, last int64
	hosts       crowd
}

// proxyRole is the evidence that a machine is an explicit proxy.
type proxyRole struct {
	clients crowd
	served  uint32 // requests that it answered with success
}

const (
	// provenProxy is how many served requests prove a proxy whoever asks.
	provenProxy = 20
	maxProxies  = 64
)

func newSite(c SiteConfig) *site {
	s := &site{
		config:  c,
		hosts:   newTable[host](c.Hosts),
		dests:   newTable[destination](c.Destinations),
		servers: newTable[crowd](c.Servers),
		roles:   newTable[proxyRole](c.Servers),
		named:   newTable[int64](c.Addresses),
	}
	for _, a := range c.Proxies {
		s.proxies = append(s.proxies, addrKey(a))
	}
	return s
}

// Observe implements sensor.Detector.
func (s *site) Observe(r records.Record, _ sensor.Emit) {
	m := r.Meta()
	s.now = max(s.now, m.At)
	if s.start == 0 {
		s.start = m.At
	}
	switch r := r.(type) {
	case *records.HTTP:
		s.learnProxy(r)
	case *records.Flow:
		s.sight.note(r)
		s.learnServer(r)
	case *records.DNS:
		s.learnNames(r)
	}
	if !m.ClientInternal {
		return
	}
	h, fresh := s.hosts.at(addrKey(m.Client().Addr()))
	if fresh {
		h.first = m.At
	}
	h.last = max(h.last, m.At)
	if f, ok := r.(*records.Flow); ok {
		h.mark(f.Start)
		h.mark(f.End)
	} else {
		h.mark(m.At)
	}
	if x, ok := r.(*records.HTTP); ok {
		if x.Proxied && x.Depth <= 1 {
			if h.proxied++; h.proxied == usesProxy {
				s.users++
			}
		}
		if x.Referrer != "" {
			h.browsed++
		}
	}
	if c, ok := contactOf(r); ok {
		s.visit(h, &c)
	}
}

// Advance implements sensor.Detector.
func (s *site) Advance(int64, sensor.Emit) {}

// Name implements Counted.
func (s *site) Name() string { return "site" }

// Counters implements Counted.
func (s *site) Counters() []Counter {
	return []Counter{
		{"hosts", uint64(s.hosts.len())}, {"hosts_evicted", s.hosts.evicted},
		{"destinations", uint64(s.dests.len())}, {"destinations_evicted", s.dests.evicted},
		{"servers", uint64(s.servers.len())}, {"servers_evicted", s.servers.evicted},
		{"proxies", uint64(len(s.proxies))}, {"proxies_refused", s.refused}, {"proxy_roles_evicted", s.roles.evicted},
		{"addresses", uint64(s.named.len())}, {"addresses_evicted", s.named.evicted},
		{"proxied_requests", s.proxied}, {"proxy_users", s.users},
	}
}

// visit counts who knows a destination, by its name and its registered domain.
func (s *site) visit(h *host, c *contact) {
	id := uint32(addrKey(c.client))
	if s.meet(c.destination(), id) && !c.ntp() {
		h.destinations++
	}
	if d := registered(c.name); d != "" && len(d) != len(c.name) {
		s.meet(nameKey(d), id)
	}
}

func (s *site) meet(key uint64, id uint32) bool {
	d, fresh := s.dests.at(key)
	if fresh {
		d.first = s.now
	}
	d.last = s.now
	return d.hosts.add(id)
}

// registered is the domain under a public suffix that a name belongs to, "" for
// names that have none.
func registered(name string) string {
	if name == "" {
		return ""
	}
	d, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(name))
	if err != nil {
		return ""
	}
	return d
}

// familiarity is how well a destination is known inside.
type familiarity struct {
	hosts int   // machines that contacted it, exact up to the size of crowd
	total int   // machines inside
	since int64 // when the first one did
}

// familiar tells how well the destination of a contact is known: by its name or
// by its registered domain, whichever is better known. Proxies do not count:
// they go where others send them.
func (s *site) familiar(c *contact) familiarity {
	f := s.known(c.destination())
	if d := registered(c.name); d != "" {
		if g := s.known(nameKey(d)); g.hosts > f.hosts {
			f.hosts = g.hosts
		}
	}
	return f
}

func (s *site) known(key uint64) familiarity {
	f := familiarity{total: s.hosts.len(), since: s.now}
	d := s.dests.get(key)
	if d == nil {
		return f
	}
	f.since = d.first
	for _, id := range d.hosts.ids[:d.hosts.n] {
		if !s.proxyID(id) {
			f.hosts++
		}
	}
	return f
}

// common tells whether so many machines know a destination that whatever goes
// on with it belongs to the place.
func (f familiarity) common() bool {
	return f.hosts >= 10 || f.hosts >= 3 && 10*f.hosts >= f.total
}

// rarity is the evidence in nats of the number of machines that know a
// destination: what infects one machine is known to one machine.
func (f familiarity) rarity() float64 {
	switch {
	case f.common():
		return -6
	case f.hosts <= 1:
		return 2.5
	case f.hosts == 2:
		return 1.5
	}
	return 0
}

// age is the evidence of when a destination was first seen, in nats; the first
// days of a sensor know nothing about age.
func (s *site) age(f familiarity) float64 {
	const day = int64(24 * time.Hour)
	switch old := s.now - f.since; {
	case old > 30*day:
		return -1.5
	case old < 7*day && f.since-s.start >= day:
		return 1.5
	}
	return 0
}

// learnProxy notes who serves absolute-form and CONNECT requests.
func (s *site) learnProxy(r *records.HTTP) {
	m := r.Meta()
	if !r.Proxied || !m.ServerInternal {
		return
	}
	s.proxied++
	key := addrKey(m.Server().Addr())
	p, _ := s.roles.at(key)
	p.clients.add(uint32(addrKey(m.Client().Addr())))
	if r.ResponseSeen && r.Status >= 200 && r.Status < 400 {
		p.served++
	}
	if p.served == 0 || int(p.clients.n) < s.config.ProxyClients && p.served < provenProxy || s.proxyKey(key) {
		return
	}
	if len(s.proxies) < maxProxies {
		s.proxies = append(s.proxies, key)
	} else {
		s.refused++
	}
}

// isProxy tells whether a machine inside is an explicit proxy.
func (s *site) isProxy(a netip.Addr) bool { return s.proxyKey(addrKey(a)) }

func (s *site) proxyKey(key uint64) bool {
	for _, k := range s.proxies {
		if k == key {
			return true
		}
	}
	return false
}

// proxyID is isProxy for a member of a crowd.
func (s *site) proxyID(id uint32) bool {
	for _, k := range s.proxies {
		if uint32(k) == id {
			return true
		}
	}
	return false
}

// learnServer notes which ports of which machines inside answer whom.
func (s *site) learnServer(r *records.Flow) {
	m := r.Meta()
	if !m.ServerInternal || !m.HasPorts() || r.Resp.Packets == 0 {
		return
	}
	if m.Key.Proto == packet.ProtoTCP && !answered(r.ConnState) {
		return
	}
	server := m.Server()
	c, _ := s.servers.at(serverKey(server.Addr(), server.Port()))
	c.add(uint32(addrKey(m.Client().Addr())))
}

func serverKey(a netip.Addr, port uint16) uint64 {
	return mix(hashNumber(addrKey(a), uint64(port)))
}

// serves is how many machines a port of a machine inside answered.
func (s *site) serves(a netip.Addr, port uint16) int {
	if c := s.servers.get(serverKey(a, port)); c != nil {
		return int(c.n)
	}
	return 0
}

// learnNames notes the addresses that DNS gave out.
func (s *site) learnNames(r *records.DNS) {
	for i := range r.Answers {
		a := &r.Answers[i]
		if a.Type != "A" && a.Type != "AAAA" {
			continue
		}
		if ip, err := netip.ParseAddr(a.Data); err == nil {
			at, _ := s.named.at(addrKey(ip.Unmap()))
			*at = s.now
		}
	}
}

// nameless is the evidence in nats of turning to an address that no DNS answer
// gave out; it says nothing where no DNS is visible.
func (s *site) nameless(c *contact) float64 {
	if c.name != "" || s.named.len() == 0 || s.named.get(addrKey(c.addr)) != nil {
		return 0
	}
	return 2
}

// host returns what is known of a machine inside; nil for others.
func (s *site) host(a netip.Addr) *host { return s.hosts.get(addrKey(a)) }

// mark notes that the machine was active at t.
func (h *host) mark(t int64) {
	n := t / activitySlot
	switch {
	case t <= 0 || n <= h.slot-activitySlots:
		return
	case n-h.slot >= activitySlots: // new, or away for longer than is remembered
		clear(h.active[:])
		h.slot = n
	case n > h.slot:
		for i := h.slot + 1; i <= n; i++ {
			k := i % activitySlots
			h.active[k/8] &^= 1 << (k % 8)
		}
		h.slot = n
	}
	k := n % activitySlots
	h.active[k/8] |= 1 << (k % 8)
}

// silent tells whether the machine was inactive for at least half of the time
// between two of its contacts: asleep or switched off. Spans too short or too
// long to tell are not silent.
func (h *host) silent(from, to int64) bool {
	a, b := from/activitySlot+1, to/activitySlot
	if b-a < 3 || a <= h.slot-activitySlots {
		return false
	}
	active := int64(0)
	for i := a; i < b && i <= h.slot; i++ {
		k := i % activitySlots
		if h.active[k/8]&(1<<(k%8)) != 0 {
			active++
		}
	}
	return 2*active <= b-a
}
