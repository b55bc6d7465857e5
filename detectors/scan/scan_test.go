package scan

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"kagami/records"
)

const scanner = "10.0.1.10"

// sweep has a client try a port on n machines, every spacing.
func (s *stage) sweep(from int64, client string, port uint16, n int, spacing int64, state string) {
	for i := range n {
		s.feed(s.flow(from+int64(i)*spacing, client, fmt.Sprintf("10.0.%d.%d", 2+i/200, 1+i*7%200), port, state))
	}
}

// The pace of a scan does not matter, and addresses at which nobody is tell more.
func TestProbesToAlarm(t *testing.T) {
	for _, c := range []struct {
		name    string
		learned bool // the census knows the network
		dark    bool
		probe   func(s *stage, at int64, i int) records.Record
		want    int
	}{
		{"machines", false, false, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, fmt.Sprintf("10.0.3.%d", 3+3*i), 445, "S0")
		}, 9},
		{"machines that refuse", false, false, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, fmt.Sprintf("10.0.3.%d", 3+3*i), 8080, "REJ")
		}, 9},
		{"neighbours one after the other", false, false, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, fmt.Sprintf("10.0.3.%d", 3+i), 8080, "REJ")
		}, 7},
		{"ports", false, false, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, "10.0.0.5", uint16(1000+3*i), "REJ")
		}, 9},
		{"ports downwards", false, false, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, "10.0.0.5", uint16(1000-i), "REJ")
		}, 7},
		{"echo", false, false, func(s *stage, at int64, i int) records.Record {
			return s.echo(at, scanner, fmt.Sprintf("10.0.3.%d", 3+3*i), false)
		}, 9},
		{"UDP port on machines", false, false, func(s *stage, at int64, i int) records.Record {
			return s.udp(at, scanner, fmt.Sprintf("10.0.3.%d", 3+3*i), 40000, 161, false)
		}, 9},
		{"UDP ports of one machine: many services never answer", false, false, func(s *stage, at int64, i int) records.Record {
			return s.udp(at, scanner, "10.0.0.5", 40000, uint16(1000+3*i), false)
		}, 17},
		{"addresses of a known network at which nobody is", true, true, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, fmt.Sprintf("10.0.1.%d", 100+3*i), 8080, "S0")
		}, 4},
		{"half of them are there", true, false, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, fmt.Sprintf("10.0.%d.%d", 1+i%2, 100+3*i), 8080, "S0")
		}, 5},
		{"half of them answer, after two weeks without new peers", true, false, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, fmt.Sprintf("10.0.3.%d", 3+3*i), 445, [...]string{"SF", "S0"}[i%2])
		}, 5},
		{"all of them answer", true, false, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, scanner, fmt.Sprintf("10.0.3.%d", 3+3*i), 3389, "SF")
		}, 5},
	} {
		for _, spacing := range []int64{second, 30 * second, 10 * minute, hour} {
			t.Run(fmt.Sprintf("%s/%ds", c.name, spacing/second), func(t *testing.T) {
				s := newStage(t, Default())
				at := monday
				if c.learned {
					s.days(monday, 14)
					at += 14 * day
				}
				for i := range 40 {
					s.feed(c.probe(s, at+int64(i)*spacing, i))
					if len(s.alerts) > 0 {
						want := c.want
						if c.dark && spacing <= 30*second {
							want = 3 // in one spree
						}
						if i+1 != want && !(c.want > 9 && i == c.want && spacing == hour) { // in a day, evidence fades a little
							t.Errorf("%d probes, want %d", i+1, want)
						}
						return
					}
				}
				t.Error("not found")
			})
		}
	}
}

func TestCases(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(*stage)
		rule string // "" = no alert
		told int    // alerts, updates included
	}{
		{"a scan that grows tenfold is told again", func(s *stage) { s.sweep(monday, scanner, 8080, 250, minute, "S0") }, "lateral-scan", 2},
		{"another scan a day later is told again", func(s *stage) {
			s.sweep(monday, scanner, 8080, 40, second, "S0")
			s.sweep(monday+day, scanner, 8081, 40, second, "S0") // the same machines
			for i := range 40 {
				s.feed(s.flow(monday+2*day+int64(i)*second, scanner, fmt.Sprintf("10.0.9.%d", 1+i), 8081, "S0"))
			}
		}, "lateral-scan", 2},
		{"a failure a day after a scan is no scan", func(s *stage) {
			s.sweep(monday, scanner, 8080, 40, second, "S0")
			s.feed(s.flow(monday+day, scanner, "10.0.9.9", 8080, "S0"))
		}, "lateral-scan", 1},
		{"ordinary days after a scan", func(s *stage) {
			s.sweep(monday, scanner, 8080, 40, second, "S0")
			for i := range 200 {
				s.feed(s.flow(monday+day+int64(i)*hour, scanner, fmt.Sprintf("10.0.7.%d", 1+i), 8080, []string{"SF", "SF", "SF", "S0"}[i%4]))
			}
		}, "lateral-scan", 1},
		{"a fifth of the targets answers", func(s *stage) {
			for i := range 40 {
				s.feed(s.flow(monday+int64(i)*minute, scanner, fmt.Sprintf("10.0.3.%d", 3+3*i), 8080, []string{"SF", "S0", "S0", "S0", "S0"}[i%5]))
			}
		}, "lateral-scan", 1},
		{"machines and their ports are one incident, and urgent", func(s *stage) {
			s.sweep(monday, scanner, 8080, 20, second, "S0")
			for i := range 30 {
				s.feed(s.flow(monday+minute+int64(i)*second, scanner, "10.0.0.5", uint16(1000+3*i), "REJ"))
			}
		}, "", 2},
		{"a thousand ports in ten seconds", func(s *stage) {
			for i := range 1000 {
				s.feed(s.flow(monday+int64(i)*second/100, scanner, "10.0.0.5", uint16(1+i*7), "REJ"))
			}
		}, "port-scan", 2},
		{"ports of one machine outside", func(s *stage) {
			for i := range 60 {
				s.feed(s.flow(monday+int64(i)*second/10, scanner, "198.51.100.5", uint16(20+3*i), "S0"))
			}
		}, "port-scan", 1},
		{"segments with FIN alone, out of the blue", func(s *stage) {
			for i := range 20 {
				f := s.flow(monday+int64(i)*second, scanner, "10.0.0.5", uint16(20+3*i), "OTH")
				f.History, f.Orig, f.Resp = "Fr", records.Counts{Packets: 1, IPBytes: 40}, records.Counts{Packets: 1, IPBytes: 40}
				s.feed(f)
			}
		}, "port-scan", 1},
		{"a worm outside on an administrative port", func(s *stage) {
			for i := range 30 {
				s.feed(s.flow(monday+int64(i)*second, scanner, fmt.Sprintf("198.51.%d.9", i), 445, "S0"))
			}
		}, "lateral-scan", 1},
		{"the same dead machine over and over", func(s *stage) {
			for i := range 500 {
				s.feed(s.flow(monday+int64(i)*minute, scanner, "10.0.0.5", 9100, "S0"))
			}
		}, "", 0},
		{"dead machines that many still know", func(s *stage) {
			for c := range 40 {
				for i := range 12 {
					s.feed(s.flow(monday+int64(c)*hour+int64(i)*minute, fmt.Sprintf("10.0.6.%d", 1+c), fmt.Sprintf("10.0.5.%d", 1+i*20), 9100, "S0"))
					s.feed(s.flow(monday+int64(c)*hour+int64(i)*minute+second, fmt.Sprintf("10.0.6.%d", 1+c), fmt.Sprintf("10.0.4.%d", 1+i*20), 443, "SF"))
				}
			}
		}, "", 0},
		{"machines whose names are known but do not answer", func(s *stage) {
			for i := range 14 {
				f := s.flow(monday+int64(i)*minute, scanner, fmt.Sprintf("10.0.3.%d", 1+9*i), 9100, "S0")
				f.Meta().Resolved = &records.Resolved{Name: "printer.corp.test", Source: "dns"}
				s.feed(f)
			}
		}, "", 0},
		{"monitoring: many machines that answer", func(s *stage) {
			for i := range 2000 {
				s.feed(s.udp(monday+int64(i)*second, scanner, fmt.Sprintf("10.0.3.%d", 1+i%100), 40000, 161, true))
			}
		}, "", 0},
		{"one in four first contacts fails", func(s *stage) {
			for i := range 200 {
				s.feed(s.flow(monday+int64(i)*hour, scanner, fmt.Sprintf("10.0.3.%d", 1+i), 8080, []string{"SF", "SF", "S0", "SF"}[i%4]))
			}
		}, "", 0},
		{"dead web servers outside", func(s *stage) {
			for i := range 100 {
				s.feed(s.flow(monday+int64(i)*second, scanner, fmt.Sprintf("198.51.100.%d", i), 443, "S0"))
			}
		}, "", 0},
		{"one-sided flows say nothing", func(s *stage) {
			for i := range 100 {
				f := s.flow(monday+int64(i)*second, scanner, fmt.Sprintf("10.0.3.%d", i), 445, "S0")
				f.History = "SAD"
				s.feed(f)
			}
		}, "", 0},
		{"connections cut in the middle say nothing", func(s *stage) { s.sweep(monday, scanner, 50000, 100, second, "OTH") }, "", 0},
		{"syslog, which nobody answers", func(s *stage) {
			for i := range 60 {
				s.feed(s.udp(monday+int64(i)*second, scanner, fmt.Sprintf("10.0.3.%d", i), 40000, 514, false))
			}
		}, "", 0},
		{"traceroute", func(s *stage) {
			for i := range 90 {
				s.feed(s.udp(monday+int64(i)*second, scanner, "10.0.0.5", 40000, uint16(33434+i), false))
			}
		}, "", 0},
		{"late answers of a server", func(s *stage) {
			for i := range 200 {
				s.feed(s.udp(monday+int64(i)*second, "10.0.0.5", scanner, 53, uint16(1024+i*300), false))
			}
		}, "", 0},
		{"who called? NetBIOS names of machines that turned to it before", func(s *stage) {
			for i := range 60 {
				s.feed(s.flow(monday+int64(i)*second, fmt.Sprintf("10.0.3.%d", i), scanner, 443, "SF"))
				s.feed(s.udp(monday+int64(i)*second, scanner, fmt.Sprintf("10.0.3.%d", i), 50137, 137, false))
			}
		}, "", 0},
		{"scanners outside", func(s *stage) {
			for i := range 100 {
				s.feed(s.flow(monday+int64(i)*second, "198.51.100.7", fmt.Sprintf("10.0.3.%d", i), 445, "S0"))
			}
		}, "", 0},
		{"file servers that everybody uses", func(s *stage) {
			for i := range 5 * 18 {
				s.feed(s.flow(monday+int64(i)*second, fmt.Sprintf("10.0.5.%d", i%5), fmt.Sprintf("10.0.3.%d", i/5), 445, "SF"))
			}
			for i := range 18 {
				s.feed(s.flow(monday+hour+int64(i)*minute, scanner, fmt.Sprintf("10.0.3.%d", i), 445, "SF"))
			}
		}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, Default())
			c.play(s)
			if len(s.alerts) != c.told || c.told > 0 && s.count("") != 1 {
				t.Errorf("%d alerts of %d incidents, want %d", len(s.alerts), s.count(""), c.told)
			}
			for _, a := range s.alerts {
				if c.rule != "" && a.Rule != c.rule || a.Source.String() != scanner {
					t.Errorf("%s: %s %q", a.Rule, a.Title, a.Evidence)
				}
			}
		})
	}
}

// A machine that got another address is the same machine: its peers are not new.
func TestRenumbered(t *testing.T) {
	s := newStage(t, Default())
	visit := func(at int64, client, state string) {
		for i := range 40 {
			f := s.flow(at+int64(i)*minute, client, fmt.Sprintf("10.0.3.%d", 1+i*5), 8080, state)
			f.Meta().ClientHost = &records.Host{MAC: records.Fact{Value: "02-00-00-00-00-01"}}
			s.feed(f)
		}
	}
	visit(monday, scanner, "SF")
	visit(monday+day, "10.0.1.77", "S0")
	if len(s.alerts) != 0 {
		t.Errorf("%d alerts, want 0: %s", len(s.alerts), s.alerts[0].Title)
	}
}

func TestARPSweep(t *testing.T) {
	sweep := func(s *stage, from int64, sender string, mac byte, tries int, answered func(i int) bool) {
		var rs []records.Record
		for i := range 60 {
			for k := range tries {
				rs = append(rs, s.ask(from+int64(i)*minute+int64(k)*second, sender, fmt.Sprintf("10.0.1.%d", 60+3*i), mac, answered(i))...)
			}
		}
		s.play(rs)
		s.Advance(from+2*hour, s.emit)
	}
	never := func(int) bool { return false }
	for _, c := range []struct {
		name string
		play func(*stage)
		want int
	}{
		{"one request each", func(s *stage) { sweep(s, monday+2*day, scanner, 10, 1, never) }, 1},
		{"three requests each: told again at ten times as many", func(s *stage) { sweep(s, monday+2*day, scanner, 10, 3, never) }, 1},
		{"half of them are there", func(s *stage) { sweep(s, monday+2*day, scanner, 10, 1, func(i int) bool { return i%2 == 0 }) }, 1},
		{"on the first day", func(s *stage) { sweep(s, monday+2*hour, scanner, 10, 1, never) }, 1},
		{"all of them are there, one a minute", func(s *stage) { sweep(s, monday+2*day, scanner, 10, 1, func(int) bool { return true }) }, 0},
		{"all of them are there, one a second", func(s *stage) {
			for i := range 30 {
				s.feed(s.ask(monday+2*day+int64(i)*second, scanner, fmt.Sprintf("10.0.1.%d", 60+i*37%150), 10, true)...)
			}
		}, 1},
		{"those who asked for it before", func(s *stage) {
			for i := range 30 {
				other := fmt.Sprintf("10.0.1.%d", 60+i*37%150)
				s.feed(s.ask(monday+2*day+int64(i)*second, other, scanner, byte(100+i), true)...)
				s.feed(s.ask(monday+2*day+int64(i)*second+second/2, scanner, other, 10, true)...)
			}
		}, 0},
		{"a router asks for others", func(s *stage) {
			for i := range 9 {
				f := s.flow(monday+2*day, fmt.Sprintf("10.0.8.%d", i), "10.0.0.5", 443, "SF")
				f.Meta().ClientMAC = [6]byte{2, 0, 0, 0, 0, 10}
				s.feed(f)
			}
			sweep(s, monday+2*day, scanner, 10, 1, never)
		}, 0},
		{"a DHCP server asks before it leases", func(s *stage) {
			r := records.NewDHCP(s.meta(monday+2*day, "10.0.1.99", scanner, 68, 67, 17))
			r.Response, r.ServerIP = true, netip.MustParseAddr(scanner)
			s.feed(r)
			sweep(s, monday+2*day, scanner, 10, 1, never)
		}, 0},
		{"machines that went home", func(s *stage) {
			for i := range 60 {
				s.feed(s.flow(monday+day, fmt.Sprintf("10.0.1.%d", 60+3*i), scanner, 443, "SF"))
			}
			sweep(s, monday+2*day, scanner, 10, 3, never)
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, Default())
			s.days(monday, 2)
			if c.name == "on the first day" {
				s = newStage(t, Default())
				s.days(monday, 1)
			}
			c.play(s)
			if got := s.count("lateral-scan"); got != c.want || len(s.alerts) > 2*got {
				t.Errorf("%d incidents, %d alerts, want %d", got, len(s.alerts), c.want)
			}
		})
	}
	t.Run("a mirror that shows no answers", func(t *testing.T) {
		s := newStage(t, Default())
		for d := range int64(3) { // machines are alive, but only their questions are seen
			for i := range 20 {
				s.feed(s.ask(monday+d*day+int64(i)*hour, fmt.Sprintf("10.0.1.%d", 10+i), fmt.Sprintf("10.0.1.%d", 10+(i+1)%20), byte(10+i), false)...)
			}
		}
		for i := range 60 {
			s.feed(s.ask(monday+3*day+int64(i)*2*minute, scanner, fmt.Sprintf("10.0.2.%d", 60+i*37%150), 10, false)...)
		}
		if len(s.alerts) != 0 {
			t.Errorf("%d alerts for machines in no order, want 0", len(s.alerts))
		}
		sweep(s, monday+4*day, scanner, 10, 1, never) // one neighbour after the other
		if s.count("lateral-scan") != 1 {
			t.Errorf("%d incidents, want 1", s.count(""))
		}
	})
}

func TestAlertText(t *testing.T) {
	s := newStage(t, Default())
	s.sweep(monday, scanner, 445, 9, 5*second, "S0")
	if len(s.alerts) != 1 {
		t.Fatalf("%d alerts", len(s.alerts))
	}
	a := s.alerts[0]
	all := strings.Join(a.Evidence, "\n")
	for _, want := range []string{"9 of 9 first contacts", "12.5 nats, alarm at 11.5", "one every 5.0 s", "never contacted before: tcp/445 failed: 10.0.2.1, 10.0.2.8, 10.0.2.15, 10.0.2.22, 10.0.2.29, 10.0.2.36, 10.0.2.43, 10.0.2.50, 10.0.2.57 (2026-03-02 00:00:00Z to 2026-03-02 00:00:40Z)"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if got := fmt.Sprint(a.Technique); got != "[T1046 T1018 T1135]" || len(a.Flows) != 9 {
		t.Errorf("techniques %s, %d flows", got, len(a.Flows))
	}
}
