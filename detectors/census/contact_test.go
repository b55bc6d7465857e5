package census

import (
	"net/netip"
	"testing"

	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
)

func TestSplitAuthority(t *testing.T) {
	for _, c := range []struct {
		in   string
		host string
		port uint16
	}{
		{"a.test", "a.test", 0}, {"a.test:8080", "a.test", 8080}, {"a.test.", "a.test", 0}, {"a.test.:80", "a.test", 80},
		{"user@a.test:1", "a.test", 1}, {"[2001:db8::1]:443", "[2001:db8::1]", 443}, {"[2001:db8::1]", "[2001:db8::1]", 0},
		{"2001:db8::1", "2001:db8::1", 0}, {"a.test:99999", "a.test", 0}, {"a.test:x", "a.test", 0}, {":80", "", 80}, {"", "", 0}, {":", "", 0},
	} {
		host, port := splitAuthority(c.in)
		if host != c.host || port != c.port {
			t.Errorf("%q: %q %d, want %q %d", c.in, host, port, c.host, c.port)
		}
	}
}

// One beat is one contact, under the name that is known.
func TestContacts(t *testing.T) {
	s := newStage()
	at := monday
	for _, c := range []struct {
		name string
		r    func() records.Record
		want string // "" = no contact
		how  How
	}{
		{"CONNECT", func() records.Record { return s.connect(at, "10.0.0.1", proxyAddr, "Api.Test:8443") }, "api.test:8443", ByProxyConnect},
		{"CONNECT without a port", func() records.Record { return s.connect(at, "10.0.0.1", proxyAddr, "api.test") }, "api.test:443", ByProxyConnect},
		{"CONNECT to an address", func() records.Record { return s.connect(at, "10.0.0.1", proxyAddr, "192.0.2.7:443") }, "192.0.2.7:443", ByProxyConnect},
		{"CONNECT to an IPv6 address", func() records.Record { return s.connect(at, "10.0.0.1", proxyAddr, "[2001:db8::7]:443") }, "[2001:db8::7]:443", ByProxyConnect},
		{"absolute URI", func() records.Record { return s.get(at, "10.0.0.1", proxyAddr, "a.test", "/") }, "a.test:80", ByProxy},
		{"a proxy outside", func() records.Record { return s.connect(at, "10.0.0.1", "192.0.2.250", "a.test:443") }, "a.test:443", ByProxyConnect},
		{"a proxy is asked for nothing", func() records.Record { return s.get(at, "10.0.0.1", proxyAddr, "", "") }, "", 0},
		{"origin form", func() records.Record { return s.get(at, "10.0.0.1", "", "a.test", "/") }, "a.test:80", OverHTTP},
		{"no Host header", func() records.Record { return s.get(at, "10.0.0.1", "", "", "/") }, "198.51.100.80:80", OverHTTP},
		{"web server inside", func() records.Record {
			h := s.get(at, "10.0.0.1", "10.0.0.2", "intra.test", "/")
			h.Proxied = false
			return h
		}, "", 0},
		{"HTTP inside a tunnel was told by CONNECT", func() records.Record {
			h := s.get(at, "10.0.0.1", proxyAddr, "a.test", "/")
			h.Proxied = false
			return h
		}, "", 0},
		{"TLS", func() records.Record { return s.hello(at, "10.0.0.1", "192.0.2.7", "a.test") }, "a.test:443", OverTLS},
		{"TLS without a name", func() records.Record { return s.hello(at, "10.0.0.1", "192.0.2.7", "") }, "192.0.2.7:443", OverTLS},
		{"TLS without a name to an address that was looked up", func() records.Record {
			r := s.hello(at, "10.0.0.1", "192.0.2.7", "")
			r.Meta().Resolved = &records.Resolved{Name: "c2.test", Source: "dns"}
			return r
		}, "c2.test:443", OverTLS},
		{"a name of the neighbourhood is no name outside", func() records.Record {
			r := s.hello(at, "10.0.0.1", "192.0.2.7", "")
			r.Meta().Resolved = &records.Resolved{Name: "printer", Source: "llmnr"}
			return r
		}, "192.0.2.7:443", OverTLS},
		{"TLS inside a tunnel was told by CONNECT", func() records.Record {
			r := s.hello(at, "10.0.0.1", proxyAddr, "a.test")
			r.Via = "CONNECT"
			return r
		}, "", 0},
		{"flow", func() records.Record { return s.flow(at, "10.0.0.1", "192.0.2.7", 4444, "S0") }, "192.0.2.7:4444", OverTCP},
		{"flow told by HTTP", func() records.Record {
			f := s.flow(at, "10.0.0.1", "192.0.2.7", 80, "SF")
			f.Service = "http"
			return f
		}, "", 0},
		{"flow told by TLS", func() records.Record {
			f := s.flow(at, "10.0.0.1", "192.0.2.7", 443, "SF")
			f.Service = "tls"
			return f
		}, "", 0},
		{"QUIC with a name was told by TLS", func() records.Record {
			f := s.udp(at, "10.0.0.1", "192.0.2.7", 443, true)
			f.Service, f.ServerName = "quic", "a.test"
			return f
		}, "", 0},
		{"DNS flow", func() records.Record { return s.udp(at, "10.0.0.1", "192.0.2.7", 53, true) }, "", 0},
		{"DNS query", func() records.Record { return s.query(at, "10.0.0.1", "10.0.0.53", "x.y.a.test") }, "a.test:53", OverDNS},
		{"DNS answer to a query that was seen", func() records.Record { return s.query(at, "10.0.0.1", "10.0.0.53", "a.test", "192.0.2.1") }, "", 0},
		{"DNS answer alone", func() records.Record {
			d := s.query(at, "10.0.0.1", "10.0.0.53", "a.test", "192.0.2.1")
			d.RTT = -1
			return d
		}, "a.test:53", OverDNS},
		{"DNS query for the reverse tree", func() records.Record {
			d := s.query(at, "10.0.0.1", "10.0.0.53", "1.0.0.10.in-addr.arpa")
			d.RegisteredDomain, d.TopLevelDomain = "10.in-addr.arpa", "in-addr.arpa"
			return d
		}, "", 0},
		{"mDNS", func() records.Record {
			d := s.query(at, "10.0.0.1", "224.0.0.251", "a.test")
			d.Protocol = "mdns"
			return d
		}, "", 0},
		{"UDP", func() records.Record { return s.udp(at, "10.0.0.1", "192.0.2.7", 5555, false) }, "192.0.2.7:5555", OverUDP},
		{"ping", func() records.Record { return s.ping(at, "10.0.0.1", "192.0.2.7", 8) }, "192.0.2.7", OverICMP},
		{"port unreachable", func() records.Record { return s.ping(at, "10.0.0.1", "192.0.2.7", 3) }, "", 0},
		{"pulse", func() records.Record { return s.pulse(at, "10.0.0.1", "192.0.2.7", 443, "") }, "192.0.2.7:443", OverTLS},
		{"pulse in a tunnel", func() records.Record { return s.pulse(at, "10.0.0.1", proxyAddr, 8080, "C2.test:8443") }, "c2.test:8443", ByProxyConnect},
		{"pulse to a server inside", func() records.Record { return s.pulse(at, "10.0.0.1", "10.0.0.2", 445, "") }, "", 0},
		{"SOCKS to a name", func() records.Record { return s.socks(at, "c2.test", netip.Addr{}) }, "c2.test:443", ByProxyConnect},
		{"SOCKS to an address", func() records.Record { return s.socks(at, "", addr("192.0.2.7")) }, "192.0.2.7:443", ByProxyConnect},
		{"multicast", func() records.Record { return s.udp(at, "10.0.0.1", "239.1.2.3", 5555, false) }, "", 0},
		{"link-local multicast", func() records.Record { return s.udp(at, "10.0.0.1", "224.0.0.251", 5353, false) }, "", 0},
		{"broadcast", func() records.Record { return s.udp(at, "10.0.0.1", "255.255.255.255", 5555, false) }, "", 0},
		{"from outside", func() records.Record { return s.flow(at, "192.0.2.7", "10.0.0.1", 22, "SF") }, "", 0},
		{"inside", func() records.Record { return s.flow(at, "10.0.0.1", "10.0.0.2", 22, "SF") }, "", 0},
		{"a session goes on after a long pause", func() records.Record { return s.flow(at, "10.0.0.1", "192.0.2.7", 443, "OTH") }, "192.0.2.7:443", OverTCP},
		{"a keep-alive after a long pause", func() records.Record {
			f := s.flow(at, "10.0.0.1", "192.0.2.7", 443, "OTH")
			f.Orig.Payload = 1
			return f
		}, "", 0},
		{"the server goes on", func() records.Record {
			f := s.flow(at, "10.0.0.1", "192.0.2.7", 443, "OTH")
			f.History = "dD"
			return f
		}, "", 0},
		{"a server inside goes on", func() records.Record {
			f := s.flow(at, "10.0.0.1", "192.0.2.7", 50000, "OTH")
			f.Meta().Key.APort = 443
			return f
		}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.r()
			k, ok := s.ContactOf(r)
			if !ok {
				k, ok = s.DNSContactOf(r)
			}
			got := ""
			if ok {
				got = k.Text()
			}
			if got != c.want || k.How != c.how {
				t.Errorf("got %q over %d, want %q over %d", got, k.How, c.want, c.how)
			}
		})
	}
}

func (s *stage) socks(at int64, name string, a netip.Addr) *records.SOCKS {
	r := records.NewSOCKS(s.meta(at, "10.0.0.1", "10.0.0.60", 1080, packet.ProtoTCP))
	r.Start, r.Command, r.RequestName, r.RequestAddr, r.RequestPort, r.Status = at, "connect", name, a, 443, "succeeded"
	return r
}

// A beat is the same destination whatever record tells it.
func TestOneKeyForOneDestination(t *testing.T) {
	s := newStage()
	first := s.contact(t, s.connect(monday, "10.0.0.1", proxyAddr, "c2.test:443"))
	pulse := s.contact(t, s.pulse(monday, "10.0.0.1", proxyAddr, 8080, "C2.Test:443"))
	direct := s.contact(t, s.hello(monday, "10.0.0.1", "192.0.2.7", "c2.test"))
	if !pulse.Pulse || first.Key() != pulse.Key() || first.Key() != direct.Key() {
		t.Errorf("keys %x, of a pulse %x, of a direct contact %x", first.Key(), pulse.Key(), direct.Key())
	}
	other := s.contact(t, s.connect(monday, "10.0.0.1", proxyAddr, "c2.test:8443"))
	if other.Key() == first.Key() || other.Destination() != first.Destination() {
		t.Error("the port belongs to the key, not to the destination")
	}
	if first.Key() != PairKey(s.SourceOf(addr("10.0.0.1")), first.Destination(), 443) {
		t.Error("a key cannot be made of its parts")
	}
}

func TestDomainKey(t *testing.T) {
	s := newStage()
	a := s.contact(t, s.hello(monday, "10.0.0.1", "192.0.2.7", "a.evil.co.jp"))
	b := s.contact(t, s.hello(monday, "10.0.0.1", "192.0.2.8", "B.EVIL.co.jp"))
	plain := s.contact(t, s.hello(monday, "10.0.0.1", "192.0.2.9", ""))
	if a.DomainKey() != b.DomainKey() || a.DomainKey() != table.Name("evil.co.jp") || a.Destination() == b.Destination() {
		t.Error("rotating names of one domain do not come together")
	}
	if plain.DomainKey() != plain.Destination() {
		t.Error("an address is its own domain")
	}
}

// The program inside a tunnel shows in its handshake, the destination in CONNECT.
func TestJA4InsideTunnel(t *testing.T) {
	s := newStage()
	hello := s.hello(monday, "10.0.0.1", proxyAddr, "a.test")
	hello.Via = "CONNECT"
	connect := s.connect(monday, "10.0.0.1", proxyAddr, "a.test:443")
	*connect.Meta() = *hello.Meta()
	s.feed(hello)
	if k := s.contact(t, connect); k.JA4 != hello.JA4 || k.Agent == "" {
		t.Errorf("JA4 %q, agent %q", k.JA4, k.Agent)
	}
	if s.JA4Hosts(hello.JA4) != 1 {
		t.Error("the machine that shook hands does not count")
	}
}

func TestDNSContacts(t *testing.T) {
	s := newStage()
	s.feed(s.query(monday, "10.0.0.1", "10.0.0.53", "www.a.test"))
	s.feed(s.query(monday+second, "10.0.0.1", "10.0.0.53", "www.a.test", "192.0.2.1"))
	k := s.contact(t, s.query(monday+hour, "10.0.0.1", "10.0.0.53", "b.a.test"))
	if k.TTL != 300 {
		t.Errorf("TTL %d, want that of the last answer, 300", k.TTL)
	}
	// The resolver asks for its clients.
	for _, client := range []string{"10.0.0.1", "10.0.0.2"} {
		s.feed(s.udp(monday+hour, client, "10.0.0.53", 53, true))
	}
	if _, ok := s.DNSContactOf(s.query(monday+hour, "10.0.0.53", "192.0.2.53", "www.a.test")); ok {
		t.Error("a resolver's query is its own contact")
	}
	if f := s.Known(table.Name("a.test")); f.Hosts != 1 {
		t.Errorf("looked up by %d machines, want 1", f.Hosts)
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"C2.Test": "c2.test", "c2.test:443": "c2.test:443", "192.0.2.1:443": "192.0.2.1:443", "192.0.2.1": "192.0.2.1",
		"[2001:db8::1]:443": "[2001:db8::1]:443", "2001:db8::1": "2001:db8::1", "::ffff:192.0.2.1": "192.0.2.1", "c2.test.": "c2.test",
	} {
		got, err := ParseTarget(in)
		if err != nil || got.String() != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ":443", "http://c2.test/", "c2.test:https", "c2.test:0", "c2.test:65536", "a b", "[x]:1"} {
		if got, err := ParseTarget(in); err == nil {
			t.Errorf("%q is taken for %q", in, got)
		}
	}
	s := newStage()
	k := s.contact(t, s.hello(monday, "10.0.0.1", "192.0.2.7", ""))
	if x, _ := ParseTarget("192.0.2.7:443"); x.Destination() != k.Destination() || x.Port != k.Port {
		t.Error("a target does not lead to its contacts")
	}
}
