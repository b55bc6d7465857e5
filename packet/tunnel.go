package packet

// TunnelKind is an encapsulation.
type TunnelKind uint8

const (
	NoTunnel TunnelKind = iota
	GRE                 // RFC 2784, 2890; also PPTP's (RFC 2637)
	NVGRE               // RFC 7637
	ERSPAN1
	ERSPAN2
	ERSPAN3
	VXLAN // RFC 7348, also GPE and GBP
	GENEVE
	MPLS
	PPPoE
	IPIP   // RFC 2003, also IPv6 in IPv6 (RFC 2473)
	SixIn4 // RFC 4213
	Teredo // RFC 4380
	GTPU   // 3GPP TS 29.281
	TZSP
	CAPWAP // RFC 5415, data channel
	L2TPv2 // RFC 2661
	L2TPv3 // RFC 3931
	PBB    // IEEE 802.1ah
	EtherIP
	numTunnels
)

var tunnelNames = [numTunnels]string{"", "gre", "nvgre", "erspan1", "erspan2", "erspan3", "vxlan", "geneve", "mpls", "pppoe",
	"ipip", "6in4", "teredo", "gtp-u", "tzsp", "capwap", "l2tpv2", "l2tpv3", "802.1ah", "etherip"}

func (k TunnelKind) String() string { return tunnelNames[min(k, numTunnels-1)] }

// maxTunnels bounds the nesting of encapsulations in one frame.
const maxTunnels = 4

// Tunnel is the innermost encapsulation of a packet.
type Tunnel struct {
	Kind     TunnelKind
	Depth    uint8    // encapsulations around the packet, at most maxTunnels
	ID       uint32   // VNI, key, TEID, label, session: what tells tunnels of one kind apart
	Src, Dst [16]byte // of the datagram around it, zero when the tunnel runs on the link layer
}

// inside parses what an encapsulation carries, from offset at on: a frame if
// ether is set, else proto's packet. When that is nothing that has a flow, p is
// as before and the outer packet counts.
func (p *Packet) inside(t Tunnel, at int, proto uint16, ether bool) (Outcome, bool) {
	if p.Tunnel.Depth >= maxTunnels || at > p.End {
		return 0, false
	}
	outer := *p
	t.Depth = p.Tunnel.Depth + 1
	p.Tunnel = t
	p.Data = p.Data[:p.End]
	p.frag, p.Flags, p.BadSum = fragment{}, 0, false
	out := OK
	switch {
	case ether:
		p.VLANs = 0
		if proto, out = p.etherAt(at); out != OK {
			break
		}
		out = p.network(proto)
	case proto == anyIP:
		if proto, out = p.byVersion(at); out == OK {
			out = p.network(proto)
		}
	default:
		p.L3 = at
		out = p.network(proto)
	}
	if out == OK || out == Fragment {
		return out, true
	}
	*p = outer
	return 0, false
}

// anyIP stands for "IPv4 or IPv6, by the version".
const anyIP = 0

// etherAt reads an Ethernet header at an offset.
func (p *Packet) etherAt(at int) (uint16, Outcome) {
	if len(p.Data) < at+14 {
		return 0, Truncated
	}
	p.L2 = at
	return p.ether(be.Uint16(p.Data[at+12:]), at+14)
}

// unwrapIP looks into IP protocols that carry packets. d is the octets at p.L4.
func (p *Packet) unwrapIP(proto uint8, src, dst *[16]byte) (Outcome, bool) {
	t := Tunnel{Src: *src, Dst: *dst}
	switch proto {
	case 4:
		t.Kind = IPIP
		return p.inside(t, p.L4, etherIPv4, false)
	case 41:
		if t.Kind = IPIP; p.Version == 4 {
			t.Kind = SixIn4
		}
		return p.inside(t, p.L4, etherIPv6, false)
	case 47:
		return p.gre(t, p.L4)
	case 97: // EtherIP, RFC 3378
		t.Kind = EtherIP
		return p.inside(t, p.L4+2, 0, true)
	case 115:
		return p.l2tpv3(t, p.L4)
	case 137: // RFC 4023
		return p.mpls(t, p.L4)
	}
	return 0, false
}

// gre reads RFC 2784, 2890 and 2637 (version 1), and what ERSPAN puts into it.
func (p *Packet) gre(t Tunnel, at int) (Outcome, bool) {
	d := p.Data[min(at, p.End):p.End]
	if len(d) < 4 {
		return 0, false
	}
	flags, proto := be.Uint16(d), be.Uint16(d[2:])
	const checksum, key, sequence, ack = 0x8000, 0x2000, 0x1000, 0x0080
	n := 4
	if flags&(checksum|0x4000) != 0 {
		n += 4
	}
	if flags&key != 0 {
		if len(d) < n+4 {
			return 0, false
		}
		t.ID = be.Uint32(d[n:])
		n += 4
	}
	if flags&sequence != 0 {
		n += 4
	}
	if flags&7 == 1 && flags&ack != 0 {
		n += 4
	}
	if flags&7 > 1 || len(d) < n {
		return 0, false
	}
	return p.greContent(t, at+n, proto, flags)
}

func (p *Packet) greContent(t Tunnel, at int, proto, flags uint16) (Outcome, bool) {
	const key, sequence = 0x2000, 0x1000
	d := p.Data[at:p.End]
	t.Kind = GRE
	switch proto {
	case 0x6558: // transparent Ethernet bridging
		if flags&key != 0 {
			t.Kind, t.ID = NVGRE, t.ID>>8
		}
		return p.inside(t, at, 0, true)
	case 0x88be: // type I has no sequence number and no header of its own
		if t.Kind = ERSPAN1; flags&sequence == 0 {
			return p.inside(t, at, 0, true)
		}
		if t.Kind = ERSPAN2; len(d) < 8 {
			return 0, false
		}
		t.ID = uint32(be.Uint16(d[2:]) & 0x3ff)
		return p.inside(t, at+8, 0, true)
	case 0x22eb:
		if t.Kind = ERSPAN3; len(d) < 12 {
			return 0, false
		}
		t.ID = uint32(be.Uint16(d[2:]) & 0x3ff)
		n := 12
		if d[11]&1 != 0 { // a platform-specific subheader follows
			n += 8
		}
		return p.inside(t, at+n, 0, true)
	case 0x880b:
		return p.ppp(t, at)
	case etherMPLS, etherMPLSMulti:
		return p.mpls(t, at)
	case 0x883e: // WCCP: a redirect header precedes the datagram unless it is version 1
		if len(d) >= 4 && d[0]>>4 != 4 {
			at += 4
		}
		return p.inside(t, at, etherIPv4, false)
	}
	return p.inside(t, at, proto, false)
}

// ppp reads what a PPP frame at an offset carries.
func (p *Packet) ppp(t Tunnel, at int) (Outcome, bool) {
	proto, n := pppProtocol(p.Data[min(at, p.End):p.End])
	switch proto {
	case etherIPv4, etherIPv6:
		return p.inside(t, at+n, proto, false)
	case etherMPLS:
		return p.mpls(t, at+n)
	}
	return 0, false
}

// pppProtocol reads the protocol field (RFC 1661, with RFC 1662's address and
// control octets and compressed fields): its EtherType, 0 for none, and where
// what it carries begins, 0 when the frame ends before.
func pppProtocol(d []byte) (proto uint16, n int) {
	if len(d) >= 2 && d[0] == 0xff && d[1] == 3 {
		n = 2
	}
	if len(d) < n+2 {
		return 0, 0
	}
	id := uint16(d[n])
	if n++; id&1 == 0 {
		id = id<<8 | uint16(d[n])
		n++
	}
	switch id {
	case 0x21:
		return etherIPv4, n
	case 0x57:
		return etherIPv6, n
	case 0x281, 0x283:
		return etherMPLS, n
	}
	return 0, n
}

// pppoe reads a session frame (RFC 2516) at an offset.
func (p *Packet) pppoe(at int) (Outcome, bool) {
	d := p.Data[min(at, len(p.Data)):]
	if len(d) < 8 || d[0] != 0x11 || d[1] != 0 {
		return 0, false
	}
	p.End = min(len(p.Data), at+6+int(be.Uint16(d[4:])))
	return p.ppp(Tunnel{Kind: PPPoE, ID: uint32(be.Uint16(d[2:]))}, at+6)
}

// maxLabels bounds an MPLS label stack.
const maxLabels = 16

// mpls reads a label stack (RFC 3032). What follows is told by its first nibble
// (RFC 4928): 4 and 6 are IP, 0 is a control word before an Ethernet frame.
func (p *Packet) mpls(t Tunnel, at int) (Outcome, bool) {
	t.Kind = MPLS
	for range maxLabels {
		if at+4 > p.End {
			return 0, false
		}
		label := be.Uint32(p.Data[at:])
		t.ID = label >> 12
		at += 4
		if label&0x100 == 0 {
			continue
		}
		if at >= p.End {
			return 0, false
		}
		switch p.Data[at] >> 4 {
		case 4, 6:
			return p.inside(t, at, anyIP, false)
		case 0:
			if out, ok := p.inside(t, at+4, 0, true); ok {
				return out, true
			}
		}
		return p.inside(t, at, 0, true)
	}
	return 0, false
}

// l2tpv3 reads a data message over IP, or over UDP after the flags: the session
// id, then a cookie and a sublayer whose lengths only the endpoints know (RFC
// 3931 section 4.1): the frame is looked for at each place it may start.
func (p *Packet) l2tpv3(t Tunnel, at int) (Outcome, bool) {
	if at+4 > p.End {
		return 0, false
	}
	t.Kind, t.ID = L2TPv3, be.Uint32(p.Data[at:])
	if t.ID == 0 { // control message
		return 0, false
	}
	for n := 4; n <= 16; n += 4 {
		if p.plausibleFrame(at + n) {
			return p.inside(t, at+n, 0, true)
		}
	}
	for n := 4; n <= 16; n += 4 {
		if p.plausibleIP(at + n) {
			return p.inside(t, at+n, anyIP, false)
		}
	}
	return 0, false
}

// plausibleFrame tells that an Ethernet frame with an IP datagram stands at an
// offset: for encapsulations that are told by their content.
func (p *Packet) plausibleFrame(at int) bool {
	if at+14 > p.End {
		return false
	}
	proto := be.Uint16(p.Data[at+12:])
	at += 14
	for range maxVLANs {
		if (proto == etherVLAN || proto == etherQinQ) && at+4 <= p.End {
			proto = be.Uint16(p.Data[at+2:])
			at += 4
		}
	}
	switch proto {
	case etherIPv4, etherIPv6:
		return p.plausibleIP(at)
	case etherARP:
		return at+8 <= p.End && be.Uint32(p.Data[at:]) == 0x00010800
	}
	return false
}

// plausibleIP tells that an IP header stands at an offset whose lengths fit, and
// whose checksum is right.
func (p *Packet) plausibleIP(at int) bool {
	if at+20 > p.End {
		return false
	}
	d, room := p.Data[at:p.End], p.End+p.Missing-at
	switch d[0] >> 4 {
	case 4:
		hl, total := int(d[0]&15)*4, int(be.Uint16(d[2:]))
		return hl >= 20 && hl <= len(d) && total >= hl && total <= room && sumOK(d[:hl])
	case 6:
		return len(d) >= 40 && 40+int(be.Uint16(d[4:])) <= room && d[0]&15 < 16
	}
	return false
}
