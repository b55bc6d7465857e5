package census

import (
	"fmt"
	"net/netip"
	"testing"

	"kagami/records"
)

func TestLearnsProxies(t *testing.T) {
	s := newStage()
	see := func(client string, status int) {
		h := s.get(monday, client, proxyAddr, "a.test", "/")
		h.Status = status
		s.feed(h)
	}
	for i := range 30 {
		see(fmt.Sprintf("10.0.1.%d", i), 403)
	}
	if s.Proxy(addr(proxyAddr)) {
		t.Error("a server that refuses is taken for a proxy")
	}
	see("10.0.1.1", 200)
	if !s.Proxy(addr(proxyAddr)) || s.Roles(addr(proxyAddr))&Proxy == 0 {
		t.Error("30 clients and a served request make no proxy")
	}
	for range 19 {
		s.feed(s.get(monday, "10.0.1.1", "10.0.0.60", "a.test", "/"))
	}
	if s.Proxy(addr("10.0.0.60")) {
		t.Error("19 requests of one machine make a proxy")
	}
	s.feed(s.get(monday, "10.0.1.1", "10.0.0.60", "a.test", "/"))
	if !s.Proxy(addr("10.0.0.60")) {
		t.Error("20 requests of one machine make no proxy")
	}
	for i := range 3 {
		r := s.socks(monday, "a.test", netip.Addr{})
		*r.Meta() = s.meta(monday, fmt.Sprintf("10.0.1.%d", i), "10.0.0.70", 1080, 6)
		s.feed(r)
	}
	if !s.Proxy(addr("10.0.0.70")) {
		t.Error("a SOCKS server is no proxy")
	}
}

func TestProxiesAreBounded(t *testing.T) {
	s := newStage()
	for i := range 100 * 3 {
		s.feed(s.get(monday+int64(i)*second, fmt.Sprintf("10.0.0.%d", i%3), fmt.Sprintf("10.0.9.%d", i/3), "p.test", "/"))
	}
	if n, r := s.counter(t, "proxies"), s.counter(t, "proxies_refused"); n != maxProxies || r != 100-maxProxies {
		t.Errorf("%d proxies, %d refused", n, r)
	}
}

func TestServers(t *testing.T) {
	s := newStage()
	serve := func(server string, port uint16, clients int) {
		for i := range clients {
			s.feed(s.flow(monday, fmt.Sprintf("10.0.1.%d", i+1), server, port, "SF"))
		}
	}
	serve("10.0.0.53", 53, 2)
	serve("10.0.0.25", 587, 4)
	serve("10.0.0.123", 123, 12)
	serve("10.0.0.44", 443, 1)
	for i := range 5 { // refused and unanswered
		s.feed(s.flow(monday, fmt.Sprintf("10.0.1.%d", i+1), "10.0.0.45", 53, "REJ"), s.flow(monday, fmt.Sprintf("10.0.1.%d", i+1), "10.0.0.45", 25, "S0"))
	}
	for _, c := range []struct {
		server string
		port   uint16
		serves int
		roles  Role
	}{
		{"10.0.0.53", 53, 2, Server | Resolver}, {"10.0.0.25", 587, 4, Server | Relay}, {"10.0.0.123", 123, 10, Server | TimeServer},
		{"10.0.0.44", 443, 1, 0}, {"10.0.0.45", 53, 0, 0}, {"10.0.1.1", 443, 0, 0},
	} {
		if n, r := s.Serves(addr(c.server), c.port), s.Roles(addr(c.server)); n != c.serves || r != c.roles {
			t.Errorf("%s: port %d answered %d machines, roles %b; want %d and %b", c.server, c.port, n, r, c.serves, c.roles)
		}
	}
}

// A server keeps its role at its next address.
func TestRolesFollowTheMachine(t *testing.T) {
	s := newStage()
	s.machines["10.0.0.53"] = leased(macA)
	s.feed(s.flow(monday, "10.0.1.1", "10.0.0.53", 53, "SF"), s.flow(monday, "10.0.1.2", "10.0.0.53", 53, "SF"))
	s.machines["10.0.0.54"] = leased(macA)
	s.feed(s.hello(monday, "10.0.0.54", "192.0.2.1", "a.test"))
	if s.Roles(addr("10.0.0.54"))&Resolver == 0 || s.Serves(addr("10.0.0.54"), 53) != 2 {
		t.Error("the resolver lost its role with its address")
	}
}

func TestConfiguredRoles(t *testing.T) {
	c := Default()
	p := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	c.Resolvers, c.Relays, c.TimeServers, c.Monitors, c.Scanners = p("10.0.0.1/32"), p("10.0.0.2/32"), p("10.0.0.3/32"), p("10.0.0.4/32"), p("10.0.0.4/31")
	s := newStageOf(c)
	for i, want := range []Role{Resolver, Relay, TimeServer, Monitor | Scanner, Scanner, 0} {
		if got := s.Roles(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})); got != want {
			t.Errorf("10.0.0.%d: %b, want %b", i+1, got, want)
		}
	}
}

func TestMonitors(t *testing.T) {
	for _, c := range []struct {
		why         string
		peers, days int
		visit       func(*stage, int64, string, string) records.Record
		want        bool
	}{
		{"SNMP every day", 12, 3, func(s *stage, at int64, a, b string) records.Record { return s.udp(at, a, b, 161, true) }, true},
		{"pings every day", 12, 3, func(s *stage, at int64, a, b string) records.Record { return s.ping(at, a, b, 8) }, true},
		{"a sweep of one day", 200, 1, func(s *stage, at int64, a, b string) records.Record { return s.udp(at, a, b, 161, true) }, false},
		{"few machines", 7, 30, func(s *stage, at int64, a, b string) records.Record { return s.udp(at, a, b, 161, true) }, false},
		{"nobody answers", 12, 3, func(s *stage, at int64, a, b string) records.Record { return s.udp(at, a, b, 161, false) }, false},
		{"file shares", 12, 3, func(s *stage, at int64, a, b string) records.Record { return s.flow(at, a, b, 445, "SF") }, false},
	} {
		s := newStage()
		for d := range c.days {
			for i := range c.peers {
				s.feed(c.visit(s, monday+int64(d)*day+int64(i)*minute, "10.0.0.9", fmt.Sprintf("10.0.2.%d", i)))
			}
		}
		if got := s.Roles(addr("10.0.0.9"))&Monitor != 0; got != c.want {
			t.Errorf("%s: monitor %v", c.why, got)
		}
	}
}
