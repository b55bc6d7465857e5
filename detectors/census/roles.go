package census

import (
	"net/netip"
	"slices"

	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
)

// Role is what a machine inside is for. A machine may have several.
type Role uint8

const (
	Proxy      Role = 1 << iota // explicit web proxy: serves absolute-form and CONNECT requests
	Resolver                    // answers DNS
	Relay                       // answers SMTP or submission
	TimeServer                  // answers NTP
	Monitor                     // watches others: asks many for their state, day by day
	Scanner                     // looks for weaknesses by order; configured only
	Server                      // answers others on some port
)

// roleNames are in the order of the bits.
var roleNames = [...]struct{ en, ja string }{
	{"proxy", "プロキシ"}, {"resolver", "リゾルバー"}, {"mail relay", "メールリレー"}, {"time server", "時刻サーバー"},
	{"monitor", "監視サーバー"}, {"scanner", "スキャナー"}, {"server", "サーバー"},
}

// broker is the evidence that a machine is an explicit proxy.
type broker struct {
	clients table.Crowd
	served  uint32 // requests that it answered with success
}

const (
	// provenProxy is how many served requests prove a proxy whoever asks.
	provenProxy = 20
	maxProxies  = 64
)

// learnProxy notes who serves absolute-form, CONNECT and SOCKS requests.
func (c *Census) learnProxy(m *records.Meta, client uint64, served bool) {
	if !m.ServerInternal {
		return
	}
	c.proxied++
	if client == 0 {
		client = table.Addr(m.Client().Addr())
	}
	id := c.sourceOf(m.Server().Addr())
	p, _ := c.brokers.At(id)
	p.clients.Add(uint32(client))
	if served {
		p.served++
	}
	if p.served > 0 && (p.clients.Len() >= c.config.ProxyClients || p.served >= provenProxy) {
		c.addProxy(id)
	}
}

// addProxy makes a machine a proxy. What was counted for it was others' doing.
func (c *Census) addProxy(id uint64) {
	if c.proxyMachine(id) {
		return
	}
	if len(c.proxies) == maxProxies {
		c.refused++
		return
	}
	c.proxies = append(c.proxies, id)
	c.discount(id)
}

// discount takes a proxy out of what is counted by machine.
func (c *Census) discount(id uint64) {
	for _, d := range c.dests.All() {
		leave(&d.hosts, id)
	}
	for _, t := range [...]*table.Table[table.Crowd]{c.agents, c.prints} {
		for _, crowd := range t.All() {
			leave(crowd, id)
		}
	}
}

// leave takes a member out of a crowd.
func leave(crowd *table.Crowd, id uint64) {
	if !crowd.Has(uint32(id)) {
		return
	}
	var rest table.Crowd
	for _, have := range crowd.IDs() {
		if have != uint32(id) {
			rest.Add(have)
		}
	}
	*crowd = rest
}

// adoptProxy makes the machine at a configured proxy's address a proxy.
func (c *Census) adoptProxy(a netip.Addr, id uint64) {
	for _, p := range c.config.Proxies {
		if p.Unmap() == a {
			c.give(id)
		}
	}
}

// give makes a machine a proxy because the configuration says so.
func (c *Census) give(id uint64) {
	if !c.proxyMachine(id) && len(c.given) < maxProxies+len(c.config.Proxies) {
		c.given = append(c.given, id)
		c.discount(id)
	}
}

// Proxy tells whether the machine at an address inside is an explicit proxy.
func (c *Census) Proxy(a netip.Addr) bool { return c.proxyMachine(c.sourceOf(a.Unmap())) }

func (c *Census) proxyMachine(id uint64) bool {
	return slices.Contains(c.proxies, id) || slices.Contains(c.given, id)
}

// learnServer notes which ports of which machines inside answer whom, and who
// asks many of them.
func (c *Census) learnServer(r *records.Flow, server, client uint64) {
	m := r.Meta()
	if icmp(m.Key.Proto) && echo(r) {
		c.learnMonitor(client, server, 0, m)
	}
	if !m.HasPorts() || m.Key.Proto == packet.ProtoTCP && !Answered(r) || server == client {
		return
	}
	port := m.Server().Port()
	crowd, _ := c.servers.At(serverKey(server, port))
	if crowd.Add(uint32(client)) && crowd.Len() >= c.config.ServerClients {
		role, _ := c.roles.At(server)
		*role |= Server | portRole(port)
	}
	if monitored(port) {
		c.learnMonitor(client, server, port, m)
	}
}

func portRole(port uint16) Role {
	switch port {
	case 53:
		return Resolver
	case 25, 465, 587:
		return Relay
	case 123:
		return TimeServer
	}
	return 0
}

// poller is the evidence that a machine watches others.
type poller struct {
	peers table.Crowd
	day   int64 // number of the last day that it asked
	days  uint8
}

const (
	// A monitor asks at least so many machines on so many days: a scan is over
	// sooner, or asks for other things.
	monitorPeers = 8
	monitorDays  = 3
)

// monitored tells whether a port is there for being watched: SNMP, and the
// agents of Check_MK, NRPE, Prometheus, Zabbix and NSClient++.
func monitored(port uint16) bool {
	switch port {
	case 161, 5666, 6556, 9100, 10050, 12489:
		return true
	}
	return false
}

func (c *Census) learnMonitor(client, server uint64, port uint16, m *records.Meta) {
	if !m.ClientInternal || client == server {
		return
	}
	p, _ := c.pollers.At(serverKey(client, port))
	p.peers.Add(uint32(server))
	if today := m.At / day; today != p.day {
		p.day, p.days = today, uint8(min(int(p.days)+1, 255))
	}
	if p.peers.Len() >= monitorPeers && p.days >= monitorDays {
		role, _ := c.roles.At(client)
		*role |= Monitor
	}
}

func serverKey(id uint64, port uint16) uint64 { return table.Number(id, uint64(port)) }

// Serves is how many machines a port of a machine inside answered, exact up to 10.
func (c *Census) Serves(a netip.Addr, port uint16) int {
	return members(c.servers.Get(serverKey(c.sourceOf(a.Unmap()), port)))
}

// Roles are what the machine at an address inside is for, as far as it is
// learned or configured.
func (c *Census) Roles(a netip.Addr) Role {
	a = a.Unmap()
	id := c.sourceOf(a)
	var r Role
	if learned := c.roles.Get(id); learned != nil {
		r = *learned
	}
	if c.proxyMachine(id) {
		r |= Proxy
	}
	return r | c.config.roles(a)
}

// roles are those that the configuration gives to an address.
func (c *Config) roles(a netip.Addr) Role {
	var r Role
	for _, x := range [...]struct {
		list []netip.Prefix
		role Role
	}{{c.Resolvers, Resolver}, {c.Relays, Relay}, {c.TimeServers, TimeServer}, {c.Monitors, Monitor}, {c.Scanners, Scanner}} {
		for _, p := range x.list {
			if p.Contains(a) {
				r |= x.role
			}
		}
	}
	return r
}
