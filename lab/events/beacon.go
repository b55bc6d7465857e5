package events

import "fmt"

// beacon is an implant that calls home.
type beacon struct {
	strike
	up, down int64
	planned  int
	tick     int64 // of the grid
	base     int64
	long     *session
	done     bool
}

func (r *run) beginBeacon(x strike) {
	c := &x.p.attack.Cell
	b := &beacon{strike: x, up: int64(x.d.Int(180, 900)), down: int64(x.d.Int(120, 1800)), base: x.p.attack.Start}
	r.add(b.base, b)
	if c.Noise > 0 {
		r.add(b.base, &noise{beacon: b, d: stream(x.p.seed, "noise", 0), mean: int64(c.Sleep) * 100 / int64(c.Noise)})
	}
}

// step is one beat.
func (b *beacon) step(r *run, t int64) int64 {
	c := &b.p.attack.Cell
	if at := r.powered(b.h, t); at > t {
		b.drop(r, t)
		if c.Model == Grid {
			b.tick = (at-b.base)/int64(c.Sleep) + 1
			return b.grid(c)
		}
		return at + b.d.between(5*second, 2*minute)
	}
	b.planned++
	if !b.d.percent(c.Missed) {
		b.beat(r, t, b.label())
	}
	if c.Interactive && b.planned > 2 && b.d.percent(4) {
		r.add(t+5*second, &operator{beacon: b, left: b.d.Int(15, 40)})
	}
	if c.Beats > 0 && b.planned >= c.Beats {
		b.drop(r, t+second)
		b.done = true
		return 0
	}
	if c.Model == Grid {
		b.tick++
		return b.grid(c)
	}
	return t + b.gap(c)
}

// gap is the time until the next beat.
func (b *beacon) gap(c *Cell) int64 {
	sleep := int64(c.Sleep)
	slack := sleep * int64(c.Jitter) / 100
	switch c.Model {
	case Symmetric:
		return b.d.between(sleep-slack, sleep+slack)
	case Additive:
		return b.d.between(sleep, sleep+slack)
	}
	return b.d.between(sleep-slack, sleep)
}

// grid is the time of the next beat of a timetable.
func (b *beacon) grid(c *Cell) int64 {
	sleep := int64(c.Sleep)
	return b.base + b.tick*sleep + b.d.between(0, sleep*int64(c.Jitter)/100)
}

// drop ends the session that beats run in.
func (b *beacon) drop(r *run, t int64) {
	if b.long != nil {
		r.close(b.long, t)
		b.long = nil
	}
}

// beat is one contact to the next of the destinations.
func (b *beacon) beat(r *run, t int64, l *Label) {
	c := &b.p.attack.Cell
	d := b.dests[b.d.Below(len(b.dests))]
	up, down := b.up+int64(b.d.Below(4)), b.down+int64(b.d.Below(40))
	if c.Padding {
		up += int64(b.d.Below(3000))
	}
	switch c.Transport {
	case DNSTXT, DNSA:
		b.question(r, d, t, l)
	case RawUDP:
		r.exchange(b.h, d.addr, d.port, datagram, t, up, answer(c, down), l)
	case ICMP:
		r.exchange(b.h, d.addr, 0, echo, t, up, answer(c, up), l)
	case Pulses, ConnectPulses:
		b.pulse(r, d, t, up, down, l)
	default:
		if c.Blocked != Permitted {
			t = r.resolve(b.h, d, t, l)
			r.fail(b.h, d.addr, d.port, t, outcome(c.Blocked-Dropped), l)
			return
		}
		b.connection(r, d, t, up, down, l)
	}
}

func answer(c *Cell, down int64) int64 {
	if c.Blocked != Permitted {
		return -1
	}
	return down
}

// connection is a beat with a connection of its own.
func (x *strike) connection(r *run, d *dest, t, up, down int64, l *Label) {
	tr := x.p.attack.Cell.Transport
	s := r.dial(x.h, d, t, l, tr.proxied())
	x.agent(s)
	if tr == RawTCP {
		s.carrier = raw
	}
	r.open(s)
	at := s.opened + d.rtt
	if tr.clear() {
		q := request{method: "GET", path: "/" + word(x.p.seed) + ".php", kind: "application/octet-stream", status: 200, took: d.rtt, up: up, down: down}
		if x.p.seed>>32%2 == 0 {
			q.method = "POST"
		}
		r.ask(s, at, q)
	} else {
		r.say(s, at, up, down)
	}
	r.close(s, s.spoke+2*d.rtt+50*millisecond)
}

// pulse is a beat inside the one session.
func (b *beacon) pulse(r *run, d *dest, t, up, down int64, l *Label) {
	if b.long == nil {
		s := r.dial(b.h, d, t, l, b.p.attack.Cell.Transport.proxied())
		b.agent(s)
		b.long = r.open(s)
	}
	b.long.label = l
	if b.long.leg != nil {
		b.long.leg.label = l
	}
	r.say(b.long, max(t, b.long.opened), up, down)
}

// question is a beat in a name that is looked up.
func (b *beacon) question(r *run, d *dest, t int64, l *Label) {
	q := lookup{label: l, dest: d, rtt: 30 * millisecond, name: fmt.Sprintf("%08x.%s", b.d.Uint32(), d.name)}
	if b.p.attack.Cell.Transport == DNSTXT {
		q.kind, q.text = "TXT", fmt.Sprintf("%016x", mix(uint64(b.d.Uint32())))
	}
	r.sink.lookup(b.h, r.resolver, t, q)
	if r.resolver == r.dc {
		q.rtt = 25 * millisecond
		r.sink.lookup(r.resolver, nil, t+millisecond, q)
	}
}

// noise is what else goes to a beacon's destination, without rhythm.
type noise struct {
	*beacon
	d    draw
	mean int64
}

func (n *noise) step(r *run, t int64) int64 {
	if n.done {
		return 0
	}
	if at := r.powered(n.h, t); at > t {
		return at + n.d.between(second, n.mean)
	}
	if t > n.base {
		n.beat(r, t, n.other())
	}
	return t + n.d.exp(n.mean) + millisecond
}

// operator is somebody who types commands: beats come quickly for a while.
type operator struct {
	*beacon
	left int
}

func (o *operator) step(r *run, t int64) int64 {
	if o.left--; o.left < 0 || o.done || r.powered(o.h, t) > t {
		return 0
	}
	o.beat(r, t, o.other())
	return t + o.d.between(second, 6*second)
}
