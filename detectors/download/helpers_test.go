package download

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// monday is 2026-03-02 00:00 UTC, in nanoseconds.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixNano()

const (
	second = int64(time.Second)
	minute = int64(time.Minute)

	me        = "10.0.0.23"
	proxyAddr = "10.0.0.6"
)

// stage feeds records to the census and the detector and collects the alerts.
type stage struct {
	t      testing.TB
	who    *census.Census
	d      *Detector
	alerts []*records.Alert
	uid    uint64
	port   uint16
}

func newStage(t testing.TB) *stage { return newStageOf(t, Default(), incident.Default()) }

func newStageOf(t testing.TB, c Config, b incident.Config) *stage {
	who := census.New(census.Default())
	return &stage{t: t, who: who, d: New(c, who, incident.NewBook(b, who, nil)), port: 20000}
}

func (s *stage) feed(rs ...records.Record) {
	for _, r := range rs {
		s.who.Observe(r, func(records.Record) {})
		emit := func(x records.Record) {
			a := x.(*records.Alert)
			if s.t != nil {
				checkAlert(s.t, a, r)
			}
			s.alerts = append(s.alerts, a)
		}
		for _, d := range []sensor.Detector{s.d} {
			d.Observe(r, emit)
			d.Advance(r.Meta().At, emit)
		}
	}
}

// play feeds records in order of emission.
func (s *stage) play(rs []records.Record) {
	slices.SortStableFunc(rs, func(a, b records.Record) int { return records.Compare(a.Meta(), b.Meta()) })
	s.feed(rs...)
}

// checkAlert checks what every alert must hold.
func checkAlert(t testing.TB, a *records.Alert, by records.Record) {
	t.Helper()
	want := *by.Meta()
	want.Kind = records.KindAlert
	if *a.Meta() != want {
		t.Errorf("%s: meta is not that of the record that raised it", a.Rule)
	}
	if !a.Source.IsValid() || a.Title == "" || a.TitleJA == "" || len(a.Evidence) < 2 || len(a.Evidence) != len(a.EvidenceJA) ||
		a.Benign == "" || a.BenignJA == "" || len(a.Technique) == 0 || len(a.Chain) == 0 || len(a.Flows) == 0 || a.Incident == "" {
		t.Errorf("incomplete alert: %+v", a)
	}
	if a.Since == 0 || a.Until < a.Since || a.Until > by.Meta().At {
		t.Errorf("%s: since %d until %d at %d", a.Rule, a.Since, a.Until, by.Meta().At)
	}
	for _, e := range slices.Concat(a.Evidence, a.Chain, []string{a.Title, a.Benign}) {
		for _, c := range e {
			if c < ' ' || c > '~' {
				t.Errorf("%s: raw character %q in %q", a.Rule, c, e)
			}
		}
	}
}

// of are the alerts of a rule and source; "" matches all.
func (s *stage) of(rule, source string) (out []*records.Alert) {
	for _, a := range s.alerts {
		if (rule == "" || a.Rule == rule) && (source == "" || a.Source.String() == source) {
			out = append(out, a)
		}
	}
	return out
}

func (s *stage) counter(name string) uint64 {
	for _, x := range s.d.Counters() {
		if x.Name == name {
			return x.Value
		}
	}
	s.t.Fatalf("no counter %s", name)
	return 0
}

// log shows the alerts of a test that failed.
func (s *stage) log() {
	for _, a := range s.alerts {
		s.t.Logf("%s %s %.1f %s\n%q\n%q", a.Rule, a.Level, a.Score, a.Title, a.Evidence, a.Chain)
	}
}

// meta makes the header of a record of a new flow.
func (s *stage) meta(at int64, client, server string, port uint16) records.Meta {
	s.uid++
	if s.port++; s.port < 20000 {
		s.port = 20000
	}
	c, d := netip.MustParseAddr(client), netip.MustParseAddr(server)
	m := records.Meta{At: at, UID: table.Mix(s.uid), CommunityID: fmt.Sprintf("1:%d", s.uid), ClientInternal: c.IsPrivate(), ServerInternal: d.IsPrivate()}
	m.Key = packet.Key{A: c.As16(), B: d.As16(), APort: s.port, BPort: port, Proto: packet.ProtoTCP}
	if slices.Compare(m.Key.A[:], m.Key.B[:]) > 0 {
		m.Key.A, m.Key.B, m.Key.APort, m.Key.BPort, m.Orig = m.Key.B, m.Key.A, m.Key.BPort, m.Key.APort, packet.FromB
	}
	return m
}

const browser = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/60.0"

// get is a request through the proxy.
func (s *stage) get(start int64, client, host, path string) *records.HTTP {
	h := s.direct(start, client, proxyAddr, host, path)
	h.Proxied = true
	return h
}

// direct is a request to a server.
func (s *stage) direct(start int64, client, server, host, path string) *records.HTTP {
	port := uint16(80)
	if server == proxyAddr {
		port = 8080
	}
	h := records.NewHTTP(s.meta(start+second/10, client, server, port))
	h.Start, h.End, h.Depth, h.RequestSeen, h.Method, h.Host = start, start+second/10, 1, true, "GET", host
	h.URL, h.UserAgent = "http://"+host+path, browser
	h.RequestHeaders, h.ResponseSeen, h.Status, h.ContentType, h.ResponseBody = 400, true, 200, "text/html", 5000
	return h
}

// fetch is a response with content of that magic and declared type.
func (s *stage) fetch(at int64, client, host, path, magic, kind, referrer string) *records.HTTP {
	h := s.get(at, client, host, path)
	h.Magic, h.ContentType, h.Referrer = magic, kind, referrer
	return h
}

// file is the record of what a transaction carried; it comes before it.
func (s *stage) file(h *records.HTTP, class, mime string, change func(*records.File)) *records.File {
	m := *h.Meta()
	f := &records.File{ID: records.FileID(m.UID, 1), Source: "http", URL: h.URL, DeclaredType: h.ContentType, MIME: mime, Magic: h.Magic, Class: class,
		Size: h.ResponseBody, Seen: h.ResponseBody, Complete: true}
	if change != nil {
		change(f)
	}
	f.Stamp(m)
	h.ResponseFiles = []records.FileRef{f.Ref()}
	return f
}

// driveBy is a page, an injected script, a gate, a landing page, an exploit, and
// then a program of that type from the same place.
func (s *stage) driveBy(at int64, client, kind string) []records.Record {
	page, landing := "http://www.flowers.test/", "http://forum.bad.test/view.php?t=1"
	gate := s.fetch(at+4*second, client, "go.ads-bad.test", "/go.php", "", "text/html", page)
	gate.Status, gate.Location = 302, landing
	payload := s.fetch(at+9*second, client, "forum.bad.test", "/load.php?e=3", "pe", kind, "")
	payload.UserAgent = "Mozilla/4.0 (compatible; MSIE 7.0)"
	return []records.Record{
		s.fetch(at, client, "www.flowers.test", "/", "html", "text/html", ""),
		s.fetch(at+second, client, "cdn.stat-bad.test", "/q.js", "", "application/javascript", page),
		gate,
		s.fetch(at+5*second, client, "forum.bad.test", "/view.php?t=1", "html", "text/html", page),
		s.fetch(at+6*second, client, "forum.bad.test", "/m.swf", "swf", "application/x-shockwave-flash", landing),
		payload,
	}
}
