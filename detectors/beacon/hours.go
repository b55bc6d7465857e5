package beacon

import (
	"kagami/detectors/state"
)

// workday learns when people are at work here: in the hours of the week in which
// machines turn to destinations that are new to them. Programs run day and night;
// it is people who go somewhere new. Office hours need not be configured then,
// nor holidays of the week that are not Saturday and Sunday.
type workday struct {
	hours [hoursOfWeek]float32 // new destinations in that hour of the week (UTC), the latest weeks counting most
	total float32              // their sum
	last  int64                // hour since the epoch that was counted last
	first int64                // hour since the epoch
}

const (
	hoursOfWeek = 168
	// fading is what a week is worth after a week.
	fading = 0.7
	// workdayLeast new destinations make a profile.
	workdayLeast = 200
	// freeShare of an average hour's new destinations is nobody at work.
	freeShare = 0.4
)

// note counts a new destination.
func (w *workday) note(t int64) {
	n := t / hour
	if w.first == 0 {
		w.first, w.last = n, n
	}
	if n-w.last > hoursOfWeek || n < w.last-hoursOfWeek { // off for long, or another time
		*w = workday{first: n, last: n}
	}
	for ; w.last < n; w.last++ {
		h := &w.hours[(w.last+1)%hoursOfWeek]
		w.total -= *h * (1 - fading)
		*h *= fading
	}
	w.hours[n%hoursOfWeek]++
	w.total++
}

// known tells that a whole week was seen.
func (w *workday) known() bool { return w.last-w.first >= hoursOfWeek && w.total >= workdayLeast }

// free tells whether hardly anybody is at work in the hour of t and those next to it.
func (w *workday) free(t int64) bool {
	n := t/hour + hoursOfWeek
	sum := w.hours[n%hoursOfWeek] + w.hours[(n-1)%hoursOfWeek] + w.hours[(n+1)%hoursOfWeek]
	return sum < 3*freeShare*w.total/hoursOfWeek
}

func (w *workday) save(e *state.Encoder) {
	e.Int(w.first)
	e.Int(w.last)
	for _, h := range w.hours {
		e.Float(float64(h))
	}
}

func (w *workday) load(d *state.Decoder) {
	w.first, w.last = moment(d), moment(d)
	for i := range w.hours {
		h := d.Float()
		if h < 0 || h > 1e9 {
			d.Fail("a number of destinations that cannot be")
			return
		}
		w.hours[i] = float32(h)
		w.total += w.hours[i]
	}
}
