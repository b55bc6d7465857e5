package decoders

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"kagami/records"
)

const (
	dnsHeaderLen = 12
	// dnsMaxText bounds the text kept of one message's answers, in octets:
	// compression lets 64 KiB on the wire stand for several MiB of names.
	dnsMaxText = 512 << 10
)

// dnsMessage walks one message (RFC 1035 section 4). It is written so that
// whatever stands before the first defect is read and kept.
type dnsMessage struct {
	msg   []byte
	off   int
	text  int // octets of answer text kept
	class uint16
	r     *records.DNS

	owner   string // the last answer's name and the pointer it stood for
	pointer uint16
}

// readDNS fills r from a message of at least dnsHeaderLen octets. r.Protocol
// must be set: mDNS gives the top bit of classes another meaning (RFC 6762
// section 18.12) and LLMNR the flags (RFC 4795 section 2.1.1).
func readDNS(msg []byte, r *records.DNS) {
	m := dnsMessage{msg: msg, off: dnsHeaderLen, class: 0xffff, r: r}
	flags := binary.BigEndian.Uint16(msg[2:])
	r.ID = binary.BigEndian.Uint16(msg)
	r.Response = flags&dnsQR != 0
	if r.Opcode = dnsOpcode(int(flags >> 11)); r.Opcode == "" {
		r.Opcode = "OPCODE" + strconv.Itoa(int(flags>>11&15))
	}
	switch r.Protocol {
	case "mdns":
		m.class = 0x7fff
		r.Flags = dnsFlags(flags)
	case "llmnr":
		r.Flags = dnsFlags(flags & dnsTC)
	default:
		r.Flags = dnsFlags(flags)
	}
	rcode := int(flags & 15)
	r.Questions = int(binary.BigEndian.Uint16(msg[4:]))
	extended, ok := m.sections()
	r.Malformed = r.Malformed || !ok
	if r.Response {
		r.RCode = dnsRCode(extended<<4 | rcode)
	}
	r.Subdomain, r.RegisteredDomain, r.TopLevelDomain = splitDomain(r.Name)
}

// sections reads everything behind the header. extended is the upper part of
// the response code, from OPT.
func (m *dnsMessage) sections() (extended int, ok bool) {
	for i := range m.r.Questions {
		if !m.question(i == 0) {
			return 0, false
		}
	}
	for range binary.BigEndian.Uint16(m.msg[6:]) {
		rr, ok := m.record(true)
		if !ok {
			return 0, false
		}
		m.answer(&rr)
	}
	for range binary.BigEndian.Uint16(m.msg[8:]) {
		if _, ok := m.record(false); !ok {
			return 0, false
		}
		m.r.Authority++
	}
	for range binary.BigEndian.Uint16(m.msg[10:]) {
		rr, ok := m.record(false)
		if !ok {
			return extended, false
		}
		switch {
		case rr.typ == 41:
			extended = int(rr.ttl >> 24)
			m.edns(&rr)
			continue
		case rr.typ == 250, rr.typ == 24 && len(rr.data) > 1 && rr.data[0] == 0 && rr.data[1] == 0:
			m.r.Signed = true // TSIG (RFC 8945), SIG(0) (RFC 2931)
		}
		m.r.Additional++
	}
	return extended, true
}

// question reads one entry of the question section; only the first is kept.
func (m *dnsMessage) question(keep bool) bool {
	var buf [256]byte
	name, next, ok := appendName(buf[:0], m.msg, m.off)
	if keep {
		m.r.Name = string(name)
	}
	if !ok || next+4 > len(m.msg) {
		return false
	}
	if keep {
		m.r.Type = dnsTypeName(binary.BigEndian.Uint16(m.msg[next:]))
		m.r.Class = dnsClassName(binary.BigEndian.Uint16(m.msg[next+2:]) & m.class)
	}
	m.off = next + 4
	return true
}

// dnsRR is one resource record as it lies in the message.
type dnsRR struct {
	name       string
	typ, class uint16
	ttl        uint32
	data       []byte
	at         int // offset of data in the message
}

// record reads one resource record; its owner name only if named.
func (m *dnsMessage) record(named bool) (rr dnsRR, ok bool) {
	next := 0
	if named {
		rr.name, next, ok = m.ownerName()
	} else {
		next, ok = skipName(m.msg, m.off)
	}
	if !ok || next+10 > len(m.msg) {
		return rr, false
	}
	b := m.msg[next:]
	rr.typ = binary.BigEndian.Uint16(b)
	rr.class = binary.BigEndian.Uint16(b[2:])
	rr.ttl = binary.BigEndian.Uint32(b[4:])
	n := int(binary.BigEndian.Uint16(b[8:]))
	if len(b) < 10+n {
		return rr, false
	}
	rr.at, rr.data = next+10, b[10:10+n]
	m.off = rr.at + n
	return rr, true
}

// ownerName reads the name at hand. Nearly all answers name the question or the
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
	if ok && pointer != 0 {
		m.pointer, m.owner = pointer, string(text)
		return m.owner, next, true
	}
	return string(text), next, ok
}

// skipName returns the offset behind the name at off, pointers not followed.
func skipName(msg []byte, off int) (next int, ok bool) {
	for off < len(msg) {
		c := int(msg[off])
		switch {
		case c == 0:
			return off + 1, true
		case c&0xc0 == 0xc0:
			return off + 2, off+2 <= len(msg)
		case c&0xc0 != 0:
			return 0, false
		}
		off += 1 + c
	}
	return 0, false
}

// answer keeps one record of the answer section.
func (m *dnsMessage) answer(rr *dnsRR) {
	r := m.r
	if m.text > dnsMaxText {
		r.Dropped++
		return
	}
	data, ok := rdataText(m.msg, rr)
	if !ok {
		r.Malformed = true
	}
	m.text += len(rr.name) + len(data)
	if r.Answers == nil { // each record takes at least 11 octets
		n := min(int(binary.BigEndian.Uint16(m.msg[6:])), 1+(len(m.msg)-m.off)/11)
		r.Answers = make([]records.Answer, 0, n)
	}
	r.Answers = append(r.Answers, records.Answer{Name: rr.name, Type: dnsTypeName(rr.typ),
		Class: dnsClassName(rr.class & m.class), TTL: rr.ttl, Data: data})
	if rr.typ == 1 || rr.typ == 28 {
		if a, ok := netip.AddrFromSlice(rr.data); ok {
			r.Resolved = append(r.Resolved, a)
		}
	}
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
			r.Cookie = n
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
