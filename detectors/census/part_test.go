package census

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"kagami/detectors/state"
	"kagami/detectors/table"
	"kagami/records"
)

// ask1 asks everything that a census can be asked about some addresses and
// names, and makes one text of the answers.
func (s *stage) ask1(at int64) string {
	var b strings.Builder
	say := func(en, ja string) { fmt.Fprintln(&b, en, ja) }
	s.Overview(say)
	for _, text := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "10.0.0.53", "10.0.7.9", proxyAddr, "fd00::1", "192.0.2.1"} {
		a := addr(text)
		s.About(a, say)
		fmt.Fprintln(&b, a, s.SourceOf(a), s.Proxy(a), s.Roles(a), s.Serves(a, 53), s.Serves(a, 25), s.Alive(a), s.Dark(a), s.Nameless(&Contact{Addr: a}))
		if h := s.Host(a); h != nil {
			fmt.Fprintln(&b, *h, h.Attended(6), h.Silent(at-day, at), h.Usual(at))
		}
	}
	for _, name := range []string{"a.test", "b.test", "www1.popular1.test", "192.0.2.1"} {
		x, _ := ParseTarget(name)
		d := x.Destination()
		fmt.Fprintln(&b, s.Known(d), s.Ports(d), s.DestinationName(d))
		k, ok := s.DNSContactOf(s.query(at, "10.0.1.1", "10.0.0.5", name))
		fmt.Fprintln(&b, k.TTL, k.Source, ok)
	}
	fmt.Fprintln(&b, s.Users(), s.Hosts(), s.Learned(), s.Start(), s.Now(), s.Blind(), s.Down(at-day, at), s.DownFor(at-10*day, at),
		s.AgentHosts("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"), s.JA4Hosts("t13d1715h2_5b57614c22b0_3d5424432f57"))
	return b.String()
}

// lived is a stage that has learned something of everything.
func lived() (*stage, int64) {
	s := newStage()
	s.machines["10.0.0.1"], s.machines["10.0.0.2"] = machine(macA, "pc1"), machine("", "pc2")
	s.feed(s.hello(monday, proxyAddr, "192.0.2.1", "a.test"))
	s.office(monday, 12)
	s.arpVisible(monday)
	s.weeks(monday, "10.0.0.1", 2)
	at := monday + 15*day
	s.feed(s.minuteOf(at-hour, 10, 90))
	for i := range 12 {
		client := fmt.Sprintf("10.0.1.%d", i+1)
		s.feed(s.udp(at, client, "10.0.0.53", 53, true), s.query(at, client, "10.0.0.53", "www.a.test"), s.query(at, client, "10.0.0.53", "www.a.test", "192.0.2.1"))
		s.feed(s.get(at, client, "", "b.test", "/"), s.hello(at, client, "192.0.2.1", "a.test"), s.arp(at, 1, "10.0.0.1", "10.0.7.9"))
	}
	s.feed(s.get(at, "10.0.0.2", "", "b.test", "/"))
	return s, at
}

func TestRestart(t *testing.T) {
	s, at := lived()
	before := s.ask1(at)
	for _, want := range []string{"Taken for a proxy: 10.0.0.250", "Taken for a resolver: 10.0.0.53", "by its MAC address", "by its name"} {
		if !strings.Contains(before, want) {
			t.Errorf("the stage has not learned %q:\n%s", want, before)
		}
	}
	s2 := s.restart(t)
	same(t, s2.ask1(at), before)
	for i, x := range s2.Counters() {
		if old := s.Counters()[i]; x != old && x.Name != "tunnels" {
			t.Errorf("%s: %d, before %d", x.Name, x.Value, old.Value)
		}
	}
	// Both go on in the same way.
	for i := range int64(200) {
		s.uid, s2.uid = 1000, 1000
		client := fmt.Sprintf("10.0.1.%d", i%30)
		for _, x := range []*stage{s, s2} {
			x.feed(x.hello(at+i, client, "192.0.2.1", fmt.Sprintf("n%d.test", i%50)))
		}
	}
	same(t, s2.ask1(at+day), s.ask1(at+day))
}

// same compares answers line by line.
func same(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("got %s, want %s", g[i], w[i])
		}
	}
	if len(g) != len(w) {
		t.Errorf("%d lines, want %d", len(g), len(w))
	}
}

// The configuration may change between two runs.
func TestRestartWithOtherSettings(t *testing.T) {
	s, at := lived()
	var e state.Encoder
	s.Save(&e)
	c := tiny()
	c.Proxies = []netip.Addr{addr("10.0.0.1")}
	n := &stage{Census: New(c), machines: s.machines, port: 20000}
	d := state.NewDecoder(e.Encoded())
	if n.Load(d); d.Err() != nil {
		t.Fatal(d.Err())
	}
	if !n.Proxy(addr("10.0.0.1")) || n.counter(t, "destinations") != 16 {
		t.Errorf("%d destinations, and the proxy that the configuration names is %v", n.counter(t, "destinations"), n.Proxy(addr("10.0.0.1")))
	}
	n.feed(n.hello(at+hour, "10.0.0.1", "192.0.2.1", "a.test"))
}

// What a damaged state leaves behind is a new census.
func TestDamagedState(t *testing.T) {
	s, at := lived()
	var e state.Encoder
	s.Save(&e)
	whole := e.Encoded()
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		n := New(Default())
		d := state.NewDecoder(whole[:r.IntN(len(whole))])
		if n.Load(d); d.Err() == nil {
			t.Fatal("a cut state is no error")
		}
		if n.Start() != 0 || n.hosts.Len() != 0 || len(n.proxies) != 0 {
			t.Fatal("half of a state was taken")
		}
		x := &stage{Census: n, machines: map[string]*records.Host{}, port: 20000}
		x.feed(x.hello(at, "10.0.0.1", "192.0.2.1", "a.test"))
	}
}

// FuzzLoad: no octets make a census that panics or hangs.
func FuzzLoad(f *testing.F) {
	s, _ := lived()
	for _, c := range []*Census{New(tiny()), s.Census} {
		var e state.Encoder
		c.Save(&e)
		f.Add(e.Encoded())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newStageOf(tiny())
		s.Load(state.NewDecoder(b))
		for _, at := range []int64{monday, monday + 40*day, monday - day} {
			for i := range 20 {
				client := fmt.Sprintf("10.0.0.%d", i)
				s.feed(s.hello(at, client, "192.0.2.1", "a.test"), s.arp(at, 1, client, "10.0.0.99"), s.connect(at, client, proxyAddr, "a.test:443"), s.udp(at, client, "10.0.0.53", 161, true))
			}
			s.ask1(at)
		}
		for id, h := range s.hosts.All() {
			h.Silent(monday, monday+day)
			h.Usual(monday)
			_ = table.Pair(id, id)
		}
	})
}
