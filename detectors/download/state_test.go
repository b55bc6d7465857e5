package download

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/records"
)

// restart saves the detector and goes on with a new one.
func (s *stage) restart() {
	s.t.Helper()
	var e state.Encoder
	s.d.Save(&e)
	next := New(s.d.config, s.d.census, s.d.book)
	d := state.NewDecoder(e.Encoded())
	if next.Load(d); d.Err() != nil || d.More() {
		s.t.Fatalf("load: %v, more: %v", d.Err(), d.More())
	}
	var again state.Encoder
	if next.Save(&again); string(again.Encoded()) != string(e.Encoded()) {
		s.t.Error("what was loaded is saved differently")
	}
	s.d = next
}

// A restart between any two requests of a drive-by does not hide it.
func TestRestart(t *testing.T) {
	whole := newStage(t)
	whole.play(whole.driveBy(monday, me, "image/gif"))
	for i := range 6 {
		s := newStage(t)
		rs := s.driveBy(monday, me, "image/gif")
		s.feed(rs[:i]...)
		s.restart()
		s.feed(rs[i:]...)
		same := len(s.alerts) == 1 && fmt.Sprint(s.alerts[0].Chain) == fmt.Sprint(whole.alerts[0].Chain)
		if same && i < 5 { // of the exploit, the fifth request, only that it came is remembered
			same = fmt.Sprint(s.alerts[0].Evidence) == fmt.Sprint(whole.alerts[0].Evidence)
		}
		if !same {
			t.Errorf("restarted after %d requests:", i)
			s.log()
		}
	}
}

// Guilt and voices outlive a restart.
func TestRestartRemembers(t *testing.T) {
	s := newStage(t)
	s.play(s.driveBy(monday, me, "image/gif"))
	voices, guilty := s.counter("voices"), s.counter("guilty_domains")
	s.restart()
	if s.counter("voices") != voices || s.counter("guilty_domains") != guilty || voices == 0 || guilty == 0 {
		t.Errorf("%d voices of %d, %d guilty domains of %d", s.counter("voices"), voices, s.counter("guilty_domains"), guilty)
	}
}

// Requests that are too old to lead anywhere are not saved.
func TestOldRequestsAreNotSaved(t *testing.T) {
	s := newStage(t)
	s.play(s.driveBy(monday, me, "text/html"))
	var before, after state.Encoder
	s.d.Save(&before)
	s.feed(s.get(monday+hour, "10.0.0.99", "www.other.test", "/"))
	s.d.Save(&after)
	if len(after.Encoded()) >= len(before.Encoded()) {
		t.Errorf("%d octets, before %d", len(after.Encoded()), len(before.Encoded()))
	}
}

func FuzzLoad(f *testing.F) {
	s := newStage(nil)
	s.play(s.driveBy(monday, me, "image/gif"))
	var e state.Encoder
	s.d.Save(&e)
	f.Add(e.Encoded())
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStage(nil)
		d := state.NewDecoder(data)
		if s.d.Load(d); d.Err() != nil {
			return
		}
		s.play(s.driveBy(monday, me, "image/gif")) // works on whatever was read
		for _, c := range s.d.Counters() {
			if c.Name == "clients" && c.Value > uint64(s.d.config.Clients) {
				t.Errorf("%d clients", c.Value)
			}
		}
	})
}

// FuzzRecords feeds records made of random octets; every alert must be whole.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("GET http://a.test/x.exe"), uint64(1))
	f.Add([]byte{0, 1, 2, 3, 255, 254, 200, 10, 13, 27}, uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		s := newStageOf(t, Config{Enable: true, Chain: minuteChain, Clients: 16}, incident.Config{Watch: 1, Alert: 4, High: 8, Entries: 16, Watches: true})
		g := rand.New(rand.NewPCG(seed, 7))
		text := func() string {
			if len(data) == 0 {
				return ""
			}
			i := g.IntN(len(data))
			return string(data[i:min(len(data), i+g.IntN(40))])
		}
		at := monday
		for range 100 {
			at += g.Int64N(20 * second)
			h := s.get(at, fmt.Sprintf("10.0.0.%d", 20+g.IntN(4)), "h"+text(), "/"+text())
			h.Magic = []string{"pe", "swf", "zip", "", "html", "pdf", text()}[g.IntN(7)]
			h.ContentType, h.Referrer, h.Location, h.UserAgent = text(), "http://"+text(), text(), text()
			h.Host = text() + "x"
			h.ResponseBody = g.Int64N(1 << 20)
			if g.IntN(2) == 0 {
				s.feed(s.file(h, "program", text(), func(r *records.File) { r.Listed, r.Name = text(), text() }))
			}
			s.feed(h)
		}
		s.d.Explain(h0, census.Target{Name: "h"}, func(incident.Text) {})
	})
}
