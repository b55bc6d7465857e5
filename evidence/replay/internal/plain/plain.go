// Package plain makes of what came from the wire what an archive format can hold:
// addresses that are URIs, text that is text.
package plain

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"kagami/evidence/replay"
)

// URI names what a transaction asked for. why says where it is not the URL that was
// asked for: nothing that a client could ask for is invented.
func URI(t *replay.Transaction) (uri, why string) {
	q := t.Request
	switch {
	case q.Method == "":
		return "unknown://" + server(t.Flow.Server) + "/", "the request was not captured: only the server is known"
	case q.URL != nil:
		return URL(q.URL), ""
	case q.Method == "CONNECT":
		return "connect://" + escape(q.Target, isHost), "a tunnel was asked for: the target is host and port"
	}
	return "unknown://" + server(t.Flow.Server) + "/" + escape(q.Target, isURI), "the target of the request is no URL"
}

func server(a netip.AddrPort) string {
	if !a.IsValid() {
		return "unknown"
	}
	return netip.AddrPortFrom(a.Addr().WithZone("").Unmap(), a.Port()).String()
}

// URL is a URL in characters that a URI may have (RFC 3986 section 2). What was
// escaped, rightly or not, stays as it was.
func URL(u *url.URL) string {
	c := *u
	c.RawQuery = strings.ReplaceAll(u.RawQuery, "#", "%23") // on the wire it does not end the query
	return escape(c.String(), isURI)
}

func escape(s string, ok func(byte) bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; ok(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// isURI tells the characters of a URI. "#" is one of them: a Location may have it.
func isURI(c byte) bool { return isHost(c) || strings.IndexByte("/?#@", c) >= 0 }

func isHost(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("-._~:[]!$&'()*+,;=%", c) >= 0
}

// Text is s in UTF-8. Octets that are not are read as ISO 8859-1, as HTTP once was
// (RFC 9110 section 5.5), so that none is lost.
func Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	b := make([]rune, len(s))
	for i := range len(s) {
		b[i] = rune(s[i])
	}
	return string(b)
}

// Line is s as text of one line: a value of a field, which nothing from the wire ends.
func Line(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, Text(s)))
}

// IsText tells whether octets are text that any format holds as it is: UTF-8 without
// control characters but tabs and line ends.
func IsText(b []byte) bool {
	for i := 0; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || r < 0xa0 {
			return false
		}
		i += n
	}
	return true
}

// Date is a time the way the archives write it, to the microsecond.
func Date(ns int64) string {
	return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000Z")
}
