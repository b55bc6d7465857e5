package events

import "kagami/packet"

// What the machines of a site do in bulk or at their own times: backups, calls,
// mail, updates among neighbours, searches by those who may.

func (r *run) beginChores() {
	r.beginChanges()
	d := stream(r.opt.Seed, "chores", 0)
	calls, sync, quicTry, boots, peers := benign("call"), benign("sync"), benign("quic"), benign("boot"), benign("p2p")
	for _, h := range r.all(of(workstation)) {
		r.add(r.start+d.between(0, 4*hour), &errand{h: h, d: stream(h.seed, "call", 0), label: calls, every: 9 * hour, do: (*errand).call})
		r.add(r.start+d.between(0, 4*hour), &errand{h: h, d: stream(h.seed, "sync", 0), label: sync, every: 40 * hour, do: (*errand).sync})
		r.add(r.start+d.between(0, 4*hour), &errand{h: h, d: stream(h.seed, "p2p", 0), label: peers, every: 60 * hour, do: (*errand).p2p})
		if h.proxied && d.percent(20) {
			r.add(r.start+d.between(0, 4*hour), &errand{h: h, d: stream(h.seed, "quic", 0), label: quicTry, every: 3 * hour, do: (*errand).quic})
		}
		r.add(r.start, &booting{h: h, d: stream(h.seed, "boot", 0), label: boots})
	}
	for _, h := range r.all(of(mailServer)) {
		r.add(r.start+minute, &errand{h: h, d: stream(h.seed, "smtp", 0), label: benign("smtp"), every: 6 * minute, do: (*errand).mail})
	}
	keeper := r.all(of(backupServer))
	if len(keeper) == 0 {
		keeper = r.all(of(server))
	}
	for _, h := range keeper {
		r.add(r.start+2*hour, &backup{h: h, d: stream(h.seed, "backup", 0), label: benign("backup"), offsite: benign(rare + "offsite")})
	}
	for _, h := range r.all(of(scanner)) {
		r.add(r.start+5*day+hour, &sweep{h: h, label: benign("vulnscan"), ports: scannedPorts(), again: 7 * day, gap: 40 * millisecond, all: true})
	}
	for _, h := range r.all(of(inventory)) {
		r.add(r.start+9*day+13*hour, &sweep{h: h, label: benign("inventory"), ports: []uint16{135, 445, 5985}, again: 14 * day, gap: 2 * second})
	}
}

// errand is something that comes up at no fixed time while somebody works.
type errand struct {
	h     *host
	d     draw
	label *Label
	every int64 // of working time, on the mean
	do    func(*errand, *run, int64)
}

func (e *errand) step(r *run, t int64) int64 {
	if e.h.role == workstation {
		if at := r.present(e.h, t); at > t {
			return at + e.d.exp(min(e.every, 3*hour))
		}
	}
	e.do(e, r, t)
	return t + e.d.exp(e.every) + second
}

// call is a video call: signals through the proxy, media straight to a relay, as
// firewalls allow it.
func (e *errand) call(r *run, t int64) {
	d := r.service("relay"+string(rune('a'+e.d.Below(12)))+".meeting.example", uint16(3478+e.d.Below(4)))
	t = r.resolve(e.h, d, t, e.label)
	s := r.within(e.h, d.addr, d.port, t, e.label)
	s.dest, s.carrier, s.proto, s.took = d, datagram, packet.ProtoUDP, e.d.between(4*minute, 70*minute)
	size := s.took / second * 150000
	r.sink.datagrams(s, t, size, size*3/2)
	r.spare = append(r.spare, s)
	r.visit(e.h, r.service("signal.meeting.example", 443), t, e.label, e.h.proxied, 3000, 9000)
}

// sync is a burst of files into the cloud that everybody uses.
func (e *errand) sync(r *run, t int64) {
	d := r.service("drive.teamwork.example", 443)
	for range e.d.Int(1, 6) {
		s := r.open(r.dial(e.h, d, t, e.label, e.h.proxied))
		size := min(e.d.logNormal(20<<20, 150), 900<<20)
		r.fetch(s, s.spoke, size, 4000)
		r.close(s, s.spoke+size/(6<<20)*second+second) // at 6 MiB a second
		t += e.d.between(second, 30*second)
	}
}

// p2p is an update that machines get from each other.
func (e *errand) p2p(r *run, t int64) {
	list := r.all(of(workstation))
	for range e.d.Int(1, 4) {
		to := list[e.d.Below(len(list))]
		switch {
		case to == e.h:
		case r.powered(to, t) > t:
			r.fail(e.h, to.addr, 7680, t, unanswered, e.label)
		case e.d.percent(10):
			r.fail(e.h, to.addr, 7680, t, refused, e.label)
		default:
			r.inside(e.h, to.addr, 7680, t, 4*second, 900, e.d.logDown(3<<20), e.label)
		}
		t += e.d.between(100*millisecond, 4*second)
	}
}

// quic is a browser that tries the short way, which the firewall drops.
func (e *errand) quic(r *run, t int64) {
	d := r.siteAt(min(e.d.Below(60), e.d.Below(60)))
	t = r.resolve(e.h, d, t, e.label)
	r.exchange(e.h, d.addr, 443, quic, t, 1250, -1, e.label)
}

// mail is a message to another organisation.
func (e *errand) mail(r *run, t int64) {
	d := r.siteAt(r.fame.rank(e.d))
	mx := r.service("mx."+d.domain, 25)
	t = r.resolve(e.h, mx, t, e.label)
	s := r.within(e.h, mx.addr, 25, t, e.label)
	s.dest, s.carrier = mx, raw
	r.sink.open(s)
	r.say(s, t+300*millisecond, e.d.logDown(40000), 900)
	r.close(s, t+2*second)
}

// booting is what a machine does when it comes up: it looks for its way out, and
// tries a page that tells whether there is one.
type booting struct {
	h     *host
	d     draw
	label *Label
	on    bool
}

func (b *booting) step(r *run, t int64) int64 {
	at := r.powered(b.h, t)
	if at > t {
		b.on = false
		return at
	}
	if !b.on {
		b.on = true
		q := lookup{label: b.label, name: "wpad.corp.example", missing: !b.h.proxied, dest: r.service("wpad.corp.example", 80), rtt: 500 * 1000}
		r.sink.lookup(b.h, r.resolver, t+3*second, q)
		d := r.service("probe.os-vendor.example", 80)
		if b.h.proxied {
			r.fail(b.h, d.addr, 80, r.resolve(b.h, d, t+5*second, b.label), unanswered, b.label)
		} else {
			r.visit(b.h, d, t+5*second, b.label, false, 60, 22)
		}
	}
	if again := r.reboot(b.h, t, t+day); again > 0 {
		b.on = false
		return again + b.d.between(second, minute)
	}
	return min(max(r.off(b.h, t), t+minute), t+day) + second
}

// backup copies the servers at night, and its copy to a place outside that no
// other machine knows.
type backup struct {
	h              *host
	d              draw
	label, offsite *Label
}

func (b *backup) step(r *run, t int64) int64 {
	at := t
	for _, h := range r.all(of(server, storage, mailServer, directory)) {
		if h != b.h {
			took := b.d.between(4*minute, 25*minute)
			r.inside(b.h, h.addr, 10000, at, took, 400000, took/second*30000000, b.label)
			at += took
		}
	}
	d := r.service("vault.offsite-"+word(r.opt.Seed)+".example", 443)
	s := r.open(r.dial(b.h, d, at+minute, b.offsite, false))
	for range b.d.Int(20, 60) {
		r.say(s, s.spoke+b.d.between(3*second, 90*second), int64(b.d.Int(10, 120))<<20, 6000)
	}
	r.close(s, s.spoke+second)
	midnight := r.start + r.dayOf(t)*day
	return midnight + day + 2*hour + b.d.between(0, 10*minute)
}

// scannedPorts are what a vulnerability scanner asks every machine for.
func scannedPorts() []uint16 {
	return []uint16{
		21, 22, 23, 25, 53, 80, 88, 110, 111, 135, 139, 143, 389, 443, 445, 515, 548, 554, 587, 631, 636, 873, 993, 995, 1433, 1521, 2049, 3268, 3306,
		3389, 5060, 5432, 5900, 5985, 5986, 8000, 8080, 8443, 9100, 10000,
	}
}

// sweep is a search by a machine that may: of all machines, or of the workstations.
type sweep struct {
	h     *host
	label *Label
	ports []uint16
	gap   int64
	again int64
	all   bool
	list  []*host
	n     int
	began int64
}

func (s *sweep) step(r *run, t int64) int64 {
	if s.n == 0 {
		s.began = t
		if s.list = r.all(of(workstation)); s.all {
			s.list = r.hosts
		}
	}
	h, k := s.list[s.n/(len(s.ports)+1)], s.n%(len(s.ports)+1)
	if h != s.h {
		s.probe(r, h, k, t)
	}
	if s.n++; s.n == len(s.list)*(len(s.ports)+1) {
		s.n = 0
		return s.began + s.again
	}
	return t + s.gap
}

func (s *sweep) probe(r *run, h *host, k int, t int64) {
	on := r.powered(h, t) == t
	switch {
	case k == 0 && on:
		r.exchange(s.h, h.addr, 0, echo, t, 64, 64, s.label)
	case k == 0:
		r.exchange(s.h, h.addr, 0, echo, t, 64, -1, s.label)
		for i := range int64(3) {
			r.whoHas(r.router, h.addr, nil, t+i*second, s.label)
		}
	case !on:
		if !s.all { // the scanner asks only those that answered its ping
			r.fail(s.h, h.addr, s.ports[k-1], t, unanswered, s.label)
		}
	case h.dice(-1, uint64(s.ports[k-1]), 100) < s.openness():
		r.inside(s.h, h.addr, s.ports[k-1], t, 30*millisecond, 300, 500, s.label)
	default:
		r.fail(s.h, h.addr, s.ports[k-1], t, refused, s.label)
	}
}

// openness is how many percent of the ports answer.
func (s *sweep) openness() int64 {
	if s.all {
		return 10
	}
	return 80
}
