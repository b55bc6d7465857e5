package packet

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// frame serializes layers with lengths and checksums set.
func frame(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	var network gopacket.NetworkLayer
	for _, l := range ls {
		if n, ok := l.(gopacket.NetworkLayer); ok {
			network = n
		}
		switch l := l.(type) {
		case *layers.TCP:
			l.SetNetworkLayerForChecksum(network)
		case *layers.UDP:
			l.SetNetworkLayerForChecksum(network)
		case *layers.ICMPv6:
			l.SetNetworkLayerForChecksum(network)
		}
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return append([]byte(nil), b.Bytes()...)
}

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func eth(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: t}
}

func ip4(src, dst string, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: net.ParseIP(src).To4(), DstIP: net.ParseIP(dst).To4()}
}

func ip6(src, dst string, next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 60, NextHeader: next, SrcIP: net.ParseIP(src), DstIP: net.ParseIP(dst)}
}

func addr(s string) [16]byte { return [16]byte(net.ParseIP(s).To16()) }

func TestParse(t *testing.T) {
	tcp := func() *layers.TCP {
		return &layers.TCP{SrcPort: 50000, DstPort: 80, Seq: 7, Ack: 9, ACK: true, PSH: true, Window: 512}
	}
	udp := &layers.UDP{SrcPort: 53, DstPort: 40000}
	pay := gopacket.Payload("hello")
	tests := []struct {
		name    string
		link    LinkType
		data    []byte
		want    Outcome
		payload string
		sport   uint16
		dport   uint16
		src     string
		vlans   int
	}{
		{"tcp over ipv4", LinkEthernet, frame(t, eth(0x800), ip4("10.0.0.2", "10.0.0.1", 6), tcp(), pay), OK, "hello", 50000, 80, "10.0.0.2", 0},
		{"udp over ipv6", LinkEthernet, frame(t, eth(0x86dd), ip6("2001:db8::1", "2001:db8::2", 17), udp, pay), OK, "hello", 53, 40000, "2001:db8::1", 0},
		{"802.1Q", LinkEthernet, frame(t, eth(0x8100), &layers.Dot1Q{VLANIdentifier: 7, Type: 0x800}, ip4("10.0.0.2", "10.0.0.1", 6), tcp(), pay), OK, "hello", 50000, 80, "10.0.0.2", 1},
		{"QinQ", LinkEthernet, frame(t, eth(0x88a8), &layers.Dot1Q{VLANIdentifier: 7, Type: 0x8100}, &layers.Dot1Q{VLANIdentifier: 8, Type: 0x800}, ip4("10.0.0.2", "10.0.0.1", 17), udp, pay), OK, "hello", 53, 40000, "10.0.0.2", 2},
		{"raw ip", LinkRaw, frame(t, ip4("10.0.0.2", "10.0.0.1", 6), tcp(), pay), OK, "hello", 50000, 80, "10.0.0.2", 0},
		{"null, little-endian family", LinkNull, append([]byte{2, 0, 0, 0}, frame(t, ip4("127.0.0.1", "127.0.0.1", 6), tcp(), pay)...), OK, "hello", 50000, 80, "127.0.0.1", 0},
		{"PPP", LinkPPP, append([]byte{0xff, 3, 0, 0x21}, frame(t, ip4("10.0.0.2", "10.0.0.1", 6), tcp(), pay)...), OK, "hello", 50000, 80, "10.0.0.2", 0},
		{"PPP, compressed fields", LinkPPPHDLC, append([]byte{0x21}, frame(t, ip4("10.0.0.2", "10.0.0.1", 6), tcp(), pay)...), OK, "hello", 50000, 80, "10.0.0.2", 0},
		{"cooked v1", LinkSLL, append([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, frame(t, ip4("10.0.0.2", "10.0.0.1", 6), tcp(), pay)...), OK, "hello", 50000, 80, "10.0.0.2", 0},
		{"cooked v2", LinkSLL2, append([]byte{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, frame(t, ip4("10.0.0.2", "10.0.0.1", 6), tcp(), pay)...), OK, "hello", 50000, 80, "10.0.0.2", 0},
		{"ipv4 options", LinkEthernet, frame(t, eth(0x800), withOptions(ip4("10.0.0.2", "10.0.0.1", 6)), tcp(), pay), OK, "hello", 50000, 80, "10.0.0.2", 0},
		{"padding is not payload", LinkEthernet, append(frame(t, eth(0x800), ip4("10.0.0.2", "10.0.0.1", 17), udp, gopacket.Payload("x")), make([]byte, 20)...), OK, "x", 53, 40000, "10.0.0.2", 0},
		{"arp", LinkEthernet, frame(t, eth(0x806), &layers.ARP{AddrType: 1, Protocol: 0x800, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1, SourceHwAddress: macA, SourceProtAddress: []byte{10, 0, 0, 1}, DstHwAddress: make([]byte, 6), DstProtAddress: []byte{10, 0, 0, 2}}), ARP, "", 0, 0, "", 0},
		{"lldp", LinkEthernet, append(append([]byte{}, macB...), append(macA, 0x88, 0xcc, 1, 2)...), NotIP, "", 0, 0, "", 0},
		{"short frame", LinkEthernet, []byte{1, 2, 3}, Truncated, "", 0, 0, "", 0},
		{"unknown link", LinkType(999), make([]byte, 60), BadLink, "", 0, 0, "", 0},
		{"header length below 20", LinkRaw, append([]byte{0x44}, make([]byte, 40)...), BadHeader, "", 0, 0, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p Packet
			if got := p.Parse(tt.data, uint32(len(tt.data)), tt.link); got != tt.want {
				t.Fatalf("outcome %v, want %v", got, tt.want)
			}
			if tt.want != OK {
				return
			}
			if string(p.Bytes()) != tt.payload {
				t.Errorf("payload %q, want %q", p.Bytes(), tt.payload)
			}
			if s, d := p.Key.Port(p.Side), p.Key.Port(p.Side.Other()); s != tt.sport || d != tt.dport {
				t.Errorf("ports %d > %d, want %d > %d", s, d, tt.sport, tt.dport)
			}
			if p.Src() != addr(tt.src) {
				t.Errorf("source %v, want %s", p.Src(), tt.src)
			}
			if int(p.VLANs) != tt.vlans {
				t.Errorf("%d VLAN tags, want %d", p.VLANs, tt.vlans)
			}
			if p.BadSum {
				t.Error("checksum said to be wrong")
			}
		})
	}
}

func withOptions(ip *layers.IPv4) *layers.IPv4 {
	ip.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: []byte{4, 0, 0, 0, 0}}}
	return ip
}

func TestIPv6Extensions(t *testing.T) {
	udp := frame(t, ip6("::1", "::2", 17), &layers.UDP{SrcPort: 1000, DstPort: 53}, gopacket.Payload("q"))
	hdr, rest := udp[:40], udp[40:]
	hop := []byte{60, 0, 1, 4, 0, 0, 0, 0}
	dst := []byte{17, 0, 1, 4, 0, 0, 0, 0}
	data := append(append(append(append([]byte{}, hdr...), hop...), dst...), rest...)
	data[6] = 0
	be.PutUint16(data[4:], uint16(len(data)-40))
	var p Packet
	if out := p.Parse(data, uint32(len(data)), LinkRaw); out != OK {
		t.Fatalf("outcome %v", out)
	}
	if string(p.Bytes()) != "q" || p.Key.Proto != ProtoUDP {
		t.Errorf("payload %q, protocol %d", p.Bytes(), p.Key.Proto)
	}
}

func TestSnapLength(t *testing.T) {
	whole := frame(t, eth(0x800), ip4("10.0.0.2", "10.0.0.1", 6), &layers.TCP{SrcPort: 1, DstPort: 2}, gopacket.Payload(make([]byte, 1000)))
	for _, c := range []struct {
		keep    int
		want    Outcome
		missing int
	}{{len(whole), OK, 0}, {154, OK, 900}, {54, OK, 1000}, {53, Truncated, 0}, {20, Truncated, 0}} {
		var p Packet
		if out := p.Parse(whole[:c.keep], uint32(len(whole)), LinkEthernet); out != c.want {
			t.Errorf("%d octets kept: %v, want %v", c.keep, out, c.want)
		} else if out == OK && (p.Missing != c.missing || p.PayloadLen() != 1000) {
			t.Errorf("%d octets kept: %d missing of %d, want %d of 1000", c.keep, p.Missing, p.PayloadLen(), c.missing)
		}
	}
}

func TestBothDirectionsShareKeyAndShard(t *testing.T) {
	ab := frame(t, eth(0x800), ip4("10.0.0.2", "192.0.2.1", 17), &layers.UDP{SrcPort: 5, DstPort: 53})
	ba := frame(t, eth(0x800), ip4("192.0.2.1", "10.0.0.2", 17), &layers.UDP{SrcPort: 53, DstPort: 5})
	var p, q Packet
	p.Parse(ab, uint32(len(ab)), LinkEthernet)
	q.Parse(ba, uint32(len(ba)), LinkEthernet)
	if p.Key != q.Key || p.Side == q.Side || p.Key.Hash() != q.Key.Hash() {
		t.Errorf("keys differ: %v %v", p.Key, q.Key)
	}
	h1, _ := Shard(new(Packet), ab, 99, LinkEthernet)
	h2, _ := Shard(new(Packet), ba, 99, LinkEthernet)
	if h1 != h2 || h1 == 0 || h1 != p.Key.Pair() {
		t.Error("shards differ between directions")
	}
}

func TestICMPErrorQuotesFlow(t *testing.T) {
	inner := frame(t, ip4("10.0.0.2", "192.0.2.1", 17), &layers.UDP{SrcPort: 5, DstPort: 53}, gopacket.Payload("query"))
	err := frame(t, eth(0x800), ip4("192.0.2.1", "10.0.0.2", 1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(inner[:28]))
	var p, q Packet
	if out := p.Parse(err, uint32(len(err)), LinkEthernet); out != OK {
		t.Fatal(out)
	}
	if !p.Embedded(&q) {
		t.Fatal("no quoted datagram found")
	}
	if q.Key.Port(q.Side) != 5 || q.Key.Port(q.Side.Other()) != 53 || q.Key.Proto != ProtoUDP {
		t.Errorf("quoted key %+v", q.Key)
	}
}

// The vectors are those of the specification's baseline (community-id-spec).
func TestCommunityID(t *testing.T) {
	tests := []struct {
		proto        uint8
		src, dst     string
		sport, dport uint16
		want         string
	}{
		{6, "128.232.110.120", "66.35.250.204", 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{17, "192.168.1.52", "8.8.8.8", 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{1, "192.168.0.89", "192.168.0.1", 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{1, "192.168.0.89", "192.168.0.1", 20, 0, "1:3o2RFccXzUgjl7zDpqmY7yJi8rI="},
		{58, "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 136, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{132, "192.168.170.8", "192.168.170.56", 7, 80, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
	}
	for _, tt := range tests {
		var p Packet
		src, dst := addr(tt.src), addr(tt.dst)
		p.setKey(tt.proto, &src, &dst, tt.sport, tt.dport)
		if got := p.Key.CommunityID(p.Side); got != tt.want {
			t.Errorf("%d %s:%d > %s:%d: %s, want %s", tt.proto, tt.src, tt.sport, tt.dst, tt.dport, got, tt.want)
		}
	}
}
