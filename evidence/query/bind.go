package query

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"kagami/packet"
)

// Kind is what can be bound.
type Kind string

const (
	Name  Kind = "name"  // a host's name
	Alert Kind = "alert" // an alert's id
	Case  Kind = "case"  // a case's name
)

// Binding says which flows a name, alert or case stands for: those that have a
// packet span in [From, To] (nanoseconds since the epoch, 0 = open) and
//
//   - Exact: have the key Key, or
//   - else: are between the hosts Addr and Client. The zero address is any
//     host. Port, if not 0, is one of the two ports. For a name, Addr is the
//     host that bears it, and Client whom a DNS answer told so.
type Binding struct {
	Key          packet.Key
	Exact        bool
	Addr, Client [16]byte
	Port         uint16
	From, To     int64
}

// Names, Alerts and Cases are what has to be bound before Match, in order of
// appearance; those of bound sub-queries come last.
func (q *Query) Names() []string  { return q.mentioned(Name) }
func (q *Query) Alerts() []string { return q.mentioned(Alert) }
func (q *Query) Cases() []string  { return q.mentioned(Case) }

func (q *Query) mentioned(k Kind) []string {
	var out []string
	q.each(func(s *set) {
		if s.kind == k && !slices.Contains(out, s.name) {
			out = append(out, s.name)
		}
	})
	return out
}

// each visits the sets of the query, then those of its sub-queries.
func (q *Query) each(visit func(*set)) {
	for _, s := range q.sets {
		visit(s)
	}
	for _, s := range q.sets {
		for _, sub := range s.subs {
			sub.each(visit)
		}
	}
}

// Bind adds bindings to a name, alert or case, wherever the query or its
// sub-queries mention it. With none it is known from then on to stand for
// nothing, which lets May say no.
func (q *Query) Bind(k Kind, name string, bs []Binding) {
	q.each(func(s *set) {
		if s.kind == k && s.name == name {
			s.add(bs)
		}
	})
}

// BindQuery makes an alert or a case stand for what sub asks for, in sub's own
// time. Sub may mention names, and for a case alerts, which are bound through q
// from then on.
func (q *Query) BindQuery(k Kind, name string, sub *Query) error {
	switch {
	case k == Name:
		return errors.New("bind query: a name stands for hosts, not for a query")
	case len(sub.Cases()) > 0:
		return fmt.Errorf("bind query of %s %q: it mentions case %q", k, name, sub.Cases()[0])
	case k == Alert && len(sub.Alerts()) > 0:
		return fmt.Errorf("bind query of %s %q: it mentions alert %q", k, name, sub.Alerts()[0])
	}
	q.each(func(s *set) {
		if s.kind == k && s.name == name {
			s.bound = true
			s.subs = append(s.subs, sub)
		}
	})
	return nil
}

// set is a name, alert or case and what it stands for.
type set struct {
	kind  Kind
	name  string
	bound bool
	subs  []*Query

	list  []Binding // by From; no To is 0
	until []int64   // until[i] is the latest To of list[:i+1]

	flows  map[packet.Key][]window // the exact ones
	hosts  map[[16]byte]bool       // every Addr of the others, so that most flows cost one look-up a side
	peers  map[peer][]window
	any    bool // some of the others have no address
	ported bool // some of the others have a port
}

// peer is a binding that is not exact, but for its time.
type peer struct {
	addr, client [16]byte
	port         uint16
}

// window is a span of time, both ends included. Lists of them are in order and
// do not overlap.
type window struct{ from, to int64 }

// add takes more bindings in; those whose time ends before it begins are left
// out.
func (s *set) add(bs []Binding) {
	s.bound = true
	for _, b := range bs {
		if b.To == 0 {
			b.To = math.MaxInt64
		}
		if s.kind != Name && b.Addr == ([16]byte{}) { // the pair has no order
			b.Addr, b.Client = b.Client, b.Addr
		}
		if b.From <= b.To {
			s.list = append(s.list, b)
		}
	}
	slices.SortStableFunc(s.list, func(a, b Binding) int { return cmp.Compare(a.From, b.From) })
	s.until = make([]int64, len(s.list))
	s.flows = make(map[packet.Key][]window)
	s.hosts = make(map[[16]byte]bool)
	s.peers = make(map[peer][]window)
	latest := int64(math.MinInt64)
	for i, b := range s.list {
		latest = max(latest, b.To)
		s.until[i] = latest
		w := window{b.From, b.To}
		if b.Exact {
			s.flows[b.Key] = extend(s.flows[b.Key], w)
			continue
		}
		p := peer{b.Addr, b.Client, b.Port}
		s.peers[p] = extend(s.peers[p], w)
		s.hosts[b.Addr] = true
		s.any = s.any || b.Addr == [16]byte{}
		s.ported = s.ported || b.Port != 0
	}
}

// extend adds w, which begins no earlier than the last window of the list.
func extend(list []window, w window) []window {
	if n := len(list); n > 0 && w.from <= list[n-1].to {
		list[n-1].to = max(list[n-1].to, w.to)
		return list
	}
	return append(list, w)
}

// overlaps tells whether one of the windows holds a moment of [first, last].
func overlaps(list []window, first, last int64) bool {
	low, high := 0, len(list) // list[low-1] begins by last, list[high] after it
	for low < high {
		if mid := (low + high) / 2; list[mid].from <= last {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low > 0 && list[low-1].to >= first
}

// match is for alerts and cases; it does not matter which host is which.
func (s *set) match(f *Flow) bool {
	if s.exactly(f) {
		return true
	}
	a, b := &f.Key.A, &f.Key.B
	if !f.NoIP && (s.between(f, a, b) || s.between(f, b, a) || s.any && s.between(f, new([16]byte), new([16]byte))) {
		return true
	}
	for _, sub := range s.subs {
		if sub.Match(f) {
			return true
		}
	}
	return false
}

// exactly tells whether an exact binding matches.
func (s *set) exactly(f *Flow) bool {
	return len(s.flows) > 0 && overlaps(s.flows[f.Key], f.First, f.Last)
}

// between tells whether a binding of addr and client, or of addr alone, matches.
func (s *set) between(f *Flow, addr, client *[16]byte) bool {
	if !s.hosts[*addr] {
		return false
	}
	if s.at(f, addr, client, 0) {
		return true
	}
	return s.ported && (s.at(f, addr, client, f.Key.APort) || s.at(f, addr, client, f.Key.BPort))
}

func (s *set) at(f *Flow, addr, client *[16]byte, port uint16) bool {
	return overlaps(s.peers[peer{*addr, *client, port}], f.First, f.Last) ||
		overlaps(s.peers[peer{*addr, [16]byte{}, port}], f.First, f.Last)
}
