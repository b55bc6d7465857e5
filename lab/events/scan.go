package events

import (
	"net/netip"
	"slices"
)

// scan is a machine that searches others.
type scan struct {
	strike
	targets []prey
	n       int
	asked   netip.Addr // last, by ARP
}

// prey is one target of a scan, and what comes of asking it.
type prey struct {
	addr    netip.Addr
	port    uint16
	owner   *host // nil = somewhere behind a router
	dark    bool  // nobody has the address
	answers bool
	refuses bool
}

// victims chooses the targets of a scan in their order.
func (r *run) victims(p *plan, from *host, d draw) []prey {
	c := &p.attack.Cell
	var list []prey
	if c.Shape == Vertical {
		list = r.doors(c, from, d)
	} else {
		list = r.machines(c, from, d)
	}
	if !c.Random {
		slices.SortFunc(list, func(a, b prey) int {
			if n := a.addr.Compare(b.addr); n != 0 {
				return n
			}
			return int(a.port) - int(b.port)
		})
	}
	return list
}

// doors are the ports of one machine.
func (r *run) doors(c *Cell, from *host, d draw) []prey {
	hosts := r.all(of(server, workstation, directory))
	to := hosts[d.Below(len(hosts))]
	for to == from {
		to = hosts[d.Below(len(hosts))]
	}
	first := d.Int(20, 2000)
	var list []prey
	for i := range max(c.Targets, 1) {
		list = append(list, prey{addr: to.addr, port: uint16(first + i), owner: to, refuses: d.percent(70)})
	}
	shuffle(d, list)
	open(d, list, c.Success)
	return list
}

// machines are the targets of a sweep: machines that exist, and addresses of the
// own network that nobody has. When the site has too few, those of another
// building stand in.
func (r *run) machines(c *Cell, from *host, d draw) []prey {
	total := max(c.Targets, 1)
	dark := total * c.Dark / 100
	var list []prey
	hosts := r.all(of(workstation, phone, camera, sensor, gateway, tv))
	if shuffle(d, hosts); c.Scanner {
		hosts = nil
	}
	refuses := d.percent(50) // the machines of a site are set up alike
	for _, h := range hosts {
		if h != from && len(list) < total-dark {
			list = append(list, prey{addr: h.addr, port: c.Port, owner: h, refuses: refuses})
		}
	}
	for i := 0; len(list) < total-dark; i++ {
		list = append(list, prey{addr: nth(r.place.branch, 10+i), port: c.Port, refuses: refuses})
	}
	open(d, list, c.Success)
	used := make(map[netip.Addr]bool, len(r.hosts))
	for _, h := range r.hosts {
		used[h.addr] = true
	}
	for i := 2; len(list) < total && i < 500; i++ {
		if a := nth(r.place.clients, i); !used[a] && r.place.clients.Contains(a) {
			list = append(list, prey{addr: a, port: c.Port, dark: true})
		}
	}
	shuffle(d, list)
	return list
}

// open makes a share of the targets answer; the first of a shuffled list are as
// good as any.
func open(d draw, list []prey, percent int) {
	shuffle(d, list)
	for i := range len(list) * percent / 100 {
		list[i].answers = true
	}
	shuffle(d, list)
}

func shuffle[T any](d draw, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := d.Below(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// step is one probe.
func (x *scan) step(r *run, t int64) int64 {
	if at := r.powered(x.h, t); at > t {
		return at + x.d.between(minute, 10*minute)
	}
	c := &x.p.attack.Cell
	x.probe(r, c, &x.targets[x.n], t, x.label())
	if x.n++; x.n >= len(x.targets) {
		return 0
	}
	gap := int64(c.Spacing)
	return t + x.d.between(gap*19/20, gap*21/20)
}

func (x *scan) probe(r *run, c *Cell, v *prey, t int64, l *Label) {
	near := r.place.clients.Contains(v.addr)
	if v.dark || c.Shape == ARPSweep { // nobody answers ARP, so nothing else is sent
		tries := int64(3)
		if !v.dark {
			tries = 1
		}
		for i := range tries {
			r.whoHas(x.h, v.addr, v.owner, t+i*second, l)
		}
		return
	}
	if near && v.owner != nil && x.asked != v.addr {
		x.asked = v.addr
		r.whoHas(x.h, v.addr, v.owner, t, l)
		t += millisecond
	}
	switch c.Shape {
	case UDPSweep, PingSweep:
		carrier, down := datagram, int64(-1)
		if c.Shape == PingSweep {
			carrier = echo
		}
		if v.answers {
			down = 64
		}
		r.exchange(x.h, v.addr, v.port, carrier, t, 64, down, l)
	default:
		switch {
		case v.answers:
			r.inside(x.h, v.addr, v.port, t, 60*millisecond, 200, 300, l)
		case v.refuses:
			r.fail(x.h, v.addr, v.port, t, refused, l)
		default:
			r.fail(x.h, v.addr, v.port, t, unanswered, l)
		}
	}
}
