package scan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/BurntSushi/toml"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/records"
)

// tiny has every table at its smallest.
func tiny() Config {
	c := Default()
	c.Contacts, c.Sources, c.Pairs, c.Stale = 1000, 16, 16, 16
	return c
}

// Every limit can be hit; then the table stays at its size and counts.
func TestLimits(t *testing.T) {
	c := tiny()
	if errs := c.Validate(); len(errs) != 0 {
		t.Fatalf("the smallest settings are not valid: %v", errs)
	}
	s := newStage(nil, c)
	for i := range 6000 {
		client := fmt.Sprintf("10.1.%d.%d", i%2000/250, i%250)
		f := s.flow(monday+int64(i)*second, client, fmt.Sprintf("10.3.%d.%d", i/250, i%250), 445, []string{"REJ", "S0", "SF"}[i%3])
		f.Meta().ClientMAC = [6]byte{2, 1, 0, 0, byte(i >> 8), byte(i)}
		s.feed(f)
		s.feed(s.ask(monday+int64(i)*second, client, fmt.Sprintf("10.4.%d.%d", i/250, i%250), byte(i), false)...)
	}
	for i := range maxAsks + 5 {
		s.feed(s.ask(monday+7000*second+int64(i), fmt.Sprintf("10.5.%d.%d", i/250, i%250), "10.0.0.1", 1, false)...)
	}
	for _, x := range [...]string{"sources", "pairs", "stale", "cards"} {
		if s.counter(x) > 16 || s.counter(x+"_evicted") == 0 {
			t.Errorf("%s: %d, evicted %d", x, s.counter(x), s.counter(x+"_evicted"))
		}
	}
	for _, x := range [...]string{"contacts_turned_early", "ports_turned_early", "asks_evicted", "asks_unawaited"} {
		if s.counter(x) == 0 {
			t.Errorf("%s is 0", x)
		}
	}
	for i := range 200 {
		r := records.NewDHCP(s.meta(monday+8000*second, "10.0.1.99", "10.0.1.1", 68, 67, 17))
		r.Response, r.ServerIP = true, netip.AddrFrom4([4]byte{10, 9, 0, byte(i)})
		s.feed(r)
	}
	if s.lessors.Len() != maxLessors {
		t.Errorf("%d DHCP servers", s.lessors.Len())
	}
}

// What was learned before a restart counts after it: the same alerts come, and
// an odd number of probes on either side.
func TestRestart(t *testing.T) {
	run := func(restart bool) string {
		s := newStage(t, Default())
		s.days(monday, 3)
		again := func() {
			if restart {
				var e, ce, be state.Encoder
				s.Save(&e)
				s.census.Save(&ce)
				s.book.Save(&be)
				who := census.New(census.Default())
				who.Load(state.NewDecoder(ce.Encoded()))
				s.census = who
				s.book = incident.NewBook(incident.Default(), who, nil)
				s.book.Load(state.NewDecoder(be.Encoded()))
				d := state.NewDecoder(e.Encoded())
				s.Detector = New(Default(), who, s.book)
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
		}
		at := monday + 3*day
		for i := range 40 {
			if i%5 == 3 {
				again()
			}
			s.feed(s.flow(at+int64(i)*minute, scanner, fmt.Sprintf("10.0.3.%d", 1+3*i), 445, []string{"S0", "S0", "SF"}[i%3]))
			s.feed(s.flow(at+int64(i)*minute, "10.0.1.12", "10.0.0.5", uint16(1000+3*i), "REJ"))
			s.feed(s.udp(at+int64(i)*minute, "10.0.1.13", fmt.Sprintf("10.0.3.%d", 1+3*i), 40000, 161, false))
		}
		var b bytes.Buffer
		for _, a := range s.alerts {
			fmt.Fprintln(&b, a.Meta().At, a.Rule, a.Incident, a.Update, a.Title, a.Score, a.Evidence, a.Flows)
		}
		return b.String()
	}
	if a, b := run(false), run(true); a != b || a == "" {
		t.Errorf("without a restart:\n%s\nwith:\n%s", a, b)
	}
}

func FuzzLoad(f *testing.F) {
	s := newStage(nil, tiny())
	s.days(monday, 2)
	s.sweep(monday+2*day, scanner, 445, 30, second, "S0")
	var e state.Encoder
	s.Save(&e)
	f.Add(e.Encoded())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newStage(nil, tiny())
		s.Load(state.NewDecoder(b))
		s.days(monday, 1)
		s.sweep(monday+day, scanner, 445, 12, second, "S0")
		s.Explain(netip.MustParseAddr(scanner), census.Target{}, func(incident.Text) {})
		s.Counters()
		var e state.Encoder
		s.Save(&e)
	})
}

// FuzzObserve feeds flows made of random numbers; every alert must be whole.
func FuzzObserve(f *testing.F) {
	f.Add(uint64(1))
	f.Add(uint64(7))
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 9))
		s := newStage(t, tiny())
		at := monday
		addr := func() string {
			return []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1", "255.255.255.255", "0.0.0.0", "10.0.0.255", "224.0.0.1"}[r.IntN(8)]
		}
		for range 400 {
			at += r.Int64N(2*hour) - minute
			x := s.flow(at-r.Int64N(at), addr(), fmt.Sprintf("10.0.1.%d", r.IntN(40)), uint16(r.IntN(600)), []string{"S0", "REJ", "SF", "OTH"}[r.IntN(4)])
			x.Meta().At = at
			x.Meta().Key.Proto = []uint8{6, 6, 6, 17, 1, 58, 99}[r.IntN(7)]
			x.History = []string{"S", "Sr", "F", "", "ShADadFf"}[r.IntN(5)]
			s.feed(x)
			s.feed(s.ask(at, addr(), fmt.Sprintf("10.0.1.%d", r.IntN(250)), byte(r.IntN(4)), r.IntN(3) == 0)...)
		}
	})
}

func TestConfig(t *testing.T) {
	c := Default()
	if errs := c.Validate(); len(errs) != 0 {
		t.Error(errs)
	}
	if mib := c.Memory() >> 20; mib < 5 || mib > 24 {
		t.Errorf("tables may take %d MiB", mib)
	}
	_, err := toml.Decode(`
threshold = 13.0
allow = ["10.0.0.9/32"]
[[scanner]]
networks = ["10.0.0.7/32"]
targets = ["10.0.0.0/8"]
days = ["sat", "sun"]
hours = ["22:00", "04:00"]
`, &c)
	if err != nil || len(c.Validate()) != 0 || c.Scanners[0].Hours[1] != "04:00" {
		t.Errorf("%v, %v, %+v", err, c.Validate(), c)
	}
	c = Config{Scanners: []Scanner{{Days: []string{"someday"}, Hours: []string{"25:00"}}}}
	errs := c.Validate()
	if len(errs) != 8+4 {
		t.Errorf("%d problems: %v", len(errs), errs)
	}
	if got, want := errs[len(errs)-1].Error(), `detect.scan.scanner[0].hours: got "25:00", want "00:00" to "24:00"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExplain(t *testing.T) {
	s := newStage(t, Default())
	s.sweep(monday, scanner, 445, 5, second, "S0")
	var lines []string
	s.Explain(netip.MustParseAddr(scanner), census.Target{Addr: netip.MustParseAddr("10.0.2.1")}, func(x incident.Text) {
		if x.JA == "" {
			t.Errorf("no Japanese for %q", x.EN)
		}
		lines = append(lines, x.EN)
	})
	if len(lines) != 4 || lines[0] != "scan: sums over outcomes of first contacts of 10.0.1.10: 6.9 nats, on ports of administration 6.9; alarm at 11.5" {
		t.Errorf("got %q", lines)
	}
}

func BenchmarkObserve(b *testing.B) {
	s := newStage(nil, Default())
	r := rand.New(rand.NewPCG(1, 1))
	var rs []records.Record
	for i := range 20000 {
		f := s.flow(monday+int64(i)*second, fmt.Sprintf("10.0.%d.%d", r.IntN(2), r.IntN(200)), fmt.Sprintf("10.0.3.%d", r.IntN(20)), 445, "SF")
		f.Meta().ClientMAC = [6]byte{2, 0, 0, 0, 0, byte(r.IntN(200))}
		rs = append(rs, f)
	}
	s.feed(rs...)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		s.Detector.Observe(rs[i%len(rs)], s.emit)
	}
}
