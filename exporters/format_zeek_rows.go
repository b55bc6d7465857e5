package exporters

import (
	"strconv"
	"strings"

	"kagami/packet"
	"kagami/records"
)

func writeConn(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.Flow)
	m := r.Meta()
	z.time(r.Start)
	z.uid(m.UID)
	if m.Key.Proto == packet.ProtoICMP || m.Key.Proto == packet.ProtoICMPv6 {
		z.addr(m.Client().Addr())
		z.count(uint64(r.ICMPType))
		z.addr(m.Server().Addr())
		z.count(uint64(icmpCounterpart(m.Key.Proto, r.ICMPType, r.ICMPCode)))
	} else {
		z.endpoints(m)
	}
	z.word(zeekTransport(m.Key.Proto))
	z.service(r)
	lasted := r.End > r.Start // else Zeek knows neither duration nor sizes
	if lasted {
		z.interval(r.End - r.Start)
	} else {
		z.unset(1)
	}
	z.countIf(r.Orig.Payload, lasted)
	z.countIf(r.Resp.Payload, lasted)
	z.str(r.ConnState)
	z.bool(m.ClientInternal)
	z.bool(m.ServerInternal)
	z.count(r.Orig.Missed + r.Resp.Missed)
	z.str(r.History)
	z.count(r.Orig.Packets)
	z.count(r.Orig.IPBytes)
	z.count(r.Resp.Packets)
	z.count(r.Resp.IPBytes)
	z.unset(1) // tunnel_parents: a flow does not know the flow of its tunnel
	z.count(uint64(m.Key.Proto))
}

// icmpCounterpart is what Zeek writes as the port of an ICMP flow's responder: the
// type that answers the originator's, else the code.
func icmpCounterpart(proto, typ, code uint8) uint8 {
	pairs := [...][2]uint8{{8, 0}, {13, 14}, {15, 16}, {17, 18}, {10, 9}}
	if proto == packet.ProtoICMPv6 {
		pairs = [...][2]uint8{{128, 129}, {133, 134}, {135, 136}, {130, 131}, {139, 140}}
	}
	for _, p := range pairs {
		switch typ {
		case p[0]:
			return p[1]
		case p[1]:
			return p[0]
		}
	}
	return code
}

// service writes Zeek's names of the protocols found in a flow.
func (z *zeekRow) service(r *records.Flow) {
	inner := zeekService(r.Tunnel)
	outer := zeekService(r.Service)
	if outer == "" {
		outer, inner = inner, ""
	}
	if !z.next(outer != "") {
		return
	}
	z.quote()
	z.part(outer, false)
	if inner != "" && inner != outer {
		z.b = append(z.b, ',')
		z.part(inner, false)
	}
	z.quote()
}

// zeekService is Zeek's name of an application protocol.
func zeekService(name string) string {
	switch name {
	case "tls", "dtls":
		return "ssl"
	case "quic":
		return "quic,ssl"
	case "mdns", "llmnr", "nbns":
		return "dns"
	}
	return name
}

func writeDNS(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.DNS)
	m := r.Meta()
	asked, at := r.Questions > 0 && r.Type != "", r.Time
	if r.Response && r.RTT > 0 {
		at -= r.RTT // Zeek's time is the query's
	}
	z.id(m, at)
	z.word(zeekTransport(m.Key.Proto))
	z.count(uint64(r.ID))
	if r.Response {
		z.interval(r.RTT)
	} else {
		z.unset(1)
	}
	z.qname(r.Name)
	z.countIf(uint64(r.ClassNo), asked)
	z.numbered(zeekClass(r.ClassNo), "qclass-", uint64(r.ClassNo), asked)
	z.countIf(uint64(r.TypeNo), asked)
	z.qtype(r, asked)
	z.countIf(uint64(r.RCodeNo), r.Response)
	z.rcode(r)
	z.bool(r.Header&dnsAA != 0)
	z.bool(r.Header&dnsTC != 0)
	z.bool(r.Header&dnsRD != 0)
	z.bool(r.Header&dnsRA != 0)
	asker := r
	if z.query != nil {
		asker = z.query
	}
	z.count(uint64(asker.Z())) // Zeek's is the query's
	z.answers(r.Answers)
	z.ttls(r.Answers)
	z.bool(r.Response && len(r.Answers) == 0 && r.Authority == 0 && r.Additional == 0 && !r.EDNS && r.RCodeNo != 0)
	z.count(uint64(r.OpcodeNo()))
	z.numbered(zeekOpcode(r.OpcodeNo()), "opcode-", uint64(r.OpcodeNo()), true)
}

// qname writes a name in lower case, as Zeek does; the root is absent.
func (z *zeekRow) qname(name string) {
	if !z.next(name != "" && name != ".") {
		return
	}
	start := len(z.b)
	z.text(name, false)
	lower(z.b[start:])
}

// lower puts ASCII letters into lower case.
func lower(b []byte) {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

// numbered writes a name, or prefix and number if there is none.
func (z *zeekRow) numbered(name, prefix string, n uint64, known bool) {
	if !z.next(known) {
		return
	}
	z.quote()
	if name != "" {
		z.b = append(z.b, name...)
	} else {
		z.b = strconv.AppendUint(append(z.b, prefix...), n, 10)
	}
	z.quote()
}

// qtype writes Zeek's name of a query type: IANA's, but for some.
func (z *zeekRow) qtype(r *records.DNS, asked bool) {
	name := r.Type
	switch {
	case r.TypeNo == 255:
		name = "*"
	case strings.HasPrefix(name, "TYPE"):
		name = ""
	}
	if name == "" {
		z.numbered("", "query-", uint64(r.TypeNo), asked)
		return
	}
	if z.next(asked) {
		z.text(name, false)
	}
}

func (z *zeekRow) rcode(r *records.DNS) {
	known := r.Response && r.RCode != ""
	if strings.HasPrefix(r.RCode, "RCODE") {
		z.numbered("", "rcode-", uint64(r.RCodeNo), known)
		return
	}
	if z.next(known) {
		z.text(r.RCode, false)
	}
}

func zeekClass(n uint16) string {
	switch n {
	case 1:
		return "C_INTERNET"
	case 2:
		return "C_CSNET"
	case 3:
		return "C_CHAOS"
	case 4:
		return "C_HESIOD"
	case 254:
		return "C_NONE"
	case 255:
		return "C_ANY"
	}
	return ""
}

func zeekOpcode(n int) string {
	switch n {
	case 0:
		return "query"
	case 1:
		return "iquery"
	case 2:
		return "server-status"
	case 4:
		return "notify"
	case 5:
		return "dynamic-update"
	case 6:
		return "stateful-operations"
	}
	return ""
}

// answers writes the data of the answers as Zeek does: of MX, SRV and SOA only the
// name, of TXT the length as well.
func (z *zeekRow) answers(section []records.Answer) {
	if !z.set(len(section), len(section) > 0) {
		return
	}
	for i := range section {
		z.element(i)
		a := &section[i]
		switch a.Type {
		case "TXT", "SPF":
			z.quote()
			between := ""
			for s := range a.Strings() {
				z.b = append(append(append(z.b, between...), a.Type...), ' ')
				between = " "
				z.b = strconv.AppendInt(z.b, int64(len(s)), 10)
				z.b = append(z.b, ' ')
				z.part(s, true)
			}
			z.quote()
		case "MX", "SRV":
			z.text(a.Data[strings.LastIndexByte(a.Data, ' ')+1:], true)
		case "SOA":
			name, _, _ := strings.Cut(a.Data, " ")
			z.text(name, true)
		default:
			z.text(a.Data, true)
		}
	}
	z.endSet()
}

func (z *zeekRow) ttls(section []records.Answer) {
	if !z.set(len(section), len(section) > 0) {
		return
	}
	for i := range section {
		z.element(i)
		z.b = strconv.AppendUint(z.b, uint64(section[i].TTL), 10)
		z.b = append(z.b, ".000000"...)
	}
	z.endSet()
}
