package sensor

import "kagami/records"

const (
	windowStep  = 3600 * 1e9 // nanoseconds
	windowSteps = 24 * 31    // a month of hours
)

// visibility sums up what the sensor could not see, by the hour, so that an
// alert can say what its window is worth. It keeps a month.
type visibility struct {
	hours map[int64]*records.Window
	epoch uint32
	drops uint64
	all   records.Window // of the whole run
}

// count adds a flow that ended; drops is the number of frames lost so far.
func (v *visibility) count(f *records.Flow, drops uint64) {
	m := f.Meta()
	w := records.Window{Flows: 1, Missed: f.Orig.Missed + f.Resp.Missed,
		Dropped: drops - v.drops, Duplicates: f.Orig.Duplicates + f.Resp.Duplicates}
	if m.Visibility.OneSided {
		w.OneSided = 1
	}
	if m.Epoch != v.epoch {
		w.ClockSteps = 1
	}
	v.drops, v.epoch = drops, m.Epoch
	add(&v.all, &w)
	add(v.hour(m.At/windowStep), &w)
}

// hour is the sum of an hour, made if need be; then the oldest makes way.
func (v *visibility) hour(at int64) *records.Window {
	if v.hours == nil {
		v.hours = make(map[int64]*records.Window)
	}
	w := v.hours[at]
	if w == nil {
		w = new(records.Window)
		v.hours[at] = w
		if len(v.hours) > windowSteps {
			delete(v.hours, v.oldest())
		}
	}
	return w
}

func (v *visibility) oldest() int64 {
	low := int64(1<<63 - 1)
	for at := range v.hours {
		low = min(low, at)
	}
	return low
}

// between sums the hours that overlap the span. Flows count in the hour they
// ended.
func (v *visibility) between(from, to int64) (sum records.Window) {
	for at, w := range v.hours {
		if at >= from/windowStep && at <= to/windowStep {
			add(&sum, w)
		}
	}
	return sum
}

func add(sum, w *records.Window) {
	sum.Flows += w.Flows
	sum.OneSided += w.OneSided
	sum.Missed += w.Missed
	sum.Dropped += w.Dropped
	sum.Duplicates += w.Duplicates
	sum.ClockSteps += w.ClockSteps
}
