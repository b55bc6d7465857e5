package events

import (
	"net/netip"

	"kagami/packet"
)

// sink shows what happens: as records, or as frames.
type sink interface {
	open(s *session)                                 // a connection is made; TLS shakes hands
	request(s *session, t int64, q request)          // one HTTP transaction on it
	data(s *session, t, idle, up, down int64)        // both sides send; the client did idle ago
	shut(s *session, t int64)                        // the connection ends
	lapse(s *session, t int64)                       // it was silent for longer than the sensor remembers
	attempt(s *session, t int64, o outcome)          // a TCP connection comes to nothing
	datagrams(s *session, t int64, up, down int64)   // UDP or ICMP, down < 0: no answer
	lookup(c *host, server *host, t int64, q lookup) // DNS
	arp(sender, target netip.Addr, mac [6]byte, op uint16, t int64, label *Label)
	stats(t int64)
}

// carrier is what a session runs over.
type carrier uint8

const (
	raw       carrier = iota // nothing that is recognised
	direct                   // TLS
	plain                    // HTTP
	tunnel                   // TLS through the proxy
	absolute                 // HTTP through the proxy
	smb                      // and others of the inside, that say nothing of use here
	ntp                      //
	datagram                 // UDP, of no known service
	quic                     //
	echo                     // ICMP
	multicast                // mDNS, SSDP, LLMNR
)

// outcome is how a connection attempt fails.
type outcome uint8

const (
	unanswered outcome = iota
	refused
)

// session is one connection.
type session struct {
	label         *Label
	client        *host
	from          netip.Addr // its address when the connection was made
	server        netip.Addr // whom the packets go to
	dest          *dest      // whom they are meant for, nil inside
	carrier       carrier
	port, sport   uint16
	proto         uint8
	agent, ja4    string
	selfSigned    bool
	ctype         string // of certificate status requests
	uid           uint64
	seq           uint32
	pulses        uint32
	opened, spoke int64
	took          int64 // of an exchange of datagrams, 0 = no time
	up, down      int64
	requests      int
	blind         bool     // its handshake was lost at the sensor
	lapsed        bool     // the sensor forgot it once
	leg           *session // the proxy's own connection for it
	conn          any      // what a sink of frames keeps of it
}

// request is one HTTP transaction.
type request struct {
	method, path, kind, referrer string
	up, down                     int64
	took                         int64
	status                       int
}

// lookup is one DNS question and its answer.
type lookup struct {
	label   *Label
	dest    *dest
	name    string // as asked for; "" = the destination's
	kind    string // "" = A
	text    string // of a TXT answer
	missing bool   // NXDOMAIN
	rtt     int64
}

// session takes a session from the spare ones.
func (r *run) session() *session {
	if n := len(r.spare); n > 0 {
		s := r.spare[n-1]
		r.spare = r.spare[:n-1]
		*s = session{}
		return s
	}
	return new(session)
}

// dial opens a connection to a service outside for a program: it looks up the
// name and takes the proxy if it is of those who do. The handshake begins at
// the time that s.opened says.
func (r *run) dial(h *host, d *dest, t int64, l *Label, viaProxy bool) *session {
	s := r.session()
	s.label, s.client, s.from, s.dest, s.proto = l, h, h.addr, d, packet.ProtoTCP
	s.agent, s.ja4 = h.agent, h.ja4
	s.sport, s.uid = h.nextPort(), r.id()
	switch {
	case viaProxy && r.proxy != nil && h != r.proxy:
		s.server, s.port, s.carrier = r.proxy.addr, 3128, tunnel
		if d.plain {
			s.carrier = absolute
		}
	case d.plain:
		s.server, s.port, s.carrier = d.addr, d.port, plain
	default:
		s.server, s.port, s.carrier = d.addr, d.port, direct
	}
	if s.carrier == direct || s.carrier == plain {
		t = r.resolve(h, d, t, l)
	}
	s.opened, s.spoke = t, t
	return s
}

// open opens a dialled session and the proxy's own connection for it.
func (r *run) open(s *session) *session {
	if (s.carrier == tunnel || s.carrier == absolute) && r.site.Uplink {
		s.leg = r.dial(r.proxy, s.dest, s.opened+3*millisecond, s.label, false)
		s.leg.agent, s.leg.ja4, s.leg.selfSigned, s.leg.ctype = s.agent, s.ja4, s.selfSigned, s.ctype
	}
	r.greet(s)
	if s.leg != nil {
		r.greet(s.leg)
	}
	return s
}

// greet makes the connection, with the handshake of TLS where there is one.
func (r *run) greet(s *session) {
	r.sink.open(s)
	if s.carrier == direct || s.carrier == tunnel {
		s.spoke = s.shook()
		s.up += 620
		s.down += 4100
	}
}

// hello is when a session's ClientHello passes, shook when its handshake is over.
func (s *session) hello() int64 {
	if s.carrier == tunnel {
		return s.opened + 2*s.dest.rtt
	}
	return s.opened + s.dest.rtt
}

func (s *session) shook() int64 { return s.hello() + s.dest.rtt }

// say sends data both ways at t; after a pause it is a pulse. Data of the
// handshake's moment is none.
func (r *run) say(s *session, t, up, down int64) {
	idle := t - s.spoke
	if idle > s.patience() {
		r.sink.lapse(s, t)
	}
	r.sink.data(s, t, idle, up, down)
	s.up += up
	s.down += down
	s.spoke = max(s.spoke, t)
	if s.leg != nil {
		r.say(s.leg, t+millisecond, up, down)
	}
}

// patience is how long the sensor remembers a session that says nothing.
func (s *session) patience() int64 {
	if s.carrier == tunnel {
		return tunnelled
	}
	return established
}

// ask makes one HTTP transaction on a plain connection.
func (r *run) ask(s *session, t int64, q request) {
	s.requests++
	s.up += q.up + 300
	s.down += q.down + 200
	s.spoke = max(s.spoke, t)
	r.sink.request(s, t, q)
	if s.leg != nil {
		r.ask(s.leg, t+millisecond, q)
	}
}

// close ends a session; it must not be used any more.
func (r *run) close(s *session, t int64) {
	t = max(t, s.spoke+20*millisecond)
	if s.leg != nil {
		r.close(s.leg, t-5*millisecond)
		s.leg = nil
	}
	if t-s.spoke > s.patience() {
		r.sink.lapse(s, t)
	}
	r.sink.shut(s, t)
	r.spare = append(r.spare, s)
}

// visit is a whole session: one request, answered and closed.
func (r *run) visit(h *host, d *dest, t int64, l *Label, viaProxy bool, up, down int64) {
	s := r.open(r.dial(h, d, t, l, viaProxy))
	r.fetch(s, s.opened+d.rtt, up, down)
	r.close(s, s.spoke+3*d.rtt+200*millisecond)
}

// fetch is one request and its answer, whatever the session runs over.
func (r *run) fetch(s *session, t, up, down int64) {
	if s.carrier == plain || s.carrier == absolute {
		q := request{method: "GET", path: "", kind: "text/html", up: up, down: down, took: s.dest.rtt, status: 200}
		if s.ctype != "" {
			q.kind = s.ctype
		}
		r.ask(s, t, q)
		return
	}
	r.say(s, t, up, down)
}

// resolve looks a name up unless the machine still knows it, and returns when
// it can go on.
func (r *run) resolve(h *host, d *dest, t int64, l *Label) int64 {
	if d.name == "" {
		return t
	}
	slot := &h.cache[d.id%len(h.cache)]
	if slot.dest == d.id+1 && t < slot.until {
		return t
	}
	slot.dest, slot.until = d.id+1, t+int64(d.ttl)*second
	if h == r.resolver || r.resolver == nil {
		return t
	}
	q := lookup{label: l, dest: d, rtt: 400 * int64(1000)}
	if r.resolver == r.dc { // a recursive resolver inside, whose own questions are seen
		q.rtt += r.forward(d, t+200*1000, l)
	} else {
		q.rtt += 9 * millisecond
	}
	r.sink.lookup(h, r.resolver, t, q)
	return t + q.rtt + 100*1000
}

// forward has the resolver ask the provider's, unless it still knows, and
// returns how long that takes.
func (r *run) forward(d *dest, t int64, l *Label) int64 {
	for len(r.upstream) <= d.id {
		r.upstream = append(r.upstream, 0)
	}
	if t < r.upstream[d.id] {
		return 0
	}
	r.upstream[d.id] = t + int64(d.ttl)*second
	q := lookup{label: l, dest: d, rtt: 11 * millisecond}
	r.sink.lookup(r.resolver, nil, t, q)
	return q.rtt
}

// inside is one TCP connection between machines inside, answered and closed.
func (r *run) inside(h *host, to netip.Addr, port uint16, t, took, up, down int64, l *Label) {
	s := r.within(h, to, port, t, l)
	r.sink.open(s)
	for at := t + millisecond; at < t+took; at += established / 2 {
		r.say(s, at, up, down)
		up, down = 500, 500
	}
	r.close(s, t+took)
}

func (r *run) within(h *host, to netip.Addr, port uint16, t int64, l *Label) *session {
	s := r.session()
	s.label, s.client, s.from, s.server, s.port, s.proto = l, h, h.addr, to, port, packet.ProtoTCP
	s.sport, s.uid, s.opened, s.spoke, s.carrier = h.nextPort(), r.id(), t, t, smb
	return s
}

// fail is a TCP connection that comes to nothing.
func (r *run) fail(h *host, to netip.Addr, port uint16, t int64, o outcome, l *Label) {
	s := r.within(h, to, port, t, l)
	r.sink.attempt(s, t, o)
	r.spare = append(r.spare, s)
}

// exchange is a datagram and its answer; down < 0: none comes.
func (r *run) exchange(h *host, to netip.Addr, port uint16, c carrier, t, up, down int64, l *Label) {
	s := r.within(h, to, port, t, l)
	s.carrier, s.proto = c, packet.ProtoUDP
	if c == echo {
		s.proto, s.port, s.sport = packet.ProtoICMP, 0, 8
	}
	if c == ntp || c == multicast {
		s.sport = port
	}
	r.sink.datagrams(s, t, up, down)
	r.spare = append(r.spare, s)
}

// whoHas is an ARP request, and its answer if there is somebody.
func (r *run) whoHas(h *host, target netip.Addr, owner *host, t int64, l *Label) {
	r.sink.arp(h.addr, target, h.mac, 1, t, l)
	if owner != nil {
		r.sink.arp(target, h.addr, owner.mac, 2, t+200*1000, l)
	}
}

// group is the address that a protocol's multicasts go to.
func group(port uint16) netip.Addr {
	if port == 1900 {
		return netip.AddrFrom4([4]byte{239, 255, 255, 250})
	}
	return netip.AddrFrom4([4]byte{224, 0, 0, 251})
}
