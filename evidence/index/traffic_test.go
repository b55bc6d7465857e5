package index

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/sensor"
)

// frame is a packet and what is true of it.
type frame struct {
	time  int64
	data  []byte
	wire  uint32
	link  packet.LinkType
	key   packet.Key
	side  packet.Side
	flags Flags // Fragments, NoIP
	vlan  uint16
	tcp   packet.TCPFlags
	empty bool // TCP without payload
}

// host is one end of a flow.
type host struct {
	addr netip.Addr
	port uint16
}

func h(addr string, port uint16) host { return host{netip.MustParseAddr(addr), port} }

// keyOf is the key of a packet from src to dst.
func keyOf(proto uint8, src, dst host) (k packet.Key, side packet.Side) {
	a, b := src, dst
	if x, y := src.addr.As16(), dst.addr.As16(); string(x[:]) > string(y[:]) || x == y && src.port > dst.port {
		a, b, side = dst, src, packet.FromB
	}
	return packet.Key{A: a.addr.As16(), B: b.addr.As16(), APort: a.port, BPort: b.port, Proto: proto}, side
}

func ether(vlan, proto uint16, payload []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	if vlan != 0 {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), vlan)
	}
	return append(binary.BigEndian.AppendUint16(b, proto), payload...)
}

// datagram makes an IP datagram; frag is the field of flags and fragment offset.
func datagram(proto uint8, src, dst host, id, frag uint16, payload []byte) (etherType uint16, b []byte) {
	if src.addr.Is4() {
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
		b = binary.BigEndian.AppendUint16(b, id)
		b = binary.BigEndian.AppendUint16(b, frag)
		b = append(b, 64, proto, 0, 0)
		s, d := src.addr.As4(), dst.addr.As4()
		return 0x0800, append(append(append(b, s[:]...), d[:]...), payload...)
	}
	next, ext := proto, []byte(nil)
	if frag != 0 {
		next, ext = 44, []byte{proto, 0}
		ext = binary.BigEndian.AppendUint16(ext, frag<<3|frag>>13&1)
		ext = binary.BigEndian.AppendUint32(ext, uint32(id))
	}
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(ext)+len(payload)))
	b = append(b, next, 64)
	s, d := src.addr.As16(), dst.addr.As16()
	return 0x86dd, append(append(append(append(b, s[:]...), d[:]...), ext...), payload...)
}

func tcpHead(src, dst host, flags packet.TCPFlags, n int) []byte {
	b := binary.BigEndian.AppendUint16(nil, src.port)
	b = binary.BigEndian.AppendUint16(b, dst.port)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, byte(flags), 1, 0, 0, 0, 0, 0)
	return append(b, make([]byte, n)...)
}

func udpHead(src, dst host, n int) []byte {
	b := binary.BigEndian.AppendUint16(nil, src.port)
	b = binary.BigEndian.AppendUint16(b, dst.port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+n))
	return append(b, make([]byte, 2+n)...)
}

// makeFrame completes a frame of an IP datagram.
func makeFrame(proto uint8, src, dst host, vlan uint16, layer4 []byte) frame {
	etherType, ip := datagram(proto, src, dst, 7, 0, layer4)
	f := frame{data: ether(vlan, etherType, ip), link: packet.LinkEthernet, vlan: vlan}
	f.key, f.side = keyOf(proto, src, dst)
	f.wire = uint32(len(f.data))
	return f
}

func tcpFrame(src, dst host, flags packet.TCPFlags, n int) frame {
	f := makeFrame(packet.ProtoTCP, src, dst, 0, tcpHead(src, dst, flags, n))
	f.tcp, f.empty = flags, n == 0
	return f
}

func udpFrame(src, dst host, n int) frame {
	return makeFrame(packet.ProtoUDP, src, dst, 0, udpHead(src, dst, n))
}

// fragments cuts a UDP datagram of n octets in pieces.
func fragments(src, dst host, id uint16, n int) (fs []frame) {
	payload := udpHead(src, dst, n)
	const piece = 1024
	for at := 0; at < len(payload); at += piece {
		part, more := payload[at:], uint16(0)
		if len(part) > piece {
			part, more = part[:piece], 0x2000
		}
		etherType, ip := datagram(packet.ProtoUDP, src, dst, id, more|uint16(at/8), part)
		f := frame{data: ether(0, etherType, ip), link: packet.LinkEthernet}
		if len(payload) > piece {
			f.flags = Fragments
		}
		f.key, f.side = keyOf(packet.ProtoUDP, src, dst)
		f.wire = uint32(len(f.data))
		fs = append(fs, f)
	}
	return fs
}

func arpFrame(op byte, sender, target host) frame {
	s, t := sender.addr.As4(), target.addr.As4()
	b := []byte{0, 1, 8, 0, 6, 4, 0, op, 2, 0, 0, 0, 0, 1}
	b = append(append(append(b, s[:]...), 0, 0, 0, 0, 0, 0), t[:]...)
	f := frame{data: ether(0, 0x0806, b), link: packet.LinkEthernet}
	f.key, f.side = keyOf(ProtoARP, host{addr: sender.addr}, host{addr: target.addr})
	f.wire = uint32(len(f.data))
	return f
}

// cut is the frame as a capture with a snap length has it.
func (f frame) cut(n int) frame {
	f.data = f.data[:min(n, len(f.data))]
	return f
}

// randomTraffic is n frames of everything: flows that are short and long, IPv4 and
// IPv6, tagged, cut, in fragments, and what is no IP at all.
func randomTraffic(seed uint64, n int) []frame {
	r := rand.New(rand.NewPCG(seed, 1))
	var fs []frame
	host4 := func(port uint16) host {
		return host{netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(2)), byte(1 + r.IntN(40))}), port}
	}
	host6 := func(port uint16) host {
		return host{netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(1 + r.IntN(20))}), port}
	}
	at := int64(1_700_000_000_000_000_000)
	for len(fs) < n {
		c, s := host4(uint16(1024+r.IntN(200))), host4([]uint16{53, 80, 443, 8080}[r.IntN(4)])
		if r.IntN(3) == 0 {
			c, s = host6(c.port), host6(s.port)
		}
		if r.IntN(2) == 0 {
			c, s = s, c
		}
		var add []frame
		switch r.IntN(12) {
		case 0, 1, 2, 3, 4:
			add = append(add, tcpFrame(c, s, packet.ACK|packet.TCPFlags(r.IntN(8)), r.IntN(1400)))
		case 5:
			add = append(add, tcpFrame(c, s, packet.SYN, 0), tcpFrame(s, c, packet.SYN|packet.ACK, 0))
		case 6, 7:
			add = append(add, udpFrame(c, s, r.IntN(500)))
		case 8:
			f := udpFrame(c, s, 700)
			if c.addr.Is4() {
				f = makeFrame(packet.ProtoUDP, c, s, uint16(1+r.IntN(5)), udpHead(c, s, 100))
			}
			add = append(add, f.cut(60+r.IntN(100)))
		case 9:
			add = fragments(c, s, uint16(r.IntN(65536)), 1000+r.IntN(4000))
		case 10:
			if c.addr.Is4() {
				add = append(add, arpFrame(1, c, s))
			}
		case 11:
			add = append(add, frame{data: ether(0, 0x88cc, make([]byte, 50)), wire: 64, link: packet.LinkEthernet, flags: NoIP})
		}
		for i := range add {
			at += int64(r.IntN(1000)-100) * 1000
			add[i].time = at
		}
		fs = append(fs, add...)
	}
	return fs
}

// segmentOf writes frames as a segment and tells where each is.
func segmentOf(fs []frame) (file []byte, pos []int64) {
	b := segment.AppendSection(nil, "")
	b = segment.AppendInterface(b, segment.Interface{Link: packet.LinkEthernet, Snap: 1 << 18})
	for i := range fs {
		pos = append(pos, int64(len(b)))
		b = segment.AppendPacket(b, 0, &sensor.Frame{Time: fs[i].time, Data: fs[i].data, WireLen: fs[i].wire, Link: fs[i].link}, 1<<18)
	}
	return b, append(pos, int64(len(b)))
}

// feed gives frames to a Builder as they stand in the segment.
func feed(b *Builder, fs []frame, pos []int64) {
	for i := range fs {
		b.Packet(packetOf(fs, pos, i))
	}
}

func packetOf(fs []frame, pos []int64, i int) *segment.Packet {
	return &segment.Packet{Pos: pos[i], Len: int(pos[i+1] - pos[i]), Time: fs[i].time, WireLen: fs[i].wire,
		Link: fs[i].link, Data: fs[i].data}
}

// build is the Builder of a segment with these frames.
func build(fs []frame) (*Builder, []int64) {
	_, pos := segmentOf(fs)
	b := NewBuilder()
	feed(b, fs, pos)
	return b, pos
}

// encoded is the index as a file.
func encoded(t testing.TB, b *Builder) []byte {
	t.Helper()
	return b.Encode(nil, Info{Size: b.end})
}
