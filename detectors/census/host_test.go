package census

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestSilence(t *testing.T) {
	var h Host
	for at := monday; at < monday+2*hour; at += 5 * minute {
		h.mark(at)
	}
	h.mark(monday + 10*hour)
	for _, c := range []struct {
		from, to int64
		want     bool
	}{
		{0, 2 * hour, false}, {2 * hour, 10 * hour, true}, {0, 10 * hour, true}, {0, 3 * hour, false}, {2 * hour, 2*hour + 20*minute, false},
	} {
		if got := h.Silent(monday+c.from, monday+c.to); got != c.want {
			t.Errorf("silent between %s and %s: %v", time.Duration(c.from), time.Duration(c.to), got)
		}
	}
	h.mark(monday + 40*day) // everything before is forgotten
	if h.Silent(monday, monday+10*hour) {
		t.Error("tells of what it forgot")
	}
	h.mark(-1)
	h.mark(math.MaxInt64 / 2)
}

// A long flow shows that the machine was awake only if it was busy.
func TestLongFlows(t *testing.T) {
	for _, c := range []struct {
		packets uint64
		silent  bool
	}{{100000, false}, {60, true}} {
		s := newStage()
		f := s.flow(monday, "10.0.0.1", "192.0.2.1", 443, "SF")
		f.End, f.Meta().At, f.Orig.Packets = monday+8*hour, monday+8*hour, c.packets
		s.feed(f)
		if got := s.Host(addr("10.0.0.1")).Silent(monday, monday+8*hour); got != c.silent {
			t.Errorf("%d packets in 8 hours: silent %v", c.packets, got)
		}
	}
	s := newStage()
	f := s.flow(monday, "10.0.0.1", "192.0.2.1", 443, "SF")
	f.Start, f.End, f.Orig.Packets = 1, math.MaxInt64/2, math.MaxUint64 // nonsense takes no time
	s.feed(f)
}

// office hours, Monday to Friday, 9 to 17.
func (s *stage) weeks(from int64, client string, n int) {
	for d := range int64(7 * n) {
		if d%7 >= 5 {
			continue
		}
		for h := int64(9); h < 17; h++ {
			s.feed(s.hello(from+d*day+h*hour, client, "192.0.2.1", "a.test"))
		}
	}
}

func TestUsualHours(t *testing.T) {
	s := newStage()
	for w := range int64(4) {
		at := monday + w*week
		s.weeks(at, "10.0.0.1", 1)
		h := s.Host(addr("10.0.0.1"))
		if w == 0 {
			if h.Usual(at+10*hour) >= 0 {
				t.Error("knows usual hours after a week's work")
			}
			continue
		}
		for _, c := range []struct {
			when   string
			at     int64
			lo, hi float64
		}{
			{"Monday at 10", 10 * hour, 0.99, 1}, {"Friday at 16:59", 4*day + 17*hour - minute, 0.99, 1},
			{"Monday at 8, next to usual hours", 8 * hour, 0.4, 0.6}, {"Monday at 3", 3 * hour, 0, 0}, {"Saturday at 10", 5*day + 10*hour, 0, 0},
		} {
			if got := h.Usual(at + week + c.at); got < c.lo || got > c.hi {
				t.Errorf("week %d, %s: %.2f, want %.2f to %.2f", w+1, c.when, got, c.lo, c.hi)
			}
		}
	}
	// A new habit is learned within weeks, an old one is forgotten.
	for w := range int64(4) {
		for d := range int64(5) {
			s.feed(s.hello(monday+(4+w)*week+d*day+22*hour, "10.0.0.1", "192.0.2.1", "a.test"))
		}
	}
	h := s.Host(addr("10.0.0.1"))
	if day, night := h.Usual(monday+8*week+10*hour), h.Usual(monday+8*week+22*hour); night < 0.6 || day > 0.4 {
		t.Errorf("after four weeks of night work: by day %.2f, by night %.2f", day, night)
	}
}

// What the sensor did not see is no change of habits.
func TestUsualHoursAndOutages(t *testing.T) {
	s := newStage()
	s.weeks(monday, "10.0.0.1", 4)
	before := s.Host(addr("10.0.0.1")).Usual(monday + 4*week + 10*hour)
	s = s.restart(t)
	s.feed(s.hello(monday+7*week+9*hour, "10.0.0.1", "192.0.2.1", "a.test"))
	if after := s.Host(addr("10.0.0.1")).Usual(monday + 7*week + day + 10*hour); after != before {
		t.Errorf("three weeks without the sensor made %.2f of %.2f", after, before)
	}
}

func TestAttended(t *testing.T) {
	s := newStage()
	for i := range 500 { // a television with rotating servers
		s.feed(s.hello(monday+int64(i)*minute, "10.0.0.9", "192.0.2.1", fmt.Sprintf("edge%d.tv.test", i)))
	}
	if h := s.Host(addr("10.0.0.9")); h.Destinations != 1 || h.Attended(6) {
		t.Errorf("names of one domain make %d destinations", h.Destinations)
	}
	s.office(monday+day, 40) // all of them know the same 16 places
	if h := s.Host(addr("10.0.1.40")); h.Destinations < 14 || !h.Attended(6) || h.ProxiedN != 16 {
		t.Errorf("%d destinations of 16, %d through the proxy", h.Destinations, h.ProxiedN)
	}
	for i := range 10 {
		h := s.get(monday+2*day+int64(i)*minute, "10.0.0.8", "", "a.test", "/")
		h.Referrer = "http://a.test/"
		s.feed(h)
	}
	if !s.Host(addr("10.0.0.8")).Attended(6) {
		t.Error("who follows links is no person")
	}
	// What a machine did long ago is no sign of a person now.
	s.feed(s.hello(monday+100*day, "10.0.1.40", "192.0.2.1", "a.test"))
	if h := s.Host(addr("10.0.1.40")); h.Destinations != 1 {
		t.Errorf("%d destinations after 98 days, want 1", h.Destinations)
	}
}

// Machines that left do not count for ever.
func TestHostsAndUsers(t *testing.T) {
	s := newStage()
	s.office(monday, 40)
	if s.Hosts() != 40 || s.Users() != 40 {
		t.Errorf("%d machines, %d use a proxy, want 40", s.Hosts(), s.Users())
	}
	s.office(monday+30*day, 10)
	s.feed(s.hello(monday+31*day, "10.0.1.1", "192.0.2.1", "a.test"))
	if s.Hosts() != 10 || s.Users() != 10 {
		t.Errorf("a month later %d machines, %d use a proxy, want 10", s.Hosts(), s.Users())
	}
}
