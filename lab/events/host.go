package events

import (
	"fmt"
	"net/netip"

	"kagami/records"
)

// host is a machine inside.
type host struct {
	id      int
	nth     int // among those of its role, from 0
	name    string
	role    role
	addr    netip.Addr
	mac     [6]byte
	info    *records.Host // as the records bear it
	ttl     uint8
	agent   string // of its browser, or of the one program that it has
	ja4     string
	proxied bool // its web traffic goes through the proxy
	always  bool // it is on day and night
	admin   bool
	planned bool // an attack comes from it
	seed    uint64
	port    uint16
	cache   [128]cached // names it remembers
}

type cached struct {
	dest  int
	until int64
}

// place is where machines live: networks of a site, all of them routed by the
// same router and seen by the same mirror port.
type place struct {
	servers, clients, devices netip.Prefix
	branch                    netip.Prefix // of another building: its ARP is not seen
}

func placeOf(s Site) place {
	at := func(text string) netip.Prefix { return netip.MustParsePrefix(text) }
	if !s.Domain {
		flat := at("192.168.10.0/24")
		return place{flat, flat, flat, at("192.168.64.0/20")}
	}
	return place{at("10.1.0.0/24"), at("10.1.16.0/23"), at("10.1.32.0/22"), at("10.1.64.0/20")}
}

// nth is an address of a network.
func nth(p netip.Prefix, n int) netip.Addr {
	b := p.Addr().As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// populate makes the machines of the site, servers first.
func (r *run) populate() {
	s := r.site
	p := r.place
	flat := p.servers == p.clients
	next := map[netip.Prefix]int{p.servers: 1, p.clients: 10, p.devices: 10}
	add := func(kind role, count int, net netip.Prefix) {
		for range count {
			n := next[net]
			if next[net]++; n >= 10 { // leases leave gaps
				next[net]++
				n += int(mix(r.opt.Seed^uint64(n)) & 1)
			}
			r.hosts = append(r.hosts, r.machine(kind, nth(net, n)))
		}
	}
	add(router, 1, p.servers)
	if flat {
		next[p.servers] = 10
	}
	if s.Domain {
		for _, kind := range domainRoles() {
			add(kind, 1, p.servers)
		}
	}
	if s.Proxy {
		add(proxy, 1, p.servers)
	}
	add(server, s.Servers, p.servers)
	add(workstation, s.Workstations, p.clients)
	add(printer, s.Printers, p.devices)
	add(phone, s.Phones, p.devices)
	add(camera, s.Cameras, p.devices)
	add(sensor, s.Sensors, p.devices)
	add(gateway, s.Gateways, p.devices)
	add(tv, s.TVs, p.devices)
	r.assign()
}

// machine makes one of them.
func (r *run) machine(kind role, addr netip.Addr) *host {
	h := &host{
		id: len(r.hosts), nth: r.count[kind], role: kind, addr: addr, always: true, ttl: 64,
		seed: mix(r.opt.Seed ^ uint64(len(r.hosts)+1)<<32), port: 49152,
	}
	r.count[kind]++
	h.name = fmt.Sprintf("%s%02d", kind, h.nth+1)
	h.mac = [6]byte{0x02, 0x4b, byte(kind), 0, byte(h.id >> 8), byte(h.id)}
	h.port += uint16(h.seed % 10000)
	h.info = &records.Host{
		Name: records.Fact{Value: h.name, Source: "dhcp", Since: r.start},
		MAC:  records.Fact{Value: records.MAC(h.mac), Source: "dhcp", Since: r.start},
	}
	switch kind {
	case workstation:
		h.ttl = 128
		h.always = int(h.seed>>8%100) >= r.site.Laptops
		h.proxied = r.site.Proxy
		h.agent, h.ja4 = browserOf(int(h.seed >> 20 % 10))
		h.admin = h.nth < r.site.Admins
		if h.admin {
			h.always = true
		}
	case directory, mailServer, storage, backupServer, inventory, server:
		h.ttl = 128
		h.agent, h.ja4 = "ServerAgent/4.1", "t13d311100_e8f1e7e78f70_339a28b75f5a"
		h.proxied = r.site.Proxy && kind != mailServer
	case proxy:
		h.agent, h.ja4 = "", ""
	default:
		h.agent, h.ja4 = "Device/"+kind.String(), "t12d0907h1_"+fmt.Sprintf("%012x", mix(uint64(kind)*7919)>>16)+"_aaaaaaaaaaaa"
	}
	return h
}

// browserOf returns the agent and the TLS fingerprint of a browser by its share.
func browserOf(n int) (agent, ja4 string) {
	switch {
	case n < 6:
		return "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "t13d1516h2_8daaf6152771_d8a2da3f94cd"
	case n < 9:
		return "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "t13d1516h2_8daaf6152771_b0da82dd1658"
	}
	return "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "t13d1715h2_5b57614c22b0_5c2c66f702b0"
}

// assign finds the machines that others turn to.
func (r *run) assign() {
	for _, h := range r.hosts {
		switch {
		case h.role == router:
			r.router, r.resolver = h, h
		case h.role == directory && r.dc == nil:
			r.dc, r.resolver = h, h
		case h.role == proxy:
			r.proxy = h
		}
	}
}

// all are the machines of some roles.
func (r *run) all(set roles) []*host {
	var out []*host
	for _, h := range r.hosts {
		if set.has(h.role) {
			out = append(out, h)
		}
	}
	return out
}

// nextPort is a client port, used in turn as systems do.
func (h *host) nextPort() uint16 {
	if h.port++; h.port < 49152 {
		h.port = 49152
	}
	return h.port
}
