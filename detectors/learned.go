package detectors

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
)

// Keep has the learned state handed to save from time to time: every interval of
// logical time, on the goroutine that feeds the detectors. The octets are save's.
func (s *Set) Keep(every time.Duration, save func([]byte)) {
	s.keep, s.every = save, int64(every)
}

func (s *Set) tick(now int64) {
	switch since := now - s.saved; {
	case s.saved == 0 || since < 0: // the clock was set back: count from there
		s.saved = now
	case since >= s.every:
		s.saved = now
		s.keep(s.Save())
	}
}

// Save encodes what was learned so far.
func (s *Set) Save() []byte { return state.Save(s.census.Now(), s.parts(nil)) }

// Load returns a set of the same configuration that knows what b says; s itself
// must not be used any more. Parts that cannot be read begin anew and are named
// in Loaded.Problems. The error tells that b is no state at all.
func (s *Set) Load(b []byte, sup incident.Suppressor) (*Set, state.Loaded, error) {
	var failed []string
	for {
		fresh := New(s.config, sup)
		l, err := state.Load(b, fresh.parts(failed))
		if err != nil {
			return s, l, err
		}
		if len(l.Failed) == 0 {
			return fresh, l, nil
		}
		failed = append(failed, l.Failed...) // half read: once more, without it
	}
}

// parts are what has state, without those named.
func (s *Set) parts(without []string) []state.Part {
	all := []state.Part{s.census, s.book}
	for _, d := range s.detectors {
		all = append(all, d)
	}
	return slices.DeleteFunc(all, func(p state.Part) bool { return slices.Contains(without, p.Name()) })
}

// Overview tells what is learned of the network, what is still being learned, and
// which incidents are under way.
func (s *Set) Overview(say func(incident.Text)) {
	s.census.Overview(both(say))
	say(incident.Say("Incidents under way:", "進行中のインシデント："))
	n := 0
	for i := range s.book.Open(s.census.Now()) {
		say(line(&i))
		n++
	}
	if n == 0 {
		say(incident.Say("  none", "  なし"))
	}
}

// About tells what is known of a machine inside.
func (s *Set) About(source netip.Addr, say func(incident.Text)) {
	s.census.About(source, both(say))
	for i := range s.book.Open(s.census.Now()) {
		if i.Source == source {
			s.book.Explain(i.Key, say)
		}
	}
}

// Explain tells why a destination of a source is, or is not, something.
func (s *Set) Explain(source netip.Addr, t census.Target, say func(incident.Text)) {
	said := "" // detectors tell of incidents, too
	for _, d := range s.detectors {
		d.Explain(source, t, func(x incident.Text) { said += x.EN + "\n"; say(x) })
	}
	for i := range s.book.Open(s.census.Now()) {
		if i.Source == source && towards(&i, t) && !strings.Contains(said, i.ID) {
			s.book.Explain(i.Key, say)
		}
	}
}

// towards tells whether an incident is about a destination.
func towards(i *incident.Incident, t census.Target) bool {
	return i.DestPort == cmp.Or(t.Port, i.DestPort) &&
		(t.Addr.IsValid() && i.DestAddr == t.Addr || t.Name != "" && (i.Destination == t.Name || strings.HasPrefix(i.Destination, t.Name+":")))
}

// line is an incident on one line.
func line(i *incident.Incident) incident.Text {
	return incident.Say("  %s %s (%.1f nats, %d told, since %s): %s", "  %s %s（%.1f ナット、通知%d回、%s から）：%s",
		i.ID, cmp.Or(i.Level.String(), "-"), i.Score, i.Updates, incident.Clock(i.Opened), i.Title)
}

func both(say func(incident.Text)) func(en, ja string) {
	return func(en, ja string) { say(incident.Text{EN: en, JA: ja}) }
}
