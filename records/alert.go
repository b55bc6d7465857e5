package records

import (
	"net/netip"
	"strings"
)

// Alert is what a detector found. It stands for one incident: a source and
// what it did, not for one packet.
type Alert struct {
	meta Meta

	Rule     string // detector: "beacon", "direct-egress", "lateral-scan", "port-scan", "drive-by", "executable-download"
	Title    string // one line: what happened
	Severity Severity
	Score    float64 // evidence in nats (natural logarithm of the odds)

	Source      netip.Addr // who
	Destination string     // towards what: "name:port", address, or network
	DestAddr    netip.Addr // its address, if there is one
	DestPort    uint16

	Since, Until int64    // of the evidence, nanoseconds since the epoch
	Evidence     []string // plain sentences with numbers
	Benign       string   // why it may be benign
	Advice       string   // what to do first
	Technique    []string // MITRE ATT&CK ids, most specific first
	Flows        []string // ids of sample flows (event.id's first part), at most 16
	Communities  []string // their community ids
	Window       Window   // what the sensor could see between Since and Until
	Fetch        string   // the command that fetches its packets, "" when none are kept

	Incident                    string   // id of what is told, the same in all its updates; "" = each alert stands alone
	Update                      int      // 1 = it is told for the first time
	Level                       string   // "watch", "alert" or "high"
	Histogram                   []Bin    // of the intervals of a rhythm
	Chain                       []string // the steps that led to it, in order of time: sentences
	EvidenceJA                  []string // the same in Japanese: one for each of Evidence, or none
	TitleJA, BenignJA, AdviceJA string   // "" = not translated
}

// Bin is one bar of a histogram of durations.
type Bin struct {
	From, To int64 // nanoseconds, To excluded
	Count    int
}

// Window is the visibility of a span of time.
type Window struct {
	Flows    uint64 // flows that ended in it
	OneSided uint64
	Missed   uint64 // TCP payload octets never seen
	Dropped  uint64 // frames the kernel dropped

	Duplicates uint64 // packets that the mirror port delivered twice
	ClockSteps uint64 // times the capture's clock was set back
}

// Severity is of three steps.
type Severity uint8

const (
	Low    Severity = 1
	Medium Severity = 2
	High   Severity = 3
)

func (s Severity) String() string { return [...]string{"", "low", "medium", "high"}[s&3] }

// NewAlert returns an alert raised by the record that bears m: it takes over
// its place in the order of the output, right after it.
func NewAlert(m Meta) *Alert { m.Kind = KindAlert; return &Alert{meta: m} }

// Meta implements Record.
func (r *Alert) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *Alert) AppendFields(dst []Field) []Field {
	f, own := Fields(dst), r.told()
	m := &own
	m.event(&f, Event{Kind: "alert", Category: categoryAlert, Type: typeIndicator, Action: r.Rule,
		Reason: r.Title, Start: r.Since, End: r.Until, Severity: int64(r.Severity) * 25})
	f.Str("message", r.Title)
	f.Str("network.community_id", m.CommunityID)
	f.Str("network.direction", m.Direction())
	f.Str("network.transport", Transport(m.Key.Proto))
	f.Str("network.type", m.NetworkType())
	f.Str("source.domain", m.ClientHost.name())
	f.IP("source.ip", r.Source)
	f.Str("source.user.name", m.ClientHost.user())
	f.Str("destination.address", r.Destination)
	f.Str("destination.domain", r.Domain())
	f.IP("destination.ip", r.DestAddr)
	f.Count("destination.port", uint64(r.DestPort))
	f.Str("rule.category", "kagami")
	f.Str("rule.name", r.Rule)
	f.Strs("threat.technique.id", r.Technique)
	at := f.open(List, "related.ip")
	f.element(r.Source)
	f.IP("", r.DestAddr)
	f.close(at)
	f.Str("kagami.alert.advice", r.Advice)
	f.Str("kagami.alert.advice_ja", r.AdviceJA)
	f.Str("kagami.alert.benign", r.Benign)
	f.Str("kagami.alert.benign_ja", r.BenignJA)
	f.Strs("kagami.alert.chain", r.Chain)
	f.Strs("kagami.alert.community_ids", r.Communities)
	f.Strs("kagami.alert.evidence", r.Evidence)
	f.Strs("kagami.alert.evidence_ja", r.EvidenceJA)
	f.Str("kagami.alert.fetch", r.Fetch)
	f.Strs("kagami.alert.flow_ids", r.Flows)
	r.histogram(&f)
	f.Str("kagami.alert.incident", r.Incident)
	f.Str("kagami.alert.level", r.Level)
	f.Float("kagami.alert.score", r.Score)
	f.Str("kagami.alert.severity", r.Severity.String())
	f.Str("kagami.alert.title_ja", r.TitleJA)
	f.Count("kagami.alert.update", uint64(r.Update))
	f.Int("kagami.alert.window.clock_steps", int64(r.Window.ClockSteps))
	f.Int("kagami.alert.window.dropped", int64(r.Window.Dropped))
	f.Int("kagami.alert.window.duplicates", int64(r.Window.Duplicates))
	f.Int("kagami.alert.window.flows", int64(r.Window.Flows))
	f.Int("kagami.alert.window.missed_bytes", int64(r.Window.Missed))
	f.Int("kagami.alert.window.one_sided", int64(r.Window.OneSided))
	m.tail(&f)
	return f
}

// Domain is the name of the destination without its port, "" if it has none.
func (r *Alert) Domain() string {
	host, _, _ := strings.Cut(r.Destination, ":")
	if strings.Count(r.Destination, ":") > 1 || strings.Trim(host, "0123456789./") == "" {
		return "" // an address or a network
	}
	return host
}

// histogram appends the bars of the intervals, in order.
func (r *Alert) histogram(f *Fields) {
	mark := Begin
	for _, b := range r.Histogram {
		f.Mark(mark, "kagami.alert.histogram")
		mark = Next
		f.Int("count", int64(b.Count))
		f.Int("from", b.From)
		f.Int("to", b.To)
	}
	if mark != Begin {
		f.Mark(End, "kagami.alert.histogram")
	}
}

// told is the header with what it tells of the alert's own source and
// destination: the record that raised it may be of others.
func (r *Alert) told() Meta {
	m := r.meta
	if m.Client().Addr() != r.Source {
		m.ClientHost = nil
	}
	if m.Server().Addr() != r.DestAddr {
		m.ServerHost = nil
	}
	m.Resolved, m.NameSource, m.Workstations = nil, "", nil
	return m
}

var (
	categoryAlert = []string{"network", "intrusion_detection"}
	typeIndicator = []string{"info"}
)
