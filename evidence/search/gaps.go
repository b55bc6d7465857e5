package search

import (
	"cmp"
	"fmt"
	"slices"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

// pause is the silence in ns at the ends of a recording that is not called a gap:
// what is in memory is on disk within half a second, and a quiet network has no
// packets.
const pause = 60 * 1e9

// writer is who wrote a segment.
type writer struct {
	session int64
	worker  uint16
}

// gaps are those that the segments' own counters tell, as far as they touch the
// window [from, to). Sum and place are exact: the counters of one writer go on from
// segment to segment, so that what lies between two segments is known even if there
// are none between them any more.
func gaps(infos []named, from, to int64) []Gap {
	var found []Gap
	add := func(g Gap) {
		if g.To >= from && (to == 0 || g.From < to) {
			found = append(found, g)
		}
	}
	last := map[writer]*named{}
	for i := range infos { // in order of number
		n := &infos[i]
		inside(n, add)
		if n.Session == 0 {
			continue
		}
		w := writer{n.Session, n.Worker}
		if before := last[w]; before != nil {
			between(n, before.Last, &before.End, add)
		} else {
			between(n, min(n.Session, n.First), new(segment.Counters), add)
		}
		last[w] = n
	}
	betweenSessions(infos, add)
	edges(infos, from, to, add)
	return found
}

// damaged are the gaps of capture files: they have no counters.
func damaged(infos []named, from, to int64) (found []Gap) {
	for i := range infos {
		if n := &infos[i]; n.Last >= from && (to == 0 || n.First < to) {
			n.damage(func(g Gap) { found = append(found, g) })
		}
	}
	return found
}

// named is what is known of a segment.
type named struct {
	*index.Info
	name string
	num  uint64
}

// inside adds what is missing in a segment.
func inside(n *named, add func(Gap)) {
	losses(n.First, n.Last, &n.Start, &n.End, "in "+n.name, add)
	n.damage(add)
	if n.Recovered && n.Torn > 0 {
		add(Gap{From: n.Last, To: n.Last, Kind: Damaged, Bytes: uint64(n.Torn), Text: "end of " + n.name + ", torn when recording was interrupted"})
	}
}

// damage adds the octets that were passed over when the index was made.
func (n *named) damage(add func(Gap)) {
	for _, d := range n.Damage {
		add(Gap{From: n.First, To: n.Last, Kind: Damaged, Bytes: uint64(d.Len), Text: damageText(n.name, d)})
	}
}

// between adds what a writer lost, and what was deleted, between two of its
// segments.
func between(n *named, since int64, end *segment.Counters, add func(Gap)) {
	since = min(since, n.First)
	losses(since, n.First, end, &n.Start, "before "+n.name, add)
	if gone := minus(n.Start.Stored, end.Stored); gone > 0 {
		add(Gap{From: since, To: n.First, Kind: RotatedAway, Packets: gone, Bytes: minus(n.Start.StoredBytes, end.StoredBytes), Text: "before " + n.name})
	}
}

// losses adds what was lost while counters went from a to b.
func losses(from, to int64, a, b *segment.Counters, where string, add func(Gap)) {
	for _, l := range []struct {
		kind Kind
		n    uint64
	}{
		{LostKernel, minus(b.KernelDropped, a.KernelDropped)},
		{LostSlow, minus(b.LostSlow, a.LostSlow)},
		{LostFull, minus(b.LostFull, a.LostFull)},
		{LostError, minus(b.LostError, a.LostError)},
		{LeftOut, minus(b.LeftOut, a.LeftOut)},
		{Ignored, minus(b.Ignored, a.Ignored)},
	} {
		if l.n > 0 {
			add(Gap{From: from, To: to, Kind: l.kind, Packets: l.n, Text: where})
		}
	}
}

// minus is a difference of counters that only grow; what is damaged may say otherwise.
func minus(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// session is one run of the recording process.
type session struct {
	start       int64
	last        int64 // time of the last packet
	first, high uint64
}

// betweenSessions adds the spans in which nobody recorded.
func betweenSessions(infos []named, add func(Gap)) {
	var all []session
	for _, n := range infos {
		if n.Session == 0 {
			continue
		}
		i := slices.IndexFunc(all, func(s session) bool { return s.start == n.Session })
		if i < 0 {
			all = append(all, session{n.Session, n.Last, n.num, n.num})
			continue
		}
		s := &all[i]
		s.last, s.first, s.high = max(s.last, n.Last), min(s.first, n.num), max(s.high, n.num)
	}
	slices.SortFunc(all, func(a, b session) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(all); i++ {
		a, b := &all[i-1], &all[i]
		switch {
		case b.start <= a.last:
		case b.first > a.high+1:
			add(Gap{From: a.last, To: b.start, Kind: RotatedAway, Text: fmt.Sprintf("segments %d to %d are gone", a.high+1, b.first-1)})
		default:
			add(Gap{From: a.last, To: b.start, Kind: NotRecorded, Text: "the recording process was not running"})
		}
	}
}

// edges adds what the window asks for before the oldest segment and behind the
// newest.
func edges(infos []named, from, to int64, add func(Gap)) {
	if len(infos) == 0 {
		return
	}
	oldest, newest := infos[0].First, infos[0].Last
	first := &infos[0]
	for i := range infos {
		n := &infos[i]
		if n.First < oldest {
			oldest, first = n.First, n
		}
		newest = max(newest, n.Last)
	}
	switch {
	case from == 0 || from >= oldest:
	case first.num > 1: // numbers begin with 1
		add(Gap{From: from, To: oldest, Kind: RotatedAway, Text: "the oldest segment is " + first.name})
	case oldest-from > pause:
		add(Gap{From: from, To: oldest, Kind: NotRecorded, Text: "the first packet there is"})
	}
	if to != 0 && to-newest > pause {
		add(Gap{From: newest, To: to, Kind: NotRecorded, Text: "the last packet there is"})
	}
}
