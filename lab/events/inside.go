package events

// What goes on between the machines inside: files, printers, monitoring, ARP.

// beginInside puts it into the queue.
func (r *run) beginInside() {
	servers, printers := r.all(of(server, storage)), r.all(of(printer))
	files, prints, arp, stale := benign("files"), benign("print"), benign("arp"), benign("stale")
	for _, h := range r.hosts {
		d := stream(h.seed, "inside", 0)
		if h.role == workstation && len(servers) > 0 {
			n := 1 + d.Below(min(3, len(servers)))
			r.add(r.start+d.between(0, hour), &worker{h: h, d: d, label: files, servers: pick(d, servers, n), printers: pick(d, printers, 1), print: prints})
			if d.percent(8) {
				r.add(r.start+d.between(0, hour), r.deadEnd(h, d, stale))
			}
		}
		if h.admin && len(servers) > 0 {
			r.add(r.start+d.between(0, hour), &admin{h: h, d: stream(h.seed, "admin", 0), label: benign("admin")})
		}
		if h != r.router {
			r.add(r.start+d.between(0, hour), &neighbour{h: h, d: stream(h.seed, "arp", 0), label: arp})
		}
	}
	for _, m := range r.all(of(monitor)) {
		watched := r.all(of(server, directory, proxy, mailServer, storage, printer))
		for i, h := range watched {
			r.add(r.start+int64(i)*second, &watch{h: m, target: h, label: benign("monitor"), fast: i < 8})
		}
	}
}

// pick draws up to n of a list.
func pick(d draw, list []*host, n int) []*host {
	var out []*host
	for range min(n, len(list)) {
		out = append(out, list[d.Below(len(list))])
	}
	return out
}

// gone is an address of the devices' network that nobody has any more.
func (r *run) gone(d draw) (h *host) {
	return &host{addr: nth(r.place.devices, 200+d.Below(50)), name: "gone"}
}

// worker is somebody who opens files and prints.
type worker struct {
	h                 *host
	d                 draw
	label, print      *Label
	servers, printers []*host
}

func (p *worker) step(r *run, t int64) int64 {
	if at := r.present(p.h, t); at > t {
		return at + p.d.between(second, 10*minute)
	}
	if len(p.printers) > 0 && p.d.percent(12) {
		port := [...]uint16{9100, 631, 9100}[p.d.Below(3)]
		r.inside(p.h, p.printers[0].addr, port, t, 3*second, p.d.logDown(300000), 600, p.print)
		r.exchange(p.h, p.printers[0].addr, 161, datagram, t, 80, 120, p.print)
	} else {
		s := p.servers[p.d.Below(len(p.servers))]
		r.inside(p.h, s.addr, 445, t, p.d.between(2*second, 10*minute), p.d.logDown(30000), p.d.logDown(250000), p.label)
	}
	return t + p.d.exp(25*minute)
}

// deadEnd is a mapped drive or a printer that is no more: a machine tries it
// again and again.
type deadEnd struct {
	h     *host
	d     draw
	label *Label
	to    *host
	port  uint16
	name  string // of a service outside that is no more; "" = the machine above
	every int64
}

func (r *run) deadEnd(h *host, d draw, l *Label) *deadEnd {
	p := &deadEnd{h: h, d: stream(h.seed, "stale", 0), label: l, to: r.gone(d), port: [...]uint16{445, 9100, 445, 631}[d.Below(4)], every: d.between(10*minute, 40*minute)}
	if d.percent(40) {
		p.name = "old-" + word(h.seed) + "-" + word(h.seed>>9) + ".example"
	}
	return p
}

func (p *deadEnd) step(r *run, t int64) int64 {
	if at := r.powered(p.h, t); at > t {
		return at + p.d.between(10*second, 2*minute)
	}
	if p.name != "" {
		q := lookup{label: p.label, name: p.name, missing: true, rtt: 12 * millisecond}
		r.sink.lookup(p.h, r.resolver, t, q)
		return t + p.every + p.d.between(0, minute)
	}
	r.fail(p.h, p.to.addr, p.port, t, unanswered, p.label)
	if r.site.Domain {
		r.whoHas(r.router, p.to.addr, nil, t+millisecond, p.label)
	}
	return t + p.every + p.d.between(0, minute)
}

// admin is somebody who looks after other machines from his own.
type admin struct {
	h     *host
	d     draw
	label *Label
}

func (p *admin) step(r *run, t int64) int64 {
	if at := r.present(p.h, t); at > t {
		return at + p.d.between(minute, 30*minute)
	}
	list := r.all(of(server, directory, workstation, storage))
	to := list[p.d.Below(len(list))]
	port := [...]uint16{3389, 5985, 22, 445, 3389}[p.d.Below(5)]
	switch {
	case to == p.h:
	case r.powered(to, t) > t || p.d.percent(6):
		r.fail(p.h, to.addr, port, t, unanswered, p.label)
	default:
		r.inside(p.h, to.addr, port, t, p.d.between(20*second, 15*minute), 30000, 200000, p.label)
	}
	return t + p.d.exp(75*minute)
}

// neighbour is what a machine asks of ARP: for its router, now and then for
// others, and it announces itself when it comes up.
type neighbour struct {
	h     *host
	d     draw
	label *Label
	up    bool
}

func (p *neighbour) step(r *run, t int64) int64 {
	if at := r.powered(p.h, t); at > t {
		p.up = false
		return at
	}
	if !p.up {
		p.up = true
		r.sink.arp(p.h.addr, p.h.addr, p.h.mac, 1, t, p.label)
	}
	r.whoHas(p.h, r.router.addr, r.router, t+second, p.label)
	if p.d.percent(10) {
		r.whoHas(r.router, p.h.addr, p.h, t+2*second, p.label)
	}
	next := t + p.d.between(30*minute, 3*hour)
	if at := r.reboot(p.h, t, next); at > 0 {
		p.up = false
		return at + second
	}
	return next
}

// watch is one target of the monitoring.
type watch struct {
	h, target *host
	label     *Label
	fast      bool
	n         int
}

func (p *watch) step(r *run, t int64) int64 {
	p.n++
	switch p.n % 3 {
	case 0:
		r.exchange(p.h, p.target.addr, 0, echo, t, 64, 64, p.label)
	case 1:
		r.exchange(p.h, p.target.addr, 161, datagram, t, 90, 160, p.label)
	default:
		port := uint16(10050)
		if p.target.role == printer {
			port = 9100
		}
		r.inside(p.h, p.target.addr, port, t, 20*millisecond, 120, 200, p.label)
	}
	if p.fast {
		return t + minute
	}
	return t + 5*minute
}
