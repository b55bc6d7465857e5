package search

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is what a search did, and what it could not give.
type Report struct {
	Segments  int   // segments there are
	Pruned    int   // left out by time or filter
	Opened    int   // of which rows or packets were read
	Scanned   int   // of these: without a good index, read from end to end
	Vanished  int   // rotated away while the search went on
	BytesRead int64 // of segments

	Flows   uint64 // found; of get: parts of flows in segments
	Packets uint64 // written
	Bytes   uint64 // of these, as captured

	Gaps  []Gap    // what is missing, in order of time
	Said  []string // what else is to be known: limits reached, indexes that were damaged
	Took  time.Duration
	Ended string // why the search ended early, "" if it did not
}

// Gap is a span of time in which packets are missing.
type Gap struct {
	From, To int64 // ns since the epoch
	Kind     Kind
	Packets  uint64 // that are missing, 0 = not known
	Bytes    uint64 // that are missing, 0 = not known
	Text     string // what happened, where
}

// Kind is why packets are missing.
type Kind string

const (
	NotRecorded Kind = "not recorded"        // nobody wrote
	RotatedAway Kind = "rotated away"        // deleted for room or by age
	LostKernel  Kind = "lost by the kernel"  // dropped before they were seen
	LostSlow    Kind = "lost: disk too slow" //
	LostFull    Kind = "lost: disk full"     //
	LostError   Kind = "lost: disk error"    //
	LeftOut     Kind = "left out"            // encrypted packets, for want of room
	Ignored     Kind = "ignored"             // of interfaces beyond what a segment describes
	Damaged     Kind = "damaged"             // octets of the file make no sense
	Cut         Kind = "cut"                 // of encrypted flows only headers were kept
)

// Limits of a report. What is beyond is counted in the last entry.
const (
	maxGaps = 4096
	maxSaid = 64
)

func (g Gap) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", span(g.From, g.To), g.Kind)
	if g.Packets > 0 {
		fmt.Fprintf(&b, ", %d packets", g.Packets)
	}
	if g.Bytes > 0 {
		fmt.Fprintf(&b, ", %d octets", g.Bytes)
	}
	if g.Text != "" {
		fmt.Fprintf(&b, " (%s)", g.Text)
	}
	return b.String()
}

// span is a span of time for people.
func span(from, to int64) string {
	return clock(from) + " to " + clock(to)
}

func clock(ns int64) string {
	return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000Z")
}

// say adds a remark once.
func (r *Report) say(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	switch {
	case slices.Contains(r.Said, s) || len(r.Said) > maxSaid:
	case len(r.Said) == maxSaid:
		r.Said = append(r.Said, "there is more to say than fits")
	default:
		r.Said = append(r.Said, s)
	}
}

// gap adds a gap, once; beyond maxGaps it widens the last one.
func (r *Report) gap(g Gap) {
	if slices.ContainsFunc(r.Gaps, func(o Gap) bool { return o.Kind == g.Kind && o.Text == g.Text && g.Text != "" }) {
		return
	}
	if len(r.Gaps) < maxGaps {
		r.Gaps = append(r.Gaps, g)
		return
	}
	last := &r.Gaps[maxGaps-1]
	last.From, last.To = min(last.From, g.From), max(last.To, g.To)
	last.Packets += g.Packets
	last.Bytes += g.Bytes
	last.Text = "and more gaps than are told apart"
}

// sortGaps brings the gaps into order of time.
func (r *Report) sortGaps() {
	slices.SortStableFunc(r.Gaps, func(a, b Gap) int {
		switch {
		case a.From != b.From:
			return compare(a.From, b.From)
		case a.To != b.To:
			return compare(a.To, b.To)
		}
		return strings.Compare(string(a.Kind)+a.Text, string(b.Kind)+b.Text)
	})
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
