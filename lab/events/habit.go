package events

import "strconv"

// way is how a periodic thing reaches its server.
type way uint8

const (
	viaWeb     way = iota // HTTPS, through the proxy where the machine uses one
	viaClear              // HTTP, likewise
	viaDirect             // HTTPS, never through the proxy
	viaTime               // NTP
	viaSession            // one long TLS session, beats inside
	viaInside             // TCP to a machine inside
	viaUDP                // a datagram to a machine inside, answered
	viaGroup              // a datagram to a group
)

// when a periodic thing goes on.
type when uint8

const (
	powered when = iota // while the machine is on
	working             // while somebody sits at it
)

// habit is something that programs do again and again.
type habit struct {
	class    string
	servers  []string // one of them for each machine
	port     uint16
	way      way
	when     when
	from, to int64 // every machine's own period lies between them
	jitter   int   // percent: gaps are uniform on period * (1 +- jitter)
	powers   bool  // periods are powers of two seconds
	free     bool  // gaps are uniform between from and to: no period of its own
	roles    roles
	share    int // percent of them
	up, down int64
	rest     int64 // sessions are made anew after about so long
	domain   bool  // at sites with a directory only
}

// habits of systems and programs, as their makers chose them. Shares and periods
// are those of section 3 of the benchmark.
func habits() []habit {
	ws, computers := of(workstation), of(workstation, server, directory, mailServer, storage, backupServer, inventory)
	devices := of(printer, phone, camera, tv, gateway)
	vendor := "os-vendor.example"
	return []habit{
		{class: "time", servers: []string{"time." + vendor}, way: viaTime, from: 1024 * second, to: 32768 * second, jitter: 1, powers: true, roles: ws, share: 100},
		{class: "ntp", servers: []string{"0.pool-time.example", "1.pool-time.example", "2.pool-time.example"}, way: viaTime, from: 64 * second, to: 2048 * second, jitter: 1, powers: true, roles: devices | of(router, directory, proxy), share: 100},
		{class: "tile", servers: []string{"tile.news-portal.example"}, port: 443, from: 1800 * second, to: 1800 * second, when: working, roles: ws, share: 40, up: 420, down: 5200},
		{class: "ocsp", servers: []string{"ocsp.trust-a.example", "ocsp.trust-b.example", "crl.trust-c.example"}, port: 80, way: viaClear, when: working, from: 30 * minute, to: 90 * minute, free: true, roles: ws, share: 100, up: 90, down: 1500},
		{class: "update", servers: []string{"update." + vendor}, port: 443, from: 17*hour + 36*minute, to: 22 * hour, free: true, roles: computers, share: 100, up: 3000, down: 90000},
		{class: "push", servers: []string{"push." + vendor}, port: 443, way: viaSession, from: 4 * minute, to: 14 * minute, jitter: 2, roles: ws, share: 90, up: 60, down: 60, rest: 9 * hour},
		{class: "browser-push", servers: []string{"mtalk.browser-maker.example"}, port: 443, way: viaSession, from: 4 * minute, to: 28 * minute, jitter: 3, roles: ws, share: 50, up: 50, down: 50, rest: 7 * hour},
		{class: "chat", servers: []string{"chat.teamwork.example"}, port: 443, way: viaSession, when: working, from: 30 * second, to: 60 * second, jitter: 8, roles: ws, share: 45, up: 240, down: 300, rest: 4 * hour},
		{class: "cloud-drive", servers: []string{"drive.teamwork.example"}, port: 443, from: 5 * minute, to: 15 * minute, jitter: 10, roles: ws, share: 60, up: 1500, down: 2600},
		{class: "antivirus", servers: []string{"sig.antivirus.example"}, port: 443, from: hour, to: 4 * hour, jitter: 3, roles: computers, share: 100, up: 500, down: 16000},
		{class: "telemetry", servers: []string{"telemetry." + vendor}, port: 443, from: 15 * minute, to: 60 * minute, jitter: 10, roles: ws, share: 100, up: 4000, down: 700},
		{class: "telemetry", servers: []string{"stats.browser-maker.example"}, port: 443, when: working, from: 15 * minute, to: 60 * minute, jitter: 15, roles: ws, share: 70, up: 2600, down: 600},
		{class: "app", servers: apps(), port: 443, from: 15 * minute, to: 4 * hour, jitter: 5, roles: ws, share: 60, up: 1200, down: 1500},
		{class: "app", servers: apps()[4:], port: 443, when: working, from: 10 * minute, to: 2 * hour, jitter: 10, roles: ws, share: 40, up: 900, down: 2500},
		{class: "mobile-push", servers: []string{"courier.phone-maker.example"}, port: 443, way: viaSession, from: 15 * minute, to: 30 * minute, jitter: 2, roles: of(phone), share: 100, up: 50, down: 50, rest: 30 * hour},
		{class: "policy", port: 389, way: viaInside, from: 90 * minute, to: 120 * minute, free: true, roles: computers &^ of(directory), share: 100, up: 4000, down: 20000, domain: true},
		{class: "kerberos", port: 88, way: viaInside, from: 20 * minute, to: 3 * hour, free: true, roles: computers &^ of(directory), share: 100, up: 1700, down: 1600, domain: true},
		{class: "enrolment", port: 135, way: viaInside, from: 8 * hour, to: 8 * hour, jitter: 1, roles: ws, share: 100, up: 900, down: 700, domain: true},
		{class: "time-inside", port: 123, way: viaUDP, from: 1024 * second, to: 32768 * second, powers: true, jitter: 1, roles: computers &^ of(directory), share: 100, up: 68, down: 68, domain: true},
		{class: "mdns", port: 5353, way: viaGroup, from: 30 * minute, to: 90 * minute, free: true, roles: ws | devices, share: 70, up: 140},
		{class: "ssdp", port: 1900, way: viaGroup, from: 15 * minute, to: 60 * minute, free: true, roles: ws | of(tv, camera), share: 40, up: 180},
		{class: "plant", port: 502, way: viaInside, from: 5 * minute, to: 30 * minute, jitter: 1, roles: of(sensor), share: 100, up: 300, down: 200, domain: true},
		{class: "plant-cloud", servers: []string{"ingest.machine-maker.example", "iot.press-works.example", "edge.robot-cell.example"}, port: 443, way: viaDirect, from: 2 * minute, to: 15 * minute, jitter: 2, roles: of(gateway), share: 100, up: 2200, down: 500},
		{class: "camera-cloud", servers: []string{"relay.camera-cloud.example", "p2p.door-eye.example"}, port: 443, way: viaDirect, from: 5 * minute, to: 20 * minute, jitter: 3, roles: of(camera), share: 60, up: 700, down: 400},
		{class: "dhcp", port: 67, way: viaUDP, from: 4 * hour, to: 12 * hour, jitter: 1, roles: ws | devices, share: 100, up: 300, down: 300},
	}
}

// apps are programs that some machines have.
func apps() []string {
	var out []string
	for i := range 16 {
		out = append(out, "api.desk-app"+strconv.Itoa(i+1)+".example")
	}
	return out
}

// ticker is a habit of one machine.
type ticker struct {
	*habit
	h      *host
	d      draw
	label  *Label
	dest   *dest
	peer   *host
	period int64
	long   *session // of viaSession
	renew  int64    // when it is made anew
}

// beginPeriodic gives every machine its habits. What only one machine does is
// labelled as rare, with its destination: how many do it does not tell it from a
// beacon.
func (r *run) beginPeriodic() {
	list := habits()
	users := make([]int, r.dests, r.dests+512) // of destinations, by number
	var all []*ticker
	for i := range list {
		b := &list[i]
		if b.domain && r.dc == nil || b.class == "time" && r.dc != nil {
			continue
		}
		label := benign(b.class)
		for _, h := range r.hosts {
			if !b.roles.has(h.role) {
				continue
			}
			if d := stream(h.seed, b.class, i); d.percent(b.share) {
				t := r.begins(b, h, d, label, r.start)
				all = append(all, t)
				for t.dest != nil && len(users) <= t.dest.id {
					users = append(users, 0)
				}
				if t.dest != nil {
					users[t.dest.id]++
				}
			}
		}
	}
	for _, t := range all {
		if t.dest != nil && t.way != viaTime && users[t.dest.id] == 1 {
			t.label = benign(rare + t.class + " " + t.dest.name)
		}
	}
}

// begins starts a habit of a machine at a time.
func (r *run) begins(b *habit, h *host, d draw, label *Label, at int64) *ticker {
	t := &ticker{habit: b, h: h, d: d, label: label, period: d.between(b.from, b.to)}
	if b.powers {
		t.period = second << (log2(uint64(t.period/second)) >> 16)
	}
	switch b.way {
	case viaInside, viaUDP:
		t.peer = r.resolver
		if b.class == "plant" {
			servers := r.all(of(server))
			t.peer = servers[h.nth%len(servers)]
		}
	case viaGroup:
	default:
		port := b.port
		if b.way == viaTime {
			port = 123
		}
		t.dest = r.service(b.servers[d.Below(len(b.servers))], port)
	}
	r.add(at+d.between(0, min(t.period, 8*hour)), t)
	return t
}

// step implements source.
func (t *ticker) step(r *run, now int64) int64 {
	at := r.powered(t.h, now)
	if t.when == working {
		at = r.present(t.h, now)
	}
	if at > now { // it sleeps: what was open is gone
		if t.long != nil {
			r.close(t.long, now)
			t.long = nil
		}
		return at + t.d.between(2*second, min(t.period, 3*minute))
	}
	t.beat(r, now)
	next := now + t.gap()
	if at := r.reboot(t.h, now, next); at > 0 { // programs start anew
		if t.long != nil {
			r.close(t.long, at)
			t.long = nil
		}
		return at + t.d.between(20*second, min(t.period, 5*minute))
	}
	return next
}

func (t *ticker) gap() int64 {
	if t.free {
		return t.d.between(t.from, t.to)
	}
	slack := t.period * int64(t.jitter) / 100
	return t.d.between(t.period-slack, t.period+slack)
}

// beat is one contact.
func (t *ticker) beat(r *run, now int64) {
	up, down := t.up+int64(t.d.Below(int(t.up/8)+2)), t.d.logDown(t.down+1)
	switch t.way {
	case viaSession:
		t.chat(r, now, up, down)
	case viaTime:
		at := r.resolve(t.h, t.dest, now, t.label)
		s := r.within(t.h, t.dest.addr, 123, at, t.label)
		s.dest, s.carrier, s.proto, s.sport = t.dest, ntp, 17, 123
		r.sink.datagrams(s, at, 48, 48)
		r.spare = append(r.spare, s)
	case viaInside:
		r.inside(t.h, t.peer.addr, t.port, now, 30*millisecond, up, down, t.label)
	case viaUDP:
		c := datagram
		if t.port == 123 {
			c = ntp
		}
		r.exchange(t.h, t.peer.addr, t.port, c, now, t.up, t.down, t.label)
	case viaGroup:
		r.exchange(t.h, group(t.port), t.port, multicast, now, t.up, -1, t.label)
	default:
		s := r.dial(t.h, t.dest, now, t.label, t.h.proxied && t.way != viaDirect)
		if t.class == "ocsp" {
			s.ctype = "application/ocsp-response"
		}
		r.open(s)
		r.fetch(s, s.opened+t.dest.rtt, up, down)
		r.close(s, s.spoke+4*t.dest.rtt+300*millisecond)
	}
}

// chat is a beat inside a long session, which is made anew now and then.
func (t *ticker) chat(r *run, now, up, down int64) {
	if t.long != nil && now >= t.renew {
		r.close(t.long, now-500*millisecond)
		t.long = nil
	}
	if t.long == nil {
		s := r.dial(t.h, t.dest, now, t.label, t.h.proxied)
		t.long = r.open(s)
		t.renew = now + t.d.exp(t.rest) + hour
	}
	r.say(t.long, max(now, t.long.opened), up, down)
}
