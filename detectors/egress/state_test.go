package egress

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/packet"
	"kagami/records"
)

// tiny has every table at its smallest.
func tiny() Config {
	c := Default()
	c.Hosts, c.Destinations, c.Contacts = 16, 16, 1000
	return c
}

// Every limit can be hit; then the table stays at its size and counts.
func TestLimits(t *testing.T) {
	c := tiny()
	if errs := c.Validate(); len(errs) != 0 {
		t.Fatalf("the smallest settings are not valid: %v", errs)
	}
	s := newStage(nil, c)
	for i := range 3000 {
		client := fmt.Sprintf("10.1.%d.%d", i/250, i%250)
		s.feed(s.connect(monday+int64(i)*second, client, "www.test:443"))
		s.feed(s.flow(monday+int64(i)*second, client, fmt.Sprintf("192.0.%d.%d", i/250, i%250), uint16(1000+i), "S0", ""))
	}
	for _, x := range [...]string{"hosts", "destinations"} {
		if s.counter(x) > 16 || s.counter(x+"_evicted") == 0 {
			t.Errorf("%s: %d, evicted %d", x, s.counter(x), s.counter(x+"_evicted"))
		}
	}
	if s.counter("contacts_turned_early") == 0 {
		t.Error("contacts_turned_early is 0")
	}
	s = newStage(t, Default())
	s.office(8, 40)
	for i := range 3 * maxExcursions {
		s.feed(s.flow(learned+int64(i)*minute, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "SF", strings.Repeat("x", 300)+fmt.Sprint(i)))
	}
	h := s.hosts.Get(s.census.SourceOf(netip.MustParseAddr(suspect)))
	if len(h.list) != maxExcursions || h.beyond != 2*maxExcursions || len(h.list[0].name) != maxName {
		t.Errorf("%d kept, %d beyond, name of %d octets", len(h.list), h.beyond, len(h.list[0].name))
	}
}

// What was learned before a restart counts after it.
func TestRestart(t *testing.T) {
	run := func(restart bool) string {
		s := newStage(t, Default())
		s.office(8, 40)
		for i := range 8 {
			if restart && i%2 == 1 {
				var e, ce, be state.Encoder
				s.Save(&e)
				s.census.Save(&ce)
				s.book.Save(&be)
				who := census.New(census.Default())
				who.Load(state.NewDecoder(ce.Encoded()))
				s.census, s.book = who, incident.NewBook(incident.Default(), who, nil)
				s.book.Load(state.NewDecoder(be.Encoded()))
				s.Detector = New(Default(), who, s.book)
				d := state.NewDecoder(e.Encoded())
				s.Load(d)
				if d.Err() != nil || d.More() {
					t.Fatalf("load: %v, more %v", d.Err(), d.More())
				}
				var e2 state.Encoder
				s.Save(&e2)
				if !bytes.Equal(e.Encoded(), e2.Encoded()) {
					t.Fatal("saved again, it is not the same")
				}
			}
			at := learned + int64(i)*30*minute
			s.feed(s.flow(at, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "S0", ""))
			s.feed(s.flow(at, "10.0.0.26", fmt.Sprintf("192.1.%d.7", i), 443, "SF", "c2.test"))
		}
		var b bytes.Buffer
		for _, a := range s.alerts {
			fmt.Fprintln(&b, a.Meta().At, a.Incident, a.Update, a.Title, a.Score, a.Flows) // the gap is told in Evidence
		}
		return b.String()
	}
	a, b := strings.Split(run(false), "\n"), strings.Split(run(true), "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] || len(a) != len(b) || len(a) < 2 {
			t.Fatalf("%d alerts without a restart, %d with\n%s\n%s", len(a), len(b), a[i], b[min(i, len(b)-1)])
		}
	}
}

func FuzzLoad(f *testing.F) {
	s := newStage(nil, tiny())
	s.office(2, 20)
	for i := range 20 {
		s.feed(s.flow(monday+2*day+int64(i)*minute, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "SF", "c2.test"))
	}
	var e state.Encoder
	s.Save(&e)
	f.Add(e.Encoded())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newStage(nil, tiny())
		s.Load(state.NewDecoder(b))
		for i := range 20 {
			s.feed(s.connect(monday+int64(i)*second, suspect, "www.test:443"))
			s.feed(s.flow(monday+int64(i)*minute, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "SF", "c2.test"))
		}
		s.Explain(netip.MustParseAddr(suspect), census.Target{Name: "c2.test"}, func(incident.Text) {})
		var e state.Encoder
		s.Save(&e)
	})
}

// FuzzObserve feeds records made of random values; every alert must be whole.
func FuzzObserve(f *testing.F) {
	f.Add(uint64(1), "c2.test")
	f.Add(uint64(7), "\x1b[31m\xff:1")
	f.Fuzz(func(t *testing.T, seed uint64, name string) {
		r := rand.New(rand.NewPCG(seed, 9))
		s := newStage(t, tiny())
		s.office(1, 10)
		at := monday + day
		addr := func() string {
			return []string{"10.0.0.20", "10.0.0.21", "192.0.2.1", "255.255.255.255", "0.0.0.0", "203.0.113.7", "224.0.0.1"}[r.IntN(7)]
		}
		text := func() string {
			return []string{"", name, "a.test", "B.Test.", "[::1]:80", "192.0.2.1:1", ":", "dns.google"}[r.IntN(8)]
		}
		for range 300 {
			at += r.Int64N(6*hour) - minute
			early := r.Int64N(at)
			switch r.IntN(4) {
			case 0:
				h := s.connect(at, addr(), text())
				h.Proxied, h.Start = r.IntN(2) == 0, at-early
				s.feed(h)
			case 1:
				x := records.NewTLS(s.meta(at, addr(), addr(), 443, packet.ProtoTCP))
				x.Start, x.ServerHello, x.ServerName = at, true, text()
				s.feed(x)
			default:
				x := s.flow(at-early, addr(), addr(), []uint16{443, 53, 25, 853, 0, 9999}[r.IntN(6)], []string{"S0", "REJ", "SF", "OTH"}[r.IntN(4)], text())
				x.Meta().At = at
				x.Meta().Key.Proto = []uint8{6, 6, 17, 1, 58, 99}[r.IntN(6)]
				x.ICMPType, x.Orig.Payload = 8, r.Uint64N(4000)
				s.feed(x)
			}
		}
	})
}

func TestConfig(t *testing.T) {
	c := Default()
	if errs := c.Validate(); len(errs) != 0 {
		t.Error(errs)
	}
	if mib := c.Memory() >> 20; mib < 4 || mib > 20 {
		t.Errorf("tables may take %d MiB", mib)
	}
	_, err := toml.Decode(`
learning = "72h"
allow_networks = ["192.0.2.0/24"]
window = "24h"
[[exception]]
sources = ["10.0.0.7/32"]
ports = [51820]
`, &c)
	if err != nil || len(c.Validate()) != 0 || c.Learning != 72*time.Hour || c.Exceptions[0].Ports[0] != 51820 {
		t.Errorf("%v, %v, %+v", err, c.Validate(), c)
	}
	c = Config{Exceptions: []Exception{{}, {Ports: []int{70000}}}}
	errs := c.Validate()
	if len(errs) != 5+3+1+2 {
		t.Errorf("%d problems: %v", len(errs), errs)
	}
	if got, want := errs[0].Error(), "detect.egress.min_proxied: got 0, want 5 to 1000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHostname(t *testing.T) {
	for in, want := range map[string]string{"": "", "a.test": "a.test", "a.test:8443": "a.test", "A.Test.": "A.Test", "192.0.2.1": "", "192.0.2.1:80": "",
		"[2001:db8::1]": "", "2001:db8::1": "", "[2001:db8::1]:443": "", "a1": "a1", ":": ""} {
		if got := hostname(in); got != want {
			t.Errorf("hostname(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestStrict(t *testing.T) {
	for _, c := range []struct {
		days, leaks, known, want float64
	}{
		{1000, 0, 1, 3}, {1000, 90, 1, 3}, {1000, 500, 1, -3.89}, {1000, 1000, 1, -6}, {1000, 0, 0, 0}, {1000, 0, 0.5, 1.5}, {0, 0, 1, -3.89}, {1000, 500, 0, -3.89},
	} {
		p, h := discipline{days: c.days, leaks: c.leaks, day: 5}, host{}
		if got := p.strict(&h, byProxy, c.known); got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("%g of %g machine-days, known %g: %.2f nats, want %.2f", c.leaks, c.days, c.known, got, c.want)
		}
	}
}

func TestSurprise(t *testing.T) {
	for through, want := range map[uint32]float64{0: 0.69, 30: 4.13, 200: 6.0, 1000000: 8} {
		if got := surprise(through); got < want-0.01 || got > want+0.01 {
			t.Errorf("surprise(%d) = %.2f, want %.2f", through, got, want)
		}
	}
}

func TestExplain(t *testing.T) {
	s := newStage(t, Default())
	s.office(3, 20)
	s.feed(s.flow(monday+4*day, suspect, "192.0.2.7", 443, "SF", "c2.test"))
	var lines []string
	s.Explain(netip.MustParseAddr(suspect), census.Target{Name: "c2.test"}, func(x incident.Text) {
		if x.JA == "" || strings.Contains(x.EN+x.JA, "%!") {
			t.Errorf("bad text %q", x)
		}
		lines = append(lines, x.EN)
	})
	if len(lines) != 9 || lines[0] != "egress: connections of 10.0.0.25 by the proxy: 60; 1 destination around: direct contacts are judged" {
		t.Errorf("got %q", lines)
	}
}

func BenchmarkObserve(b *testing.B) {
	s := newStage(nil, Default())
	r := rand.New(rand.NewPCG(1, 1))
	var rs []records.Record
	for i := range 20000 {
		at, client := monday+int64(i)*second, fmt.Sprintf("10.0.%d.%d", r.IntN(2), r.IntN(200))
		if i%2 == 0 {
			rs = append(rs, s.connect(at, client, "www.test:443"))
		} else {
			rs = append(rs, s.flow(at, client, fmt.Sprintf("192.0.2.%d", r.IntN(100)), 443, "SF", fmt.Sprintf("s%d.test", r.IntN(100))))
		}
	}
	s.feed(rs...)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		s.Detector.Observe(rs[i%len(rs)], s.emit)
	}
}
