package scan

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Scanner is one [[detect.scan.scanner]]: machines that scan for their owner.
// Inside their window nothing they do counts. Outside it they are judged like
// everyone, and by the day: whom they reached in another window, or scanned
// yesterday, is new again.
type Scanner struct {
	// Networks are the scanners' own addresses. At least one.
	Networks []netip.Prefix `toml:"networks"`
	// Targets are whom they may scan. Default everybody.
	Targets []netip.Prefix `toml:"targets"`
	// Days are the days of the week on which a window begins: "mon" to "sun". Default every day.
	Days []string `toml:"days"`
	// Hours are the window's begin and end, local time (utc_offset): ["22:00",
	// "04:00"] ends on the day after. Default the whole day.
	Hours []string `toml:"hours"`
}

// validate returns what is wrong with the scanner of that number.
func (s *Scanner) validate(i int) []error {
	var errs []error
	wrong := func(key string, got any, want string) {
		errs = append(errs, fmt.Errorf("detect.scan.scanner[%d].%s: got %q, want %s", i, key, got, want))
	}
	if len(s.Networks) == 0 {
		wrong("networks", "", "at least one network")
	}
	for _, d := range s.Days {
		if weekday(d) < 0 {
			wrong("days", d, `"mon" to "sun"`)
		}
	}
	if n := len(s.Hours); n != 0 && n != 2 {
		wrong("hours", strings.Join(s.Hours, ", "), `begin and end, as ["22:00", "04:00"]`)
	}
	for _, h := range s.Hours {
		if _, ok := clock(h); !ok {
			wrong("hours", h, `"00:00" to "24:00"`)
		}
	}
	return errs
}

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// weekday is the number of a day's name, -1 if it is none.
func weekday(name string) int {
	for i, d := range weekdays {
		if strings.EqualFold(d, name) {
			return i
		}
	}
	return -1
}

// clock reads "hh:mm" as a duration since midnight, up to "24:00".
func clock(s string) (time.Duration, bool) {
	var h, m int
	if n, err := fmt.Sscanf(s, "%d:%d", &h, &m); n != 2 || err != nil || len(s) != 5 {
		return 0, false
	}
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	return d, h >= 0 && m >= 0 && m < 60 && d <= 24*time.Hour
}

// schedule is a Scanner made ready.
type schedule struct {
	networks, targets []netip.Prefix
	days              [7]bool // on which a window begins, Sunday first
	from, to          time.Duration
	offset            time.Duration
}

func newSchedule(s Scanner, offset time.Duration) schedule {
	x := schedule{networks: s.Networks, targets: s.Targets, to: 24 * time.Hour, offset: offset}
	for _, d := range s.Days {
		if i := weekday(d); i >= 0 {
			x.days[i] = true
		}
	}
	if len(s.Days) == 0 {
		x.days = [7]bool{true, true, true, true, true, true, true}
	}
	if len(s.Hours) == 2 {
		x.from, _ = clock(s.Hours[0])
		x.to, _ = clock(s.Hours[1])
	}
	return x
}

// open tells whether a moment is inside a window, the end not included. A window
// whose end is not after its begin ends on the next day.
func (x *schedule) open(at int64) bool {
	t := time.Unix(0, at).UTC().Add(x.offset)
	of := t.Sub(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC))
	today := t.Weekday()
	if x.from < x.to {
		return x.days[today] && of >= x.from && of < x.to
	}
	return x.days[today] && of >= x.from || x.days[(today+6)%7] && of < x.to
}

// permits tells whether a target may be scanned.
func (x *schedule) permits(a netip.Addr) bool {
	return len(x.targets) == 0 || contains(x.targets, a)
}

func contains(ps []netip.Prefix, a netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
