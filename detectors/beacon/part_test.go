package beacon

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/records"
)

func (s *stage) explanation(src string, to census.Target) (en, ja string) {
	var a, b strings.Builder
	s.Explain(netip.MustParseAddr(src), to, func(t incident.Text) {
		a.WriteString(t.EN + "\n")
		b.WriteString(t.JA + "\n")
	})
	return a.String(), b.String()
}

func saved(d *Detector) []byte {
	var e state.Encoder
	d.Save(&e)
	return e.Encoded()
}

// What was saved and loaded goes on as if nothing had happened.
func TestRestartForgetsNothing(t *testing.T) {
	for _, at := range []int{1, 2, 3, 8, 30} {
		whole, before := newOffice(t), newOffice(t)
		beat := func(s *stage, i int) {
			s.feed(s.hello(monday+9*hour+int64(i)*10*minute, user, "192.0.2.9", "c2.rare.test"),
				s.hello(monday+9*hour+int64(i)*10*minute+minute, user, "192.0.2.9", fmt.Sprintf("n%d.turns.test", i%3)))
		}
		for i := range 40 {
			beat(whole, i)
			if i == at {
				fresh := New(Default(), before.census, before.book)
				d := state.NewDecoder(saved(before.Detector))
				fresh.Load(d)
				if d.Err() != nil || d.More() {
					t.Fatalf("loading: %v", d.Err())
				}
				if string(saved(fresh)) != string(saved(before.Detector)) {
					t.Fatal("what was loaded is saved differently")
				}
				before.Detector = fresh
			}
			beat(before, i)
		}
		if len(whole.alerts) == 0 || len(whole.alerts) != len(before.alerts) {
			t.Errorf("restart at beat %d: %d alerts instead of %d", at, len(before.alerts), len(whole.alerts))
			continue
		}
		for i := range whole.alerts {
			if !reflect.DeepEqual(whole.alerts[i].Evidence, before.alerts[i].Evidence) {
				t.Errorf("restart at beat %d: %q instead of %q", at, before.alerts[i].Evidence, whole.alerts[i].Evidence)
			}
		}
	}
}

// A state from anywhere neither panics nor leaves something that does.
func FuzzLoad(f *testing.F) {
	_, s := beats(nil, 1, 600, .1, 0, 12)
	small := tiny()
	s2 := newStage(nil, small)
	s2.browse(monday, user)
	f.Add(saved(s2.Detector))
	f.Add(saved(s.Detector)[:200])
	f.Add([]byte{0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStage(nil, tiny())
		d := state.NewDecoder(data)
		s.Load(d)
		if d.Err() != nil {
			return // is thrown away
		}
		s.browse(monday, user)
		s.every(monday+hour, 10*minute, 30, func(at int64) records.Record { return s.hello(at, user, "192.0.2.9", "c2.rare.test") })
		s.Counters()
		saved(s.Detector)
	})
}
