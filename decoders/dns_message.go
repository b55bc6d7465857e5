package decoders

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"kagami/records"
)

const (
	dnsHeaderLen = 12
	// dnsMaxText bounds the text kept of one message's questions and records, in
	// octets: compression lets 64 KiB on the wire stand for several MiB of names.
	dnsMaxText = 512 << 10
)

// dnsMessage walks one message (RFC 1035 section 4). It is written so that
// whatever stands before the first defect is read and kept.
type dnsMessage struct {
	msg     []byte
	off     int
	text    int // octets of text kept
	flavour dnsFlavour
	r       *records.DNS

	owner   string // the last record's name and the pointer it stood for
	pointer uint16
}

// dnsFlavour is what the protocols that share DNS's messages do otherwise.
type dnsFlavour uint8

const (
	dnsPlain     dnsFlavour = iota
	dnsMulticast            // the top bit of a class is a flag (RFC 6762 section 18.12, 18.13); names are UTF-8
	dnsLinkLocal            // flags mean something else (RFC 4795 section 2.1.1); names are UTF-8
	dnsNetBIOS              // names, types and opcodes of its own (RFC 1002 section 4.2)
)

func dnsFlavourOf(protocol string) dnsFlavour {
	switch protocol {
	case "mdns":
		return dnsMulticast
	case "llmnr":
		return dnsLinkLocal
	case "nbns":
		return dnsNetBIOS
	}
	return dnsPlain
}

// readDNS fills r from a message of at least dnsHeaderLen octets; r.Protocol
// must be set.
func readDNS(msg []byte, r *records.DNS) {
	m := dnsMessage{msg: msg, off: dnsHeaderLen, flavour: dnsFlavourOf(r.Protocol), r: r}
	r.ID = binary.BigEndian.Uint16(msg)
	r.Header = binary.BigEndian.Uint16(msg[2:])
	r.Response = r.Header&dnsQR != 0
	m.header()
	r.Questions = binary.BigEndian.Uint16(msg[4:])
	extended, ok := m.sections()
	r.Malformed = r.Malformed || !ok
	if r.Response {
		r.RCodeNo = uint16(extended<<4) | r.Header&15
		r.RCode = m.rcode(int(r.RCodeNo))
	}
	if m.flavour != dnsNetBIOS {
		r.Subdomain, r.RegisteredDomain, r.TopLevelDomain = splitDomain(r.Name)
	}
}

// header reads opcode and flags.
func (m *dnsMessage) header() {
	r, op := m.r, int(m.r.Header>>11)
	r.Opcode = dnsOpcode(op)
	switch m.flavour {
	case dnsLinkLocal:
		r.Flags = dnsFlags(r.Header & dnsTC)
	case dnsNetBIOS:
		r.Opcode = nbnsOpcode(op)
		r.Flags = dnsFlags(r.Header &^ (dnsAD | dnsCD))
		r.NetBIOS = &records.NetBIOS{Broadcast: r.Header&nbnsBroadcast != 0}
	default:
		r.Flags = dnsFlags(r.Header)
	}
	if r.Opcode == "" {
		r.Opcode = "OPCODE" + strconv.Itoa(op&15)
	}
}

func (m *dnsMessage) rcode(rc int) string {
	if m.flavour == dnsNetBIOS {
		return nbnsRCode(rc)
	}
	return dnsRCode(rc)
}

func (m *dnsMessage) typeName(t uint16) string {
	if m.flavour == dnsNetBIOS {
		if s := nbnsType(t); s != "" {
			return s
		}
	}
	return dnsTypeName(t)
}

// class parts a class from the flag that mDNS puts on top of it.
func (m *dnsMessage) class(c uint16) (class uint16, flag bool) {
	if m.flavour == dnsMulticast {
		return c & 0x7fff, c&0x8000 != 0
	}
	return c, false
}

// str is text as the flavour shows it.
func (m *dnsMessage) str(b []byte) string {
	if m.flavour == dnsMulticast || m.flavour == dnsLinkLocal {
		return readable(b)
	}
	return string(b)
}

// sections reads everything behind the header. extended is the upper part of
// the response code, from OPT.
func (m *dnsMessage) sections() (extended int, ok bool) {
	for i := range m.r.Questions {
		if !m.question(i == 0) {
			return 0, false
		}
	}
	count := func(at int) int { return int(binary.BigEndian.Uint16(m.msg[at:])) }
	var rr dnsRR
	for range count(6) {
		if !m.record(&rr) {
			return 0, false
		}
		m.keep(&m.r.Answers, count(6), &rr)
		m.resolve(&rr)
	}
	for range count(8) {
		if !m.record(&rr) {
			return 0, false
		}
		m.r.Authority++
		m.keep(&m.r.Authorities, count(8), &rr)
	}
	for range count(10) {
		if !m.record(&rr) {
			return extended, false
		}
		switch {
		case rr.typ == 41 && m.flavour != dnsNetBIOS:
			extended = int(rr.ttl >> 24)
			m.edns(&rr)
			continue
		case rr.typ == 250, rr.typ == 24 && len(rr.data) > 1 && rr.data[0] == 0 && rr.data[1] == 0:
			m.r.Signed = true // TSIG (RFC 8945), SIG(0) (RFC 2931)
		}
		m.r.Additional++
		m.keep(&m.r.Additionals, count(10), &rr)
	}
	return extended, true
}

// question reads one entry of the question section.
func (m *dnsMessage) question(first bool) bool {
	r := m.r
	var buf [256]byte
	text, next, ok := appendName(buf[:0], m.msg, m.off)
	if first {
		r.Name = m.name(text)
	}
	if !ok || next+4 > len(m.msg) {
		return false
	}
	m.off = next + 4
	typ := binary.BigEndian.Uint16(m.msg[next:])
	class, flag := m.class(binary.BigEndian.Uint16(m.msg[next+2:]))
	switch {
	case first:
		r.TypeNo, r.Type = typ, m.typeName(typ)
		r.ClassNo, r.Class, r.Unicast = class, dnsClassName(class), flag
	case m.text > dnsMaxText:
		r.Dropped++
	default:
		m.text += len(text)
		r.Others = append(r.Others, records.Question{Name: m.str(text), Type: m.typeName(typ), Class: dnsClassName(class)})
	}
	return true
}

// name is the question's name; NetBIOS tells more by it.
func (m *dnsMessage) name(text []byte) string {
	if m.flavour != dnsNetBIOS {
		return m.str(text)
	}
	name, suffix, scope := netbiosName(text)
	m.r.NetBIOS.Suffix, m.r.NetBIOS.Scope = suffix, scope
	return name
}

// dnsRR is one resource record as it lies in the message.
type dnsRR struct {
	name       string
	typ, class uint16
	ttl        uint32
	data       []byte
	at         int // offset of data in the message
}

// record reads one resource record.
func (m *dnsMessage) record(rr *dnsRR) (ok bool) {
	next := 0
	rr.name, next, ok = m.ownerName()
	if !ok || next+10 > len(m.msg) {
		return false
	}
	b := m.msg[next:]
	rr.typ = binary.BigEndian.Uint16(b)
	rr.class = binary.BigEndian.Uint16(b[2:])
	rr.ttl = binary.BigEndian.Uint32(b[4:])
	n := int(binary.BigEndian.Uint16(b[8:]))
	if len(b) < 10+n {
		return false
	}
	rr.at, rr.data = next+10, b[10:10+n]
	m.off = rr.at + n
	if r := m.r; m.flavour == dnsNetBIOS && r.Type == "" { // no question: the record tells
		r.TypeNo, r.Type = rr.typ, m.typeName(rr.typ)
		r.ClassNo, r.Class = rr.class, dnsClassName(rr.class)
	}
	return true
}

// ownerName reads the name at hand. Nearly all records name the question or the
// record before them with a pointer: those share one string.
func (m *dnsMessage) ownerName() (name string, next int, ok bool) {
	pointer := uint16(0)
	if m.off+2 <= len(m.msg) && m.msg[m.off]&0xc0 == 0xc0 {
		pointer = binary.BigEndian.Uint16(m.msg[m.off:])
		switch {
		case pointer == m.pointer:
			return m.owner, m.off + 2, true
		case pointer == 0xc000|dnsHeaderLen && m.r.Questions > 0:
			return m.r.Name, m.off + 2, true
		}
	}
	var buf [256]byte
	text, next, ok := appendName(buf[:0], m.msg, m.off)
	switch {
	case m.flavour == dnsNetBIOS && m.off == dnsHeaderLen: // no question: the record's name takes its place
		m.r.Name = m.name(text)
		name = m.r.Name
	case m.flavour == dnsNetBIOS:
		name, _, _ = netbiosName(text)
	default:
		name = m.str(text)
	}
	if ok && pointer != 0 {
		m.pointer, m.owner = pointer, name
	}
	return name, next, ok
}

// keep appends a record to its section, which holds n as the header says.
func (m *dnsMessage) keep(section *[]records.Answer, n int, rr *dnsRR) {
	r := m.r
	if m.text > dnsMaxText {
		r.Dropped++
		return
	}
	data, ok := m.rdata(rr)
	if !ok {
		r.Malformed = true
	}
	data, texts := splitTexts(data)
	m.text += len(rr.name) + len(data) + len(texts)
	if *section == nil { // each record takes at least 11 octets
		*section = make([]records.Answer, 0, min(n, 1+(len(m.msg)-m.off)/11))
	}
	class, flush := m.class(rr.class)
	*section = append(*section, records.Answer{Name: rr.name, Type: m.typeName(rr.typ), Class: dnsClassName(class),
		TTL: rr.ttl, CacheFlush: flush, Data: data, Texts: texts})
}

// splitTexts puts blanks between the strings of a TXT record; if they are several
// they are kept apart too.
func splitTexts(s string) (data, texts string) {
	if strings.IndexByte(s, 0) < 0 {
		return s, ""
	}
	return strings.ReplaceAll(s, "\x00", " "), s
}

// rdata is a record's data as text.
func (m *dnsMessage) rdata(rr *dnsRR) (text string, ok bool) {
	if m.flavour == dnsNetBIOS {
		if text, ok, known := m.netbiosData(rr); known {
			return text, ok
		}
	}
	text, ok = rdataText(m.msg, rr)
	if m.flavour == dnsMulticast || m.flavour == dnsLinkLocal {
		text = readable([]byte(text))
	}
	return text, ok
}

// resolve notes the address that an answer gives.
func (m *dnsMessage) resolve(rr *dnsRR) {
	if rr.typ != 1 && rr.typ != 28 || m.text > dnsMaxText {
		return
	}
	a, ok := netip.AddrFromSlice(rr.data)
	if !ok {
		return
	}
	r := m.r
	if r.Resolved == nil { // most answers behind the first address are addresses
		r.Resolved = make([]netip.Addr, 0, cap(r.Answers)-len(r.Answers)+1)
	}
	r.Resolved = append(r.Resolved, a)
}

// edns reads OPT (RFC 6891 section 6.1.3): the sender's UDP size stands in the
// class, version and flags in the TTL.
func (m *dnsMessage) edns(rr *dnsRR) {
	r := m.r
	r.EDNS = true
	r.UDPSize = rr.class
	r.EDNSVersion = uint8(rr.ttl >> 16)
	r.DO = rr.ttl&(1<<15) != 0
	b := rr.data
	for len(b) >= 4 {
		code, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			break
		}
		switch option := b[4 : 4+n]; code {
		case 8:
			r.ECS = clientSubnet(option)
		case 10:
			r.Cookie = uint16(n)
		}
		b = b[4+n:]
	}
	if len(b) > 0 {
		r.Malformed = true
	}
}

// clientSubnet is the option of RFC 7871 section 6 as BIND prints it; "" when
// the family is neither IPv4 nor IPv6 or the lengths do not fit.
func clientSubnet(b []byte) string {
	if len(b) < 4 {
		return ""
	}
	family, source, scope := binary.BigEndian.Uint16(b), int(b[2]), int(b[3])
	var full [16]byte
	size := map[uint16]int{1: 4, 2: 16}[family]
	if b = b[4:]; len(b) > size || source > 8*size {
		return ""
	}
	copy(full[:], b)
	addr, ok := netip.AddrFromSlice(full[:size])
	if !ok {
		return ""
	}
	return addr.String() + "/" + strconv.Itoa(source) + "/" + strconv.Itoa(scope)
}
