package census

import (
	"fmt"
	"testing"

	"kagami/detectors/table"
	"kagami/records"
)

const macA, macB = "00-00-5E-00-53-01", "00-00-5E-00-53-02"

// Each step is an address that speaks, and what is known of it then; steps with
// the same letter are one machine.
func TestMachines(t *testing.T) {
	type step struct {
		addr, mac, name string
		want            byte
	}
	for _, c := range []struct {
		why   string
		steps []step
	}{
		{"another lease", []step{{"10.0.0.1", macA, "", 'a'}, {"10.0.0.2", macA, "", 'a'}}},
		{"the MAC address became known later", []step{{"10.0.0.1", "", "", 'a'}, {"10.0.0.1", macA, "", 'a'}, {"10.0.0.2", macA, "", 'a'}}},
		{"the site stage forgot it in between", []step{{"10.0.0.1", macA, "", 'a'}, {"10.0.0.1", "", "", 'a'}, {"10.0.0.2", macA, "", 'a'}}},
		{"IPv4, IPv6 and a temporary IPv6 address", []step{{"10.0.0.1", macA, "", 'a'}, {"2001:db8:1::1", macA, "", 'a'}, {"2001:db8:1::2", macA, "", 'a'}, {"10.0.0.1", macA, "", 'a'}}},
		{"temporary IPv6 addresses without a MAC address", []step{{"2001:db8:1::1", "", "pc1", 'a'}, {"2001:db8:1::2", "", "pc1", 'b'}}},
		{"an address changes hands", []step{{"10.0.0.1", macA, "", 'a'}, {"10.0.0.1", macB, "", 'b'}, {"10.0.0.2", macA, "", 'a'}}},
		{"two machines swap", []step{{"10.0.0.1", macA, "", 'a'}, {"10.0.0.2", macB, "", 'b'}, {"10.0.0.2", macA, "", 'a'}, {"10.0.0.1", macB, "", 'b'}}},
		{"a name outlives an address", []step{{"10.0.0.1", "", "pc1", 'a'}, {"10.0.0.2", "", "PC1.example", 'a'}}},
		{"a name, then a MAC address", []step{{"10.0.0.1", "", "pc1", 'a'}, {"10.0.0.1", macA, "pc1", 'a'}, {"10.0.0.2", macA, "pc1", 'a'}}},
		{"an address gets another name", []step{{"10.0.0.1", "", "pc1", 'a'}, {"10.0.0.1", "", "pc2", 'b'}}},
		{"a MAC address is worth more than a name", []step{{"10.0.0.1", macA, "pc1", 'a'}, {"10.0.0.2", macB, "pc1", 'b'}, {"10.0.0.1", macA, "pc1", 'a'}}},
		{"nothing is known", []step{{"10.0.0.1", "", "", 'a'}, {"10.0.0.2", "", "", 'b'}, {"10.0.0.1", "", "", 'a'}}},
		{"two machines of one name, in turn", []step{{"10.0.0.1", "", "iphone", 'a'}, {"10.0.0.2", "", "iphone", 'a'}, // could be another lease
			{"10.0.0.1", "", "iphone", 'a'}, {"10.0.0.2", "", "iphone", 'a'}}},
	} {
		s := newStage()
		seen := map[byte]uint64{}
		for i, x := range c.steps {
			s.machines[x.addr] = nil
			if x.mac != "" || x.name != "" {
				s.machines[x.addr] = machine(x.mac, x.name)
			}
			r := s.get(monday+int64(i)*resting, x.addr, "", "a.test", "/")
			if addr(x.addr).Is6() {
				r = records.NewHTTP(s.meta(monday+int64(i)*resting, x.addr, "2001:db8::80", 80, 6))
			}
			s.feed(r)
			id := s.Source(r.Meta())
			if s.HostOf(id) == nil || s.HostOf(id) != s.Host(addr(x.addr)) {
				t.Fatalf("%s: step %d: no host", c.why, i+1)
			}
			if have, ok := seen[x.want]; ok && have != id {
				t.Errorf("%s: step %d: %s is not machine %c any more", c.why, i+1, x.addr, x.want)
			}
			for other, have := range seen {
				if other != x.want && have == id {
					t.Errorf("%s: step %d: %s is taken for machine %c", c.why, i+1, x.addr, other)
				}
			}
			seen[x.want] = id
		}
	}
}

// Machines behind a router bear its MAC address until the site stage knows it for
// one, and telephones one name: whoever is active at once is not one machine.
func TestAddressesInUseAtOnce(t *testing.T) {
	for _, c := range []struct {
		why   string
		host  *records.Host
		addrs []string
		gap   int64 // between two records
		want  int   // machines
	}{
		{"a router's MAC address", machine(macA, ""), []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, minute, 3},
		{"one name", machine("", "iphone"), []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, minute, 3},
		{"nobody speaks for long, then both", machine(macA, ""), []string{"10.0.0.1", "10.0.0.2"}, 9 * minute, 2},
		{"a lease says so", leased(macA), []string{"10.0.0.1", "10.0.0.2"}, minute, 1},
		{"IPv4 and two IPv6 addresses", machine(macA, ""), []string{"10.0.0.1", "2001:db8:1::1", "2001:db8:1::2"}, minute, 1},
	} {
		s := newStage()
		at := monday
		for range 20 {
			for _, a := range c.addrs {
				at += c.gap
				s.machines[a] = c.host
				s.feed(s.contactOf(at, a))
			}
		}
		ids := map[uint64]bool{}
		for _, a := range c.addrs {
			ids[s.SourceOf(addr(a))] = true
		}
		if len(ids) != c.want {
			t.Errorf("%s: %d machines, want %d", c.why, len(ids), c.want)
		}
	}
}

// A machine that names itself in two ways, or sends through two routers in turn,
// is one.
func TestTwoSignsOfOneMachine(t *testing.T) {
	for why, hosts := range map[string][2]*records.Host{
		"names":   {machine("", "a-long-host-nam"), machine("", "a-long-host-name-2")},
		"routers": {machine(macA, ""), machine(macB, "")},
	} {
		s := newStage()
		ids := map[uint64]bool{}
		for i := range 20 {
			s.machines["10.0.0.1"] = hosts[i%2]
			s.feed(s.contactOf(monday+int64(i)*minute, "10.0.0.1"))
			ids[s.SourceOf(addr("10.0.0.1"))] = true
		}
		if len(ids) != 1 {
			t.Errorf("two %s in turn are %d machines", why, len(ids))
		}
	}
}

// Who gets an address next is another machine, though its first records still
// bear what was known of the last one.
func TestNextTenant(t *testing.T) {
	s := newStage()
	s.machines["10.0.0.1"] = machine(macA, "")
	s.feed(s.contactOf(monday, "10.0.0.1"))
	old := s.SourceOf(addr("10.0.0.1"))
	s.machines["10.0.0.1"] = nil
	s.feed(s.arp(monday+hour, 1, "10.0.0.1", "10.0.0.1"), s.contactOf(monday+hour, "10.0.0.1"))
	s.machines["10.0.0.1"] = machine(macB, "")
	s.feed(s.contactOf(monday+hour+second, "10.0.0.1"))
	if s.SourceOf(addr("10.0.0.1")) == old {
		t.Error("the next machine at an address has the history of the last")
	}
	s.machines["10.0.0.1"] = leased("00-00-5E-00-53-03") // a lease needs no pause
	before := s.SourceOf(addr("10.0.0.1"))
	s.feed(s.contactOf(monday+hour+2*second, "10.0.0.1"))
	if s.SourceOf(addr("10.0.0.1")) == before {
		t.Error("a new lease is not believed")
	}
}

// contactOf is any contact of an IPv4 or IPv6 address inside.
func (s *stage) contactOf(at int64, client string) records.Record {
	if addr(client).Is4() {
		return s.hello(at, client, "192.0.2.1", "a.test")
	}
	return s.hello(at, client, "2001:db8::1", "a.test")
}

// One machine was taken for another that had moved; they part when both speak.
func TestMistakenMove(t *testing.T) {
	s := newStage()
	s.machines["10.0.0.1"], s.machines["10.0.0.2"] = machine(macA, ""), machine(macA, "")
	s.feed(s.contactOf(monday, "10.0.0.1"), s.contactOf(monday+hour, "10.0.0.2"))
	first := s.SourceOf(addr("10.0.0.1"))
	if s.SourceOf(addr("10.0.0.2")) != first {
		t.Fatal("no move")
	}
	s.feed(s.contactOf(monday+hour+minute, "10.0.0.1"), s.contactOf(monday+hour+2*minute, "10.0.0.2"))
	if s.SourceOf(addr("10.0.0.1")) != first || s.SourceOf(addr("10.0.0.2")) == first {
		t.Error("two machines that speak at once are one")
	}
}

// A router that forwards IPv6 alone shows by the number of addresses.
func TestRouterOfIPv6(t *testing.T) {
	s := newStage()
	for i := range 40 {
		a := fmt.Sprintf("2001:db8:1::%d", i%20+1)
		s.machines[a] = machine(macA, "")
		s.feed(s.contactOf(monday+int64(i)*second, a))
	}
	ids := map[uint64]bool{}
	for i := range 20 {
		ids[s.SourceOf(addr(fmt.Sprintf("2001:db8:1::%d", i+1)))] = true
	}
	if len(ids) != 20 {
		t.Errorf("20 machines behind a router are %d", len(ids))
	}
}

// A name that comes back to its old address on another day is one machine that
// travels, not two.
func TestNameThatTravels(t *testing.T) {
	s := newStage()
	ids := map[uint64]bool{}
	for day0 := range int64(6) {
		a := []string{"10.0.0.1", "10.0.5.1"}[day0%2]
		s.machines[a] = machine("", "laptop")
		r := s.get(monday+day0*day, a, "", "a.test", "/")
		s.feed(r)
		ids[s.Source(r.Meta())] = true
	}
	if len(ids) != 1 {
		t.Errorf("%d machines, want 1", len(ids))
	}
}

// An address that returns after its machine moved away is somebody else's, also
// when the address itself was forgotten meanwhile.
func TestForgottenAddress(t *testing.T) {
	c := Default()
	c.Hosts = 16
	s := newStageOf(c)
	s.machines["10.0.0.1"] = leased(macA)
	s.feed(s.get(monday, "10.0.0.1", "", "a.test", "/"))
	moved := s.SourceOf(addr("10.0.0.1"))
	s.machines["10.0.0.2"] = leased(macA)
	s.feed(s.get(monday+minute, "10.0.0.2", "", "a.test", "/"))
	s.addresses.Remove(table.Addr(addr("10.0.0.1")))
	s.machines["10.0.0.1"] = nil
	s.feed(s.get(monday+hour, "10.0.0.1", "", "a.test", "/"))
	if s.SourceOf(addr("10.0.0.1")) == moved || s.SourceOf(addr("10.0.0.2")) != moved {
		t.Error("the new machine is taken for the one that moved")
	}
}

func TestConfiguredProxyKeepsItsRole(t *testing.T) {
	c := Default()
	c.Proxies = append(c.Proxies, addr(proxyAddr))
	s := newStageOf(c)
	if !s.Proxy(addr(proxyAddr)) {
		t.Error("configured proxy is not known")
	}
	s.machines[proxyAddr] = leased(macA)
	s.machines["10.0.0.251"] = leased(macA)
	s.feed(s.hello(monday, "10.0.0.251", "192.0.2.1", "a.test"))
	if s.Proxy(addr("10.0.0.251")) {
		t.Error("who is a proxy before anybody could know?")
	}
	s.feed(s.hello(monday, proxyAddr, "192.0.2.1", "a.test"))
	if !s.Proxy(addr(proxyAddr)) || !s.Proxy(addr("10.0.0.251")) {
		t.Error("a proxy's MAC address became known, and it is none any more")
	}
	if f := s.Known(Target{Name: "a.test"}.Destination()); f.Hosts != 0 {
		t.Errorf("a proxy's contacts count as %d machines", f.Hosts)
	}
}
