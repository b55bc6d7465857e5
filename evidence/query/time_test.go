package query

import "testing"

// TestTimes is about Berlin, where clocks go from 02:00 to 03:00 (UTC+2) on
// 2026-03-29 and from 03:00 to 02:00 (UTC+1) on 2026-10-25.
func TestTimes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"from 2026-01-15", "from 2026-01-14T23:00:00Z"},
		{"from 2026-06-01T08:15", "from 2026-06-01T06:15:00Z"},
		{"from 2026-06-01t08:15:30.25", "from 2026-06-01T06:15:30.25Z"},
		{"from 2026-06-01T08:15Z", "from 2026-06-01T08:15:00Z"},
		{"from 2026-06-01T08:15:00.000000001-07:00", "from 2026-06-01T15:15:00.000000001Z"},
		{"from 2026-06-01 8:15", "from 2026-06-01T06:15:00Z"},
		{"from 08:15", "from 2026-06-01T06:15:00Z"},
		{"from 1780302000", "from 2026-06-01T08:20:00Z"},
		{"from 1780302000.123456789", "from 2026-06-01T08:20:00.123456789Z"},

		// Durations are exact, but for days and weeks, which end at the same time of
		// day whatever was done to the clocks.
		{"last 1h30m", "from 2026-06-01T10:30:00Z"},
		{"last 1d", "from 2026-05-31T12:00:00Z"},
		{"last 2w", "from 2026-05-18T12:00:00Z"},
		{"last 10w", "from 2026-03-23T13:00:00Z"},
		{"last 1680h", "from 2026-03-23T12:00:00Z"},
		{"from 2026-03-29 to +1d", "from 2026-03-28T23:00:00Z to 2026-03-29T22:00:00Z"},
		{"from 2026-03-29 to +24h", "from 2026-03-28T23:00:00Z to 2026-03-29T23:00:00Z"},
		{"from 2026-10-25 to +1d", "from 2026-10-24T22:00:00Z to 2026-10-25T23:00:00Z"},
		{"from 2026-03-29T01:30 to +1h", "from 2026-03-29T00:30:00Z to 2026-03-29T01:30:00Z"},
		{"last 2d to +1d", "from 2026-05-30T12:00:00Z to 2026-05-31T12:00:00Z"},

		// Around the changes.
		{"from 2026-03-29T01:59 to 2026-03-29T03:00", "from 2026-03-29T00:59:00Z to 2026-03-29T01:00:00Z"},
		{"from 2026-10-25T01:59 to 2026-10-25T03:00", "from 2026-10-24T23:59:00Z to 2026-10-25T02:00:00Z"},
		// 02:30 never was, or was twice: from takes the earlier, to the later.
		{"from 2026-03-29T02:30", "from 2026-03-29T00:30:00Z"},
		{"to 2026-03-29T02:30", "to 2026-03-29T01:30:00Z"},
		{"from 2026-10-25T02:30", "from 2026-10-25T00:30:00Z"},
		{"to 2026-10-25T02:30", "to 2026-10-25T01:30:00Z"},
		{"from 2026-10-25T02:30 to 2026-10-25T02:30", "from 2026-10-25T00:30:00Z to 2026-10-25T01:30:00Z"},
	} {
		q, err := Parse(tt.text, Options{Now: noon(), Location: berlin(t)})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		} else if q.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, q, tt.want)
		}
	}
}

// TestEdges: from is inclusive, to is not.
func TestEdges(t *testing.T) {
	q, err := Parse("from 2026-06-01T08:10:00Z to 2026-06-01T08:20:00Z", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		first, last int64
		want        bool
	}{
		{minute(5), minute(10) - 1, false},
		{minute(5), minute(10), true},
		{minute(12), minute(13), true},
		{minute(5), minute(25), true},
		{minute(20) - 1, minute(25), true},
		{minute(20), minute(25), false},
	} {
		if got := q.Match(&Flow{First: tt.first, Last: tt.last}); got != tt.want {
			t.Errorf("flow of %d to %d: %v", tt.first, tt.last, got)
		}
		if got := q.May(nil, Range{tt.first, tt.last}); got != tt.want {
			t.Errorf("segment of %d to %d: %v", tt.first, tt.last, got)
		}
	}
}
