package query

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"kagami/packet"
)

// numbers is a range of ports or VLANs, both ends included. Lists of them are
// in order and do not touch.
type numbers struct{ from, to uint16 }

func holds(list []numbers, n uint16) bool {
	for _, r := range list {
		if n <= r.to {
			return n >= r.from
		}
	}
	return false
}

func appendNumbers(b []byte, list []numbers) []byte {
	for i, r := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.from), 10)
		if r.to > r.from {
			b = strconv.AppendUint(append(b, '-'), uint64(r.to), 10)
		}
	}
	return b
}

// explainNumbers is "80, 443 or 8000 to 8099".
func explainNumbers(list []numbers) string {
	parts := make([]string, len(list))
	for i, r := range list {
		parts[i] = strings.ReplaceAll(string(appendNumbers(nil, list[i:i+1])), "-", " to ")
		if r.to == r.from+1 {
			parts[i] = strings.ReplaceAll(parts[i], " to ", " or ")
		}
	}
	return alternatives(parts)
}

func alternatives(parts []string) string {
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " or " + parts[n-1]
	}
	return parts[0]
}

type ports []numbers

func (e ports) match(f *Flow) bool {
	switch f.Key.Proto {
	case packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP:
		return !f.ARP && !f.NoIP && (holds(e, f.Key.APort) || holds(e, f.Key.BPort))
	}
	return false
}

func (e ports) append(b []byte) []byte { return appendNumbers(append(b, "port "...), e) }

func (e ports) explain() string { return "one of the two ports is " + explainNumbers(e) }

type vlans []numbers

func (e vlans) match(f *Flow) bool { return holds(e, f.VLAN[0]) || holds(e, f.VLAN[1]) }

func (e vlans) append(b []byte) []byte { return appendNumbers(append(b, "vlan "...), e) }

func (e vlans) explain() string { return "the outer VLAN of a direction is " + explainNumbers(e) }

// proto is a set of protocols.
type proto struct {
	ip  [256]bool
	arp bool
}

func (e *proto) match(f *Flow) bool {
	switch {
	case f.ARP:
		return e.arp
	case f.NoIP:
		return false
	}
	return e.ip[f.Key.Proto]
}

// names are the protocols in order.
func (e *proto) names() (all []string) {
	for n, in := range e.ip {
		if !in {
			continue
		}
		if w := protocolName(uint8(n)); w != "" {
			all = append(all, w)
		} else {
			all = append(all, strconv.Itoa(n))
		}
	}
	if e.arp {
		all = append(all, "arp")
	}
	return all
}

func (e *proto) append(b []byte) []byte {
	return append(append(b, "proto "...), strings.Join(e.names(), ",")...)
}

func (e *proto) explain() string { return "the protocol is " + alternatives(e.names()) }

// bytes is a comparison with the octets of a flow.
type bytes struct {
	op string
	n  uint64
}

func (e bytes) match(f *Flow) bool {
	switch e.op {
	case ">":
		return f.Bytes > e.n
	case ">=":
		return f.Bytes >= e.n
	case "<":
		return f.Bytes < e.n
	}
	return f.Bytes <= e.n
}

func (e bytes) append(b []byte) []byte {
	b = append(append(append(b, "bytes "...), e.op...), ' ')
	n, unit := e.n, ""
	for _, u := range []string{"k", "m", "g"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return append(strconv.AppendUint(b, n, 10), unit...)
}

func (e bytes) explain() string {
	words := map[string]string{">": "more than", ">=": "at least", "<": "less than", "<=": "at most"}
	return "both directions together have " + words[e.op] + " " + strconv.FormatUint(e.n, 10) + " octets on the wire"
}

type (
	cut struct{}
	gap struct{}
)

func (cut) match(f *Flow) bool     { return f.Cut }
func (cut) append(b []byte) []byte { return append(b, "cut"...) }
func (cut) explain() string        { return "octets were left out when it was stored" }
func (gap) match(f *Flow) bool     { return f.Hole }
func (gap) append(b []byte) []byte { return append(b, "gap"...) }
func (gap) explain() string        { return "octets of it were never seen" }

// list parses numbers and ranges with commas between them.
func (p *parser) list(keyword token, least, most uint16, example string) ([]numbers, error) {
	var list []numbers
	for {
		t := p.take()
		low, high, isRange := strings.Cut(t.text, "-")
		from, okFrom := number(low, least, most)
		to, okTo := from, okFrom
		if isRange {
			to, okTo = number(high, least, most)
		}
		switch {
		case t.kind != tokWord || !okFrom || !okTo:
			return nil, p.fail(t, "%s wants numbers from %d to %d or ranges such as %s, found %s", keyword.word(), least, most, example, t)
		case to < from:
			return nil, p.fail(t, "range %s ends before it begins", t)
		}
		list = append(list, numbers{from, to})
		if !p.accept(",") {
			return merged(list), nil
		}
	}
}

func number(s string, least, most uint16) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && s[0] != '+' && n >= uint64(least) && n <= uint64(most)
}

// merged puts the list in order; ranges that touch become one.
func merged(list []numbers) []numbers {
	slices.SortFunc(list, func(a, b numbers) int { return int(a.from) - int(b.from) })
	out := list[:1]
	for _, r := range list[1:] {
		if end := &out[len(out)-1].to; int(r.from) <= int(*end)+1 {
			*end = max(*end, r.to)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// proto parses what follows proto.
func (p *parser) proto(token) (expr, error) {
	var e proto
	for {
		t := p.take()
		n, ok := protocolNamed(t.word())
		if !ok {
			number, err := strconv.ParseUint(t.text, 10, 8)
			n, ok = uint8(number), err == nil
		}
		switch {
		case t.word() == "arp":
			e.arp = true
		case t.kind != tokWord || !ok:
			return nil, p.fail(t, "proto wants tcp, udp, icmp, icmp6, sctp, arp or a number from 0 to 255, found %s%s", t, protoHint(t.word()))
		default:
			e.ip[n] = true
		}
		if !p.accept(",") {
			return &e, nil
		}
	}
}

func protoHint(w string) string {
	switch w {
	case "dns", "domain":
		return "; for DNS write port 53"
	case "http":
		return "; for HTTP write port 80,8080"
	case "https", "tls", "quic":
		return "; for " + strings.ToUpper(w) + " write port 443"
	case "ip", "ip4", "ipv4":
		return "; for IPv4 write net 0.0.0.0/0"
	case "ip6", "ipv6":
		return "; for IPv6 write net ::/0"
	}
	return ""
}

// bytes parses what follows bytes.
func (p *parser) bytes(token) (expr, error) {
	op := p.take()
	if op.kind != tokOp || !strings.ContainsAny(op.text, "<>") {
		return nil, p.fail(op, "bytes wants >, >=, < or <= and a number, as in bytes > 1m, found %s", op)
	}
	t := p.take()
	text, unit := t.word(), uint64(1)
	for i, u := range []string{"k", "m", "g"} {
		if digits, ok := strings.CutSuffix(text, u); ok {
			text, unit = digits, 1<<(10*(i+1))
			break
		}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > math.MaxUint64/unit {
		return nil, p.fail(t, "bytes %s wants a number, with k, m or g behind it for powers of 1024, found %s", op.text, t)
	}
	return bytes{op.text, n * unit}, nil
}
