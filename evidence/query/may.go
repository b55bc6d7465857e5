package query

import (
	"math"
	"sort"

	"kagami/packet"
)

// TermKind is what a Term is about.
type TermKind uint8

const (
	TermAddr   TermKind = iota // Addr is one of the two hosts
	TermPort                   // Port is one of the two ports
	TermFlow                   // Key is the flow's
	TermFlowID                 // ID is the flow's Community ID
)

// Term is a question to a segment's filter.
type Term struct {
	Kind TermKind
	Addr [16]byte
	Port uint16
	Key  packet.Key
	ID   string
}

// Range is the time of a segment's packets, both ends included, in nanoseconds
// since the epoch. The zero Range is not known.
type Range struct{ First, Last int64 }

// Limits of what May asks a filter for one atom; beyond them the answer is
// perhaps.
const (
	maxAsked    = 16   // addresses of a network, ports of a range
	maxBindings = 1024 // of a name, alert or case
)

// segment is what May knows of a segment, or of a part of one flow.
type segment struct {
	has func(Term) bool
	key *packet.Key // of the only flow; nil = a segment's
	Range
}

// outcome is what match can say of the flows of a segment: yes of some, no of
// some. Both means not known; it is never neither.
type outcome struct{ yes, no bool }

// perhaps is the outcome of an atom of which only no can be known.
func perhaps(yes bool) outcome { return outcome{yes: yes, no: true} }

// May tells whether a segment could hold a flow that matches. has answers for
// the segment's filter: false must mean that no flow in it has the term. nil
// is always true. Names, alerts and cases that were not bound could be anything.
func (q *Query) May(has func(Term) bool, r Range) bool {
	if r == (Range{}) {
		r = Range{math.MinInt64, math.MaxInt64}
	}
	if has == nil {
		has = func(Term) bool { return true }
	}
	return q.may(&segment{has: has, Range: r}).yes
}

// MayKey tells whether a flow with this key could match, whatever its other
// properties are. It takes the same time however much names are bound to.
func (q *Query) MayKey(k *packet.Key) bool {
	return q.root.may(&segment{key: k, Range: Range{math.MinInt64, math.MaxInt64}}).yes
}

func (q *Query) may(s *segment) outcome {
	if s.Last < q.From || q.To != 0 && s.First >= q.To {
		return outcome{no: true}
	}
	o := q.root.may(s)
	o.no = o.no || q.From != 0 || q.To != 0 // flows outside the time
	return o
}

// holds asks the filter, or the only flow's key.
func (s *segment) holds(t Term) bool {
	k := s.key
	if k == nil {
		return s.has(t)
	}
	switch t.Kind {
	case TermAddr:
		return k.A == t.Addr || k.B == t.Addr
	case TermPort:
		return k.APort == t.Port || k.BPort == t.Port
	case TermFlow:
		return *k == t.Key
	}
	return k.CommunityID(packet.FromA) == t.ID || k.CommunityID(packet.FromB) == t.ID
}

func (s *segment) hasAddr(a [16]byte) bool { return s.holds(Term{Kind: TermAddr, Addr: a}) }

func (s *segment) hasPort(p uint16) bool { return s.holds(Term{Kind: TermPort, Port: p}) }

func (e *address) may(s *segment) outcome { return perhaps(s.hasAddr(e.addr)) }

func (e *network) may(s *segment) outcome {
	if size := e.prefix.Addr().BitLen() - e.prefix.Bits(); size > 4 { // 1<<4 is maxAsked
		return perhaps(true)
	}
	for a := e.prefix.Addr(); a.IsValid() && e.prefix.Contains(a); a = a.Next() {
		if s.hasAddr(a.As16()) {
			return perhaps(true)
		}
	}
	return perhaps(false)
}

func (e ports) may(s *segment) outcome {
	asked := 0
	for _, r := range e {
		for p := int(r.from); p <= int(r.to); p++ {
			if asked++; asked > maxAsked || s.hasPort(uint16(p)) {
				return perhaps(true)
			}
		}
	}
	return perhaps(false)
}

func (e *flow) may(s *segment) outcome {
	return perhaps(s.holds(Term{Kind: TermFlowID, ID: e.id}))
}

func (e *name) may(s *segment) outcome { return e.set.may(s) }

func (e *bound) may(s *segment) outcome { return e.set.may(s) }

func (s *set) may(g *segment) outcome {
	if !s.bound || s.reaches(g) {
		return perhaps(true)
	}
	for _, sub := range s.subs {
		if o := sub.may(g); o.yes {
			return o
		}
	}
	return perhaps(false)
}

// reaches tells whether a binding may have flows in the segment. Only those whose
// time may touch the segment's are looked at, found by binary search.
func (s *set) reaches(g *segment) bool {
	if g.key != nil {
		return s.mentions(g.key)
	}
	from := sort.Search(len(s.list), func(i int) bool { return s.until[i] >= g.First })
	asked := 0
	for _, b := range s.list[from:] {
		if b.From > g.Last {
			break
		}
		if b.To < g.First {
			continue
		}
		if asked++; asked > maxBindings || b.may(g) {
			return true
		}
	}
	return false
}

// mentions tells whether a binding of any time is about the key.
func (s *set) mentions(k *packet.Key) bool {
	if _, ok := s.flows[*k]; ok || s.any {
		return true
	}
	return s.meets(&k.A, &k.B) || s.meets(&k.B, &k.A)
}

func (s *set) meets(addr, client *[16]byte) bool {
	if !s.hosts[*addr] {
		return false
	}
	return s.ported || s.peers[peer{addr: *addr, client: *client}] != nil || s.peers[peer{addr: *addr}] != nil
}

func (b *Binding) may(g *segment) bool {
	if b.Exact {
		return g.holds(Term{Kind: TermFlow, Key: b.Key})
	}
	for _, a := range [...][16]byte{b.Addr, b.Client} {
		if a != ([16]byte{}) && !g.hasAddr(a) {
			return false
		}
	}
	return b.Port == 0 || g.hasPort(b.Port)
}

// What no filter knows.
func (*proto) may(*segment) outcome { return perhaps(true) }
func (vlans) may(*segment) outcome  { return perhaps(true) }
func (bytes) may(*segment) outcome  { return perhaps(true) }
func (cut) may(*segment) outcome    { return perhaps(true) }
func (gap) may(*segment) outcome    { return perhaps(true) }
