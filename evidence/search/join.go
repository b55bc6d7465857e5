package search

import (
	"bytes"
	"slices"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/packet"
)

// Flow is a flow as it was found: all its parts in the segments that were read.
type Flow struct {
	Key         packet.Key
	Client      packet.Side // valid if ClientKnown
	ClientKnown bool
	VLAN        [2]uint16 // outermost tag by side, 0 = none
	First, Last int64     // ns since the epoch
	Packets     [2]uint64 // by side
	Bytes       [2]uint64 // on the wire, by side
	Stored      [2]uint64 // as captured, by side
	Flags       index.Flags
	Names       []string // that it bore on its wire, in order; at most maxNames
	Parts       int      // segments that hold packets of it
}

const (
	// joinGap is the silence in ns behind which packets of the same key are another
	// flow.
	joinGap = 10 * 60 * 1e9
	// linger is how long in ns a closed flow waits for stragglers in the next
	// segment.
	linger = 5 * 1e9
	// maxUnderWay bounds the flows that wait for their next part, about 400 octets
	// each; maxParts bounds the parts of all of them, 8 octets each.
	maxUnderWay = 1 << 16
	maxParts    = 1 << 20
	// maxNames bounds a flow's names.
	maxNames = 8
)

// CommunityID is the flow's Community ID version 1, seed 0.
func (f *Flow) CommunityID() string { return f.Key.CommunityID(f.Client) }

// ask is the flow as a query sees it.
func (f *Flow) ask() query.Flow {
	return query.Flow{
		Key: f.Key, Client: f.Client, ClientKnown: f.ClientKnown, VLAN: f.VLAN, First: f.First, Last: f.Last,
		Bytes: f.Bytes[0] + f.Bytes[1], Cut: f.Flags&index.Cut != 0, Hole: f.Flags&index.Hole != 0,
		ARP: f.Key.Proto == index.ProtoARP, NoIP: f.Flags&index.NoIP != 0,
	}
}

// flowOf is a part as a flow of its own.
func flowOf(r *index.Row) Flow {
	return Flow{
		Key: r.Key, Client: r.Client, ClientKnown: r.ClientKnown, VLAN: r.VLAN, First: r.First, Last: r.Last,
		Packets: r.Packets, Bytes: r.Bytes, Stored: r.Stored, Flags: r.Flags, Parts: 1,
	}
}

// add joins a later part to the flow.
func (f *Flow) add(r *index.Row) {
	f.First, f.Last = min(f.First, r.First), max(f.Last, r.Last)
	if !f.ClientKnown && r.ClientKnown {
		f.Client, f.ClientKnown = r.Client, true
	}
	for side := range 2 {
		f.Packets[side] += r.Packets[side]
		f.Bytes[side] += r.Bytes[side]
		f.Stored[side] += r.Stored[side]
		if f.VLAN[side] == 0 {
			f.VLAN[side] = r.VLAN[side]
		}
	}
	f.Flags |= r.Flags
	f.Parts++
}

// name adds a name that the flow bore.
func (f *Flow) name(n string) {
	if len(f.Names) < maxNames && !slices.Contains(f.Names, n) {
		f.Names = append(f.Names, n)
	}
}

// part is where a part of a flow is: a row of a segment.
type part struct{ view, row int32 }

// underWay is a flow that may have more parts.
type underWay struct {
	Flow
	parts []part
}

// continues tells whether a part belongs to the flow.
func (u *underWay) continues(r *index.Row) bool {
	if r.First > u.Last+joinGap || u.First > r.Last+joinGap {
		return false
	}
	return u.Flags&index.Closed == 0 || r.Flags&index.Syn == 0
}

// joiner joins the parts of flows, which come segment by segment.
type joiner struct {
	open    map[packet.Key]*underWay
	parts   int // of all that are open, if they are kept
	keep    bool
	ended   []*underWay
	crowded int // flows that ended early for room
}

// newJoiner makes a joiner; with keepParts, where the parts are is kept.
func newJoiner(keepParts bool) *joiner {
	return &joiner{open: map[packet.Key]*underWay{}, keep: keepParts}
}

// add takes a part.
func (j *joiner) add(at part, r *index.Row) {
	u := j.open[r.Key]
	if u != nil && u.continues(r) {
		u.Flow.add(r)
	} else {
		if u != nil {
			j.end(u)
		} else if len(j.open) >= maxUnderWay {
			j.makeRoom()
		}
		u = &underWay{Flow: flowOf(r)}
		j.open[r.Key] = u
	}
	if !j.keep {
		return
	}
	u.parts = append(u.parts, at)
	if j.parts++; j.parts > maxParts {
		j.makeRoom()
	}
}

// name gives an open flow a name.
func (j *joiner) name(k *packet.Key, n string) {
	if u := j.open[*k]; u != nil {
		u.Flow.name(n)
	}
}

// end ends a flow; take hands it out.
func (j *joiner) end(u *underWay) {
	delete(j.open, u.Key)
	j.parts -= len(u.parts)
	j.ended = append(j.ended, u)
}

// before ends the flows that cannot have a part in a segment that begins at ns, nor
// in a later one.
func (j *joiner) before(ns int64) {
	for _, u := range j.open {
		if u.Last+joinGap < ns || u.Flags&index.Closed != 0 && u.Last+linger < ns {
			j.end(u)
		}
	}
}

// all ends all flows.
func (j *joiner) all() {
	for _, u := range j.open {
		j.end(u)
	}
}

// makeRoom ends the quarter of the flows that was silent for longest.
func (j *joiner) makeRoom() {
	oldest := make([]*underWay, 0, len(j.open))
	for _, u := range j.open {
		oldest = append(oldest, u)
	}
	slices.SortFunc(oldest, byEnd)
	oldest = oldest[:len(oldest)/4+1]
	for _, u := range oldest {
		j.end(u)
	}
	j.crowded += len(oldest)
}

// take hands out the flows that ended, in order of their last packets.
func (j *joiner) take() []*underWay {
	slices.SortFunc(j.ended, byEnd)
	ended := j.ended
	j.ended = nil
	return ended
}

func byEnd(a, b *underWay) int {
	if a.Last != b.Last {
		return compare(a.Last, b.Last)
	}
	if a.First != b.First {
		return compare(a.First, b.First)
	}
	return compareKeys(&a.Key, &b.Key)
}

func compareKeys(a, b *packet.Key) int {
	if c := bytes.Compare(a.A[:], b.A[:]); c != 0 {
		return c
	}
	if c := bytes.Compare(a.B[:], b.B[:]); c != 0 {
		return c
	}
	x := int64(a.APort)<<32 | int64(a.BPort)<<16 | int64(a.Proto)
	y := int64(b.APort)<<32 | int64(b.BPort)<<16 | int64(b.Proto)
	return compare(x, y)
}
