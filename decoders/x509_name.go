package decoders

import (
	"encoding/hex"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// attributeTypes are the words for the types of a distinguished name: those of
// RFC 4514 section 3 and the others that certificates bear, by encoded OID.
var attributeTypes = map[string]string{
	"\x55\x04\x03": "CN", "\x55\x04\x04": "SN", "\x55\x04\x05": "serialNumber", "\x55\x04\x06": "C",
	"\x55\x04\x07": "L", "\x55\x04\x08": "ST", "\x55\x04\x09": "street", "\x55\x04\x0a": "O", "\x55\x04\x0b": "OU",
	"\x55\x04\x0c": "title", "\x55\x04\x0d": "description", "\x55\x04\x0f": "businessCategory",
	"\x55\x04\x11": "postalCode", "\x55\x04\x2a": "GN", "\x55\x04\x2b": "initials", "\x55\x04\x61": "organizationIdentifier",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01": "UID", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19": "DC",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01":         "emailAddress",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02":         "unstructuredName",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01": "jurisdictionL",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02": "jurisdictionST",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03": "jurisdictionC",
}

// nameText is a distinguished name as RFC 2253 writes it: the last part first.
// b is the inside of an RDNSequence; where it cannot be read it ends.
func nameText(b []byte) string {
	var parts []der
	for list := (der{b: b}); len(list.b) > 0; {
		set := list.enter(0x31)
		if list.bad {
			break
		}
		parts = append(parts, set)
	}
	var out []byte
	for i := len(parts) - 1; i >= 0; i-- {
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = appendRDN(out, parts[i])
	}
	return string(out)
}

func appendRDN(out []byte, set der) []byte {
	for first := true; len(set.b) > 0 && !set.bad; first = false {
		pair := set.enter(derSequence)
		oid, _ := pair.want(derOID)
		tag, value, whole := pair.next()
		if pair.bad {
			break
		}
		if !first {
			out = append(out, '+')
		}
		if word, ok := attributeTypes[string(oid)]; ok {
			out = append(out, word...)
		} else {
			out = appendOID(out, oid)
		}
		out = append(out, '=')
		out = appendValue(out, tag, value, whole)
	}
	return out
}

// appendValue appends an attribute's value: text by its string type (X.690
// section 8.23), anything else as # and hexadecimal.
func appendValue(out []byte, tag byte, value, whole []byte) []byte {
	switch tag {
	case 0x0c, 0x12, 0x13, 0x16, 0x1a: // UTF8, Numeric, Printable, IA5, Visible
	case 0x14: // T.61: Latin-1 in practice
		if !utf8.Valid(value) {
			runes := make([]rune, len(value))
			for i, c := range value {
				runes[i] = rune(c)
			}
			value = []byte(string(runes))
		}
	case 0x1e: // BMPString: UTF-16, big endian
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
		}
		value = []byte(string(utf16.Decode(units)))
	default:
		return append(append(out, '#'), hex.EncodeToString(whole)...)
	}
	if len(value) > 0 && (value[0] == ' ' || value[0] == '#') {
		out = append(out, '\\')
	}
	end := len(value)
	if end > 1 && value[end-1] == ' ' {
		end--
	}
	out = appendVisible(out, value[:end], `,+"\<>;`)
	if end < len(value) {
		out = append(out, '\\', ' ')
	}
	return out
}

// appendVisible appends text; a backslash goes before each octet of special,
// and \XX stands for control characters and octets that are not UTF-8.
func appendVisible(out, text []byte, special string) []byte {
	const digits = "0123456789ABCDEF"
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		c := text[0]
		switch {
		case r == utf8.RuneError && n == 1, r < 0x20, r >= 0x7f && r < 0xa0:
			for _, c := range text[:n] {
				out = append(out, '\\', digits[c>>4], digits[c&15])
			}
		default:
			for i := range len(special) {
				if c == special[i] {
					out = append(out, '\\')
				}
			}
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	return out
}

// appendOID appends an object identifier in dotted form (X.690 section 8.19).
func appendOID(out, oid []byte) []byte {
	v, first := uint64(0), true
	for _, c := range oid {
		v = v<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			continue
		}
		if first {
			top := min(v/40, 2)
			out = strconv.AppendUint(out, top, 10)
			v -= top * 40
			first = false
		}
		out = append(out, '.')
		out = strconv.AppendUint(out, v, 10)
		v = 0
	}
	return out
}
