package search

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/packet"
)

// base is when all recordings begin.
var base = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)

func at(seconds float64) int64 { return base.UnixNano() + int64(seconds*1e9) }

// stored is a packet and where it was put.
type stored struct {
	time    int64
	data    []byte
	wire    uint32
	key     packet.Key
	side    packet.Side
	flags   packet.TCPFlags
	vlan    uint16
	worker  int
	segment uint64
	pos     int64
}

// event is a packet or a note, in the order in which a worker writes them.
type event struct {
	packet *stored
	note   *segment.Note
}

func (e *event) time() int64 {
	if e.packet != nil {
		return e.packet.time
	}
	return e.note.At
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
	if x, y := src.addr.As16(), dst.addr.As16(); bytes.Compare(x[:], y[:]) > 0 || x == y && src.port > dst.port {
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

func ip(vlan uint16, proto uint8, src, dst host, payload []byte) []byte {
	var b []byte
	if src.addr.Is4() {
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
		b = append(b, 0, 0, 0x40, 0, 64, proto, 0, 0)
		s, d := src.addr.As4(), dst.addr.As4()
		return ether(vlan, 0x0800, append(append(append(b, s[:]...), d[:]...), payload...))
	}
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, proto, 64)
	s, d := src.addr.As16(), dst.addr.As16()
	return ether(vlan, 0x86dd, append(append(append(b, s[:]...), d[:]...), payload...))
}

// tcp makes a segment, udp a datagram, echo a ping, arp a question.
func tcp(when int64, vlan uint16, src, dst host, flags packet.TCPFlags, payload string) *stored {
	b := binary.BigEndian.AppendUint16(nil, src.port)
	b = binary.BigEndian.AppendUint16(b, dst.port)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, byte(flags), 1, 0, 0, 0, 0, 0)
	p := put(when, vlan, packet.ProtoTCP, src, dst, append(b, payload...))
	p.flags = flags
	return p
}

func udp(when int64, vlan uint16, src, dst host, payload string) *stored {
	b := binary.BigEndian.AppendUint16(nil, src.port)
	b = binary.BigEndian.AppendUint16(b, dst.port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return put(when, vlan, packet.ProtoUDP, src, dst, append(append(b, 0, 0), payload...))
}

func put(when int64, vlan uint16, proto uint8, src, dst host, payload []byte) *stored {
	p := &stored{time: when, data: ip(vlan, proto, src, dst, payload), vlan: vlan}
	p.wire = uint32(len(p.data))
	p.key, p.side = keyOf(proto, src, dst)
	return p
}

func echo(when int64, src, dst netip.Addr, reply bool) *stored {
	kind := byte(8)
	if reply {
		kind = 0
	}
	p := put(when, 0, packet.ProtoICMP, host{src, 0}, host{dst, 0}, []byte{kind, 0, 0, 0, 0, 1, 0, 1})
	var q packet.Packet
	q.Parse(p.data, p.wire, packet.LinkEthernet)
	p.key, p.side = q.Key, q.Side
	return p
}

func arp(when int64, sender, target netip.Addr) *stored {
	s, d := sender.As4(), target.As4()
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1}
	b = append(append(append(b, s[:]...), 0, 0, 0, 0, 0, 0), d[:]...)
	p := &stored{time: when, data: ether(0, 0x0806, b)}
	p.wire = uint32(len(p.data))
	p.key, p.side = keyOf(index.ProtoARP, host{sender, 0}, host{target, 0})
	return p
}

func lldp(when int64) *stored {
	return &stored{time: when, data: ether(0, 0x88cc, make([]byte, 46)), wire: 60}
}

// traffic is made of a seed. Few hosts and ports, so that queries meet flows.
type traffic struct {
	*rand.Rand
	plain   bool // nothing that tcpdump sees otherwise: no tags
	clients []netip.Addr
	servers []netip.Addr
	ports   []uint16
	sport   uint16
}

func newTraffic(seed uint64) *traffic {
	g := &traffic{Rand: rand.New(rand.NewPCG(seed, 7)), ports: []uint16{53, 80, 443, 8000, 8080, 22}, sport: 20000}
	for _, a := range []string{"10.0.0.7", "10.0.0.8", "10.0.1.9", "192.168.3.4", "2001:db8::7"} {
		g.clients = append(g.clients, netip.MustParseAddr(a))
	}
	for _, a := range []string{"203.0.113.5", "203.0.113.77", "198.51.100.1", "10.0.0.1", "2001:db8:1::80"} {
		g.servers = append(g.servers, netip.MustParseAddr(a))
	}
	return g
}

// pair is a client and a server of the same family.
func (g *traffic) pair() (netip.Addr, netip.Addr) {
	for {
		c, s := g.clients[g.IntN(len(g.clients))], g.servers[g.IntN(len(g.servers))]
		if c.Is4() == s.Is4() {
			return c, s
		}
	}
}

// flows are n flows that begin within so many seconds, as events in order of time.
func (g *traffic) flows(n int, seconds float64) []event {
	var events []event
	for range n {
		events = append(events, g.flow(g.Float64()*seconds)...)
	}
	sortEvents(events)
	return events
}

func (g *traffic) flow(begin float64) (out []event) {
	add := func(p *stored) { out = append(out, event{packet: p}) }
	now := begin
	step := func() int64 {
		now += g.ExpFloat64() * []float64{0.05, 0.5, 30}[g.IntN(3)]
		return at(now)
	}
	client, server := g.pair()
	vlan := uint16(0)
	if !g.plain && g.IntN(4) == 0 {
		vlan = uint16(10 + g.IntN(2))
	}
	g.sport++
	c, s := host{client, g.sport}, host{server, g.ports[g.IntN(len(g.ports))]}
	switch g.IntN(10) {
	case 0:
		if client.Is4() {
			for i := range 1 + g.IntN(6) {
				from, to := client, server
				if i%2 == 1 {
					from, to = to, from
				}
				add(echo(step(), from, to, i%2 == 1))
			}
		}
	case 1:
		if client.Is4() {
			add(arp(step(), client, server))
		}
	case 2:
		add(lldp(step()))
	case 3, 4:
		s.port = 53
		add(udp(step(), vlan, c, s, "question"))
		add(udp(step(), vlan, s, c, strings.Repeat("answer", 20)))
	default:
		g.tcp(add, step, vlan, c, s)
	}
	return out
}

// scan is a port scan of many hosts, which an index folds: most do not answer, some
// refuse, few go on.
func (g *traffic) scan(begin float64, targets int) (out []event) {
	scanner := g.clients[g.IntN(4)]
	now := begin
	for i := range targets {
		now += 0.05
		g.sport++
		c, s := host{scanner, g.sport}, h(fmt.Sprintf("203.0.113.%d", i%256), uint16(1+i/256))
		out = append(out, event{packet: tcp(at(now), 0, c, s, packet.SYN, "")})
		switch g.IntN(20) {
		case 0, 1, 2:
			out = append(out, event{packet: tcp(at(now+0.01), 0, s, c, packet.RST|packet.ACK, "")})
		case 3:
			for n := range 12 {
				out = append(out, event{packet: tcp(at(now+float64(n+1)*g.Float64()*20), 0, s, c, packet.ACK, "banner")})
			}
		}
	}
	sortEvents(out)
	return out
}

func (g *traffic) tcp(add func(*stored), step func() int64, vlan uint16, c, s host) {
	if g.IntN(5) > 0 { // else it began before
		add(tcp(step(), vlan, c, s, packet.SYN, ""))
		add(tcp(step(), vlan, s, c, packet.SYN|packet.ACK, ""))
	}
	n := g.IntN(20)
	if g.IntN(8) == 0 {
		n += 150
	}
	cut := g.IntN(6) == 0
	for range n {
		p := tcp(step(), vlan, s, c, packet.ACK, strings.Repeat("x", g.IntN(1000)))
		if g.IntN(3) == 0 {
			p = tcp(p.time, vlan, c, s, packet.ACK|packet.PSH, "GET / HTTP/1.1\r\n\r\n")
		}
		if cut && len(p.data) > 200 {
			p.data = p.data[:100]
		}
		add(p)
	}
	switch g.IntN(4) {
	case 0:
		add(tcp(step(), vlan, c, s, packet.RST, ""))
	case 1, 2:
		add(tcp(step(), vlan, c, s, packet.FIN|packet.ACK, ""))
		add(tcp(step(), vlan, s, c, packet.FIN|packet.ACK, ""))
	}
}

func sortEvents(events []event) {
	// Stable: a note stays behind its packet.
	slices.SortStableFunc(events, func(a, b event) int { return compare(a.time(), b.time()) })
}

func addrOf(a [16]byte) netip.Addr { return netip.AddrFrom16(a).Unmap() }
