package census

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
)

// monday is 2026-03-02 00:00 UTC, a Monday, in nanoseconds.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixNano()

const (
	second = int64(time.Second)
	minute = int64(time.Minute)

	proxyAddr = "10.0.0.250"
)

// stage makes records and feeds them to a census.
type stage struct {
	*Census
	uid  uint64
	port uint16
	// machines are what the site stage knows of addresses.
	machines map[string]*records.Host
}

func newStage() *stage { return newStageOf(Default()) }

func newStageOf(c Config) *stage {
	return &stage{Census: New(c), port: 20000, machines: map[string]*records.Host{}}
}

func (s *stage) feed(rs ...records.Record) {
	for _, r := range rs {
		s.Observe(r, nil)
	}
}

func internal(a netip.Addr) bool {
	return a.IsPrivate() || netip.MustParsePrefix("2001:db8:1::/48").Contains(a)
}

// meta makes the header of a record of a new flow.
func (s *stage) meta(at int64, client, server string, port uint16, proto uint8) records.Meta {
	s.uid++
	if s.port++; s.port < 20000 {
		s.port = 20000
	}
	c, d := netip.MustParseAddr(client), netip.MustParseAddr(server)
	m := records.Meta{At: at, UID: s.uid, ClientInternal: internal(c), ServerInternal: internal(d),
		ClientHost: s.machines[client], ServerHost: s.machines[server]}
	m.Key = packet.Key{A: c.As16(), B: d.As16(), APort: s.port, BPort: port, Proto: proto}
	if slices.Compare(m.Key.A[:], m.Key.B[:]) > 0 {
		m.Key.A, m.Key.B, m.Key.APort, m.Key.BPort, m.Orig = m.Key.B, m.Key.A, m.Key.BPort, m.Key.APort, packet.FromB
	}
	return m
}

// states maps conn_state to a history that fits.
var states = map[string]string{"SF": "ShADadFf", "S1": "ShAD", "S0": "S", "REJ": "Sr", "OTH": "D"}

func (s *stage) flow(start int64, client, server string, port uint16, state string) *records.Flow {
	f := records.NewFlow(s.meta(start+second, client, server, port, packet.ProtoTCP))
	f.Start, f.End, f.ConnState, f.History = start, start+second/2, state, states[state]
	f.Orig = records.Counts{Packets: 3, Payload: 120, IPBytes: 300}
	if state != "S0" {
		f.Resp = records.Counts{Packets: 2, Payload: 200, IPBytes: 400}
	}
	return f
}

func (s *stage) udp(start int64, client, server string, port uint16, answered bool) *records.Flow {
	f := records.NewFlow(s.meta(start+30*second, client, server, port, packet.ProtoUDP))
	f.Start, f.End, f.ConnState, f.History = start, start, "S0", "D"
	f.Orig = records.Counts{Packets: 1, Payload: 40, IPBytes: 68}
	if answered {
		f.ConnState, f.History, f.Resp = "SF", "Dd", f.Orig
	}
	return f
}

func (s *stage) ping(start int64, client, server string, typ uint8) *records.Flow {
	f := s.udp(start, client, server, 0, true)
	f.Meta().Key.Proto, f.ICMPType = packet.ProtoICMP, typ
	return f
}

// get is a plain request for a URL, direct when proxy is "".
func (s *stage) get(start int64, client, proxy, host, path string) *records.HTTP {
	server, port := proxy, uint16(8080)
	if proxy == "" {
		server, port = "198.51.100.80", 80
	}
	h := records.NewHTTP(s.meta(start+second/10, client, server, port, packet.ProtoTCP))
	h.Start, h.End, h.Depth, h.RequestSeen, h.Method, h.Host = start, start+second/10, 1, true, "GET", host
	h.URL, h.Proxied, h.UserAgent = "http://"+host+path, proxy != "", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
	h.RequestHeaders, h.ResponseSeen, h.Status, h.ContentType, h.ResponseBody = 400, true, 200, "text/html", 5000
	return h
}

// connect is a tunnel through a proxy.
func (s *stage) connect(start int64, client, proxy, authority string) *records.HTTP {
	h := s.get(start, client, proxy, authority, "")
	h.Method, h.URL, h.ContentType, h.Tunnel = "CONNECT", authority, "", "tls"
	return h
}

// hello is a TLS handshake with a server outside.
func (s *stage) hello(start int64, client, server, name string) *records.TLS {
	r := records.NewTLS(s.meta(start+second/10, client, server, 443, packet.ProtoTCP))
	r.Start, r.End, r.ClientHello, r.ServerHello, r.Established, r.ServerName = start, start+second/10, true, true, true, name
	r.JA4 = "t13d1715h2_5b57614c22b0_3d5424432f57"
	return r
}

func (s *stage) pulse(at int64, client, server string, port uint16, authority string) *records.Pulse {
	p := records.NewPulse(s.meta(at, client, server, port, packet.ProtoTCP))
	p.Start, p.Idle, p.Bytes, p.Authority, p.Service = at, 60*second, 100, authority, "tls"
	return p
}

// query asks a resolver for an address of a name; with an address it is the answer.
func (s *stage) query(at int64, client, resolver, name string, answer ...string) *records.DNS {
	d := records.NewDNS(s.meta(at, client, resolver, 53, packet.ProtoUDP))
	d.Protocol, d.Time, d.Opcode, d.Name, d.Type, d.RegisteredDomain = "dns", at, "QUERY", name, "A", registered(name)
	for _, a := range answer {
		d.Response, d.RTT, d.RCode = true, second/100, "NOERROR"
		d.Answers = append(d.Answers, records.Answer{Type: "A", Data: a, TTL: 300})
		d.Resolved = append(d.Resolved, netip.MustParseAddr(a))
	}
	return d
}

func (s *stage) arp(at int64, op uint16, sender, target string) *records.ARP {
	r := records.NewARP(s.meta(at, sender, target, 0, 0))
	r.Op, r.Sender, r.Target = op, netip.MustParseAddr(sender), netip.MustParseAddr(target)
	return r
}

// minuteOf is the statistics of the minute that ends at a time.
func (s *stage) minuteOf(end int64, frames, dropped uint64) *records.Stats {
	r := records.NewStats(records.Meta{At: end})
	r.Start, r.Frames, r.Dropped = end-minute, frames, dropped
	return r
}

// contact feeds a record and reads it.
func (s *stage) contact(t testing.TB, r records.Record) *Contact {
	t.Helper()
	s.feed(r)
	k, ok := s.ContactOf(r)
	if !ok {
		k, ok = s.DNSContactOf(r)
	}
	if !ok {
		t.Fatalf("%T is no contact", r)
	}
	return &k
}

// office is so many machines that use a proxy for some well-known sites.
func (s *stage) office(start int64, machines int) {
	for i := range machines {
		for j := range 16 {
			s.feed(s.connect(start+int64(j)*7*second, fmt.Sprintf("10.0.1.%d", i+1), proxyAddr, fmt.Sprintf("www%d.popular%d.test:443", j, j)))
		}
	}
}

func (s *stage) counter(t testing.TB, name string) uint64 {
	t.Helper()
	for _, x := range s.Counters() {
		if x.Name == name {
			return x.Value
		}
	}
	t.Fatalf("no counter %s", name)
	return 0
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// leased is a machine that DHCP gave an address to.
func leased(mac string) *records.Host {
	return &records.Host{MAC: records.Fact{Value: mac, Source: "dhcp"}}
}

func machine(mac, name string) *records.Host {
	return &records.Host{MAC: records.Fact{Value: mac}, Name: records.Fact{Value: name}}
}
