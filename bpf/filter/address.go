package filter

import "encoding/binary"

// address tests a host or net primitive.
func (g *generator) address(p *primitive) (predicate, error) {
	t, proto := p.val, p.qual.proto
	if _, ok := protocolNamed(proto); ok && proto != "ether" && proto != "ip" && proto != "ip6" && proto != "arp" && proto != "rarp" {
		return predicate{}, g.fail(t, "%s has no addresses; write \"%s and %s %s\"", proto, proto, p.qual.kind, t.text)
	}
	if proto == "arp" || proto == "rarp" {
		if g.labels > 0 {
			return predicate{}, g.fail(t, "%s after mpls is not supported", proto)
		}
	}
	switch t.kind {
	case tokMAC:
		return g.mac(p)
	case tokIPv6:
		return g.address6(p)
	case tokIPv4, tokNumber:
		return g.address4(p)
	}
	return predicate{}, g.fail(t, "unknown %s name %s; a sensor does not resolve names: use an address%s", p.qual.kind, t, suggest(t.text, false))
}

// mac tests the addresses of the Ethernet header.
func (g *generator) mac(p *primitive) (predicate, error) {
	switch {
	case p.qual.proto != "ether" || p.qual.kind != "host":
		return predicate{}, g.fail(p.val, "%s is an Ethernet address; write \"ether host %s\"", p.val, p.val.text)
	case g.family != familyEthernet:
		return predicate{}, g.fail(p.val, "ether host is not supported on %s; there are no Ethernet addresses", g.family)
	}
	high := uint32(binary.BigEndian.Uint16(p.val.mac[:2]))
	low := binary.BigEndian.Uint32(p.val.mac[2:])
	at := func(off uint32) predicate {
		return allOf(equal(off+2, 4, low), equal(off, 2, high))
	}
	return p.qual.dir.either(at(g.start+6), at(g.start)), nil
}

// address4 tests IPv4 addresses: in IPv4, ARP and RARP unless one was named.
func (g *generator) address4(p *primitive) (predicate, error) {
	if p.qual.proto == "ether" || p.qual.proto == "ip6" {
		return predicate{}, g.fail(p.val, "%s is an IPv4 address; %s has none", p.val, p.qual.proto)
	}
	addr, mask, err := g.network4(p)
	if err != nil {
		return predicate{}, err
	}
	over := func(etherType, src, dst uint32) predicate {
		test := func(off uint32) predicate {
			return allOf(g.carries(etherType), equalMasked(g.net+off, 4, mask, addr))
		}
		return p.qual.dir.either(test(src), test(dst))
	}
	switch p.qual.proto {
	case "ip":
		return over(etherIPv4, ip4Source, ip4Dest), nil
	case "arp":
		return over(etherARP, arpSource, arpDest), nil
	case "rarp":
		return over(etherRARP, arpSource, arpDest), nil
	}
	if g.labels > 0 {
		return over(etherIPv4, ip4Source, ip4Dest), nil
	}
	return anyOf(over(etherIPv4, ip4Source, ip4Dest), over(etherARP, arpSource, arpDest), over(etherRARP, arpSource, arpDest)), nil
}

// network4 reads 10.1.2.3, 10.1 (the network 10.1.0.0/16), 10.1/16, and
// 10.1 mask 255.255.0.0. A single number is a network after net (10 is
// 10.0.0.0/8) and a whole address after host.
func (g *generator) network4(p *primitive) (addr, mask uint32, err error) {
	t := p.val
	bits := t.bits
	if t.kind == tokNumber {
		bits = 32
		for v := t.num; p.qual.kind == "net" && bits > 8 && v>>24 == 0; v <<= 8 {
			bits -= 8
		}
	}
	addr = t.num << (32 - bits)
	mask = ^uint32(0) << (32 - bits)
	switch {
	case p.len != nil:
		if p.len.num > 32 {
			return 0, 0, g.fail(*p.len, "prefix length %d is too large; at most 32", p.len.num)
		}
		mask = ^uint32(0) << (32 - p.len.num)
	case p.mask != nil:
		mask = p.mask.num << (32 - p.mask.bits)
	}
	if addr&^mask != 0 {
		return 0, 0, g.fail(t, "%s has bits outside its mask; write the first address of the network, or use host", t)
	}
	return addr, mask, nil
}

// address6 tests IPv6 addresses, 32 bits at a time.
func (g *generator) address6(p *primitive) (predicate, error) {
	if p.qual.proto != "" && p.qual.proto != "ip6" {
		return predicate{}, g.fail(p.val, "%s is an IPv6 address; %s has none", p.val, p.qual.proto)
	}
	prefix := uint32(128)
	switch {
	case p.len != nil && p.len.num > 128:
		return predicate{}, g.fail(*p.len, "prefix length %d is too large; at most 128", p.len.num)
	case p.len != nil:
		prefix = p.len.num
	case p.mask != nil:
		return predicate{}, g.fail(*p.mask, "IPv6 networks have no dotted mask; write a prefix length, as in %s/64", p.val.text)
	}
	addr := p.val.addr.As16()
	var words, masks [4]uint32
	for i := range words {
		bits := min(max(int(prefix)-32*i, 0), 32)
		words[i] = binary.BigEndian.Uint32(addr[4*i:])
		masks[i] = ^uint32(0) << (32 - bits)
		if words[i]&^masks[i] != 0 {
			return predicate{}, g.fail(p.val, "%s has bits outside its prefix; write the first address of the network, or use host", p.val)
		}
	}
	test := func(off uint32) predicate {
		kids := []predicate{g.carries(etherIPv6)}
		for i := range words {
			kids = append(kids, equalMasked(g.net+off+uint32(4*i), 4, masks[i], words[i]))
		}
		return allOf(kids...)
	}
	return p.qual.dir.either(test(ip6Source), test(ip6Dest)), nil
}
