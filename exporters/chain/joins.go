package chain

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kagami/signing"
)

// silentAfter is how many intervals without a heartbeat are a silence.
const silentAfter = 2

// starts looks at the heartbeats of each export over all starts of the program.
func (v *verifier) starts() {
	all := slices.Clone(v.streams)
	slices.SortStableFunc(all, func(a, b *stream) int {
		return cmp.Or(strings.Compare(a.Sensor, b.Sensor), strings.Compare(a.Name, b.Name), cmp.Compare(a.start, b.start), cmp.Compare(a.began(), b.began()))
	})
	var before *stream
	for _, s := range all {
		if len(s.beats) == 0 {
			if s.genuine {
				v.add(v.finding(NoHeartbeat, s))
			}
			continue
		}
		v.beatsOf(s)
		if before != nil && before.Sensor == s.Sensor && before.Name == s.Name {
			v.join(before, s)
			if !s.entries && before.entries {
				v.allMissing(s)
			}
		}
		before = s
	}
	if v.o.Until > 0 && before != nil {
		v.until(all)
	}
}

func (s *stream) began() int64 {
	if len(s.beats) == 0 {
		return 0
	}
	return s.beats[0].at
}

// allMissing is a start of which only the account speaks.
func (v *verifier) allMissing(s *stream) {
	last := s.beats[len(s.beats)-1]
	if last.last == 0 {
		return
	}
	f := v.finding(Missing, s)
	f.First, f.Last, f.Count = s.beats[0].first, last.last, last.last-s.beats[0].first+1
	f.between(s, f.First, f.Last)
	s.report.Missing += f.Count
	v.report.Missing += f.Count
	v.add(f)
}

// beatsOf looks for heartbeats that are missing, late, or do not follow each other.
func (v *verifier) beatsOf(s *stream) {
	for i := 1; i < len(s.beats); i++ {
		a, b := &s.beats[i-1], &s.beats[i]
		f := v.finding(Silent, s)
		f.From, f.To, f.Count = wall(a.at), wall(b.at), b.n-a.n-1
		f.File, f.Line = v.at(b.where)
		f.First, f.Last = a.n, b.n
		switch {
		case b.n == a.n+1 && b.previous.Hash != a.hash:
			f.Kind = Unlinked
			v.add(f)
		case b.at < a.at:
			f.Kind = ClockBack
			v.note(f)
		case b.at-a.at > silentAfter*int64(a.every):
			v.add(f)
		case b.n > a.n+1:
			f.Kind = NoBeats
			v.add(f)
		}
	}
}

// join asks whether b is the start that followed a.
func (v *verifier) join(a, b *stream) {
	last, first := &a.beats[len(a.beats)-1], &b.beats[0]
	f := v.finding(Restart, b)
	f.Other = a.Boot
	f.From, f.To = wall(last.at), wall(first.at)
	f.First, f.Last = last.n, first.previous.N
	f.File, f.Line = v.at(first.where)
	k := a.find(first.previous.N)
	switch {
	case b.start > a.start+1:
		f.Kind, f.Count = StartMissing, b.start-a.start-1
		v.add(f)
	case first.n > 1:
		f.Kind, f.Count = NoBeats, first.n-1
		v.add(f)
	case first.previous.N == 0 || first.previous.Boot != a.Boot:
		f.Kind = NotJoined
		v.add(f)
	case first.previous.N > last.n:
		f.Kind, f.Count = EndMissing, first.previous.N-last.n
		v.add(f)
	case k == nil:
		f.Kind = NoBeats
		v.add(f)
	case k.hash != first.previous.Hash || last.n > k.n+1: // one more: the power went before it was noted
		f.Kind = NotJoined
		v.add(f)
	default:
		v.restart(f, last, first)
	}
	if !v.o.AnyOrder && a.entries && b.entries && a.top.input() == b.low.input() && a.top > b.low {
		f := v.finding(Replayed, a)
		f.Other = b.Boot
		f.From, f.To = wall(first.at), wall(last.at)
		f.File, f.Line = v.at(a.top)
		_, f.OtherLine = v.at(b.low)
		v.add(f)
	}
}

// restart is one that joins: was it quick, and was the end in good order?
func (v *verifier) restart(f Finding, last, first *beat) {
	switch {
	case last.end:
		f.Kind = Restart
		v.note(f)
	case first.at-last.at > silentAfter*int64(last.every):
		f.Kind = SilentRestart
		v.add(f)
	default:
		f.Kind = Crash
		v.note(f)
	}
}

// find is a stream's heartbeat n, or nil.
func (s *stream) find(n uint64) *beat {
	i, ok := slices.BinarySearchFunc(s.beats, n, func(b beat, n uint64) int { return cmp.Compare(b.n, n) })
	if !ok {
		return nil
	}
	return &s.beats[i]
}

// until reports exports that fell silent before Options.Until.
func (v *verifier) until(all []*stream) {
	for i, s := range all {
		if len(s.beats) == 0 || i+1 < len(all) && all[i+1].Sensor == s.Sensor && all[i+1].Name == s.Name {
			continue
		}
		last := s.beats[len(s.beats)-1]
		if !last.end && v.o.Until-last.at > silentAfter*int64(last.every) {
			f := v.finding(SilentSince, s)
			f.From, f.To = wall(last.at), wall(v.o.Until)
			f.First = last.n
			v.add(f)
		}
	}
}

// marks holds what the exports' heartbeats say of each other against what is
// there: a file that was written anew on the sensor, with its key, shows here.
func (v *verifier) marks() {
	for _, s := range v.streams {
		if len(s.beats) == 0 && !s.against {
			continue
		}
		var furthest *sighting
		for i := range s.marks {
			m := &s.marks[i]
			if furthest == nil || m.n > furthest.n {
				furthest = m
			}
			if b := s.find(m.n); b != nil && b.hash != m.hash {
				f := v.finding(Rewritten, s)
				f.First, f.From = m.n, wall(m.at)
				f.Other = v.streams[m.by].Name
				f.File, f.Line = v.at(b.where)
				v.add(f)
			}
		}
		if !s.against {
			continue
		}
		last := uint64(0)
		if n := len(s.beats); n > 0 {
			last = s.beats[n-1].n
		}
		switch f := v.finding(CutShort, s); {
		case furthest == nil:
			f.Kind = NeverNamed
			v.add(f)
		case furthest.n > last:
			f.First, f.Last, f.From = last, furthest.n, wall(furthest.at)
			f.Other = v.streams[furthest.by].Name
			v.add(f)
		}
	}
}

// sumUp fills in what is told of every stream.
func (v *verifier) sumUp() {
	for _, s := range v.streams {
		if !s.entries && len(s.beats) == 0 {
			continue
		}
		r := &s.report
		r.Sensor, r.Export, r.Boot, r.Start, r.Beats = s.Sensor, s.Name, s.Boot, s.start, len(s.beats)
		if n := len(s.beats); n > 0 {
			r.From, r.To, r.Ended = wall(s.beats[0].at), wall(s.beats[n-1].at), s.beats[n-1].end
			r.Lost = s.beats[n-1].lost
			if first := s.beats[0]; first.n > 1 {
				r.Lost -= min(r.Lost, first.lost)
			}
		}
		v.report.Admitted += r.Lost
		v.report.Streams = append(v.report.Streams, *r)
	}
	if v.report.OwnKey = v.o.Key == nil; !v.report.OwnKey {
		v.report.Key = signing.Fingerprint(v.o.Key)
	}
	for _, s := range v.streams { // in the order of the inputs
		if k, ok := v.keys[s.Sensor]; ok && v.report.Key == "" {
			v.report.Key = signing.Fingerprint(k)
		}
	}
	if v.unmarked > 0 {
		v.note(Finding{Kind: Unmarked, Count: v.unmarked})
	}
	for _, a := range v.accounts {
		if a.fresh > 0 {
			v.note(Finding{Kind: Fresh, Sensor: a.names.Sensor, Export: a.names.Name, Count: a.fresh})
		}
	}
	v.report.Alone = v.report.Records - v.report.Vouched - min(v.report.Altered, v.report.Records-v.report.Vouched)
	v.rewritten()
}

// rewritten says so when nearly every line differs: that is no attacker, but
// something on the way that writes JSON anew.
func (v *verifier) rewritten() {
	if r := &v.report; r.Altered > 20 && r.Altered > r.Records*9/10 {
		v.note(Finding{Kind: WrittenAnew, Count: r.Altered})
	}
}

// lostOf is the sum of a claim's lost records: "lost:0,0,3,0".
func lostOf(c *Claim) (sum uint64) {
	for _, n := range strings.Split(c.Fact("lost"), ",") {
		v, _ := strconv.ParseUint(n, 10, 64) // not a number: not said
		sum += v
	}
	return sum
}

func wall(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05Z") }
