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
	drops uint64
}

func (v *visibility) count(f *records.Flow, drops func() uint64) {
	if v.hours == nil {
		v.hours = make(map[int64]*records.Window)
	}
	at := f.Meta().At / windowStep
	w := v.hours[at]
	if w == nil {
		w = new(records.Window)
		v.hours[at] = w
		for len(v.hours) > windowSteps {
			delete(v.hours, v.oldest())
		}
	}
	w.Flows++
	if f.Meta().Visibility.OneSided {
		w.OneSided++
	}
	w.Missed += f.Orig.Missed + f.Resp.Missed
	if drops != nil {
		n := drops()
		w.Dropped += n - v.drops
		v.drops = n
	}
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
			sum.Flows += w.Flows
			sum.OneSided += w.OneSided
			sum.Missed += w.Missed
			sum.Dropped += w.Dropped
		}
	}
	return sum
}
