package evidence

import (
	"fmt"
	"time"
)

// Shares of the day's budget at which less is recorded, in percent.
const (
	clearShare   = 70
	headersShare = 90
	// indexShare of the budget is left for what is on its way when it is used up,
	// and for the indexes of the open segments: one part in so many.
	indexShare = 64
)

const day = int64(24 * time.Hour)

// daily is the budget of octets written a day. The store's mutex guards it.
type daily struct {
	budget int64 // 0 = none
	known  bool  // day is set
	day    int64 // days since the epoch, UTC
	spent  int64
}

// turn notices a new day of packet time; before tells what had been written on it
// already, by the process before this one. A clock that is set back does not give
// the budget of a day again.
func (d *daily) turn(now int64, before func(day int64) int64) {
	today := floorDiv(now, day)
	switch {
	case !d.known || today > d.day:
		d.known, d.day, d.spent = true, today, before(today)
	case today < d.day-1: // not just a packet from before midnight
		d.day = today
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// level is what the budget asks for.
func (d *daily) level() (Level, error) {
	to := LevelAll
	switch {
	case d.budget == 0:
	case d.spent > d.budget-d.budget/indexShare:
		to = LevelMemory
	case d.spent > d.budget/100*headersShare:
		to = LevelHeaders
	case d.spent > d.budget/100*clearShare:
		to = LevelClear
	}
	if to == LevelAll {
		return to, nil
	}
	return to, fmt.Errorf("%d octets of the day's evidence.max_bytes_per_day = %d are written", d.spent, d.budget)
}
