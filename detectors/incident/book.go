package incident

import (
	"fmt"
	"iter"
	"net/netip"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/table"
	"kagami/records"
	"kagami/sensor"
)

// Config is the [detect.incident] section.
type Config struct {
	// Watch is the score from which an incident is kept in view, in nats. Default 8, 1 to 100.
	Watch float64 `toml:"watch"`
	// Alert is the score from which a person is told, in nats; 12 are odds of about
	// 160,000 to one. Default 12, at least watch, up to 100.
	Alert float64 `toml:"alert"`
	// High is the score from which it is urgent, in nats. Default 18, at least alert, up to 100.
	High float64 `toml:"high"`
	// Watches tells of incidents in view, too, as alerts of level "watch" and low
	// severity. Default false.
	Watches bool `toml:"watches"`
	// Entries is how many incidents are followed at a time, 36 KiB each at most.
	// Default 512, 16 to 100000.
	Entries int `toml:"entries"`
}

// Default returns the built-in settings.
func Default() Config { return Config{Watch: 8, Alert: 12, High: 18, Entries: 512} }

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	var errs []error
	score := func(key string, got, lo float64) {
		if !(got >= lo && got <= 100) { // not a number fails, too
			errs = append(errs, fmt.Errorf("detect.incident.%s: got %v, want %v to 100", key, got, lo))
		}
	}
	score("watch", c.Watch, 1)
	score("alert", c.Alert, c.Watch)
	score("high", c.High, c.Alert)
	if c.Entries < 16 || c.Entries > 1e5 {
		errs = append(errs, fmt.Errorf("detect.incident.entries: got %d, want 16 to 100000", c.Entries))
	}
	return errs
}

// Memory is the most octets that a Book takes.
func (c *Config) Memory() int64 {
	return table.Bytes[entry](c.Entries, maxParts*partBehind) + table.Bytes[uint64](linksEach*c.Entries, 0)
}

const (
	// keep is the evidence in nats from which a rule's finding is remembered: two
	// that mean nothing by themselves may together be worth watching.
	keep = 4
	// regrowth is by how much an incident must grow to be told again, in nats.
	regrowth = 6
	quiet    = int64(time.Hour)      // not told again within
	reminder = int64(24 * time.Hour) // what is urgent is told again after, if it goes on
	weekly   = 7 * reminder          // everything else
	silence  = 7 * reminder          // over after
)

// Book keeps the incidents: it adds up what the rules found about one source and
// destination, and tells when there is news. An incident is told when its score
// reaches Config.Alert; again at once when its level rises; when its bearing grew
// by 6 nats, not within an hour; and, as long as it goes on, as a reminder every
// week, of what is urgent after one, two and four days first. It is over after
// seven days of silence (or four times the pace of its source); until then
// everything about it bears the same id, even if its score fell meanwhile. What
// several rules find about one destination of a machine is one incident.
type Book struct {
	config  Config
	census  *census.Census
	hush    Suppressor
	entries *table.Table[entry]
	links   *table.Table[uint64] // from a key to the incident that it was joined to

	opened, closed, told, updates, watches, suppressed, cut uint64
}

// NewBook makes an empty book. The suppressor may be nil.
func NewBook(c Config, who *census.Census, s Suppressor) *Book {
	b := &Book{config: c, census: who, hush: s, entries: table.New[entry](c.Entries), links: newLinks(c.Entries)}
	b.entries.Spare = func(e *entry) bool { return e.told.times > 0 }
	return b
}

// place is the number of the incident that a finding belongs to.
func place(rule string, source netip.Addr, key uint64) uint64 {
	if key != 0 {
		return key
	}
	return table.Pair(table.Name(rule), table.Addr(source))
}

// Report takes what a rule knows now and tells the incident when there is news.
// It returns how far the incident got, suppressed evidence left out. A finding
// with less evidence than before takes the difference back; one with none at all
// takes back everything, and its texts do not matter.
func (b *Book) Report(f *Finding, emit sensor.Emit) Level {
	now := f.Meta.At
	key := b.join(f, now)
	e := b.at(key, now)
	if Sum(f.Reasons) < keep && (e == nil || e.find(f.Rule) == nil) {
		return None // nothing to take back
	}
	if e == nil {
		e, _ = b.entries.At(key)
		*e = entry{opened: now, id: table.Number(table.Pair(table.Name(f.Rule), key), uint64(now))}
		b.opened++
	}
	e.source = f.Source
	p := e.take(f, now)
	if Sum(f.Reasons) > 0 {
		b.cut += p.fill(f)
	} else {
		p.withdraw()
	}
	b.silencing(p, f, now)
	e.fuse()
	level := b.level(e.score)
	if e.told.times == 0 && e.strongest() < keep {
		b.entries.Remove(key)
		b.closed++
		return None
	}
	if level >= Alert && b.bind(f, key, e) {
		e.fuse()
		level = b.level(e.score)
	}
	b.tell(e, f, level, emit)
	return level
}

// at is the incident under way at a place, nil if there is none.
func (b *Book) at(key uint64, now int64) *entry {
	e := b.entries.Get(key)
	if e != nil && b.over(e, now) {
		b.entries.Remove(key)
		b.closed++
		return nil
	}
	return e
}

// over tells that nothing was heard for so long that an incident is over. Time in
// which the sensor was off or lossy does not count; when the clock was set back,
// nothing is over.
func (b *Book) over(e *entry, now int64) bool {
	limit := e.patience()
	return now-e.last > limit && now-e.last-b.census.DownFor(e.last, now) > limit
}

// silencing asks whether the finding is suppressed.
func (b *Book) silencing(p *part, f *Finding, now int64) {
	was := p.hushed
	p.hushed, p.asked = "", now
	if b.hush == nil || p.nats < keep {
		return
	}
	by, ok := b.hush.Suppressed(f, b.level(p.nats))
	if !ok {
		return
	}
	if p.hushed = Cut(by); by == "" {
		p.hushed = "suppressed"
	}
	if was == "" && b.level(p.nats) >= Alert {
		b.suppressed++
	}
}

// level is how far a score gets.
func (b *Book) level(score float64) Level {
	switch {
	case score >= b.config.High:
		return High
	case score >= b.config.Alert:
		return Alert
	case score >= b.config.Watch:
		return Watch
	}
	return None
}

// tell writes the alert if there is news.
func (b *Book) tell(e *entry, f *Finding, level Level, emit sensor.Emit) {
	if level == None || level == Watch && !b.config.Watches {
		return
	}
	why := e.news(f.Meta.At, level)
	if why == nothing {
		return
	}
	a := b.alert(e, f, level, why)
	e.note(f.Meta.At, level, why)
	switch {
	case level == Watch:
		b.watches++
	case e.told.times == 1:
		b.told++
	default:
		b.updates++
	}
	emit(a)
}

// Wants tells whether reporting a score now would change anything. Asked before
// the texts of a finding are made, it saves them; where it says no, it notes that
// the incident goes on.
func (b *Book) Wants(rule string, source netip.Addr, key uint64, nats float64, at int64) bool {
	e := b.at(b.home(rule, place(rule, source, key)), at)
	if e == nil {
		return nats >= keep
	}
	p := e.find(rule)
	if p == nil {
		return nats >= keep
	}
	change := nats - p.nats
	if change >= 1 || change <= -1 {
		return true
	}
	if p.hushed != "" && (at-p.asked >= quiet || at < p.asked) { // it may have expired
		return true
	}
	if p.hushed == "" {
		level := b.level(e.score)
		if b.level(e.score+change) != level || level >= Alert && e.news(at, level) != nothing {
			return true
		}
	}
	e.last, p.last, p.until = at, at, max(p.until, at)
	return false
}

// Known tells whether an incident has evidence of a rule: when that evidence is
// gone, the rule must report what is left.
func (b *Book) Known(rule string, source netip.Addr, key uint64) bool {
	e := b.entries.Get(b.home(rule, place(rule, source, key)))
	return e != nil && e.find(rule) != nil
}

// Allowed tells whether a suppression covers what a machine does at a moment, as
// that of a vulnerability scanner in its window: it is no evidence of anything.
func (b *Book) Allowed(rule string, m *records.Meta, source netip.Addr, name string, dest netip.AddrPort, at int64) bool {
	if b.hush == nil {
		return false
	}
	f := Finding{Rule: rule, Meta: m, Source: source, Destination: name, DestAddr: dest.Addr(), DestPort: dest.Port(), Since: at, Until: at}
	_, ok := b.hush.Suppressed(&f, Alert)
	return ok
}

// Counter is one number of the book's bookkeeping.
type Counter = census.Counter

// Counters are the book's numbers, always in the same order.
func (b *Book) Counters() []Counter {
	return []Counter{
		{Name: "open", Value: uint64(b.entries.Len())}, {Name: "evicted", Value: b.entries.Evicted()},
		{Name: "opened", Value: b.opened}, {Name: "closed", Value: b.closed},
		{Name: "told", Value: b.told}, {Name: "updates", Value: b.updates}, {Name: "watches", Value: b.watches},
		{Name: "suppressed", Value: b.suppressed}, {Name: "texts_cut", Value: b.cut},
	}
}

// Incident is what the book knows of one incident.
type Incident struct {
	Key         uint64 // for Explain
	ID          string // as its alerts bear it
	Level       Level  // now
	Told        Level  // at most so far; None = nobody was told
	Updates     int    // alerts so far
	Score       float64
	Rules       []string // the strongest first
	Source      netip.Addr
	Destination string
	DestAddr    netip.Addr
	DestPort    uint16
	Title       Text
	Opened      int64 // nanoseconds since the epoch
	Last        int64
	ToldAt      int64  // 0 = never
	Suppressed  string // what keeps it from being told, "" = nothing
}

// Open are the incidents under way at a moment, those that are only watched
// included, in an order that is the same in every run.
func (b *Book) Open(now int64) iter.Seq[Incident] {
	return func(yield func(Incident) bool) {
		for key, e := range b.entries.All() {
			if b.over(e, now) || b.level(e.score) == None && e.told.times == 0 && e.silenced() == "" {
				continue
			}
			if !yield(b.snapshot(key, e)) {
				return
			}
		}
	}
}

func (b *Book) snapshot(key uint64, e *entry) Incident {
	order := e.leading()
	lead := order[0]
	i := Incident{Key: key, ID: e.name(), Level: b.level(e.score), Told: e.told.level, Updates: int(e.told.times), Score: e.score,
		Source: e.source, Destination: lead.destination, DestAddr: lead.addr, DestPort: lead.port, Title: lead.title,
		Opened: e.opened, Last: e.last, ToldAt: e.told.at, Suppressed: e.silenced()}
	for _, p := range order {
		i.Rules = append(i.Rules, p.rule)
	}
	return i
}
