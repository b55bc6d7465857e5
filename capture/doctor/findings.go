package doctor

import (
	"fmt"
	"slices"
)

// Severity says what a finding means for the verdict.
type Severity uint8

const (
	OK   Severity = iota // for information
	Warn                 // detection has gaps
	Bad                  // detection does not work
)

// String is the severity's name: ok, warn, bad.
func (s Severity) String() string { return [...]string{"ok", "warn", "bad"}[min(s, Bad)] }

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing that is worth knowing about a mirror port.
type Finding struct {
	ID       string   `json:"id"` // one word; docs/DOCTOR.md describes each
	Severity Severity `json:"severity"`
	Value    float64  `json:"value"` // the number that decided, in Unit
	Unit     string   `json:"unit"`  // percent, count, octets, seconds
	Found    string   `json:"found"` // what was seen
	Means    string   `json:"means"` // for detection
	Mend     []string `json:"mend"`  // what to do, a step or a make of switch a line
}

// rule turns facts into a finding. ok is false when there is none.
type rule func(*Facts) (f Finding, ok bool)

// Diagnose judges facts. Findings come by severity, the worst first.
func Diagnose(f Facts) Report {
	r := Report{Facts: f, Findings: []Finding{}}
	first := []rule{nothingSeen, noMirror}
	mirror := []rule{oneWay, missed, networksUnseen, loneHost, unreadable, cutByCapture, cutByMirror, merged, duplicates, reordered}
	always := []rule{kernelDrops, cardDrops, cardErrors, unwanted, clockStep, clockFree, clockOffset,
		remoteMirror, vlansSeen, tunnelsSeen, clockAgrees}
	r.apply(first)
	if len(r.Findings) == 0 { // without a mirror port there is nothing to say about its quality
		r.apply(mirror)
	}
	r.apply(always)
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
	r.Verdict = usable
	if len(r.Findings) > 0 {
		r.Verdict = Verdict(r.Findings[0].Severity)
	}
	return r
}

func (r *Report) apply(rules []rule) {
	for _, rule := range rules {
		if x, ok := rule(&r.Facts); ok {
			r.Findings = append(r.Findings, x)
		}
	}
}

// share is part of all, 0 if there are none.
func share(part, all uint64) float64 {
	if all == 0 {
		return 0
	}
	return min(float64(part)/float64(all), 1)
}

// grade is the severity of a share between two thresholds; OK means none.
func grade(part, all uint64, warn, bad float64) (s float64, sev Severity) {
	s = share(part, all)
	switch {
	case part < minCount || s < warn:
		return s, OK
	case s < bad:
		return s, Warn
	}
	return s, Bad
}

// never is a threshold that no share reaches.
const never = 2

// finding makes one whose number is a share.
func finding(id string, sev Severity, s float64, found string) Finding {
	f := Finding{ID: id, Severity: sev, Value: s * 100, Unit: "percent", Found: found}
	f.Means, f.Mend = advice(id)
	return f
}

// number makes one whose number is no share.
func number(id string, sev Severity, n float64, unit, found string) Finding {
	f := Finding{ID: id, Severity: sev, Value: n, Unit: unit, Found: found}
	f.Means, f.Mend = advice(id)
	return f
}

// percent is a share as people read it: never 0 for something, never 100 for
// less than all.
func percent(s float64) string {
	switch p := s * 100; {
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f %%", p)
	case p < 0.01:
		return "less than 0.01 %"
	case p < 1:
		return fmt.Sprintf("%.2f %%", p)
	case p > 99.9:
		return "more than 99.9 %"
	default:
		return fmt.Sprintf("%.1f %%", p)
	}
}

// number of things in the middle of a sentence.
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
