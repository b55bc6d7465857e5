package detectors

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"kagami/records"
)

const (
	maxQuoted  = 200 // octets of a name from the wire in a sentence
	maxSamples = 16  // flows and targets named in one alert
)

// quote makes a string from the wire safe to stand in a sentence: in quotation
// marks, ASCII, control characters escaped, cut to about maxQuoted octets.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// cut shortens a string from the wire that is kept or stands in a field of its
// own, which exporters escape. It copies, so that the record can be freed.
func cut(s string) string { return strings.Clone(s[:min(len(s), maxQuoted)]) }

// reason is one sign for or against, with its weight in nats.
type reason struct {
	nats float64
	text string
}

func sum(s []reason) float64 {
	total := 0.0
	for _, x := range s {
		total += x.nats
	}
	return total
}

// appendReasons writes the reasons as sentences, the strongest first.
func appendReasons(dst []string, s []reason) []string {
	slices.SortStableFunc(s, func(x, y reason) int { return cmp.Compare(y.nats, x.nats) })
	for _, x := range s {
		dst = append(dst, fmt.Sprintf("%+.1f nats: %s", x.nats, x.text))
	}
	return dst
}

// samples are the first flows that bear out an alert.
type samples struct {
	uids  [maxSamples]uint64
	n     uint8
	alike []string // their community ids, distinct
}

// add notes the flow of m once.
func (s *samples) add(m *records.Meta) {
	for _, u := range s.uids[:s.n] {
		if u == m.UID {
			return
		}
	}
	if int(s.n) == maxSamples {
		return
	}
	s.uids[s.n] = m.UID
	s.n++
	if m.CommunityID == "" {
		return
	}
	for _, c := range s.alike {
		if c == m.CommunityID {
			return
		}
	}
	s.alike = append(s.alike, m.CommunityID)
}

// into writes the flows to an alert; the alert keeps copies.
func (s *samples) into(a *records.Alert) {
	for _, u := range s.uids[:s.n] {
		m := records.Meta{UID: u}
		a.Flows = append(a.Flows, m.FlowID())
	}
	a.Communities = append([]string(nil), s.alike...)
}

// raised says when an incident was last told, and at which score: an incident
// is told again when its score grew by regrowth, but not within quiet, or after
// reminder.
type raised struct {
	at    int64
	score float64
}

const (
	regrowth = 6 // nats
	quiet    = int64(time.Hour)
	reminder = int64(24 * time.Hour)
)

// due reports whether an incident of that score should be told now, and notes
// it. When the clock was set back, the last time does not count.
func (r *raised) due(now int64, score float64) bool {
	since := now - r.at
	known := r.at != 0 && since > -quiet
	if known && (since < quiet || since < reminder && score < r.score+regrowth) {
		return false
	}
	r.at, r.score = now, score
	return true
}

func severity(score float64) records.Severity {
	switch {
	case score >= highScore:
		return records.High
	case score >= alertScore:
		return records.Medium
	}
	return records.Low
}

// span writes a duration for people: two units at most.
func span(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 0, 64) + " s"
	case d < 2*time.Hour:
		return strconv.FormatFloat(d.Minutes(), 'f', 1, 64) + " min"
	case d < 72*time.Hour:
		return strconv.FormatFloat(d.Hours(), 'f', 1, 64) + " h"
	}
	return strconv.FormatFloat(d.Hours()/24, 'f', 1, 64) + " days"
}

func clock(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05Z") }

// endpointText is "name:port", or "address:port" with IPv6 in brackets.
func endpointText(name string, addr netip.Addr, port uint16) string {
	if name == "" {
		return netip.AddrPortFrom(addr, port).String()
	}
	return fmt.Sprintf("%s:%d", cut(name), port)
}
