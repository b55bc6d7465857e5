package packet

import "encoding/binary"

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherIPv6 = 0x86dd
	etherQinQ = 0x88a8
	etherPBB  = 0x88e7

	etherMPLS      = 0x8847
	etherMPLSMulti = 0x8848
	etherPPPoE     = 0x8864

	// etherOldQinQ is what switches sent before IEEE 802.1ad.
	etherOldQinQ = 0x9100

	maxVLANs = 2 // tags kept; more are skipped
	maxTags  = 8 // tags skipped before a frame counts as BadHeader
)

var be = binary.BigEndian

// Parse reads a frame. data is borrowed; wireLen is the frame's length on the
// wire. It overwrites p and never allocates. After Fragment, give p to a
// Reassembler; after any other outcome than OK the Key is not valid.
func (p *Packet) Parse(data []byte, wireLen uint32, link LinkType) Outcome {
	if link == LinkEthernet && p.plainTCP(data, wireLen) {
		return OK
	}
	return p.parse(data, wireLen, link)
}

// parse reads any frame.
func (p *Packet) parse(data []byte, wireLen uint32, link LinkType) Outcome {
	*p = Packet{Data: data, WireLen: wireLen, End: len(data), L2: -1, cut: max(int(wireLen)-len(data), 0)}
	proto, out := p.link(link)
	if out != OK {
		return out
	}
	return p.network(proto)
}

// network reads the packet at p.L3 by its EtherType.
func (p *Packet) network(proto uint16) Outcome {
	switch proto {
	case etherIPv4:
		return p.ipv4()
	case etherIPv6:
		return p.ipv6()
	case etherARP:
		if len(p.Data)-p.L3 < 8 {
			return Truncated
		}
		return ARP
	case etherPPPoE:
		return opened(p.pppoe(p.L3))
	case etherMPLS, etherMPLSMulti:
		return opened(p.mpls(Tunnel{}, p.L3))
	case etherPBB: // the I-TAG, then a whole frame
		if len(p.Data) < p.L3+4 {
			return Truncated
		}
		return opened(p.inside(Tunnel{Kind: PBB, ID: be.Uint32(p.Data[p.L3:]) & 0xffffff}, p.L3+4, 0, true))
	}
	return NotIP
}

// opened is the outcome of a link-layer encapsulation: without a packet inside
// that has a flow, there is none.
func opened(out Outcome, ok bool) Outcome {
	if !ok {
		return NotIP
	}
	return out
}

// link finds the network layer: p.L3, the tags, and its EtherType.
func (p *Packet) link(link LinkType) (uint16, Outcome) {
	switch link {
	case LinkEthernet:
		return p.etherAt(0)
	case LinkPPP, LinkPPPHDLC:
		proto, n := pppProtocol(p.Data)
		if n == 0 {
			return 0, Truncated
		}
		p.L3 = n
		return proto, OK
	case LinkRaw, LinkRaw12, LinkRaw14, LinkIPv4, LinkIPv6:
		return p.byVersion(0)
	case LinkNull, LinkLoop:
		if len(p.Data) < 5 {
			return 0, Truncated
		}
		return p.byVersion(4)
	case LinkSLL:
		if len(p.Data) < 16 {
			return 0, Truncated
		}
		return p.ether(be.Uint16(p.Data[14:]), 16)
	case LinkSLL2:
		if len(p.Data) < 20 {
			return 0, Truncated
		}
		return p.ether(be.Uint16(p.Data), 20)
	}
	return 0, BadLink
}

// byVersion serves links whose payload names itself by the IP version nibble.
// For BSD loopback that is surer than the family number, which is in the
// capturing host's byte order and differs between systems for IPv6.
func (p *Packet) byVersion(l3 int) (uint16, Outcome) {
	if len(p.Data) <= l3 {
		return 0, Truncated
	}
	p.L3 = l3
	switch p.Data[l3] >> 4 {
	case 4:
		return etherIPv4, OK
	case 6:
		return etherIPv6, OK
	}
	return 0, NotIP
}

// ether skips 802.1Q and 802.1ad tags and unwraps LLC/SNAP (RFC 1042).
func (p *Packet) ether(proto uint16, at int) (uint16, Outcome) {
	d := p.Data
	for range maxTags {
		switch {
		case proto == etherVLAN || proto == etherQinQ || proto == etherOldQinQ:
			if len(d) < at+4 {
				return 0, Truncated
			}
			p.tag(be.Uint16(d[at:]))
			proto = be.Uint16(d[at+2:])
			at += 4
		case proto <= 1500 && len(d) >= at+8 && d[at] == 0xaa && d[at+1] == 0xaa && d[at+2] == 3 &&
			d[at+3]|d[at+4]|d[at+5] == 0:
			proto = be.Uint16(d[at+6:])
			at += 8
		default:
			p.L3 = at
			return proto, OK
		}
	}
	return 0, BadHeader
}

// tag appends a VLAN tag: tci is the tag control information (IEEE 802.1Q).
func (p *Packet) tag(tci uint16) {
	if p.VLANs < maxVLANs {
		p.VLAN[p.VLANs] = tci & 0xfff
		p.VLANs++
	}
}

// OuterTag puts a tag that the kernel took off, and handed over beside the
// frame, in front of those in the frame: it was on the wire. Call it after Parse.
func (p *Packet) OuterTag(tci uint16) {
	const tagLen = 4
	p.WireLen += tagLen
	p.VLAN[1] = p.VLAN[0]
	p.VLAN[0] = tci & 0xfff
	p.VLANs = min(p.VLANs+1, maxVLANs)
}

// MACs are source and destination EUI-48 of the innermost frame; zero when the
// link has none. link is the one given to Parse.
func (p *Packet) MACs(link LinkType) (src, dst [6]byte) {
	d := p.Data
	switch {
	case p.L2 >= 0:
		return [6]byte(d[p.L2+6 : p.L2+12]), [6]byte(d[p.L2 : p.L2+6])
	case link == LinkSLL && be.Uint16(d[4:]) == 6:
		src = [6]byte(d[6:12])
	case link == LinkSLL2 && d[11] == 6:
		src = [6]byte(d[12:18])
	}
	return src, dst
}

// ipv4 reads RFC 791 section 3.1.
func (p *Packet) ipv4() Outcome {
	d := p.Data[p.L3:]
	if len(d) < 20 {
		return Truncated
	}
	hl := int(d[0]&15) * 4
	total := int(be.Uint16(d[2:]))
	if d[0]>>4 != 4 || hl < 20 {
		return BadHeader
	}
	if total == 0 { // segmentation offload: the real length is the frame's
		total = max(len(d), int(p.WireLen)-p.L3)
	}
	if total < hl {
		return BadHeader
	}
	if len(d) < hl {
		return Truncated
	}
	p.Version, p.TTL, p.ID = 4, d[8], be.Uint16(d[4:])
	p.BadSum = be.Uint16(d[10:]) != 0 && !sumOK(d[:hl])
	p.extent(total)
	p.L4 = p.L3 + hl
	off := be.Uint16(d[6:])
	if off&0x3fff != 0 {
		p.frag = fragment{id: uint32(be.Uint16(d[4:])), off: int(off&0x1fff) * 8, more: off&0x2000 != 0, proto: d[9]}
		return Fragment
	}
	var src, dst [16]byte
	src[10], src[11], dst[10], dst[11] = 0xff, 0xff, 0xff, 0xff
	copy(src[12:], d[12:16])
	copy(dst[12:], d[16:20])
	return p.transport(d[9], &src, &dst)
}

// extent sets where the datagram ends, in Data and on the wire. A length that
// goes beyond the frame is the sender's mistake, and nothing is missing.
func (p *Packet) extent(total int) {
	p.IPLen = uint32(total)
	end := p.L3 + total
	p.End = min(end, len(p.Data))
	p.Missing = min(end-p.End, p.cut)
}

// sumOK verifies the Internet checksum of a header whose length is a multiple of 4.
func sumOK(h []byte) bool {
	var s uint64
	for ; len(h) >= 4; h = h[4:] {
		s += uint64(be.Uint32(h))
	}
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return s == 0xffff
}

// maxExtensions bounds the chain of IPv6 extension headers.
const maxExtensions = 16

// ipv6 reads RFC 8200 section 3 and its extension headers (section 4).
func (p *Packet) ipv6() Outcome {
	d := p.Data[p.L3:]
	if len(d) < 40 {
		return Truncated
	}
	if d[0]>>4 != 6 {
		return BadHeader
	}
	total := 40 + int(be.Uint16(d[4:]))
	if total == 40 && d[6] != 59 { // jumbogram (RFC 2675) or offload
		total = max(len(d), int(p.WireLen)-p.L3)
	}
	p.Version, p.TTL = 6, d[7]
	p.extent(total)
	next, at := d[6], 40
	d = d[:p.End-p.L3]
	for range maxExtensions {
		var size int
		switch next {
		case 0, 43, 60, 135, 139, 140: // hop-by-hop, routing, destination options, mobility, HIP, shim6
			if len(d) < at+8 {
				return Truncated
			}
			size = 8 + int(d[at+1])*8
		case 51: // authentication header (RFC 4302)
			if len(d) < at+8 {
				return Truncated
			}
			size = 8 + int(d[at+1])*4
		case 44: // fragment
			if len(d) < at+8 {
				return Truncated
			}
			off := be.Uint16(d[at+2:])
			if off&0xfff9 != 0 {
				p.L4 = p.L3 + at + 8
				p.frag = fragment{id: be.Uint32(d[at+4:]), off: int(off &^ 7), more: off&1 != 0, proto: d[at]}
				return Fragment
			}
			size = 8 // an atomic fragment (RFC 6946) is whole
		default:
			p.L4 = p.L3 + at
			return p.transport(next, (*[16]byte)(d[8:24]), (*[16]byte)(d[24:40]))
		}
		next = d[at]
		if at += size; at > len(d) {
			return Truncated
		}
	}
	return BadHeader
}
