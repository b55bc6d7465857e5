package query

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"kagami/packet"
)

// noon is the present of the tests: 2026-06-01, 12:00 UTC, 14:00 in Berlin.
func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

func berlin(t testing.TB) *time.Location {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// minute is so many minutes after 08:00 UTC of the tests' day.
func minute(m int) int64 { return noon().Add(time.Duration(m-240) * time.Minute).UnixNano() }

func addr(s string) [16]byte { return netip.MustParseAddr(s).As16() }

// key is the canonical key of a flow and the side of src in it.
func key(proto uint8, src string, sport uint16, dst string, dport uint16) (packet.Key, packet.Side) {
	a, b := addr(src), addr(dst)
	if c := slices.Compare(a[:], b[:]); c < 0 || c == 0 && sport <= dport {
		return packet.Key{A: a, B: b, APort: sport, BPort: dport, Proto: proto}, packet.FromA
	}
	return packet.Key{A: b, B: a, APort: dport, BPort: sport, Proto: proto}, packet.FromB
}

// office is a small network, by name of flow:
//
//	dns, web   10.0.0.7 asks the resolver, then gets a page from 203.0.113.5
//	mid        like web on port 8080, its beginning was not seen; octets are missing
//	bulk       10.0.0.7 sends much to 2001:db8::5 in VLANs 100 and 200; cut
//	in         198.51.100.9 connects to port 22 of 10.0.0.7
//	ping, ping6, unreach, gre, arp, lldp
func office() map[string]*Flow {
	flow := func(proto uint8, src string, sport uint16, dst string, dport uint16, from, to int, bytes uint64) *Flow {
		k, side := key(proto, src, sport, dst, dport)
		return &Flow{Key: k, Client: side, ClientKnown: true, First: minute(from), Last: minute(to), Bytes: bytes}
	}
	fs := map[string]*Flow{
		"dns":     flow(packet.ProtoUDP, "10.0.0.7", 40000, "10.0.0.53", 53, 0, 0, 300),
		"web":     flow(packet.ProtoTCP, "10.0.0.7", 50000, "203.0.113.5", 80, 0, 5, 20_000),
		"mid":     flow(packet.ProtoTCP, "10.0.0.7", 50001, "203.0.113.5", 8080, 10, 20, 2048),
		"bulk":    flow(packet.ProtoTCP, "2001:db8::7", 50002, "2001:db8::5", 443, 20, 60, 3<<30),
		"in":      flow(packet.ProtoTCP, "198.51.100.9", 60000, "10.0.0.7", 22, 30, 31, 5000),
		"ping":    flow(packet.ProtoICMP, "10.0.0.8", 8, "10.0.0.7", 0, 40, 41, 196),
		"ping6":   flow(packet.ProtoICMPv6, "2001:db8::7", 128, "2001:db8::5", 129, 40, 41, 196),
		"unreach": flow(packet.ProtoICMP, "10.0.0.8", 3, "10.0.0.7", 1, 42, 42, 98),
		"gre":     flow(47, "10.0.0.8", 0, "198.51.100.9", 0, 50, 60, 9000),
		"arp":     flow(255, "10.0.0.1", 0, "10.0.0.7", 0, 60, 60, 60),
		"lldp":    {First: minute(70), Last: minute(71), Bytes: 60, NoIP: true},
	}
	fs["mid"].ClientKnown, fs["mid"].Hole = false, true
	fs["bulk"].VLAN, fs["bulk"].Cut = [2]uint16{100, 200}, true
	fs["arp"].ARP = true
	return fs
}

// bindNetwork hands in what the network's notes say: the names of its flows and
// what the resolver told 10.0.0.7, the name of 10.0.0.7, an alert and a case.
func bindNetwork(t testing.TB, q *Query, fs map[string]*Flow) {
	at := func(f string) Binding {
		return Binding{Key: fs[f].Key, Exact: true, From: fs[f].First, To: fs[f].Last}
	}
	answer := Binding{Addr: addr("203.0.113.5"), Client: addr("10.0.0.7"), From: minute(0), To: minute(15)}
	q.Bind(Name, "evil.example", []Binding{at("dns"), at("web"), answer})
	q.Bind(Name, "example", []Binding{at("dns"), at("web"), at("bulk"), answer})
	q.Bind(Name, "laptop", []Binding{{Addr: addr("10.0.0.7")}})
	q.Bind(Name, "and", []Binding{{Addr: addr("10.0.0.8")}})
	q.Bind(Alert, "00ff-3-a1", []Binding{{Addr: addr("10.0.0.7"), Client: addr("198.51.100.9"), Port: 22, From: minute(25), To: minute(35)}})
	q.Bind(Alert, "00ff-4-a1", []Binding{{From: minute(41), To: minute(45)}})
	if _, err := Parse("from 2026-06-01T08:00Z to +16m host evil.example or alert 00ff-3-a1", Options{}); err == nil {
		t.Fatal("an alternative to a time was taken")
	}
	pinned, err := Parse("from 2026-06-01T08:00Z to +31m (host evil.example or alert 00ff-3-a1)", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range q.Cases() {
		if err := q.BindQuery(Case, name, pinned); err != nil {
			t.Fatal(err)
		}
	}
	if len(q.Cases()) > 0 {
		q.Bind(Name, "evil.example", []Binding{at("dns"), at("web"), answer})
		q.Bind(Alert, "00ff-3-a1", []Binding{{Addr: addr("198.51.100.9"), From: minute(25), To: minute(35)}})
	}
}

// TestQuery is the specification: what is written, its normal form ("" = as
// written), and which flows of the network match. The location is Berlin, two
// hours ahead of UTC.
func TestQuery(t *testing.T) {
	const every = "arp bulk dns gre in lldp mid ping ping6 unreach web"
	for _, tt := range []struct{ text, normal, flows string }{
		{"all", "", every},
		{"ALL", "all", every},
		{"not all", "", ""},

		// Hosts. A bare address, network or dotted name is host.
		{"host 10.0.0.7", "", "arp dns in mid ping unreach web"},
		{"10.0.0.7", "host 10.0.0.7", "arp dns in mid ping unreach web"},
		{"host ::ffff:10.0.0.8", "host 10.0.0.8", "gre ping unreach"},
		{"2001:DB8:0::5", "host 2001:db8::5", "bulk ping6"},
		{"host ::", "", ""}, // the address of no frame, not that of frames without one
		{"client 10.0.0.7", "", "dns mid web"},
		{"server 10.0.0.7", "", "arp in mid ping unreach"},
		{"server 203.0.113.5", "", "mid web"},
		{"client 203.0.113.5", "", "mid"}, // who is the client of mid is not known

		// Networks.
		{"net 203.0.113.0/24", "", "mid web"},
		{"net 203.0.113.5/24", "net 203.0.113.0/24", "mid web"},
		{"10.0.0.0/29", "net 10.0.0.0/29", "arp dns in mid ping unreach web"},
		{"host 10.0.0.0/29", "net 10.0.0.0/29", "arp dns in mid ping unreach web"},
		{"client 198.51.100.0/24", "", "in"},
		{"net 0.0.0.0/0", "", "arp dns gre in mid ping unreach web"},
		{"net ::/0", "", "bulk ping6"},
		{"net ::ffff:10.0.0.0/125", "net 10.0.0.0/29", "arp dns in mid ping unreach web"},
		{"net 2001:db8::4/126", "", "bulk ping6"},
		{"net 10.0.0.7/32", "", "arp dns in mid ping unreach web"},

		// Names: by the flow, by the answer for the time that it holds, by the
		// host's own name; itself and everything below it.
		{"host evil.example", "", "dns mid web"},
		{"EVIL.Example.", "host evil.example", "dns mid web"},
		{"server evil.example", "", "mid web"},
		{"client evil.example", "", "mid"},
		{"host laptop", "", "arp dns in mid ping unreach web"},
		{"client laptop", "", "dns mid web"},
		{`host "and"`, "", "gre ping unreach"},
		{"host unbound.example", "", ""},
		{"not host unbound.example", "", every},
		{"host müller.example", "host xn--mller-kva.example", ""},
		{"host １０.0.0.8", "host 10.0.0.8", "gre ping unreach"},
		{`host "Bob's PC"`, `host "bob's pc"`, ""},
		{`host "a \"b\" \\"`, "", ""},

		// Ports, protocols, VLANs.
		{"port 80", "", "web"},
		{"port 8000-8099,443 , 80", "port 80,443,8000-8099", "bulk mid web"},
		{"port 50000-50001,50002", "port 50000-50002", "bulk mid web"},
		{"port 0-65535", "", "bulk dns in mid web"}, // not types of ICMP
		{"proto tcp", "", "bulk in mid web"},
		{"proto UDP,ICMP", "proto icmp,udp", "dns ping unreach"},
		{"proto icmpv6", "proto icmp6", "ping6"},
		{"proto 47", "proto gre", "gre"},
		{"proto 255", "", ""},
		{"proto arp,254", "proto 254,arp", "arp"},
		{"vlan 200", "", "bulk"},
		{"vlan 300,1-99", "vlan 1-99,300", ""},

		// Flows, alerts, cases.
		{"flow 1:wlMg4+kHQ8TFWlGbPPwVZsGuKvk=", "", ""},
		{"alert 00FF-3-A1", "alert 00ff-3-a1", "in"},
		{"alert 00ff-4-a1", "", "ping ping6 bulk unreach"}, // anybody, 08:41 to 08:45
		{"case pin-7", "", "dns in mid web"},
		{`case "Pin 7" proto tcp`, `case "Pin 7" and proto tcp`, "in mid web"},

		// Size and completeness.
		{"bytes > 19k", "", "bulk web"},
		{"bytes >= 2048", "bytes >= 2k", "bulk gre in mid web"},
		{"bytes<2k", "bytes < 2k", "arp dns lldp ping ping6 unreach"},
		{"bytes <= 3g and bytes >=3072m", "bytes <= 3g and bytes >= 3g", "bulk"},
		{"cut", "", "bulk"},
		{"gap", "", "mid"},

		// Time: to is exclusive; a flow is in it if a part of it is.
		{"from 2026-06-01T08:20:00Z to 2026-06-01T08:30:00Z", "", "bulk mid"},
		{"from 10:20 to 10:30", "from 2026-06-01T08:20:00Z to 2026-06-01T08:30:00Z", "bulk mid"},
		{"from 2026-06-01 10:20 to +10m", "from 2026-06-01T08:20:00Z to 2026-06-01T08:30:00Z", "bulk mid"},
		{"to +10m and from 2026-06-01T10:20:00+02:00", "from 2026-06-01T08:20:00Z to 2026-06-01T08:30:00Z", "bulk mid"},
		{"from 1780302000.5 to +9m30s", "from 2026-06-01T08:20:00.5Z to 2026-06-01T08:29:30.5Z", "bulk"},
		{"last 3h", "from 2026-06-01T09:00:00Z", "arp bulk gre lldp"},
		{"last 4h to 10:00:01", "from 2026-06-01T08:00:00Z to 2026-06-01T08:00:01Z", "dns web"},
		{"to 10:01 or", "error", ""},

		// and binds tighter than or; side by side is and; not binds tightest.
		{"last 4h client 10.0.0.7 port 53,80", "from 2026-06-01T08:00:00Z and client 10.0.0.7 and port 53,80", "dns web"},
		{"port 22 or client 10.0.0.7 and port 80", "", "in web"},
		{"(port 22 or client 10.0.0.7) and port 22", "", "in"},
		{"not proto tcp and 10.0.0.7", "not proto tcp and host 10.0.0.7", "arp dns ping unreach"},
		{"!(proto tcp || proto udp) && 10.0.0.7", "not (proto tcp or proto udp) and host 10.0.0.7", "arp ping unreach"},
		{"not not port 22", "port 22", "in"},
		{"((port 22 or (port 80)) or port 53)", "port 22 or port 80 or port 53", "dns in web"},
		{"last 4h (port 22 or port 80)", "from 2026-06-01T08:00:00Z and (port 22 or port 80)", "in web"},
	} {
		fs := office()
		q, err := Parse(tt.text, Options{Now: noon(), Location: berlin(t)})
		if tt.normal == "error" {
			if err == nil {
				t.Errorf("%s: was taken", tt.text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if tt.normal == "" {
			tt.normal = tt.text
		}
		if q.String() != tt.normal {
			t.Errorf("%s: normal form %s, want %s", tt.text, q, tt.normal)
		}
		bindNetwork(t, q, fs)
		if got := matches(q, fs); got != order(tt.flows) {
			t.Errorf("%s: matches %s, want %s", tt.text, got, tt.flows)
		}
	}
}

func order(names string) string {
	all := strings.Fields(names)
	slices.Sort(all)
	return strings.Join(all, " ")
}

func matches(q *Query, fs map[string]*Flow) string {
	var got []string
	for n, f := range fs {
		if q.Match(f) {
			got = append(got, n)
		}
	}
	return order(strings.Join(got, " "))
}

// TestFlow: every flow with an id is found by it, and no other.
func TestFlow(t *testing.T) {
	fs := office()
	k, side := key(packet.ProtoICMP, "10.0.0.7", 3, "10.0.0.8", 1)
	fs["unreachback"] = &Flow{Key: k, Client: side, ClientKnown: true}
	for n, f := range fs {
		if f.ARP || f.NoIP { // have no id
			q := parse(t, "flow "+f.Key.CommunityID(packet.FromA))
			if got := matches(q, fs); got != "" {
				t.Errorf("id of %s: matches %s", n, got)
			}
			continue
		}
		for _, known := range []bool{true, false} {
			q, err := Parse("flow "+f.Key.CommunityID(f.Client), Options{})
			if err != nil {
				t.Fatal(err)
			}
			f.ClientKnown = known
			if got := matches(q, fs); got != order(n) {
				t.Errorf("id of %s, client known %v: matches %s", n, known, got)
			}
		}
	}
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		domain, name string
		want         bool
	}{
		{"evil.example", "evil.example", true},
		{"evil.example", "www.evil.example", true},
		{"evil.example", "notevil.example", false},
		{"evil.example", "evil.example.org", false},
		{"example", "evil.example", true},
		{"www.evil.example", "evil.example", false},
	} {
		if got := Covers(tt.domain, tt.name); got != tt.want {
			t.Errorf("Covers(%s, %s) = %v", tt.domain, tt.name, got)
		}
	}
}

func TestExplain(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"all", "flows of any time"},
		{"last 2h", "flows since 2026-06-01T12:00:00+02:00"},
		{"to 10:00 and gap", "flows before 2026-06-01T10:00:00+02:00, for which\n" +
			"  octets of it were never seen"},
		{"from 10:00 to +90m and client 10.0.0.7 (host evil.example or not (net 10.0.0.0/8 cut)) port 80,443,8000-8099",
			"flows from 2026-06-01T10:00:00+02:00 until before 2026-06-01T11:30:00+02:00 (1h30m0s), for which\n" +
				"  the client (either host, where the client is not known) is 10.0.0.7\n" +
				"  at least one of these holds:\n" +
				"    one of the two hosts is named \"evil.example\" or below it (found: 2 flows, 1 address)\n" +
				"    this does not hold:\n" +
				"      all of these hold:\n" +
				"        one of the two hosts is in 10.0.0.0/8\n" +
				"        octets were left out when it was stored\n" +
				"  one of the two ports is 80, 443 or 8000 to 8099"},
		{"host unbound.example or proto 6,17 or case x", "flows of any time, for which\n" +
			"  at least one of these holds:\n" +
			"    one of the two hosts is named \"unbound.example\" or below it (not looked up yet)\n" +
			"    the protocol is tcp or udp\n" +
			"    it belongs to case \"x\" (found: the query from 2026-06-01T08:00:00Z to 2026-06-01T08:31:00Z and (host evil.example or alert 00ff-3-a1))"},
	} {
		q, err := Parse(tt.text, Options{Now: noon(), Location: berlin(t)})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		bindNetwork(t, q, office())
		if got := q.Explain(); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
}
