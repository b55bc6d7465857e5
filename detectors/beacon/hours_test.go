package beacon

import "testing"

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
