package decoders

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// v6Option is an option of DHCPv6.
func v6Option(code int, data string) string {
	return string([]byte{byte(code >> 8), byte(code), byte(len(data) >> 8), byte(len(data))}) + data
}

// v6Message is a client's or server's message, transaction 0x10eda3.
func v6Message(typ byte, options ...string) string {
	return string(typ) + "\x10\xed\xa3" + strings.Join(options, "")
}

// v6Relay is a relay's message around another.
func v6Relay(typ, hops byte, link string, options ...string) string {
	a, peer := netip.MustParseAddr(link).As16(), netip.MustParseAddr("fe80::205:3cff:fe04:8d59").As16()
	return string([]byte{typ, hops}) + string(a[:]) + string(peer[:]) + strings.Join(options, "")
}

const (
	duidLLT = "\x00\x01\x00\x01\x1c\x39\xcf\x88\x00\x05\x3c\x04\x8d\x59"
	duidLL  = "\x00\x03\x00\x01\x00\x0c\x29\x31\x0a\xb9"
)

// v6Address is an address with its lifetimes, 600 and 1200 s.
func v6Address(a string, options ...string) string {
	ip := netip.MustParseAddr(a).As16()
	return v6Option(opt6Addr, string(ip[:])+"\x00\x00\x02\x58\x00\x00\x04\xb0"+strings.Join(options, ""))
}

func readV6(t *testing.T, msg string) *records.DHCP {
	t.Helper()
	out := datagrams[*records.DHCP](dhcpv6Protocol(), udpFlow(546, 547, 5), packet.FromA, []byte(msg))
	if len(out) != 1 {
		t.Fatalf("%d records, want 1", len(out))
	}
	return out[0]
}

func TestDHCPv6Match(t *testing.T) {
	solicit := v6Message(1, v6Option(opt6ClientID, duidLLT), v6Option(opt6NA, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"))
	info := v6Message(11, v6Option(opt6Request, "\x00\x17"))
	long := v6Message(7, v6Option(opt6ServerID, duidLL), v6Option(opt6Search, strings.Repeat("\x07example\x00", 60)))
	relay := v6Relay(12, 1, "2001:db8::1", v6Option(opt6Relayed, v6Relay(12, 0, "::", v6Option(opt6Relayed, solicit))))
	for _, c := range []struct {
		name        string
		port        uint16
		msg         string
		many        bool
		want, other sensor.Match // on the port, on another
	}{
		{"solicit", 547, solicit, false, sensor.FromClient, sensor.FromClient},
		{"reply", 547, v6Message(7, v6Option(opt6ServerID, duidLL)), false, sensor.FromServer, sensor.FromServer},
		{"long reply", 547, long, false, sensor.FromServer, sensor.FromServer},
		{"relayed twice", 547, relay, false, sensor.FromClient, sensor.FromClient},
		{"relayed, hops do not count down", 547, strings.Replace(relay, "\x0c\x01", "\x0c\x00", 1), false, sensor.FromClient, sensor.No},
		{"no DUID", 547, info, false, sensor.FromClient, sensor.No},
		{"no such type", 547, "\x18" + solicit[1:], false, sensor.No, sensor.No},
		{"option beyond the end", 547, solicit[:len(solicit)-1], false, sensor.No, sensor.No},
		{"option 0", 547, v6Message(1, v6Option(0, "")), false, sensor.No, sensor.No},
		{"too many hops", 547, v6Relay(12, 33, "::", v6Option(opt6Relayed, solicit)), false, sensor.No, sensor.No},
		{"too short", 547, "\x01\x02\x03", false, sensor.No, sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matchDHCPv6(udpFlow(546, c.port, 0), packet.FromA, first([]byte(c.msg))); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got := matchDHCPv6(udpFlow(4000, 4001, 0), packet.FromA, first([]byte(c.msg))); got != c.other {
				t.Errorf("on other ports: got %v, want %v", got, c.other)
			}
		})
	}
}

func TestDHCPv6Client(t *testing.T) {
	r := readV6(t, v6Message(3, v6Option(opt6ClientID, duidLLT), v6Option(opt6ServerID, duidLL),
		v6Option(opt6NA, "\x00\x00\x00\x09\x00\x00\x00\x0a\x00\x00\x00\x14"+v6Address("2001:db8::63")),
		v6Option(opt6FQDN, "\x00\x08KEIRI-07\x07example\x02jp\x00"), v6Option(opt6Vendor, "\x00\x00\x01\x37\x00\x08MSFT 5.0"),
		v6Option(opt6UserClass, "\x00\x03abc"), v6Option(opt6Request, "\x00\x18\x00\x17\x00\x11")))
	if r.Version != 6 || r.Type != "REQUEST" || r.TypeNo != 3 || r.Response || r.XID != 0x10eda3 || r.HardwareType != 1 ||
		records.MAC(r.MAC) != "00-05-3C-04-8D-59" || r.ClientID != duidLLT || r.ServerDUID != duidLL || r.Odd != "" {
		t.Errorf("%+v", r)
	}
	if r.FQDN != "KEIRI-07.example.jp" || r.VendorClass != "MSFT 5.0" || r.Enterprise != 311 || r.UserClass != "abc" || r.Fingerprint() != "24,23,17" {
		t.Errorf("%+v", r)
	}
	want := records.Lease{Kind: "na", IAID: 9, Prefix: netip.MustParsePrefix("2001:db8::63/128"), Preferred: 600, Valid: 1200}
	if !slices.Equal(r.Leases, []records.Lease{want}) || r.RequestedIP.String() != "2001:db8::63" || r.AssignedIP.IsValid() ||
		r.LeaseTime != 1200 || r.RenewalTime != 10 || r.RebindTime != 20 {
		t.Errorf("%+v", r)
	}
}

func TestDHCPv6Server(t *testing.T) {
	dns := netip.MustParseAddr("2001:db8::53").As16()
	r := readV6(t, v6Message(7, v6Option(opt6ClientID, duidLL), v6Option(opt6ServerID, duidLLT),
		v6Option(opt6PD, "\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00"+
			v6Option(opt6Prefix, "\x00\x00\x00\x01\x00\x00\x00\x02\x38"+string(dns[:]))),
		v6Option(opt6TA, "\x00\x00\x00\x08"+v6Address("2001:db8::64")),
		v6Option(opt6NA, "\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00"+v6Option(opt6Status, "\x00\x02none left")),
		v6Option(opt6Status, "\x00\x00fine"), v6Option(opt6DNS, string(dns[:])), v6Option(opt6Search, "\x07example\x02jp\x00\x03lab\x00"),
		v6Option(opt6NTP, v6Option(1, string(dns[:]))), v6Option(opt6BootURL, "tftp://[2001:db8::1]/x")))
	want := []records.Lease{
		{Kind: "pd", IAID: 7, Prefix: netip.MustParsePrefix("2001:db8::53/56"), Preferred: 1, Valid: 2},
		{Kind: "ta", IAID: 8, Prefix: netip.MustParsePrefix("2001:db8::64/128"), Preferred: 600, Valid: 1200},
		{Kind: "na", IAID: 9, Status: "NoAddrsAvail"}}
	if !slices.Equal(r.Leases, want) || r.AssignedIP.String() != "2001:db8::64" || r.LeaseTime != 1200 || !r.Response {
		t.Errorf("%+v", r)
	}
	if r.Status != "" || r.Message != "fine" || len(r.DNS) != 1 || len(r.NTP) != 1 || !slices.Equal(r.Search, []string{"example.jp", "lab"}) ||
		r.BootFile != "tftp://[2001:db8::1]/x" || r.Odd != "" {
		t.Errorf("%+v", r)
	}
}

func TestDHCPv6Relay(t *testing.T) {
	solicit := v6Message(1, v6Option(opt6ClientID, duidLLT))
	near := v6Relay(12, 0, "2001:db8:1::1", v6Option(opt6Interface, "Gi1/0/7"), v6Option(opt6Remote, "\x00\x00\x00\x09\x01\x02"),
		v6Option(opt6Subscriber, "sub"), v6Option(opt6LinkLayer, "\x00\x01\x00\x0c\x29\x31\x0a\xb9"), v6Option(opt6Relayed, solicit))
	r := readV6(t, v6Relay(12, 1, "2001:db8:2::1", v6Option(opt6Interface, "uplink"), v6Option(opt6Relayed, near)))
	if r.Type != "SOLICIT" || r.XID != 0x10eda3 || r.Relays != 2 || r.RelayIP.String() != "2001:db8:1::1" ||
		r.PeerIP.String() != "fe80::205:3cff:fe04:8d59" || r.CircuitID != "Gi1/0/7" || r.RemoteID != "\x01\x02" || r.SubscriberID != "sub" {
		t.Errorf("%+v", r)
	}
	if records.MAC(r.MAC) != "00-0C-29-31-0A-B9" {
		t.Errorf("the relay saw another address than %s, the DUID's", records.MAC(r.MAC))
	}
	if r := readV6(t, v6Relay(13, 0, "::", v6Option(opt6Interface, "x"))); r.Type != "RELAY-REPL" || !r.Response || r.Odd != "nothing relayed" || r.RelayIP.IsValid() {
		t.Errorf("%+v", r)
	}
}

func TestDHCPv6IsBounded(t *testing.T) {
	msg := v6Message(1, v6Option(opt6ClientID, duidLLT))
	for hops := range dhcpv6MaxRelays + 1 {
		msg = v6Relay(12, byte(hops), "::", v6Option(opt6Relayed, msg))
	}
	if r := readV6(t, msg); r.Relays != dhcpv6MaxRelays || r.Odd != "too many relays" || r.Type != "RELAY-FORW" {
		t.Errorf("%+v", r)
	}
	var addresses []string
	for i := range dhcpMaxList + 1 {
		addresses = append(addresses, v6Address(fmt.Sprintf("2001:db8::%x", i+1)))
	}
	r := readV6(t, v6Message(7, v6Option(opt6TA, "\x00\x00\x00\x01"+strings.Join(addresses, "")), v6Option(opt6Request, strings.Repeat("\x00\x01", 300)),
		v6Option(opt6Vendor, "\x00\x00\x00\x01\x10\x00"+strings.Repeat("x", 0x1000))))
	if len(r.Leases) != dhcpMaxList || len(r.Parameters) != 255 || len(r.VendorClass) != dhcpMaxText || r.Odd != "list too long" {
		t.Errorf("%d leases, %d parameters, %d octets, odd %q", len(r.Leases), len(r.Parameters), len(r.VendorClass), r.Odd)
	}
}

func FuzzDHCPv6(f *testing.F) {
	addDatagrams(f, 546, 547)
	solicit := v6Message(1, v6Option(opt6ClientID, duidLLT), v6Option(opt6NA, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"+v6Address("2001:db8::1")))
	f.Add([]byte(solicit))
	f.Add([]byte(v6Relay(12, 1, "2001:db8::1", v6Option(opt6Relayed, v6Relay(12, 0, "::", v6Option(opt6Relayed, solicit))))))
	f.Add([]byte(v6Message(7, v6Option(opt6PD, "\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00"+v6Option(opt6Prefix, strings.Repeat("a", 25))),
		v6Option(opt6FQDN, "\x00\x02pc"), v6Option(opt6Search, "\x01a\xc0\x00"), v6Option(opt6Status, "\x00\x01x"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		flow := udpFlow(546, 547, 1)
		out := datagrams[*records.DHCP](dhcpv6Protocol(), flow, packet.FromA, b)
		if len(out) == 1 && len(b) < sensor.MatchLimit && matchDHCPv6(flow, packet.FromA, b) == sensor.No {
			t.Fatal("read, but not recognised")
		}
		matchDHCPv6(udpFlow(4000, 4001, 1), packet.FromA, first(b))
		for _, r := range out {
			wantBoundedDHCP(t, r)
		}
	})
}

func BenchmarkDHCPv6(b *testing.B) {
	benchmarkDatagram(b, dhcpv6Protocol(), udpFlow(546, 547, 0), []byte(v6Message(1, v6Option(opt6ClientID, duidLLT),
		v6Option(opt6NA, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), v6Option(opt6FQDN, "\x00\x08KEIRI-07\x07example\x02jp\x00"),
		v6Option(opt6Request, "\x00\x18\x00\x17\x00\x11\x00\x27"))))
}
