package events

// egress is a program that goes outside without the proxy.
type egress struct {
	strike
	n int
}

// step is one attempt. Programs try again and again, without a rhythm.
func (e *egress) step(r *run, t int64) int64 {
	if at := r.powered(e.h, t); at > t {
		return at + e.d.between(minute, 30*minute)
	}
	c := &e.p.attack.Cell
	d := e.dests[e.n%len(e.dests)]
	e.n++
	e.try(r, c, d, t, e.label())
	most := c.Beats
	if most == 0 {
		most = 3 * len(e.dests)
	}
	if e.n >= most {
		return 0
	}
	return t + e.d.between(20*second, 5*minute) + e.d.exp(15*minute)
}

func (e *egress) try(r *run, c *Cell, d *dest, t int64, l *Label) {
	up, down := int64(e.d.Int(200, 3000)), e.d.logDown(4000)
	if c.Blocked != Permitted {
		down = -1
	}
	switch c.Transport {
	case DNSTXT, DNSA: // of a resolver outside
		q := lookup{label: l, dest: r.siteAt(e.d.Below(sites)), rtt: 20 * millisecond}
		if c.Blocked == Permitted {
			r.sink.lookup(e.h, &host{addr: d.addr}, t, q)
			return
		}
		r.exchange(e.h, d.addr, d.port, datagram, t, 40, -1, l)
	case RawUDP:
		carrier := datagram
		if d.port == 443 {
			carrier = quic
		}
		r.exchange(e.h, d.addr, d.port, carrier, t, up, down, l)
	case ICMP:
		r.exchange(e.h, d.addr, 0, echo, t, up, down, l)
	default:
		if c.Blocked != Permitted {
			r.fail(e.h, d.addr, d.port, r.resolve(e.h, d, t, l), outcome(c.Blocked-Dropped), l)
			return
		}
		e.connection(r, d, t, up, down, l)
	}
}

// exfil is data on its way out: POST first where the transport is the proxy's
// tunnel, as intruders were seen to do, then connections full of it.
type exfil struct {
	strike
	sent int64
}

func (e *exfil) step(r *run, t int64) int64 {
	if at := r.powered(e.h, t); at > t {
		return at + e.d.between(minute, hour)
	}
	c := &e.p.attack.Cell
	d := e.dests[0]
	chunk, pause := min(c.Volume/8+1, int64(e.d.Int(8, 64))<<20), e.d.between(30*second, 4*minute)
	if c.Drip {
		chunk, pause = c.Volume/10+1, 20*hour+e.d.between(0, 8*hour) // on ten days
	}
	l := e.label()
	if c.Transport == Connect && e.seen == 1 {
		post := *d
		r.clear(&post)
		s := r.dial(e.h, &post, t, l, true)
		e.agent(s)
		r.open(s)
		q := request{method: "POST", path: "/upload", kind: "text/plain", status: 200, took: d.rtt, up: 2000, down: 40}
		r.ask(s, s.opened+d.rtt, q)
		r.close(s, s.spoke+second)
		t += 20 * second
	}
	s := r.dial(e.h, d, t, l, c.Transport.proxied())
	e.agent(s)
	r.open(s)
	r.fetch(s, s.spoke, chunk, 2000)
	r.close(s, s.spoke+chunk/(4<<20)*second+second) // at 4 MiB a second
	if e.sent += chunk; e.sent >= c.Volume {
		return 0
	}
	return t + chunk/(4<<20)*second + pause
}
