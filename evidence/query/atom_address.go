package query

import (
	"encoding/binary"
	"net/netip"

	"kagami/packet"
)

// role is the side of a flow that an atom is about.
type role uint8

const (
	either role = iota
	client
	server
)

func (r role) keyword() string { return [...]string{"host", "client", "server"}[r] }

func (r role) explain() string {
	return [...]string{
		"one of the two hosts",
		"the client (either host, where the client is not known)",
		"the server (either host, where the client is not known)",
	}[r]
}

// sides tells which sides of the flow the role may be.
func (r role) sides(f *Flow) (a, b bool) {
	switch {
	case f.NoIP:
		return false, false
	case r == either || !f.ClientKnown:
		return true, true
	}
	isA := (f.Client == packet.FromA) == (r == client)
	return isA, !isA
}

// address is host, client or server with an address.
type address struct {
	role role
	addr [16]byte
}

func (e *address) match(f *Flow) bool {
	a, b := e.role.sides(f)
	return a && f.Key.A == e.addr || b && f.Key.B == e.addr
}

func (e *address) append(b []byte) []byte {
	b = append(append(b, e.role.keyword()...), ' ')
	return netip.AddrFrom16(e.addr).Unmap().AppendTo(b)
}

func (e *address) explain() string {
	return e.role.explain() + " is " + netip.AddrFrom16(e.addr).Unmap().String()
}

// network is net, client or server with a network. Its two halves and masks are
// of the 16-octet form, in which IPv4 addresses are mapped.
type network struct {
	role           role
	prefix         netip.Prefix // masked
	hi, lo         uint64
	maskHi, maskLo uint64
}

func newNetwork(r role, prefix netip.Prefix) *network {
	bits := prefix.Bits()
	if prefix.Addr().Is4() {
		bits += 96
	}
	a := prefix.Addr().As16()
	return &network{
		role: r, prefix: prefix,
		hi: binary.BigEndian.Uint64(a[:8]), lo: binary.BigEndian.Uint64(a[8:]),
		maskHi: ^uint64(0) << (64 - min(bits, 64)),
		maskLo: ^uint64(0) << (64 - max(bits-64, 0)),
	}
}

func (e *network) holds(a *[16]byte) bool {
	hi, lo := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	return hi&e.maskHi == e.hi && lo&e.maskLo == e.lo && packet.IsV4(a) == e.prefix.Addr().Is4()
}

func (e *network) match(f *Flow) bool {
	a, b := e.role.sides(f)
	return a && e.holds(&f.Key.A) || b && e.holds(&f.Key.B)
}

func (e *network) append(b []byte) []byte {
	keyword := "net"
	if e.role != either {
		keyword = e.role.keyword()
	}
	return e.prefix.AppendTo(append(append(b, keyword...), ' '))
}

func (e *network) explain() string { return e.role.explain() + " is in " + e.prefix.String() }

// name is host, client or server with a name.
type name struct {
	role role
	set  *set
}

func (e *name) match(f *Flow) bool {
	s := e.set
	if e.role != client && s.exactly(f) && (e.role == either || !asks(&f.Key)) {
		return true
	}
	a, b := e.role.sides(f)
	return a && s.between(f, &f.Key.A, &f.Key.B) || b && s.between(f, &f.Key.B, &f.Key.A)
}

// asks tells whether the names that a flow bears are those it asks for, not its
// server's: DNS, NetBIOS names, mDNS, LLMNR.
func asks(k *packet.Key) bool {
	return askPort(k.APort) || askPort(k.BPort)
}

func askPort(p uint16) bool { return p == 53 || p == 137 || p == 5353 || p == 5355 }

func (e *name) append(b []byte) []byte {
	return appendName(append(append(b, e.role.keyword()...), ' '), e.set.name)
}

func (e *name) explain() string {
	return e.role.explain() + " is named " + quoted(e.set.name) + " or below it" + e.set.found()
}

// address parses what follows host, client or server.
func (p *parser) address(keyword token, r role) (expr, error) {
	t := p.peek()
	if t.kind == tokEnd || t.kind == tokOp || isKeyword(t.word()) {
		return nil, p.fail(t, "%s wants an address, a network or a name, found %s%s", keyword.word(), t, quotesHint(t))
	}
	return p.host(p.take(), r)
}

// quotesHint says how a keyword is made a name.
func quotesHint(t token) string {
	if isKeyword(t.word()) {
		return "; a host of that name is written in double quotes"
	}
	return ""
}

// host makes the atom for the address, network or name that t is.
func (p *parser) host(t token, r role) (expr, error) {
	text, err := normalName(t)
	if err != nil {
		return nil, p.fail(t, "%s %v", t, err)
	}
	if e := literal(text, r); e != nil {
		return e, nil
	}
	if err := checkName(t, text); err != nil {
		return nil, p.fail(t, "%s %v", t, err)
	}
	return &name{role: r, set: p.set(Name, text)}, nil
}

// literal is the atom for an address or network, nil if text is neither.
func literal(text string, r role) expr {
	if a, ok := parseAddr(text); ok {
		return &address{role: r, addr: a.As16()}
	}
	if n, ok := parsePrefix(text); ok {
		return newNetwork(r, n)
	}
	return nil
}

// network parses what follows net.
func (p *parser) network(keyword token) (expr, error) {
	t := p.take()
	if n, ok := parsePrefix(t.text); ok && t.kind != tokOp {
		return newNetwork(either, n), nil
	}
	if a, ok := parseAddr(t.text); ok {
		return nil, p.fail(t, "%s is an address; write host %s, or net %s/%d", t, a, a, a.BitLen())
	}
	return nil, p.fail(t, "%s wants a network such as 10.0.0.0/8 or 2001:db8::/32, found %s", keyword.word(), t)
}

// set is the one of kind and text, the same for all atoms that mention it.
func (p *parser) set(k Kind, text string) *set {
	for _, s := range p.sets {
		if s.kind == k && s.name == text {
			return s
		}
	}
	s := &set{kind: k, name: text}
	p.sets = append(p.sets, s)
	return s
}
