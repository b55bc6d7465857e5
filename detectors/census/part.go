package census

import (
	"math"

	"kagami/detectors/state"
	"kagami/detectors/table"
)

// Name implements state.Part, and names the section of the configuration.
func (c *Census) Name() string { return "census" }

// Version implements state.Part.
func (c *Census) Version() int { return 1 }

// Save implements state.Part.
func (c *Census) Save(e *state.Encoder) {
	c.clock.save(e)
	e.Uint(uint64(c.sight.flows))
	e.Uint(uint64(c.sight.oneSided))
	c.addresses.Save(e, saveLocal)
	c.idents.Save(e, saveIdent)
	c.hosts.Save(e, saveHost)
	c.dests.Save(e, saveDestination)
	c.named.Save(e, func(e *state.Encoder, at *int64) { e.Int(*at) })
	c.servers.Save(e, saveCrowd)
	c.brokers.Save(e, func(e *state.Encoder, p *broker) {
		p.clients.Save(e)
		e.Uint(uint64(p.served))
	})
	c.pollers.Save(e, func(e *state.Encoder, p *poller) {
		p.peers.Save(e)
		e.Int(p.day)
		e.Uint(uint64(p.days))
	})
	c.roles.Save(e, func(e *state.Encoder, r *Role) { e.Uint(uint64(*r)) })
	c.agents.Save(e, saveCrowd)
	c.prints.Save(e, saveCrowd)
	e.Uint(uint64(len(c.proxies)))
	for _, id := range c.proxies {
		e.Hash(id)
	}
	e.Uint(c.proxied)
	e.Uint(c.refused)
	c.neighbours.save(e)
	e.Uint(c.active.hosts)
	e.Uint(c.active.users)
	e.Int(c.active.counted)
}

// Load implements state.Part. What the configuration says holds as it is now.
func (c *Census) Load(d *state.Decoder) {
	n := New(c.config)
	n.clock.load(d)
	n.sight = sight{flows: min(number32(d), sightMemory), oneSided: min(number32(d), sightMemory)}
	n.addresses.Load(d, loadLocal)
	n.idents.Load(d, loadIdent)
	n.hosts.Load(d, loadHost)
	n.dests.Load(d, loadDestination)
	n.named.Load(d, func(d *state.Decoder, at *int64) { *at = moment(d) })
	n.servers.Load(d, loadCrowd)
	n.brokers.Load(d, func(d *state.Decoder, p *broker) {
		p.clients.Load(d)
		p.served = number32(d)
	})
	n.pollers.Load(d, func(d *state.Decoder, p *poller) {
		p.peers.Load(d)
		p.day, p.days = moment(d), uint8(min(d.Uint(), 255))
	})
	n.roles.Load(d, func(d *state.Decoder, r *Role) {
		*r = Role(d.Uint()) & (Resolver | Relay | TimeServer | Monitor | Server)
	})
	n.agents.Load(d, loadCrowd)
	n.prints.Load(d, loadCrowd)
	for range d.Len(maxProxies) {
		n.proxies = append(n.proxies, d.Hash())
	}
	n.proxied, n.refused = d.Uint(), d.Uint()
	n.neighbours.load(d)
	n.active = activeHosts{d.Uint(), d.Uint(), moment(d)}
	if d.Err() != nil {
		*c = *New(c.config)
		return
	}
	for _, a := range c.config.Proxies {
		n.give(n.SourceOf(a))
	}
	*c = *n
}

func saveCrowd(e *state.Encoder, c *table.Crowd) { c.Save(e) }

func loadCrowd(d *state.Decoder, c *table.Crowd) { c.Load(d) }

// moment reads a time, or a number of days or slots of time: nothing that sums
// and differences of could overflow.
func moment(d *state.Decoder) int64 {
	t := d.Int()
	if t < 0 || t > math.MaxInt64/2 {
		d.Fail("%d is not a time", t)
		return 0
	}
	return t
}

func number32(d *state.Decoder) uint32 { return uint32(min(d.Uint(), math.MaxUint32)) }

// octets reads exactly so many octets.
func octets(d *state.Decoder, into []byte) {
	if b := d.Bytes(len(into)); copy(into, b) != len(into) {
		d.Fail("%d octets where %d belong", len(b), len(into))
	}
}

func (k *clock) save(e *state.Encoder) {
	for _, t := range [...]int64{k.start, k.now, k.settled} {
		e.Int(t)
	}
	e.Uint(k.forgotten)
	e.Uint(uint64(len(k.outages)))
	for _, o := range k.outages {
		e.Int(o.from)
		e.Int(o.to)
	}
}

func (k *clock) load(d *state.Decoder) {
	k.start, k.now, k.settled = moment(d), moment(d), moment(d)
	k.forgotten = d.Uint()
	for range d.Len(maxOutages) {
		k.outages = append(k.outages, outage{moment(d), moment(d)})
	}
	k.resumed = k.start != 0
}

func saveLocal(e *state.Encoder, l *local) {
	e.Bytes(l.addr[:])
	e.Hash(l.id)
	e.Int(l.alive)
	e.Int(l.told)
	e.Uint(uint64(l.bound))
}

func loadLocal(d *state.Decoder, l *local) {
	octets(d, l.addr[:])
	l.id, l.alive, l.told, l.bound = d.Hash(), moment(d), moment(d), binding(min(d.Uint(), uint64(byMAC)))
}

func saveIdent(e *state.Encoder, i *ident) {
	e.Hash(i.id)
	e.Hash(i.addr)
	e.Hash(i.prev)
	e.Int(i.at)
	e.Int(i.hour)
	e.Uint(uint64(i.v6))
	e.Bool(i.shared)
}

func loadIdent(d *state.Decoder, i *ident) {
	*i = ident{id: d.Hash(), addr: d.Hash(), prev: d.Hash(), at: moment(d), hour: moment(d), v6: uint8(min(d.Uint(), 255)), shared: d.Bool()}
}

func saveHost(e *state.Encoder, h *Host) {
	for _, n := range [...]int64{h.First, h.Last, h.slot, h.hour, h.period} {
		e.Int(n)
	}
	e.Uint(uint64(h.ProxiedN))
	e.Uint(uint64(h.BrowsedN))
	e.Hash(h.addr)
	e.Bytes(h.active[:])
	e.Bytes(h.hours[:])
	for _, words := range h.visits {
		for _, w := range words {
			e.Uint(w)
		}
	}
}

func loadHost(d *state.Decoder, h *Host) {
	*h = Host{First: moment(d), Last: moment(d), slot: moment(d), hour: moment(d), period: moment(d),
		ProxiedN: number32(d), BrowsedN: number32(d), addr: d.Hash()}
	octets(d, h.active[:])
	octets(d, h.hours[:])
	for i := range h.visits {
		for j := range h.visits[i] {
			h.visits[i][j] = d.Uint()
		}
	}
	h.Destinations = max(h.distinct(0), h.distinct(1))
}

func saveDestination(e *state.Encoder, x *destination) {
	e.Int(x.first)
	e.Int(x.last)
	e.Hash(x.domain)
	x.hosts.Save(e)
	e.Uint(uint64(x.ttl))
	e.Uint(uint64(x.nports))
	for _, p := range x.ports[:x.nports] {
		e.Uint(uint64(p))
	}
	e.Bytes(x.label[:x.nlabel])
}

func loadDestination(d *state.Decoder, x *destination) {
	*x = destination{first: moment(d), last: moment(d), domain: d.Hash()}
	x.hosts.Load(d)
	x.ttl = number32(d)
	for range d.Len(maxPorts) {
		x.port(uint16(d.Uint()))
	}
	x.nlabel = uint8(copy(x.label[:], d.Bytes(maxLabel)))
}

func (n *neighbours) save(e *state.Encoder) {
	e.Uint(uint64(n.requests))
	e.Uint(uint64(n.replies))
	n.asked.Save(e, func(e *state.Encoder, a *asked) {
		e.Int(a.last)
		e.Uint(uint64(a.n))
		e.Bool(a.open)
	})
	n.subnets.Save(e, func(e *state.Encoder, s *subnet) { e.Uint(uint64(s.alive)) })
}

func (n *neighbours) load(d *state.Decoder) {
	n.requests, n.replies = min(number32(d), arpMemory), min(number32(d), arpMemory)
	n.asked.Load(d, func(d *state.Decoder, a *asked) { *a = asked{last: moment(d), n: number32(d), open: d.Bool()} })
	n.subnets.Load(d, func(d *state.Decoder, s *subnet) { s.alive = number32(d) })
}
