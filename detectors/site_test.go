package detectors

import (
	"fmt"
	"math"
	"net/netip"
	"testing"

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
	s := newStage(t, Default())
	for _, c := range []struct {
		name string
		r    func() records.Record
		want string // "" = no contact
	}{
		{"CONNECT", func() records.Record { return s.connect(monday, "10.0.0.1", proxyAddr, "Api.Test:8443") }, "api.test:8443"},
		{"CONNECT to an address", func() records.Record { return s.connect(monday, "10.0.0.1", proxyAddr, "192.0.2.7:443") }, "192.0.2.7:443"},
		{"CONNECT to an IPv6 address", func() records.Record { return s.connect(monday, "10.0.0.1", proxyAddr, "[2001:db8::7]:443") }, "[2001:db8::7]:443"},
		{"absolute URI", func() records.Record { return s.get(monday, "10.0.0.1", proxyAddr, "a.test", "/") }, "a.test:80"},
		{"origin form", func() records.Record { return s.get(monday, "10.0.0.1", "", "a.test", "/") }, "a.test:80"},
		{"no Host header", func() records.Record { return s.get(monday, "10.0.0.1", "", "", "/") }, "198.51.100.80:80"},
		{"web server inside", func() records.Record {
			h := s.get(monday, "10.0.0.1", "10.0.0.2", "intra.test", "/")
			h.Proxied = false
			return h
		}, ""},
		{"TLS", func() records.Record { return s.hello(monday, "10.0.0.1", "192.0.2.7", "a.test") }, "a.test:443"},
		{"TLS without a name", func() records.Record { return s.hello(monday, "10.0.0.1", "192.0.2.7", "") }, "192.0.2.7:443"},
		{"TLS inside a tunnel was told by CONNECT", func() records.Record {
			r := s.hello(monday, "10.0.0.1", proxyAddr, "a.test")
			r.Via = "CONNECT"
			return r
		}, ""},
		{"flow", func() records.Record { return s.flow(monday, "10.0.0.1", "192.0.2.7", 4444, "S0") }, "192.0.2.7:4444"},
		{"flow told by HTTP", func() records.Record {
			f := s.flow(monday, "10.0.0.1", "192.0.2.7", 80, "SF")
			f.Service = "http"
			return f
		}, ""},
		{"flow told by TLS", func() records.Record {
			f := s.flow(monday, "10.0.0.1", "192.0.2.7", 443, "SF")
			f.Service = "tls"
			return f
		}, ""},
		{"DNS", func() records.Record { return s.udp(monday, "10.0.0.1", "192.0.2.7", 53, true, 40) }, ""},
		{"UDP", func() records.Record { return s.udp(monday, "10.0.0.1", "192.0.2.7", 5555, false, 40) }, "192.0.2.7:5555"},
		{"multicast", func() records.Record { return s.udp(monday, "10.0.0.1", "239.1.2.3", 5555, false, 40) }, ""},
		{"from outside", func() records.Record { return s.flow(monday, "192.0.2.7", "10.0.0.1", 22, "SF") }, ""},
		{"inside", func() records.Record { return s.flow(monday, "10.0.0.1", "10.0.0.2", 22, "SF") }, ""},
		{"cut in the middle", func() records.Record { return s.flow(monday, "10.0.0.1", "192.0.2.7", 443, "OTH") }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, ok := contactOf(c.r())
			got := ""
			if ok {
				got = x.text()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSiteLearnsProxies(t *testing.T) {
	s := newSite(Default().Site)
	st := newStage(t, Default())
	proxy := netip.MustParseAddr(proxyAddr)
	see := func(client string, status int) {
		h := st.get(monday, client, proxyAddr, "a.test", "/")
		h.Status = status
		s.Observe(h, nil)
	}
	for i := range 30 {
		see(fmt.Sprintf("10.0.1.%d", i), 403)
	}
	if s.isProxy(proxy) {
		t.Error("a server that refuses is taken for a proxy")
	}
	see("10.0.1.1", 200)
	if !s.isProxy(proxy) {
		t.Error("30 clients and a served request make no proxy")
	}
	f := s.known(nameKey("a.test"))
	if f.hosts != 10 || !f.common() {
		t.Errorf("familiarity %+v", f)
	}
	c := Default().Site
	c.Proxies = []netip.Addr{proxy}
	if !newSite(c).isProxy(proxy) {
		t.Error("configured proxy is not known")
	}
}

func TestRarity(t *testing.T) {
	for _, c := range []struct {
		hosts, total int
		want         float64
	}{{1, 100, 2.5}, {2, 100, 1.5}, {3, 100, 0}, {3, 30, -6}, {9, 100, 0}, {10, 1000, -6}, {2, 4, 1.5}} {
		if got := (familiarity{hosts: c.hosts, total: c.total}).rarity(); got != c.want {
			t.Errorf("%d of %d: %v, want %v", c.hosts, c.total, got, c.want)
		}
	}
}

func TestProxyDoesNotMakeDestinationsKnown(t *testing.T) {
	s := newStage(t, Default())
	s.feed(s.hello(monday, proxyAddr, "192.0.2.1", "c2.rare.test")) // before it is known as a proxy
	s.office(20)
	s.feed(s.get(monday+2*hour, "10.0.0.23", proxyAddr, "c2.rare.test", "/"))
	site := s.all[0].(*site)
	if f := site.known(nameKey("c2.rare.test")); f.hosts != 1 {
		t.Errorf("known to %d machines, want 1", f.hosts)
	}
}

func TestNameless(t *testing.T) {
	s := newStage(t, Default())
	site := s.all[0].(*site)
	c := &contact{addr: netip.MustParseAddr("192.0.2.1")}
	if site.nameless(c) != 0 {
		t.Error("evidence where no DNS is visible")
	}
	d := records.NewDNS(s.meta(monday, "10.0.0.1", "10.0.0.5", 53, packet.ProtoUDP))
	d.Answers = []records.Answer{{Type: "A", Data: "192.0.2.2"}}
	s.feed(d)
	if site.nameless(c) != 2 {
		t.Error("an address without a name is no evidence")
	}
	c.addr = netip.MustParseAddr("192.0.2.2")
	if site.nameless(c) != 0 {
		t.Error("an address that DNS gave is evidence")
	}
}

func TestSilence(t *testing.T) {
	var h host
	for at := monday; at < monday+2*hour; at += 5 * minute {
		h.mark(at)
	}
	h.mark(monday + 10*hour)
	for _, c := range []struct {
		from, to int64
		want     bool
	}{
		{0, 2 * hour, false}, {2 * hour, 10 * hour, true}, {0, 10 * hour, true}, {0, 3 * hour, false}, {2 * hour, 2*hour + 20*minute, false},
	} {
		if got := h.silent(monday+c.from, monday+c.to); got != c.want {
			t.Errorf("silent between %s and %s: %v", span(c.from), span(c.to), got)
		}
	}
	h.mark(monday + 40*day) // everything before is forgotten
	if h.silent(monday, monday+10*hour) {
		t.Error("tells of what it forgot")
	}
	h.mark(-1)
	h.mark(math.MaxInt64 / 2)
}

func TestRegistered(t *testing.T) {
	for in, want := range map[string]string{
		"a.b.example.com": "example.com", "x.co.jp": "x.co.jp", "WWW.X.CO.JP": "x.co.jp", "com": "", "": "", "u.github.io": "u.github.io", "a..b": "",
	} {
		if got := registered(in); got != want {
			t.Errorf("registered(%q) = %q, want %q", in, got, want)
		}
	}
}
