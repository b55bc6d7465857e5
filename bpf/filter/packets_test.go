package filter

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// frame is a packet of the tests: on Ethernet if link is 0.
type frame struct {
	name    string
	data    []byte
	wireLen int // 0: all of data
}

var (
	macA     = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x0a}
	macB     = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x0b}
	macAll   = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	macGroup = net.HardwareAddr{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}
)

func build(t testing.TB, parts ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, parts...); err != nil {
		t.Fatal(err)
	}
	return append([]byte(nil), buf.Bytes()...)
}

func ether(dst net.HardwareAddr, etherType layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: dst, EthernetType: etherType}
}

func tag(id uint16, inside layers.EthernetType) *layers.Dot1Q {
	return &layers.Dot1Q{VLANIdentifier: id, Priority: 5, Type: inside}
}

func ip4(src, dst string, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: proto,
		SrcIP: netip.MustParseAddr(src).AsSlice(), DstIP: netip.MustParseAddr(dst).AsSlice()}
}

func ip6(src, dst string, next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next,
		SrcIP: netip.MustParseAddr(src).AsSlice(), DstIP: netip.MustParseAddr(dst).AsSlice()}
}

func tcp(src, dst layers.TCPPort, flags string) *layers.TCP {
	t := &layers.TCP{SrcPort: src, DstPort: dst, Window: 512, Seq: 0x01020304}
	for _, f := range flags {
		switch f {
		case 'S':
			t.SYN = true
		case 'A':
			t.ACK = true
		case 'F':
			t.FIN = true
		case 'R':
			t.RST = true
		case 'P':
			t.PSH = true
		}
	}
	return t
}

func udp(src, dst layers.UDPPort) *layers.UDP { return &layers.UDP{SrcPort: src, DstPort: dst} }

func sctp(src, dst layers.SCTPPort) *layers.SCTP { return &layers.SCTP{SrcPort: src, DstPort: dst} }

func arp(op uint16, src, dst string) *layers.ARP {
	return &layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation: op, SourceHwAddress: macA, SourceProtAddress: netip.MustParseAddr(src).AsSlice(),
		DstHwAddress: make([]byte, 6), DstProtAddress: netip.MustParseAddr(dst).AsSlice()}
}

func icmp(kind uint8) *layers.ICMPv4 {
	return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, 0), Id: 1}
}

func pay(n int) gopacket.Payload { return make([]byte, n) }

const (
	typeIP4  = layers.EthernetTypeIPv4
	typeIP6  = layers.EthernetTypeIPv6
	typeVLAN = layers.EthernetTypeDot1Q
	typeQinQ = layers.EthernetTypeQinQ
	typeRARP = layers.EthernetType(0x8035)
	protoTCP = layers.IPProtocolTCP
	protoUDP = layers.IPProtocolUDP
)

// ipPackets are complete from the network header on.
func ipPackets(t testing.TB) []frame {
	options := ip4("10.0.0.1", "10.0.0.2", protoTCP)
	options.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: make([]byte, 5)}, {OptionType: 0}}
	first := ip4("10.0.0.1", "10.0.0.2", protoUDP)
	first.Flags = layers.IPv4MoreFragments
	second := ip4("10.0.0.1", "10.0.0.2", protoUDP)
	second.FragOffset = 185
	fragment6 := append([]byte{byte(protoUDP), 0, 0, 1, 0, 0, 0, 9}, build(t, udp(53, 53), pay(8))...)
	get := gopacket.Payload("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	return []frame{
		{name: "tcp4 syn 80", data: build(t, ip4("10.0.0.1", "10.0.0.2", protoTCP), tcp(40000, 80, "S"))},
		{name: "tcp4 synack 80", data: build(t, ip4("10.0.0.2", "10.0.0.1", protoTCP), tcp(80, 40000, "SA"))},
		{name: "tcp4 get", data: build(t, ip4("10.0.0.1", "10.0.0.2", protoTCP), tcp(40000, 80, "PA"), get)},
		{name: "tcp4 fin 443", data: build(t, ip4("192.168.1.5", "203.0.113.9", protoTCP), tcp(50000, 443, "FA"))},
		{name: "tcp4 rst options", data: build(t, options, tcp(40001, 22, "R"))},
		{name: "tcp6 syn 443", data: build(t, ip6("2001:db8::1", "2001:db8::2", protoTCP), tcp(50001, 443, "S"))},
		{name: "udp4 dns query", data: build(t, ip4("192.168.1.5", "192.168.1.1", protoUDP), udp(33333, 53), pay(30))},
		{name: "udp4 dns answer", data: build(t, ip4("192.168.1.1", "192.168.1.5", protoUDP), udp(53, 33333), pay(500))},
		{name: "udp4 80", data: build(t, ip4("172.16.3.4", "172.31.255.1", protoUDP), udp(9, 80), pay(9))},
		{name: "udp4 mdns", data: build(t, ip4("192.168.1.5", "224.0.0.251", protoUDP), udp(5353, 5353), pay(40))},
		{name: "udp4 big", data: build(t, ip4("192.168.1.7", "192.168.1.255", protoUDP), udp(138, 138), pay(1400))},
		{name: "udp4 first fragment", data: build(t, first, udp(53, 53), pay(100))},
		{name: "udp4 second fragment", data: build(t, second, udp(53, 53), pay(100))},
		{name: "udp6 dns", data: build(t, ip6("fe80::1", "ff02::fb", protoUDP), udp(5353, 53), pay(20))},
		{name: "udp6 fragment", data: build(t, ip6("2001:db8::1", "2001:db8:0:1::2", layers.IPProtocolIPv6Fragment), gopacket.Payload(fragment6))},
		{name: "sctp4 80", data: build(t, ip4("10.9.9.9", "10.0.0.2", layers.IPProtocolSCTP), sctp(80, 2905), pay(16))},
		{name: "sctp6 2905", data: build(t, ip6("2001:db8::9", "2001:db8::2", layers.IPProtocolSCTP), sctp(2905, 2905), pay(16))},
		{name: "icmp echo", data: build(t, ip4("10.0.0.1", "8.8.8.8", 1), icmp(8), pay(32))},
		{name: "icmp reply", data: build(t, ip4("8.8.8.8", "10.0.0.1", 1), icmp(0), pay(32))},
		{name: "icmp unreachable", data: build(t, ip4("10.0.0.254", "10.0.0.1", 1), icmp(3), pay(28))},
		{name: "icmp6 solicit", data: build(t, ip6("fe80::1", "ff02::1:ff00:2", 58), &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(135, 0)}, pay(24))},
		{name: "icmp6 echo", data: build(t, ip6("2001:db8::1", "2001:db8::2", 58), &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}, pay(24))},
		{name: "igmp", data: build(t, ip4("192.168.1.5", "224.0.0.22", 2), pay(16))},
		{name: "vrrp", data: build(t, ip4("192.168.1.2", "224.0.0.18", 112), pay(20))},
		{name: "pim", data: build(t, ip4("192.168.1.2", "224.0.0.13", 103), pay(20))},
		{name: "esp", data: build(t, ip4("198.51.100.1", "198.51.100.2", 50), pay(60))},
		{name: "ah6", data: build(t, ip6("2001:db8::1", "2001:db8::2", 51), pay(40))},
		{name: "gre", data: build(t, ip4("198.51.100.1", "198.51.100.2", 47), pay(30))},
		{name: "ospf", data: build(t, ip4("192.168.1.2", "224.0.0.5", 89), pay(44))},
		{name: "eigrp", data: build(t, ip4("192.168.1.2", "224.0.0.10", 9), pay(44))},
	}
}

// ethernetFrames are ipPackets on Ethernet, and what only Ethernet carries.
func ethernetFrames(t testing.TB) []frame {
	inner := func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ip4("10.0.0.1", "10.0.0.2", protoTCP), tcp(40000, 80, "S"), pay(10)}
	}
	over := func(below ...gopacket.SerializableLayer) []byte { return build(t, append(below, inner()...)...) }
	label := func(n uint32, bottom bool) *layers.MPLS {
		return &layers.MPLS{Label: n, StackBottom: bottom, TTL: 64}
	}
	session := func(id uint16) *layers.PPPoE {
		return &layers.PPPoE{Version: 1, Type: 1, Code: layers.PPPoECodeSession, SessionId: id}
	}
	frames := []frame{
		{name: "arp request", data: build(t, ether(macAll, layers.EthernetTypeARP), arp(1, "192.168.1.5", "192.168.1.1"), pay(18))},
		{name: "arp reply", data: build(t, ether(macB, layers.EthernetTypeARP), arp(2, "10.0.0.2", "10.0.0.1"), pay(18))},
		{name: "rarp", data: build(t, ether(macAll, typeRARP), arp(3, "0.0.0.0", "10.0.0.1"), pay(18))},
		{name: "stp", data: build(t, &layers.Ethernet{SrcMAC: macA, DstMAC: net.HardwareAddr{1, 0x80, 0xc2, 0, 0, 0}, EthernetType: layers.EthernetTypeLLC, Length: 38},
			gopacket.Payload(append([]byte{0x42, 0x42, 3}, make([]byte, 43)...)))},
		{name: "lldp", data: build(t, ether(net.HardwareAddr{1, 0x80, 0xc2, 0, 0, 0x0e}, layers.EthernetTypeLinkLayerDiscovery), pay(46))},
		{name: "decnet", data: build(t, ether(macB, 0x6003), pay(46))},
		{name: "vlan 10 tcp 80", data: over(ether(macB, typeVLAN), tag(10, typeIP4))},
		{name: "vlan 10 arp", data: build(t, ether(macAll, typeVLAN), tag(10, layers.EthernetTypeARP), arp(1, "10.0.0.1", "10.0.0.2"), pay(14))},
		{name: "vlan 20 udp6", data: build(t, ether(macB, typeVLAN), tag(20, typeIP6), ip6("2001:db8::1", "2001:db8::2", protoUDP), udp(53, 99), pay(10))},
		{name: "qinq 100/10", data: over(ether(macB, typeQinQ), tag(100, typeVLAN), tag(10, typeIP4))},
		{name: "old qinq 200/20", data: over(ether(macB, 0x9100), tag(200, typeVLAN), tag(20, typeIP4))},
		{name: "mpls 16", data: over(ether(macB, layers.EthernetTypeMPLSUnicast), label(16, true))},
		{name: "mpls 17/1000", data: over(ether(macB, layers.EthernetTypeMPLSUnicast), label(17, false), label(1000, true))},
		{name: "vlan 30 mpls 16", data: over(ether(macB, typeVLAN), tag(30, layers.EthernetTypeMPLSUnicast), label(16, true))},
		{name: "pppoe session 5", data: over(ether(macB, layers.EthernetTypePPPoESession), session(5), &layers.PPP{PPPType: layers.PPPTypeIPv4})},
		{name: "pppoe session 6 udp6", data: build(t, ether(macB, layers.EthernetTypePPPoESession), session(6), &layers.PPP{PPPType: layers.PPPTypeIPv6},
			ip6("2001:db8::1", "2001:db8::2", protoUDP), udp(53, 99), pay(10))},
		{name: "pppoe discovery", data: build(t, ether(macAll, layers.EthernetTypePPPoEDiscovery), pay(46))},
	}
	for _, p := range ipPackets(t) {
		dst, etherType := macB, typeIP4
		if p.data[0]>>4 == 6 {
			etherType = typeIP6
		} else if p.data[16] == 224 {
			dst = macGroup
		} else if p.data[19] == 255 {
			dst = macAll
		}
		p.data = append(build(t, ether(dst, etherType))[:14], p.data...) // without gopacket's padding
		frames = append(frames, p)
	}
	whole := build(t, ether(macB, typeIP4), ip4("10.0.0.1", "10.0.0.2", protoTCP), tcp(40000, 80, "PA"), pay(900))
	return append(frames,
		frame{name: "tcp4 cut to 96", data: whole[:96], wireLen: len(whole)},
		frame{name: "tcp4 cut in tcp", data: whole[:40], wireLen: len(whole)},
		frame{name: "tcp4 cut in ip", data: whole[:20], wireLen: len(whole)},
		frame{name: "runt", data: whole[:13]})
}

// framesOf are the IP packets with the header of another link type.
func framesOf(t testing.TB, link uint16) []frame {
	if link == LinkEthernet {
		return ethernetFrames(t)
	}
	var out []frame
	for i, p := range ipPackets(t) {
		etherType, af := []byte{0x08, 0x00}, byte(2)
		if p.data[0]>>4 == 6 {
			etherType, af = []byte{0x86, 0xdd}, []byte{24, 28, 30}[i%3]
		}
		var header []byte
		switch link {
		case LinkNull:
			header = []byte{af, 0, 0, 0}
		case LinkLoop:
			header = []byte{0, 0, 0, af}
		case LinkSLL:
			header = append([]byte{0, byte(i % 5), 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, etherType...)
		case LinkSLL2:
			header = append(etherType, 0, 0, 0, 0, 0, 2, 0, 1, byte(i%5), 6, 2, 0, 0, 0, 0, 1, 0, 0)
		case LinkIPv4, LinkIPv6:
			if (link == LinkIPv4) != (af == 2) {
				continue
			}
		}
		p.data = append(header, p.data...)
		out = append(out, p)
	}
	return out
}
