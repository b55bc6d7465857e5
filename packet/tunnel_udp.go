package packet

// UDP ports of encapsulations (IANA, and Linux's older VXLAN port).
const (
	portL2TP     = 1701
	portGTPU     = 2152
	portTeredo   = 3544
	portGREUDP   = 4754 // RFC 8086
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portCAPWAP   = 5247
	portGENEVE   = 6081
	portMPLSUDP  = 6635 // RFC 7510
	portVXLANOld = 8472
	portTZSP     = 37008
)

// unwrapUDP looks into a datagram whose payload is at p.Payload. On its own port
// an encapsulation is believed; on others VXLAN, GENEVE, GTP-U and Teredo are
// recognised by content, when lengths and checksums of what they carry fit.
func (p *Packet) unwrapUDP(src, dst *[16]byte, sport, dport uint16) (Outcome, bool) {
	d := p.Data[p.Payload:p.End]
	if len(d) < 8 {
		return 0, false
	}
	t := Tunnel{Src: *src, Dst: *dst}
	for _, port := range [2]uint16{dport, sport} {
		switch port {
		case portVXLAN, portVXLANOld, portVXLANGPE:
			return p.vxlan(t, d, port == portVXLANGPE)
		case portGENEVE:
			return p.geneve(t, d)
		case portGTPU:
			return p.gtpu(t, d, false)
		case portTeredo:
			return p.teredo(t, d, false)
		case portTZSP:
			return p.tzsp(t, d)
		case portCAPWAP:
			return p.capwap(t, d)
		case portL2TP:
			return p.l2tp(t, d)
		case portGREUDP:
			return p.gre(t, p.Payload)
		case portMPLSUDP:
			return p.mpls(t, p.Payload)
		}
	}
	switch {
	case d[0] == 8 && d[1]|d[2]|d[3]|d[7] == 0 && p.plausibleFrame(p.Payload+8):
		return p.vxlan(t, d, false)
	case d[0]&0xe8 == 0x20 && d[0]&0x10 != 0 && d[1] == 0xff && int(be.Uint16(d[2:])) == len(d)+p.Missing-8:
		return p.gtpu(t, d, true)
	case d[0]>>6 == 0 && d[2] == 0x65 && d[3] == 0x58 && d[7] == 0 && p.plausibleFrame(p.Payload+8+int(d[0]&63)*4):
		return p.geneve(t, d)
	case d[0]>>4 == 6 || d[0] == 0 && d[1] <= 1:
		return p.teredo(t, d, true)
	}
	return 0, false
}

// vxlan reads RFC 7348 and, when gpe is set, draft-ietf-nvo3-vxlan-gpe.
func (p *Packet) vxlan(t Tunnel, d []byte, gpe bool) (Outcome, bool) {
	if d[0]&8 == 0 {
		return 0, false
	}
	t.Kind, t.ID = VXLAN, be.Uint32(d[4:])>>8
	at := p.Payload + 8
	if gpe && d[0]&4 != 0 {
		switch d[3] {
		case 1:
			return p.inside(t, at, etherIPv4, false)
		case 2:
			return p.inside(t, at, etherIPv6, false)
		case 5:
			return p.mpls(t, at)
		}
	}
	return p.inside(t, at, 0, true)
}

// geneve reads RFC 8926 section 3.4.
func (p *Packet) geneve(t Tunnel, d []byte) (Outcome, bool) {
	if d[0]>>6 != 0 {
		return 0, false
	}
	t.Kind, t.ID = GENEVE, be.Uint32(d[4:])>>8
	at, proto := p.Payload+8+int(d[0]&63)*4, be.Uint16(d[2:])
	return p.inside(t, at, proto, proto == 0x6558)
}

// gtpu reads a G-PDU of GTP version 1 (3GPP TS 29.281 section 5).
func (p *Packet) gtpu(t Tunnel, d []byte, guess bool) (Outcome, bool) {
	if d[0]>>5 != 1 || d[0]&0x10 == 0 || d[1] != 0xff {
		return 0, false
	}
	t.Kind, t.ID = GTPU, be.Uint32(d[4:])
	n := 8
	if d[0]&7 != 0 {
		if len(d) < 12 {
			return 0, false
		}
		next := d[11]
		n = 12
		for i := 0; d[0]&4 != 0 && next != 0 && i < maxExtensions; i++ {
			if len(d) <= n || d[n] == 0 || len(d) < n+int(d[n])*4 {
				return 0, false
			}
			n += int(d[n]) * 4
			next = d[n-1]
		}
	}
	if guess && !p.plausibleIP(p.Payload+n) {
		return 0, false
	}
	return p.inside(t, p.Payload+n, anyIP, false)
}

// teredo reads RFC 4380 section 5.1.1: an authentication and an origin header
// may precede the IPv6 datagram, which fills the rest exactly.
func (p *Packet) teredo(t Tunnel, d []byte, guess bool) (Outcome, bool) {
	n := 0
	if len(d) >= 4 && d[0] == 0 && d[1] == 1 {
		n = 4 + int(d[2]) + int(d[3]) + 9
	}
	if len(d) >= n+8 && d[n] == 0 && d[n+1] == 0 {
		n += 8
	}
	if len(d) < n+40 || d[n]>>4 != 6 || 40+int(be.Uint16(d[n+4:])) > len(d)+p.Missing-n {
		return 0, false
	}
	const prefix = 0x20010000 // RFC 4380 section 2.6
	if guess && (be.Uint32(d[n+8:]) != prefix && be.Uint32(d[n+24:]) != prefix || 40+int(be.Uint16(d[n+4:])) != len(d)+p.Missing-n) {
		return 0, false
	}
	t.Kind = Teredo
	return p.inside(t, p.Payload+n, etherIPv6, false)
}

// tzsp reads TaZmen Sniffer Protocol version 1: tagged fields up to tag 1.
func (p *Packet) tzsp(t Tunnel, d []byte) (Outcome, bool) {
	if d[0] != 1 || d[1] > 1 {
		return 0, false
	}
	t.Kind = TZSP
	kind, n := be.Uint16(d[2:]), 4
	for n < len(d) && d[n] != 1 {
		if d[n] == 0 {
			n++
			continue
		}
		if n+1 >= len(d) {
			return 0, false
		}
		n += 2 + int(d[n+1])
	}
	if n++; n > len(d) {
		return 0, false
	}
	if kind == 18 || kind == 119 {
		return p.wlan(t, p.Payload+n)
	}
	return p.inside(t, p.Payload+n, 0, true)
}

// capwap reads a data packet (RFC 5415 section 4.3); DTLS and fragments stay
// closed.
func (p *Packet) capwap(t Tunnel, d []byte) (Outcome, bool) {
	if d[0]&15 != 0 {
		return 0, false
	}
	h := be.Uint32(d)
	const native, fragment = 0x100, 0x80
	if h&fragment != 0 {
		return 0, false
	}
	t.Kind = CAPWAP
	at := p.Payload + int(h>>19&31)*4
	if h&native != 0 {
		return p.wlan(t, at)
	}
	return p.inside(t, at, 0, true)
}

// wlan reads an unprotected IEEE 802.11 data frame up to its SNAP header.
// Controllers of one vendor send the frame control field with its octets swapped.
func (p *Packet) wlan(t Tunnel, at int) (Outcome, bool) {
	d := p.Data[min(at, p.End):p.End]
	if len(d) < 32 {
		return 0, false
	}
	fc, flags := d[0], d[1]
	if fc&0x0c != 8 && flags&0x0c == 8 {
		fc, flags = flags, fc
	}
	if fc&0x0c != 8 || fc&0x40 != 0 || flags&0x40 != 0 { // not data, no data, or protected
		return 0, false
	}
	n := 24
	if flags&3 == 3 {
		n += 6
	}
	if fc&0x80 != 0 {
		n += 2
	}
	if len(d) < n+8 || d[n] != 0xaa || d[n+1] != 0xaa || d[n+2] != 3 {
		return 0, false
	}
	return p.inside(t, at+n+8, be.Uint16(d[n+6:]), false)
}

// l2tp reads version 2 (RFC 2661 section 3.1) and version 3 over UDP (RFC 3931
// section 4.1.2.2); control messages stay closed.
func (p *Packet) l2tp(t Tunnel, d []byte) (Outcome, bool) {
	flags := be.Uint16(d)
	const control, length, sequence, offset = 0x8000, 0x4000, 0x0800, 0x0200
	if flags&control != 0 {
		return 0, false
	}
	switch flags & 15 {
	case 3:
		return p.l2tpv3(t, p.Payload+4)
	case 2:
	default:
		return 0, false
	}
	n := 2
	if flags&length != 0 {
		n += 2
	}
	if len(d) < n+4 {
		return 0, false
	}
	t.Kind, t.ID = L2TPv2, be.Uint32(d[n:]) // tunnel and session
	n += 4
	if flags&sequence != 0 {
		n += 4
	}
	if flags&offset != 0 {
		if len(d) < n+2 {
			return 0, false
		}
		n += 2 + int(be.Uint16(d[n:]))
	}
	return p.ppp(t, p.Payload+n)
}
