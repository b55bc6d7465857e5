package egress

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
)

const learned = monday + 8*day // after a week, and within working hours of none

// After the learning week, the first destination that answers and the third that
// does not are told.
func TestFirstSuccessOrThirdInVain(t *testing.T) {
	for _, c := range []struct {
		name  string
		want  int // contacts until told
		title string
		try   func(s *stage, at int64, i int) records.Record
	}{
		{"TLS", 1, "goes around the proxy to 1 destination", func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "SF", fmt.Sprintf("c2-%d.test", i))
		}},
		{"TLS, while it lasts", 1, "", func(s *stage, at int64, i int) records.Record {
			r := records.NewTLS(s.meta(at, suspect, "192.0.2.7", 443, packet.ProtoTCP))
			r.Start, r.ClientHello, r.ServerHello, r.Established, r.ServerName = at, true, true, true, "c2.test"
			return r
		}},
		{"HTTP", 1, "", func(s *stage, at int64, i int) records.Record {
			r := records.NewHTTP(s.meta(at, suspect, "192.0.2.7", 80, packet.ProtoTCP))
			r.Start, r.Depth, r.RequestSeen, r.ResponseSeen, r.Host = at, 1, true, true, "c2.test"
			return r
		}},
		{"a session on an odd port, while it lasts", 1, "", func(s *stage, at int64, i int) records.Record {
			r := records.NewPulse(s.meta(at, suspect, "192.0.2.7", 4444, packet.ProtoTCP))
			r.Start, r.Idle, r.Bytes = at, minute, 100
			return r
		}},
		{"an address without a name", 1, "", func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, "192.0.2.7", 8443, "SF", "")
		}},
		{"QUIC", 1, "", func(s *stage, at int64, i int) records.Record {
			return s.udp(at, suspect, "192.0.2.7", 443, true, 1200)
		}},
		{"a foreign name server", 1, "asks name servers outside: 1 destination", func(s *stage, at int64, i int) records.Record {
			return s.udp(at, suspect, "192.0.2.53", 53, true, 40)
		}},
		{"DNS over TLS", 1, "asks name servers outside", func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, "192.0.2.53", 853, "SF", "dns.test")
		}},
		{"DNS over HTTPS", 1, "asks name servers outside", func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, "192.0.2.53", 443, "SF", "mozilla.cloudflare-dns.com")
		}},
		{"mail straight out", 1, "sends mail straight out to 1 destination", func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, "192.0.2.25", 25, "SF", "")
		}},
		{"ICMP with data", 1, "sends data out in ICMP echo requests to 1 destination", func(s *stage, at int64, i int) records.Record {
			return s.echo(at, suspect, "192.0.2.9", true, 900)
		}},
		{"dropped", 3, "tries in vain to go around the proxy to 3 destinations", func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "S0", "")
		}},
		{"refused, a day apart", 3, "", func(s *stage, at int64, i int) records.Record {
			return s.flow(at+int64(i)*day, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "REJ", "")
		}},
		{"datagrams in vain", 3, "", func(s *stage, at int64, i int) records.Record {
			return s.udp(at, suspect, fmt.Sprintf("192.0.%d.7", i), 4444, false, 100)
		}},
		{"foreign name servers in vain", 3, "", func(s *stage, at int64, i int) records.Record {
			return s.udp(at, suspect, fmt.Sprintf("192.0.%d.7", i), 53, false, 40)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, Default())
			s.office(8, 40)
			for i := range 6 {
				s.feed(c.try(s, learned+int64(i)*minute, i))
				if len(s.alerts) > 0 {
					if a := s.alerts[0]; i+1 != c.want || !strings.Contains(a.Title, c.title) || a.Source.String() != suspect {
						t.Errorf("told after %d, want %d: %s", i+1, c.want, a.Title)
					}
					return
				}
			}
			t.Error("not told")
		})
	}
}

func TestBenign(t *testing.T) {
	// direct has a machine contact destinations that answer, ten minutes apart.
	direct := func(s *stage, at int64, client string, n, destinations int, port uint16, name string) {
		for i := range n {
			host := ""
			if name != "" {
				host = fmt.Sprintf("%s%d.test", name, i%destinations)
			}
			s.feed(s.flow(at+int64(i)*10*minute, client, fmt.Sprintf("192.0.%d.9", 1+i%destinations), port, "SF", host))
		}
	}
	for _, c := range []struct {
		name string
		play func(*stage)
	}{
		{"a machine that knows no proxy", func(s *stage) { direct(s, learned, "10.0.0.90", 60, 20, 443, "x-") }},
		{"the proxy itself", func(s *stage) { direct(s, learned, proxyAddr, 60, 20, 443, "x-") }},
		{"a habit of the learning week", func(s *stage) {
			for d := range int64(7) {
				direct(s, monday+d*day, suspect, 3, 1, 443, "vendor-")
			}
			direct(s, learned, suspect, 30, 1, 443, "vendor-")
		}},
		{"a destination that three machines reach directly", func(s *stage) {
			for i := range 30 {
				direct(s, monday+2*day, fmt.Sprintf("10.0.0.%d", 21+i%3), 1, 1, 443, "meeting-")
			}
			direct(s, learned, suspect, 10, 1, 443, "meeting-")
		}},
		{"another address of a network that three machines reach on that port", func(s *stage) {
			for i := range 3 {
				s.feed(s.udp(monday+2*day, fmt.Sprintf("10.0.0.%d", 21+i), fmt.Sprintf("192.0.2.%d", i), 3478, true, 100))
			}
			for i := range 60 {
				s.feed(s.udp(learned+int64(i)*minute, suspect, fmt.Sprintf("192.0.2.%d", 100+i), 3478, true, 100))
			}
		}},
		{"the page that tells whether there is a way out", func(s *stage) {
			for i := range 12 {
				s.feed(s.answer(monday+day, "10.0.0.20", "probe.test", "192.0.2.80"))
				s.feed(s.flow(monday+day+int64(i)*minute, fmt.Sprintf("10.0.0.%d", 20+i), "192.0.2.80", 80, "S0", ""))
			}
			for i := range 10 {
				s.feed(s.flow(learned+int64(i)*hour, suspect, "192.0.2.80", 80, "S0", ""))
			}
		}},
		{"time requests", func(s *stage) {
			for i := range 40 {
				s.feed(s.udp(learned+int64(i)*minute, suspect, fmt.Sprintf("192.0.%d.1", i), 123, true, 48))
			}
		}},
		{"pings", func(s *stage) {
			for i := range 40 {
				s.feed(s.echo(learned+int64(i)*minute, suspect, fmt.Sprintf("192.0.%d.1", i), true, 56))
			}
		}},
		{"a mail relay", func(s *stage) { direct(s, learned, relay, 60, 30, 25, "") }},
		{"a name server", func(s *stage) {
			for i := range 60 {
				s.feed(s.udp(learned+int64(i)*minute, resolver, fmt.Sprintf("192.0.%d.53", i), 53, true, 40))
			}
		}},
		{"a call looks for its way from one socket", func(s *stage) {
			for i := range 12 {
				f := s.udp(learned+int64(i)*second, suspect, fmt.Sprintf("192.0.%d.7", i), uint16(50000+i), false, 100)
				if k := &f.Meta().Key; f.Meta().Orig == packet.FromA {
					k.APort = 50010
				} else {
					k.BPort = 50010
				}
				s.feed(f)
			}
		}},
		{"groups and neighbours are not outside", func(s *stage) {
			for i := range int64(40) {
				s.feed(s.udp(learned+i*minute, suspect, "239.255.255.250", 1900, false, 100))
				s.feed(s.udp(learned+i*minute, suspect, "169.254.7.7", uint16(5000+i), false, 100))
			}
		}},
		{"one-sided flows say nothing", func(s *stage) {
			for i := range 40 {
				s.feed(s.flow(learned+int64(i)*minute, suspect, fmt.Sprintf("192.0.%d.1", i), 443, "OTH", ""))
			}
		}},
		{"browsers try QUIC to sites that everybody knows", func(s *stage) {
			for i := range 30 {
				f := s.udp(learned+int64(i)*minute, suspect, fmt.Sprintf("192.0.%d.1", i), 443, false, 1200)
				f.Meta().Resolved = &records.Resolved{Name: fmt.Sprintf("www%d.popular.test", i), Source: "dns"}
				s.feed(f)
			}
		}},
		{"two destinations in vain", func(s *stage) {
			for i := range 40 {
				s.feed(s.flow(learned+int64(i)*minute, suspect, fmt.Sprintf("192.0.%d.1", i%2), 443, "S0", ""))
			}
		}},
		{"where it happens every day", func(s *stage) {
			for d := range int64(7) {
				for i := range 12 {
					direct(s, monday+d*day, fmt.Sprintf("10.0.0.%d", 20+i), 1, 1, 443, fmt.Sprintf("any-%d-%d-", d, i))
				}
			}
			direct(s, learned, suspect, 1, 1, 443, "other-")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, Default())
			if strings.HasPrefix(c.name, "a habit") || strings.HasPrefix(c.name, "where") {
				s.office(1, 40) // the other days are in between
			}
			s.office(8, 40)
			c.play(s)
			for _, a := range s.alerts {
				t.Errorf("%s: %q", a.Title, a.Evidence)
			}
		})
	}
}

// On the first day, before ages mean anything, it takes more.
func TestFirstDay(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		play func(s *stage, at int64, i int) records.Record
		want int
	}{
		{"one destination", 1, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, "192.0.2.7", 443, "SF", "x.test")
		}, 0},
		{"four destinations", 4, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "SF", fmt.Sprintf("x%d.test", i))
		}, 1},
		{"blocked at the firewall", 6, func(s *stage, at int64, i int) records.Record {
			return s.flow(at, suspect, fmt.Sprintf("192.0.%d.7", i), 443, "S0", "")
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, Default())
			s.office(1, 60)
			for i := range c.n {
				s.feed(c.play(s, monday+17*hour+int64(i)*minute, i))
			}
			if len(s.alerts) != c.want {
				t.Errorf("%d alerts, want %d", len(s.alerts), c.want)
			}
		})
	}
}

// One incident a machine: more of the same is no news, another bypass six hours
// later is.
func TestToldAgain(t *testing.T) {
	s := newStage(t, Default())
	s.office(8, 40)
	visit := func(at int64, n int) {
		s.feed(s.flow(at, suspect, fmt.Sprintf("192.0.%d.7", n), 443, "SF", fmt.Sprintf("c%d.test", n)))
	}
	for i := range int64(100) {
		visit(learned+i*minute, 1)
	}
	if len(s.alerts) != 1 {
		t.Fatalf("%d alerts for one destination, want 1", len(s.alerts))
	}
	level := s.alerts[0].Level
	for i := range 6 {
		visit(learned+100*minute+int64(i)*minute, 2+i) // may become urgent
	}
	n := len(s.alerts)
	if n > 2 || n == 2 && s.alerts[1].Level == level {
		t.Fatalf("%d alerts for more destinations at once", n)
	}
	visit(learned+9*hour, 20)
	if len(s.alerts) != n+1 || s.alerts[n].Incident != s.alerts[0].Incident {
		t.Errorf("%d alerts, want %d of one incident", len(s.alerts), n+1)
	}
}

func TestExceptions(t *testing.T) {
	c := Default()
	c.AllowNames = []string{"Allowed.test"}
	c.AllowNetworks = prefixes("192.0.2.0/25")
	c.Exceptions = []Exception{{Sources: prefixes(suspect + "/32"), Ports: []int{51820}}, {Names: []string{"*.vendor.test"}, Networks: prefixes("192.0.3.0/24")}}
	s := newStage(t, c)
	s.office(8, 40)
	for i := range 20 {
		at := learned + int64(i)*minute
		s.feed(s.flow(at, suspect, fmt.Sprintf("198.51.100.%d", i), 443, "SF", fmt.Sprintf("h%d.allowed.test", i)))
		s.feed(s.flow(at, suspect, fmt.Sprintf("192.0.2.%d", i), 443, "SF", ""))
		s.feed(s.udp(at, suspect, fmt.Sprintf("198.51.101.%d", i), 51820, true, 100))
		s.feed(s.flow(at, suspect, fmt.Sprintf("192.0.3.%d", i), 8443, "SF", "up.vendor.test"))
	}
	if len(s.alerts) != 0 || s.counter("excepted") != 80 {
		t.Errorf("%d alerts, %d excepted, want 0 and 80", len(s.alerts), s.counter("excepted"))
	}
	s.feed(s.udp(learned+hour, "10.0.0.26", "198.51.101.1", 51820, true, 100))
	s.feed(s.flow(learned+hour, "10.0.0.27", "198.51.102.1", 443, "SF", "up.vendor.test"))
	if len(s.alerts) != 2 {
		t.Errorf("%d alerts of what no exception covers, want 2", len(s.alerts))
	}
}

// A name that the client alone claims makes no exception.
func TestClaimedName(t *testing.T) {
	s := newStage(t, Default())
	s.office(8, 40)
	for i := range 4 {
		c := fmt.Sprintf("10.0.0.%d", 21+i)
		s.feed(s.answer(monday+7*day, c, "update.vendor.test", "203.0.113.9"))
		s.feed(s.flow(monday+7*day, c, "203.0.113.9", 443, "SF", "update.vendor.test"))
	}
	s.alerts = nil
	s.feed(s.flow(learned, suspect, "192.0.2.66", 443, "SF", "cdn.vendor.test"))
	if len(s.alerts) == 0 {
		t.Error("an address that no DNS answer gave passes under the name of another")
	}
}

func prefixes(s ...string) (p []netip.Prefix) {
	for _, x := range s {
		p = append(p, netip.MustParsePrefix(x))
	}
	return p
}
