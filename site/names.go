package site

import (
	"strings"

	"kagami/records"
)

// names remembers which names each client was given which addresses for: the
// questions that it asked, not what aliases led to. Bounded in sum and by
// client; the client that was silent for longest forgets first.
type names struct {
	limit   int // addresses of all clients together
	count   int
	clients *table[[16]byte, client]
	perHost int
	evicted uint64 // addresses forgotten for want of room
}

// client is one machine's memory.
type client struct{ addrs *table[[16]byte, answers] }

// answers are the names that led a client to one address, in the order in which
// it asked first.
type answers struct {
	names [maxNames]naming
	n     uint8
}

// maxNames is how many names of one address are kept for a client.
const maxNames = 4

type naming struct {
	resolved    *records.Resolved
	first, last int64 // capture times of the first and last answer
}

// newNames makes a memory. Each client has an address at least: their number
// never exceeds that of addresses.
func newNames(limit, perClient int) names {
	return names{limit: limit, perHost: perClient, clients: newTable[[16]byte, client](limit + 1)}
}

func (n *names) clear() {
	n.clients.clear()
	n.count = 0
}

// learnNames notes the addresses that an answer gave to the client that asked.
func (s *Site) learnNames(r *records.DNS, m *records.Meta) {
	if !r.Response || len(r.Resolved) == 0 || r.Name == "" || r.Name == "." || multicast(m.Key.Addr(m.Orig)) || multicast(m.Key.Addr(m.Orig.Other())) {
		return
	}
	name := &records.Resolved{Name: strings.ToLower(strings.Clone(r.Name)), Source: r.Protocol}
	for _, a := range r.Resolved {
		s.names.add(m.Key.Addr(m.Orig), a.As16(), name, r.Time)
	}
}

// add notes that a client was told an address for a name.
func (n *names) add(who, addr [16]byte, name *records.Resolved, at int64) {
	c, fresh := n.clients.at(who)
	if fresh {
		c.addrs = newTable[[16]byte, answers](n.perHost)
	}
	size, evicted := c.addrs.len(), c.addrs.evicted
	a, _ := c.addrs.at(addr)
	a.add(name, at)
	n.count += c.addrs.len() - size
	n.evicted += c.addrs.evicted - evicted
	for n.count > n.limit {
		n.forget(who)
	}
}

// asked notes the name by which a proxy asked an address, whose answer may not
// have been seen: it leads to further connections, but is no name of theirs.
func (n *names) asked(m *records.Meta, name string, at int64) {
	name = domainOf(bareName(name))
	known := name == ""
	who, addr := m.Key.Addr(m.Orig), m.Key.Addr(m.Orig.Other())
	n.each(who, addr, func(have string) { known = known || sameName(have, name) })
	if !known {
		n.add(who, addr, &records.Resolved{Name: strings.ToLower(name)}, at)
	}
}

// forget drops one address: the oldest of the client that was silent for longest,
// which is the one that asks now when there is no other.
func (n *names) forget(asking [16]byte) {
	e := n.clients.oldest()
	old := e.val.addrs.oldest()
	e.val.addrs.drop(old)
	n.count--
	n.evicted++
	if e.val.addrs.len() == 0 && e.key != asking {
		n.clients.drop(e)
	}
}

func (a *answers) add(name *records.Resolved, at int64) {
	for i := range a.names[:a.n] {
		if x := &a.names[i]; x.resolved.Name == name.Name {
			if x.resolved.Source == "" {
				x.resolved, x.first = name, at
			}
			if name.Source != "" {
				x.last = at
			}
			return
		}
	}
	if a.n == maxNames { // the one confirmed longest ago makes way
		old := 0
		for i := range a.names {
			if a.names[i].last < a.names[old].last {
				old = i
			}
		}
		copy(a.names[old:], a.names[old+1:])
		a.n--
	}
	a.names[a.n] = naming{name, at, at}
	a.n++
}

// find is the name that led a client to an address, as far as it knew then: of
// several names the one that it was told last before.
func (n *names) find(who, addr [16]byte, start int64) *records.Resolved {
	c := n.clients.get(who)
	if c == nil {
		return nil
	}
	a := c.addrs.get(addr)
	if a == nil {
		return nil
	}
	var best *records.Resolved
	var when int64
	for i := range a.names[:a.n] {
		x := &a.names[i]
		if x.resolved.Source == "" {
			continue
		}
		told := x.last
		if told > start {
			told = x.first // it was told again since; at the latest then
		}
		if told <= start && (best == nil || told >= when) {
			best, when = x.resolved, told
		}
	}
	return best
}

// each gives the names that a client was ever told an address for.
func (n *names) each(who, addr [16]byte, do func(name string)) {
	c := n.clients.peek(who)
	if c == nil {
		return
	}
	if a := c.addrs.peek(addr); a != nil {
		for i := range a.names[:a.n] {
			do(a.names[i].resolved.Name)
		}
	}
}

// multicast tells whether an IPv4-mapped address is of a group, or broadcast.
func multicast(a [16]byte) bool {
	if isV4(&a) {
		return a[12] >= 224
	}
	return a[0] == 0xff
}

func isV4(a *[16]byte) bool {
	for i, want := range [12]byte{10: 0xff, 11: 0xff} {
		if a[i] != want {
			return false
		}
	}
	return true
}
