package census

import (
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
		{"two machines of one name", []step{{"10.0.0.1", "", "iphone", 'a'}, {"10.0.0.2", "", "iphone", 'a'}, // could be another lease
			{"10.0.0.1", "", "iphone", 'a'}, {"10.0.0.2", "", "iphone", 'b'}, {"10.0.0.3", "", "iphone", 'c'}, {"10.0.0.1", "", "iphone", 'a'}, {"10.0.0.2", "", "iphone", 'b'}}},
	} {
		s := newStage()
		seen := map[byte]uint64{}
		for i, x := range c.steps {
			s.machines[x.addr] = nil
			if x.mac != "" || x.name != "" {
				s.machines[x.addr] = machine(x.mac, x.name)
			}
			r := s.get(monday+int64(i)*minute, x.addr, "", "a.test", "/")
			if addr(x.addr).Is6() {
				r = records.NewHTTP(s.meta(monday+int64(i)*minute, x.addr, "2001:db8::80", 80, 6))
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
	s.machines["10.0.0.1"] = machine(macA, "")
	s.feed(s.get(monday, "10.0.0.1", "", "a.test", "/"))
	moved := s.SourceOf(addr("10.0.0.1"))
	s.machines["10.0.0.2"] = machine(macA, "")
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
	s.machines[proxyAddr] = machine(macA, "")
	s.machines["10.0.0.251"] = machine(macA, "")
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
