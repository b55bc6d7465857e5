package lab

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Stack selects the habits of an endpoint's TCP.
type Stack uint8

// The stacks the lab can imitate.
const (
	Unix    Stack = iota // timestamps option, TTL 64
	Windows              // no timestamps, TTL 128
)

// ttl is the stack's initial time to live.
func (s Stack) ttl() uint8 {
	if s == Windows {
		return 128
	}
	return 64
}

// Endpoint is one end of a conversation as the mirror port sees it.
type Endpoint struct {
	Name  string
	Addr  netip.Addr
	MAC   MAC           // the router's for an endpoint outside
	VLAN  uint16        // tag on frames it sends; 0 = none
	TTL   uint8         // on arrival at the mirror
	RTT   time.Duration // from the mirror to the endpoint and back
	Stack Stack
}

// Frame is one captured Ethernet frame.
type Frame struct {
	Time time.Duration // since the start of the capture, whole microseconds
	Data []byte        // without frame check sequence
	Wire int           // octets on the wire if the capture cut the frame; 0 = all are in Data
}

// Counts says what the wire did on purpose and what kinds of frames it made.
type Counts struct {
	TCPFlows        int `json:"flows_tcp"`            // every client SYN or mere attempt
	Answered        int `json:"flows_tcp_answered"`   // SYN, SYN-ACK, ACK
	Refused         int `json:"flows_tcp_refused"`    // SYN, RST
	Unanswered      int `json:"flows_tcp_unanswered"` // SYN and its repeats only
	SYNRetries      int `json:"tcp_syn_retries"`
	Retransmissions int `json:"tcp_retransmissions"` // data segments seen twice
	Reordered       int `json:"tcp_reordered"`       // pairs of segments swapped
	Pings           int `json:"icmp_echo_requests"`
}

// Wire collects the frames of many conversations. It is not safe for
// concurrent use. The zero value is not usable: call NewWire.
type Wire struct {
	Counts Counts
	faults Faults
	rng    *Rand
	frames []Frame
	ids    map[netip.Addr]uint16 // next IPv4 identification
	ports  map[netip.AddrPort]bool
	err    error // the first serialisation failure
}

// NewWire returns an empty wire whose sequence numbers, ports and faults come
// from rng.
func NewWire(rng *Rand, faults Faults) *Wire {
	return &Wire{
		faults: faults, rng: rng,
		ids:   make(map[netip.Addr]uint16),
		ports: make(map[netip.AddrPort]bool),
	}
}

// Capture returns the frames in time order; frames of equal time keep the
// order in which they were made.
func (w *Wire) Capture(start time.Time) (*Capture, error) {
	if w.err != nil {
		return nil, w.err
	}
	frames := slices.Clone(w.frames)
	slices.SortStableFunc(frames, func(a, b Frame) int { return cmp.Compare(a.Time, b.Time) })
	return &Capture{Start: start, Frames: frames}, nil
}

// Port returns a TCP or UDP source port e has not used before: 32768 and up
// for Unix, 49152 and up for Windows. When all are used they start again.
func (w *Wire) Port(e *Endpoint) uint16 {
	lo := 32768
	if e.Stack == Windows {
		lo = 49152
	}
	for range 64 {
		p := netip.AddrPortFrom(e.Addr, uint16(w.rng.Int(lo, 60999)))
		if !w.ports[p] {
			w.ports[p] = true
			return p.Port()
		}
	}
	for port := lo; port <= 60999; port++ {
		p := netip.AddrPortFrom(e.Addr, uint16(port))
		if !w.ports[p] {
			w.ports[p] = true
			return p.Port()
		}
	}
	w.fail(fmt.Errorf("choose port of %q: all are in use, shorten the scenario", e.Name))
	return 0
}

func (w *Wire) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// put serialises one frame from src to the hardware address dst.
func (w *Wire) put(at time.Duration, src *Endpoint, dst MAC, ethType layers.EthernetType, rest ...gopacket.SerializableLayer) {
	eth := &layers.Ethernet{SrcMAC: src.MAC[:], DstMAC: dst[:], EthernetType: ethType}
	stack := []gopacket.SerializableLayer{eth}
	if src.VLAN != 0 {
		eth.EthernetType = layers.EthernetTypeDot1Q
		stack = append(stack, &layers.Dot1Q{VLANIdentifier: src.VLAN, Type: ethType})
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, append(stack, rest...)...); err != nil {
		w.fail(fmt.Errorf("build frame of %q: %w", src.Name, err))
		return
	}
	w.frames = append(w.frames, Frame{Time: at.Truncate(time.Microsecond), Data: slices.Clone(buf.Bytes())})
}

// networkLayer is an IP header that a transport checksum can be computed over.
type networkLayer interface {
	gopacket.NetworkLayer
	gopacket.SerializableLayer
}

// header returns the IP header from src to dst and its EtherType.
func (w *Wire) header(src *Endpoint, dst netip.Addr, proto layers.IPProtocol) (networkLayer, layers.EthernetType) {
	if src.Addr.Is6() {
		return &layers.IPv6{
			Version: 6, HopLimit: src.TTL, NextHeader: proto,
			SrcIP: src.Addr.AsSlice(), DstIP: dst.AsSlice(),
		}, layers.EthernetTypeIPv6
	}
	id, ok := w.ids[src.Addr]
	if !ok {
		id = uint16(w.rng.Below(1 << 16))
	}
	w.ids[src.Addr] = id + 1
	return &layers.IPv4{
		Version: 4, TTL: src.TTL, Protocol: proto, Id: id, Flags: layers.IPv4DontFragment,
		SrcIP: src.Addr.AsSlice(), DstIP: dst.AsSlice(),
	}, layers.EthernetTypeIPv4
}

// UDP puts one datagram on the wire. A multicast or broadcast destination gets
// the hardware address that belongs to it.
func (w *Wire) UDP(at time.Duration, src *Endpoint, sport uint16, dst *Endpoint, dport uint16, payload []byte) {
	ip, et := w.header(src, dst.Addr, layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		w.fail(fmt.Errorf("build udp header: %w", err))
	}
	w.put(at, src, dst.MAC, et, ip, udp, gopacket.Payload(payload))
}

// Group returns the endpoint that stands for a multicast group or for the
// limited broadcast address (RFC 1112 section 6.4, RFC 2464 section 7).
func Group(addr netip.Addr) *Endpoint {
	e := &Endpoint{Name: addr.String(), Addr: addr}
	b := addr.As16()
	switch {
	case addr.Is6():
		e.MAC = MAC{0x33, 0x33, b[12], b[13], b[14], b[15]}
	case addr.IsMulticast():
		e.MAC = MAC{0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15]}
	default:
		e.MAC = broadcast()
	}
	return e
}

func broadcast() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// Ping puts an echo request and its reply on the wire.
func (w *Wire) Ping(at time.Duration, src, dst *Endpoint, id, seq uint16, payload []byte) {
	w.Counts.Pings++
	w.echo(at, src, dst, layers.ICMPv4TypeEchoRequest, id, seq, payload)
	w.echo(at+dst.RTT, dst, src, layers.ICMPv4TypeEchoReply, id, seq, payload)
}

func (w *Wire) echo(at time.Duration, src, dst *Endpoint, kind uint8, id, seq uint16, payload []byte) {
	ip, et := w.header(src, dst.Addr, layers.IPProtocolICMPv4)
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, 0), Id: id, Seq: seq}
	w.put(at, src, dst.MAC, et, ip, icmp, gopacket.Payload(payload))
}

// WhoHas puts an ARP request for target on the wire, and the answer of owner
// unless it is nil.
func (w *Wire) WhoHas(at time.Duration, asker *Endpoint, target netip.Addr, owner *Endpoint) {
	w.arp(at, asker, broadcast(), layers.ARPRequest, MAC{}, target)
	if owner != nil {
		w.arp(at+owner.RTT, owner, asker.MAC, layers.ARPReply, asker.MAC, asker.Addr)
	}
}

func (w *Wire) arp(at time.Duration, src *Endpoint, dst MAC, op uint16, target MAC, addr netip.Addr) {
	w.put(at, src, dst, layers.EthernetTypeARP, &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
		HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: net.HardwareAddr(src.MAC[:]), SourceProtAddress: src.Addr.AsSlice(),
		DstHwAddress: net.HardwareAddr(target[:]), DstProtAddress: addr.AsSlice(),
	})
}
