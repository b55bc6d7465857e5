package query

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

// sample is an expression as text and, independently of the package, its
// meaning.
type sample struct {
	text string
	rank int // 0 or, 1 and, 2 not or atom
	is   func(f *Flow) bool
}

// world is the few hosts, ports and names that random queries and flows share,
// so that they meet.
type world struct {
	*rand.Rand
	told map[string][]Binding
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 5)), told: map[string][]Binding{}}
	for _, n := range []string{"a.example", "b.example", "and"} {
		for range w.IntN(4) {
			b := Binding{From: minute(w.IntN(60))}
			b.To = b.From + minute(w.IntN(20)) - minute(0)
			switch w.IntN(3) {
			case 0:
				b.Key, b.Exact = w.flow().Key, true
			case 1:
				b.Addr, b.Client = w.addr(), w.addr()
			default:
				b.Addr = w.addr()
			}
			w.told[n] = append(w.told[n], b)
		}
	}
	return w
}

func (w *world) addr() [16]byte {
	return pick(w, addr("10.0.0.7"), addr("10.0.0.8"), addr("10.0.1.9"), addr("2001:db8::7"), addr("2001:db8:1::8"))
}

func (w *world) port() uint16 { return pick[uint16](w, 22, 53, 80, 443, 8080) }

func pick[T any](w *world, of ...T) T { return of[w.IntN(len(of))] }

func (w *world) flow() *Flow {
	f := &Flow{First: minute(w.IntN(60)), Bytes: uint64(w.IntN(4)) << 10, Cut: w.IntN(3) == 0, Hole: w.IntN(3) == 0,
		Client: packet.Side(w.IntN(2)), ClientKnown: w.IntN(2) == 0, VLAN: [2]uint16{uint16(w.IntN(3)), uint16(w.IntN(3))}}
	f.Last = f.First + minute(w.IntN(20)) - minute(0)
	switch w.IntN(12) {
	case 0:
		f.NoIP = true
		return f
	case 1:
		f.ARP, f.Key.Proto = true, 255
	default:
		f.Key.Proto = pick[uint8](w, 6, 6, 17, 58)
		f.Key.APort, f.Key.BPort = w.port(), w.port()
	}
	f.Key.A, f.Key.B = w.addr(), w.addr()
	return f
}

// host is host, client or server with a test of one side, given that and the
// other side's address.
func (w *world) host(value string, side func(f *Flow, here, there [16]byte) bool, exact func(f *Flow) bool) sample {
	word := pick(w, "host", "client", "server")
	return sample{word + " " + value, 2, func(f *Flow) bool {
		if word != "client" && exact(f) && (word == "host" || f.Key.APort != 53 && f.Key.BPort != 53) {
			return true
		}
		for _, s := range []packet.Side{packet.FromA, packet.FromB} {
			meant := word == "host" || !f.ClientKnown || (f.Client == s) == (word == "client")
			if meant && !f.NoIP && side(f, f.Key.Addr(s), f.Key.Addr(s.Other())) {
				return true
			}
		}
		return false
	}}
}

func never(*Flow) bool { return false }

func (b *Binding) during(f *Flow) bool { return f.First <= b.To && f.Last >= b.From }

func (w *world) atom() sample {
	switch w.IntN(9) {
	case 0:
		a := w.addr()
		return w.host(netip.AddrFrom16(a).Unmap().String(), func(_ *Flow, here, _ [16]byte) bool { return here == a }, never)
	case 1:
		n := netip.MustParsePrefix(pick(w, "10.0.0.0/24", "10.0.0.8/29", "2001:db8::/32", "0.0.0.0/0", "::/0"))
		return w.host(n.String(), func(_ *Flow, here, _ [16]byte) bool { return n.Contains(netip.AddrFrom16(here).Unmap()) }, never)
	case 2:
		n := pick(w, "a.example", "b.example", "and")
		bs := w.told[n]
		return w.host(string(appendName(nil, n)), func(f *Flow, here, there [16]byte) bool {
			return slices.ContainsFunc(bs, func(b Binding) bool {
				return !b.Exact && b.during(f) && b.Addr == here && (b.Client == there || b.Client == [16]byte{})
			})
		}, func(f *Flow) bool {
			return slices.ContainsFunc(bs, func(b Binding) bool { return b.Exact && b.Key == f.Key && b.during(f) })
		})
	case 3:
		p := w.port()
		return sample{fmt.Sprintf("port %d,9000-9001", p), 2, func(f *Flow) bool {
			return !f.NoIP && !f.ARP && f.Key.Proto != 58 && (f.Key.APort == p || f.Key.BPort == p)
		}}
	case 4:
		return pick(w, sample{"proto tcp", 2, func(f *Flow) bool { return !f.NoIP && f.Key.Proto == 6 }},
			sample{"proto arp,17", 2, func(f *Flow) bool { return f.ARP || f.Key.Proto == 17 }})
	case 5:
		return pick(w, sample{"cut", 2, func(f *Flow) bool { return f.Cut }}, sample{"gap", 2, func(f *Flow) bool { return f.Hole }})
	case 6:
		n := uint64(w.IntN(3)) << 10
		return pick(w, sample{fmt.Sprintf("bytes > %d", n), 2, func(f *Flow) bool { return f.Bytes > n }},
			sample{fmt.Sprintf("bytes <= %d", n), 2, func(f *Flow) bool { return f.Bytes <= n }})
	case 7:
		return sample{"vlan 1", 2, func(f *Flow) bool { return f.VLAN[0] == 1 || f.VLAN[1] == 1 }}
	}
	like := w.flow()
	if like.NoIP || like.ARP || like.Key.Proto == 58 || slices.Compare(like.Key.A[:], like.Key.B[:]) >= 0 {
		return sample{"all", 2, func(*Flow) bool { return true }}
	}
	return sample{"flow " + like.Key.CommunityID(packet.FromA), 2, func(f *Flow) bool { return !f.NoIP && f.Key == like.Key }}
}

// expr is a random expression with parentheses where they are needed, and
// sometimes where not.
func (w *world) expr(depth int) sample {
	if depth == 0 {
		return w.atom()
	}
	inside := func(x sample, rank int) string {
		if x.rank < rank || w.IntN(4) == 0 {
			return "(" + x.text + ")"
		}
		return x.text
	}
	l, r := w.expr(w.IntN(depth)), w.expr(w.IntN(depth))
	switch w.IntN(3) {
	case 0:
		return sample{inside(l, 0) + pick(w, " or ", "||") + inside(r, 0), 0, func(f *Flow) bool { return l.is(f) || r.is(f) }}
	case 1:
		return sample{inside(l, 1) + pick(w, " and ", " ", " && ") + inside(r, 1), 1, func(f *Flow) bool { return l.is(f) && r.is(f) }}
	}
	return sample{pick(w, "not ", "! ") + inside(l, 2), 2, func(f *Flow) bool { return !l.is(f) }}
}

// query is a random query with or without a time, and its meaning.
func (w *world) query() (string, func(f *Flow) bool) {
	x := w.expr(1 + w.IntN(5))
	if w.IntN(2) == 0 {
		return x.text, x.is
	}
	from := minute(w.IntN(60))
	to := from + 1 + minute(w.IntN(20)) - minute(0)
	text := "from " + normalTime(from) + " to " + normalTime(to) + " (" + x.text + ")"
	return text, func(f *Flow) bool { return f.Last >= from && f.First < to && x.is(f) }
}

// TestRandomQueries: a query means what its text was made from, and so does its
// normal form.
func TestRandomQueries(t *testing.T) {
	hits, asked := 0, 0
	for seed := range uint64(3000) {
		w := newWorld(seed)
		text, want := w.query()
		q := parse(t, text)
		again := parse(t, q.String())
		if again.String() != q.String() {
			t.Fatalf("%s: normal form %s becomes %s", text, q, again)
		}
		for n, bs := range w.told {
			q.Bind(Name, n, bs)
			again.Bind(Name, n, bs)
		}
		for range 40 {
			f := w.flow()
			asked++
			if want(f) {
				hits++
			}
			if got := q.Match(f); got != want(f) {
				t.Fatalf("seed %d: %s: %v for %+v", seed, text, got, f)
			}
			if want(f) && !q.MayKey(&f.Key) && !f.NoIP && !f.ARP {
				t.Fatalf("seed %d: %s: a key that matches is passed over: %+v", seed, text, f)
			}
			if again.Match(f) != want(f) {
				t.Fatalf("seed %d: normal form of %s: %s: wrong for %+v", seed, text, again, f)
			}
		}
	}
	if hits < asked/10 || hits > asked*9/10 {
		t.Errorf("%d of %d match: too one-sided to show anything", hits, asked)
	}
}

// TestRandomSegments: May never says no of a segment with a flow that matches.
func TestRandomSegments(t *testing.T) {
	pruned, empty := 0, 0
	for seed := range uint64(6000) {
		w := newWorld(seed)
		text, want := w.query()
		q := parse(t, text)
		for n, bs := range w.told {
			if w.IntN(4) > 0 { // sometimes it is not bound yet
				q.Bind(Name, n, bs)
			}
		}
		terms := map[Term]bool{}
		r := Range{1 << 62, 0}
		matches := false
		for range 1 + w.IntN(3) {
			f := w.flow()
			matches = matches || want(f)
			r = Range{min(r.First, f.First), max(r.Last, f.Last)}
			terms[Term{Kind: TermAddr, Addr: f.Key.A}], terms[Term{Kind: TermAddr, Addr: f.Key.B}] = true, true
			terms[Term{Kind: TermPort, Port: f.Key.APort}], terms[Term{Kind: TermPort, Port: f.Key.BPort}] = true, true
			terms[Term{Kind: TermFlow, Key: f.Key}] = true
			terms[Term{Kind: TermFlowID, ID: f.Key.CommunityID(packet.FromA)}] = true
		}
		falsely := w.IntN(2) == 0
		has := func(x Term) bool { return terms[x] || falsely && w.IntN(10) == 0 }
		may := q.May(has, r)
		if matches && !may {
			t.Fatalf("seed %d: %s: a segment with a match is passed over", seed, text)
		}
		if !matches {
			empty++
		}
		if !may {
			pruned++
		}
	}
	if pruned < empty/5 {
		t.Errorf("of %d segments without a match only %d are passed over", empty, pruned)
	}
}

// TestNamesStay: the normal form of any name is that name.
func TestNamesStay(t *testing.T) {
	for _, n := range append(strings.Fields(keywords), "1.2.3", "a b", `q"`, `\`, "x:y", "münchen", "*", "a.b", "all.") {
		q := parse(t, "host "+string(quote(nil, n)))
		if again := parse(t, q.String()); again.String() != q.String() || !slices.Equal(again.Names(), q.Names()) {
			t.Errorf("%s: %s becomes %s", n, q, again)
		}
	}
}
