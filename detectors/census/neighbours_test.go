package census

import (
	"fmt"
	"testing"
)

// arpVisible shows the census that replies are visible: machines ask for each
// other and get answers.
func (s *stage) arpVisible(at int64) {
	for i := range arpLeast + 2 {
		a := fmt.Sprintf("10.0.0.%d", i+1)
		s.feed(s.arp(at, 1, a, "10.0.0.254"), s.arp(at, 1, "10.0.0.254", a), s.arp(at, 2, a, "10.0.0.254"))
	}
}

func TestDarkByARP(t *testing.T) {
	ask := func(s *stage, at int64, target string, n int) {
		for i := range n {
			s.feed(s.arp(at+int64(i)*second, 1, "10.0.0.1", target))
		}
	}
	const empty = "10.0.0.77"
	for _, c := range []struct {
		why string
		do  func(*stage)
		who string
		at  int64 // when it is asked
		yes bool
	}{
		{"asked three times in vain", func(s *stage) { ask(s, monday+hour, empty, 3) }, empty, hour, true},
		{"asked twice", func(s *stage) { ask(s, monday+hour, empty, 2) }, empty, hour, false},
		{"never asked", func(s *stage) {}, empty, hour, false},
		{"long ago", func(s *stage) { ask(s, monday+hour, empty, 3) }, empty, 3 * hour, false},
		{"answered in the end", func(s *stage) { ask(s, monday+hour, empty, 3); s.feed(s.arp(monday+hour, 2, empty, "10.0.0.1")) }, empty, hour, false},
		{"asks others itself", func(s *stage) { ask(s, monday+hour, empty, 3); s.feed(s.arp(monday+hour, 1, empty, "10.0.0.1")) }, empty, hour, false},
		{"answers by IP", func(s *stage) {
			ask(s, monday+hour, empty, 3)
			s.feed(s.flow(monday+hour, "10.0.0.1", empty, 80, "REJ"))
		}, empty, hour, false},
		{"is asked for by IP alone", func(s *stage) { s.feed(s.flow(monday+hour, "10.0.0.1", empty, 80, "S0")) }, empty, hour, false},
		{"a machine looks whether the address is free", func(s *stage) {
			for i := range 5 {
				s.feed(s.arp(monday+hour+int64(i)*second, 1, "0.0.0.0", empty), s.arp(monday+hour, 1, empty, empty))
			}
		}, empty, hour, false},
		{"lived three weeks ago", func(s *stage) { s.visit1(monday); ask(s, monday+21*day, "10.0.0.1", 3) }, "10.0.0.1", 21 * day, false},
		{"a broadcast address", func(s *stage) { ask(s, monday+hour, "10.0.0.255", 3) }, "10.0.0.255", hour, false},
		{"an address outside", func(s *stage) {}, "192.0.2.1", hour, false},
		{"not an address", func(s *stage) {}, "0.0.0.0", hour, false},
	} {
		s := newStage()
		s.arpVisible(monday)
		c.do(s)
		s.feed(s.udp(monday+c.at, "10.9.9.9", "10.9.9.8", 9, false))
		if got := s.Dark(addr(c.who)); got != c.yes {
			t.Errorf("%s: dark %v", c.why, got)
		}
	}
	// Where replies are not visible, nobody's silence says anything.
	s := newStage()
	for i := range 20 {
		s.feed(s.arp(monday, 1, fmt.Sprintf("10.0.0.%d", i+1), "10.0.0.254"))
	}
	for i := range 20 {
		s.feed(s.arp(monday+second, 1, "10.0.0.254", fmt.Sprintf("10.0.0.%d", i+1)))
	}
	ask(s, monday+minute, empty, 5)
	if s.Dark(addr(empty)) {
		t.Error("dark where no reply was ever seen")
	}
}

// Who never spoke in a network that is in sight is nobody.
func TestDarkByAbsence(t *testing.T) {
	s := newStage()
	for i := range 4 {
		s.feed(s.hello(monday, fmt.Sprintf("10.0.7.%d", i+1), "192.0.2.1", "a.test"))
	}
	s.feed(s.hello(monday, "10.0.8.1", "192.0.2.1", "a.test"))
	s.feed(s.hello(monday, "2001:db8:1::1", "2001:db8::1", "a.test"))
	if s.Dark(addr("10.0.7.99")) {
		t.Error("dark within the first hour")
	}
	s.feed(s.hello(monday+2*day, "10.0.7.1", "192.0.2.1", "a.test"))
	for _, c := range []struct {
		who         string
		alive, dark bool
	}{{"10.0.7.1", true, false}, {"10.0.7.99", false, true}, {"10.0.7.0", false, false}, {"10.0.8.99", false, false}, {"2001:db8:1::99", false, false}} {
		if alive, dark := s.Alive(addr(c.who)), s.Dark(addr(c.who)); alive != c.alive || dark != c.dark {
			t.Errorf("%s: alive %v, dark %v", c.who, alive, dark)
		}
	}
	for d := range int64(41) {
		s.feed(s.hello(monday+d*day, "10.0.7.1", "192.0.2.1", "a.test"))
	}
	if s.Alive(addr("10.0.7.2")) || !s.Dark(addr("10.0.7.2")) {
		t.Error("a machine that left 40 days ago is alive")
	}
	for range 30 {
		f := s.flow(monday+40*day, "10.0.7.1", "192.0.2.1", 80, "SF")
		f.Meta().Visibility.OneSided = true
		s.feed(f)
	}
	if s.Dark(addr("10.0.7.2")) {
		t.Error("dark where one direction is not visible")
	}
}
