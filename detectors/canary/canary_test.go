package canary

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/packet"
	"kagami/records"
)

// monday is 2026-03-02 00:00 UTC, in nanoseconds.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixNano()

const second = int64(time.Second)

// header is that of a connection of 10.0.0.23, inside.
func header(at int64, server string, port uint16) records.Meta {
	c, s := netip.MustParseAddr("10.0.0.23"), netip.MustParseAddr(server)
	return records.Meta{At: at, UID: uint64(at), CommunityID: "1:x", ClientInternal: true,
		Key: packet.Key{A: c.As16(), B: s.As16(), APort: 40000, BPort: port, Proto: packet.ProtoTCP}}
}

func query(at int64, name string) *records.DNS {
	r := records.NewDNS(header(at, "10.0.0.53", 53))
	r.Protocol, r.Name, r.Time, r.Opcode = "dns", name, at, "QUERY"
	return r
}

func request(at int64, method, host, url, agent string) *records.HTTP {
	r := records.NewHTTP(header(at, "192.0.2.80", 80))
	r.RequestSeen, r.Method, r.Host, r.URL, r.UserAgent, r.Start, r.End = true, method, host, url, agent, at-second, at
	return r
}

func proxied(r *records.HTTP) *records.HTTP { r.Proxied = true; return r }

func hello(at int64, name string) *records.TLS {
	r := records.NewTLS(header(at, "192.0.2.80", 443))
	r.ServerName, r.Start, r.End, r.ClientHello = name, at-second, at, true
	return r
}

func name(step string) string { return Label{run, step}.Name() }

func newDetector(c Config, s incident.Suppressor) *Detector {
	return New(c, incident.NewBook(incident.Default(), census.New(census.Default()), s))
}

// told are the alerts that records raise.
func told(d *Detector, rs ...records.Record) (alerts []*records.Alert) {
	for _, r := range rs {
		d.Observe(r, func(x records.Record) { alerts = append(alerts, x.(*records.Alert)) })
	}
	return alerts
}

func TestObserve(t *testing.T) {
	response := query(monday, name(StepDNS))
	response.Response = true
	unasked := query(monday, name(StepDNS))
	unasked.Response, unasked.RTT = true, -1
	for _, c := range []struct {
		what        string
		record      records.Record
		destination string // "" = no alert
		address     string
	}{
		{"DNS query", query(monday, name(StepDNS)), name(StepDNS) + ":53", "10.0.0.53"},
		{"its answer", response, "", ""},
		{"an answer whose query was not seen", unasked, name(StepDNS) + ":53", "10.0.0.53"},
		{"a resolver's query for the name of another step", query(monday, name(StepHTTP)), "", ""},
		{"Host", request(monday, "GET", name(StepHTTP), "http://x/", ""), name(StepHTTP) + ":80", "192.0.2.80"},
		{"URL", request(monday, "GET", "", "http://192.0.2.80/"+name(StepHTTP), ""), name(StepHTTP) + ":80", "192.0.2.80"},
		{"User-Agent", request(monday, "GET", "x", "http://x/", "c ("+name(StepTimer)+")"), name(StepTimer) + ":80", "192.0.2.80"},
		{"GET through a proxy", proxied(request(monday, "GET", name(StepHTTP), "http://"+name(StepHTTP)+"/", "")), name(StepHTTP) + ":80", ""},
		{"CONNECT", proxied(request(monday, "CONNECT", name(StepConnect)+":8443", name(StepConnect)+":8443", "")), name(StepConnect) + ":8443", ""},
		{"CONNECT for another step", proxied(request(monday, "CONNECT", name(StepHTTP)+":8443", "", "")), "", ""},
		{"GET for CONNECT's step", request(monday, "GET", name(StepConnect), "", ""), "", ""},
		{"SNI", hello(monday, name(StepTLS)), name(StepTLS) + ":443", "192.0.2.80"},
		{"ordinary names", hello(monday, "www.kagami.test"), "", ""},
		{"a response alone", records.NewHTTP(header(monday, "192.0.2.80", 80)), "", ""},
		{"another kind", records.NewFlow(header(monday, "192.0.2.80", 80)), "", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			alerts := told(newDetector(Default(), nil), c.record)
			if c.destination == "" {
				if len(alerts) > 0 {
					t.Errorf("told: %s", alerts[0].Title)
				}
				return
			}
			if len(alerts) != 1 {
				t.Fatalf("%d alerts", len(alerts))
			}
			a := alerts[0]
			want := *c.record.Meta()
			want.Kind = records.KindAlert
			if *a.Meta() != want {
				t.Error("its place is not right behind the record")
			}
			addr := ""
			if a.DestAddr.IsValid() {
				addr = a.DestAddr.String()
			}
			if a.Destination != c.destination || addr != c.address || a.Source.String() != "10.0.0.23" {
				t.Errorf("%v to %q [%s], want %q [%s]", a.Source, a.Destination, addr, c.destination, c.address)
			}
			if a.Rule != "canary" || a.Severity != records.Low || a.Level != "watch" || a.Update != 1 || len(a.Incident) != 16 || len(a.Technique) > 0 {
				t.Errorf("%+v", a)
			}
			if !strings.Contains(a.Title, run) || !strings.Contains(a.TitleJA, run) {
				t.Errorf("the title does not name the run: %s %s", a.Title, a.TitleJA)
			}
			if a.Since > a.Until || a.Until > monday || len(a.Evidence) < 2 || len(a.Evidence) != len(a.EvidenceJA) ||
				a.Benign == "" || a.BenignJA == "" || a.Advice == "" || a.AdviceJA == "" || len(a.Flows) != 1 || len(a.Communities) != 1 {
				t.Errorf("incomplete: %+v", a)
			}
		})
	}
}

// One label is told once, whoever repeats it; another run or step is another one.
func TestOnce(t *testing.T) {
	d := newDetector(Default(), nil)
	other := Label{"00000000000000ff", StepDNS}.Name()
	alerts := told(d, query(monday, name(StepDNS)), query(monday+second, strings.ToUpper(name(StepDNS))), query(monday+2*second, other),
		request(monday+3*second, "GET", name(StepHTTP), "", ""), request(monday+4*second, "GET", name(StepHTTP), "", ""))
	if len(alerts) != 3 || d.repeated != 2 {
		t.Errorf("%d alerts, %d repeated, want 3 and 2", len(alerts), d.repeated)
	}
}

// What the person in charge should know stands in the alert.
func TestFacts(t *testing.T) {
	m := header(monday, "192.0.2.80", 443)
	m.ClientInternal, m.Visibility.OneSided = false, true
	m.ClientHost = &records.Host{Name: records.Fact{Value: "pc\n7"}}
	r := records.NewTLS(m)
	r.ServerName, r.Start, r.End = name(StepTLS), monday, monday
	c := Default()
	c.AlertsPerHour = 1
	alerts := told(newDetector(c, nil), r)
	all := strings.Join(alerts[0].Evidence, "\n")
	for _, want := range []string{`"pc\n7"`, "no internal zone", "one direction", "last one of this hour"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing of %s in %s", want, all)
		}
	}
}

// However many labels somebody makes up, an hour has so many alerts, and the table
// so many entries.
func TestLimits(t *testing.T) {
	c := Default()
	c.AlertsPerHour = 300
	d := newDetector(c, nil)
	flood := func(at int64, n int) (alerts int) {
		for i := range n {
			alerts += len(told(d, query(at+int64(i), fmt.Sprintf("%016x.dns.canary.kagami.test", at/second<<16+int64(i)))))
		}
		return alerts
	}
	for hours := range int64(3) {
		if n := flood(monday+hours*hour, 1000); n != 300 {
			t.Errorf("%d alerts in hour %d, want 300", n, hours)
		}
	}
	for _, x := range d.Counters() {
		want := map[string]uint64{"told": 900, "beyond_limit": 2100, "labels": maxTold, "labels_evicted": 900 - maxTold}
		if n, ok := want[x.Name]; ok && n != x.Value {
			t.Errorf("%s: %d, want %d", x.Name, x.Value, n)
		}
	}
	// What found no room is told when it comes again.
	late := query(monday+5*hour, fmt.Sprintf("%016x.dns.canary.kagami.test", monday/second<<16+999))
	if len(told(d, late)) != 1 {
		t.Error("a label that found no room is never told")
	}
	// The clock was set back: another hour.
	if n := flood(monday-hour, 10); n != 10 {
		t.Errorf("%d alerts after the clock was set back, want 10", n)
	}
}

type hush struct{}

func (hush) Suppressed(f *incident.Finding, _ incident.Level) (string, bool) {
	return "it", f.Rule == Rule
}

func TestSuppressed(t *testing.T) {
	d := newDetector(Default(), hush{})
	if alerts := told(d, query(monday, name(StepDNS))); len(alerts) > 0 || d.suppressed != 1 {
		t.Errorf("%d alerts, %d suppressed", len(alerts), d.suppressed)
	}
}

// After a restart nothing is told twice, and the hour goes on.
func TestState(t *testing.T) {
	c := Default()
	c.AlertsPerHour = 6
	d := newDetector(c, nil)
	told(d, query(monday, name(StepDNS)))
	b := state.Save(monday, []state.Part{d})
	d = newDetector(c, nil)
	if l, err := state.Load(b, []state.Part{d}); err != nil || len(l.Failed) > 0 {
		t.Fatal(l, err)
	}
	if alerts := told(d, query(monday+second, name(StepDNS))); len(alerts) > 0 {
		t.Error("told again")
	}
	n := 0
	for i := range 10 {
		n += len(told(d, query(monday+second, fmt.Sprintf("%016x.dns.canary.kagami.test", i))))
	}
	if n != 5 {
		t.Errorf("%d more alerts in the hour, want 5", n)
	}
}

func FuzzLoad(f *testing.F) {
	d := newDetector(Default(), nil)
	told(d, query(monday, name(StepDNS)))
	var e state.Encoder
	d.Save(&e)
	f.Add(e.Encoded())
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newDetector(Default(), nil)
		d.Load(state.NewDecoder(b))
		told(d, query(monday, name(StepHTTP)), query(monday, name(StepDNS)))
		if d.told.Len() > maxTold {
			t.Error("the table is over its limit")
		}
	})
}

func TestExplain(t *testing.T) {
	d := newDetector(Default(), nil)
	target := census.Target{Name: name(StepDNS)}
	said := ""
	say := func(x incident.Text) { said = x.EN }
	if d.Explain(netip.Addr{}, census.Target{Name: "www.example"}, say); said != "" {
		t.Error(said)
	}
	if d.Explain(netip.Addr{}, target, say); !strings.Contains(said, "was not told") {
		t.Error(said)
	}
	told(d, query(monday, name(StepDNS)))
	if d.Explain(netip.Addr{}, target, say); !strings.Contains(said, "was told") {
		t.Error(said)
	}
}

// Records that bear no label cost next to nothing.
func BenchmarkObserve(b *testing.B) {
	d := newDetector(Default(), nil)
	rs := []records.Record{query(monday, "www.example.co.jp"), request(monday, "GET", "www.example.co.jp", "http://www.example.co.jp/a.b.c/d.jpg", "Mozilla/5.0 (Windows NT 10.0)"), hello(monday, "www.example.co.jp")}
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range rs {
			d.Observe(r, nil)
		}
	}
}
