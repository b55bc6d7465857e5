package filter

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// EtherType values (IEEE 802 numbers) and LLC SAPs with a meaning here.
const (
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherRARP   = 0x8035
	etherVLAN   = 0x8100
	etherIPv6   = 0x86dd
	etherMPLS   = 0x8847
	etherPPPoED = 0x8863
	etherPPPoES = 0x8864
	etherQinQ   = 0x88a8
	etherOldQ   = 0x9100 // 802.1ad before its standard
	maxLength   = 1500   // up to here the field is an 802.3 length
	sapSTP      = 0x42   // LLC SAP of 802.1D spanning tree
)

// tagPlace says where the first VLAN tag of a packet is.
type tagPlace uint8

const (
	tagInFrame tagPlace = iota
	tagBeside           // taken out by the kernel
)

type family uint8

const (
	familyEthernet family = iota
	familySLL
	familySLL2
	familyNull
	familyLoop
	familyRaw
	familyIPv4
	familyIPv6
	familyPPP // inside a PPPoE session
)

// layer is where the headers of a packet start, at one point of the
// expression: vlan, mpls and pppoes change it for what follows them.
type layer struct {
	family  family
	start   uint32 // offset of the link header
	typeOff uint32 // offset of the type of what the link header carries
	net     uint32 // offset of the network header, or of the next MPLS label
	labels  int    // MPLS labels matched so far
	tag     tagPlace
	live    bool // the kernel answers for inbound and outbound
}

func newLayer(link uint16, tag tagPlace) (layer, error) {
	l := layer{tag: tag, live: tag == tagBeside}
	switch link {
	case LinkEthernet:
		l.family, l.typeOff, l.net = familyEthernet, 12, 14
	case LinkSLL:
		l.family, l.typeOff, l.net = familySLL, 14, 16
	case LinkSLL2:
		l.family, l.typeOff, l.net = familySLL2, 0, 20
	case LinkNull:
		l.family, l.net = familyNull, 4
	case LinkLoop:
		l.family, l.net = familyLoop, 4
	case LinkRaw, linkRawBSD, linkRawOBSD:
		l.family = familyRaw
	case LinkIPv4:
		l.family = familyIPv4
	case LinkIPv6:
		l.family = familyIPv6
	default:
		return l, fmt.Errorf("filter: link type %d is not supported; want Ethernet (1), Linux cooked (113, 276), raw IP (12, 14, 101, 228, 229) or BSD loopback (0, 108)", link)
	}
	return l, nil
}

func (f family) String() string {
	return [...]string{"Ethernet", "Linux cooked v1", "Linux cooked v2", "BSD loopback", "OpenBSD loopback",
		"raw IP", "raw IPv4", "raw IPv6", "PPP"}[f]
}

// carries tests that the link layer carries etherType, or an LLC SAP up to 1500.
func (l *layer) carries(etherType uint32) predicate {
	if l.labels > 0 {
		return l.mplsCarries(etherType)
	}
	switch l.family {
	case familyEthernet:
		if etherType <= maxLength {
			return allOf(compare(load{off: l.typeOff, size: 2}, bpf.JumpLessOrEqual, maxLength), equal(l.net, 1, etherType))
		}
		return equal(l.typeOff, 2, etherType)
	case familySLL:
		if etherType <= maxLength {
			const sllLLC = 4 // LINUX_SLL_P_802_2, pcap/sll.h
			return allOf(equal(l.typeOff, 2, sllLLC), equal(l.net, 1, etherType))
		}
		return equal(l.typeOff, 2, etherType)
	case familySLL2:
		return equal(l.typeOff, 2, etherType)
	case familyPPP:
		return equal(l.typeOff, 2, pppType(etherType))
	case familyRaw:
		switch etherType {
		case etherIPv4:
			return equalMasked(l.net, 1, 0xf0, 0x40)
		case etherIPv6:
			return equalMasked(l.net, 1, 0xf0, 0x60)
		}
		return always(false)
	case familyIPv4:
		return always(etherType == etherIPv4)
	case familyIPv6:
		return always(etherType == etherIPv6)
	}
	return l.loopbackCarries(etherType)
}

// loopbackCarries tests the address family, which is 2 for IPv4 everywhere and
// differs by system for IPv6: 10 Linux, 24 NetBSD and OpenBSD, 28 FreeBSD, 30 macOS.
func (l *layer) loopbackCarries(etherType uint32) predicate {
	var families []uint32
	switch etherType {
	case etherIPv4:
		families = []uint32{2}
	case etherIPv6:
		families = []uint32{30, 24, 28, 10}
	default:
		return always(false)
	}
	var kids []predicate
	for _, f := range families {
		if l.family == familyNull { // the file may come from a little-endian host
			kids = append(kids, equal(l.start, 4, f<<24))
		}
		kids = append(kids, equal(l.start, 4, f))
	}
	return anyOf(kids...)
}

// mplsCarries: nothing in a label says what it carries, so like libpcap take
// the first nibble after the bottom of the stack (RFC 4928 section 3).
func (l *layer) mplsCarries(etherType uint32) predicate {
	version := uint32(0x40)
	if etherType == etherIPv6 {
		version = 0x60
	}
	return allOf(l.bottomOfStack(1), equalMasked(l.net, 1, 0xf0, version))
}

// bottomOfStack tests bit S of the label just before net (RFC 3032 section 2.1).
func (l *layer) bottomOfStack(want uint32) predicate {
	return equalMasked(l.net-2, 1, 1, want)
}

// pppType is the PPP protocol number (IANA) for an EtherType.
func pppType(etherType uint32) uint32 {
	switch etherType {
	case etherIPv4:
		return 0x0021
	case etherIPv6:
		return 0x0057
	case etherMPLS:
		return 0x0281
	case sapSTP:
		return 0x0031
	}
	return etherType
}

// vlan tests for a tag, with the given id if there is one (arg not nil).
func (l *layer) vlan(id *token) predicate {
	const idMask = 0x0fff // the rest of the tag is priority, IEEE 802.1Q
	if l.tag == tagBeside {
		l.tag = tagInFrame
		p := compare(load{extension: true, ext: bpf.ExtVLANTagPresent}, bpf.JumpNotEqual, 0)
		if id == nil {
			return p
		}
		return allOf(p, compare(load{extension: true, ext: bpf.ExtVLANTag, mask: idMask}, bpf.JumpEqual, id.num))
	}
	p := anyOf(l.carries(etherVLAN), l.carries(etherQinQ), l.carries(etherOldQ))
	if id != nil {
		p = allOf(p, equalMasked(l.net, 2, idMask, id.num))
	}
	l.typeOff += 4
	l.net += 4
	return p
}

// mpls tests for a label: the first by EtherType, another by the first's end.
func (l *layer) mpls(label *token) predicate {
	var p predicate
	if l.labels > 0 {
		p = l.bottomOfStack(0)
	} else {
		p = l.carries(etherMPLS)
	}
	if label != nil {
		p = allOf(p, equalMasked(l.net, 4, 0xfffff000, label.num<<12))
	}
	l.net += 4
	l.labels++
	return p
}

// pppoes tests for a PPPoE session packet (RFC 2516 section 4); what follows
// reads the PPP packet inside.
func (l *layer) pppoes(session *token) predicate {
	p := l.carries(etherPPPoES)
	if session != nil {
		p = allOf(p, equal(l.net+2, 2, session.num))
	}
	l.family = familyPPP
	l.start = l.net + 6
	l.typeOff = l.start
	l.net = l.start + 2
	return p
}
