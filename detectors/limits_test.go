package detectors

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"kagami/packet"
	"kagami/records"
)

// tiny has every table at its smallest.
func tiny() Config {
	c := Default()
	c.Site.Hosts, c.Site.Destinations, c.Site.Servers, c.Site.Addresses = 16, 16, 16, 16
	c.Beacon.Pairs, c.Beacon.Probation, c.Beacon.Watched = 16, 16, 16
	c.Egress.Hosts, c.Egress.Destinations = 16, 16
	c.Scan.Contacts, c.Scan.Sources, c.Scan.Pairs = 1000, 16, 16
	c.Download.Clients = 16
	return c
}

// Every limit can be hit; then the table stays at its size and counts.
func TestLimits(t *testing.T) {
	c := tiny()
	if errs := c.Validate(); len(errs) != 0 {
		t.Fatalf("the smallest settings are not valid: %v", errs)
	}
	s := newStage(t, c)
	s.t = nil // alerts do not matter here
	for i := range 3000 {
		at := monday + int64(i)*second
		client := fmt.Sprintf("10.1.%d.%d", i/250, i%250)
		s.feed(s.get(at, client, "", fmt.Sprintf("h%d.test", i), "/"))
		s.feed(s.get(at, client, fmt.Sprintf("10.2.%d.%d", i/250, i%250), "p.test", "/"))
		s.feed(s.flow(at, client, fmt.Sprintf("192.0.2.%d", i%200), uint16(1000+i), "S0"))
		s.feed(s.flow(at, client, fmt.Sprintf("10.3.%d.%d", i/250, i%250), 445, []string{"REJ", "SF"}[i%2]))
		d := records.NewDNS(s.meta(at, client, "10.0.0.5", 53, packet.ProtoUDP))
		d.Answers = []records.Answer{{Type: "A", Data: fmt.Sprintf("203.0.%d.%d", i/250, i%250)}, {Type: "AAAA", Data: "bad"}, {Type: "TXT", Data: "192.0.2.1"}}
		s.feed(d)
	}
	for i := range 400 { // beats of 40 pairs
		s.feed(s.hello(monday+day+int64(i/40)*hour+int64(i)*second, fmt.Sprintf("10.9.0.%d", i%40), "192.0.2.1", "b.test"))
	}
	// The same in short order, so that the pairs see rhythms before they are evicted.
	for i := range 40 * 8 {
		s.feed(s.hello(monday+2*day+int64(i%8)*hour, fmt.Sprintf("10.9.1.%d", i/8), "192.0.2.1", "b.test"))
	}
	s.t = t
	for _, x := range []struct{ detector, size, limit string }{
		{"site", "hosts", "hosts_evicted"}, {"site", "destinations", "destinations_evicted"},
		{"site", "servers", "servers_evicted"}, {"site", "addresses", "addresses_evicted"}, {"site", "", "proxy_roles_evicted"},
		{"beacon", "probation", "probation_evicted"}, {"beacon", "pairs", "pairs_evicted"}, {"beacon", "watched", "watched_evicted"},
		{"egress", "hosts", "hosts_evicted"}, {"egress", "destinations", "destinations_evicted"},
		{"scan", "sources", "sources_evicted"}, {"scan", "pairs", "pairs_evicted"}, {"scan", "", "contacts_turned_early"},
		{"download", "clients", "clients_evicted"},
	} {
		if s.counter(x.detector, x.limit) == 0 {
			t.Errorf("%s: %s is 0", x.detector, x.limit)
		}
		if x.size != "" && s.counter(x.detector, x.size) > 16 {
			t.Errorf("%s: %s is %d, limit 16", x.detector, x.size, s.counter(x.detector, x.size))
		}
	}
}

func TestProxiesAreBounded(t *testing.T) {
	s := newStage(t, Default())
	for i := range 100 * 3 {
		s.feed(s.get(monday+int64(i)*second, fmt.Sprintf("10.0.0.%d", i%3), fmt.Sprintf("10.0.9.%d", i/3), "p.test", "/"))
	}
	if n, r := s.counter("site", "proxies"), s.counter("site", "proxies_refused"); n != maxProxies || r != 100-maxProxies {
		t.Errorf("%d proxies, %d refused", n, r)
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	if errs := c.Validate(); len(errs) != 0 {
		t.Error(errs)
	}
	if mib := c.Memory() >> 20; mib < 20 || mib > 64 {
		t.Errorf("tables may take %d MiB, want 20 to 64", mib)
	}
	n := len(All(c))
	c.Beacon.Enable, c.Egress.Enable, c.Scan.Enable, c.Download.Enable = false, false, false, false
	if m := len(All(c)); n != 5 || m != 1 {
		t.Errorf("%d detectors, %d when all are off, want 5 and 1", n, m)
	}
}

func TestConfigFile(t *testing.T) {
	c := Default()
	_, err := toml.Decode(`
[site]
proxy_clients = 2
[beacon]
threshold = 14.5
min_lasting = "5m"
utc_offset = "9h"
office_hours = [7, 20]
[egress]
allow_networks = ["192.0.2.0/24"]
window = "24h"
[scan]
allow = ["10.0.0.9/32"]
`, &c)
	if err != nil {
		t.Fatal(err)
	}
	if c.Beacon.Threshold != 14.5 || c.Beacon.MinLasting != 5*time.Minute || c.Site.ProxyClients != 2 || c.Beacon.UTCOffset != 9*time.Hour || c.Beacon.Pairs != 32768 {
		t.Errorf("got %+v", c)
	}
	if errs := c.Validate(); len(errs) != 0 {
		t.Error(errs)
	}
}

func TestValidateTellsEveryProblem(t *testing.T) {
	c := Default()
	c.Site.ProxyClients = 0
	c.Beacon.Threshold = 1
	c.Beacon.OfficeHours = [2]int{20, 7}
	c.Egress.ProxyShare = 2
	c.Scan.Memory = time.Second
	c.Download.Clients = 0
	errs := c.Validate()
	if len(errs) != 6 {
		t.Errorf("%d problems, want 6: %v", len(errs), errs)
	}
	if got, want := errs[1].Error(), "detect.beacon.threshold: got 1, want 4 to 100"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a.test":                 `"a.test"`,
		"a\x1b[31m\n\"b":         `"a\x1b[31m\n\"b"`,
		"日本":                     `"\u65e5\u672c"`,
		"\xff":                   `"\xff"`,
		strings.Repeat("x", 300): `"` + strings.Repeat("x", 200) + `"...`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

// The order of alerts and every number must come out the same in each run.
func TestSameRecordsSameAlerts(t *testing.T) {
	run := func() string {
		s := newStage(t, Default())
		s.office(60)
		s.play(s.driveBy(monday+2*hour, "10.0.0.23", "image/gif"))
		r := rand.New(rand.NewPCG(1, 1))
		next, at := gaps(r, 300, .25), monday+3*hour
		for range 40 {
			s.feed(s.get(at, "10.0.0.23", proxyAddr, "c2.rare.test", "/"))
			s.feed(s.flow(at, "10.0.0.29", fmt.Sprintf("10.0.1.%d", r.IntN(250)), 445, "S0"))
			s.feed(s.flow(at, "10.0.0.26", fmt.Sprintf("192.0.2.%d", r.IntN(5)), 443, "SF"))
			at += next()
		}
		var b strings.Builder
		for _, a := range s.alerts {
			fmt.Fprintln(&b, a.Meta().At, a.Rule, a.Title, a.Score, a.Evidence, a.Flows)
		}
		for _, rule := range []string{"beacon", "direct-egress", "lateral-scan", "drive-by"} {
			if s.count(rule, "") != 1 {
				t.Errorf("%d alerts of %s, want 1", s.count(rule, ""), rule)
			}
		}
		return b.String()
	}
	first := run()
	for range 5 {
		if got := run(); got != first {
			t.Fatalf("got\n%s\nbefore\n%s", got, first)
		}
	}
}

// FuzzDetectors feeds records made of random octets; every alert must be whole.
func FuzzDetectors(f *testing.F) {
	f.Add([]byte("GET http://a.test/ 10.0.0.1"), uint64(1))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 254, 253}, uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		s := newStage(nil, tiny())
		g := generator{data: data, r: rand.New(rand.NewPCG(seed, 9))}
		at := monday
		for range min(60+4*len(data), 600) {
			at += g.r.Int64N(2 * minute)
			r := g.record(s, at)
			n := len(s.alerts)
			s.feed(r)
			for _, a := range s.alerts[n:] {
				if a.Score != a.Score || len(a.Evidence) == 0 || len(a.Flows) > maxSamples || *a.Meta() == (records.Meta{}) {
					t.Fatalf("bad alert %+v", a)
				}
				for _, e := range append(a.Evidence, a.Title) {
					if len(e) > 8192 || strings.ContainsFunc(e, func(c rune) bool { return c < ' ' || c > '~' }) {
						t.Fatalf("bad evidence %q", e)
					}
				}
			}
		}
		for _, d := range s.all {
			d.(Counted).Counters()
		}
	})
}

// generator draws records from a few values, so that histories build up.
type generator struct {
	data []byte
	r    *rand.Rand
}

func (g *generator) text() string {
	if len(g.data) == 0 || g.r.IntN(3) > 0 {
		return []string{"", "a.test", "B.Test.", "http://a.test/x.php", "[::1]:80", "192.0.2.1:1", ":", "a@b:0", "application/octet-stream", "image/gif", "//", "http://", "pe", "swf", "zip"}[g.r.IntN(15)]
	}
	i := g.r.IntN(len(g.data))
	return string(g.data[i:min(len(g.data), i+g.r.IntN(400))])
}

func (g *generator) addr() string {
	return []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1", "255.255.255.255", "0.0.0.0", "fe80::1", "2001:db8::1", "fd00::1", "224.0.0.1"}[g.r.IntN(10)]
}

func (g *generator) record(s *stage, at int64) records.Record {
	client := []string{"10.0.0.1", "10.0.0.2", g.addr()}[g.r.IntN(3)]
	port := []uint16{80, 443, 445, 53, 123, 0, uint16(g.r.Uint32())}[g.r.IntN(7)]
	server := g.addr()
	if netip.MustParseAddr(server).Is4() != netip.MustParseAddr(client).Is4() {
		server = "fd00::2"
	}
	early := []int64{0, 0, second, day, at, at * 2}[g.r.IntN(6)]
	switch g.r.IntN(4) {
	case 0:
		f := s.flow(at, client, server, port, "SF")
		f.ConnState, f.History = []string{"SF", "S0", "REJ", "OTH", ""}[g.r.IntN(5)], []string{"ShADadFf", "S", "", "D"}[g.r.IntN(4)]
		f.Start, f.End, f.ServerName, f.Service = at-early, at, g.text(), []string{"", "http", "tls", "dns"}[g.r.IntN(4)]
		f.Meta().Key.Proto = []uint8{1, 6, 17, 58, 200}[g.r.IntN(5)]
		f.Meta().At = at
		return f
	case 1:
		h := s.get(at-early, client, "", "a.test", "/")
		h.Host, h.URL, h.Referrer, h.Location, h.ContentType, h.Magic, h.UserAgent = g.text(), g.text(), g.text(), g.text(), g.text(), g.text(), g.text()
		h.Proxied, h.Method, h.Status, h.ResponseBody = g.r.IntN(2) == 0, []string{"GET", "CONNECT", "\x00"}[g.r.IntN(3)], g.r.IntN(700), g.r.Int64N(1<<20)
		h.Meta().At = at
		return h
	case 2:
		x := s.hello(at-early, client, server, g.text())
		x.Meta().At = at
		return x
	}
	d := records.NewDNS(s.meta(at, client, server, port, packet.ProtoUDP))
	d.Answers = []records.Answer{{Type: "A", Data: g.text()}, {Type: "AAAA", Data: g.addr()}}
	return d
}

func BenchmarkDetectors(b *testing.B) {
	s := newStage(nil, Default())
	r := rand.New(rand.NewPCG(1, 1))
	at := monday
	block := func() (rs []records.Record) {
		for range 20000 {
			at += r.Int64N(second / 2)
			client := fmt.Sprintf("10.0.%d.%d", r.IntN(2), r.IntN(200))
			switch r.IntN(4) {
			case 0:
				rs = append(rs, s.flow(at, client, fmt.Sprintf("10.0.3.%d", r.IntN(20)), 445, "SF"))
			case 1:
				rs = append(rs, s.get(at, client, proxyAddr, fmt.Sprintf("www%d.test", r.IntN(100)), "/"))
			case 2:
				rs = append(rs, s.flow(at, client, fmt.Sprintf("192.0.2.%d", r.IntN(100)), 443, "SF"))
			default:
				rs = append(rs, s.hello(at, client, "192.0.2.1", fmt.Sprintf("s%d.test", r.IntN(100))))
			}
		}
		return rs
	}
	for range 20 {
		for _, r := range block() {
			s.feed(r)
		}
	}
	rs := block()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if i%len(rs) == 0 {
			b.StopTimer()
			rs = block()
			b.StartTimer()
		}
		s.feed(rs[i%len(rs)])
	}
}
