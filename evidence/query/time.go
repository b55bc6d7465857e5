package query

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Times must lie where nanoseconds since the epoch fit int64 and 0 can mean open.
const (
	minYear = 1971
	maxYear = 2261

	day         = 24 * time.Hour // where it does not depend on the calendar
	longestDays = 36_600
	longest     = longestDays * day // of one number in a duration
)

// clause is from, to or last with its value.
type clause struct {
	word, value token
	at          moment
	span        span // of last, and of to +15m
	relative    bool // the value is span
}

// moment is a point in time; a local time has two readings where clocks are
// changed.
type moment struct{ first, last time.Time }

// span is a duration of which the days depend on the calendar.
type span struct {
	days  int
	clock time.Duration
}

// times are the clauses of a query in the order of the text.
type times struct{ clauses []clause }

func isTime(t token) bool {
	switch t.word() {
	case "from", "to", "last":
		return true
	}
	return false
}

// time parses one clause.
func (p *parser) time() error {
	c := clause{word: p.take()}
	if p.depth > 0 {
		return p.misplaced(c.word)
	}
	w := c.word.word()
	for _, other := range p.times.clauses {
		switch o := other.word.word(); {
		case o == w:
			return p.fail(c.word, "%s is given twice", w)
		case w == "last" && o == "from", w == "from" && o == "last":
			return p.fail(c.word, "last and from both say where to begin; leave one out")
		}
	}
	var err error
	c.value = p.peek()
	switch {
	case c.value.kind != tokWord || isKeyword(c.value.word()):
		if w == "last" {
			return p.fail(c.value, "last wants a duration such as 15m, 2h or 1d, found %s", c.value)
		}
		return p.fail(c.value, "%s wants a time such as 2026-06-01T08:15, found %s", w, c.value)
	case w == "last":
		c.relative = true
		c.span, err = p.duration(p.take(), 0)
	case w == "to" && c.value.text[0] == '+':
		c.relative = true
		c.span, err = p.duration(p.take(), 1)
	default:
		c.at, err = p.moment()
	}
	p.times.clauses = append(p.times.clauses, c)
	return err
}

// duration reads 2h or 1h30m behind skip octets of t.
func (p *parser) duration(t token, skip int) (span, error) {
	var s span
	bad := func() (span, error) {
		return span{}, p.fail(t, "%s is no duration; want numbers with s, m, h, d or w, as in 15m or 1h30m", t)
	}
	text := strings.ToLower(t.text[skip:])
	if text == "" {
		return bad()
	}
	for text != "" {
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		if digits == 0 || digits == len(text) {
			return bad()
		}
		unit, ok := unitOf(text[digits])
		if !ok {
			return bad()
		}
		n, err := strconv.ParseInt(text[:digits], 10, 64)
		if err != nil || n > int64(longest/unit) || s.days > longestDays || s.clock > longest {
			return span{}, p.fail(t, "%s is longer than a hundred years", t)
		}
		if unit%day == 0 {
			s.days += int(n) * int(unit/day)
		} else {
			s.clock += time.Duration(n) * unit
		}
		text = text[digits+1:]
	}
	if s == (span{}) {
		return span{}, p.fail(t, "%s is no time at all", t)
	}
	return s, nil
}

func unitOf(c byte) (time.Duration, bool) {
	switch c {
	case 's':
		return time.Second, true
	case 'm':
		return time.Minute, true
	case 'h':
		return time.Hour, true
	case 'd':
		return day, true
	case 'w':
		return 7 * day, true
	}
	return 0, false
}

// move goes forward (sign 1) or back (-1) from t by s in the location of t.
func (s span) move(t time.Time, sign int) time.Time {
	return t.AddDate(0, 0, sign*s.days).Add(time.Duration(sign) * s.clock)
}

// moment reads a time; a date and a clock time may be two words.
func (p *parser) moment() (moment, error) {
	t := p.take()
	text := strings.ToUpper(t.text)
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		if next := p.peek(); next.kind == tokWord && isClock(next.text) {
			p.take()
			text += "T" + next.text
		}
	}
	if m, ok := unix(text); ok {
		return m, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			return moment{at, at}, nil
		}
	}
	if isClock(text) {
		if p.opts.Now.IsZero() {
			return moment{}, p.fail(t, "%s needs a date here, as in 2026-06-01T%s", t, text)
		}
		text = p.opts.Now.In(p.opts.Location).Format(time.DateOnly) + "T" + text
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return local(at, p.opts.Location), nil
		}
	}
	return moment{}, p.fail(t, "%s is no time; want 2026-06-01T08:15:00Z, 2026-06-01T08:15, 2026-06-01, 08:15, unix seconds, or +15m after to", t)
}

func isClock(text string) bool {
	for _, layout := range []string{"15:04:05", "15:04"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// unix reads seconds since the epoch with up to nine decimals. Fewer than nine
// digits are a mistake, such as a year.
func unix(text string) (moment, bool) {
	whole, decimals, _ := strings.Cut(text, ".")
	if len(whole) < 9 || len(decimals) > 9 || strings.Trim(whole+decimals, "0123456789") != "" {
		return moment{}, false
	}
	s, err := strconv.ParseInt(whole, 10, 64)
	ns, _ := strconv.ParseInt((decimals + "000000000")[:9], 10, 64)
	if err != nil || s > math.MaxInt64/2 {
		return moment{}, false
	}
	at := time.Unix(s, ns)
	return moment{at, at}, true
}

// local reads the wall time of w (in UTC) in loc, by the offsets before and
// behind it. Clocks set back make both readings true, clocks set forward none:
// then the moment is as wide as both.
func local(w time.Time, loc *time.Location) moment {
	reading := func(near time.Time) (time.Time, bool) {
		_, offset := near.In(loc).Zone()
		at := w.Add(-time.Duration(offset) * time.Second).In(loc)
		_, there := at.Zone()
		return at, there == offset
	}
	before, okBefore := reading(w.Add(-24 * time.Hour))
	behind, okBehind := reading(w.Add(24 * time.Hour))
	switch {
	case okBefore && !okBehind:
		behind = before
	case okBehind && !okBefore:
		before = behind
	}
	if behind.Before(before) {
		before, behind = behind, before
	}
	return moment{before, behind}
}

// resolve turns the clauses into from and to, in nanoseconds.
func (ts times) resolve(p *parser) (from, to int64, err error) {
	var begin, end time.Time
	var last clause
	for _, c := range ts.clauses {
		switch c.word.word() {
		case "from":
			begin = c.at.first
		case "last":
			if p.opts.Now.IsZero() {
				return 0, 0, p.fail(c.word, "last needs to know the time; write from and to")
			}
			begin = c.span.move(p.opts.Now.In(p.opts.Location), -1)
		case "to":
			last, end = c, c.at.last
		}
		if from, err = p.nanoseconds(c, begin); err != nil {
			return 0, 0, err
		}
	}
	if last.relative {
		if begin.IsZero() {
			return 0, 0, p.fail(last.value, "to %s is counted from the beginning; add from or last, or write when to end", last.value.text)
		}
		end = last.span.move(begin.In(p.opts.Location), 1)
	}
	if to, err = p.nanoseconds(last, end); err != nil {
		return 0, 0, err
	}
	if to != 0 && from >= to {
		return 0, 0, p.fail(last.value, "from %s is not before to %s; to is exclusive and may be relative, as in to +15m", normalTime(from), normalTime(to))
	}
	return from, to, nil
}

// nanoseconds of t since the epoch; of no time 0, which is open.
func (p *parser) nanoseconds(c clause, t time.Time) (int64, error) {
	if t.IsZero() {
		return 0, nil
	}
	if y := t.UTC().Year(); y < minYear || y > maxYear {
		return 0, p.fail(c.value, "%s %s is outside the years %d to %d", c.word.word(), c.value, minYear, maxYear)
	}
	return t.UnixNano(), nil
}

func normalTime(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
