package filter

import (
	"slices"

	"golang.org/x/net/bpf"
)

// IP protocol numbers (IANA) and header offsets with a meaning here.
const (
	ipTCP      = 6
	ipUDP      = 17
	ipFragment = 44
	ipICMPv6   = 58
	ipSCTP     = 132

	ip4Fragment = 6 // RFC 791 section 3.1: flags and fragment offset
	ip4Protocol = 9
	ip4Source   = 12
	ip4Dest     = 16
	ip6Next     = 6 // RFC 8200 section 3
	ip6Source   = 8
	ip6Dest     = 24
	ip6Header   = 40 // bytes; a fragment header starts with its next header
	arpSource   = 14 // RFC 826 with Ethernet and IPv4 addresses
	arpDest     = 24

	fragmentOffsetMask = 0x1fff
)

// generator turns syntax into tests. It visits the tree in the order of the
// text, since layer changes on the way.
type generator struct {
	layer
	text string
}

func (g *generator) fail(t token, format string, args ...any) error {
	return errorAt(g.text, t.pos, format, args...)
}

func (g *generator) node(n node) (predicate, error) {
	switch n := n.(type) {
	case *logic:
		p := predicate{op: opAnd}
		if n.or {
			p.op = opOr
		}
		for _, k := range n.kids {
			kid, err := g.node(k)
			if err != nil {
				return p, err
			}
			p.kids = append(p.kids, kid)
		}
		return p, nil
	case *negation:
		p, err := g.node(n.kid)
		return not(p), err
	case *primitive:
		return g.primitive(n)
	case *relation:
		return g.relation(n)
	}
	return g.keyword(n.(*keyword))
}

func (g *generator) keyword(k *keyword) (predicate, error) {
	switch k.word.text {
	case "less":
		return compare(load{extension: true, ext: bpf.ExtLen}, bpf.JumpLessOrEqual, k.arg.num), nil
	case "greater":
		return compare(load{extension: true, ext: bpf.ExtLen}, bpf.JumpGreaterOrEqual, k.arg.num), nil
	case "inbound", "outbound":
		return g.bound(k)
	case "broadcast", "multicast":
		return g.cast(k)
	case "pppoed":
		return g.carried(k.word, etherPPPoED)
	case "vlan", "mpls", "pppoes":
		return g.encapsulation(k)
	}
	proto, _ := protocolNamed(k.word.text)
	switch {
	case proto.etherType != 0:
		return g.carried(k.word, proto.etherType)
	case proto.ipProto != 0:
		return g.overIP(proto.over, proto.ipProto), nil
	}
	return predicate{}, g.fail(k.word, "%s alone tests nothing; want for example \"ether host MAC\"", k.word)
}

// carried is layer.carries for what the text names at t.
func (g *generator) carried(t token, etherType uint32) (predicate, error) {
	if g.labels > 0 && etherType != etherIPv4 && etherType != etherIPv6 {
		return predicate{}, g.fail(t, "%s after mpls is not supported; only IPv4 and IPv6 can be told apart there", t)
	}
	return g.carries(etherType), nil
}

func (g *generator) encapsulation(k *keyword) (predicate, error) {
	word := k.word.text
	limit := map[string]uint32{"vlan": 4095, "mpls": 1<<20 - 1, "pppoes": 65535}[word]
	if k.arg != nil && k.arg.num > limit {
		return predicate{}, g.fail(*k.arg, "%s number %d is too large; at most %d", word, k.arg.num, limit)
	}
	if word != "mpls" && g.labels > 0 {
		return predicate{}, g.fail(k.word, "%s after mpls is not supported", word)
	}
	if word == "pppoes" {
		return g.pppoes(k.arg), nil
	}
	if g.family != familyEthernet && !(word == "mpls" && g.family == familyPPP) {
		return predicate{}, g.fail(k.word, "%s is not supported on %s", word, g.family)
	}
	if word == "mpls" {
		return g.mpls(k.arg), nil
	}
	return g.vlan(k.arg), nil
}

// bound tests the direction of the packet as seen by the capturing host.
func (g *generator) bound(k *keyword) (predicate, error) {
	const outgoing = 4 // PACKET_OUTGOING, linux/if_packet.h, also in SLL headers
	var p predicate
	switch {
	case g.live:
		p = compare(load{extension: true, ext: bpf.ExtType}, bpf.JumpEqual, outgoing)
	case g.family == familySLL:
		p = equal(g.start, 2, outgoing)
	case g.family == familySLL2:
		p = equal(g.start+10, 1, outgoing)
	default:
		return p, g.fail(k.word, "%s is not recorded in captures of %s", k.word.text, g.family)
	}
	if k.word.text == "inbound" {
		p = not(p)
	}
	return p, nil
}

// cast tests for broadcast and multicast destinations.
func (g *generator) cast(k *keyword) (predicate, error) {
	switch {
	case k.proto == "" || k.proto == "ether":
		if g.family != familyEthernet {
			return predicate{}, g.fail(k.word, "%s is not supported on %s; there are no Ethernet addresses", k.word.text, g.family)
		}
		if k.word.text == "multicast" {
			return compare(load{off: g.start, size: 1}, bpf.JumpBitsSet, 1), nil
		}
		return allOf(equal(g.start+2, 4, 0xffffffff), equal(g.start, 2, 0xffff)), nil
	case k.proto == "ip" && k.word.text == "broadcast":
		return predicate{}, g.fail(k.word, "ip broadcast is not supported: the netmask of the mirrored network is not known; use ether broadcast, or dst host with the broadcast address")
	case k.proto == "ip":
		return allOf(g.carries(etherIPv4), compare(load{off: g.net + ip4Dest, size: 1}, bpf.JumpGreaterOrEqual, 224)), nil
	case k.proto == "ip6" && k.word.text == "multicast":
		return allOf(g.carries(etherIPv6), equal(g.net+ip6Dest, 1, 0xff)), nil
	}
	return predicate{}, g.fail(k.word, "%s %s has no meaning; want ether, ip or ip6 before it", k.proto, k.word.text)
}

// overIP tests the protocol over IPv4, IPv6 or (version "") either.
func (g *generator) overIP(version string, proto uint32) predicate {
	over4 := allOf(g.carries(etherIPv4), equal(g.net+ip4Protocol, 1, proto))
	// The protocol follows the fixed header or one fragment header.
	over6 := allOf(g.carries(etherIPv6), anyOf(
		equal(g.net+ip6Next, 1, proto),
		allOf(equal(g.net+ip6Next, 1, ipFragment), equal(g.net+ip6Header, 1, proto))))
	switch version {
	case "ip":
		return over4
	case "ip6":
		return over6
	}
	return anyOf(over4, over6)
}

func (g *generator) primitive(p *primitive) (predicate, error) {
	if (p.len != nil || p.mask != nil) && p.qual.kind != "net" {
		return predicate{}, g.fail(p.val, "a mask is for networks only; write \"net\" before %s, not %q", p.val, p.qual.kind)
	}
	switch p.qual.kind {
	case "port", "portrange":
		return g.port(p)
	case "proto":
		return g.proto(p)
	}
	return g.address(p)
}

// proto tests `ether proto N`, `ip proto N`, `ip6 proto N` or `proto N`.
func (g *generator) proto(p *primitive) (predicate, error) {
	over, t := p.qual.proto, p.val
	if !slices.Contains([]string{"", "ether", "ip", "ip6"}, over) {
		return predicate{}, g.fail(t, "%s carries no protocol number; want ether, ip or ip6 before proto", over)
	}
	n, limit := t.num, uint32(0xff)
	if over == "ether" {
		limit = 0xffff
	}
	switch t.kind {
	case tokNumber:
	case tokWord, tokEscaped:
		var ok bool
		if n, ok = numberNamed(t.text, over == "ether"); !ok {
			return predicate{}, g.fail(t, "unknown protocol %s; use its number", t)
		}
	default:
		return predicate{}, g.fail(t, "%s is not a protocol; want a name such as tcp or a number", t)
	}
	if n > limit {
		return predicate{}, g.fail(t, "protocol %d is too large; at most %d", n, limit)
	}
	if over == "ether" {
		return g.carried(t, n)
	}
	return g.overIP(over, n), nil
}
