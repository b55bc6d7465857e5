package incident

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"kagami/records"
)

// Limits of what is kept of one rule's finding.
const (
	maxParts     = 3 // rules of one incident
	maxReasons   = 24
	maxFacts     = 16
	maxBins      = 24
	maxChain     = 16
	maxTechnique = 8
	maxText      = 2560 // octets of one text in one language
	maxTexts     = 6144 // octets of all texts of one finding
	maxWord      = 64   // octets of a rule, kind or technique
	partBehind   = maxTexts + maxReasons*64 + maxFacts*32 + maxBins*24 + SamplesBehind + maxTechnique*32 + 512
)

// entry is one incident.
type entry struct {
	id           uint64
	opened, last int64 // nanoseconds since the epoch, of the records
	source       netip.Addr
	parts        []part // of at most maxParts rules, in the order in which they came
	reports      uint32 // so far
	score        float64
	bearing      float64
	told         tale
}

// tale is when and how an incident was last told.
type tale struct {
	at        int64
	score     float64
	bearing   float64
	level     Level // the highest so far
	times     uint32
	reminders uint8 // since it last was news
}

// part is what one rule said last.
type part struct {
	rule        string
	own         uint64 // key under which the rule reports
	report      uint32 // number of the entry's report it came with
	last        int64
	nats        float64
	bearing     float64
	hushed      string // what suppresses it, "" = nothing
	asked       int64  // when that was last asked
	destination string
	addr        netip.Addr
	port        uint16

	since, until, every int64

	title, benign Text
	facts         []Text
	reasons       []Reason
	technique     []string
	flows         Samples
	histogram     []records.Bin
	chain         []string
}

// name is the incident's id as alerts bear it.
func (e *entry) name() string { return fmt.Sprintf("%016x", e.id) }

// patience is after how long a silence an incident is over.
func (e *entry) patience() int64 {
	limit := silence
	for i := range e.parts {
		limit = max(limit, e.parts[i].patience())
	}
	return limit
}

// patience is after how long without a word a rule's finding is out of date.
func (p *part) patience() int64 { return max(silence, 4*min(p.every, math.MaxInt64/4)) }

func (e *entry) find(rule string) *part {
	for i := range e.parts {
		if e.parts[i].rule == rule {
			return &e.parts[i]
		}
	}
	return nil
}

// take makes room for a rule's finding; of too many rules, the weakest goes.
func (e *entry) take(f *Finding, now int64) *part {
	e.last = now
	e.reports++
	e.parts = slices.DeleteFunc(e.parts, func(p part) bool {
		return p.rule != f.Rule && now-p.last > p.patience()
	})
	p := e.find(f.Rule)
	switch {
	case p != nil:
	case len(e.parts) < maxParts:
		e.parts = append(e.parts, part{rule: word(f.Rule)})
		p = &e.parts[len(e.parts)-1]
	default:
		weakest := 0
		for i := range e.parts {
			if e.parts[i].nats < e.parts[weakest].nats {
				weakest = i
			}
		}
		p = &e.parts[weakest]
		*p = part{rule: word(f.Rule)}
	}
	p.last, p.report, p.own = now, e.reports, place(f.Rule, f.Source, f.Key)
	return p
}

// fill copies a finding. It returns how many texts had to be cut or left out.
func (p *part) fill(f *Finding) (lost uint64) {
	room := maxTexts
	text := func(t Text) Text {
		en, ja := clip(t.EN), clip(t.JA)
		if len(t.EN) > maxText || len(t.JA) > maxText {
			lost++
		}
		if room < len(en)+len(ja) {
			lost++
			return Text{}
		}
		room -= len(en) + len(ja)
		return Text{strings.Clone(en), strings.Clone(ja)}
	}
	p.bearing, p.every = finite(f.Bearing), max(f.Every, 0)
	p.destination, p.addr, p.port = Cut(f.Destination), f.DestAddr, f.DestPort
	p.since, p.until = f.Since, max(f.Until, f.Since)
	p.title, p.benign = text(f.Title), text(f.Benign)
	p.facts = p.facts[:0]
	for _, t := range f.Facts[:min(len(f.Facts), maxFacts)] {
		if t = text(t); !t.Zero() {
			p.facts = append(p.facts, t)
		}
	}
	p.reasons = p.reasons[:0]
	p.nats = 0
	for _, r := range f.Reasons[:min(len(f.Reasons), maxReasons)] {
		r = Reason{word(r.Kind), finite(r.Nats), text(r.Text)}
		p.reasons = append(p.reasons, r)
		p.nats += r.Nats
	}
	p.technique = p.technique[:0]
	for _, t := range f.Technique[:min(len(f.Technique), maxTechnique)] {
		p.technique = append(p.technique, word(t))
	}
	p.histogram = append(p.histogram[:0], f.Histogram[:min(len(f.Histogram), maxBins)]...)
	p.chain = p.chain[:0]
	for _, c := range f.Chain[:min(len(f.Chain), maxChain)] {
		p.chain = append(p.chain, Cut(c))
	}
	if f.Flows != nil {
		p.flows = f.Flows.clone()
	} else if f.Meta != nil {
		p.flows = Samples{}
		p.flows.Add(f.Meta)
	}
	return lost
}

// clip cuts a text to maxText octets, never within a character.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	const more = "..."
	return strings.ToValidUTF8(s[:maxText-len(more)], "") + more
}

// withdraw takes back all evidence of a rule. What it said is kept for the record.
func (p *part) withdraw() { p.reasons, p.nats, p.bearing = p.reasons[:0], 0, 0 }

// silent tells that a rule has nothing to say for an incident, now.
func (p *part) silent() bool { return p.hushed != "" || p.nats <= 0 }

func word(s string) string { return strings.Clone(s[:min(len(s), maxWord)]) }

// finite keeps what is not a number from spoiling a sum.
func finite(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return max(-1e6, min(v, 1e6))
}

// fuse adds up the reasons of all rules that are not suppressed: of each kind the
// one told last.
func (e *entry) fuse() {
	e.score, e.bearing = 0, 0
	for r := range e.counting {
		e.score += r.Nats
	}
	for i := range e.parts {
		if p := &e.parts[i]; p.hushed == "" {
			e.bearing += p.bearing
		}
	}
}

// counting are the reasons that count.
func (e *entry) counting(yield func(*Reason) bool) {
	for i := range e.parts {
		p := &e.parts[i]
		for k := range p.reasons {
			if p.hushed == "" && !e.outdated(i, k) && !yield(&p.reasons[k]) {
				return
			}
		}
	}
}

// outdated tells whether a reason of the same kind was told after it.
func (e *entry) outdated(part, reason int) bool {
	p := &e.parts[part]
	kind := p.reasons[reason].Kind
	for i := range e.parts {
		q := &e.parts[i]
		if q.hushed != "" || q.report < p.report {
			continue
		}
		for k := range q.reasons {
			if q.reasons[k].Kind == kind && (q.report > p.report || i == part && k > reason) {
				return true
			}
		}
	}
	return false
}

// strongest is the evidence of the strongest rule, suppressed or not.
func (e *entry) strongest() float64 {
	nats := math.Inf(-1)
	for i := range e.parts {
		nats = max(nats, e.parts[i].nats)
	}
	return nats
}

// silenced is what suppresses the whole incident, "" = nothing does.
func (e *entry) silenced() string {
	by := ""
	for i := range e.parts {
		if e.parts[i].hushed == "" {
			return ""
		}
		by = e.parts[i].hushed
	}
	return by
}

// leading are the parts, those that are not suppressed first, then the strongest.
func (e *entry) leading() []*part {
	order := make([]*part, len(e.parts))
	for i := range e.parts {
		order[i] = &e.parts[i]
	}
	slices.SortStableFunc(order, func(a, b *part) int {
		if (a.hushed == "") != (b.hushed == "") {
			if a.hushed == "" {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.nats, a.nats)
	})
	return order
}

// news is why an incident is told.
type news uint8

const (
	nothing news = iota
	first        // not told before
	risen        // its level rose
	grown        // its bearing grew
	ongoing      // a reminder
)

// news tells whether and why an incident of that level should be told now. When
// the clock was set back, the last time does not count.
func (e *entry) news(now int64, level Level) news {
	t := &e.told
	since := now - t.at
	switch {
	case t.times == 0:
		return first
	case level > t.level:
		return risen
	case level < Alert || since > -quiet && since < quiet:
		return nothing
	case since <= -quiet:
		return ongoing
	case e.bearing >= t.bearing+regrowth:
		return grown
	case since >= weekly, level == High && since >= reminder<<t.reminders:
		return ongoing
	}
	return nothing
}

// note notes that the incident was told.
func (e *entry) note(now int64, level Level, why news) {
	t := &e.told
	t.at, t.score, t.bearing, t.level = now, e.score, e.bearing, max(t.level, level)
	t.times++
	t.reminders = min(t.reminders+1, 3)
	if why != ongoing {
		t.reminders = 0
	}
}
