// Package census learns from traffic who is who, for the detectors: the machines
// inside and when they are active, how many of them know a destination, which
// are proxies, resolvers, relays and other servers, which addresses DNS gave
// out, which programs are rare, which addresses inside are alive, and when the
// sensor itself could not see. It raises nothing.
//
// A machine is told by its MAC address where that is known, else by its name,
// else by its address (see Source), so that its history outlives a new lease.
//
// All it remembers is bounded by Config, counted, saved and restored
// (state.Part), and depends on the records alone. It imports packet, records,
// sensor, and the leaves state and table.
package census

import (
	"net/netip"
	"time"

	"kagami/detectors/table"
	"kagami/records"
	"kagami/sensor"
)

// Census is what was learned. It must see each record before the detectors that
// ask it do, on the same goroutine.
type Census struct {
	config Config
	clock  clock
	sight  sight
	client client // of the record at hand

	addresses *table.Table[local] // inside, by hash of the address
	idents    *table.Table[ident] // MAC addresses and host names -> machine
	hosts     *table.Table[Host]  // by machine
	active    activeHosts

	dests *table.Table[destination]
	named *table.Table[int64] // addresses that DNS answers gave -> when, nanoseconds since the epoch

	servers *table.Table[table.Crowd] // (machine, port) -> clients that it answered
	brokers *table.Table[broker]      // machine -> evidence that it is an explicit proxy
	pollers *table.Table[poller]      // (machine, port) -> machines inside that it watches
	roles   *table.Table[Role]        // by machine
	proxies []uint64                  // machines that proved to be explicit proxies, in order of discovery
	given   []uint64                  // those that the configuration names
	proxied uint64                    // transactions through explicit proxies
	refused uint64                    // proxies beyond maxProxies

	agents  *table.Table[table.Crowd] // family of User-Agents -> machines
	prints  *table.Table[table.Crowd] // JA4 -> machines
	tunnels *table.Table[string]      // flow -> JA4 of the handshake inside its CONNECT tunnel

	neighbours neighbours
}

// New makes a census that knows what the configuration tells.
func New(c Config) *Census {
	x := &Census{
		config:    c,
		addresses: table.New[local](localsPerHost * c.Hosts),
		idents:    table.New[ident](identsPerHost * c.Hosts),
		hosts:     table.New[Host](c.Hosts),
		dests:     table.New[destination](c.Destinations),
		named:     table.New[int64](c.Addresses),
		servers:   table.New[table.Crowd](c.Servers),
		brokers:   table.New[broker](c.Servers),
		pollers:   table.New[poller](c.Servers),
		roles:     table.New[Role](c.Servers),
		agents:    table.New[table.Crowd](c.Programs),
		prints:    table.New[table.Crowd](c.Programs),
		tunnels:   table.New[string](maxTunnels),
	}
	x.neighbours = newNeighbours(c.Hosts)
	for _, a := range c.Proxies {
		x.give(table.Addr(a.Unmap()))
	}
	return x
}

// Observe implements sensor.Detector.
func (c *Census) Observe(r records.Record, _ sensor.Emit) {
	m := r.Meta()
	c.tick(m)
	switch r := r.(type) {
	case *records.Stats:
		c.clock.stats(r)
		return
	case *records.ARP:
		c.learnARP(r)
		return
	case *records.Alert, *records.Identity:
		return // they stand for the record before them
	}
	var h *Host
	var id uint64
	if a := m.Client().Addr(); m.ClientInternal && single(a) {
		key := table.Addr(a)
		id = c.identify(a, key, m.ClientHost)
		c.client = client{a, id}
		h = c.attend(id, key, m.At)
	}
	switch r := r.(type) {
	case *records.HTTP:
		c.learnHTTP(r, h, id)
	case *records.Flow:
		c.learnFlow(r, h, id)
	case *records.SOCKS:
		c.learnSOCKS(r, h, id)
	case *records.DNS:
		c.learnDNS(r)
	case *records.TLS:
		c.learnTLS(r, id)
	}
	if h == nil {
		return
	}
	if k, ok := c.ContactOf(r); ok {
		c.visit(h, &k)
	} else if k, ok := c.DNSContactOf(r); ok {
		c.ask(&k)
	}
}

// Advance implements sensor.Detector.
func (c *Census) Advance(int64, sensor.Emit) {}

// learnFlow takes from a flow which directions are visible, who answers whom,
// and when both were active.
func (c *Census) learnFlow(r *records.Flow, h *Host, id uint64) {
	c.sight.note(r)
	if h != nil {
		h.during(r)
		h.mark(r.Start)
	}
	m := r.Meta()
	if !m.ServerInternal || r.Resp.Packets == 0 {
		return
	}
	a := m.Server().Addr()
	server := c.identify(a, table.Addr(a), m.ServerHost)
	if !m.ClientInternal {
		id = table.Addr(m.Client().Addr())
	}
	c.learnServer(r, server, id)
}

// learnHTTP takes from a transaction who is a proxy, who uses one, and which
// program asked.
func (c *Census) learnHTTP(r *records.HTTP, h *Host, id uint64) {
	if r.Proxied {
		c.learnProxy(r.Meta(), id, r.ResponseSeen && r.Status >= 200 && r.Status < 400)
	}
	if h == nil {
		return
	}
	h.mark(r.Start)
	if r.Proxied && r.Depth <= 1 {
		c.useProxy(h)
	}
	if r.Referrer != "" {
		h.BrowsedN++
	}
	if r.RequestSeen && r.Via == "" && r.ForwardedFor == "" && r.Forwarded == "" { // else it may be another machine's program
		c.spread(c.agents, AgentFamily(r.UserAgent), id)
	}
}

// learnSOCKS takes from a request who is a SOCKS proxy, and who uses one.
func (c *Census) learnSOCKS(r *records.SOCKS, h *Host, id uint64) {
	c.learnProxy(r.Meta(), id, r.Status == "succeeded")
	if h != nil {
		h.mark(r.Start)
		c.useProxy(h)
	}
}

func (c *Census) useProxy(h *Host) {
	if h.ProxiedN++; h.ProxiedN == UsesProxy {
		c.active.users++
	}
}

// learnTLS notes which program shook hands. What is inside a CONNECT tunnel is
// kept until the tunnel's own record comes, which does not tell.
func (c *Census) learnTLS(r *records.TLS, id uint64) {
	if !r.ClientHello || r.JA4 == "" {
		return
	}
	if id != 0 {
		c.spread(c.prints, table.Name(r.JA4), id)
	}
	if r.Via == "CONNECT" || r.Via == "SOCKS" {
		ja4, _ := c.tunnels.At(r.Meta().UID)
		*ja4 = r.JA4
	}
}

// spread notes that a machine is one of those that do something. Proxies hand on
// what others do.
func (c *Census) spread(t *table.Table[table.Crowd], key, id uint64) {
	if !c.proxyMachine(id) {
		crowd, _ := t.At(key)
		crowd.Add(uint32(id))
	}
}

// Counter is one number of the bookkeeping.
type Counter struct {
	Name  string // snake_case
	Value uint64
}

// Counters are how full the tables are and what they had to forget.
func (c *Census) Counters() []Counter {
	n := func(i int) uint64 { return uint64(i) }
	return []Counter{
		{"hosts", n(c.hosts.Len())}, {"hosts_evicted", c.hosts.Evicted()},
		{"local_addresses", n(c.addresses.Len())}, {"local_addresses_evicted", c.addresses.Evicted()},
		{"identities", n(c.idents.Len())}, {"identities_evicted", c.idents.Evicted()},
		{"destinations", n(c.dests.Len())}, {"destinations_evicted", c.dests.Evicted()},
		{"addresses", n(c.named.Len())}, {"addresses_evicted", c.named.Evicted()},
		{"servers", n(c.servers.Len())}, {"servers_evicted", c.servers.Evicted()},
		{"proxies", n(len(c.proxies) + len(c.given))}, {"proxies_refused", c.refused}, {"proxy_candidates_evicted", c.brokers.Evicted()},
		{"pollers", n(c.pollers.Len())}, {"pollers_evicted", c.pollers.Evicted()},
		{"roles", n(c.roles.Len())}, {"roles_evicted", c.roles.Evicted()},
		{"agents", n(c.agents.Len())}, {"agents_evicted", c.agents.Evicted()},
		{"fingerprints", n(c.prints.Len())}, {"fingerprints_evicted", c.prints.Evicted()},
		{"tunnels", n(c.tunnels.Len())}, {"tunnels_evicted", c.tunnels.Evicted()},
		{"unanswered", n(c.neighbours.asked.Len())}, {"unanswered_evicted", c.neighbours.asked.Evicted()},
		{"subnets", n(c.neighbours.subnets.Len())}, {"subnets_evicted", c.neighbours.subnets.Evicted()},
		{"outages", n(len(c.clock.outages))}, {"outages_forgotten", c.clock.forgotten},
		{"proxied_requests", c.proxied}, {"proxy_users", c.active.users},
	}
}

// Nameless tells that a contact went to an address that no DNS answer gave out;
// where no DNS is visible, or was not within the last hour, it tells nothing.
func (c *Census) Nameless(k *Contact) bool {
	return k.Name == "" && k.Addr.IsValid() && c.named.Len() > 0 && c.named.Get(table.Addr(k.Addr)) == nil && !c.Down(c.clock.now-hour, c.clock.now)
}

// learnDNS notes the addresses that DNS gave out, and how long answers for a
// domain may be kept: clients ask again when that is over.
func (c *Census) learnDNS(r *records.DNS) {
	if !r.Response || r.Protocol != "dns" {
		return
	}
	ttl := uint32(0)
	for i := range r.Answers {
		ttl = max(ttl, r.Answers[i].TTL)
	}
	for _, a := range r.Resolved {
		at, _ := c.named.At(table.Addr(a))
		*at = c.clock.now
	}
	if ttl == 0 || r.RegisteredDomain == "" {
		return
	}
	if d := c.dests.Get(table.Name(r.RegisteredDomain)); d != nil {
		d.ttl = ttl
	}
}

// single tells whether an address is of one machine beyond the link.
func single(a netip.Addr) bool { return a.IsGlobalUnicast() }

const (
	hour = int64(time.Hour)
	day  = 24 * hour
	week = 7 * day
)
