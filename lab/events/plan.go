package events

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// plan is an attack that is going to happen.
type plan struct {
	number int
	attack *Attack
	host   int // index of the machine
	dests  []target
	seed   uint64
}

// target is where an attack goes to outside; name is empty for bare addresses.
type target struct {
	sub, domain string
	addr        netip.Addr
}

// planAttacks gives every instance a machine, destinations and a time. Scans
// choose their machines first: no other attack is planted there while there are
// others.
func (r *run) planAttacks() []*plan {
	var out []*plan
	load := make([]int, len(r.hosts))
	for _, scans := range []bool{true, false} {
		n := 0
		for i := range r.opt.Attacks {
			spec := &r.opt.Attacks[i]
			for k := range spec.Count {
				if n++; (spec.Cell.Kind == "scan") == scans {
					out = append(out, r.planAttack(spec, i, k, n-1, load))
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *plan) int { return a.number - b.number })
	return out
}

// planAttack plans the k-th instance of the i-th specification, the n-th attack
// of all.
func (r *run) planAttack(spec *Spec, i, k, n int, load []int) *plan {
	p := &plan{number: n, seed: mix(r.opt.Seed ^ uint64(i)<<40 ^ uint64(k)<<8 ^ 0xa77ac4)}
	d := stream(p.seed, "plan", 0)
	list := r.pool(&spec.Cell)
	h := list[0]
	for _, x := range list {
		if load[x.id] < load[h.id] {
			h = x
		}
	}
	if load[h.id]++; spec.Cell.Kind == "scan" {
		load[h.id] += 1000
	}
	p.host = h.id
	p.attack = &Attack{
		ID: fmt.Sprintf("%s-%d-%d", spec.Cell.Kind, i, k), Kind: spec.Cell.Kind, Cell: spec.Cell, Host: h.name, Source: h.addr,
		Port: spec.Cell.Port, Targets: spec.Cell.Targets, Beats: spec.Cell.Beats, Start: r.when(spec, d),
	}
	p.aim(n, d)
	return p
}

// pool is the machines that attacks of a cell may come from, in an order of the
// seed's.
func (r *run) pool(c *Cell) []*host {
	fits := func(h *host) bool { return h.always && !h.admin }
	switch {
	case c.Admin:
		fits = func(h *host) bool { return h.admin }
	case c.Asleep:
		fits = func(h *host) bool { return !h.always }
	case c.Kind == "egress" || c.Kind == "exfil":
		fits = func(h *host) bool { return !h.admin }
	}
	from := of(workstation)
	if c.Scanner && r.count[scanner] > 0 {
		from, fits = of(scanner), func(*host) bool { return true }
	}
	var list []*host
	for _, h := range r.all(from) {
		if fits(h) {
			list = append(list, h)
		}
	}
	if len(list) == 0 {
		list = r.all(of(workstation))
	}
	shuffle(stream(r.opt.Seed, "pool", 0), list)
	return list
}

// named tells whether a transport goes to a name.
func (t Transport) named() bool { return t != RawTCP && t != RawUDP && t != ICMP }

// proxied tells whether a transport takes the proxy.
func (t Transport) proxied() bool { return t == Connect || t == AbsoluteURI || t == ConnectPulses }

// clear tells whether a transport is HTTP without TLS.
func (t Transport) clear() bool { return t == HTTP || t == AbsoluteURI }

// aim chooses the n-th attack's destinations: each attack has a network outside
// of its own, and all domains that it rotates point into it.
func (p *plan) aim(n int, d draw) {
	a := p.attack
	c := &a.Cell
	count := max(c.Rotate, 1)
	switch c.Kind {
	case "scan":
		return
	case "egress":
		count = max(c.Targets, 1)
	}
	port := c.Port
	if port == 0 {
		port = 443
		if c.Transport.clear() {
			port = 80
		} else if !c.Transport.named() {
			port = 4444
		}
		if c.Transport == DNSTXT || c.Transport == DNSA {
			port = 53
		}
	}
	a.Port = port
	for i := range count {
		t := target{addr: outside(siteNets+n*7%attackNets, n/attackNets*40+i+int(p.seed>>8%20))}
		if c.Transport.named() {
			t.sub = [...]string{"", "cdn.", "api.", "www.", "update."}[d.Below(5)]
			if c.Transport == DNSTXT || c.Transport == DNSA {
				t.sub = ""
			}
			t.domain = word(mix(p.seed+uint64(i))) + "-" + word(mix(p.seed+uint64(i)+77)) + strconv.Itoa(n*10+i) + ".example"
			a.Names = append(a.Names, t.sub+t.domain)
			a.Destinations = append(a.Destinations, t.sub+t.domain+":"+strconv.Itoa(int(port)))
		} else {
			a.Destinations = append(a.Destinations, netip.AddrPortFrom(t.addr, port).String())
		}
		a.Addrs = append(a.Addrs, t.addr)
		p.dests = append(p.dests, t)
	}
	a.Destination = a.Destinations[0]
}

// when is the start of an instance: uniform over what the specification allows.
func (r *run) when(s *Spec, d draw) int64 {
	from := r.start + learning
	if s.From > 0 {
		from = r.start + int64(s.From)
	}
	until := r.end - s.Cell.lasts() - hour
	if s.To > 0 {
		until = r.start + int64(s.To)
	}
	if until <= from {
		return from
	}
	return from + d.between(0, until-from)
}

// lasts is about how long an attack takes.
func (c *Cell) lasts() int64 {
	switch c.Kind {
	case "beacon":
		n := int64(c.Sleep) * int64(c.Beats)
		if c.Model == Additive {
			n += n * int64(c.Jitter) / 200
		}
		if c.Asleep {
			n = n*4 + 3*day // ten hours of a working day, and weekends
		}
		return n
	case "scan":
		return int64(c.Spacing)*int64(c.Targets)*11/10 + hour
	case "exfil":
		if c.Drip {
			return 17 * day
		}
		return 12 * hour
	}
	return 4 * day
}

// beginAttacks puts the planned attacks into the queue.
func (r *run) beginAttacks() {
	for _, p := range r.plans {
		h := r.hosts[p.host]
		x := strike{p: p, h: h, d: stream(p.seed, "strike", 0)}
		for _, t := range p.dests {
			x.dests = append(x.dests, r.victim(p, t))
		}
		switch p.attack.Kind {
		case "beacon":
			r.beginBeacon(x)
		case "egress":
			r.add(p.attack.Start, &egress{strike: x})
		case "scan":
			r.add(p.attack.Start, &scan{strike: x, targets: r.victims(p, h, x.d)})
		case "exfil":
			r.add(p.attack.Start, &exfil{strike: x})
		}
	}
}

// victim makes a planned destination.
func (r *run) victim(p *plan, t target) *dest {
	var d *dest
	if t.domain == "" {
		d = r.bare(t.addr, p.attack.Port)
	} else {
		d = r.destination(t.sub, t.domain, t.addr, p.attack.Port)
	}
	if p.attack.Cell.Transport.clear() {
		r.clear(d)
	}
	return d
}

// strike is what attacks have in common.
type strike struct {
	p     *plan
	h     *host
	d     draw
	dests []*dest
	seen  int // beats that reached the wire
}

// label is that of the attack's next beat.
func (x *strike) label() *Label {
	x.seen++
	return &Label{Class: x.p.attack.Kind, Attack: x.p.attack, Beat: x.seen}
}

// other is the label of what belongs to the attack and is no beat.
func (x *strike) other() *Label { return &Label{Class: x.p.attack.Kind, Attack: x.p.attack} }

// agent is the program that talks: half of them imitate the browser, the others
// have fingerprints of their own.
func (x *strike) agent(s *session) {
	if n := x.p.seed >> 16 % 12; n < 6 {
		s.agent = [...]string{"Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko", "Go-http-client/1.1", "python-requests/2.31", "WinHTTP/1.0", "curl/8.4", "Mozilla/4.0 (compatible; MSIE 8.0)"}[n]
		s.ja4 = fmt.Sprintf("t12d1909h1_%012x_%012x", mix(n+1)>>16, mix(n+100)>>16)
	}
	s.selfSigned = x.p.seed>>24%4 == 0
}
