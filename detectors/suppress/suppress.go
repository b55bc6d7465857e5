// Package suppress reads and applies the list of what is known and not to be
// told: which finding, of whom, towards what, when; and who answers for it until
// when. The same list works on findings as they come and on alerts of the past.
//
// It reads no clock: whether an entry is valid is judged by the time of the
// evidence. A finding that an entry covers is counted, not forgotten.
package suppress

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"kagami/detectors/incident"
	"kagami/records"
)

// Limits of a list.
const (
	maxText    = 1 << 20 // octets of the file
	maxEntries = 1000
)

// Subject is what an entry is compared with: of a finding, or of an alert of the
// past.
type Subject struct {
	Rule        string
	Source      netip.Addr
	SourceName  string // its host name, if known
	Destination string // "name:port", address or network
	DestAddr    netip.Addr
	DestPort    uint16
	Every       int64 // period of a beacon in nanoseconds, 0 = not known
	Level       incident.Level
}

// List is a suppression list. The zero List, and none, suppress nothing. It counts what
// matches, so it is for one goroutine.
type List struct {
	entries []entry
	offset  time.Duration // local time minus UTC
	first   int64         // time of the first question, 0 = none yet
	last    int64
}

// entry is one [[suppress]].
type entry struct {
	line          int
	rule          string // "" = any
	source, dest  pattern
	port          uint16 // 0 = any
	days          [7]bool
	window        bool
	from, to      int // minutes of the day; to < from = over midnight
	least, most   int64
	upTo          incident.Level
	owner, reason string
	until         string // as written
	expires       int64  // first moment at which it is no longer valid

	matched uint64
	latest  int64 // when it last matched
}

// pattern is an address, a network or a name.
type pattern struct {
	set    bool
	prefix netip.Prefix // for addresses and networks
	name   string       // lower case
	below  bool         // "*.name": the domain and all below
}

// Match tells whether the list covers a subject at a moment, and by which entry:
// the first that fits.
func (l *List) Match(s *Subject, at int64) (by string, ok bool) {
	if l == nil || len(l.entries) == 0 {
		return "", false
	}
	if l.first == 0 {
		l.first = at
	}
	l.last = max(l.last, at)
	to := aim{subject: s}
	to.split()
	for i := range l.entries {
		if e := &l.entries[i]; e.covers(&to, at, l.offset) {
			e.matched++
			e.latest = max(e.latest, at)
			return e.String(), true
		}
	}
	return "", false
}

// Suppressed implements incident.Suppressor.
func (l *List) Suppressed(f *incident.Finding, level incident.Level) (by string, ok bool) {
	s := Subject{Rule: f.Rule, Source: f.Source, Destination: f.Destination, DestAddr: f.DestAddr, DestPort: f.DestPort, Every: f.Every, Level: level}
	if f.Meta != nil && f.Meta.ClientHost != nil && f.Meta.Client().Addr() == f.Source {
		s.SourceName = f.Meta.ClientHost.Name.Value
	}
	return l.Match(&s, f.Until)
}

// Of is the subject of an alert.
func Of(a *records.Alert) Subject {
	s := Subject{Rule: a.Rule, Source: a.Source, Destination: a.Destination, DestAddr: a.DestAddr, DestPort: a.DestPort,
		Every: Typical(a.Histogram), Level: incident.Level(a.Severity)}
	if m := a.Meta(); m.ClientHost != nil && m.Client().Addr() == a.Source {
		s.SourceName = m.ClientHost.Name.Value
	}
	return s
}

// Typical is the middle interval of a histogram, 0 for none: the period of a beacon of
// which only the alert is left.
func Typical(bins []records.Bin) int64 {
	total := 0
	for _, b := range bins {
		total += max(b.Count, 0)
	}
	seen := 0
	for _, b := range bins {
		if seen += max(b.Count, 0); total > 0 && 2*seen >= total {
			return b.From + (b.To-b.From)/2
		}
	}
	return 0
}

// aim is a subject with its destination taken apart.
type aim struct {
	subject *Subject
	host    string // of the destination, brackets and port off
	addr    netip.Addr
	network netip.Prefix // if the destination is one
	port    uint16
}

func (a *aim) split() {
	s := a.subject
	text := s.Destination
	if i := strings.LastIndexByte(text, ':'); i >= 0 && (!strings.Contains(text[:i], ":") || text[i-1] == ']') {
		if n, err := strconv.ParseUint(text[i+1:], 10, 16); err == nil {
			text, a.port = text[:i], uint16(n)
		}
	}
	if s.DestPort != 0 {
		a.port = s.DestPort
	}
	a.host = strings.Trim(text, "[]")
	a.addr, _ = netip.ParseAddr(a.host)
	a.network, _ = netip.ParsePrefix(text)
}

func (e *entry) covers(to *aim, at int64, offset time.Duration) bool {
	s := to.subject
	switch {
	case at >= e.expires,
		e.rule != "" && e.rule != s.Rule,
		s.Level > e.upTo,
		e.most != 0 && (s.Every < e.least || s.Every > e.most),
		e.source.set && !e.source.host(s.Source, s.SourceName),
		e.port != 0 && e.port != to.port,
		e.dest.set && !e.dest.aimed(to):
		return false
	}
	return !e.window || e.within(at, offset)
}

// aimed compares with where it goes.
func (p *pattern) aimed(to *aim) bool {
	return p.named(to.host) || p.holds(to.subject.DestAddr) || p.holds(to.addr) ||
		p.holds(to.network.Addr()) && to.network.Bits() >= p.prefix.Bits()
}

// within tells whether a moment is in the entry's window. The hours after midnight
// of a window that spans it belong to the day on which it began.
func (e *entry) within(at int64, offset time.Duration) bool {
	local := time.Unix(0, at).UTC().Add(offset)
	minute, day := local.Hour()*60+local.Minute(), int(local.Weekday())
	if e.from <= e.to {
		return e.days[day] && minute >= e.from && minute < e.to
	}
	return e.days[day] && minute >= e.from || e.days[(day+6)%7] && minute < e.to
}

// host compares with a machine's address and name.
func (p *pattern) host(a netip.Addr, name string) bool {
	if p.holds(a) || p.named(name) {
		return true
	}
	short, _, _ := strings.Cut(name, ".")
	return !p.below && !strings.Contains(p.name, ".") && p.named(short)
}

func (p *pattern) holds(a netip.Addr) bool {
	return p.prefix.IsValid() && a.IsValid() && p.prefix.Contains(a.Unmap())
}

func (p *pattern) named(name string) bool {
	if p.name == "" || len(name) < len(p.name) {
		return false
	}
	rest, tail := name[:len(name)-len(p.name)], name[len(name)-len(p.name):]
	return strings.EqualFold(tail, p.name) && (rest == "" || p.below && rest[len(rest)-1] == '.')
}

// String names an entry as counters, logs and people see it.
func (e *entry) String() string { return fmt.Sprintf("line %d: %s (%s)", e.line, e.reason, e.owner) }

// Use is what an entry did so far.
type Use struct {
	Line          int
	Owner, Reason string
	Until         string // its last day
	Matched       uint64 // questions that it answered
	Latest        int64  // when it last did, nanoseconds since the epoch, 0 = never
	Expired       bool   // at the last question
}

// Uses are the entries in the order of the file.
func (l *List) Uses() []Use {
	if l == nil {
		return nil
	}
	var uses []Use
	for i := range l.entries {
		e := &l.entries[i]
		uses = append(uses, Use{e.line, e.owner, e.reason, e.until, e.matched, e.latest, l.last >= e.expires})
	}
	return uses
}

// Len is how many entries there are.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return len(l.entries)
}

const (
	soon   = int64(14 * 24 * time.Hour) // before its end, an entry's owner is reminded
	unused = int64(30 * 24 * time.Hour) // without a match, an entry is doubted
)

// Warnings say at a moment what the list's owners should look at: entries that are
// over or about to be, and those that never matched in 30 days.
func (l *List) Warnings(at int64) []string {
	if l == nil {
		return nil
	}
	var out []string
	for i := range l.entries {
		e := &l.entries[i]
		switch {
		case at >= e.expires:
			out = append(out, fmt.Sprintf("%s: expired after %s, suppresses nothing any more", e, e.until))
		case e.expires-at < soon:
			out = append(out, fmt.Sprintf("%s: expires after %s", e, e.until))
		case e.matched == 0 && l.first != 0 && at-l.first >= unused:
			out = append(out, fmt.Sprintf("%s: matched nothing in %d days", e, (at-l.first)/int64(24*time.Hour)))
		}
	}
	return out
}
