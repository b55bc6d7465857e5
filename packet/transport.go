package packet

// transport reads the layer-4 header at p.L4 and fills in the Key.
func (p *Packet) transport(proto uint8, src, dst *[16]byte) Outcome {
	if proto != ProtoTCP && proto != ProtoUDP {
		if out, ok := p.unwrapIP(proto, src, dst); ok {
			return out
		}
	}
	d := p.Data[min(p.L4, p.End):p.End]
	p.Payload = p.End
	var sport, dport uint16
	switch proto {
	case ProtoTCP:
		if len(d) < 20 {
			return short(p)
		}
		off := int(d[12]>>4) * 4
		if off < 20 || p.L4+off > p.End+p.Missing {
			return BadHeader
		}
		sport, dport = be.Uint16(d), be.Uint16(d[2:])
		p.Seq, p.Ack = be.Uint32(d[4:]), be.Uint32(d[8:])
		p.Flags, p.Window = TCPFlags(d[13]), be.Uint16(d[14:])
		p.payloadAt(p.L4 + off)
	case ProtoUDP:
		if len(d) < 8 {
			return short(p)
		}
		sport, dport = be.Uint16(d), be.Uint16(d[2:])
		// A length of 0 is a jumbogram or offload; one beyond the datagram is
		// cut to it (RFC 768).
		if n := int(be.Uint16(d[4:])); n >= 8 && p.L4+n < p.End+p.Missing {
			p.Missing = max(p.L4+n-p.End, 0)
			p.End = min(p.End, p.L4+n)
		}
		p.payloadAt(p.L4 + 8)
		if out, ok := p.unwrapUDP(src, dst, sport, dport); ok {
			return out
		}
	case ProtoSCTP:
		if len(d) < 12 {
			return short(p)
		}
		sport, dport = be.Uint16(d), be.Uint16(d[2:])
		p.payloadAt(p.L4 + 12)
	case ProtoICMP, ProtoICMPv6:
		if len(d) < 4 {
			return short(p)
		}
		sport, dport = icmpPorts(proto, d[0], d[1])
		if len(d) >= 8 {
			p.ICMPID = be.Uint16(d[4:])
		}
		p.payloadAt(p.L4 + 8)
	default:
		p.payloadAt(p.L4)
	}
	p.setKey(proto, src, dst, sport, dport)
	return OK
}

// short tells a header cut by the capture from one cut by its sender.
func short(p *Packet) Outcome {
	if p.Missing > 0 {
		return Truncated
	}
	return BadHeader
}

// payloadAt sets the payload's start; a header longer than what was captured
// leaves no octets and fewer of them missing.
func (p *Packet) payloadAt(at int) {
	if at > p.End {
		p.Missing = max(p.Missing-(at-p.End), 0)
		at = p.End
	}
	p.Payload = at
}

// setKey arranges the endpoints in canonical order.
func (p *Packet) setKey(proto uint8, src, dst *[16]byte, sport, dport uint16) {
	k := &p.Key
	k.Proto = proto
	if c := compare(src, dst); c < 0 || c == 0 && sport <= dport {
		k.A, k.B, k.APort, k.BPort = *src, *dst, sport, dport
		p.Side = FromA
		return
	}
	k.A, k.B, k.APort, k.BPort = *dst, *src, dport, sport
	p.Side = FromB
}

// compare orders addresses as byte strings.
func compare(a, b *[16]byte) int {
	if x, y := be.Uint64(a[:8]), be.Uint64(b[:8]); x != y {
		if x < y {
			return -1
		}
		return 1
	}
	x, y := be.Uint64(a[8:]), be.Uint64(b[8:])
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// icmpPorts stands in for ports: the sender's is the type; the receiver's is the
// type of the matching request or reply, or the code when the message has no
// counterpart. Community ID v1 and Zeek name ICMP flows the same way.
func icmpPorts(proto, typ, code uint8) (sport, dport uint16) {
	if other, ok := icmpCounterpart(proto, typ); ok {
		return uint16(typ), uint16(other)
	}
	return uint16(typ), uint16(code)
}

func icmpCounterpart(proto, typ uint8) (uint8, bool) {
	if proto == ProtoICMP {
		switch typ {
		case 8: // echo
			return 0, true
		case 0:
			return 8, true
		case 13: // timestamp
			return 14, true
		case 14:
			return 13, true
		case 15: // information
			return 16, true
		case 16:
			return 15, true
		case 17: // address mask
			return 18, true
		case 18:
			return 17, true
		case 9: // router advertisement and solicitation
			return 10, true
		case 10:
			return 9, true
		}
		return 0, false
	}
	switch typ {
	case 128: // echo
		return 129, true
	case 129:
		return 128, true
	case 130: // multicast listener query and report
		return 131, true
	case 131:
		return 130, true
	case 133: // router solicitation and advertisement
		return 134, true
	case 134:
		return 133, true
	case 135: // neighbour solicitation and advertisement
		return 136, true
	case 136:
		return 135, true
	case 139: // node information
		return 140, true
	case 140:
		return 139, true
	case 144: // home agent address discovery
		return 145, true
	case 145:
		return 144, true
	}
	return 0, false
}

// Embedded reads the start of the datagram that an ICMP or ICMPv6 error quotes
// (RFC 792, RFC 4443 section 3): the key of the flow that the error is about
// and the side that had sent the quoted packet. ok is false for other messages.
func (p *Packet) Embedded(out *Packet) (ok bool) {
	if p.Key.Proto != ProtoICMP && p.Key.Proto != ProtoICMPv6 || p.Payload >= p.End {
		return false
	}
	switch typ := p.Data[p.L4]; {
	case p.Key.Proto == ProtoICMP && (typ == 3 || typ == 11 || typ == 12 || typ == 4):
	case p.Key.Proto == ProtoICMPv6 && typ < 128:
	default:
		return false
	}
	inner := p.Data[p.Payload:p.End]
	*out = Packet{Data: inner, WireLen: uint32(len(inner))}
	if _, o := out.byVersion(0); o != OK {
		return false
	}
	return out.quoted()
}

// quoted reads just addresses and ports: an error may quote as little as 8
// octets of layer 4.
func (p *Packet) quoted() bool {
	d := p.Data
	var src, dst [16]byte
	var proto uint8
	if d[0]>>4 == 4 {
		hl := int(d[0]&15) * 4
		if hl < 20 || len(d) < hl+4 || be.Uint16(d[6:])&0x1fff != 0 {
			return false
		}
		src[10], src[11], dst[10], dst[11] = 0xff, 0xff, 0xff, 0xff
		copy(src[12:], d[12:16])
		copy(dst[12:], d[16:20])
		proto, p.L4 = d[9], hl
	} else {
		if len(d) < 44 {
			return false
		}
		src, dst = [16]byte(d[8:24]), [16]byte(d[24:40])
		proto, p.L4 = d[6], 40
	}
	if proto != ProtoTCP && proto != ProtoUDP {
		return false
	}
	p.setKey(proto, &src, &dst, be.Uint16(d[p.L4:]), be.Uint16(d[p.L4+2:]))
	return true
}
