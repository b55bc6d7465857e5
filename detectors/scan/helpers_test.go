package scan

import (
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
	monday = int64(1772409600e9)
	second = int64(1e9)
	minute = 60 * second
	hour   = 60 * minute
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
	if a.Incident == "" || a.TitleJA == "" || len(a.Evidence) < 3 || len(a.Evidence) != len(a.EvidenceJA) || a.Benign == "" || a.BenignJA == "" || len(a.Technique) == 0 || a.Since > a.Until {
		t.Errorf("not whole: %+v", a)
	}
	for _, e := range append(a.Evidence, a.Title, a.Benign) {
		if strings.ContainsFunc(e, func(c rune) bool { return c < ' ' || c > '~' }) || strings.Contains(e, "%!") {
			t.Errorf("bad text %q", e)
		}
	}
	for _, e := range a.EvidenceJA {
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

// play feeds records in the order of their times.
func (s *stage) play(rs []records.Record) {
	slices.SortStableFunc(rs, func(a, b records.Record) int { return records.Compare(a.Meta(), b.Meta()) })
	s.feed(rs...)
}

// count is how many incidents have alerts of a rule.
func (s *stage) count(rule string) int {
	ids := map[string]bool{}
	for _, a := range s.alerts {
		if a.Rule == rule || rule == "" {
			ids[a.Incident] = true
		}
	}
	return len(ids)
}

func (s *stage) counter(name string) uint64 {
	for _, x := range s.Counters() {
		if x.Name == name {
			return x.Value
		}
	}
	panic("no counter " + name)
}

func (s *stage) meta(at int64, client, server string, from, to uint16, proto uint8) records.Meta {
	s.uid++
	c, d := netip.MustParseAddr(client), netip.MustParseAddr(server)
	m := records.Meta{At: at, UID: table.Mix(s.uid), ClientInternal: c.IsPrivate(), ServerInternal: d.IsPrivate()}
	m.Key = packet.Key{A: c.As16(), B: d.As16(), APort: from, BPort: to, Proto: proto}
	if slices.Compare(m.Key.A[:], m.Key.B[:]) > 0 {
		m.Key.A, m.Key.B, m.Key.APort, m.Key.BPort, m.Orig = m.Key.B, m.Key.A, m.Key.BPort, m.Key.APort, packet.FromB
	}
	return m
}

var histories = map[string]string{"SF": "ShADadFf", "S1": "ShAD", "S0": "S", "REJ": "Sr", "RSTO": "ShADR", "RSTR": "ShADr", "OTH": "D", "SH": "SF", "RSTOS0": "SR"}

func (s *stage) flow(start int64, client, server string, port uint16, state string) *records.Flow {
	f := records.NewFlow(s.meta(start+second, client, server, 40000+uint16(s.uid%9999), port, packet.ProtoTCP))
	f.Start, f.End, f.ConnState, f.History = start, start+second/2, state, histories[state]
	f.Orig = records.Counts{Packets: 3, Payload: 120, IPBytes: 300}
	if state != "S0" {
		f.Resp = records.Counts{Packets: 2, Payload: 200, IPBytes: 400}
	} else {
		f.Orig.Payload = 0
	}
	return f
}

func (s *stage) udp(start int64, client, server string, from, to uint16, answered bool) *records.Flow {
	f := records.NewFlow(s.meta(start+minute, client, server, from, to, packet.ProtoUDP))
	f.Start, f.End, f.ConnState, f.History = start, start, "S0", "D"
	f.Orig = records.Counts{Packets: 1, Payload: 48, IPBytes: 76}
	if answered {
		f.ConnState, f.History, f.Resp = "SF", "Dd", f.Orig
	}
	return f
}

func (s *stage) echo(start int64, client, server string, answered bool) *records.Flow {
	f := s.udp(start, client, server, 0, 0, answered)
	f.Meta().Key.Proto, f.ICMPType = packet.ProtoICMP, 8
	return f
}

// ask is a who-has, and the answer if there is one.
func (s *stage) ask(at int64, sender, target string, mac byte, answered bool) (rs []records.Record) {
	one := func(at int64, op uint16, from, to string, mac byte) {
		m := s.meta(at, from, to, 0, 0, 0)
		r := records.NewARP(m)
		r.Op, r.Sender, r.Target, r.SenderMAC = op, netip.MustParseAddr(from), netip.MustParseAddr(to), [6]byte{2, 0, 0, 0, 0, mac}
		rs = append(rs, r)
	}
	if one(at, 1, sender, target, mac); answered {
		one(at+second/1000, 2, target, sender, mac+100)
	}
	return rs
}

// days lets time go by: a quiet machine does what it always does.
func (s *stage) days(from int64, n int64) {
	for d := range n {
		for i := range 6 {
			c := netip.AddrFrom4([4]byte{10, 0, 1, byte(10 + i)}).String()
			s.feed(s.flow(from+d*day+int64(i)*minute, c, "10.0.0.5", 443, "SF"))
			s.feed(s.ask(from+d*day+int64(i)*minute+second*2, c, "10.0.0.5", byte(10+i), true)...)
		}
	}
}
