package detectors

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"kagami/records"
)

func prefixes(s ...string) (p []netip.Prefix) {
	for _, x := range s {
		p = append(p, netip.MustParsePrefix(x))
	}
	return p
}

// office has ten machines use the proxy, n connections each, in the first hour.
func (s *stage) office(n int) {
	var rs []records.Record
	for i := range 10 * n {
		client := fmt.Sprintf("10.0.0.%d", 20+i%10)
		rs = append(rs, s.connect(monday+int64(i)*hour/int64(10*n), client, proxyAddr, fmt.Sprintf("www%d.popular.test:443", i/10)))
	}
	s.play(rs)
}

func TestEgress(t *testing.T) {
	// direct has a machine open connections of that outcome, ten minutes apart.
	direct := func(s *stage, client string, n, destinations int, port uint16, state, name string) {
		for i := range n {
			f := s.flow(monday+2*hour+int64(i)*10*minute, client, fmt.Sprintf("192.0.2.%d", 1+i%destinations), port, state)
			if name != "" {
				f.ServerName = fmt.Sprintf("%s%d.test", name, i%destinations)
			}
			s.feed(f)
		}
	}
	for _, c := range []struct {
		name    string
		proxied int
		play    func(*stage)
		want    int
	}{
		{"one server again and again", 60, func(s *stage) { direct(s, "10.0.0.25", 12, 1, 443, "SF", "c2-") }, 1},
		{"four servers", 60, func(s *stage) { direct(s, "10.0.0.25", 4, 4, 443, "SF", "c2-") }, 1},
		{"blocked at the firewall", 60, func(s *stage) { direct(s, "10.0.0.25", 6, 6, 443, "S0", "") }, 1},
		{"three servers and two that do not answer", 60, func(s *stage) {
			direct(s, "10.0.0.25", 9, 3, 443, "SF", "r-")
			direct(s, "10.0.0.25", 9, 5, 80, "S0", "")
		}, 1},
		{"one destination once", 60, func(s *stage) { direct(s, "10.0.0.25", 1, 1, 443, "SF", "x-") }, 0},
		{"too few connections to know", 9, func(s *stage) { direct(s, "10.0.0.25", 12, 4, 443, "SF", "x-") }, 0},
		{"a machine that knows no proxy", 60, func(s *stage) { direct(s, "10.0.0.90", 60, 20, 443, "SF", "x-") }, 0},
		{"the proxy itself", 60, func(s *stage) { direct(s, proxyAddr, 60, 20, 443, "SF", "x-") }, 0},
		{"a destination that three machines reach directly", 60, func(s *stage) {
			for i := range 30 {
				direct(s, fmt.Sprintf("10.0.0.%d", 22+i%3), 1+i/3, 1, 443, "SF", "meeting-")
			}
		}, 0},
		{"a port that three machines use directly", 60, func(s *stage) {
			for i := range 30 {
				direct(s, fmt.Sprintf("10.0.0.%d", 22+i%3), 1+i/3, 9, 3478, "SF", "")
			}
		}, 0},
		{"a machine that goes both ways", 0, func(s *stage) {
			for i := range 12 {
				s.feed(s.flow(monday-int64(13-i)*minute, "10.0.0.25", fmt.Sprintf("203.0.113.%d", i), 443, "SF"))
			}
			s.office(60)
			direct(s, "10.0.0.25", 30, 30, 443, "SF", "x-")
		}, 0},
		{"time requests", 60, func(s *stage) {
			for i := range int64(40) {
				s.feed(s.udp(monday+2*hour+i*minute, "10.0.0.25", fmt.Sprintf("192.0.2.%d", i), 123, true, 48))
			}
		}, 0},
		{"a mail relay", 60, func(s *stage) {
			for i := range 4 {
				s.feed(s.flow(monday+hour, fmt.Sprintf("10.0.0.%d", 30+i), "10.0.0.25", 25, "SF"))
			}
			direct(s, "10.0.0.25", 40, 20, 25, "SF", "")
		}, 0},
		{"groups and neighbours are not outside", 60, func(s *stage) {
			for i := range int64(40) {
				s.feed(s.udp(monday+2*hour+i*minute, "10.0.0.25", "239.255.255.250", 1900, false, 100))
				s.feed(s.udp(monday+2*hour+i*minute, "10.0.0.25", "169.254.7.7", uint16(5000+i), false, 100))
			}
		}, 0},
		{"one-sided flows say nothing", 60, func(s *stage) { direct(s, "10.0.0.25", 40, 10, 443, "OTH", "") }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, only("egress"))
			if c.proxied > 0 {
				s.office(c.proxied)
			}
			c.play(s)
			if got := s.count("direct-egress", ""); got != c.want || len(s.alerts) != c.want {
				t.Errorf("%d alerts, want %d", got, c.want)
				for _, a := range s.alerts {
					t.Logf("%s %q", a.Title, a.Evidence)
				}
			}
			for _, a := range s.alerts {
				if a.Source.String() != "10.0.0.25" || !strings.Contains(strings.Join(a.Evidence, "\n"), "192.0.2.") && a.Destination == "" {
					t.Errorf("from %s: %q", a.Source, a.Evidence)
				}
			}
		})
	}
}

func TestEgressExceptions(t *testing.T) {
	c := only("egress")
	c.Egress.AllowNames = []string{"Allowed.test"}
	c.Egress.AllowNetworks = prefixes("192.0.2.0/25")
	s := newStage(t, c)
	s.office(60)
	for i := range 20 {
		f := s.flow(monday+2*hour+int64(i)*minute, "10.0.0.25", fmt.Sprintf("192.0.2.%d", 200+i), 443, "SF")
		f.ServerName = fmt.Sprintf("h%d.allowed.test", i)
		s.feed(f)
		s.feed(s.flow(monday+2*hour+int64(i)*minute, "10.0.0.25", fmt.Sprintf("192.0.2.%d", i), 443, "SF"))
	}
	if len(s.alerts) != 0 || s.counter("egress", "excepted") != 40 {
		t.Errorf("%d alerts, %d excepted, want 0 and 40", len(s.alerts), s.counter("egress", "excepted"))
	}
}

// Where machines go outside by themselves all the time, one more is no news.
func TestEgressInALaxNetwork(t *testing.T) {
	s := newStage(t, only("egress"))
	s.office(60)
	for i := range 10 * 3 {
		s.feed(s.flow(monday+2*hour+int64(i)*minute, fmt.Sprintf("10.0.0.%d", 20+i%10), fmt.Sprintf("192.0.2.%d", i), 443, "S0"))
	}
	if len(s.alerts) != 0 || s.counter("egress", "leaky_hosts") != 10 {
		t.Errorf("%d alerts, %d leaky hosts, want 0 and 10", len(s.alerts), s.counter("egress", "leaky_hosts"))
	}
}

func TestLaxity(t *testing.T) {
	for _, c := range []struct {
		others, users uint64
		want          float64
	}{{0, 9, 0}, {0, 100, 0}, {0, 3, -0.92}, {5, 9, -2.40}, {9, 9, -2.95}, {1, 1, -2.71}} {
		if got := laxity(c.others, c.users); got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("laxity(%d, %d) = %.2f, want %.2f", c.others, c.users, got, c.want)
		}
	}
}

func TestSurprise(t *testing.T) {
	for _, c := range []struct {
		through int
		want    float64
	}{{0, 0.69}, {30, 4.13}, {200, 6.0}, {1000000, 8}} {
		if got := surprise(c.through); got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("surprise(%d) = %.2f, want %.2f", c.through, got, c.want)
		}
	}
}
