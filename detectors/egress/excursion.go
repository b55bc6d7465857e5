package egress

import (
	"math"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/packet"
	"kagami/records"
)

// class is what a direct contact is an attempt at.
type class uint8

const (
	web class = iota
	quic
	odd  // another port
	dns  // a foreign name server
	dot  // the same over TLS (RFC 7858)
	doh  // the same over HTTPS (RFC 8484)
	mail // SMTP straight out
	ping // ICMP echo with data
	classes
)

func (c class) text() incident.Text {
	return [classes]incident.Text{
		{EN: "web", JA: "Web"}, {EN: "QUIC", JA: "QUIC"}, {EN: "other port", JA: "その他のポート"}, {EN: "DNS", JA: "DNS"},
		{EN: "DNS over TLS", JA: "DNS over TLS"}, {EN: "DNS over HTTPS", JA: "DNS over HTTPS"}, {EN: "mail", JA: "メール"}, {EN: "ICMP with data", JA: "データ付きICMP"},
	}[c]
}

// way is what a place has for going outside.
type way uint8

const (
	byProxy way = iota
	byResolver
	byRelay
	ways
)

func (w way) text() incident.Text {
	return [ways]incident.Text{{EN: "the proxy", JA: "プロキシ"}, {EN: "name servers inside", JA: "内部のDNSサーバー"}, {EN: "mail relays inside", JA: "内部のメールリレー"}}[w]
}

// ways are those that a class goes around; a machine with a proxy has no need of
// any direct contact.
func (c class) around(w way) bool {
	switch w {
	case byResolver:
		return c == dns || c == dot || c == doh
	case byRelay:
		return c == mail
	}
	return true
}

// excursion is one destination contacted directly.
type excursion struct {
	key         uint64 // of the destination: name, or address
	domain      uint64 // of its registered domain if its name is sure to be its own, else key
	uid         uint64 // the last flow
	name        string // cut
	addr        netip.Addr
	port        uint16
	from        uint16 // the client's port
	proto       uint8
	class       class
	nameless    bool // an address that no DNS answer gave out
	recent      bool // new to the whole place
	famous      bool // many machines know it, whichever way they go there
	habit       bool // first seen while the place was being learned
	visits      int  // a minute or more apart
	opened      int
	blocked     int
	octets      uint64
	first, last int64 // nanoseconds since the epoch
}

const (
	maxExcursions = 16
	maxName       = 100
	visitGap      = int64(time.Minute)
)

var excursionSize = int64(reflect.TypeFor[excursion]().Size())

// excursion reads a record of a direct contact. What shows too little, and time
// requests, which proxies do not carry, are none.
func (d *Detector) excursion(r records.Record) (excursion, bool) {
	m := r.Meta()
	server := m.Server()
	x := excursion{uid: m.UID, addr: server.Addr(), port: server.Port(), from: m.Client().Port(), proto: m.Key.Proto, visits: 1}
	ok := false
	switch r := r.(type) {
	case *records.Flow:
		ok = x.flow(r, d.census.Blind())
	case *records.TLS:
		x.first, x.name, x.opened = r.Start, r.ServerName, 1
		ok = r.Via == "" && r.ServerHello && r.Protocol != "dtls"
	case *records.HTTP:
		x.first, x.name, x.opened = r.Start, r.Host, 1
		ok = !r.Proxied && r.Via == "" && r.ResponseSeen && r.Depth <= 1
	case *records.Pulse:
		x.first, x.name, x.opened = r.Start, r.ServerName, 1
		ok = r.Authority == ""
	}
	if !ok || x.first <= 0 {
		return x, false
	}
	x.last = x.first
	if x.name = hostname(x.name); x.name == "" && m.Resolved != nil && m.Resolved.Source == "dns" {
		x.name = m.Resolved.Name
	}
	x.classify(r, d.config.Resolvers)
	return x, true
}

// hostname takes port and root dot off a name, and is "" for an address.
func hostname(s string) string {
	if s == "" || s[len(s)-1] == ']' {
		return ""
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		if strings.IndexByte(s, ':') < i { // an IPv6 address
			return ""
		}
		s = s[:i]
	}
	s = strings.TrimSuffix(s, ".")
	if n := len(s); n > 0 && s[n-1] >= '0' && s[n-1] <= '9' {
		if _, err := netip.ParseAddr(s); err == nil {
			return ""
		}
	}
	return s
}

// flow reads what a flow came to.
func (x *excursion) flow(r *records.Flow, blind bool) bool {
	x.first, x.name, x.octets = r.Start, r.ServerName, r.Orig.IPBytes+r.Resp.IPBytes
	answered := r.Resp.Packets > 0
	switch x.proto {
	case packet.ProtoTCP:
		switch {
		case census.Refused(r):
			x.blocked = 1
		case census.Answered(r):
			x.opened = 1
		}
	case packet.ProtoUDP:
		if timeShaped(r) {
			return false
		}
		switch {
		case answered:
			x.opened = 1
		case !blind && r.Orig.Packets > 0:
			x.blocked = 1
		}
	case packet.ProtoICMP, packet.ProtoICMPv6:
		x.port, x.from = 0, 0
		echo := r.ICMPType == 8 && x.proto == packet.ProtoICMP || r.ICMPType == 128 && x.proto == packet.ProtoICMPv6
		switch n := r.Orig.Packets; {
		case !echo || n == 0 || r.Orig.Payload <= pingPayload*n:
		case answered:
			x.opened = 1
		case !blind:
			x.blocked = 1
		}
	}
	return x.opened+x.blocked > 0
}

// pingPayload is how many octets a harmless echo request bears at most: Windows
// sends 32, others 56 (64 with the header of ICMP).
const pingPayload = 64

// timeShaped tells whether a flow is of time requests: port 123 and datagrams of
// 48 octets (RFC 5905 section 7.3) or 68 with a digest.
func timeShaped(f *records.Flow) bool {
	n := f.Orig.Packets
	return f.Meta().Server().Port() == 123 && (f.Orig.Payload == 48*n || f.Orig.Payload == 68*n)
}

// classify tells the class by port, what the content was recognised as, and name.
func (x *excursion) classify(r records.Record, resolvers []string) {
	service := ""
	if f, ok := r.(*records.Flow); ok {
		service = f.Service
	}
	switch {
	case x.port == 0:
		x.class = ping
	case x.port == 53 || service == "dns":
		x.class = dns
	case x.port == 853:
		x.class = dot
	case x.port == 443 && x.name != "" && within(x.name, resolvers):
		x.class = doh
	case x.proto == packet.ProtoTCP && (x.port == 25 || x.port == 465 || x.port == 587):
		x.class = mail
	case x.proto == packet.ProtoUDP && x.port == 443:
		x.class = quic
	case x.port != 80 && x.port != 443:
		x.class = odd
	}
}

// role tells whether a machine is there for such contacts: mail relays and name
// servers, by what they are to others.
func (c class) role(r census.Role) bool {
	switch c {
	case dns, dot, doh:
		return r&census.Resolver != 0
	case mail:
		return r&census.Relay != 0
	}
	return false
}

// same tells whether two contacts are with one destination. Datagrams from one
// socket to several unanswering ones are one attempt: that is how calls look for
// a way between two machines (RFC 8445 section 6.1).
func (x *excursion) same(y *excursion) bool {
	if x.proto != y.proto || x.class != y.class {
		return false
	}
	if x.key == y.key && x.port == y.port {
		return true
	}
	return x.proto == packet.ProtoUDP && x.class == odd && x.from == y.from && x.opened+y.opened == 0
}

// merge adds a contact with the same destination.
func (x *excursion) merge(y *excursion) {
	if y.uid == x.uid && y.proto == x.proto { // the flow of a handshake or pulse
		x.octets = max(x.octets, y.octets)
		x.last = max(x.last, y.last)
		return
	}
	if y.first-x.last >= visitGap {
		x.visits++
	}
	x.uid = y.uid
	x.first, x.last = min(x.first, y.first), max(x.last, y.last)
	x.opened += y.opened
	x.blocked += y.blocked
	x.octets += y.octets
}

// Weights, in nats.
const (
	blockedWeight  = 5.0 // one destination tried in vain by a machine that knows better
	blockedFirst   = 2.1 // the same while the place is being learned
	blockedHalf    = 3 * 24 * float64(time.Hour)
	commonPort     = -4.0 // a port on which several machines go elsewhere
	habitWeight    = -4.0
	recentWeight   = 1.5
	famousWeight   = -1.5
	famousBlocked  = 0.4 // share of the weight: programs that try a shorter way to it
	namelessWeight = 2.0
	oddWeight      = 1.0
	mostVisits     = 6
	firstVisits    = 3 // on the first day
)

// weigh is the evidence of a destination that answered, which so many machines
// contact directly.
func (x *excursion) weigh(hosts int, commonly, learned bool) float64 {
	most := float64(mostVisits)
	switch {
	case !learned:
		most = firstVisits
	case x.habit:
		most = 0
	}
	w := min(float64(x.visits-1), most)
	switch {
	case hosts <= 1:
		w += 2.5
	case hosts == 2:
		w += 1.5
	}
	switch {
	case x.recent:
		w += recentWeight
	case x.famous:
		w += famousWeight
	}
	if x.nameless {
		w += namelessWeight
	}
	if x.habit && learned {
		w += habitWeight
	}
	if x.class == odd {
		w += oddWeight
		if commonly {
			w += commonPort
		}
	}
	return w
}

// inVain is the evidence of a destination that did not answer, now.
func (x *excursion) inVain(now int64, learned bool) float64 {
	w := blockedFirst
	if learned && !x.habit {
		w = blockedWeight * math.Exp2(-float64(max(0, now-x.last))/blockedHalf)
	}
	if x.famous || learned && x.habit || x.class == quic && !learned {
		w *= famousBlocked
	}
	return w
}

func (x *excursion) save(e *state.Encoder) {
	e.Hash(x.key)
	e.Hash(x.domain)
	e.Hash(x.uid)
	e.String(x.name)
	e.Addr(x.addr)
	for _, n := range [...]uint64{uint64(x.port), uint64(x.from), uint64(x.proto), uint64(x.class), uint64(x.visits), uint64(x.opened), uint64(x.blocked), x.octets} {
		e.Uint(n)
	}
	e.Bool(x.nameless)
	e.Bool(x.recent)
	e.Bool(x.famous)
	e.Bool(x.habit)
	e.Int(x.first)
	e.Int(x.last)
}

func (x *excursion) load(d *state.Decoder) {
	*x = excursion{key: d.Hash(), domain: d.Hash(), uid: d.Hash(), name: d.String(maxName), addr: d.Addr()}
	x.port, x.from, x.proto, x.class = uint16(d.Uint()), uint16(d.Uint()), uint8(d.Uint()), class(d.Uint())
	x.visits, x.opened, x.blocked, x.octets = count(d), count(d), count(d), d.Uint()
	x.nameless, x.recent, x.famous, x.habit = d.Bool(), d.Bool(), d.Bool(), d.Bool()
	x.first, x.last = d.Int(), d.Int()
	if x.class >= classes || !x.addr.IsValid() {
		d.Fail("a direct contact makes no sense")
	}
}

// count reads a number that fits everywhere.
func count(d *state.Decoder) int { return int(min(d.Uint(), 1<<31-1)) }
