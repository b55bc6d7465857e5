package incident

import (
	"kagami/detectors/census"
	"kagami/detectors/table"
)

// Two rules may speak of one destination under keys of their own: one of the pair
// of machine and destination, another of all that a machine does, with the
// destination as its example. Whichever is told first is the incident of both.

// linksEach is how many links there may be for each incident.
const linksEach = 4

// home is the number of the incident that a rule's findings under a key go to: its
// own, or another one that it was joined to. An incident has one finding of a rule,
// so that of the same rule about another destination stays away.
func (b *Book) home(rule string, own uint64) uint64 {
	to := b.links.Get(own)
	if to == nil {
		return own
	}
	e := b.entries.Get(*to)
	if e == nil {
		return own
	}
	if p := e.find(rule); p != nil && p.own != own {
		return own
	}
	return *to
}

// about is the key that a detector of single destinations has for that of a
// finding, 0 if it has none.
func (b *Book) about(f *Finding) uint64 {
	if f.Key == 0 || f.Destination == "" {
		return 0
	}
	t, err := census.ParseTarget(f.Destination)
	if err != nil {
		return 0
	}
	return census.PairKey(b.census.Source(f.Meta), t.Destination(), t.Port)
}

// join finds the incident of a finding: where its destination was told already,
// that one.
func (b *Book) join(f *Finding, now int64) uint64 {
	own := place(f.Rule, f.Source, f.Key)
	home := b.home(f.Rule, own)
	if home != own || b.at(own, now) != nil {
		return home
	}
	about := b.about(f)
	if about == 0 || about == own {
		return own
	}
	if e := b.at(about, now); e != nil && e.told.times > 0 && e.find(f.Rule) == nil && len(e.parts) < maxParts {
		b.link(own, about)
		return about
	}
	return own
}

// bind makes what is found later about the destination of a finding that is told
// part of its incident, and takes over what was only watched until now. It reports
// whether there was such.
func (b *Book) bind(f *Finding, key uint64, e *entry) (taken bool) {
	about := b.about(f)
	if about == 0 || about == key {
		return false
	}
	if x := b.entries.Get(about); x != nil {
		if x.told.times > 0 {
			return false // two incidents were told, each for itself
		}
		for _, p := range x.parts {
			if p.nats > 0 && e.find(p.rule) == nil && len(e.parts) < maxParts {
				p.report = 0 // older than what the incident has
				e.parts, taken = append(e.parts, p), true
			}
		}
		b.entries.Remove(about)
		b.closed++
	}
	b.link(about, key)
	return taken
}

func (b *Book) link(from, to uint64) {
	at, _ := b.links.At(from)
	*at = to
}

func newLinks(entries int) *table.Table[uint64] { return table.New[uint64](linksEach * entries) }
