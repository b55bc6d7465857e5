package detectors

import (
	"net/netip"
	"time"
)

// sequenceBonus is given once, when a client's new peers have gone up by one
// address sequence times in a row.
const (
	sequenceBonus = 2
	sequence      = 5
)

// run watches for neighbours contacted one after the other.
type run struct {
	last   netip.Addr
	length int
}

// next notes an address and reports whether it completes a run.
func (r *run) next(a netip.Addr) bool {
	switch {
	case a == r.last:
		return false
	case r.last.IsValid() && r.last.Next() == a:
		r.length++
	default:
		r.length = 1
	}
	r.last = a
	return r.length == sequence
}

// habit is how many new administrative peers a client has a day.
type habit struct {
	day   int64 // number of the current day, UTC
	today int
	week  [7]int // the days before, by day modulo 7
	past  int    // days before that are remembered, at most 14 days' weight
	total float64
}

const (
	dayLength   = int64(24 * time.Hour)
	minPeerRate = 0.2
	pastDays    = 14
)

// count adds one new peer, and reports whether a new day began.
func (h *habit) count(now int64) bool {
	day := now / dayLength
	fresh := h.day != day
	if h.day == 0 {
		h.day = day
	}
	for i := 0; h.day < day; i++ {
		if i == pastDays {
			h.week, h.day = [7]int{}, day
			h.total = 0
			break
		}
		h.week[h.day%7] = h.today
		if h.past == pastDays {
			h.total *= float64(pastDays-1) / pastDays
		} else {
			h.past++
		}
		h.total += float64(h.today)
		h.today = 0
		h.day++
		h.week[h.day%7] = 0
	}
	h.today++
	return fresh
}

// unusual tests today and the week against the habit; prior is the expectation
// for a client whose habit is not known. It returns the stronger count.
func (h *habit) unusual(prior, odds float64) (n int, mean float64, days int, odd bool) {
	mean = max(minPeerRate, (prior+h.total)/float64(1+h.past))
	if poissonTail(h.today, mean) < odds {
		return h.today, mean, 1, true
	}
	week := h.today
	for _, k := range h.week {
		week += k
	}
	if h.past >= 7 && poissonTail(week, 7*mean) < odds {
		return week, 7 * mean, 7, true
	}
	return week, mean, 7, false
}
