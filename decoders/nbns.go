package decoders

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// nbnsUDP is the NetBIOS name service (RFC 1001, RFC 1002 section 4.2): DNS's
// messages with names of 16 octets, written as 32 letters, and with opcodes and
// types of its own. Its records are records.DNS.
func nbnsUDP() sensor.Protocol {
	return sensor.Protocol{
		Name:      "nbns",
		Transport: packet.ProtoUDP,
		Match:     matchNBNS,
		New:       func() sensor.Decoder { return new(nbnsDecoder) },
	}
}

const (
	nbnsPort      = 137
	nbnsBroadcast = 0x10 // B in the header's flags (RFC 1002 section 4.2.1.1)
	nbnsGroup     = 1 << 15

	nbnsTypeNB     = 0x20
	nbnsTypeStatus = 0x21

	netbiosLetters = 32
	// nbnsMaxAddresses and nbnsMaxNames bound what is kept of one message's
	// addresses and names; what is beyond counts in records.DNS.Dropped. A group
	// has as many addresses as it has members, a node at most 255 names.
	nbnsMaxAddresses = 64
	nbnsMaxNames     = 255
)

// matchNBNS wants a header that fits and, behind it, a name of 32 letters from A
// to P about which NB or NBSTAT is asked or told: that is in no other protocol,
// so the port need not be asked.
func matchNBNS(_ *sensor.Flow, _ packet.Side, first []byte) sensor.Match {
	if !plausibleNBNS(first) {
		return sensor.No
	}
	if first[2]&(dnsQR>>8) != 0 && binary.BigEndian.Uint16(first[2:])&nbnsBroadcast == 0 {
		return sensor.FromServer
	}
	return sensor.FromClient
}

func plausibleNBNS(msg []byte) bool {
	const name = dnsHeaderLen + 1
	if len(msg) < name+netbiosLetters+1 || msg[dnsHeaderLen] != netbiosLetters {
		return false
	}
	if binary.BigEndian.Uint16(msg[4:]) > 1 || nbnsOpcode(int(msg[2]>>3)) == "" {
		return false
	}
	for _, c := range msg[name : name+netbiosLetters] {
		if c < 'A' || c > 'P' {
			return false
		}
	}
	var buf [256]byte
	_, next, ok := appendName(buf[:0], msg, dnsHeaderLen)
	if !ok || next+4 > len(msg) {
		return false
	}
	typ, class := binary.BigEndian.Uint16(msg[next:]), binary.BigEndian.Uint16(msg[next+2:])
	return class == 1 && (nbnsType(typ) != "" || typ == 1 || typ == 2 || typ == 10) // A, NS, NULL: RFC 1002 section 4.2.1.3
}

// nbnsDecoder reads one flow's messages; queries and responses pair as in DNS.
type nbnsDecoder struct{ dnsDecoder }

// Data implements sensor.Decoder: one datagram.
func (d *nbnsDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	if plausibleNBNS(data) {
		d.message(f, "nbns", side, data, f.Now, f.Cut > 0, emit)
	}
	return sensor.More
}

// nbnsOpcode is the operation (RFC 1002 section 4.2.1.1; 15 as Windows uses it),
// "" if there is none of that number.
func nbnsOpcode(op int) string {
	return [16]string{0: "QUERY", 5: "REGISTRATION", 6: "RELEASE", 7: "WACK", 8: "REFRESH", 9: "REFRESH", 15: "MULTIHOMED REGISTRATION"}[op&15]
}

// nbnsRCode is the response code: DNS's words where the meaning is DNS's, else
// those of RFC 1002 section 4.2.6.
func nbnsRCode(rc int) string {
	switch rc {
	case 6:
		return "ACT_ERR"
	case 7:
		return "CFT_ERR"
	}
	return dnsRCode(rc)
}

func nbnsType(t uint16) string {
	switch t {
	case nbnsTypeNB:
		return "NB"
	case nbnsTypeStatus:
		return "NBSTAT"
	}
	return ""
}

// netbiosName decodes a name of the first level (RFC 1001 section 14.1) given
// in presentation format: two letters stand for an octet, fifteen octets are the
// name, padded with blanks, the last one says what bears it; the labels behind
// are the scope. Another name is returned as it is.
func netbiosName(text []byte) (name string, suffix uint8, scope string) {
	if len(text) < netbiosLetters || len(text) > netbiosLetters && text[netbiosLetters] != '.' {
		return string(text), 0, ""
	}
	var octets [netbiosLetters / 2]byte
	for i := range octets {
		a, b := text[2*i]-'A', text[2*i+1]-'A'
		if a > 15 || b > 15 {
			return string(text), 0, ""
		}
		octets[i] = a<<4 | b
	}
	if len(text) > netbiosLetters {
		scope = string(text[netbiosLetters+1:])
	}
	return netbiosText(octets[:15]), octets[15], scope
}

// netbiosText is a name without its padding. Which code page it is written in
// nothing tells: octets outside ASCII are shown as \DDD.
func netbiosText(octets []byte) string {
	n := len(octets)
	for n > 0 && (octets[n-1] == ' ' || octets[n-1] == 0) {
		n--
	}
	var buf [60]byte
	return string(appendText(buf[:0], octets[:n]))
}

// netbiosData reads the data of NB and NBSTAT records; known is false for others.
func (m *dnsMessage) netbiosData(rr *dnsRR) (text string, ok, known bool) {
	switch rr.typ {
	case nbnsTypeNB:
		text, ok = m.netbiosAddresses(rr.data)
	case nbnsTypeStatus:
		text, ok = m.netbiosStatus(rr.data)
	default:
		return "", true, false
	}
	if !ok {
		text = unknownText(rr)
	}
	return text, ok, true
}

// netbiosAddresses: flags and address, repeated (RFC 1002 section 4.2.1.3). WACK
// has the flags of what it acknowledges alone.
func (m *dnsMessage) netbiosAddresses(b []byte) (string, bool) {
	n := m.r.NetBIOS
	var text strings.Builder
	for ; len(b) >= 6; b = b[6:] {
		if len(n.Addresses) == nbnsMaxAddresses {
			m.r.Dropped++
			continue
		}
		a := netip.AddrFrom4([4]byte(b[2:]))
		n.Group = n.Group || binary.BigEndian.Uint16(b)&nbnsGroup != 0
		n.Addresses = append(n.Addresses, a)
		if m.r.Response && m.r.Opcode == "QUERY" {
			m.r.Resolved = append(m.r.Resolved, a)
		}
		if text.Len() > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(a.String())
	}
	return text.String(), len(b) == 0 || len(b) == 2 && m.r.Opcode == "WACK"
}

// netbiosStatus: a node's names, each with its flags, then statistics that begin
// with the unit id (RFC 1002 section 4.2.18).
func (m *dnsMessage) netbiosStatus(b []byte) (string, bool) {
	if len(b) == 0 {
		return "", true
	}
	const entry = 18
	n, count := m.r.NetBIOS, int(b[0])
	b = b[1:]
	var text strings.Builder
	for ; count > 0 && len(b) >= entry; count, b = count-1, b[entry:] {
		if len(n.Names) == nbnsMaxNames {
			m.r.Dropped++
			continue
		}
		name := records.NetBIOSName{Name: netbiosText(b[:15]), Suffix: b[15], Group: b[16]&(nbnsGroup>>8) != 0}
		n.Names = append(n.Names, name)
		if text.Len() > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(name.String())
	}
	if len(b) >= 6 {
		n.MAC = [6]byte(b)
	}
	return text.String(), count == 0
}
