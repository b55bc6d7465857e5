package egress

import (
	"fmt"
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

// monday is 2026-03-02 00:00 UTC, in nanoseconds.
const (
	monday    = int64(1772409600e9)
	second    = int64(1e9)
	minute    = 60 * second
	hour      = 60 * minute
	proxyAddr = "10.0.0.8"
	resolver  = "10.0.0.2"
	relay     = "10.0.0.3"
	suspect   = "10.0.0.25"
)

// stage plays records to a census, a book and the detector.
type stage struct {
	t      testing.TB
	census *census.Census
	book   *incident.Book
	*Detector
	uid    uint64
	alerts []*records.Alert
}

func newStage(t testing.TB, c Config) *stage {
	s := &stage{t: t, census: census.New(census.Default())}
	s.book = incident.NewBook(incident.Default(), s.census, nil)
	s.Detector = New(c, s.census, s.book)
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
	if a.Rule != rule || a.Incident == "" || a.TitleJA == "" || len(a.Evidence) < 4 || len(a.Evidence) != len(a.EvidenceJA) || a.Destination == "" ||
		a.Benign == "" || a.BenignJA == "" || len(a.Technique) == 0 || len(a.Flows) == 0 || a.Since > a.Until {
		t.Errorf("not whole: %+v", a)
	}
	for _, e := range append(a.Evidence, a.Title, a.Benign) {
		if strings.ContainsFunc(e, func(c rune) bool { return c < ' ' || c > '~' }) || strings.Contains(e, "%!") {
			t.Errorf("bad text %q", e)
		}
	}
	for _, e := range append(a.EvidenceJA, a.TitleJA) {
		if strings.Contains(e, "%!") {
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

var histories = map[string]string{"SF": "ShADadFf", "S0": "S", "REJ": "Sr", "OTH": "D"}

func (s *stage) flow(start int64, client, server string, port uint16, state, name string) *records.Flow {
	f := records.NewFlow(s.meta(start+second, client, server, port, packet.ProtoTCP))
	f.Start, f.End, f.ConnState, f.History, f.ServerName = start, start+second/2, state, histories[state], name
	f.Orig = records.Counts{Packets: 3, Payload: 120, IPBytes: 300}
	if state != "S0" {
		f.Resp = records.Counts{Packets: 2, Payload: 200, IPBytes: 400}
	}
	return f
}

func (s *stage) udp(start int64, client, server string, port uint16, answered bool, payload uint64) *records.Flow {
	f := records.NewFlow(s.meta(start+minute, client, server, port, packet.ProtoUDP))
	f.Start, f.End, f.ConnState, f.History = start, start, "S0", "D"
	f.Orig = records.Counts{Packets: 1, Payload: payload, IPBytes: payload + 28}
	if answered {
		f.ConnState, f.History, f.Resp = "SF", "Dd", f.Orig
	}
	return f
}

func (s *stage) echo(start int64, client, server string, answered bool, payload uint64) *records.Flow {
	f := s.udp(start, client, server, 0, answered, payload)
	f.Meta().Key.Proto, f.Meta().Key.APort, f.Meta().Key.BPort, f.ICMPType = packet.ProtoICMP, 8, 0, 8
	return f
}

// connect is a tunnel through the proxy.
func (s *stage) connect(at int64, client, authority string) *records.HTTP {
	h := records.NewHTTP(s.meta(at, client, proxyAddr, 8080, packet.ProtoTCP))
	h.Start, h.End, h.Depth, h.RequestSeen, h.Proxied, h.Method, h.Host = at, at, 1, true, true, "CONNECT", authority
	h.ResponseSeen, h.Status = true, 200
	return h
}

// answer is a DNS answer by the resolver inside.
func (s *stage) answer(at int64, client, name, addr string) *records.DNS {
	d := records.NewDNS(s.meta(at, client, resolver, 53, packet.ProtoUDP))
	d.Protocol, d.Time, d.Response, d.RCode, d.Name, d.Opcode = "dns", at, true, "NOERROR", name, "QUERY"
	d.Answers = []records.Answer{{Type: "A", Data: addr, TTL: 300}}
	d.Resolved = []netip.Addr{netip.MustParseAddr(addr)}
	return d
}

// office has twelve machines go outside as they should for some days: n times a
// day through the proxy, by the resolver, now and then through the relay.
func (s *stage) office(days int64, n int) {
	for d := range days {
		for i := range 12 * n {
			at := monday + d*day + 8*hour + int64(i)*8*hour/int64(12*n)
			client := fmt.Sprintf("10.0.0.%d", 20+i%12)
			s.feed(s.connect(at, client, fmt.Sprintf("www%d.popular.test:443", i%40)))
			s.feed(s.udp(at, client, resolver, 53, true, 40))
			if i%5 == 0 {
				s.feed(s.flow(at, client, relay, 587, "SF", ""))
			}
			if i == 0 {
				s.feed(s.answer(at, client, "www1.popular.test", "203.0.113.1"))
			}
		}
	}
}
