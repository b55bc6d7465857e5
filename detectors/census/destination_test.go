package census

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kagami/detectors/table"
)

func TestCommon(t *testing.T) {
	for _, c := range []struct {
		hosts, total int
		want         bool
	}{{1, 100, false}, {2, 4, false}, {3, 100, false}, {3, 30, true}, {9, 100, false}, {10, 1000, true}} {
		if got := (Familiarity{Hosts: c.hosts, Total: c.total}).Common(); got != c.want {
			t.Errorf("%d of %d: %v", c.hosts, c.total, got)
		}
	}
}

// A proxy goes where its users send it: that makes no destination better known,
// whether it was known as a proxy before or became one later.
func TestProxyDoesNotMakeDestinationsKnown(t *testing.T) {
	s := newStage()
	known := func(name string) int { return s.Known(table.Name(name)).Hosts }
	s.feed(s.hello(monday, proxyAddr, "192.0.2.1", "c2.rare.test"))
	if known("c2.rare.test") != 1 {
		t.Fatal("nothing was counted")
	}
	s.office(monday+hour, 9) // nine machines and the proxy: the list is not full
	s.feed(s.hello(monday+2*hour, proxyAddr, "192.0.2.1", "www1.popular1.test"))
	s.feed(s.get(monday+2*hour, "10.0.0.23", proxyAddr, "c2.rare.test", "/"))
	if n := known("c2.rare.test"); n != 1 {
		t.Errorf("known to %d machines, want 1", n)
	}
	if n := known("www1.popular1.test"); n != 9 {
		t.Errorf("known to %d machines, want 9", n)
	}
	s.office(monday+3*hour, 10)
	if n := known("www1.popular1.test"); n != 10 {
		t.Errorf("known to %d machines, want 10", n)
	}
}

func TestProxyInAFullCrowd(t *testing.T) {
	s := newStage()
	for i := range 16 {
		s.feed(s.hello(monday, proxyAddr, "192.0.2.1", fmt.Sprintf("www%d.popular%d.test", i, i)))
	}
	s.feed(s.get(monday, "10.0.1.1", "10.0.0.77", "a.test", "/")) // no proxy: one request
	s.office(monday+hour, 30)
	if f := s.Known(table.Name("www3.popular3.test")); f.Hosts != 10 || !f.Common() {
		t.Errorf("30 machines and the proxy: %+v", f)
	}
}

func TestFamiliarity(t *testing.T) {
	s := newStage()
	see := func(at int64, client, name string) Familiarity {
		k := s.contact(t, s.hello(at, client, "192.0.2.1", name))
		return s.Familiar(k)
	}
	if f := see(monday, "10.0.0.1", "a.old.test"); f.New || f.Hosts != 1 {
		t.Errorf("in the first hour: %+v, want not new", f)
	}
	if s.Learned() {
		t.Error("learned within an hour")
	}
	f := see(monday+2*day, "10.0.0.1", "b.new.test")
	if !f.New || f.Old || !s.Learned() || f.Since != monday+2*day+second/10 {
		t.Errorf("two days later: %+v, want new", f)
	}
	if f := see(monday+2*day, "10.0.0.1", "b.old.test"); f.New || f.Since != monday+second/10 {
		t.Errorf("a new name of an old domain: %+v", f)
	}
	for i := range 4 {
		see(monday+3*day, fmt.Sprintf("10.0.0.%d", i+1), fmt.Sprintf("n%d.new.test", i))
	}
	if f := see(monday+3*day, "10.0.0.1", "b.new.test"); f.Hosts != 4 || f.Total != 4 || !f.Common() {
		t.Errorf("four of four machines know the domain: %+v", f)
	}
	if f := see(monday+9*day+hour, "10.0.0.1", "b.new.test"); f.New || f.Old {
		t.Errorf("a week later: %+v", f)
	}
	pass := func(from, to int64) {
		for d := from; d < to; d++ {
			see(monday+d*day, "10.0.0.9", "daily.test")
		}
	}
	pass(10, 40)
	if f := see(monday+40*day, "10.0.0.1", "b.new.test"); f.New || !f.Old {
		t.Errorf("38 days later: %+v, want old", f)
	}
	// Where the place was known for a week before, what comes is new for two.
	see(monday+40*day, "10.0.0.1", "late.test")
	pass(41, 50)
	if f := see(monday+50*day, "10.0.0.1", "late.test"); !f.New {
		t.Errorf("ten days after it came: %+v, want new", f)
	}
	pass(51, 55)
	if f := see(monday+55*day, "10.0.0.1", "late.test"); f.New || f.Old {
		t.Errorf("15 days after it came: %+v", f)
	}
	pass(56, 140)
	// The domain lapsed; whoever has it now is another.
	if f := see(monday+140*day, "10.0.0.1", "b.new.test"); !f.New || f.Hosts != 1 {
		t.Errorf("after 100 days without a contact: %+v, want new", f)
	}
	if f := s.Known(12345); f.Hosts != 0 || f.Since != s.Now() {
		t.Errorf("never seen: %+v", f)
	}
}

func TestPortsAndNames(t *testing.T) {
	s := newStage()
	long := strings.Repeat("x", 60) + ".Evil.test"
	for _, c := range []struct{ name, server, want string }{
		{"C2.Test", "192.0.2.1", "c2.test"}, {"", "192.0.2.7", "192.0.2.7"},
		{long, "192.0.2.1", "..." + strings.ToLower(long)[len(long)-43:]},
	} {
		k := s.contact(t, s.hello(monday, "10.0.0.1", c.server, c.name))
		if got := s.DestinationName(k.Destination()); got != c.want || len(got) > maxLabel {
			t.Errorf("%q: name %q, want %q", c.name, got, c.want)
		}
		if got := s.Ports(k.Destination()); !slices.Equal(got, []uint16{443}) {
			t.Errorf("%q: ports %v", c.name, got)
		}
	}
	for i := range 10 {
		s.feed(s.flow(monday, "10.0.0.1", "192.0.2.7", uint16(4000+i%6), "SF"))
	}
	if got := s.Ports(table.Addr(addr("192.0.2.7"))); !slices.Equal(got, []uint16{443, 4000, 4001, 4002}) {
		t.Errorf("ports %v, want the first four", got)
	}
	if s.Ports(1) != nil || s.DestinationName(1) != "" {
		t.Error("knows what it never saw")
	}
}

func TestRegistered(t *testing.T) {
	for in, want := range map[string]string{
		"a.b.example.com": "example.com", "x.co.jp": "x.co.jp", "WWW.X.CO.JP": "x.co.jp", "com": "", "": "", "u.github.io": "u.github.io", "a..b": "",
	} {
		if got := registered(in); got != want {
			t.Errorf("registered(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNameless(t *testing.T) {
	s := newStage()
	k := &Contact{Addr: addr("192.0.2.1")}
	if s.Nameless(k) {
		t.Error("tells where no DNS is visible")
	}
	s.feed(s.query(monday, "10.0.0.1", "10.0.0.53", "a.test", "192.0.2.2"))
	if !s.Nameless(k) {
		t.Error("an address that no answer gave out has a name")
	}
	s = s.restart(t)
	s.visit1(monday + 5*minute)
	if s.Nameless(k) {
		t.Error("the answer may have come while the sensor was off")
	}
	s.visit1(monday + 2*hour)
	if !s.Nameless(k) {
		t.Error("an absence of minutes is never forgotten")
	}
	k.Addr = addr("192.0.2.2")
	if s.Nameless(k) {
		t.Error("an address that DNS gave out has none")
	}
	if s.Nameless(&Contact{Name: "a.test"}) || s.Nameless(&Contact{}) {
		t.Error("a name behind a proxy is nameless")
	}
}
