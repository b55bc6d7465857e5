package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"kagami/records"
)

const (
	hour        = int64(time.Hour)
	maxHours    = 24 * 366 // hours kept; what comes after is not listed
	lossRows    = 12       // hours listed
	notableLoss = 1000     // an hour is listed when 1 in so many octets of TCP payload was missed
)

// losses are what was not seen, by hour, for the summary: an hour with loss may
// hide what its alerts do not show.
type losses struct {
	hours map[int64]*loss
}

type loss struct{ payload, missed, dropped, flows, oneSided uint64 }

func (l *losses) at(ns int64) *loss {
	if l.hours == nil {
		l.hours = map[int64]*loss{}
	}
	x := l.hours[ns/hour]
	if x == nil {
		x = new(loss)
		if len(l.hours) < maxHours {
			l.hours[ns/hour] = x
		}
	}
	return x
}

func (l *losses) flow(r *records.Flow) {
	x := l.at(r.End)
	x.flows++
	x.payload += r.Orig.Payload + r.Resp.Payload
	x.missed += r.Orig.Missed + r.Resp.Missed
	if r.Meta().Visibility.OneSided {
		x.oneSided++
	}
}

func (l *losses) stats(r *records.Stats) { l.at(r.End).dropped += r.Dropped }

// notable tells an hour worth a line.
func (x *loss) notable() bool {
	return x.dropped > 0 || x.missed*notableLoss > x.payload || x.oneSided*20 > x.flows
}

func (l *losses) print(w io.Writer, zone *time.Location) {
	hours := slices.Sorted(maps.Keys(l.hours))
	hours = slices.DeleteFunc(hours, func(h int64) bool { return !l.hours[h].notable() })
	if len(hours) == 0 {
		return
	}
	fmt.Fprintln(w, "Hours with loss")
	for _, h := range hours[:min(len(hours), lossRows)] {
		x := l.hours[h]
		fmt.Fprintf(w, "  %s  %s of TCP missed, %s of %s flows one-sided, %s frames dropped\n",
			time.Unix(0, h*hour).In(zone).Format("2006-01-02 15:04"), octets(x.missed), thousands(x.oneSided), thousands(x.flows), thousands(x.dropped))
	}
	if n := len(hours) - lossRows; n > 0 {
		fmt.Fprintf(w, "  and %d more\n", n)
	}
}
