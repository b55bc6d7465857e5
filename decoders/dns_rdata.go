package decoders

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// rdataText is a record's data in presentation form. The common types are read
// here, so that names look everywhere as BIND prints them; the many rare ones
// are miekg/dns's, and this is the only file that imports it. Data that
// cannot be read is shown as RFC 3597 wants unknown types, and ok is false.
func rdataText(msg []byte, rr *dnsRR) (text string, ok bool) {
	if len(rr.data) == 0 { // prerequisites and deletions of UPDATE (RFC 2136)
		return "", true
	}
	var buf [512]byte
	b, known := buf[:0], true
	switch rr.typ {
	case 1, 28:
		a, okAddr := netip.AddrFromSlice(rr.data)
		if ok = okAddr && (len(rr.data) == 4) == (rr.typ == 1); ok {
			b = a.AppendTo(b)
		}
	case 2, 5, 12, 39: // NS, CNAME, PTR, DNAME
		b, ok = appendNames(b, msg, rr, rr.at, 1)
	case 6:
		b, ok = appendSOA(b, msg, rr)
	case 15: // MX
		b, ok = appendNumbersAndName(b, msg, rr, 1)
	case 33: // SRV
		b, ok = appendNumbersAndName(b, msg, rr, 3)
	case 16, 99: // TXT, SPF
		b, ok = appendStrings(b, rr.data)
	case 10: // NULL, for which there is no other form
		return unknownText(rr), true
	case 64, 65: // SVCB, HTTPS
		if b, ok = appendNumbersAndName(b, msg, rr, 1); !ok {
			b, ok = appendService(buf[:0], msg, rr)
		}
	default:
		known = false
	}
	if !known {
		text, ok = libraryText(msg, rr)
	} else if ok {
		text = string(b)
	}
	if !ok {
		text = unknownText(rr)
	}
	return text, ok
}

// unknownText is the form of RFC 3597 section 5.
func unknownText(rr *dnsRR) string {
	return `\# ` + strconv.Itoa(len(rr.data)) + " " + hex.EncodeToString(rr.data)
}

// appendNames appends the n names at off, separated by blanks. They must fill
// the record's data to its end.
func appendNames(b, msg []byte, rr *dnsRR, off, n int) (_ []byte, ok bool) {
	b, off, ok = appendNamesAt(b, msg, off, n)
	return b, ok && off == rr.at+len(rr.data)
}

func appendNamesAt(b, msg []byte, off, n int) (_ []byte, next int, ok bool) {
	for i := range n {
		if i > 0 {
			b = append(b, ' ')
		}
		if b, off, ok = appendName(b, msg, off); !ok {
			return b, off, false
		}
	}
	return b, off, true
}

// appendSOA: two names and five 32-bit numbers (RFC 1035 section 3.3.13).
func appendSOA(b, msg []byte, rr *dnsRR) (_ []byte, ok bool) {
	b, off, ok := appendNamesAt(b, msg, rr.at, 2)
	if !ok || off+20 != rr.at+len(rr.data) {
		return b, false
	}
	for ; off < rr.at+len(rr.data); off += 4 {
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint32(msg[off:])), 10)
	}
	return b, true
}

// appendNumbersAndName: n 16-bit numbers and a name that ends the data.
func appendNumbersAndName(b, msg []byte, rr *dnsRR, n int) (_ []byte, ok bool) {
	if len(rr.data) < 2*n {
		return b, false
	}
	for i := range n {
		b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(rr.data[2*i:])), 10)
		b = append(b, ' ')
	}
	return appendNames(b, msg, rr, rr.at+2*n, 1)
}

// appendStrings: character-strings (RFC 1035 section 3.3.14), separated by NUL,
// which is escaped in them.
func appendStrings(b, data []byte) (_ []byte, ok bool) {
	for first := true; len(data) > 0; first = false {
		n := 1 + int(data[0])
		if n > len(data) {
			return b, false
		}
		if !first {
			b = append(b, 0)
		}
		b = appendText(b, data[1:n])
		data = data[n:]
	}
	return b, true
}

// appendService is SVCB and HTTPS with parameters (RFC 9460 section 2.1).
func appendService(b, msg []byte, rr *dnsRR) (_ []byte, ok bool) {
	lib, ok := unpack(msg, rr)
	if !ok {
		return b, false
	}
	var service *dns.SVCB
	switch v := lib.(type) {
	case *dns.SVCB:
		service = v
	case *dns.HTTPS:
		service = &v.SVCB
	default:
		return b, false
	}
	b = strconv.AppendUint(b, uint64(service.Priority), 10)
	b = append(b, ' ')
	if b, _, ok = appendName(b, msg, rr.at+2); !ok {
		return b, false
	}
	for _, param := range service.Value {
		b = append(b, ' ')
		b = append(b, param.Key().String()...)
		if v := param.String(); v != "" {
			b = append(b, `="`...)
			b = append(b, v...)
			b = append(b, '"')
		}
	}
	return b, true
}

// libraryText is the data of any other type as miekg/dns prints it.
func libraryText(msg []byte, rr *dnsRR) (string, bool) {
	lib, ok := unpack(msg, rr)
	if !ok {
		return "", false
	}
	if _, unknown := lib.(*dns.RFC3597); unknown {
		return unknownText(rr), true
	}
	text := lib.String()
	if i := strings.LastIndexByte(text, '\n'); i >= 0 { // OPT and TSIG begin with a comment
		text = strings.TrimPrefix(text[i+1:], "; ")
	}
	return strings.TrimSpace(strings.TrimPrefix(text, lib.Header().String())), true
}

// unpack reads rr with miekg/dns.
func unpack(msg []byte, rr *dnsRR) (dns.RR, bool) {
	end := rr.at + len(rr.data)
	header := dns.RR_Header{Name: ".", Rrtype: rr.typ, Class: rr.class, Ttl: rr.ttl, Rdlength: uint16(len(rr.data))}
	lib, off, err := dns.UnpackRRWithHeader(header, msg[:end], rr.at)
	return lib, err == nil && lib != nil && off == end
}
