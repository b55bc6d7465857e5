package links

import (
	"bytes"
	"unicode/utf16"
)

// readStrings keeps the URLs that stand as plain strings in t.b[start:].
func (f *finder) readStrings(t *text, start int) {
	f.eachURL(t.b[start:], func(i, n int) {
		f.add(t, found{ref: t.b[start+i : start+i+n], kind: KindString, where: "string", at: start + i, inferred: true})
	})
}

// eachURL calls with the place of every absolute http, https or ftp URL in b.
// What follows a URL without a delimiter counts as its part: a second URL inside
// a query is the first one's business.
func (f *finder) eachURL(b []byte, call func(i, n int)) {
	for pos := 0; ; {
		i := bytes.Index(b[pos:], []byte("://"))
		if i < 0 {
			return
		}
		i += pos
		pos = i + 3
		n := schemeBefore(b[:i])
		if n == 0 {
			continue
		}
		end := pos
		for end < len(b) && isURLOctet(b[end]) {
			end++
		}
		if h := end - pos; h > 0 && pos < len(b) && (isLetter(b[pos]) || isDigit(b[pos]) || b[pos] == '[' || b[pos] >= 0x80) {
			call(i-n, trimURL(b[i-n:end]))
		}
		pos = end
	}
}

// trimURL takes off the punctuation of the sentence around a URL.
func trimURL(u []byte) int {
	n := len(bytes.TrimRight(u, ".,;:!)]}"))
	if bytes.IndexByte(u[:n], '(') >= 0 && n < len(u) && u[n] == ')' {
		n++
	}
	if i := bytes.Index(u[:n], []byte("://")); bytes.IndexByte(u[i+3:n], '[') >= 0 && n < len(u) && u[n] == ']' {
		n++
	}
	return n
}

// schemeBefore gives the length of a known scheme that b ends with.
func schemeBefore(b []byte) int {
	for _, scheme := range [...]string{"https", "http", "ftp"} {
		if n := len(scheme); len(b) >= n && equalFold(b[len(b)-n:], scheme) {
			return n
		}
	}
	return 0
}

// isURLOctet leaves out what is never written bare in a URL, and the hole.
func isURLOctet(c byte) bool {
	switch c {
	case '"', '\'', '<', '>', '\\', '`', '{', '}', '|', '^', 0x7F:
		return false
	}
	return c > ' '
}

// readWide keeps URLs written in UTF-16LE, as Windows programs hold them.
func (f *finder) readWide(t *text) {
	for pos := 0; ; {
		i := bytes.Index(t.b[pos:], []byte(":\x00/\x00/\x00"))
		if i < 0 {
			return
		}
		i += pos
		pos = i + 6
		start := max(i-2*len("https"), 0)
		start += (i - start) & 1
		for start < i && (t.b[start+1] != 0 || !isLetter(t.b[start])) {
			start += 2
		}
		var narrow []byte
		for end := start; end+1 < len(t.b) && t.b[end+1] == 0 && isURLOctet(t.b[end]) && len(narrow) <= f.lim.URLLen; end += 2 {
			narrow = append(narrow, t.b[end])
			pos = max(pos, end+2)
		}
		f.eachURL(narrow, func(j, n int) {
			f.add(t, found{ref: narrow[j : j+n], kind: KindString, where: "UTF-16 string", at: start + 2*j, inferred: true})
		})
	}
}

// readShellcode looks for URLs in machine code that a script builds as a string:
// plain, and hidden by XOR with one octet, whose key the known "http" gives away.
func (f *finder) readShellcode(t *text, b []byte, at, depth int) {
	f.eachURL(b, func(i, n int) {
		f.add(t, found{ref: b[i : i+n], kind: KindShellcode, where: "shellcode", at: at, depth: depth, inferred: true})
	})
	for i := 0; i+len("http://")+1 < len(b); i++ {
		key := b[i] ^ 'h'
		if key == 0 || b[i+1]^key != 't' || b[i+2]^key != 't' || b[i+3]^key != 'p' {
			continue
		}
		var plain []byte
		for ; i < len(b) && isURLOctet(b[i]^key) && b[i]^key < 0x7F && len(plain) <= f.lim.URLLen; i++ {
			plain = append(plain, b[i]^key)
		}
		f.eachURL(plain, func(j, n int) {
			f.add(t, found{ref: plain[j : j+n], kind: KindShellcode, where: "shellcode, XOR", at: at, depth: depth + 1, inferred: true})
		})
	}
}

// machineOctets turns a string of UTF-16 units into the octets it has in the
// memory of a little-endian process; nil if it does not look like machine code.
func machineOctets(s []byte) []byte {
	odd := 0
	for _, c := range s {
		if c >= 0x80 || c < 9 {
			odd++
		}
	}
	if len(s) < minShellcode || odd*4 < len(s) {
		return nil
	}
	units := appendUnits(nil, s)
	wide := false
	for _, u := range units {
		wide = wide || u > 0xFF
	}
	out := make([]byte, 0, 2*len(units))
	for _, u := range units {
		if out = append(out, byte(u)); wide {
			out = append(out, byte(u>>8))
		}
	}
	return out
}

const minShellcode = 16

// appendUnits decodes WTF-8, which script strings are kept in, to UTF-16.
func appendUnits(dst []uint16, s []byte) []uint16 {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c < 0x80 || i+1 >= len(s):
			dst = append(dst, uint16(c))
			i++
		case c < 0xE0:
			dst = append(dst, uint16(c&0x1F)<<6|uint16(s[i+1]&0x3F))
			i += 2
		case c < 0xF0 && i+2 < len(s):
			dst = append(dst, uint16(c&0x0F)<<12|uint16(s[i+1]&0x3F)<<6|uint16(s[i+2]&0x3F))
			i += 3
		case i+3 < len(s):
			r := rune(c&7)<<18 | rune(s[i+1]&0x3F)<<12 | rune(s[i+2]&0x3F)<<6 | rune(s[i+3]&0x3F)
			hi, lo := utf16.EncodeRune(r)
			dst = append(dst, uint16(hi), uint16(lo))
			i += 4
		default:
			return dst
		}
	}
	return dst
}

// equalFold compares with a lower-case ASCII word.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
