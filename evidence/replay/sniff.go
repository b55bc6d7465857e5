package replay

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// content is what a stream holds.
type content uint8

const (
	unknown content = iota // too little to tell
	other                  // nothing for us
	http1
	http2
	sealed // TLS
)

const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// sniff tells by a direction's first octets what it holds, and whether its client
// sent them.
func sniff(b []byte) (c content, client bool) {
	if len(b) == 0 {
		return unknown, false
	}
	if n := min(len(b), len(http2Preface)); string(b[:n]) == http2Preface[:n] {
		if n == len(http2Preface) {
			return http2, true
		}
		return unknown, false
	}
	if c, client := sniffTLS(b); c != other {
		return c, client
	}
	answer, ask := sniffResponse(b), sniffRequest(b)
	switch {
	case answer == http1:
		return http1, false
	case ask == http1:
		return http1, true
	case answer == unknown || ask == unknown:
		return unknown, false
	}
	return other, false
}

// sniffTLS looks for the record of a ClientHello or ServerHello (RFC 8446 sections
// 4.1 and 5.1), or for a ClientHello in the form of SSL 2.0 (RFC 5246 appendix E.2).
func sniffTLS(b []byte) (content, bool) {
	const maxRecord = 1<<14 + 2048
	shape := [...]func(c byte) bool{
		func(c byte) bool { return c == 22 }, func(c byte) bool { return c == 3 }, func(c byte) bool { return c <= 4 },
	}
	if b[0]&0x80 != 0 {
		shape = [...]func(c byte) bool{
			func(c byte) bool { return c&0x80 != 0 }, func(byte) bool { return true }, func(c byte) bool { return c == 1 },
		}
	}
	for i, ok := range shape {
		if i < len(b) && !ok(b[i]) {
			return other, false
		}
	}
	if len(b) < 6 {
		return unknown, false
	}
	if b[0]&0x80 != 0 {
		if b[3] == 3 && b[4] <= 4 && b[5] == 0 { // version, and the length of the cipher list
			return sealed, true
		}
		return other, false
	}
	if n := binary.BigEndian.Uint16(b[3:]); n == 0 || n > maxRecord || b[5] != 1 && b[5] != 2 {
		return other, false
	}
	return sealed, b[5] == 1
}

// sniffResponse looks for a status line (RFC 9112 section 4).
func sniffResponse(b []byte) content {
	const shape = "HTTP/0.0 000"
	b = skipEmptyLines(b)
	for i := range min(len(b), len(shape)) {
		c := b[i]
		switch {
		case '0' <= c && c <= '9':
			c = '0'
		case i < len("HTTP"):
			c &^= 'a' - 'A'
		}
		if c != shape[i] {
			return other
		}
	}
	if len(b) < len(shape) {
		return unknown
	}
	return http1
}

// maxMethod is the longest method that is taken for one, in octets.
const maxMethod = 32

// sniffRequest looks for a request line (RFC 9112 section 3), or that of HTTP/0.9.
func sniffRequest(b []byte) content {
	b = skipEmptyLines(b)
	n := tokenLen(b)
	switch {
	case n > maxMethod:
		return other
	case n == len(b):
		return unknown
	case n == 0 || b[n] != ' ':
		return other
	}
	method, rest := string(b[:n]), b[n:]
	line, _, whole := bytes.Cut(rest, []byte("\n"))
	if whole {
		target, version, ok := cutVersion(line)
		if ok && (version != "" || method == "GET" && plausibleTarget(target)) {
			return http1
		}
		return other
	}
	target := bytes.TrimLeft(rest, " ")
	switch {
	case slices.Contains(methods(), method) && plausibleTarget(target):
		return http1
	case len(rest) > maxTarget:
		return other
	}
	return unknown
}

// maxTarget is how long a first line may grow before it must have shown that it is
// a request's.
const maxTarget = 8 << 10

// methods are those that are believed before the line is over: what browsers,
// plug-ins and malware use.
func methods() []string {
	return []string{"GET", "POST", "HEAD", "PUT", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PROPFIND", "REPORT", "SEARCH"}
}

func plausibleTarget(b []byte) bool {
	const scheme = "http"
	return len(b) > 0 && b[0] == '/' || len(b) > len(scheme) && strings.EqualFold(string(b[:len(scheme)]), scheme)
}

// cutVersion divides what follows a method into target and version; without a
// version it is the request line of HTTP/0.9.
func cutVersion(line []byte) (target []byte, version string, ok bool) {
	line = bytes.Trim(line, " \t\r")
	i := bytes.LastIndexAny(line, " \t")
	if v := line[i+1:]; isVersion(v) {
		return bytes.TrimRight(line[:max(i, 0)], " \t"), string(v), true
	}
	return line, "", len(line) > 0 && i < 0
}

func isVersion(v []byte) bool {
	return len(v) == len("HTTP/1.1") && strings.EqualFold(string(v[:5]), "HTTP/") && isDigit(v[5]) && v[6] == '.' && isDigit(v[7])
}

func skipEmptyLines(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// tokenLen is how many characters of a token (RFC 9110 section 5.6.2) b begins with.
func tokenLen(b []byte) int {
	for i, c := range b {
		if !isToken(c) {
			return i
		}
	}
	return len(b)
}

func isToken(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
