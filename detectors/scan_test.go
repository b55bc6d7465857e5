package detectors

import (
	"fmt"
	"kagami/packet"
	"math/rand/v2"
	"testing"

	"kagami/records"
)

// sweep has one client try a port on n machines, every spacing, from 10.0.base.1 on.
func (s *stage) sweep(client string, base int, port uint16, n int, spacing int64, state string) {
	for i := range n {
		s.feed(s.flow(monday+int64(i)*spacing, client, fmt.Sprintf("10.0.%d.%d", base+i/200, 1+i*7%200), port, state))
	}
}

func TestScanPaceDoesNotMatter(t *testing.T) {
	for _, spacing := range []int64{second, 30 * second, 10 * minute, hour} {
		s := newStage(t, only("scan"))
		for i := range 30 {
			s.feed(s.flow(monday+int64(i)*spacing, "10.0.0.29", fmt.Sprintf("10.0.1.%d", 3+3*i), 445, "S0"))
			want := 0
			if i >= 8 && !(spacing == hour && i == 8) { // at an hour a probe, old evidence fades a little
				want = 1
			}
			if got := len(s.alerts); got != want && want > 0 || got > 1 {
				t.Fatalf("spacing %s: %d alerts after %d probes, want %d", span(spacing), got, i+1, want)
			}
		}
		a := s.alerts[0]
		if a.Rule != "lateral-scan" || a.Source.String() != "10.0.0.29" || a.Technique[0] != "T1046" {
			t.Errorf("got %q from %s, %q", a.Rule, a.Source, a.Technique)
		}
	}
}

func TestScanCases(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(*stage)
		rule string // "" = no alert
		n    int
	}{
		{"neighbours one after the other are found sooner", func(s *stage) {
			for i := range 8 {
				s.feed(s.flow(monday+int64(i)*second, "10.0.0.29", fmt.Sprintf("10.0.1.%d", 10+i), 445, "REJ"))
			}
		}, "lateral-scan", 1},
		{"a scan that grows tenfold is told again", func(s *stage) { s.sweep("10.0.0.29", 1, 445, 250, minute, "S0") }, "lateral-scan", 2},
		{"ordinary days after a scan", func(s *stage) {
			s.sweep("10.0.0.29", 1, 445, 40, second, "S0")
			for i := range 200 {
				s.feed(s.flow(monday+day+int64(i)*hour, "10.0.0.29", fmt.Sprintf("10.0.7.%d", 1+i), 8080, []string{"SF", "SF", "SF", "S0"}[i%4]))
			}
		}, "lateral-scan", 1},
		{"a fifth of the targets answers", func(s *stage) {
			for i := range 40 {
				state := "S0"
				if i%5 == 0 {
					state = "SF"
				}
				s.feed(s.flow(monday+int64(i)*minute, "10.0.0.29", fmt.Sprintf("10.0.1.%d", 3+3*i), 3389, state))
			}
		}, "lateral-scan", 1},
		{"all targets answer: new peers", func(s *stage) { s.sweep("10.0.0.29", 1, 445, 25, minute, "SF") }, "lateral-scan", 1},
		{"a quiet machine's habit makes six new peers odd", func(s *stage) {
			for d := range int64(30) {
				s.feed(s.flow(monday+d*day, "10.0.0.29", "10.0.0.5", 445, "SF"))
			}
			for d := range int64(3) {
				s.feed(s.flow(monday+(30+d)*day, "10.0.0.29", fmt.Sprintf("10.0.3.%d", 1+d), 445, "SF"))
			}
			for i := range 9 {
				s.feed(s.flow(monday+35*day+int64(i)*minute, "10.0.0.29", fmt.Sprintf("10.0.2.%d", 1+i), 445, "SF"))
			}
		}, "lateral-scan", 1},
		{"ports of one machine", func(s *stage) {
			for i := range 60 {
				s.feed(s.flow(monday+int64(i)*second/10, "10.0.0.29", "10.0.0.5", uint16(20+i), "REJ"))
			}
		}, "port-scan", 1},
		{"a thousand ports in ten seconds", func(s *stage) {
			for i := range 1000 {
				s.feed(s.flow(monday+int64(i)*second/100, "10.0.0.29", "10.0.0.5", uint16(1+i), "REJ"))
			}
		}, "port-scan", 1},
		{"a thousand ports in a day: told again at ten times as many", func(s *stage) {
			for i := range 1000 {
				s.feed(s.flow(monday+int64(i)*86*second, "10.0.0.29", "10.0.0.5", uint16(1+i), "REJ"))
			}
		}, "port-scan", 3},
		{"ports of one machine outside", func(s *stage) {
			for i := range 60 {
				s.feed(s.flow(monday+int64(i)*second/10, "10.0.0.29", "198.51.100.5", uint16(20+i), "S0"))
			}
		}, "port-scan", 1},
		{"UDP ports of one machine", func(s *stage) {
			for i := range 60 {
				s.feed(s.udp(monday+int64(i)*second, "10.0.0.29", "10.0.0.5", uint16(100+i), false, 8))
			}
		}, "port-scan", 1},
		{"a worm outside on an administrative port", func(s *stage) {
			for i := range 30 {
				s.feed(s.flow(monday+int64(i)*second, "10.0.0.29", fmt.Sprintf("198.51.%d.9", i), 445, "S0"))
			}
		}, "lateral-scan", 1},
		{"the same dead machine over and over", func(s *stage) {
			for i := range 500 {
				s.feed(s.flow(monday+int64(i)*minute, "10.0.0.29", "10.0.0.5", 9100, "S0"))
			}
		}, "", 0},
		{"monitoring: many machines that answer", func(s *stage) {
			for i := range 2000 {
				s.feed(s.flow(monday+int64(i)*second, "10.0.0.13", fmt.Sprintf("10.0.1.%d", 1+i%100), 161+uint16(i%100/90), "SF"))
			}
		}, "", 0},
		{"one in four first contacts fails", func(s *stage) {
			for i := range 200 {
				s.feed(s.flow(monday+int64(i)*hour, "10.0.0.29", fmt.Sprintf("10.0.1.%d", 1+i), 8080, []string{"SF", "SF", "S0", "SF"}[i%4]))
			}
		}, "", 0},
		{"dead web servers outside", func(s *stage) {
			for i := range 100 {
				s.feed(s.flow(monday+int64(i)*second, "10.0.0.29", fmt.Sprintf("198.51.100.%d", i), 443, "S0"))
			}
		}, "", 0},
		{"one-sided flows say nothing", func(s *stage) {
			for i := range 100 {
				f := s.flow(monday+int64(i)*second, "10.0.0.29", fmt.Sprintf("10.0.1.%d", i), 445, "S0")
				f.History = "SAD"
				s.feed(f)
			}
		}, "", 0},
		{"connections cut in the middle say nothing", func(s *stage) { s.sweep("10.0.0.29", 1, 50000, 100, second, "OTH") }, "", 0},
		{"traceroute", func(s *stage) {
			for i := range 90 {
				s.feed(s.udp(monday+int64(i)*second, "10.0.0.29", "10.0.0.5", uint16(33434+i), false, 12))
			}
		}, "", 0},
		{"late answers of a server", func(s *stage) {
			for i := range 200 {
				f := s.udp(monday+int64(i)*second, "10.0.0.5", "10.0.0.29", uint16(1024+i*300), false, 90)
				k := &f.Meta().Key // from port 53
				if k.APort == f.Meta().Client().Port() {
					k.APort = 53
				} else {
					k.BPort = 53
				}
				s.feed(f)
			}
		}, "", 0},
		{"scanners outside", func(s *stage) {
			for i := range 100 {
				s.feed(s.flow(monday+int64(i)*second, "198.51.100.7", fmt.Sprintf("10.0.1.%d", i), 445, "S0"))
			}
		}, "", 0},
		{"file servers that everybody uses", func(s *stage) {
			for i := range 5 * 30 {
				s.feed(s.flow(monday+int64(i)*second, fmt.Sprintf("10.0.5.%d", i%5), fmt.Sprintf("10.0.1.%d", i/5), 445, "SF"))
			}
			s.alerts = nil // the five were the first
			s.sweep("10.0.0.29", 1, 445, 0, second, "SF")
			for i := range 30 {
				s.feed(s.flow(monday+hour+int64(i)*minute, "10.0.0.29", fmt.Sprintf("10.0.1.%d", i), 445, "SF"))
			}
		}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, only("scan"))
			c.play(s)
			if len(s.alerts) != c.n || s.count(c.rule, "") != c.n {
				t.Errorf("%d alerts, want %d of %q", len(s.alerts), c.n, c.rule)
				for _, a := range s.alerts {
					t.Logf("%s: %s %q", a.Rule, a.Title, a.Evidence)
				}
			}
		})
	}
}

func TestScanAllowList(t *testing.T) {
	c := only("scan")
	c.Scan.Allow = prefixes("10.0.0.29/32")
	s := newStage(t, c)
	s.sweep("10.0.0.29", 1, 445, 100, second, "S0")
	if len(s.alerts) != 0 || s.counter("scan", "allowed") != 100 {
		t.Errorf("%d alerts, %d allowed, want 0 and 100", len(s.alerts), s.counter("scan", "allowed"))
	}
}

// Machines with eight first contacts a day, of which a tenth fails (one in
// twenty machines: three tenths): at most 0.5 alarms in 1000 machine-days.
func TestScanFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	s := newStage(t, only("scan"))
	const machines, days = 100, 40
	for d := range int64(days) {
		var rs []records.Record
		for h := range machines {
			fail := 0.1
			if h%20 == 0 {
				fail = 0.3
			}
			for range r.IntN(17) {
				state := "SF"
				if r.Float64() < fail {
					state = "S0"
				}
				port := []uint16{443, 80, 8080, 9100, 445}[r.IntN(5)]
				rs = append(rs, s.flow(monday+d*day+r.Int64N(day), fmt.Sprintf("10.0.0.%d", h), fmt.Sprintf("10.%d.%d.%d", 1+r.IntN(9), r.IntN(250), r.IntN(250)), port, state))
			}
		}
		s.play(rs)
	}
	if got := len(s.alerts); got > machines*days/2000 {
		t.Errorf("%d alarms in %d machine-days, want at most %d", got, machines*days, machines*days/2000)
	}
}

func TestOutcomes(t *testing.T) {
	s := newStage(t, only("scan"))
	for _, c := range []struct {
		state, history string
		want           outcome
	}{
		{"SF", "ShADadFf", success}, {"S1", "ShAD", success}, {"RSTO", "ShR", success}, {"RSTR", "ShADr", success},
		{"S0", "S", failure}, {"REJ", "Sr", failure}, {"RSTOS0", "SR", failure}, {"SH", "SF", failure},
		{"S0", "SAD", unknown}, {"SH", "SADF", unknown}, {"OTH", "DdA", unknown}, {"RSTRH", "hr", unknown}, {"", "", unknown},
	} {
		f := s.flow(monday, "10.0.0.1", "10.0.0.2", 445, "SF")
		f.ConnState, f.History = c.state, c.history
		if got := outcomeOf(f, false); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.state, c.history, got, c.want)
		}
	}
	for _, c := range []struct {
		proto uint8
		blind bool
		want  outcome
	}{
		{packet.ProtoUDP, false, mute}, {packet.ProtoUDP, true, unknown}, {packet.ProtoICMP, false, failure}, {packet.ProtoICMP, true, unknown},
	} {
		f := s.flow(monday, "10.0.0.1", "10.0.0.2", 445, "S0")
		f.Meta().Key.Proto, f.Resp.Packets, f.ICMPType = c.proto, 0, 8
		if got := outcomeOf(f, c.blind); got != c.want {
			t.Errorf("protocol %d without an answer, blind %v: %v, want %v", c.proto, c.blind, got, c.want)
		}
	}
}
