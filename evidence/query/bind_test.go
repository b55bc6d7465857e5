package query

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func parse(t testing.TB, text string) *Query {
	t.Helper()
	q, err := Parse(text, Options{Now: noon()})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestToBind: what has to be bound, each once, those of sub-queries last.
func TestToBind(t *testing.T) {
	q := parse(t, "host b.example (client a.example or server B.example) alert 1 or case x case y not alert 2")
	sub := parse(t, "host c.example or host a.example or alert 3")
	if err := q.BindQuery(Case, "y", sub); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		got  []string
		want string
	}{
		{q.Names(), "b.example a.example c.example"},
		{q.Alerts(), "1 2 3"},
		{q.Cases(), "x y"},
	} {
		if got := strings.Join(tt.got, " "); got != tt.want {
			t.Errorf("to bind: %s, want %s", got, tt.want)
		}
	}
}

// TestBindQueryRefuses: what could go round in a circle.
func TestBindQueryRefuses(t *testing.T) {
	q := parse(t, "host a.b or alert 1 or case x")
	for _, tt := range []struct {
		kind      Kind
		name, sub string
		says      string // "" = taken
	}{
		{Name, "a.b", "all", "a name stands for hosts"},
		{Alert, "1", "host a.b", ""},
		{Alert, "1", "alert 1", `mentions alert "1"`},
		{Alert, "1", "case x", `mentions case "x"`},
		{Case, "x", "alert 1", ""},
		{Case, "x", "gap case y", `mentions case "y"`},
		{Case, "not asked for", "all", ""},
	} {
		err := q.BindQuery(tt.kind, tt.name, parse(t, tt.sub))
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s %s as %s: %v", tt.kind, tt.name, tt.sub, err)
		}
	}
}

// TestBindingTime: both ends count, 0 is open, spans that overlap are one, and
// reversed ones nothing.
func TestBindingTime(t *testing.T) {
	k, _ := key(6, "10.0.0.7", 50000, "203.0.113.5", 443)
	exact := func(from, to int64) Binding { return Binding{Key: k, Exact: true, From: from, To: to} }
	for _, tt := range []struct {
		name        string
		bs          []Binding
		first, last int64
		want        bool
	}{
		{"before", []Binding{exact(10, 20)}, 5, 9, false},
		{"touches the begin", []Binding{exact(10, 20)}, 5, 10, true},
		{"touches the end", []Binding{exact(10, 20)}, 20, 30, true},
		{"behind", []Binding{exact(10, 20)}, 21, 30, false},
		{"around", []Binding{exact(10, 20)}, 1, 30, true},
		{"a moment", []Binding{exact(10, 10)}, 1, 30, true},
		{"between two", []Binding{exact(30, 40), exact(10, 20)}, 21, 29, false},
		{"second of two", []Binding{exact(30, 40), exact(10, 20)}, 21, 30, true},
		{"in the long one of three", []Binding{exact(10, 90), exact(20, 30), exact(95, 99)}, 50, 60, true},
		{"open begin", []Binding{exact(0, 20)}, 1, 2, true},
		{"open end", []Binding{exact(10, 0)}, math.MaxInt64 - 1, math.MaxInt64, true},
		{"reversed", []Binding{exact(20, 10)}, 1, 30, false},
		{"none", nil, 1, 30, false},
	} {
		q := parse(t, "host a.b")
		q.Bind(Name, "a.b", tt.bs)
		if got := q.Match(&Flow{Key: k, First: tt.first, Last: tt.last}); got != tt.want {
			t.Errorf("%s: match %v", tt.name, got)
		}
		if got := q.May(nil, Range{tt.first, tt.last}); got != tt.want {
			t.Errorf("%s: may %v", tt.name, got)
		}
	}
}

// TestBindingHosts: which flow between two hosts a binding without key means.
func TestBindingHosts(t *testing.T) {
	bad, lan, other := addr("203.0.113.5"), addr("10.0.0.7"), addr("10.0.0.8")
	from := func(src string, dst string, dport uint16) Flow {
		k, side := key(6, src, 50000, dst, dport)
		return Flow{Key: k, Client: side, ClientKnown: true, First: 1, Last: 1}
	}
	out, in := from("10.0.0.7", "203.0.113.5", 443), from("203.0.113.5", "10.0.0.7", 443)
	noIP := Flow{NoIP: true, First: 1, Last: 1}
	for _, tt := range []struct {
		text string
		b    Binding
		f    Flow
		want bool
	}{
		{"host a.b", Binding{Addr: bad}, out, true},
		{"server a.b", Binding{Addr: bad}, out, true},
		{"client a.b", Binding{Addr: bad}, out, false},
		{"client a.b", Binding{Addr: bad}, in, true},
		{"host a.b", Binding{Addr: bad, Client: lan}, out, true},
		{"host a.b", Binding{Addr: bad, Client: other}, out, false},
		{"host a.b", Binding{Addr: lan, Client: bad}, out, true},
		{"server a.b", Binding{Addr: lan, Client: bad}, out, false},
		{"host a.b", Binding{Addr: bad, Port: 443}, out, true},
		{"host a.b", Binding{Addr: bad, Port: 80}, out, false},
		{"host a.b", Binding{}, noIP, false},
		{"host a.b", Binding{Client: lan}, out, false}, // a name is somebody's
		{"alert a", Binding{Addr: bad, Client: lan}, out, true},
		{"alert a", Binding{Addr: lan, Client: bad}, out, true},
		{"alert a", Binding{Addr: lan, Client: other}, out, false},
		{"alert a", Binding{Client: lan, Port: 443}, out, true},
		{"alert a", Binding{Client: lan, Port: 80}, out, false},
		{"alert a", Binding{Client: other}, out, false},
		{"alert a", Binding{Port: 443}, out, true},
		{"alert a", Binding{Port: 80}, out, false},
		{"alert a", Binding{}, out, true},
		{"alert a", Binding{}, noIP, false},
	} {
		q := parse(t, tt.text)
		for _, n := range q.Names() {
			q.Bind(Name, n, []Binding{tt.b})
		}
		for _, n := range q.Alerts() {
			q.Bind(Alert, n, []Binding{tt.b})
		}
		if got := q.Match(&tt.f); got != tt.want {
			t.Errorf("%s as %+v: match %v", tt.text, tt.b, got)
		}
	}
}

// TestMay: what a segment's filter rules out, by the terms that it has.
func TestMay(t *testing.T) {
	evil, _ := key(6, "10.0.0.7", 50000, "203.0.113.5", 443)
	const id = "1:wCb3OG7yAFWelaUydu0D+125CLM="
	terms := func(has ...Term) []Term { return has }
	a := func(s string) Term { return Term{Kind: TermAddr, Addr: addr(s)} }
	port := func(n uint16) Term { return Term{Kind: TermPort, Port: n} }
	for _, tt := range []struct {
		text string
		has  []Term
		want bool
	}{
		{"host 10.0.0.7", nil, false},
		{"host 10.0.0.7", terms(a("10.0.0.7")), true},
		{"not host 10.0.0.7", nil, true},
		{"not host 10.0.0.7", terms(a("10.0.0.7")), true},
		{"client 10.0.0.7 server 10.0.0.8", terms(a("10.0.0.7")), false},
		{"client 10.0.0.7 or server 10.0.0.8", terms(a("10.0.0.7")), true},
		{"not (host 10.0.0.7 or all)", terms(a("10.0.0.7")), true}, // not known to the last
		{"not (all or host 10.0.0.7)", terms(a("10.0.0.7")), false},
		{"not all", nil, false},
		{"net 10.0.0.0/28", terms(a("10.0.0.15")), true},
		{"net 10.0.0.0/28", terms(a("10.0.0.16")), false},
		{"net 255.255.255.240/28", terms(a("255.255.255.255")), true},
		{"net 255.255.255.240/28", nil, false},
		{"net 10.0.0.0/27", nil, true}, // too many to ask for
		{"net 2001:db8::/125", nil, false},
		{"port 80,443", terms(port(443)), true},
		{"port 80,443", terms(port(444)), false},
		{"port 8000-8015", nil, false},
		{"port 8000-8016", nil, true},
		{"port 65520-65535", nil, false},
		{"port 80 proto tcp cut gap bytes > 1 vlan 1", terms(port(80)), true},
		{"flow " + id, terms(Term{Kind: TermFlowID, ID: id}), true},
		{"flow " + id, nil, false},

		{"host unbound", nil, true},
		{"not host unbound", nil, true},
		{"host nowhere", nil, false},
		{"not host nowhere", nil, true},
		{"host bad", terms(Term{Kind: TermFlow, Key: evil}), true},
		{"host bad", terms(a("10.0.0.7")), false},
		{"host bad", terms(a("10.0.0.7"), a("203.0.113.5")), true},
		{"alert 1", terms(a("10.0.0.7")), false},
		{"alert 1", terms(a("10.0.0.7"), port(22)), true},
		{"case x", terms(a("10.0.0.9")), true},
		{"case x", nil, false},
	} {
		q := parse(t, tt.text)
		q.Bind(Name, "nowhere", nil)
		q.Bind(Name, "bad", []Binding{{Key: evil, Exact: true}, {Addr: addr("203.0.113.5"), Client: addr("10.0.0.7")}})
		q.Bind(Alert, "1", []Binding{{Client: addr("10.0.0.7"), Port: 22}})
		if err := q.BindQuery(Case, "x", parse(t, "host 10.0.0.9")); err != nil {
			t.Fatal(err)
		}
		has := func(x Term) bool { return slices.Contains(tt.has, x) }
		if got := q.May(has, Range{}); got != tt.want {
			t.Errorf("%s in a segment with %v: %v", tt.text, tt.has, got)
		}
	}
}

// TestMayOfCase: that a case holds everything of its time says nothing of other
// times.
func TestMayOfCase(t *testing.T) {
	for _, sub := range []string{"from 10:00", "to 10:00", "from 09:00 to 10:00"} {
		q := parse(t, "not case x")
		if err := q.BindQuery(Case, "x", parse(t, sub)); err != nil {
			t.Fatal(err)
		}
		if !q.May(nil, Range{minute(0), minute(300)}) {
			t.Errorf("%s: what is outside the case is passed over", sub)
		}
	}
}

// TestAsks: by which ports a flow is known to ask for names.
func TestAsks(t *testing.T) {
	for port, want := range map[uint16]bool{53: true, 137: true, 5353: true, 5355: true, 443: false, 853: false, 0: false} {
		for _, k := range []packet.Key{{APort: port, BPort: 50000}, {APort: 50000, BPort: port}} {
			if asks(&k) != want {
				t.Errorf("ports %d and %d: %v", k.APort, k.BPort, !want)
			}
		}
	}
}

// TestManyBindings: only those of the segment's time are asked for, and not
// more than a limit.
func TestManyBindings(t *testing.T) {
	q := parse(t, "host a.b")
	bs := manyBindings(100_000)
	q.Bind(Name, "a.b", bs)
	asked := 0
	has := func(Term) bool { asked++; return false }
	if q.May(has, Range{500, 599}) || asked != 100 {
		t.Errorf("a hundred bindings in the segment: %d asked", asked)
	}
	asked = 0
	if !q.May(has, Range{500, 50_000}) || asked != maxBindings {
		t.Errorf("more than the limit: %d asked", asked)
	}
	for i, b := range bs {
		f := Flow{Key: b.Key, First: b.From, Last: b.From}
		if !b.Exact {
			f.Key.A = b.Addr
		}
		if !q.Match(&f) {
			t.Fatalf("binding %d does not match", i)
		}
		if f.First, f.Last = f.First+1, f.Last+1; q.Match(&f) {
			t.Fatalf("binding %d matches a moment later", i)
		}
	}
}

// manyBindings are n bindings, half of them exact, one at each nanosecond from 1.
func manyBindings(n int) []Binding {
	bs := make([]Binding, n)
	for i := range bs {
		b := &bs[i]
		b.From, b.To = int64(i+1), int64(i+1)
		if b.Exact = i%2 == 0; b.Exact {
			b.Key = packet.Key{A: addr("10.0.0.7"), B: addr("203.0.113.5"), Proto: 6, APort: uint16(i), BPort: uint16(i >> 16)}
			continue
		}
		b.Addr = addr("192.0.0.0")
		binary.BigEndian.PutUint32(b.Addr[12:], 192<<24+uint32(i))
	}
	return bs
}
