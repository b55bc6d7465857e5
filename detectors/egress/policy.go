package egress

import (
	"math"

	"kagami/detectors/incident"
	"kagami/detectors/state"
)

// host is a machine inside as far as its ways outside go.
type host struct {
	through [ways]uint32 // connections through the proxy, queries to name servers inside, mail to relays inside
	direct  [ways]uint32 // destinations contacted around them
	latched [ways]bool   // it had no other way when enough was known
	active  [ways]int64  // number of the last day with a connection through it
	leaked  [ways]int64  // number of the last day with a new direct destination
	list    []excursion  // at most maxExcursions, the oldest first
	beyond  int          // destinations that found no room, or lost theirs
	told    bool         // somebody was
	last    int64        // when a new destination was news for the last time
	bearing float64      // of the incident
	flows   incident.Samples
}

// discipline is how strictly a place keeps to one way outside: on how many days
// a machine that uses it left it for a new destination.
type discipline struct {
	days, leaks float64 // of machines, old ones fading
	day         int64
}

const (
	disciplineMemory = 28.0 // days after which what was counts 1/e
	strictly         = 3.0  // nats for a place where it does not happen
	laxly            = -6.0 // for one where it happens every day
)

// turn goes on to a day.
func (p *discipline) turn(day int64) {
	if day > p.day {
		if p.day != 0 {
			fade := math.Exp(-float64(min(day-p.day, 1000)) / disciplineMemory)
			p.days, p.leaks = p.days*fade, p.leaks*fade
		}
		p.day = day
	}
}

// pass notes a connection by the way meant for it.
func (h *host) pass(w way, p *discipline, day int64) {
	p.turn(day)
	h.through[w] = min(h.through[w]+1, math.MaxInt32)
	if h.active[w] != day {
		h.active[w] = day
		p.days++
	}
}

// leave notes a new destination around it.
func (h *host) leave(w way, p *discipline, day int64) {
	p.turn(day)
	h.direct[w] = min(h.direct[w]+1, math.MaxInt32)
	if h.through[w] > 0 && h.leaked[w] != day {
		h.leaked[w] = day
		p.leaks++
	}
}

// bound tells whether a machine has no other way. It stays so until it was
// directed otherwise: most of its connections are direct.
func (h *host) bound(w way, c *Config) bool {
	through, direct := int(h.through[w]), int(h.direct[w])
	switch {
	case h.latched[w]:
		h.latched[w] = through > direct
	case through >= c.MinProxied:
		h.latched[w] = share(through, direct) >= c.ProxyShare
	}
	return h.latched[w]
}

// share is that of the way meant for it. Direct contacts count by destination:
// one program that calls one server often must not make its machine a direct user.
func share(through, direct int) float64 { return float64(through) / float64(max(through+direct, 1)) }

// surprise is how unexpected, in nats, a direct contact is after so many
// connections by the way meant for it (Krichevsky-Trofimov estimate), at most 8.
func surprise(through uint32) float64 { return min(8, -math.Log(0.5/float64(through+1))) }

// strict is what the discipline of all others says about one machine's direct
// contact, in nats: full marks where one machine-day in ten sees one at most.
// known is how much of the place's learning is over, from 0 to 1: without it,
// discipline is no evidence, but its absence is.
func (p *discipline) strict(h *host, w way, known float64) float64 {
	days, leaks := p.days, p.leaks
	if h.active[w] == p.day {
		days--
	}
	if h.leaked[w] == p.day {
		leaks--
	}
	nats := -math.Log((max(leaks, 0) + 0.5) / (max(days, leaks, 0) + 1))
	const full, none = 2.3, 0.2
	s := laxly + (strictly-laxly)*(nats-none)/(full-none)
	return max(laxly, min(s, strictly*known))
}

func (h *host) save(e *state.Encoder) {
	for w := range ways {
		e.Uint(uint64(h.through[w]))
		e.Uint(uint64(h.direct[w]))
		e.Bool(h.latched[w])
		e.Int(h.active[w])
		e.Int(h.leaked[w])
	}
	e.Uint(uint64(len(h.list)))
	for i := range h.list {
		h.list[i].save(e)
	}
	e.Uint(uint64(h.beyond))
	e.Bool(h.told)
	e.Int(h.last)
	e.Float(h.bearing)
	h.flows.Save(e)
}

func (h *host) load(d *state.Decoder) {
	*h = host{}
	for w := range ways {
		h.through[w], h.direct[w] = uint32(count(d)), uint32(count(d))
		h.latched[w] = d.Bool()
		h.active[w], h.leaked[w] = d.Int(), d.Int()
	}
	for range d.Len(maxExcursions) {
		h.list = append(h.list, excursion{})
		h.list[len(h.list)-1].load(d)
	}
	h.beyond, h.told, h.last, h.bearing = count(d), d.Bool(), d.Int(), d.Float()
	h.flows.Load(d)
}
