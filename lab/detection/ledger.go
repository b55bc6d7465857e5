package detection

import (
	"net/netip"
	"strings"
	"time"

	"kagami/lab/events"
	"kagami/records"
)

// Find is an attack and when each tool found it.
type Find struct {
	Site   string
	Seed   uint64
	Attack *events.Attack
	First  int64 // its first record, 0 = none reached the sensor
	Last   int64
	Beats  int // that reached the sensor
	Hits   [NumTools]Hit
}

// Hit is the first alert of a tool about an attack.
type Hit struct {
	At     int64 // 0 = never
	Beat   int   // how many beats, probes or connections it took
	Alerts int   // all that the tool said of it
}

// siege is an attack under way.
type siege struct {
	Find
}

// grace is how long after an attack's last record an alert may still be about it.
const grace = 2 * int64(time.Hour)

// ledger knows the attacks of a world and whose an alert is.
type ledger struct {
	sieges   []*siege // as planned
	byAttack map[*events.Attack]*siege
	bySource map[netip.Addr][]*siege // by every address that the source was seen with
}

func newLedger(site string, seed uint64, attacks []*events.Attack) *ledger {
	l := &ledger{byAttack: map[*events.Attack]*siege{}, bySource: map[netip.Addr][]*siege{}}
	for _, a := range attacks {
		s := &siege{Find: Find{Site: site, Seed: seed, Attack: a}}
		l.sieges = append(l.sieges, s)
		l.byAttack[a] = s
		l.bySource[a.Source] = append(l.bySource[a.Source], s)
	}
	return l
}

// sight takes note of an attack's record.
func (l *ledger) sight(e *events.Event) {
	s := l.byAttack[e.Label.Attack]
	if s == nil {
		return
	}
	m := e.Record.Meta()
	if s.First == 0 {
		s.First = m.At
	}
	s.Last = m.At
	s.Beats = max(s.Beats, e.Label.Beat)
	switch e.Record.(type) { // ARP and DNS are of those who answer or ask on, too
	case *records.Flow, *records.TLS, *records.HTTP, *records.Pulse:
	default:
		return
	}
	if client := m.Client().Addr(); client != s.Attack.Source && m.ClientInternal {
		for _, have := range l.bySource[client] {
			if have == s {
				return
			}
		}
		l.bySource[client] = append(l.bySource[client], s)
	}
}

// whose is the attack that an alert is about, nil = none.
func (l *ledger) whose(f *finding) *siege {
	var loose *siege
	for _, s := range l.bySource[f.source] {
		if s.First == 0 {
			continue
		}
		if s.about(f) {
			return s
		}
		// A scan has no destination of its own; an incident of a source may name
		// one of many.
		if f.kind == s.Attack.Kind && (f.kind == "scan" || f.kind == "egress") && f.at <= s.Last+grace &&
			(loose == nil || s.Last > loose.Last) {
			loose = s
		}
	}
	return loose
}

// about tells whether an alert names a destination of the attack.
func (s *siege) about(f *finding) bool {
	a := s.Attack
	if a.Kind == "scan" {
		return false
	}
	for _, x := range a.Addrs {
		if x == f.addr || f.host != "" && f.host == x.String() {
			return true
		}
	}
	if f.host == "" {
		return false
	}
	for _, n := range a.Names {
		if n == f.host || strings.HasSuffix(n, "."+f.host) { // a registered domain
			return true
		}
	}
	return false
}

// note enters an alert about an attack, raised by a record with that label (nil =
// by none). The beat that it took is that of the record: what came later, such
// as questions for the addresses of further targets, told nothing yet.
func (s *siege) note(f *finding, by *events.Label) {
	beat := max(s.Beats, 1)
	if by != nil && by.Attack == s.Attack && by.Beat > 0 {
		beat = by.Beat
	}
	hit := func(t Tool) {
		h := &s.Hits[t]
		h.Alerts++
		if h.At == 0 {
			h.At, h.Beat = f.at, beat
		}
	}
	if f.tool != Kagami {
		hit(f.tool)
		return
	}
	own := f.kind == s.Attack.Kind
	if own {
		hit(KagamiWatch)
	}
	if f.watch {
		return
	}
	hit(KagamiAny)
	if own {
		hit(Kagami)
	}
}
