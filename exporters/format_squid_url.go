package exporters

import (
	"net/netip"
	"strconv"
	"strings"

	"kagami/records"
)

// target is the URL of a line: scheme, host or else address, port, path.
type target struct {
	whole    string // the URL as sent, if it is whole; the rest is of no account then
	scheme   string
	host     string
	addr     netip.Addr
	port     uint16
	withPort bool
	path     string
}

// httpTarget is what the request asked for, always absolute: without any host the
// server's address stands for it.
func httpTarget(r *records.HTTP) target {
	server := r.Meta().Server()
	t := target{whole: r.URL, scheme: "http://", addr: server.Addr(), port: server.Port(), withPort: server.Port() != 80, path: "/"}
	switch {
	case r.Method == "CONNECT":
		t.scheme, t.withPort, t.path = "", true, ""
	case strings.HasPrefix(r.Target, "/"): // not "*", nor what could not be read
		t.path = r.Target
	}
	if strings.HasPrefix(r.URL, "/") || strings.HasPrefix(r.URL, "*") {
		t.whole = ""
	}
	return t
}

// append appends the URL as Squid writes it, at most limit octets: chars stay as
// they are.
func (t *target) append(dst []byte, limit int, chars *charset) []byte {
	start, end := len(dst), len(dst)+limit
	if dst = appendCanonical(dst, t.whole, limit, chars); len(dst) > start {
		return dst
	}
	dst = append(dst, t.scheme...)
	switch {
	case t.host != "":
		dst = hostChars.appendEscaped(dst, t.host, maxHost)
	case t.addr.Is6():
		dst = append(dst, '[')
		dst = t.addr.AppendTo(dst)
		dst = append(dst, ']')
	default:
		dst = t.addr.AppendTo(dst)
	}
	if t.withPort {
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, uint64(t.port), 10)
	}
	return appendURL(dst, t.path, end-len(dst), chars)
}

// appendCanonical appends an absolute URL, or the "host:port" of a CONNECT, as
// Squid 5 puts it down: the host in lower case and without the root's dot, no
// user information, no port that is the scheme's own, and always a path.
func appendCanonical(dst []byte, whole string, limit int, chars *charset) []byte {
	end := len(dst) + limit
	scheme, rest, absolute := strings.Cut(whole, "://")
	if !absolute {
		rest = whole
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	if !absolute && path != "" || authority == "" { // neither form
		return appendURL(dst, whole, limit, chars)
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.Contains(authority[i:], "]") {
		host, port = authority[:i], authority[i:]
	}
	if absolute {
		scheme = lowerASCII(scheme)
		dst = appendURL(dst, scheme, end-len(dst), chars)
		dst = append(dst, "://"...)
		if scheme == "http" && port == ":80" || scheme == "https" && port == ":443" || scheme == "ftp" && port == ":21" || port == ":" {
			port = ""
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
	}
	dst = appendURL(dst, lowerASCII(strings.TrimSuffix(host, ".")), end-len(dst), chars)
	dst = appendURL(dst, port, end-len(dst), chars)
	if !plainChars.all(path) { // then all of RFC 1738's unsafe characters are escaped, else none
		chars = &safeChars
	}
	return appendURL(dst, path, end-len(dst), chars)
}

// lowerASCII turns A to Z into lower case and leaves all other octets alone, UTF-8
// or not.
func lowerASCII(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' }) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// maxHost is what a host name may take in a line: 255 octets, all escaped.
const maxHost = 3 * 255

// appendURL drops blanks, as Squid does by default, and escapes octets that are
// not of chars.
func appendURL(dst []byte, s string, limit int, chars *charset) []byte {
	end := len(dst) + limit
	from := 0
	for i := range len(s) {
		if s[i] == ' ' {
			dst = chars.appendEscaped(dst, s[from:i], end-len(dst))
			from = i + 1
		}
	}
	return chars.appendEscaped(dst, s[from:], end-len(dst))
}
