package links

import "bytes"

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// hexNumber reads exactly n hexadecimal digits; -1 if they are not there.
func hexNumber(b []byte, n int) int {
	if len(b) < n {
		return -1
	}
	v := 0
	for _, c := range b[:n] {
		d := hexValue(c)
		if d < 0 {
			return -1
		}
		v = v<<4 | d
	}
	return v
}

// appendUnit appends a code point, or a UTF-16 unit in WTF-8: half a surrogate
// pair is kept, since shellcode consists of such.
func appendUnit(dst []byte, u int) []byte {
	switch {
	case u < 0x80:
		return append(dst, byte(u))
	case u < 0x800:
		return append(dst, 0xC0|byte(u>>6), 0x80|byte(u&0x3F))
	case u < 0x10000:
		return append(dst, 0xE0|byte(u>>12), 0x80|byte(u>>6&0x3F), 0x80|byte(u&0x3F))
	case u <= 0x10FFFF:
		return append(dst, 0xF0|byte(u>>18), 0x80|byte(u>>12&0x3F), 0x80|byte(u>>6&0x3F), 0x80|byte(u&0x3F))
	}
	return append(dst, "\uFFFD"...)
}

// unescapeScript is unescape() of ECMA-262 annex B.2.1.2: %xx is a Latin-1
// character, %uxxxx a UTF-16 unit.
func unescapeScript(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+1 < len(b) {
			if b[i+1] == 'u' {
				if v := hexNumber(b[i+2:], 4); v >= 0 {
					out = appendUnit(out, v)
					i += 5
					continue
				}
			} else if v := hexNumber(b[i+1:], 2); v >= 0 {
				out = appendUnit(out, v)
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

// appendPercentDecoded is decodeURIComponent(), which yields the octets of UTF-8.
func appendPercentDecoded(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] == '%' {
			if v := hexNumber(b[i+1:], 2); v >= 0 {
				dst = append(dst, byte(v))
				i += 2
				continue
			}
		}
		dst = append(dst, b[i])
	}
	return dst
}

// unescapeLiteral decodes the inside of a script's string or template literal
// (ECMA-262 section 12.9.4, with the octal escapes of annex B).
func unescapeLiteral(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		n := bytes.IndexByte(b[i:], '\\')
		if n < 0 || i+n+1 == len(b) {
			return append(out, b[i:]...)
		}
		out = append(out, b[i:i+n]...)
		i += n + 1
		out, i = appendEscape(out, b, i)
	}
	return out
}

// appendEscape decodes the escape whose character behind the backslash is b[i].
func appendEscape(out, b []byte, i int) ([]byte, int) {
	switch c := b[i]; c {
	case 'n':
		return append(out, '\n'), i + 1
	case 't':
		return append(out, '\t'), i + 1
	case 'r':
		return append(out, '\r'), i + 1
	case 'b', 'f', 'v':
		return append(out, ' '), i + 1
	case '\n':
		return out, i + 1
	case '\r':
		if i+1 < len(b) && b[i+1] == '\n' {
			i++
		}
		return out, i + 1
	case 'x':
		if v := hexNumber(b[i+1:], 2); v >= 0 {
			return appendUnit(out, v), i + 3
		}
	case 'u':
		if v := hexNumber(b[i+1:], 4); v >= 0 {
			return appendUnit(out, v), i + 5
		}
		if v, n := bracedNumber(b[i+1:]); n > 0 {
			return appendUnit(out, v), i + 1 + n
		}
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v, n := 0, 0
		for n < 3 && i+n < len(b) && '0' <= b[i+n] && b[i+n] <= '7' && v<<3|int(b[i+n]-'0') <= 0xFF {
			v = v<<3 | int(b[i+n]-'0')
			n++
		}
		return appendUnit(out, v), i + n
	}
	return append(out, b[i]), i + 1
}

// bracedNumber reads {1F600}.
func bracedNumber(b []byte) (value, length int) {
	if len(b) == 0 || b[0] != '{' {
		return 0, 0
	}
	for i := 1; i < len(b) && i < 10; i++ {
		if b[i] == '}' {
			return value, i + 1
		}
		d := hexValue(b[i])
		if d < 0 {
			break
		}
		value = value<<4 | d
	}
	return 0, 0
}

func reversed(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[len(b)-1-i] = c
	}
	return out
}
