package suppress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"kagami/detectors/incident"
)

// Parse reads a list in TOML:
//
//	utc_offset = "9h"               # of the hours and days below; default "0s"
//
//	[[suppress]]
//	rule = "lateral-scan"           # default: any
//	source = "10.0.5.7"             # address, network, host name or "*.domain"; default: any
//	destination = "10.1.0.0/16"     # the same, with ":443" at its end for a port, or ":443" alone
//	between = ["22:00", "02:00"]    # only then; over midnight if need be
//	days = ["sat", "sun"]           # on which the window begins; default: all
//	period = "5m..7m"               # beacons of that period only
//	up_to = "alert"                 # tell it if it becomes urgent; default "high": never
//	owner = "it-ops"                # who answers for it
//	reason = "weekly vulnerability scan"
//	expires = 2027-03-31            # the last day
//
// Owner, reason, expires and one of rule, source and destination are needed. It
// returns every mistake with its line; an entry with a mistake is left out.
func Parse(text []byte) (*List, []error) {
	l := new(List)
	if len(text) > maxText {
		return l, []error{fmt.Errorf("the list has %d octets, at most %d are read", len(text), maxText)}
	}
	p := parser{lines: strings.Split(string(text), "\n")}
	var root map[string]any
	if _, err := toml.Decode(string(text), &root); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return l, []error{fmt.Errorf("line %d: %s", syntax.Position.Line, syntax.Message)}
		}
		return l, []error{err}
	}
	p.root(l, root)
	for i := range l.entries {
		l.entries[i].expires -= int64(l.offset)
	}
	slices.SortStableFunc(p.wrong, func(a, b mistake) int { return a.line - b.line })
	var errs []error
	for _, m := range p.wrong {
		errs = append(errs, m)
	}
	return l, errs
}

// mistake is one thing wrong with a list.
type mistake struct {
	line int
	text string
}

func (m mistake) Error() string { return fmt.Sprintf("line %d: %s", m.line, m.text) }

type parser struct {
	lines []string
	start int // line of the entry at hand, from 1; 0 = before the first
	end   int // line after it
	wrong []mistake
}

func (p *parser) root(l *List, root map[string]any) {
	for _, key := range sorted(root) {
		v := root[key]
		switch key {
		case "utc_offset":
			p.start, p.end = 0, len(p.lines)+1
			l.offset = p.duration(key, v, -14*time.Hour, 14*time.Hour)
		case "suppress":
			tables, ok := v.([]map[string]any)
			if !ok {
				p.bad(key, "want tables [[suppress]]")
				continue
			}
			l.entries = p.entries(tables)
		default:
			p.bad(key, "unknown, want utc_offset or [[suppress]]")
		}
	}
}

func (p *parser) entries(tables []map[string]any) []entry {
	var out []entry
	if len(tables) > maxEntries {
		p.bad("suppress", fmt.Sprintf("%d entries, at most %d", len(tables), maxEntries))
		return nil
	}
	starts := p.headers()
	for i, t := range tables {
		p.start, p.end = 1, len(p.lines)+1
		if len(starts) == len(tables) {
			p.start = starts[i]
			if i+1 < len(starts) {
				p.end = starts[i+1]
			}
		}
		before := len(p.wrong)
		e := p.entry(t)
		if len(p.wrong) == before {
			out = append(out, e)
		}
	}
	return out
}

// headers are the lines on which entries begin. A text that has such a line within
// a value is numbered by its first line.
func (p *parser) headers() []int {
	var at []int
	for i, line := range p.lines {
		line, _, _ = strings.Cut(line, "#")
		if strings.Join(strings.Fields(line), "") == "[[suppress]]" {
			at = append(at, i+1)
		}
	}
	return at
}

// bad notes what is wrong with a key of the entry at hand, with its line.
func (p *parser) bad(key, text string) {
	line := max(p.start, 1)
	for i := line; i < max(p.end, line+1) && i <= len(p.lines); i++ {
		name, _, ok := strings.Cut(p.lines[i-1], "=")
		if ok && strings.Trim(strings.TrimSpace(name), `"'`) == key {
			line = i
			break
		}
	}
	p.wrong = append(p.wrong, mistake{line, key + ": " + text})
}

func (p *parser) entry(t map[string]any) entry {
	e := entry{line: p.start, upTo: incident.High}
	for i := range e.days {
		e.days[i] = true
	}
	for _, key := range sorted(t) {
		p.setting(&e, key, t[key])
	}
	for _, key := range []string{"owner", "reason", "expires"} {
		if _, ok := t[key]; !ok {
			p.bad(key, "missing: an entry needs owner, reason and expires")
		}
	}
	if t["rule"] == nil && t["source"] == nil && t["destination"] == nil {
		p.bad("suppress", "suppresses everything: give it a rule, a source or a destination")
	}
	if t["days"] != nil && t["between"] == nil {
		e.window, e.from, e.to = true, 0, 24*60
	}
	return e
}

func (p *parser) setting(e *entry, key string, v any) {
	switch key {
	case "rule":
		e.rule = p.text(key, v)
	case "source":
		e.source = p.pattern(key, p.text(key, v))
	case "destination":
		e.dest, e.port = p.destination(key, p.text(key, v))
	case "between":
		e.window = true
		e.from, e.to = p.between(key, v)
	case "days":
		e.days = p.days(key, v)
	case "period":
		e.least, e.most = p.period(key, v)
	case "up_to":
		e.upTo = p.level(key, v)
	case "owner":
		e.owner = p.text(key, v)
	case "reason":
		e.reason = p.text(key, v)
	case "expires":
		e.until, e.expires = p.expires(key, v)
	default:
		p.bad(key, "unknown, want rule, source, destination, between, days, period, up_to, owner, reason or expires")
	}
}

func (p *parser) text(key string, v any) string {
	s, ok := v.(string)
	if s = strings.TrimSpace(s); !ok || s == "" {
		p.bad(key, "want a text in quotes")
	}
	return s
}

// pattern reads an address, a network or a name.
func (p *parser) pattern(key, s string) pattern {
	if s == "" {
		return pattern{}
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		a = a.Unmap().WithZone("")
		return pattern{set: true, prefix: netip.PrefixFrom(a, a.BitLen())}
	}
	if n, err := netip.ParsePrefix(s); err == nil {
		return pattern{set: true, prefix: n.Masked()}
	}
	name, below := strings.CutPrefix(strings.ToLower(strings.TrimSuffix(s, ".")), "*.")
	if !hostName(name) {
		p.bad(key, fmt.Sprintf("got %q, want an address, a network such as 10.0.0.0/8, a name or \"*.name\"", s))
	}
	return pattern{set: true, name: name, below: below}
}

// hostName tells whether a text may be a name: what looks like an address that was
// mistyped is none.
func hostName(s string) bool {
	letters := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c == '-', c == '_', c >= 0x80:
			letters = true
		case c >= '0' && c <= '9':
		case c != '.' || i == 0 || s[i-1] == '.':
			return false
		}
	}
	return letters && len(s) <= 253
}

func (p *parser) destination(key, s string) (pattern, uint16) {
	host, port, bracketed := s, "", strings.HasPrefix(s, "[")
	switch i := strings.LastIndexByte(s, ':'); {
	case i < 0, bracketed && s[i-1] != ']', !bracketed && strings.Contains(s[:i], ":"):
	default:
		host, port = s[:i], s[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			p.bad(key, fmt.Sprintf("got port %q, want 1 to 65535", port))
			return pattern{}, 0
		}
		return p.pattern(key, host), uint16(n)
	}
	return p.pattern(key, host), 0
}

func (p *parser) list(key string, v any) []string {
	items, ok := v.([]any)
	var out []string
	for _, i := range items {
		s, is := i.(string)
		ok = ok && is
		out = append(out, strings.TrimSpace(s))
	}
	if !ok || len(out) == 0 {
		p.bad(key, "want a list of texts")
		return nil
	}
	return out
}

func (p *parser) between(key string, v any) (from, to int) {
	hours := p.list(key, v)
	if hours == nil {
		return 0, 0
	}
	if len(hours) != 2 {
		p.bad(key, "want two times of day, [\"22:00\", \"02:00\"]")
		return 0, 0
	}
	var minutes [2]int
	for i, h := range hours {
		if h == "24:00" && i == 1 {
			minutes[i] = 24 * 60
			continue
		}
		t, err := time.Parse("15:04", h)
		if err != nil {
			p.bad(key, fmt.Sprintf("got %q, want a time of day such as \"22:00\"", h))
			return 0, 0
		}
		minutes[i] = t.Hour()*60 + t.Minute()
	}
	if minutes[0] == minutes[1] {
		p.bad(key, "the window is empty")
	}
	return minutes[0], minutes[1]
}

func (p *parser) days(key string, v any) (days [7]bool) {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	for _, d := range p.list(key, v) {
		i := slices.Index(names, strings.ToLower(d))
		if i < 0 {
			p.bad(key, fmt.Sprintf("got %q, want sun, mon, tue, wed, thu, fri or sat", d))
			return days
		}
		days[i] = true
	}
	return days
}

func (p *parser) period(key string, v any) (least, most int64) {
	from, to, ok := strings.Cut(p.text(key, v), "..")
	a, err1 := time.ParseDuration(from)
	b, err2 := time.ParseDuration(to)
	if !ok || err1 != nil || err2 != nil || a < 0 || b <= 0 || a > b {
		p.bad(key, fmt.Sprintf("got %q, want shortest..longest such as \"5m..7m\"", v))
		return 0, 0
	}
	return int64(a), int64(b)
}

func (p *parser) level(key string, v any) incident.Level {
	for _, l := range []incident.Level{incident.Watch, incident.Alert, incident.High} {
		if v == l.String() {
			return l
		}
	}
	p.bad(key, fmt.Sprintf("got %q, want watch, alert or high", fmt.Sprint(v)))
	return incident.High
}

func (p *parser) duration(key string, v any, least, most time.Duration) time.Duration {
	s, _ := v.(string)
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most {
		p.bad(key, fmt.Sprintf("got %q, want %s to %s", fmt.Sprint(v), least, most))
		return 0
	}
	return d
}

// expires reads the last day of an entry: a date of TOML or the same in quotes.
// The moment is in UTC: Parse takes off utc_offset when it is known.
func (p *parser) expires(key string, v any) (until string, end int64) {
	day, ok := v.(time.Time)
	if s, is := v.(string); is {
		var err error
		day, err = time.Parse(time.DateOnly, s)
		ok = err == nil
	}
	if !ok || day.Year() < 1970 || day.Year() > 2200 {
		p.bad(key, fmt.Sprintf("got %q, want a day such as 2027-03-31", fmt.Sprint(v)))
		return "", 0
	}
	y, m, d := day.Date()
	return day.Format(time.DateOnly), time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC).UnixNano()
}

// sorted are the keys of a table in an order that is the same in every run.
func sorted(t map[string]any) []string {
	keys := make([]string, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
