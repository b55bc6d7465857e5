package index

import (
	"bytes"
	"encoding/binary"

	"kagami/evidence/segment"
	"kagami/packet"
)

// Keyer tells which row a packet belongs to. It remembers fragments: give it the
// packets in their order in the file.
type Keyer struct {
	pkt, first packet.Packet
	frags      [fragSlots]fragSlot
	head       [fragHead]byte

	tcp     packet.TCPFlags // of the last packet
	payload bool            // it had payload
}

// Bounds of the memory for fragments.
const (
	fragSlots = 256 // datagrams whose flow is known; a newer one may take an older one's place
	fragHead  = 256 // octets of a first fragment that are looked at
	fragKeep  = 30 * int64(1e9)
)

// fragSlot remembers the flow of a datagram that comes in fragments.
type fragSlot struct {
	id   packet.Key // source, destination, protocol and identification
	at   int64      // of the first fragment
	key  packet.Key
	side packet.Side
}

// Key is the key of the packet's row, the side that sent it, and the flags Fragments
// or NoIP. Packets that have no flow have a row, too:
//
//   - ARP: the addresses of sender and target, and ProtoARP
//   - a header that is cut off or contradicts itself: the addresses, protocol and
//     ports, as far as they can be read
//   - a fragment that comes before its datagram's first: addresses and protocol
//   - anything else: the zero key
func (y *Keyer) Key(p *segment.Packet) (packet.Key, packet.Side, Flags) {
	k, side, flags := y.find(p)
	return *k, side, flags
}

// find is Key; what it returns is valid until the next call.
func (y *Keyer) find(p *segment.Packet) (*packet.Key, packet.Side, Flags) {
	q := &y.pkt
	out := q.Parse(p.Data, p.WireLen, p.Link)
	if out == packet.OK {
		y.tcp, y.payload = q.Flags, q.PayloadLen() > 0
		return &q.Key, q.Side, 0
	}
	y.tcp, y.payload = 0, true
	switch out {
	case packet.Fragment:
		return y.fragment(p.Time)
	case packet.ARP:
		if y.arp() {
			return &q.Key, q.Side, 0
		}
	case packet.Truncated, packet.BadHeader:
		if y.addresses() {
			y.ports()
			return &q.Key, q.Side, 0
		}
	}
	q.Key, q.Side = packet.Key{}, packet.FromA
	return &q.Key, q.Side, NoIP
}

// set arranges the endpoints in canonical order.
func (y *Keyer) set(proto uint8, src, dst [16]byte, sport, dport uint16) {
	q := &y.pkt
	if c := bytes.Compare(src[:], dst[:]); c < 0 || c == 0 && sport <= dport {
		q.Key = packet.Key{A: src, B: dst, APort: sport, BPort: dport, Proto: proto}
		q.Side = packet.FromA
		return
	}
	q.Key = packet.Key{A: dst, B: src, APort: dport, BPort: sport, Proto: proto}
	q.Side = packet.FromB
}

// arp reads the addresses of ARP for IPv4 (RFC 826).
func (y *Keyer) arp() bool {
	q := &y.pkt
	d := q.Data[q.L3:]
	if len(d) < 8 || binary.BigEndian.Uint16(d[2:]) != 0x0800 || d[5] != 4 {
		return false
	}
	hlen := int(d[4])
	if len(d) < 8+2*hlen+8 {
		return false
	}
	y.set(ProtoARP, mapped(d[8+hlen:]), mapped(d[8+2*hlen+4:]), 0, 0)
	return true
}

func mapped(v4 []byte) (a [16]byte) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], v4[:4])
	return a
}

// addresses reads the IP header at L3 and makes a key without ports of it.
func (y *Keyer) addresses() bool {
	q := &y.pkt
	if q.L3 > len(q.Data) {
		return false
	}
	d := q.Data[q.L3:]
	switch {
	case q.Version == 4 && len(d) >= 20 && d[0]>>4 == 4:
		y.set(d[9], mapped(d[12:]), mapped(d[16:]), 0, 0)
	case q.Version == 6 && len(d) >= 40 && d[0]>>4 == 6:
		proto := d[6]
		if q.L4 > q.L3+40 && q.L4-8 >= q.L3+40 && q.L4 <= len(q.Data) {
			proto = q.Data[q.L4-8] // of the fragment header
		}
		y.set(proto, [16]byte(d[8:24]), [16]byte(d[24:40]), 0, 0)
	default:
		return false
	}
	return true
}

// ports completes the key of a packet whose layer 4 is not whole.
func (y *Keyer) ports() {
	q := &y.pkt
	switch q.Key.Proto {
	case packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP:
	default:
		return
	}
	if q.L4 <= q.L3 || q.L4+4 > min(q.End, len(q.Data)) {
		return
	}
	src, dst := q.Key.Addr(q.Side), q.Key.Addr(q.Side.Other())
	y.set(q.Key.Proto, src, dst, binary.BigEndian.Uint16(q.Data[q.L4:]), binary.BigEndian.Uint16(q.Data[q.L4+2:]))
}

// fragment finds the flow of a fragment: the first one has the ports (or the flow
// that is inside), and the others bear the same identification.
func (y *Keyer) fragment(now int64) (*packet.Key, packet.Side, Flags) {
	q := &y.pkt
	if !y.addresses() {
		q.Key, q.Side = packet.Key{}, packet.FromA
		return &q.Key, q.Side, NoIP
	}
	id, offset := y.identification()
	slot := &y.frags[id.Hash()%fragSlots]
	if offset != 0 {
		if slot.id == id && now-slot.at <= fragKeep && slot.at-now <= fragKeep {
			return &slot.key, slot.side, Fragments
		}
		return &q.Key, q.Side, Fragments
	}
	if f := &y.first; y.reparse() {
		y.tcp, y.payload = f.Flags, f.PayloadLen() > 0
		q.Key, q.Side = f.Key, f.Side
	}
	*slot = fragSlot{id: id, at: now, key: q.Key, side: q.Side}
	return &q.Key, q.Side, Fragments
}

// identification names the datagram of a fragment (RFC 791 section 3.1, RFC 8200
// section 4.5), as a Key that is not in canonical order.
func (y *Keyer) identification() (id packet.Key, offset uint16) {
	q := &y.pkt
	id = packet.Key{A: q.Key.Addr(q.Side), B: q.Key.Addr(q.Side.Other()), Proto: q.Key.Proto}
	if q.Version == 4 {
		d := q.Data[q.L3:]
		id.APort = binary.BigEndian.Uint16(d[4:])
		return id, binary.BigEndian.Uint16(d[6:]) & 0x1fff
	}
	id.Proto = 0
	d := q.Data[q.L4-8:]
	id.APort, id.BPort = binary.BigEndian.Uint16(d[4:]), binary.BigEndian.Uint16(d[6:])
	return id, binary.BigEndian.Uint16(d[2:]) >> 3
}

// reparse reads a first fragment as if it were a whole datagram whose end the
// capture had cut off.
func (y *Keyer) reparse() bool {
	q := &y.pkt
	n := copy(y.head[:], q.Data[q.L3:min(q.End, len(q.Data))])
	if q.Version == 4 {
		y.head[6], y.head[7] = 0, 0
	} else {
		at := q.L4 - 8 - q.L3
		if at+8 > n {
			return false
		}
		y.head[at+2], y.head[at+3] = 0, 0 // an atomic fragment (RFC 6946)
	}
	return y.first.Parse(y.head[:n], max(q.IPLen, uint32(n)), packet.LinkRaw) == packet.OK
}
