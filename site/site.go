// Package site knows who is who on the network. It stands between the order of
// the records and the detectors (sensor.Stage) and completes each record with
// what others told: the name that a client had looked up an address by, host
// name, user, MAC address and operating system of machines inside, and, for
// traffic through a proxy, the other leg: which origin was asked, for which
// workstation.
//
// What it says is evidence, with its source; where two explanations are left it
// names both and picks none. All it remembers is bounded by Config and counted,
// and depends on the records alone.
//
// It imports packet, records and sensor only, and knows no clock.
package site

import (
	"math"
	"net/netip"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Site is the stage. It is used by one goroutine.
type Site struct {
	config     Config
	inside     func([16]byte) bool
	now        int64 // logical time
	emit       sensor.Emit
	names      names
	hosts      hosts
	applicants *table[hash, applicant] // by DHCP client
	proxies    proxies
	joins      joins
	queue      queue
}

// New makes a stage for a network.
func New(c Config, n *sensor.Networks) *Site {
	s := &Site{
		config:     c,
		inside:     func(a [16]byte) bool { _, in := n.Find(a); return in },
		names:      newNames(c.Names, c.ClientNames),
		hosts:      newHosts(c.Hosts),
		applicants: newTable[hash, applicant](c.Hosts),
		queue:      queue{limit: c.Held},
		joins:      newJoins(c),
	}
	s.proxies = newProxies(c.Proxies)
	return s
}

// Observe implements sensor.Stage.
func (s *Site) Observe(r records.Record, emit sensor.Emit) {
	m := r.Meta()
	s.now, s.emit = m.At, emit
	told := *m // what a held record is stamped with later is not what identities bear
	s.learn(r, m)
	s.complete(r, m)
	if !s.join(r, m) {
		emit(r)
	}
	s.tell(&told)
}

// Advance implements sensor.Stage: what waits for longer than it may goes on.
func (s *Site) Advance(now int64, emit sensor.Emit) {
	s.emit = emit
	for h := s.queue.due(now); h != nil; h = s.queue.due(now) {
		s.now = h.due
		s.giveUp(h)
	}
	s.queue.compact()
}

// Finish implements sensor.Stage. What comes next may be of another time: open
// ends are forgotten, and so are names, whose times would mislead.
func (s *Site) Finish(emit sensor.Emit) {
	s.Advance(math.MaxInt64, emit)
	s.names.clear()
	s.joins.clear()
}

// learn takes from a record what it tells about others.
func (s *Site) learn(r records.Record, m *records.Meta) {
	switch r := r.(type) {
	case *records.DNS:
		s.learnNames(r, m)
		s.learnAnnounced(r, m)
	case *records.HTTP:
		s.learnProxy(r, m)
		s.learnAgent(r, m)
		s.learnWebUser(r, m)
	case *records.Flow:
		s.learnMAC(m)
	case *records.Auth:
		s.learnLogin(r, m)
	case *records.DHCP:
		s.learnDHCP(r)
	}
}

// complete adds what is known of a record's ends.
func (s *Site) complete(r records.Record, m *records.Meta) {
	if m.ClientInternal {
		m.ClientHost = s.hosts.snapshot(m.Client().Addr(), s.now)
	}
	if m.ServerInternal {
		m.ServerHost = s.hosts.snapshot(m.Server().Addr(), s.now)
	}
	wire, source, start := wireName(r, m)
	m.Resolved = s.names.find(m.Key.Addr(m.Orig), m.Key.Addr(m.Orig.Other()), start)
	switch {
	case wire != "":
		m.NameSource = source
		if m.Resolved != nil && sameName(m.Resolved.Name, wire) {
			m.Resolved = nil
		}
	case m.Resolved != nil:
		m.NameSource = m.Resolved.Source
	case m.ServerHost != nil:
		m.NameSource = m.ServerHost.Name.Source
	}
}

// wireName is how a record's own flow names the server, where that stands, and
// when the flow or message began.
func wireName(r records.Record, m *records.Meta) (name, source string, start int64) {
	switch r := r.(type) {
	case *records.Flow:
		return r.ServerName, flowNameSource(r), r.Start
	case *records.HTTP:
		host := domainOf(r.HostName())
		if r.Method == "CONNECT" {
			return host, "connect", r.Start
		}
		return host, "host", r.Start
	case *records.TLS:
		return r.ServerName, "sni", r.Start
	case *records.QUIC:
		return r.ServerName, "sni", r.Start
	case *records.WebSocket:
		return domainOf(bareName(r.Host)), "host", r.Start
	}
	return "", "", m.At
}

// domainOf is a host unless that is an address.
func domainOf(host string) string {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	return host
}

func flowNameSource(r *records.Flow) string {
	switch r.Service {
	case "tls", "quic", "dtls":
		return "sni"
	case "http":
		if r.Tunnel != "" {
			return "connect"
		}
		return "host"
	}
	return r.Service
}

// sameName compares host names without regard to case, a root dot and a port.
func sameName(a, b string) bool {
	a, b = bareName(a), bareName(b)
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func bareName(s string) string {
	for i := len(s) - 1; i > 0; i-- { // a port, but not the end of an IPv6 address
		if s[i] == ':' {
			s = s[:i]
			break
		}
		if s[i] < '0' || s[i] > '9' {
			break
		}
	}
	if n := len(s); n > 1 && s[n-1] == '.' {
		s = s[:n-1]
	}
	return s
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isTCP(m *records.Meta) bool { return m.Key.Proto == packet.ProtoTCP }
