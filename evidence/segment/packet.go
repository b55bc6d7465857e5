package segment

import "fmt"

// packet reads a packet block whose two lengths agree; what says why it cannot.
//
//	Enhanced: interface u32 | time, high and low u32 | captured u32 | on the wire u32 | frame
//	Packet:   interface u16 | drops u16 | the rest as before
//	Simple:   on the wire u32 | frame
func (s *section) packet(typ uint32, block []byte, p *Packet) (what string) {
	if typ == blockSimple {
		return s.simple(block, p)
	}
	if len(block) < minPacket {
		return "packet block is too short"
	}
	id := s.u32(block[8:])
	if typ == blockPacket {
		id = uint32(s.u16(block[8:]))
	}
	if uint64(id) >= uint64(len(s.ifaces)) {
		return fmt.Sprintf("packet of interface %d, which is not described", id)
	}
	captured := s.u32(block[20:])
	if uint64(captured) > uint64(len(block)-minPacket) {
		return fmt.Sprintf("packet of %d octets in a block of %d", captured, len(block))
	}
	i := &s.ifaces[id]
	after := packetHead + captured
	p.Len = len(block)
	p.Time = i.time.nanos(uint64(s.u32(block[12:]))<<32 | uint64(s.u32(block[16:])))
	p.WireLen = max(s.u32(block[24:]), captured)
	p.Iface, p.Link, p.Interface = id, i.Link, &i.Interface
	p.Data = block[packetHead:after:after]
	p.untimed = false
	return ""
}

func (s *section) simple(block []byte, p *Packet) (what string) {
	if len(s.ifaces) == 0 {
		return "packet of interface 0, which is not described"
	}
	i := &s.ifaces[0]
	wire := s.u32(block[headLen:])
	captured := min(wire, uint32(len(block)-minSimple))
	if i.Snap != 0 {
		captured = min(captured, i.Snap)
	}
	after := headLen + 4 + captured
	p.Len, p.Time, p.WireLen = len(block), 0, wire
	p.Iface, p.Link, p.Interface = 0, i.Link, &i.Interface
	p.Data = block[headLen+4 : after : after]
	p.untimed = true
	return ""
}
