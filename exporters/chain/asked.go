package chain

import (
	"slices"
	"strings"
)

// asked is what the options want: which exports must be there, from when, until
// when.
func (v *verifier) asked() {
	for _, want := range v.o.Expect {
		if !slices.ContainsFunc(v.exports, func(x *export) bool { return x.is(want) && x.hasEntries() }) {
			f := Finding{Kind: NotThere}
			f.Sensor, f.Export, _ = strings.Cut(want, "/")
			v.add(f)
		}
	}
	for _, x := range v.exports {
		v.elsewhere(x)
		var first, last *stream
		for _, s := range x.starts {
			if len(s.beats) > 0 {
				if last = s; first == nil {
					first = s
				}
			}
		}
		if first != nil {
			v.since(first)
			v.until(last)
			v.future(x)
		}
	}
}

// elsewhere notes an export that heartbeats of others speak of and of which nothing is
// here: one that goes to another place, or that somebody took out whole.
func (v *verifier) elsewhere(x *export) {
	var last *sighting
	var of *stream
	for _, s := range x.starts {
		if n := len(s.marks); n > 0 && (last == nil || s.marks[n-1].at > last.at) {
			last, of = &s.marks[n-1], s
		}
	}
	if last == nil || x.hasEntries() || slices.ContainsFunc(v.o.Expect, x.is) {
		return
	}
	f := v.finding(Elsewhere, of)
	f.To, f.Other = wall(last.at), v.streams[last.by].Name
	v.note(f)
}

// outside tells whether what is missing lies before Options.Since or behind
// Options.Until as a whole: what a database gives for a time is ragged at its ends.
func (v *verifier) outside(f *Finding) bool {
	return v.o.Since != 0 && f.To != "" && f.To <= wall(v.o.Since) || v.o.Until != 0 && f.From != "" && f.From >= wall(v.o.Until)
}

// is tells whether the export is SENSOR or SENSOR/EXPORT.
func (x *export) is(want string) bool {
	sensor, name, one := strings.Cut(want, "/")
	return x.sensor == sensor && (!one || x.name == name)
}

// since reports an export that begins after Options.Since, unless its sensor did.
func (v *verifier) since(s *stream) {
	b := &s.beats[0]
	if v.o.Since == 0 || b.n == 1 && b.previous.N == 0 || b.at-v.o.Since <= late(b.every) {
		return
	}
	f := v.finding(SilentUntil, s)
	f.From, f.To, f.First = wall(v.o.Since), wall(b.at), b.n
	f.File, f.Line = v.at(b.where)
	v.add(f)
}

// until reports an export that fell silent before Options.Until.
func (v *verifier) until(s *stream) {
	b := s.last()
	if v.o.Until == 0 || v.o.Until-b.at <= late(b.every) {
		return
	}
	f := v.finding(SilentSince, s)
	if b.end {
		f.Kind = EndedSince
	}
	f.From, f.To, f.First = wall(b.at), wall(v.o.Until), b.n
	v.add(f)
}

// future reports the latest heartbeat if it is later than Options.Now: with such
// a clock a sensor could fall silent without missing a time that is asked for.
func (v *verifier) future(x *export) {
	var in *stream
	var at *beat
	for _, s := range x.starts {
		for i := range s.beats {
			if b := &s.beats[i]; at == nil || b.at > at.at {
				in, at = s, b
			}
		}
	}
	if v.o.Now == 0 || at.at-v.o.Now <= late(at.every) {
		return
	}
	f := v.finding(Future, in)
	f.From, f.To, f.First = wall(at.at), wall(v.o.Now), at.n
	f.File, f.Line = v.at(at.where)
	v.add(f)
}
