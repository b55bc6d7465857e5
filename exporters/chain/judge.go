package chain

import (
	"slices"
	"sort"
)

// judge goes through all lines in the order of their numbers, stream by stream,
// and then looks at how the streams join.
func (v *verifier) judge() error {
	v.order()
	var t *track
	err := v.sorter.each(func(e *entry) {
		s := v.streams[e.stream]
		if t == nil || t.s != s {
			if t != nil {
				t.finish()
			}
			t = v.newTrack(s)
		}
		t.take(e)
	})
	if err != nil {
		return err
	}
	if t != nil {
		t.finish()
	}
	v.starts()
	v.marks()
	v.asked()
	v.sumUp()
	return nil
}

// at names a place.
func (v *verifier) at(p place) (file string, line uint64) { return v.inputs[p.input()], p.line() }

func (v *verifier) finding(k Kind, s *stream) Finding {
	f := Finding{Kind: k}
	f.of(s.Stream)
	return f
}

// before is the last claim that covers nothing from seq on; -1 if there is none.
func (s *stream) before(seq uint64) int {
	return sort.Search(len(s.beats), func(i int) bool { return s.beats[i].last >= seq }) - 1
}

// track follows one stream's lines.
type track struct {
	v       *verifier
	s       *stream
	seq     uint64 // of the lines at hand
	same    []entry
	next    uint64 // the number that should follow
	begun   bool
	doubted []numbers // of altered lines behind a gap
	top     place     // the furthest line so far
	late    spread
	bad     spread // altered
	cut     spread // altered, and says that it was shortened
	lone    spread // that no claim covers

	span    int // of the claim at hand
	hash    *spanHash
	count   uint64 // lines of the span that were there
	altered uint64 // of these
}

// spread gathers findings about numbers that follow each other.
type spread struct {
	first, last uint64
	where       place
	after       uint64
	holes       uint64 // numbers between first and last that it is not about
}

func (v *verifier) newTrack(s *stream) *track {
	s.entries = true
	t := &track{v: v, s: s, hash: newSpanHash(s.Stream)}
	t.enter()
	return t
}

// take gathers the lines of one number.
func (t *track) take(e *entry) {
	if len(t.same) > 0 && e.seq != t.seq {
		t.settle()
	}
	t.seq = e.seq
	if len(t.same) < 64 { // more of one number say nothing new
		t.same = append(t.same, *e)
	} else {
		t.v.report.Repeated++
	}
}

// settle judges the lines of one number.
func (t *track) settle() {
	best := t.choose()
	t.s.report.Records++
	t.v.report.Records++
	if best.flags&flagAltered != 0 {
		t.changed(best)
		if t.next != t.seq { // its number may be what was altered: it proves nothing missing
			t.doubt()
		}
	} else {
		if !t.begun {
			t.begin(best)
		}
		t.upTo(t.seq)
		t.ordered(best.where)
	}
	if t.seq == t.next {
		t.next++
	}
	t.cover(best)
	t.same = t.same[:0]
}

// numbers are first to last.
type numbers struct{ first, last uint64 }

const maxDoubted = 1024

func (t *track) doubt() {
	if n := len(t.doubted); n > 0 && t.doubted[n-1].last+1 == t.seq {
		t.doubted[n-1].last = t.seq
	} else if n < maxDoubted {
		t.doubted = append(t.doubted, numbers{t.seq, t.seq})
	}
}

// upTo reports what is missing below a number that is there.
func (t *track) upTo(seq uint64) {
	for _, d := range t.doubted {
		if d.first >= t.next && d.last < seq {
			if d.first > t.next {
				t.missing(t.next, d.first-1)
			}
			t.next = d.last + 1
		}
	}
	t.doubted = t.doubted[:0]
	if seq > t.next {
		t.missing(t.next, seq-1)
	}
	t.next = max(t.next, seq)
}

// choose is the line of a number that is as it was written; the others are copies
// of it, or altered ones.
func (t *track) choose() *entry {
	best := &t.same[0]
	for i := range t.same {
		if e := &t.same[i]; e.flags&flagAltered < best.flags&flagAltered {
			best = e
		}
	}
	for i := range t.same {
		e := &t.same[i]
		switch {
		case e == best:
		case e.leaf == best.leaf:
			t.v.report.Repeated++
		case e.flags&flagAltered != 0:
			t.changed(e)
		default: // both have a right tag: somebody made one of them
			f := t.v.finding(TwoOfOne, t.s)
			f.First, f.Last = t.seq, t.seq
			f.File, f.Line = t.v.at(e.where)
			f.Other, f.OtherLine = t.v.at(best.where)
			t.v.add(f)
		}
	}
	return best
}

// changed is a line that is not as it was written.
func (t *track) changed(e *entry) {
	t.v.report.Altered++
	if e.flags&flagShed != 0 {
		t.extend(&t.cut, Shortened, e.where, 0)
	} else {
		t.extend(&t.bad, Altered, e.where, 0)
	}
}

// begin settles with which number the stream should begin: with the first that is
// there, unless what was before it is among the inputs, too.
func (t *track) begin(e *entry) {
	t.begun = true
	t.s.report.First, t.next = t.seq, t.seq
	if t.v.hasEarlier(t.s) {
		t.next = 1
	} else if t.seq > 1 && len(t.doubted) == 0 {
		f := t.v.finding(Begins, t.s)
		f.First = t.seq
		f.File, f.Line = t.v.at(e.where)
		t.v.note(f)
	}
}

// hasEarlier tells whether an earlier start of the same export is among the inputs.
func (v *verifier) hasEarlier(s *stream) bool {
	return slices.ContainsFunc(s.export.starts, func(o *stream) bool { return o.start > 0 && o.start < s.start && o.entries })
}

// missing reports numbers that nobody delivered, and between which times they were made.
func (t *track) missing(first, last uint64) {
	f := t.v.finding(Missing, t.s)
	f.First, f.Last, f.Count = first, last, last-first+1
	f.between(t.s, first, last)
	if t.v.outside(&f) {
		f.Kind = Outside
		t.v.note(f)
		return
	}
	t.s.report.Missing += f.Count
	t.v.report.Missing += f.Count
	t.v.add(f)
}

// between gives the time of the claims around numbers.
func (f *Finding) between(s *stream, first, last uint64) {
	if i := s.before(first); i >= 0 {
		f.From = wall(s.beats[i].at)
	}
	if i := s.before(last) + 1; i < len(s.beats) {
		f.To = wall(s.beats[i].at)
	}
}

// ordered reports lines that stand before ones with lower numbers in one file.
func (t *track) ordered(where place) {
	if t.s.top == 0 {
		t.s.low = where
	}
	t.s.low, t.s.top = min(t.s.low, where), max(t.s.top, where)
	if t.v.o.AnyOrder || where > t.top || where.input() != t.top.input() {
		t.top = where
		return
	}
	t.extend(&t.late, Reordered, where, t.top.line())
}

// extend adds the number at hand to a finding, or begins one.
func (t *track) extend(s *spread, k Kind, where place, after uint64) {
	if s.last != 0 && t.seq <= s.last+1 {
		s.last = t.seq
		return
	}
	t.flush(s, k)
	*s = spread{t.seq, t.seq, where, after, 0}
}

// unvouched adds the number at hand to those that no claim covers. Behind the last
// claim they are one finding: a killed sensor leaves many holes there, each of which
// is told as missing.
func (t *track) unvouched(where place) {
	n := len(t.s.beats)
	if s := &t.lone; t.span == n && s.last != 0 && s.first > t.s.beats[n-1].last && t.seq > s.last {
		s.holes += t.seq - s.last - 1
		s.last = t.seq
		return
	}
	t.extend(&t.lone, Unvouched, where, 0)
}

func (t *track) flush(s *spread, k Kind) {
	if s.last == 0 {
		return
	}
	f := t.v.finding(k, t.s)
	f.First, f.Last, f.Count = s.first, s.last, s.last-s.first+1-s.holes
	f.File, f.Line = t.v.at(s.where)
	f.OtherLine = s.after
	if k != Reordered {
		f.between(t.s, s.first, s.last)
	}
	*s = spread{}
	if k == Unvouched && t.fresh(f.First) {
		f.Kind, f.From = Fresh, wall(t.s.last().at)
		t.v.note(f)
		return
	}
	t.v.add(f)
}

// fresh tells whether records from seq on may simply be younger than the last
// heartbeat: those of a program that has not ended as far as the inputs tell.
func (t *track) fresh(seq uint64) bool {
	n := len(t.s.beats)
	if n == 0 || t.s.beats[n-1].end || seq <= t.s.beats[n-1].last {
		return false
	}
	return !slices.ContainsFunc(t.s.export.starts, func(o *stream) bool { return o.start > t.s.start && len(o.beats) > 0 })
}

// enter begins the span of the claim at hand.
func (t *track) enter() {
	t.count, t.altered = 0, 0
	if t.span < len(t.s.beats) {
		t.hash.begin(t.s.beats[t.span].first)
	}
}

// cover puts a line under the claim that covers its number.
func (t *track) cover(e *entry) {
	for t.span < len(t.s.beats) && e.seq > t.s.beats[t.span].last {
		t.leave()
	}
	if t.span == len(t.s.beats) || e.seq < t.s.beats[t.span].first {
		if e.flags == 0 && len(t.s.beats) > 0 { // a claim bears a signature of its own, and what is altered is told
			t.unvouched(e.where)
		}
		return
	}
	t.hash.add(&e.leaf)
	t.count++
	if e.flags&flagAltered != 0 {
		t.altered++
	}
}

// leave ends a span: are its lines those that were signed?
func (t *track) leave() {
	b := &t.s.beats[t.span]
	t.span++
	whole := t.count == b.last-b.first+1 && t.altered == 0
	switch { // what is missing or altered was told already, and spoils the digest
	case whole && t.hash.digest() == b.digest:
		t.v.report.Vouched += t.count
		t.s.doubts = slices.DeleteFunc(t.s.doubts, func(d doubt) bool { return d.seq >= b.first && d.seq <= b.last })
	case whole:
		f := t.v.finding(Mismatch, t.s)
		f.First, f.Last, f.Count = b.first, b.last, t.count
		f.between(t.s, b.first, b.last)
		f.File, f.Line = t.v.at(b.where)
		t.v.add(f)
	}
	t.enter()
}

// finish ends the stream.
func (t *track) finish() {
	t.settle()
	s := t.s
	if n := len(s.beats); n > 0 && t.begun {
		t.upTo(max(t.next, s.beats[n-1].last+1))
	}
	for t.span < len(s.beats) {
		t.leave()
	}
	t.flush(&t.bad, Altered)
	t.flush(&t.cut, Shortened)
	t.flush(&t.late, Reordered)
	t.flush(&t.lone, Unvouched)
	for _, d := range s.doubts {
		t.v.add(d.Finding)
	}
	s.genuine = t.begun
	s.report.Last = max(t.next, 1) - 1
}
