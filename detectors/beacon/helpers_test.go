package beacon

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
)

const (
	monday    = int64(1772409600e9) // 2026-03-02 00:00 UTC
	minute    = 60 * second
	proxyAddr = "10.0.0.8"
	user      = "10.0.0.21" // a machine that people use
)

// stage plays records to a census, a book and the detector.
type stage struct {
	*Detector
	t      testing.TB
	uid    uint64
	alerts []*records.Alert
}

func newStage(t testing.TB, c Config) *stage {
	s := &stage{t: t}
	who := census.New(census.Default())
	s.Detector = New(c, who, incident.NewBook(incident.Default(), who, nil))
	return s
}

// newOffice is a stage on which a machine is used by people already.
func newOffice(t testing.TB) *stage {
	s := newStage(t, Default())
	s.browse(monday+hour, user)
	return s
}

func (s *stage) emit(r records.Record) {
	a := r.(*records.Alert)
	if s.t != nil {
		check(s.t, a)
	}
	s.alerts = append(s.alerts, a)
}

// check holds what every alert must have.
func check(t testing.TB, a *records.Alert) {
	t.Helper()
	if a.Rule != rule || a.Incident == "" || a.TitleJA == "" || len(a.Evidence) < 3 || len(a.Evidence) != len(a.EvidenceJA) || a.Destination == "" ||
		a.Benign == "" || a.BenignJA == "" || len(a.Technique) == 0 || len(a.Flows) == 0 || a.Since > a.Until || len(a.Histogram) == 0 {
		t.Errorf("not whole: %+v", a)
	}
	for _, e := range append(append([]string{a.Title, a.Benign}, a.Evidence...), a.TitleJA) {
		if strings.ContainsFunc(e, func(c rune) bool { return c < ' ' }) || strings.Contains(e, "%!") {
			t.Errorf("bad text %q", e)
		}
	}
}

func (s *stage) feed(rs ...records.Record) {
	for _, r := range rs {
		s.census.Observe(r, s.emit)
		s.Detector.Observe(r, s.emit)
	}
}

// incidents are the alerts that are no updates.
func (s *stage) incidents() int {
	n := 0
	for _, a := range s.alerts {
		if a.Update == 1 {
			n++
		}
	}
	return n
}

// tells tells whether there is an alert about a destination.
func (s *stage) tells(destination string) bool {
	return slices.ContainsFunc(s.alerts, func(a *records.Alert) bool { return a.Destination == destination })
}

func (s *stage) counter(name string) uint64 {
	for _, x := range s.Counters() {
		if x.Name == name {
			return x.Value
		}
	}
	panic("no counter " + name)
}

func (s *stage) meta(at int64, client, server string, port uint16, proto uint8) records.Meta {
	s.uid++
	c, d := netip.MustParseAddr(client), netip.MustParseAddr(server)
	m := records.Meta{At: at, UID: table.Mix(s.uid), CommunityID: fmt.Sprintf("1:%d", s.uid), ClientInternal: c.IsPrivate(), ServerInternal: d.IsPrivate()}
	m.Key = packet.Key{A: c.As16(), B: d.As16(), APort: 40000 + uint16(s.uid%9999), BPort: port, Proto: proto}
	if slices.Compare(m.Key.A[:], m.Key.B[:]) > 0 {
		m.Key.A, m.Key.B, m.Key.APort, m.Key.BPort, m.Orig = m.Key.B, m.Key.A, m.Key.BPort, m.Key.APort, packet.FromB
	}
	return m
}

// hello is a TLS handshake with a server outside.
func (s *stage) hello(start int64, client, server, name string) *records.TLS {
	r := records.NewTLS(s.meta(start+second/10, client, server, 443, packet.ProtoTCP))
	r.Start, r.End, r.ClientHello, r.ServerHello, r.Established, r.ServerName = start, start+second/10, true, true, true, name
	return r
}

// pulse is data after a pause in a session with a server outside.
func (s *stage) pulse(start int64, client, server, name string) *records.Pulse {
	r := records.NewPulse(s.meta(start, client, server, 443, packet.ProtoTCP))
	r.Start, r.Idle, r.Bytes, r.ServerName, r.Service = start, 60*second, 120, name, "tls"
	return r
}

func (s *stage) flow(start int64, client, server string, port uint16, state string) *records.Flow {
	f := records.NewFlow(s.meta(start+second, client, server, port, packet.ProtoTCP))
	f.Start, f.End, f.ConnState = start, start+second/2, state
	f.History = map[string]string{"SF": "ShADadFf", "S0": "S", "REJ": "Sr"}[state]
	f.Orig = records.Counts{Packets: 3, Payload: 120, IPBytes: 300}
	if state == "SF" {
		f.Resp = records.Counts{Packets: 2, Payload: 200, IPBytes: 400}
	}
	return f
}

// get is a plain request, direct when proxy is "".
func (s *stage) get(start int64, client, proxy, host string) *records.HTTP {
	server, port := proxy, uint16(8080)
	if proxy == "" {
		server, port = "198.51.100.80", 80
	}
	h := records.NewHTTP(s.meta(start+second/10, client, server, port, packet.ProtoTCP))
	h.Start, h.End, h.Depth, h.RequestSeen, h.Method, h.Host = start, start+second/10, 1, true, "GET", host
	h.Proxied, h.UserAgent, h.RequestHeaders, h.ResponseSeen, h.Status, h.ContentType = proxy != "", "Mozilla/5.0", 400, true, 200, "text/html"
	return h
}

// query is a DNS question for a name, as the client asks it.
func (s *stage) query(at int64, client, name, domain string) *records.DNS {
	d := records.NewDNS(s.meta(at, client, "10.0.0.5", 53, packet.ProtoUDP))
	d.Protocol, d.Time, d.Opcode, d.Name, d.RegisteredDomain, d.TopLevelDomain = "dns", at, "QUERY", name, domain, "test"
	d.RTT = -1
	return d
}

// browse makes a client a person's machine: it visits some well-known sites.
func (s *stage) browse(at int64, client string) {
	for i := range 16 {
		s.feed(s.hello(at+int64(i)*7*second, client, fmt.Sprintf("203.0.113.%d", i+1), fmt.Sprintf("www.popular%d.test", i)))
	}
}

// sleeps draws the intervals of a sleeping program: uniform in [1-jitter, 1] sleeps.
func sleeps(r *rand.Rand, sleep, jitter float64) func() int64 {
	return func() int64 { return int64(sleep * (1 - jitter*r.Float64()) * 1e9) }
}

// every feeds what make returns, n times at a fixed pace.
func (s *stage) every(from, pace int64, n int, make func(at int64) records.Record) {
	for i := range int64(n) {
		s.feed(make(from + i*pace))
	}
}
