package filter

import (
	"slices"
	"strings"

	"golang.org/x/net/bpf"
)

// ports is a port or a range, and the transport its name is registered for.
type ports struct {
	first, last uint32
	transport   uint32 // ipTCP, ipUDP or 0 for any
}

// port tests a port or portrange primitive: TCP, UDP and SCTP over IPv4 (first
// fragments only) and over IPv6 (without extension headers).
func (g *generator) port(p *primitive) (predicate, error) {
	var transports []uint32
	switch p.qual.proto {
	case "":
		transports = []uint32{ipSCTP, ipTCP, ipUDP}
	case "tcp":
		transports = []uint32{ipTCP}
	case "udp":
		transports = []uint32{ipUDP}
	case "sctp":
		transports = []uint32{ipSCTP}
	default:
		return predicate{}, g.fail(p.val, "%s has no ports; want tcp, udp, sctp or nothing before %q", p.qual.proto, p.qual.kind)
	}
	r, err := g.portNumbers(p)
	if err != nil {
		return predicate{}, err
	}
	if r.transport != 0 {
		if !slices.Contains(transports, r.transport) {
			name := map[uint32]string{ipTCP: "TCP", ipUDP: "UDP"}[r.transport]
			return predicate{}, g.fail(p.val, "port %s is a %s service; use the number %d to test it elsewhere", p.val, name, r.first)
		}
		transports = []uint32{r.transport}
	}
	over6 := []predicate{}
	over4 := []predicate{}
	for _, proto := range transports {
		over6 = append(over6, allOf(equal(g.net+ip6Next, 1, proto),
			p.qual.dir.either(r.test(load{off: g.net + ip6Header, size: 2}), r.test(load{off: g.net + ip6Header + 2, size: 2}))))
		over4 = append(over4, allOf(equal(g.net+ip4Protocol, 1, proto), g.firstFragment(),
			p.qual.dir.either(r.test(g.transport4(0, 2)), r.test(g.transport4(2, 2)))))
	}
	return anyOf(allOf(g.carries(etherIPv6), anyOf(over6...)), allOf(g.carries(etherIPv4), anyOf(over4...))), nil
}

// firstFragment tests that an IPv4 packet is whole or the first of its
// fragments: only there are ports.
func (g *generator) firstFragment() predicate {
	return compare(load{off: g.net + ip4Fragment, size: 2}, bpf.JumpBitsNotSet, fragmentOffsetMask)
}

// transport4 loads size bytes at off of the header after the IPv4 header.
func (g *generator) transport4(off uint32, size int) load {
	return load{off: g.net + off, size: size, indirect: true, header: g.net}
}

func (r ports) test(l load) predicate {
	if r.first == r.last {
		return compare(l, bpf.JumpEqual, r.first)
	}
	return allOf(compare(l, bpf.JumpGreaterOrEqual, r.first), compare(l, bpf.JumpLessOrEqual, r.last))
}

// portNumbers reads 80, http, 6000-6008 or ftp-telnet.
func (g *generator) portNumbers(p *primitive) (ports, error) {
	t := p.val
	if t.kind != tokNumber && t.kind != tokWord && t.kind != tokEscaped {
		return ports{}, g.fail(t, "%s is not a port; want a number or a name such as https", t)
	}
	r, ok := parsePort(t.text)
	if !ok && p.qual.kind == "portrange" {
		for i := range t.text {
			if t.text[i] != '-' {
				continue
			}
			first, firstOK := parsePort(t.text[:i])
			last, lastOK := parsePort(t.text[i+1:])
			if firstOK && lastOK {
				r, ok = ports{first: min(first.first, last.first), last: max(first.last, last.last)}, true
				if first.transport == last.transport {
					r.transport = first.transport
				}
			}
		}
	}
	switch {
	case !ok && p.qual.kind == "port" && strings.Trim(t.text, "0123456789") == "-":
		return r, g.fail(t, "%s is a range; write \"portrange %s\"", t, t.text)
	case !ok && p.qual.kind == "portrange":
		return r, g.fail(t, "bad port range %s; want for example 6000-6008", t)
	case !ok:
		return r, g.fail(t, "unknown port name %s; use its number%s", t, suggest(t.text, true))
	case r.last > 65535:
		return r, g.fail(t, "port %d is too large; at most 65535", r.last)
	}
	return r, nil
}

func parsePort(s string) (ports, bool) {
	if svc, ok := serviceNamed(s); ok {
		return ports{svc.port, svc.port, svc.ipProto}, true
	}
	n, err := parseNumber(s)
	return ports{first: n, last: n}, err == nil
}
