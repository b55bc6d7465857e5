package decoders

import (
	"bytes"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// maxNameOctets is the longest domain name on the wire without the root's
// length octet (RFC 1035 section 3.1).
const maxNameOctets = 254

// maxPointers is how many compression pointers of one name are followed: a name has
// no more labels, and each pointer is there to reach one.
const maxPointers = 127

// appendName appends the domain name at off in BIND's presentation format,
// compression followed (RFC 1035 section 4.1.4). next is the offset behind the
// name. A pointer must leave what was read, so the walk ends: to before its
// beginning, as the RFC wants, or to behind its end, as resolvers accept too and
// who hides names makes use of. If ok is false, what could be read is appended
// nevertheless.
func appendName(dst, msg []byte, off int) (out []byte, next int, ok bool) {
	start, octets, pointers := len(dst), 0, 0
	low, high := off, off // what was read lies between
	next = -1
	for off < len(msg) {
		c := int(msg[off])
		switch c & 0xc0 {
		case 0x00:
			if c == 0 {
				if next < 0 {
					next = off + 1
				}
				if len(dst) == start {
					dst = append(dst, '.')
				}
				return dst, next, true
			}
			octets += 1 + c
			if off+1+c > len(msg) || octets > maxNameOctets {
				return dst, 0, false
			}
			if len(dst) > start {
				dst = append(dst, '.')
			}
			dst = appendLabel(dst, msg[off+1:off+1+c])
			off += 1 + c
		case 0xc0:
			if off+1 >= len(msg) {
				return dst, 0, false
			}
			to := (c&0x3f)<<8 | int(msg[off+1])
			if next < 0 {
				next = off + 2
			}
			pointers++
			if high = max(high, off+2); to >= low && to < high || pointers > maxPointers {
				return dst, 0, false
			}
			off, low = to, min(low, to)
		default: // 0x40 and 0x80 are reserved
			return dst, 0, false
		}
	}
	return dst, 0, false
}

// appendLabel escapes one label as BIND's dns_name_totext does: \DDD for
// octets outside ! to ~, a backslash before the zone file's special characters.
func appendLabel(dst, label []byte) []byte {
	for _, c := range label {
		switch {
		case c <= ' ' || c >= 0x7f:
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		case c == '"' || c == '(' || c == ')' || c == '.' || c == ';' || c == '\\' || c == '@' || c == '$':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendText escapes a character-string for reading: blanks stay.
func appendText(dst, s []byte) []byte {
	for _, c := range s {
		switch {
		case c < ' ' || c >= 0x7f:
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		case c == '\\':
			dst = append(dst, '\\', '\\')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// readable takes the escapes from blanks and from UTF-8 that can be shown; what
// cannot keeps them. It is for protocols whose names are UTF-8.
func readable(text []byte) string {
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text)
	}
	out := make([]byte, 0, len(text))
	var run []byte // octets that stand escaped in a row
	for i := 0; i < len(text); {
		if c, ok := decimalEscape(text[i:]); ok {
			run = append(run, c)
			i += 4
			continue
		}
		out, run = appendReadable(out, run), run[:0]
		n := 1
		if text[i] == '\\' && i+1 < len(text) {
			n = 2
		}
		if n == 2 && text[i+1] != '.' && text[i+1] != '\\' { // special in zone files only
			i, n = i+1, 1
		}
		out = append(out, text[i:i+n]...)
		i += n
	}
	return string(appendReadable(out, run))
}

// decimalEscape reads \DDD.
func decimalEscape(b []byte) (c byte, ok bool) {
	if len(b) < 4 || b[0] != '\\' {
		return 0, false
	}
	n := 0
	for _, d := range b[1:4] {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + int(d-'0')
	}
	return byte(n), n <= 255
}

func appendReadable(dst, run []byte) []byte {
	for len(run) > 0 {
		r, n := utf8.DecodeRune(run)
		if r == utf8.RuneError && n < 2 || !unicode.IsPrint(r) {
			dst = appendText(dst, run[:1])
			run = run[1:]
			continue
		}
		dst = append(dst, run[:n]...)
		run = run[n:]
	}
	return dst
}

// dnsTypeName is the type's word as BIND prints it (RFC 3597 for the unknown).
func dnsTypeName(t uint16) string {
	if s, ok := dnsTypes[t]; ok {
		return s
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// dnsTypes is the IANA registry of RR types as far as BIND 9.18 has words for it.
var dnsTypes = map[uint16]string{
	1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL",
	11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN",
	21: "RT", 22: "NSAP", 23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT",
	31: "EID", 32: "NIMLOC", 33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 40: "SINK",
	41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID",
	50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS",
	60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 100: "UINFO",
	101: "UID", 102: "GID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP", 108: "EUI48", 109: "EUI64",
	249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA",
	258: "AVC", 259: "DOA", 260: "AMTRELAY", 261: "RESINFO", 32768: "TA", 32769: "DLV",
}

// dnsClassName is the class's word as BIND prints it.
func dnsClassName(c uint16) string {
	switch c {
	case 1:
		return "IN"
	case 3:
		return "CH"
	case 4:
		return "HS"
	case 254:
		return "NONE"
	case 255:
		return "ANY"
	}
	return "CLASS" + strconv.Itoa(int(c))
}

// dnsOpcode is the opcode's IANA name; "" if none is assigned.
func dnsOpcode(op int) string {
	return [16]string{0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}[op&15]
}

// dnsRCode is the response code's IANA name, extended codes included.
func dnsRCode(rc int) string {
	if rc < len(dnsRCodes) && dnsRCodes[rc] != "" {
		return dnsRCodes[rc]
	}
	return "RCODE" + strconv.Itoa(rc)
}

var dnsRCodes = [...]string{
	0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
	8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME",
	19: "BADMODE", 20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}

// Header flags (RFC 1035 section 4.1.1, RFC 4035 section 3), second 16 bits.
const (
	dnsQR = 1 << 15
	dnsAA = 1 << 10
	dnsTC = 1 << 9
	dnsRD = 1 << 8
	dnsRA = 1 << 7
	dnsZ  = 1 << 6
	dnsAD = 1 << 5
	dnsCD = 1 << 4
)

// dnsFlags lists the header flags that are set; the lists are shared.
func dnsFlags(flags uint16) []string {
	return dnsFlagSets[flags>>4&0x7f]
}

var dnsFlagSets = func() (sets [128][]string) {
	for i := range sets {
		for _, f := range []struct {
			bit  int
			name string
		}{{dnsAA, "AA"}, {dnsTC, "TC"}, {dnsRD, "RD"}, {dnsRA, "RA"}, {dnsAD, "AD"}, {dnsCD, "CD"}} {
			if i<<4&f.bit != 0 {
				sets[i] = append(sets[i], f.name)
			}
		}
	}
	return
}()
