package site

import (
	"fmt"
	"net/netip"
	"testing"

	"kagami/packet"
	"kagami/records"
)

func TestNamesOfFlows(t *testing.T) {
	const a = "203.0.113.7"
	type step struct {
		at     int64 // seconds
		client string
		name   string
	}
	for _, c := range []struct {
		name     string
		answers  []step
		start    int64 // of the flow, seconds
		wire     string
		service  string
		domain   string // destination.domain
		source   string // kagami.name.source
		resolved string // kagami.name.resolved
	}{
		{"looked up before", []step{{1, ws1, "WWW.Example.test"}}, 2, "", "", "www.example.test", "dns", "www.example.test"},
		{"looked up at that moment", []step{{2, ws1, "www.example.test"}}, 2, "", "", "www.example.test", "dns", "www.example.test"},
		{"looked up afterwards", []step{{3, ws1, "www.example.test"}}, 2, "", "", "", "", ""},
		{"looked up by another", []step{{1, ws2, "www.example.test"}}, 2, "", "", "", "", ""},
		{"the later of two names", []step{{1, ws1, "a.test"}, {2, ws1, "b.test"}}, 3, "", "", "b.test", "dns", "b.test"},
		{"the one that was known then", []step{{1, ws1, "a.test"}, {3, ws1, "b.test"}}, 2, "", "", "a.test", "dns", "a.test"},
		{"asked again since", []step{{1, ws1, "a.test"}, {2, ws1, "b.test"}, {9, ws1, "a.test"}}, 3, "", "", "b.test", "dns", "b.test"},
		{"asked again before", []step{{1, ws1, "a.test"}, {2, ws1, "b.test"}, {3, ws1, "a.test"}}, 4, "", "", "a.test", "dns", "a.test"},
		{"more names than are kept", []step{{1, ws1, "a.test"}, {2, ws1, "b.test"}, {3, ws1, "c.test"}, {4, ws1, "d.test"}, {5, ws1, "e.test"}}, 1, "", "", "", "", ""},
		{"its own name, the same", []step{{1, ws1, "www.example.test"}}, 2, "WWW.example.test", "tls", "WWW.example.test", "sni", ""},
		{"its own name, another", []step{{1, ws1, "www.example.test"}}, 2, "hidden.test", "tls", "hidden.test", "sni", "www.example.test"},
		{"Host with a port", []step{{1, ws1, "www.example.test"}}, 2, "www.example.test:8080", "http", "www.example.test:8080", "host", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, nil)
			for _, x := range c.answers {
				s.see(x.at*second, s.answer(x.at*second, x.client, x.name, "198.51.100.9", a))
			}
			f := s.flow(c.start*second, 20*second, ws1+":50000", a+":443")
			f.ServerName, f.Service = c.wire, c.service
			s.see(20*second, f)
			got := map[string]string{}
			for _, x := range f.AppendFields(nil) {
				got[x.Name] = x.Str
			}
			if got["destination.domain"] != c.domain || got["kagami.name.source"] != c.source || got["kagami.name.resolved"] != c.resolved {
				t.Errorf("domain %q, source %q, resolved %q", got["destination.domain"], got["kagami.name.source"], got["kagami.name.resolved"])
			}
		})
	}
}

// TestNameThroughAliases: the name is the one asked for, not the alias's target.
func TestNameThroughAliases(t *testing.T) {
	s := newStage(t, nil)
	r := s.answer(0, ws1, "www.example.test", "203.0.113.7")
	r.Answers = []records.Answer{{Name: "www.example.test", Type: "CNAME", Data: "edge.cdn.test"}, {Name: "edge.cdn.test", Type: "A", Data: "203.0.113.7"}}
	s.see(0, r)
	f := s.flow(second, second, ws1+":50000", "203.0.113.7:443")
	s.see(second, f)
	if f.Meta().Resolved == nil || f.Meta().Resolved.Name != "www.example.test" {
		t.Errorf("resolved %+v", f.Meta().Resolved)
	}
}

// TestNameOfOtherRecords: HTTP without Host, TLS without a server name.
func TestNameOfOtherRecords(t *testing.T) {
	s := newStage(t, nil)
	s.see(0, s.answer(0, ws1, "www.example.test", "203.0.113.7"))
	h := s.get(second, second, ws1+":50000", "203.0.113.7:80", "")
	tls := records.NewTLS(s.meta(packet.ProtoTCP, ws1+":50001", "203.0.113.7:443"))
	tls.Start = 1001 * second
	named := s.get(second, second, ws1+":50002", "203.0.113.7:80", "http://203.0.113.7/")
	for _, r := range []records.Record{h, tls, named} {
		s.see(second, r)
		if m := r.Meta(); m.NameSource != "dns" || m.Resolved == nil {
			t.Errorf("%T: source %q, resolved %+v", r, m.NameSource, m.Resolved)
		}
	}
}

func TestNamesAreNotLearnedFromGroups(t *testing.T) {
	s := newStage(t, nil)
	r := records.NewDNS(s.meta(packet.ProtoUDP, "10.0.1.5:5353", "224.0.0.251:5353"))
	r.Protocol, r.Response, r.RCode, r.Name, r.Time = "mdns", true, "NOERROR", "printer.local", 1000*second
	r.Resolved = []netip.Addr{netip.MustParseAddr("10.0.1.5")}
	s.see(0, r)
	if n := counter(s.site, "names"); n != 0 {
		t.Errorf("%d names", n)
	}
}

// TestNameLimits: a client that looks up everything forgets its own names only;
// all together forget those of the client that was silent for longest.
func TestNameLimits(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Names, c.ClientNames = 64, 32 })
	s.see(0, s.answer(0, ws1, "keep.test", "203.0.113.7"))
	for i := range 1000 {
		s.see(int64(i), s.answer(0, ws2, fmt.Sprintf("x%d.test", i), fmt.Sprintf("198.51.%d.%d", i/250, i%250+1)))
	}
	if n, gone := counter(s.site, "names"), counter(s.site, "names_evicted"); n != 33 || gone != 1000-32 {
		t.Errorf("%d names, %d forgotten", n, gone)
	}
	find := func(client, addr string) bool {
		return s.site.names.find(netip.MustParseAddr(client).As16(), netip.MustParseAddr(addr).As16(), 5000*second) != nil
	}
	if !find(ws1, "203.0.113.7") || !find(ws2, "198.51.3.250") || find(ws2, "198.51.0.1") {
		t.Error("the wrong names were forgotten")
	}
	for i := range 40 { // ws2 is silent
		s.see(second, s.answer(0, "10.0.3.3", fmt.Sprintf("y%d.test", i), fmt.Sprintf("203.0.113.%d", i+1)))
	}
	if n := counter(s.site, "names"); n != 64 {
		t.Errorf("%d names, want 64", n)
	}
	for i := range 200 {
		s.see(2*second, s.answer(0, fmt.Sprintf("10.0.4.%d", i+1), "z.test", "203.0.113.200"))
	}
	if n := counter(s.site, "names"); n != 64 || find(ws1, "203.0.113.7") || s.site.names.clients.len() > 64 {
		t.Errorf("%d names of %d clients", n, s.site.names.clients.len())
	}
	s.site.Finish(s.emit)
	if n := counter(s.site, "names"); n != 0 || find("10.0.4.200", "203.0.113.200") {
		t.Errorf("%d names are left of another time", n)
	}
}

func TestSameName(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"www.example.test", "WWW.EXAMPLE.TEST.", true}, {"a.test:8080", "a.test", true}, {"a.test", "b.test", false},
		{"a.test", "a.test.b", false}, {"2001:db8::1", "2001:db8:", false}, {"", "", true}, {".", ".", true},
	} {
		if sameName(c.a, c.b) != c.same {
			t.Errorf("%q and %q", c.a, c.b)
		}
	}
}
