// Package packet reads one captured frame, link layer to layer 4, into one
// struct of offsets and numbers, and names the flow that the frame belongs to.
//
// It is a leaf: standard library only. It never allocates while parsing and
// never returns an error value; every frame ends in one of a few Outcomes,
// which callers count.
package packet

// LinkType is a LINKTYPE_ number (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that Parse understands.
const (
	LinkNull     LinkType = 0   // BSD loopback, 4-byte family in the capturing host's order
	LinkEthernet LinkType = 1   // IEEE 802.3
	LinkPPP      LinkType = 9   // RFC 1661, with or without RFC 1662's address and control
	LinkRaw12    LinkType = 12  // DLT_RAW of most systems
	LinkRaw14    LinkType = 14  // DLT_RAW of OpenBSD
	LinkPPPHDLC  LinkType = 50  // PPP in HDLC-like framing
	LinkRaw      LinkType = 101 // raw IPv4 or IPv6
	LinkLoop     LinkType = 108 // OpenBSD loopback, 4-byte family in network order
	LinkSLL      LinkType = 113 // Linux cooked capture v1
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkSLL2     LinkType = 276 // Linux cooked capture v2
)

// IANA protocol numbers that the sensor tells apart.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
	ProtoSCTP   = 132
)

// Side is the sender of a packet within its flow's canonical Key.
type Side uint8

const (
	FromA Side = 0 // Key.A sent it
	FromB Side = 1 // Key.B sent it
)

// Other is the opposite side.
func (s Side) Other() Side { return s ^ 1 }

// TCPFlags are the flag bits of a TCP header, low octet (RFC 9293 section 3.1).
type TCPFlags uint8

const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Outcome says how far a frame could be read. Only OK and the Short outcomes
// carry a usable Key.
type Outcome uint8

const (
	OK        Outcome = iota // layer 4 found, or an IP protocol without ports
	ARP                      // an ARP frame, see Packet.ARP
	NotIP                    // neither IP nor ARP (LLDP, STP, PPPoE discovery ...)
	Fragment                 // an IP fragment: give it to a Reassembler
	Truncated                // the capture ends inside a header that is needed
	BadHeader                // a length or version field contradicts itself
	BadLink                  // a link type that this build does not read
	NumOutcomes
)

func (o Outcome) String() string {
	return [...]string{"ok", "arp", "not_ip", "fragment", "truncated", "bad_header", "unknown_link_type", "invalid"}[min(o, NumOutcomes)]
}

// Key names a flow: the two endpoints in canonical order (A <= B, compared as
// address then port) and the IP protocol. IPv4 addresses are mapped
// (::ffff:a.b.c.d), so there is one path for both families. For ICMP and
// ICMPv6 the ports are type and code arranged so that a request and its reply
// share a key (see icmp.go). It holds no pointer and compares with ==.
type Key struct {
	A, B         [16]byte
	APort, BPort uint16
	Proto        uint8
	_            [3]byte
}

// Packet is one parsed frame. Offsets index Data, whose bytes are borrowed from
// the frame: they are valid until the frame's memory is handed back.
type Packet struct {
	Data    []byte // the whole frame, or the reassembled datagram (then L2Len is 0)
	WireLen uint32 // octets on the wire, link header included
	Key     Key
	Side    Side // who sent this packet
	Version uint8
	TTL     uint8 // IPv4 TTL or IPv6 hop limit
	Flags   TCPFlags
	L3      int    // offset of the IP or ARP header
	L4      int    // offset of the layer-4 header
	Payload int    // offset of the layer-4 payload
	End     int    // end of the captured payload: Data[Payload:End]
	Missing int    // payload octets that were on the wire but not in Data (snap length)
	IPLen   uint32 // octets of the IP datagram on the wire, IP header included
	ID      uint16 // IPv4 identification; 0 for IPv6, and for datagrams whose sender sets none
	VLANs   uint8  // number of 802.1Q/802.1ad tags, at most 2 are kept
	VLAN    [2]uint16
	Seq     uint32 // TCP
	Ack     uint32 // TCP, valid with flag ACK
	Window  uint16 // TCP, unscaled
	ICMPID  uint16 // identifier of ICMP echo, else 0
	BadSum  bool   // the IPv4 header checksum is wrong and not zero (offload leaves zero)

	L2     int    // offset of the innermost Ethernet header, -1 if there is none
	Tunnel Tunnel // the innermost encapsulation, Kind 0 if there is none

	frag fragment
	cut  int // octets of the frame that the snap length took
}

// Bytes are the captured octets of the layer-4 payload.
func (p *Packet) Bytes() []byte { return p.Data[p.Payload:p.End] }

// PayloadLen is the length of the layer-4 payload on the wire.
func (p *Packet) PayloadLen() int { return p.End - p.Payload + p.Missing }

// Src and Dst are the sender's and receiver's address, IPv4 mapped.
func (p *Packet) Src() [16]byte { return p.Key.Addr(p.Side) }
func (p *Packet) Dst() [16]byte { return p.Key.Addr(p.Side.Other()) }

// Addr is the address of one side.
func (k *Key) Addr(s Side) [16]byte {
	if s == FromA {
		return k.A
	}
	return k.B
}

// Port is the port of one side.
func (k *Key) Port(s Side) uint16 {
	if s == FromA {
		return k.APort
	}
	return k.BPort
}

// IsV4 tells whether a mapped 16-byte address is IPv4.
func IsV4(a *[16]byte) bool {
	return *(*[12]byte)(a[:12]) == [12]byte{10: 0xff, 11: 0xff}
}
