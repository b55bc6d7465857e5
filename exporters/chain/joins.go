package chain

import "time"

// starts looks at the heartbeats of each export over all starts of the program.
func (v *verifier) starts() {
	for _, x := range v.exports {
		var before *stream
		seen := !x.hasEntries() // then what its account tells of is missing
		for _, s := range x.starts {
			if len(s.beats) == 0 {
				if s.genuine {
					v.add(v.finding(NoHeartbeat, s))
				}
				continue
			}
			v.beatsOf(s)
			if before != nil {
				v.join(before, s)
			}
			if seen && !s.entries {
				v.allMissing(s)
			}
			seen = seen || s.entries
			before = s
		}
	}
}

func (x *export) hasEntries() bool {
	for _, s := range x.starts {
		if s.entries {
			return true
		}
	}
	return false
}

// allMissing is a start of which only the account speaks.
func (v *verifier) allMissing(s *stream) {
	last := s.last()
	if last.last < s.beats[0].first {
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
		if b.at < a.at {
			back := f
			back.Kind = ClockBack
			v.note(back)
		}
		switch next, wait := b.n == a.n+1, b.at-a.at > late(a.every); {
		case next && b.previous.Hash != a.hash:
			f.Kind = Unlinked
		case next && wait && b.uptime > a.uptime && int64(b.uptime-a.uptime) <= late(a.every):
			f.Kind, f.Detail = ClockJump, (b.uptime - a.uptime).Round(time.Second).String()
		case wait:
		case !next:
			f.Kind = NoBeats
		default:
			continue
		}
		v.add(f)
	}
}

// join asks whether b is the start that followed a.
func (v *verifier) join(a, b *stream) {
	last, first := a.last(), &b.beats[0]
	f := v.finding(Restart, b)
	f.Other = a.Boot
	f.From, f.To = wall(last.at), wall(first.at)
	f.First, f.Last = last.n, first.previous.N
	f.File, f.Line = v.at(first.where)
	named := first.n == 1 && first.previous.N > 0 && first.previous.Boot == a.Boot
	if b.start > a.start+1 && named { // the sensor itself knows of no heartbeat in between
		between := f
		between.Kind, between.Count = Unheard, b.start-a.start-1
		v.note(between)
	}
	k := a.find(first.previous.N)
	switch {
	case b.start > a.start+1 && !named:
		f.Kind, f.Count = StartMissing, b.start-a.start-1
		v.add(f)
	case first.n > 1:
		f.Kind, f.Count = NoBeats, first.n-1
		v.add(f)
	case !named:
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
	case first.at-last.at > late(last.every):
		f.Kind = SilentRestart
		v.add(f)
	default:
		f.Kind = Crash
		v.note(f)
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
		if last := s.last(); last != nil {
			r.From, r.To, r.Ended = wall(s.beats[0].at), wall(last.at), last.end
			r.Lost = last.lost
			if first := s.beats[0]; first.n > 1 {
				r.Lost -= min(r.Lost, first.lost)
			}
		}
		v.report.Admitted += r.Lost
		v.report.Streams = append(v.report.Streams, *r)
	}
	v.keysUsed()
	if v.unmarked > 0 {
		f := Finding{Kind: Unmarked, Count: v.unmarked}
		if f.File, f.Line = v.at(v.bare); v.o.Strict {
			v.add(f)
		} else {
			v.note(f)
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
