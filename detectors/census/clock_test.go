package census

import (
	"testing"

	"kagami/detectors/state"
	"kagami/packet"
	"kagami/records"
)

// restart saves the state and loads it into a new census.
func (s *stage) restart(t testing.TB) *stage {
	t.Helper()
	var e state.Encoder
	s.Save(&e)
	n := newStageOf(s.config)
	n.machines, n.uid = s.machines, s.uid
	d := state.NewDecoder(e.Encoded())
	if n.Load(d); d.Err() != nil || d.More() {
		t.Fatalf("load: %v, more %v", d.Err(), d.More())
	}
	return n
}

func (s *stage) visit1(at int64) { s.feed(s.hello(at, "10.0.0.1", "192.0.2.1", "a.test")) }

func TestOutages(t *testing.T) {
	at := func(h float64) int64 { return monday + int64(h*float64(hour)) }
	for _, c := range []struct {
		why  string
		do   func(*stage) *stage
		want bool // that the sensor was down at some time between 10:00 and 14:00
	}{
		{"nothing happens on the network", func(s *stage) *stage { s.visit1(at(9)); s.visit1(at(15)); return s }, false},
		{"a restart", func(s *stage) *stage { s.visit1(at(11)); s = s.restart(t); s.visit1(at(12)); return s }, true},
		{"a restart of seconds", func(s *stage) *stage {
			s.visit1(at(11))
			s = s.restart(t)
			s.visit1(at(11) + 20*second)
			return s
		}, false},
		{"a restart long before", func(s *stage) *stage { s.visit1(at(1)); s = s.restart(t); s.visit1(at(2)); return s }, false},
		{"few frames dropped", func(s *stage) *stage { s.feed(s.minuteOf(at(11), 85000, 15000)); return s }, false},
		{"many frames dropped", func(s *stage) *stage { s.feed(s.minuteOf(at(11), 75000, 25000)); return s }, true},
		{"all frames dropped", func(s *stage) *stage { s.feed(s.minuteOf(at(11), 0, 30)); return s }, true},
		{"a few frames dropped of few", func(s *stage) *stage { s.feed(s.minuteOf(at(11), 20, 10)); return s }, false},
		{"an idle network", func(s *stage) *stage { s.feed(s.minuteOf(at(11), 0, 0)); return s }, false},
		{"minutes without statistics", func(s *stage) *stage { s.feed(s.minuteOf(at(11), 9, 0), s.minuteOf(at(11.2), 9, 0)); return s }, true},
		{"statistics in a row", func(s *stage) *stage {
			for i := range 300 {
				s.feed(s.minuteOf(at(9)+int64(i)*minute, 9, 0))
			}
			return s
		}, false},
	} {
		s := c.do(newStage())
		if got := s.Down(at(10), at(14)); got != c.want || got != (s.DownFor(at(10), at(14)) > 0) {
			t.Errorf("%s: down %v, for %d ns", c.why, got, s.DownFor(at(10), at(14)))
		}
	}
}

func TestOutagesAreBoundedAndMerge(t *testing.T) {
	s := newStage()
	for i := range 200 { // every other hour
		s.feed(s.minuteOf(monday+int64(i)*2*hour, 0, 90))
		s.clock.statsUntil = 0
	}
	if n, f := s.counter(t, "outages"), s.counter(t, "outages_forgotten"); n != maxOutages || f != 200-maxOutages {
		t.Errorf("%d outages, %d forgotten", n, f)
	}
	s = newStage()
	for i := range 200 { // one long one
		s.feed(s.minuteOf(monday+int64(i)*minute, 0, 90))
	}
	if n, d := s.counter(t, "outages"), s.DownFor(monday-day, monday+day); n != 1 || d != 200*minute {
		t.Errorf("%d outages of %d minutes, want 1 of 200", n, d/minute)
	}
}

// After a long absence nothing is new for a day: it may have become usual meanwhile.
func TestLongAbsence(t *testing.T) {
	s := newStage()
	s.visit1(monday)
	s.visit1(monday + 10*day)
	if !s.Learned() || s.Start() != monday+second/10 {
		t.Error("ten days are not enough")
	}
	s = s.restart(t)
	s.visit1(monday + 10*day + hour)
	if !s.Learned() {
		t.Error("an hour's absence made everything unknown")
	}
	s = s.restart(t)
	s.visit1(monday + 20*day)
	k := s.contact(t, s.hello(monday+20*day, "10.0.0.1", "192.0.2.1", "b.other.test"))
	if s.Learned() || s.Familiar(k).New {
		t.Error("all is new after ten days' absence")
	}
	s.visit1(monday + 22*day)
	if !s.Learned() || s.Start() != monday+second/10 {
		t.Error("never learns again")
	}
}

// A clock that was wrong when the sensor started, or captures of two times: what
// was seen long before does not make the rest new.
func TestClockSetForward(t *testing.T) {
	s := newStage()
	s.visit1(monday - 10000*day)
	k := s.contact(t, s.hello(monday, "10.0.0.1", "192.0.2.1", "b.other.test"))
	if s.Learned() || s.Familiar(k).New {
		t.Error("everything is new after the clock was set")
	}
	for d := range int64(3) {
		s.visit1(monday + d*day)
	}
	if !s.Learned() {
		t.Error("never learns again")
	}
}

// A clock that was set back leaves no future behind.
func TestClockSetBack(t *testing.T) {
	s := newStage()
	s.visit1(monday + 365*day)
	s.feed(s.minuteOf(monday+365*day, 0, 90))
	r := s.hello(monday, "10.0.0.1", "192.0.2.1", "a.test")
	r.Meta().Epoch = 1
	s.feed(r)
	h := s.Host(addr("10.0.0.1"))
	if s.Now() != r.Meta().At || s.Start() > s.Now() || h.Last > s.Now() || s.Down(monday, monday+400*day) {
		t.Errorf("now %d, start %d, last %d", s.Now(), s.Start(), h.Last)
	}
	if h.Silent(monday-hour, monday+hour) != true {
		t.Error("activity of a year ahead")
	}
	for i := range int64(12) {
		x := s.hello(monday+i*10*minute, "10.0.0.1", "192.0.2.1", "a.test")
		x.Meta().Epoch = 1
		s.feed(x)
	}
	if h.Silent(monday, monday+2*hour) {
		t.Error("activity is not noted any more")
	}
	// Records a little out of order are no step.
	before := s.Now()
	late := s.hello(monday, "10.0.0.1", "192.0.2.1", "a.test")
	late.Meta().Epoch = 1
	s.feed(late)
	if s.Now() != before {
		t.Error("time went back without a step")
	}
}

// A state from the future, as after a wrong clock, is followed by the present.
func TestStateFromTheFuture(t *testing.T) {
	s := newStage()
	s.visit1(monday + 365*day)
	s = s.restart(t)
	s.visit1(monday)
	if s.Now() >= monday+day || s.Down(monday-day, monday+day) || s.Start() > s.Now() {
		t.Errorf("now %d, start %d", s.Now(), s.Start())
	}
}

func TestSight(t *testing.T) {
	for _, c := range []struct {
		why      string
		oneSided func(i int) bool
		n        int
		want     bool
	}{
		{"too few flows to judge by", func(int) bool { return true }, sightLeast - 1, false},
		{"one direction only", func(int) bool { return true }, sightLeast, true},
		{"both directions", func(int) bool { return false }, 5000, false},
		{"some asymmetric routing", func(i int) bool { return i%4 == 0 }, 5000, false},
		{"a direction that was plugged in later", func(i int) bool { return i < 5000 }, 8000, false},
		{"a direction that was lost", func(i int) bool { return i > 5000 }, 8000, true},
	} {
		var s sight
		for i := range c.n {
			f := records.NewFlow(records.Meta{Key: packet.Key{Proto: packet.ProtoTCP}, Visibility: records.Visibility{OneSided: c.oneSided(i)}})
			f.Orig.Payload = 1
			s.note(f)
		}
		if s.blind() != c.want {
			t.Errorf("%s: blind = %v", c.why, s.blind())
		}
	}
}
