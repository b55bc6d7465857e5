package decoders

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// dhcpMessage is a DHCPv4 message: op, transaction 0x3903f326, a client's MAC,
// yiaddr when op is 2, and options.
func dhcpMessage(op byte, options ...string) []byte {
	b := make([]byte, dhcpHeader, 300)
	b[0], b[1], b[2] = op, 1, 6
	copy(b[4:], "\x39\x03\xf3\x26")
	if op == 2 {
		copy(b[16:], "\x0a\x00\x00\x63")
	}
	copy(b[28:], "\x00\x05\x3c\x04\x8d\x59")
	b = append(b, "\x63\x82\x53\x63"...)
	for _, o := range options {
		b = append(b, o...)
	}
	return append(b, 255)
}

// option is an option of DHCPv4.
func option(code byte, data string) string { return string([]byte{code, byte(len(data))}) + data }

func readV4(t *testing.T, b []byte) *records.DHCP {
	t.Helper()
	out := datagrams[*records.DHCP](dhcpProtocol(), udpFlow(68, 67, 5), packet.FromA, b)
	if len(out) != 1 {
		t.Fatalf("%d records, want 1", len(out))
	}
	return out[0]
}

func TestDHCPMatch(t *testing.T) {
	request, reply := dhcpMessage(1, option(53, "\x01")), dhcpMessage(2, option(53, "\x02"))
	bootp := slices.Concat(request[:dhcpHeader], make([]byte, 64))
	edit := func(at int, v byte) []byte { b := slices.Clone(request); b[at] = v; return b }
	for _, c := range []struct {
		name string
		flow *sensor.Flow
		msg  []byte
		want sensor.Match
	}{
		{"request", broadcastTo(udpFlow(68, 67, 0)), request, sensor.FromClient},
		{"reply", udpFlow(68, 67, 0), reply, sensor.FromServer},
		{"reply to everybody: its sender stays the originator", broadcastTo(udpFlow(67, 68, 0)), reply, sensor.FromClient},
		{"other ports", udpFlow(4000, 4011, 0), request, sensor.FromClient},
		{"BOOTP without a cookie", udpFlow(68, 67, 0), bootp, sensor.FromClient},
		{"BOOTP without a cookie on other ports", udpFlow(68, 4011, 0), bootp, sensor.No},
		{"no such op", udpFlow(68, 67, 0), edit(0, 3), sensor.No},
		{"hardware address too long", udpFlow(68, 67, 0), edit(2, 17), sensor.No},
		{"too many hops", udpFlow(68, 67, 0), edit(3, 17), sensor.No},
		{"too short", udpFlow(68, 67, 0), request[:dhcpHeader-1], sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matchDHCP(c.flow, packet.FromA, first(c.msg)); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestDHCPRequest(t *testing.T) {
	r := readV4(t, dhcpMessage(1, option(53, "\x03"), option(61, "\x01\x00\x05\x3c\x04\x8d\x59"), option(50, "\x0a\x00\x00\x63"),
		option(54, "\x0a\x00\x00\x01"), option(12, "KEIRI-07\x00"), option(81, "\x00\x00\x00KEIRI-07.example.jp."), option(60, "MSFT 5.0"),
		option(77, "\x03abc"), option(55, "\x01\x03\x06\x0f\xfc"), "\x00\x00"))
	if r.Version != 4 || r.Type != "REQUEST" || r.TypeNo != 3 || r.Response || r.XID != 0x3903f326 || r.Time != 5 || r.HardwareType != 1 ||
		records.MAC(r.MAC) != "00-05-3C-04-8D-59" || r.Odd != "" {
		t.Errorf("%+v", r)
	}
	if r.HostName != "KEIRI-07" || r.FQDN != "KEIRI-07.example.jp" || r.VendorClass != "MSFT 5.0" || r.UserClass != "\x03abc" ||
		r.ClientID != "\x01\x00\x05\x3c\x04\x8d\x59" || r.Fingerprint() != "1,3,6,15,252" {
		t.Errorf("%+v", r)
	}
	if r.RequestedIP.String() != "10.0.0.99" || r.ServerIP.String() != "10.0.0.1" || r.ClientIP.IsValid() || r.AssignedIP.IsValid() {
		t.Errorf("%+v", r)
	}
}

func TestDHCPAck(t *testing.T) {
	b := dhcpMessage(2, option(53, "\x05"), option(54, "\x0a\x00\x00\x01"), option(51, "\x00\x00\x0e\x10"), option(58, "\x00\x00\x07\x08"),
		option(59, "\x00\x00\x0c\x4e"), option(1, "\xff\xff\xff\x00"), option(3, "\x0a\x00\x00\x01"), option(6, "\x0a\x00\x00\x35\x0a\x00\x00\x36"),
		option(15, "example.jp"), option(119, "\x04corp\x07example\x02jp\x00\x03lab\xc0\x05"), option(42, "\x0a\x00\x00\x7b"),
		option(252, "http://wpad.example.jp/wpad.dat\n"), option(82, "\x01\x04port\x02\x02\x00\x13\x06\x03sub"), option(67, "pxelinux.0"))
	copy(b[20:], "\x0a\x00\x00\x02") // siaddr
	copy(b[24:], "\x0a\x00\x01\xfe") // giaddr
	copy(b[44:], "boot.example.jp")
	b[3] = 1
	r := readV4(t, b)
	if r.Type != "ACK" || !r.Response || r.AssignedIP.String() != "10.0.0.99" || r.LeaseTime != 3600 || r.RenewalTime != 1800 ||
		r.RebindTime != 3150 || r.NextServer.String() != "10.0.0.2" || r.RelayIP.String() != "10.0.1.254" || r.Relays != 1 || r.Odd != "" {
		t.Errorf("%+v", r)
	}
	want := []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("10.0.0.54")}
	if r.SubnetMask.String() != "255.255.255.0" || !slices.Equal(r.DNS, want) || len(r.Routers) != 1 || len(r.NTP) != 1 ||
		r.Domain != "example.jp" || !slices.Equal(r.Search, []string{"corp.example.jp", "lab.example.jp"}) {
		t.Errorf("%+v", r)
	}
	if r.ProxyConfig != "http://wpad.example.jp/wpad.dat" || r.CircuitID != "port" || r.RemoteID != "\x00\x13" || r.SubscriberID != "sub" ||
		r.BootServer != "boot.example.jp" || r.BootFile != "pxelinux.0" {
		t.Errorf("%+v", r)
	}
}

func TestDHCPOptions(t *testing.T) {
	overload := func(in byte, file, sname string) []byte {
		b := dhcpMessage(2, option(53, "\x02"), option(52, string([]byte{in})))
		copy(b[108:], file)
		copy(b[44:], sname)
		return b
	}
	file, sname := option(56, "from file, ")+"\xff", option(56, "from sname")+option(12, "host")+"\xff"
	for _, c := range []struct {
		name, want string
		msg        []byte
		got        func(*records.DHCP) string
	}{
		{"in file", "from file, ", overload(1, file, "boot"), func(r *records.DHCP) string { return r.Message + r.BootFile }},
		{"in sname", "from sname host", overload(2, "", sname), func(r *records.DHCP) string { return r.Message + " " + r.HostName }},
		{"in both, put together in the order of RFC 3396", "from file, from sname", overload(3, file, sname),
			func(r *records.DHCP) string { return r.Message + r.BootServer }},
		{"one in two pieces", "longhost", dhcpMessage(1, option(12, "long"), option(53, "\x01"), option(12, "host")),
			func(r *records.DHCP) string { return r.HostName }},
		{"full name in DNS's form", "pc.example.jp", dhcpMessage(1, option(81, "\x04\x00\x00\x02pc\x07example\x02jp\x00")),
			func(r *records.DHCP) string { return r.FQDN }},
		{"full name, only its first label", "pc", dhcpMessage(1, option(81, "\x04\x00\x00\x02pc")), func(r *records.DHCP) string { return r.FQDN }},
		{"vendor class of an enterprise", "3561 cpe", dhcpMessage(1, option(124, "\x00\x00\x0d\xe9\x03cpe")),
			func(r *records.DHCP) string { return string(appendNumber(nil, r.Enterprise)) + " " + r.VendorClass }},
		{"no name for the type", "TYPE99", dhcpMessage(1, option(53, "\x63")), func(r *records.DHCP) string { return r.Type }},
		{"BOOTP has no type", "", dhcpMessage(1), func(r *records.DHCP) string { return r.Type + r.Odd }},
		{"no end", "", dhcpMessage(1, option(12, "a"))[:dhcpHeader+4+3], func(r *records.DHCP) string { return r.Odd }},
		{"cut option", "cut option", dhcpMessage(1, option(12, "abcdef"))[:dhcpHeader+8], func(r *records.DHCP) string { return r.Odd }},
		{"lease time of three octets", "bad option length", dhcpMessage(2, option(51, "abc")), func(r *records.DHCP) string { return r.Odd }},
		{"address of five octets", "bad option length", dhcpMessage(2, option(6, "abcde")), func(r *records.DHCP) string { return r.Odd }},
		{"name without end", "bad name", dhcpMessage(2, option(119, "\x09abc")), func(r *records.DHCP) string { return r.Odd }},
		{"relay's option cut", "cut option", dhcpMessage(2, option(82, "\x01\x09abc")), func(r *records.DHCP) string { return r.Odd }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.got(readV4(t, c.msg)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func appendNumber(b []byte, n uint32) []byte {
	if n >= 10 {
		b = appendNumber(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

func TestDHCPIsBounded(t *testing.T) {
	var many []string
	for range 40 {
		many = append(many, option(6, strings.Repeat("\x0a\x00\x00\x35", 60)), option(60, strings.Repeat("x", 250)), option(119, "\x01a\x00"))
	}
	r := readV4(t, dhcpMessage(2, many...))
	if len(r.DNS) != dhcpMaxList || len(r.Search) != dhcpMaxList || len(r.VendorClass) != dhcpMaxText || r.Odd == "" {
		t.Errorf("%d servers, %d names, %d octets of text, odd %q", len(r.DNS), len(r.Search), len(r.VendorClass), r.Odd)
	}
}

func TestDHCPCutBySnapLength(t *testing.T) {
	b := dhcpMessage(1, option(53, "\x01"))
	f := udpFlow(68, 67, 0)
	f.Cut = len(b) - 60
	if m := matchDHCP(f, packet.FromA, b[:60]); m != sensor.FromClient {
		t.Errorf("match %v", m)
	}
	out := datagrams[*records.DHCP](dhcpProtocol(), f, packet.FromA, b[:60])
	if len(out) != 1 || out[0].XID != 0x3903f326 || out[0].MAC[5] != 0x59 || out[0].Odd != "cut by the snap length" {
		t.Errorf("%+v", out)
	}
	f.Cut = 0
	if out := datagrams[*records.DHCP](dhcpProtocol(), f, packet.FromA, b[:60]); len(out) != 0 {
		t.Errorf("a short datagram that nobody cut: %+v", out[0])
	}
}

func FuzzDHCP(f *testing.F) {
	addDatagrams(f, 67, 68)
	f.Add(dhcpMessage(1, option(53, "\x01"), option(81, "\x04\x00\x00\x02pc\x00"), option(55, "\x01\x02")))
	f.Add(dhcpMessage(2, option(53, "\x05"), option(52, "\x03"), option(82, "\x01\x01a"), option(119, "\x01a\xc0\x00"), option(6, "abcd")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= dhcpHeader+4 { // spare the fuzzer the cookie
			binary.BigEndian.PutUint32(b[dhcpHeader:], dhcpCookie)
		}
		flow := udpFlow(68, 67, 1)
		matched := matchDHCP(flow, packet.FromA, first(b)) != sensor.No
		out := datagrams[*records.DHCP](dhcpProtocol(), flow, packet.FromA, b)
		if matched != (len(out) == 1) {
			t.Fatalf("match %v, %d records", matched, len(out))
		}
		for _, r := range out {
			wantBoundedDHCP(t, r)
		}
	})
}

func wantBoundedDHCP(t *testing.T, r *records.DHCP) {
	t.Helper()
	for _, n := range []int{len(r.DNS), len(r.Routers), len(r.NTP), len(r.Search), len(r.Leases)} {
		if n > dhcpMaxList {
			t.Errorf("list of %d", n)
		}
	}
	for _, s := range []string{r.HostName, r.FQDN, r.VendorClass, r.UserClass, r.ClientID, r.ServerDUID, r.Message, r.Domain, r.CircuitID, r.RemoteID} {
		if len(s) > dhcpMaxText {
			t.Errorf("text of %d octets", len(s))
		}
	}
	if len(r.Parameters) > 255 || r.Relays > dhcpMaxHops || len(r.AppendFields(nil)) == 0 {
		t.Errorf("%d parameters, %d relays", len(r.Parameters), r.Relays)
	}
}

func BenchmarkDHCP(b *testing.B) {
	msg := dhcpMessage(1, option(53, "\x03"), option(61, "\x01\x00\x05\x3c\x04\x8d\x59"), option(50, "\x0a\x00\x00\x63"), option(12, "KEIRI-07"),
		option(60, "MSFT 5.0"), option(55, "\x01\x03\x06\x0f\x1f\x21\x2b\x2c\x2e\x2f\x77\x79\xf9\xfc"))
	benchmarkDatagram(b, dhcpProtocol(), udpFlow(68, 67, 0), msg)
}

// benchmarkDatagram reads one message again and again.
func benchmarkDatagram(b *testing.B, p sensor.Protocol, f *sensor.Flow, msg []byte) {
	if p.Match(f, packet.FromA, first(msg)) == sensor.No {
		b.Fatal("no match")
	}
	d, emit := p.New(), func(records.Record) {}
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		d.Data(f, packet.FromA, msg, emit)
	}
}
