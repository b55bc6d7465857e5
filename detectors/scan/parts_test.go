package scan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
)

func TestOutcomes(t *testing.T) {
	s := newStage(t, Default())
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
		name     string
		proto    uint8
		from, to uint16
		reason   string
		blind    bool
		want     outcome
	}{
		{"UDP", packet.ProtoUDP, 40000, 161, "unanswered", false, mute},
		{"UDP refused", packet.ProtoUDP, 40000, 161, "refused", false, failure},
		{"UDP where one direction is visible", packet.ProtoUDP, 40000, 161, "", true, unknown},
		{"the answer to a broadcast", packet.ProtoUDP, 137, 137, "", false, unknown},
		{"a server's late answer", packet.ProtoUDP, 53, 40000, "", false, unknown},
		{"syslog", packet.ProtoUDP, 40000, 514, "", false, unknown},
		{"echo", packet.ProtoICMP, 8, 0, "", false, failure},
		{"echo where one direction is visible", packet.ProtoICMP, 8, 0, "", true, unknown},
	} {
		f := s.udp(monday, "10.0.0.1", "10.0.0.2", c.from, c.to, false)
		f.Meta().Key.Proto, f.ICMPType, f.Reason = c.proto, 8, c.reason
		if got := outcomeOf(f, c.blind); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for history, want := range map[string]outcome{"F": failure, "Fr": failure, "": failure, "r": failure, "A": unknown, "FA": unknown, "fF": unknown} {
		f := s.flow(monday, "10.0.0.1", "10.0.0.2", 445, "OTH")
		f.History, f.Orig = history, records.Counts{Packets: 1}
		if got := outcomeOf(f, false); got != want {
			t.Errorf("one segment, %q: %v, want %v", history, got, want)
		}
	}
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []uint64
		want bool
	}{
		{"up", []uint64{4, 5, 6, 7, 8}, true}, {"down", []uint64{8, 7, 6, 5, 4}, true}, {"twice the same in between", []uint64{4, 5, 5, 6, 7, 8}, true},
		{"one missing", []uint64{4, 5, 6, 8, 9}, false}, {"to and fro", []uint64{4, 5, 4, 5, 4, 5}, false}, {"four", []uint64{1, 2, 3, 4}, false},
	} {
		var r run
		got := 0
		for _, n := range c.in {
			if r.next(n) {
				got++
			}
		}
		if (got == 1) != c.want || got > 1 {
			t.Errorf("%s: %d runs", c.name, got)
		}
	}
	a, b := netip.MustParseAddr("10.0.0.255"), netip.MustParseAddr("10.0.1.0")
	if ordinal(a)+1 != ordinal(b) || ordinal(netip.MustParseAddr("fd00::1"))+1 != ordinal(netip.MustParseAddr("fd00::2")) {
		t.Error("addresses are not in order")
	}
}

func TestCUSUM(t *testing.T) {
	var c cusum
	for i := range 20 {
		c.step(stepFail, monday+int64(i), 11.5)
	}
	if c.sum != 14.5 {
		t.Errorf("sum %.2f, want alarm and headroom", c.sum)
	}
	if got := c.step(0, monday+7*day, 11.5); got < 7.2 || got > 7.3 {
		t.Errorf("a week later %.2f, want half", got)
	}
	for range 20 {
		c.step(stepSuccess, monday+7*day, 11.5)
	}
	if c.sum != 0 {
		t.Errorf("sum %.2f, want 0", c.sum)
	}
}

// The tail must agree with the definition, and with Poisson where the mean is known well.
func TestTail(t *testing.T) {
	for _, c := range []struct {
		k               int
		events, periods float64
		want            float64
	}{
		{0, 1, 1, 1}, {1, 1, 1, 0.5}, {2, 1, 1, 0.25}, {3, 2, 1, 0.3125},
		{5, 1e5, 1e5, 0.00366}, {10, 1e5, 1e5, 1.11e-7},
	} {
		if got := tail(c.k, c.events, c.periods); math.Abs(got-c.want) > 0.01*c.want {
			t.Errorf("P(N >= %d), %g events in %g periods: %.3g, want %.3g", c.k, c.events, c.periods, got, c.want)
		}
	}
}

// How many new peers of a day are odd after so many days with so many each.
func TestHabit(t *testing.T) {
	for _, c := range []struct {
		name  string
		known int64 // days before the first new peer
		days  int64
		each  int
		want  int
	}{
		{"nothing is known", 0, 0, 0, 18},
		{"three quiet days", 3, 0, 0, 8},
		{"a quiet week", 7, 0, 0, 6},
		{"a quiet month", 30, 0, 0, 5},
		{"one a day for a month", 0, 30, 1, 10},
		{"five a day for a month", 0, 30, 5, 20},
		{"twenty a day for a month", 0, 30, 20, 46},
	} {
		var h habit
		h.begin(c.known*day, monday)
		now := monday
		for d := range c.days {
			now = monday + d*day
			for range c.each {
				h.count(now)
			}
		}
		if c.days > 0 {
			now += day
		}
		got := 0
		for got = 1; got < 100; got++ {
			h.count(now + int64(got)*minute)
			if h.unusual(0.5).odds < 1e-6 {
				break
			}
		}
		if got != c.want {
			t.Errorf("%s: %d new peers are odd, want %d", c.name, got, c.want)
		}
	}
}

// A burst that was there before is habit; days are not cut at midnight; a slow
// search is odd by the week.
func TestHabitBurstsAndWeeks(t *testing.T) {
	var h habit
	h.begin(20*day, monday)
	for range 30 {
		h.count(monday)
	}
	for range 40 {
		h.count(monday + 9*day)
	}
	if o := h.unusual(0.5); o.odds < 1e-6 {
		t.Errorf("a second patch day of 40 after one of 30 has odds %.1g", o.odds)
	}
	h.begin(20*day, monday)
	for i := range 8 {
		h.count(monday + 22*hour + int64(i)*30*minute)
	}
	if o := h.unusual(0.5); o.peers != 8 || o.odds > 1e-6 {
		t.Errorf("across midnight: %+v", o)
	}
	h.begin(20*day, monday)
	var o oddity
	for i := range 14 {
		h.count(monday + int64(i)*12*hour)
		o = h.unusual(0.5)
	}
	if o.span != 7*day || o.odds > 1e-6 {
		t.Errorf("two a day for a week: %+v", o)
	}
	h.turn(monday + 400*day)
	if o := h.unusual(0.5); o.peers != 0 || h.days < 13 || h.peers > 1 {
		t.Errorf("after a year of silence: %+v, %+v", o, h)
	}
	h.count(monday) // the clock was set back
}

func TestSchedule(t *testing.T) {
	at := func(text string) int64 {
		v, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixNano()
	}
	night := Scanner{Days: []string{"Sat"}, Hours: []string{"22:00", "04:00"}}
	for _, c := range []struct {
		name   string
		s      Scanner
		offset time.Duration
		at     string
		want   bool
	}{
		{"always", Scanner{}, 0, "2026-03-04 12:00", true},
		{"its begin", night, 0, "2026-03-07 22:00", true},
		{"the night after its day", night, 0, "2026-03-08 03:59", true},
		{"its end", night, 0, "2026-03-08 04:00", false},
		{"the night before its day", night, 0, "2026-03-07 03:00", false},
		{"another day", night, 0, "2026-03-06 23:00", false},
		{"local time", night, 9 * time.Hour, "2026-03-07 13:00", true},
		{"until midnight", Scanner{Hours: []string{"20:00", "24:00"}}, 0, "2026-03-04 23:59", true},
		{"after midnight", Scanner{Hours: []string{"20:00", "24:00"}}, 0, "2026-03-05 00:00", false},
	} {
		x := newSchedule(c.s, c.offset)
		if got := x.open(at(c.at)); got != c.want {
			t.Errorf("%s: %v at %s", c.name, got, c.at)
		}
	}
}

func TestScanner(t *testing.T) {
	c := Default()
	c.Scanners = []Scanner{{Networks: prefixes(scanner + "/32"), Targets: prefixes("10.0.2.0/24", "10.0.3.0/24"), Days: []string{"mon"}, Hours: []string{"01:00", "05:00"}}}
	s := newStage(t, c)
	for d := range int64(15) { // every Monday, in the window
		if d%7 == 0 {
			s.sweep(monday+d*day+hour, scanner, 445, 100, second, "S0")
		}
	}
	if len(s.alerts) != 0 {
		t.Fatalf("%d alerts in the window: %s", len(s.alerts), s.alerts[0].Title)
	}
	s.sweep(monday+15*day, scanner, 445, 100, second, "S0") // the same on a Tuesday
	if s.count("lateral-scan") != 1 {
		t.Fatalf("%d incidents out of the window, want 1", s.count(""))
	}
	n := len(s.alerts)
	s.sweep(monday+17*day, scanner, 445, 100, second, "S0") // and again on Thursday
	if len(s.alerts) == n {
		t.Error("what it scanned on Tuesday is not judged on Thursday")
	}
	n = len(s.alerts)
	for i := range 20 { // on a Monday, but elsewhere
		s.feed(s.flow(monday+28*day+2*hour+int64(i)*second, scanner, fmt.Sprintf("10.0.9.%d", 1+3*i), 445, "S0"))
	}
	if len(s.alerts) == n {
		t.Error("targets out of its scope are not judged")
	}
}

func prefixes(s ...string) (p []netip.Prefix) {
	for _, x := range s {
		p = append(p, netip.MustParsePrefix(x))
	}
	return p
}

// Machines with eight first contacts a day, of which a tenth fails (one in
// twenty machines: three tenths): at most 0.5 alarms in 1000 machine-days.
func TestFalseAlarms(t *testing.T) {
	machines, days := 400, 60
	if testing.Short() {
		machines, days = 100, 30
	}
	r := rand.New(rand.NewPCG(5, 5))
	s := newStage(t, Default())
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
				rs = append(rs, s.flow(monday+d*day+r.Int64N(day), fmt.Sprintf("10.0.%d.%d", h/200, h%200), fmt.Sprintf("10.%d.%d.%d", 1+r.IntN(9), r.IntN(250), r.IntN(250)), port, state))
			}
		}
		s.play(rs)
	}
	n := s.count("")
	t.Logf("%d incidents in %d machine-days", n, machines*days)
	if n > machines*days/2000 {
		t.Errorf("%d incidents in %d machine-days, want at most %d", n, machines*days, machines*days/2000)
	}
}
