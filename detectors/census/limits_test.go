package census

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"kagami/detectors/table"
	"kagami/records"
)

// tiny has every table at its smallest.
func tiny() Config {
	c := Default()
	c.Hosts, c.Destinations, c.Servers, c.Addresses, c.Programs = 16, 16, 16, 16, 16
	return c
}

// Every limit can be hit; then the table stays at its size and counts.
func TestLimits(t *testing.T) {
	c := tiny()
	if errs := c.Validate(); len(errs) != 0 {
		t.Fatalf("the smallest settings are not valid: %v", errs)
	}
	s := newStageOf(c)
	for i := range 6000 {
		at := monday + int64(i)*second
		client, server := fmt.Sprintf("10.%d.%d.1", i/250, i%250), fmt.Sprintf("10.%d.%d.2", i/250, i%250)
		s.machines[client] = machine("", fmt.Sprintf("pc%d", i))
		get := s.get(at, client, "", fmt.Sprintf("h%d.test", i), "/")
		get.UserAgent = strings.Repeat("a", i%200) + strings.Repeat("b", i/200)
		hello := s.hello(at, client, "192.0.2.1", "a.test")
		hello.JA4, hello.Via = fmt.Sprint(i), "CONNECT"
		s.feed(get, hello, s.get(at, client, server, "p.test", "/"), s.udp(at, client, server, 161, true), s.arp(at, 1, client, fmt.Sprintf("10.%d.%d.3", i/250, i%250)))
		s.feed(s.flow(at, "10.0.0.1", server, 25, "SF"), s.flow(at, "10.0.0.2", server, 25, "SF"))
		s.feed(s.query(at, client, "10.0.0.5", "x.test", fmt.Sprintf("192.0.%d.%d", i/250, i%250)))
	}
	for name, limit := range map[string]uint64{
		"hosts": 16, "local_addresses": 64, "identities": 32, "destinations": 16, "addresses": 16, "servers": 16, "pollers": 16, "roles": 16,
		"agents": 16, "fingerprints": 16, "tunnels": maxTunnels, "unanswered": 32, "subnets": maxSubnets,
	} {
		if n, evicted := s.counter(t, name), s.counter(t, name+"_evicted"); n != limit || evicted == 0 {
			t.Errorf("%s: %d of %d, %d evicted", name, n, limit, evicted)
		}
	}
	if s.counter(t, "proxy_candidates_evicted") == 0 {
		t.Error("proxy candidates are not bounded")
	}
}

// The plan of DETECTION.md: 2 KiB a host, 160 octets a destination.
func TestMemory(t *testing.T) {
	if n := table.Bytes[Host](2048, 0) / 2048; n > 2048 {
		t.Errorf("a host takes %d octets, want 2048 at most", n)
	}
	if n := table.Bytes[destination](50000, 0) / 50000; n > 165 {
		t.Errorf("a destination takes %d octets, want 165 at most", n)
	}
	c := Default()
	if mib := c.Memory() >> 20; mib < 8 || mib > 20 {
		t.Errorf("tables may take %d MiB, want 8 to 20", mib)
	}
}

func TestConfig(t *testing.T) {
	c := Default()
	_, err := toml.Decode(`
proxy_clients = 2
destinations = 1000
monitors = ["10.0.0.9/32", "2001:db8::/64"]
scanners = ["10.0.0.10/32"]
`, &c)
	if err != nil || c.ProxyClients != 2 || c.Destinations != 1000 || len(c.Monitors) != 2 || c.Hosts != 2048 {
		t.Fatalf("%v, got %+v", err, c)
	}
	if errs := c.Validate(); len(errs) != 0 {
		t.Error(errs)
	}
	c = Config{ProxyClients: 11}
	errs := c.Validate()
	if len(errs) != 7 {
		t.Errorf("%d problems, want 7: %v", len(errs), errs)
	}
	if got, want := errs[0].Error(), "detect.census.proxy_clients: got 11, want 1 to 10"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// generator draws records from a few values, so that histories build up.
type generator struct {
	data []byte
	r    *rand.Rand
}

func pick[T any](g *generator, from ...T) T { return from[g.r.IntN(len(from))] }

func (g *generator) text() string {
	if len(g.data) == 0 || g.r.IntN(3) > 0 {
		return pick(g, "", "a.test", "B.Test.", "x.y.b.test", "[::1]:80", "192.0.2.1:1", ":", "a@b:0", "[]", "]", "10.0.0.1", strings.Repeat("n.", 200))
	}
	i := g.r.IntN(len(g.data))
	return string(g.data[i:min(len(g.data), i+g.r.IntN(400))])
}

func (g *generator) addr() string {
	return pick(g, "10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1", "255.255.255.255", "0.0.0.0", "fe80::1", "2001:db8::1", "fd00::1", "224.0.0.1")
}

func (g *generator) record(s *stage, at int64) records.Record {
	client, server := pick(g, "10.0.0.1", "10.0.0.2", g.addr()), g.addr()
	if addr(server).Is4() != addr(client).Is4() {
		server = "fd00::2"
	}
	s.machines[client] = pick(g, nil, machine(macA, ""), machine(macB, "n"), machine("", "n"), machine("", g.text()))
	start := at - pick(g, 0, 0, second, day, at, at*2)
	port := pick[uint16](g, 80, 443, 53, 123, 25, 161, 0, uint16(g.r.Uint32()))
	r := g.kind(s, start, client, server, port)
	m := r.Meta()
	m.At, m.Epoch = at, pick[uint32](g, 0, 0, 0, 0, 0, 0, 0, 1)
	m.Key.Proto = pick[uint8](g, m.Key.Proto, 1, 6, 17, 58, 200)
	m.Resolved = pick(g, nil, &records.Resolved{Name: g.text(), Source: "dns"})
	return r
}

func (g *generator) kind(s *stage, start int64, client, server string, port uint16) records.Record {
	switch g.r.IntN(8) {
	case 0:
		f := s.flow(start, client, server, port, pick(g, "SF", "S0", "REJ", "OTH"))
		f.End, f.ServerName, f.Service = start+pick(g, 0, hour, -hour), g.text(), pick(g, "", "http", "tls", "quic")
		f.Orig.Packets, f.ICMPType = g.r.Uint64(), pick[uint8](g, 0, 8, 128)
		return f
	case 1:
		h := s.get(start, client, server, g.text(), "/")
		h.Proxied, h.Method, h.Status, h.UserAgent, h.Referrer = g.r.IntN(2) == 0, pick(g, "GET", "CONNECT", "\x00"), g.r.IntN(700), g.text(), g.text()
		return h
	case 2:
		x := s.hello(start, client, server, g.text())
		x.JA4, x.Via = g.text(), pick(g, "", "CONNECT")
		return x
	case 3:
		p := s.pulse(start, client, server, port, g.text())
		p.ServerName, p.Service = g.text(), pick(g, "", "tls")
		return p
	case 4:
		return s.arp(start, pick[uint16](g, 1, 2, 9), client, server)
	case 5:
		x := records.NewStats(records.Meta{})
		x.Start, x.End, x.Frames, x.Dropped = start, start+g.r.Int64N(hour), g.r.Uint64(), pick(g, 0, g.r.Uint64())
		return x
	case 6:
		x := s.socks(start, g.text(), pick(g, addr(server), netip.Addr{}))
		return x
	}
	d := s.query(start, client, server, g.text())
	d.Response, d.RTT, d.RegisteredDomain = g.r.IntN(2) == 0, pick(g, -1, second), g.text()
	d.Resolved = append(d.Resolved, pick(g, addr(server), netip.Addr{}))
	d.Answers = []records.Answer{{TTL: g.r.Uint32()}}
	return d
}

// FuzzCensus feeds records made of random octets and asks everything.
func FuzzCensus(f *testing.F) {
	f.Add([]byte("GET http://a.test/ 10.0.0.1"), uint64(1))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 254, 253}, uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		s := newStageOf(tiny())
		g := &generator{data: data, r: rand.New(rand.NewPCG(seed, 9))}
		at := monday
		for range min(60+4*len(data), 600) {
			at += g.r.Int64N(2*minute) - second
			s.feed(g.record(s, at))
		}
		s.ask1(at)
		if again := s.restart(t); again.ask1(at) != s.ask1(at) {
			t.Error("other answers after a restart")
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	s := newStage()
	r := rand.New(rand.NewPCG(1, 1))
	at := monday
	for i := range 200 {
		for j := range 2 {
			s.machines[fmt.Sprintf("10.0.%d.%d", j, i)] = machine(fmt.Sprintf("00-00-5E-00-%02X-%02X", j, i), fmt.Sprintf("pc%d-%d", j, i))
		}
	}
	block := func() (rs []records.Record) {
		for range 2000 {
			at += r.Int64N(second / 2)
			client := fmt.Sprintf("10.0.%d.%d", r.IntN(2), r.IntN(200))
			switch r.IntN(8) {
			case 0:
				rs = append(rs, s.flow(at, client, fmt.Sprintf("10.0.3.%d", r.IntN(20)), 445, "SF"))
			case 1:
				rs = append(rs, s.get(at, client, proxyAddr, fmt.Sprintf("www%d.test", r.IntN(100)), "/"))
			case 2:
				rs = append(rs, s.flow(at, client, fmt.Sprintf("192.0.2.%d", r.IntN(100)), 443, "SF"))
			case 3:
				rs = append(rs, s.query(at, client, "10.0.0.253", fmt.Sprintf("www.s%d.test", r.IntN(100)), fmt.Sprintf("192.0.2.%d", r.IntN(200))))
			case 4:
				rs = append(rs, s.query(at, client, "10.0.0.253", fmt.Sprintf("www.s%d.test", r.IntN(100))))
			case 5:
				rs = append(rs, s.pulse(at, client, proxyAddr, 8080, fmt.Sprintf("www%d.test:443", r.IntN(100))))
			case 6:
				rs = append(rs, s.arp(at, uint16(1+r.IntN(2)), client, "10.0.0.254"))
			default:
				rs = append(rs, s.hello(at, client, "192.0.2.1", fmt.Sprintf("www.s%d.test", r.IntN(100))))
			}
		}
		return rs
	}
	for range 100 {
		s.feed(block()...)
	}
	rs := block()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		s.Observe(rs[i%len(rs)], nil)
	}
}

// A contact is read by several detectors.
func BenchmarkContactOf(b *testing.B) {
	s := newStage()
	r := s.connect(monday, "10.0.0.1", proxyAddr, "www.example.com:443")
	s.feed(r)
	b.ReportAllocs()
	for range b.N {
		k, ok := s.ContactOf(r)
		if !ok || k.Key() == 0 || k.DomainKey() == 0 {
			b.Fatal("no contact")
		}
	}
}
