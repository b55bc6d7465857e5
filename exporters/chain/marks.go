package chain

import (
	"cmp"
	"slices"
)

// sighting is what a claim of another export says of a stream: its last claim then.
type sighting struct {
	n    uint64
	hash Leaf
	at   int64
	by   uint32
}

// mark keeps a sighting. What several exports say alike is kept once, so that
// there are hardly more of them than heartbeats.
func (s *stream) mark(m sighting) {
	s.marks = append(s.marks, m)
	if len(s.marks) >= max(64, 2*s.kept) {
		s.sift()
	}
}

func (s *stream) sift() {
	slices.SortStableFunc(s.marks, func(a, b sighting) int { return cmp.Or(cmp.Compare(a.n, b.n), slices.Compare(a.hash[:], b.hash[:])) })
	s.marks = slices.CompactFunc(s.marks, func(a, b sighting) bool { return a.n == b.n && a.hash == b.hash })
	s.kept = len(s.marks)
}

// marks holds what the exports' heartbeats say of each other against what is
// there: a file that was written anew on the sensor, with its key, shows here.
func (v *verifier) marks() {
	for _, s := range v.streams {
		s.sift()
		if len(s.beats) > 0 {
			v.marksOf(s)
		}
	}
	for _, x := range v.exports {
		v.reach(x)
	}
}

// marksOf compares a stream's heartbeats with what others told of them.
func (v *verifier) marksOf(s *stream) {
	for i := range s.marks {
		m := &s.marks[i]
		if b := s.find(m.n); b != nil && b.hash != m.hash {
			f := v.finding(Rewritten, s)
			f.First, f.From = m.n, wall(m.at)
			f.Other = v.streams[m.by].Name
			f.File, f.Line = v.at(b.where)
			v.add(f)
		}
	}
}

// endedBefore tells whether a stream ended before what the inputs tell of its sensor.
func (v *verifier) endedBefore(s *stream) bool {
	at, ok := v.earliest[s.Sensor]
	return ok && len(s.beats) > 0 && s.last().at < at
}

// reach asks whether a file of the sensor's has all that others told of its export.
func (v *verifier) reach(x *export) {
	var top *stream // the last start that the file has
	for _, s := range x.starts {
		if !s.against {
			continue
		}
		if len(s.marks) == 0 && !v.endedBefore(s) {
			v.add(v.finding(NeverNamed, s))
		}
		if top == nil || s.start > top.start {
			top = s
		}
	}
	if top == nil {
		return
	}
	f := v.finding(CutShort, top)
	if b := top.last(); b != nil {
		f.First = b.n
	}
	for _, s := range x.starts {
		if n := len(s.marks); n > 0 && (s == top || s.told > top.start) { // the others joined, or were told of
			m := &s.marks[n-1]
			if s == top && m.n <= f.First {
				continue
			}
			f.Last, f.From, f.Other = m.n, wall(m.at), v.streams[m.by].Name
			if s != top {
				f.Kind, f.Detail = LaterStart, s.Boot
			}
			v.add(f)
		}
	}
}
