package beacon

import (
	"testing"

	"kagami/detectors/census"
)

func TestWorkday(t *testing.T) {
	var w workday
	play := func(from, until int64) { // weeks: 20 new destinations an hour, Monday to Friday from 8 to 18
		for h := from * hoursOfWeek; h < until*hoursOfWeek; h++ {
			n := 1
			if h/24%7 < 5 && h%24 >= 8 && h%24 < 18 {
				n = 20
			}
			for range n {
				w.note(monday + h*hour)
			}
		}
	}
	at := func(week, d, h int64) bool { return w.free(monday + (7*week+d)*day + h*hour) }
	play(0, 1)
	if w.known() {
		t.Error("known before a whole week was seen")
	}
	play(1, 3)
	if !w.known() {
		t.Fatal("not known after three weeks")
	}
	for _, c := range []struct {
		name string
		d, h int64
		want bool
	}{{"Wednesday noon", 2, 12, false}, {"early", 2, 7, false}, {"at night", 2, 3, true}, {"Saturday", 5, 12, true}, {"Sunday night", 6, 23, true}} {
		if got := at(3, c.d, c.h); got != c.want {
			t.Errorf("%s: free %v, want %v", c.name, got, c.want)
		}
	}
	w.note(monday + 10*7*day) // off for weeks
	if w.known() {
		t.Error("known after weeks without a record")
	}
}

// What comes once a day says more by coming when nobody works.
func TestFreeTime(t *testing.T) {
	const daily, hourly = 86400, 3600
	for _, c := range []struct {
		contacts uint32
		free     uint16
		seconds  float64
		want     float64
	}{
		{5, 0, daily, 0}, {5, 1, daily, 1}, {6, 1, daily, 1}, {7, 1, daily, 0}, {7, 2, daily, 1.5}, {5, 4, daily, 1.5}, {14, 2, daily, 0}, {40, 3, daily, 1},
		{5, 2, hourly, 0}, {5, 3, hourly, 1}, {100, 3, hourly, 1},
	} {
		if got := freeTime(&pair{contacts: c.contacts, offHours: c.free}, c.seconds); got != c.want {
			t.Errorf("%d of %d contacts every %v s: %v nats, want %v", c.free, c.contacts, c.seconds, got, c.want)
		}
	}
}

// The requests for a tunnel are alike whatever runs in it; what is sent in it counts.
func TestSizesOfTunnels(t *testing.T) {
	var p pair
	for range 5 {
		p.note(&census.Contact{How: census.ByProxyConnect, Up: 300}, false)
	}
	if p.upN != 0 || p.steadiness() != 0 {
		t.Errorf("%d sizes of requests for a tunnel", p.upN)
	}
	for range 5 {
		p.note(&census.Contact{How: census.ByProxyConnect, Up: 52, Pulse: true}, false)
		p.note(&census.Contact{How: census.ByProxy, Up: 52}, false)
	}
	if p.upN != 10 || p.steadiness() != 1 {
		t.Errorf("%d sizes, %v nats", p.upN, p.steadiness())
	}
}
