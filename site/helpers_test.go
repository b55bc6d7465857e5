package site

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// stage runs a Site over hand-made records and keeps what it hands on.
type stage struct {
	t    testing.TB
	site *Site
	now  int64
	uid  uint64
	out  []records.Record
}

const (
	millisecond = int64(1e6)
	second      = int64(1e9)
	proxyAddr   = "10.0.0.6"
	ws1, ws2    = "10.0.1.1", "10.0.1.2"
	originAddr  = "203.0.113.80"
)

func newStage(t testing.TB, change func(*Config)) *stage {
	t.Helper()
	c := Default()
	if change != nil {
		change(&c)
	}
	n, errs := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	if errs != nil {
		t.Fatal(errs)
	}
	return &stage{t: t, site: New(c, n), now: 1000 * second}
}

// see gives the stage a record at a time after the beginning, and the time.
func (s *stage) see(at int64, r records.Record) {
	s.t.Helper()
	at += 1000 * second
	if at < s.now {
		s.t.Fatalf("record of %d after %d", at, s.now)
	}
	s.now = at
	r.Meta().At = at
	s.site.Advance(at, s.emit)
	s.site.Observe(r, s.emit)
}

func (s *stage) pass(until int64) {
	s.now = until + 1000*second
	s.site.Advance(s.now, s.emit)
}

func (s *stage) emit(r records.Record) {
	m := r.Meta()
	if n := len(s.out); n > 0 && s.out[n-1].Meta().At > m.At {
		s.t.Errorf("time steps back from %d to %d", s.out[n-1].Meta().At, m.At)
	}
	s.out = append(s.out, r)
}

// held tells whether a record was not handed on yet.
func (s *stage) held(r records.Record) bool {
	for _, x := range s.out {
		if x == r {
			return false
		}
	}
	return true
}

// identities are the changes told, as text.
func (s *stage) identities() (out []string) {
	for _, r := range s.out {
		if x, ok := r.(*records.Identity); ok {
			out = append(out, fmt.Sprintf("%v %s: %q -> %q (%s)", x.Addr, x.What, x.Old, x.New, x.Source))
		}
	}
	return out
}

func (s *stage) wantIdentities(want ...string) {
	s.t.Helper()
	if got := strings.Join(s.identities(), "\n"); got != strings.Join(want, "\n") {
		s.t.Errorf("identities\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// meta is the header of a new flow from one endpoint to another.
func (s *stage) meta(proto uint8, client, server string) records.Meta {
	c, d := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	s.uid++
	m := records.Meta{UID: s.uid, Key: packet.Key{A: c.Addr().As16(), B: d.Addr().As16(), APort: c.Port(), BPort: d.Port(), Proto: proto}, Orig: packet.FromA}
	m.ClientInternal, m.ServerInternal = s.site.inside(m.Key.A), s.site.inside(m.Key.B)
	return m
}

// get is a GET that lasts from one time to another; the answer begins in the middle.
func (s *stage) get(from, until int64, client, server, url string) *records.HTTP {
	r := records.NewHTTP(s.meta(packet.ProtoTCP, client, server))
	r.Start, r.End = from+1000*second, until+1000*second
	r.RequestEnd, r.ResponseFrom = r.Start, (r.Start+r.End)/2
	r.RequestSeen, r.Method, r.URL, r.Version = true, "GET", url, "1.1"
	rest := strings.TrimPrefix(url, "http://")
	host, path, _ := strings.Cut(rest, "/")
	r.Host, r.Target = host, "/"+path
	r.ResponseSeen, r.ResponseComplete, r.Status, r.ResponseBody = true, true, 200, 1000
	return r
}

// proxied is what a workstation asks of the proxy.
func (s *stage) proxied(from, until int64, ws, url string) *records.HTTP {
	r := s.get(from, until, ws+":40000", proxyAddr+":3128", url)
	r.Proxied, r.Target = true, url
	return r
}

// fetched is what the proxy asks of an origin.
func (s *stage) fetched(from, until int64, url string) *records.HTTP {
	return s.get(from, until, proxyAddr+":50000", originAddr+":80", url)
}

// tunnel is a CONNECT through the proxy.
func (s *stage) tunnel(from, until int64, ws, authority string) *records.HTTP {
	r := s.proxied(from, until, ws, authority)
	r.Method, r.URL, r.Target, r.Host = "CONNECT", authority, authority, authority
	r.ResponseFrom = r.Start + 100*millisecond
	r.ResponseBody, r.TunnelFromOrig, r.TunnelFromResp = 0, 700, 9000
	return r
}

func (s *stage) flow(from, until int64, client, server string) *records.Flow {
	r := records.NewFlow(s.meta(packet.ProtoTCP, client, server))
	r.Start, r.End = from+1000*second, until+1000*second
	r.Orig, r.Resp = records.Counts{Packets: 5, Payload: 700}, records.Counts{Packets: 5, Payload: 9000}
	r.ConnState, r.Service = "SF", "tls"
	return r
}

// answer is a DNS response to a client.
func (s *stage) answer(at int64, client, name string, addrs ...string) *records.DNS {
	r := records.NewDNS(s.meta(packet.ProtoUDP, client+":5353", "10.0.0.5:53"))
	r.Protocol, r.Response, r.RCode, r.Name, r.Type, r.Time = "dns", true, "NOERROR", name, "A", at+1000*second
	for _, a := range addrs {
		r.Answers = append(r.Answers, records.Answer{Name: name, Type: "A", Data: a})
		r.Resolved = append(r.Resolved, netip.MustParseAddr(a))
	}
	return r
}

// join lets the proxy be seen at work once, so that it is known.
func (s *stage) join() {
	s.t.Helper()
	s.see(0, s.fetched(0, 0, "http://first.test/"))
	r := s.proxied(0, 0, "10.0.9.9", "http://first.test/")
	s.see(0, r)
	if r.Cache != records.CacheMiss {
		s.t.Fatalf("the first fetch: cache %q", r.Cache)
	}
}

func counter(s *Site, name string) uint64 {
	for _, c := range s.Counters() {
		if c.Name == name {
			return c.Value
		}
	}
	panic("no counter " + name)
}
