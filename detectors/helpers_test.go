package detectors

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// monday is 2026-03-02 00:00 UTC, a Monday, in nanoseconds.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixNano()

const (
	second = int64(time.Second)
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
	day    = 24 * hour
)

// stage feeds records to all detectors and collects the alerts.
type stage struct {
	t      testing.TB
	all    []sensor.Detector
	alerts []*records.Alert
	uid    uint64
	port   uint16
}

func newStage(t testing.TB, c Config) *stage {
	return &stage{t: t, all: All(c), port: 20000}
}

func (s *stage) feed(r records.Record) {
	emit := func(x records.Record) {
		a := x.(*records.Alert)
		if s.t != nil {
			checkAlert(s.t, a, r)
		}
		s.alerts = append(s.alerts, a)
	}
	for _, d := range s.all {
		d.Observe(r, emit)
	}
	for _, d := range s.all {
		d.Advance(r.Meta().At, emit)
	}
}

// play feeds records in order of emission.
func (s *stage) play(rs []records.Record) {
	slices.SortStableFunc(rs, func(a, b records.Record) int { return records.Compare(a.Meta(), b.Meta()) })
	for _, r := range rs {
		s.feed(r)
	}
}

// checkAlert checks what every alert must hold.
func checkAlert(t testing.TB, a *records.Alert, by records.Record) {
	t.Helper()
	want := *by.Meta()
	want.Kind = records.KindAlert
	if *a.Meta() != want {
		t.Errorf("%s: meta is not that of the record that raised it", a.Rule)
	}
	if !a.Source.IsValid() || a.Title == "" || len(a.Evidence) < 2 || a.Benign == "" || len(a.Technique) == 0 || a.Score < 4 || a.Severity == 0 {
		t.Errorf("incomplete alert: %+v", a)
	}
	if len(a.Flows) == 0 || len(a.Flows) > maxSamples || len(a.Communities) > maxSamples {
		t.Errorf("%s: %d flows, %d communities, want 1 to %d flows", a.Rule, len(a.Flows), len(a.Communities), maxSamples)
	}
	if a.Since == 0 || a.Until < a.Since || a.Until > by.Meta().At {
		t.Errorf("%s: since %d until %d at %d", a.Rule, a.Since, a.Until, by.Meta().At)
	}
	for _, e := range append(a.Evidence, a.Title) {
		for _, c := range e {
			if c < ' ' || c > '~' {
				t.Errorf("%s: raw character %q in %q", a.Rule, c, e)
			}
		}
	}
}

// count is the number of alerts of a rule from a source; "" matches all.
func (s *stage) count(rule, source string) int {
	n := 0
	for _, a := range s.alerts {
		if (rule == "" || a.Rule == rule) && (source == "" || a.Source.String() == source) {
			n++
		}
	}
	return n
}

func (s *stage) counter(detector, name string) uint64 {
	for _, d := range s.all {
		if c := d.(Counted); c.Name() == detector {
			for _, x := range c.Counters() {
				if x.Name == name {
					return x.Value
				}
			}
		}
	}
	s.t.Fatalf("no counter %s.%s", detector, name)
	return 0
}

// only returns the default settings with one detector, and no noise from others.
func only(name string) Config {
	c := Default()
	c.Beacon.Enable, c.Egress.Enable, c.Scan.Enable, c.Download.Enable =
		name == "beacon", name == "egress", name == "scan", name == "download"
	return c
}

func internal(a netip.Addr) bool { return a.IsPrivate() }

// meta makes the header of a record of a new flow.
func (s *stage) meta(at int64, client, server string, port uint16, proto uint8) records.Meta {
	s.uid++
	s.port++
	if s.port < 20000 {
		s.port = 20000
	}
	c, d := netip.MustParseAddr(client), netip.MustParseAddr(server)
	m := records.Meta{At: at, UID: mix(s.uid), CommunityID: fmt.Sprintf("1:%d", s.uid), ClientInternal: internal(c), ServerInternal: internal(d)}
	m.Key = packet.Key{A: c.As16(), B: d.As16(), APort: s.port, BPort: port, Proto: proto}
	if c.As16() != d.As16() && slices.Compare(m.Key.A[:], m.Key.B[:]) > 0 {
		m.Key.A, m.Key.B, m.Key.APort, m.Key.BPort, m.Orig = m.Key.B, m.Key.A, m.Key.BPort, m.Key.APort, packet.FromB
	}
	return m
}

// states maps conn_state to a history that fits.
var states = map[string]string{"SF": "ShADadFf", "S1": "ShAD", "S0": "S", "REJ": "Sr", "RSTO": "ShADR", "RSTR": "ShADr", "OTH": "D", "SH": "SF", "RSTOS0": "SR"}

func (s *stage) flow(start int64, client, server string, port uint16, state string) *records.Flow {
	f := records.NewFlow(s.meta(start+second, client, server, port, packet.ProtoTCP))
	f.Start, f.End, f.ConnState, f.History = start, start+second/2, state, states[state]
	f.Orig = records.Counts{Packets: 3, Payload: 120, IPBytes: 300}
	if f.Action, f.Reason = "Permit", "answered"; state == "S0" {
		f.Action, f.Reason = "Deny", "unanswered"
		f.Meta().Visibility.OneSided = true
	} else {
		f.Resp = records.Counts{Packets: 2, Payload: 200, IPBytes: 400}
	}
	return f
}

func (s *stage) udp(start int64, client, server string, port uint16, answered bool, payload uint64) *records.Flow {
	f := records.NewFlow(s.meta(start+30*second, client, server, port, packet.ProtoUDP))
	f.Start, f.End, f.ConnState, f.History = start, start, "S0", "D"
	f.Orig = records.Counts{Packets: 1, Payload: payload, IPBytes: payload + 28}
	if answered {
		f.ConnState, f.History, f.Resp = "SF", "Dd", f.Orig
	}
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
	h.URL, h.Proxied, h.UserAgent = "http://"+host+path, proxy != "", "Mozilla/5.0"
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
	return r
}

// gaps draws intervals of a sleeping program: uniform in [1-jitter, 1] sleeps.
func gaps(r *rand.Rand, sleep, jitter float64) func() int64 {
	return func() int64 { return int64(sleep * (1 - jitter*r.Float64()) * 1e9) }
}

// browse makes a client a person's machine: it visits some well-known sites.
func (s *stage) browse(start int64, client, proxy string) (rs []records.Record) {
	for i := range 16 {
		t := start + int64(i)*7*second
		if proxy != "" {
			rs = append(rs, s.connect(t, client, proxy, fmt.Sprintf("www%d.popular.test:443", i)))
		} else {
			rs = append(rs, s.hello(t, client, fmt.Sprintf("203.0.113.%d", i+1), fmt.Sprintf("www%d.popular.test", i)))
		}
	}
	return rs
}
