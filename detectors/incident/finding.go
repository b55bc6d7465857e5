package incident

import (
	"net/netip"

	"kagami/records"
)

// Reason is one sign for or against, with its weight. A kind counts once in an
// incident, whichever detector gives it: the one told last.
type Reason struct {
	Kind string // "rhythm", "prevalence", "age", "nameless" ...
	Nats float64
	Text Text // a sentence with its numbers, no full stop
}

// Sum adds up the weights, in nats.
func Sum(reasons []Reason) float64 {
	total := 0.0
	for i := range reasons {
		total += finite(reasons[i].Nats)
	}
	return total
}

// Finding is what one detector knows at this moment about a source and what it
// does: all of its evidence, not what was added since the last time. The Book
// keeps copies; what the pointers and slices show is the detector's own.
type Finding struct {
	Rule string        // "beacon", "direct-egress", "lateral-scan" ...
	Meta *records.Meta // of the record that raised it: the alert comes right after it

	Source netip.Addr
	// Key is of (source, destination): findings of several rules with one key are
	// one incident (census.Contact.Key). 0 is the source's own incident of that rule.
	Key         uint64
	Destination string // "name:port", address or network, from the wire and cut
	DestAddr    netip.Addr
	DestPort    uint16

	Since, Until int64 // of the evidence, nanoseconds since the epoch
	// Every is how long may pass until the detector speaks again: a beacon's
	// period. The incident is not over before four times as long.
	Every int64

	Title     Text     // one line: what happened
	Facts     []Text   // sentences with numbers, the most telling first, no full stop
	Reasons   []Reason // for and against; their sum is the rule's evidence
	Benign    Text     // why it may be benign, and whom to ask
	Technique []string // MITRE ATT&CK ids, most specific first
	Flows     *Samples // nil = the flow of Meta alone
	Histogram []records.Bin
	Chain     []string

	// Bearing is the part of the score whose growth is news, in nats: more beats of
	// the same beacon are none, a tenfold number of targets is.
	Bearing float64
}

// Level is how far an incident got.
type Level uint8

const (
	None  Level = iota
	Watch       // kept in view; told only if the configuration wants it
	Alert       // a person should look
	High        // a person should look now
)

// String is the level as alerts bear it: "watch", "alert", "high", "" for none.
func (l Level) String() string { return [...]string{"", "watch", "alert", "high"}[l&3] }

// Severity is the level as a severity.
func (l Level) Severity() records.Severity { return records.Severity(l & 3) }

// Suppressor knows what is not to be told (detectors/suppress).
type Suppressor interface {
	// Suppressed tells whether a finding is not to be told now, and by which entry.
	// It looks at Rule, Meta (host names), Source, Destination, DestAddr, DestPort,
	// Until and Every.
	Suppressed(f *Finding, level Level) (by string, ok bool)
}
