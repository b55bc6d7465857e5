package decoders

import (
	"bytes"
	"strings"

	"kagami/packet"
	"kagami/sensor"
)

// maxMethod is the longest method that is taken for one, in octets.
const maxMethod = 32

// matchHTTP recognises HTTP/1.x by a stream's first octets.
func matchHTTP(_ *sensor.Flow, _ packet.Side, first []byte) sensor.Match {
	request, response := matchRequest(first), matchResponse(first)
	switch {
	case request == sensor.FromClient:
		return sensor.FromClient
	case response == sensor.FromServer:
		return sensor.FromServer
	case request == sensor.Maybe || response == sensor.Maybe:
		return sensor.Maybe
	}
	return sensor.No
}

// matchRequest says FromClient when b begins with a request line, and Maybe
// while that cannot be told yet. The answer to more octets never contradicts
// the answer to fewer. Leading empty lines are allowed (RFC 9112 section 2.2).
func matchRequest(b []byte) sensor.Match {
	b = skipEmptyLines(b)
	b = b[:min(len(b), sensor.MatchLimit)]
	n := tokenLen(b)
	if n > maxMethod {
		return sensor.No
	}
	if n == len(b) {
		return sensor.Maybe
	}
	if n == 0 || !isBlank(b[n]) {
		return sensor.No
	}
	method, line := b[:n], b[n:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		if l, ok := parseRequestLine(b[:n+end]); ok && (l.version != "" || plausibleSimple(l)) {
			return sensor.FromClient
		}
		return sensor.No
	}
	if len(b) < sensor.MatchLimit {
		return sensor.Maybe
	}
	// The target is too long for its version to be seen. Servers take blanks in
	// it, so a method that could be a word of anything must do without.
	target := bytes.TrimLeft(line, " \t")
	known := knownMethod(method) != "" || isCapitals(method) && bytes.IndexByte(target, ' ') < 0
	if known && plausibleTarget(target) {
		return sensor.FromClient
	}
	return sensor.No
}

// matchResponse says FromServer when b begins with "HTTP/d.d ddd". RFC 9112 section
// 2.3 wants capitals; clients accept small letters too.
func matchResponse(b []byte) sensor.Match {
	const shape = "HTTP/0.0 000"
	b = skipEmptyLines(b)
	for i := range min(len(b), len(shape)) {
		c := b[i]
		switch {
		case isDigit(c):
			c = '0'
		case i < len("HTTP"):
			c &^= 'a' - 'A'
		}
		if c != shape[i] {
			return sensor.No
		}
	}
	if len(b) < len(shape) {
		return sensor.Maybe
	}
	return sensor.FromServer
}

func skipEmptyLines(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// httpMethods are the registered methods (RFC 9110, RFC 5789, WebDAV and
// relatives) and those that UPnP and Windows use on the wire.
var httpMethods = [...]string{
	"GET", "POST", "HEAD", "PUT", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE",
	"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "SEARCH", "REPORT",
	"MKACTIVITY", "MKCALENDAR", "MKWORKSPACE", "MKREDIRECTREF", "UPDATEREDIRECTREF",
	"CHECKIN", "CHECKOUT", "UNCHECKOUT", "UPDATE", "LABEL", "MERGE", "BASELINE-CONTROL", "VERSION-CONTROL",
	"ORDERPATCH", "ACL", "BIND", "REBIND", "UNBIND", "LINK", "UNLINK", "QUERY", "PURGE",
	"M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "POLL", "BCOPY", "BDELETE", "BMOVE", "BPROPFIND", "BPROPPATCH",
	"RPC_IN_DATA", "RPC_OUT_DATA", "RDG_IN_DATA", "RDG_OUT_DATA", "CCM_POST", "BITS_POST", "SSTP_DUPLEX_POST", "SOURCE",
}

// knownMethod is the method's name without an allocation, "" if it is not known.
func knownMethod(b []byte) string {
	for _, m := range &httpMethods {
		if len(b) == len(m) && string(b) == m {
			return m
		}
	}
	return ""
}

func isCapitals(b []byte) bool {
	if len(b) < 3 || len(b) > 20 {
		return false
	}
	for _, c := range b {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// plausibleTarget tells whether b begins like an origin-form or absolute-form target.
func plausibleTarget(b []byte) bool {
	return len(b) > 0 && b[0] == '/' || len(b) > 7 && (equalFold(b[:7], "http://") || equalFold(b[:7], "https:/"))
}

// plausibleSimple tells whether a request line without a version is HTTP/0.9
// (RFC 1945 section 4.1) and not a line of some other text protocol.
func plausibleSimple(l requestLine) bool {
	return string(l.method) == "GET" && plausibleTarget(l.target)
}

// tokenLen is the number of tchar (RFC 9110 section 5.6.2) that b begins with.
func tokenLen(b []byte) int {
	for i, c := range b {
		if !isToken(c) {
			return i
		}
	}
	return len(b)
}

func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', isDigit(c):
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// equalFold tells whether b is lower, which is in lower case, but for the case
// of ASCII letters.
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
