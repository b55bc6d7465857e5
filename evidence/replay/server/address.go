package server

import (
	"net/netip"
	"net/url"
	"strings"

	"kagami/evidence/replay"
)

// address is a URL in the one form that is compared: host and scheme in lower case
// without the scheme's port, path and query with percent-encoding made the same
// (RFC 3986 section 6.2.2.2). The case of the path stays.
type address struct {
	scheme, host, path string
	query              string // with its "?", "" = none
}

func (a address) String() string { return a.scheme + "://" + a.host + a.path + a.query }

// crossed is the address by the other scheme.
func (a address) crossed() address {
	if a.scheme == "https" {
		a.scheme = "http"
	} else {
		a.scheme = "https"
	}
	return a
}

// newAddress makes an address of its parts. target is a path and a query.
func newAddress(scheme, authority, target string) address {
	target, _, _ = strings.Cut(target, "#")
	path, query, asked := strings.Cut(target, "?")
	a := address{scheme: scheme, host: site(scheme, authority), path: steady(path)}
	if a.path == "" {
		a.path = "/"
	}
	if asked {
		a.query = "?" + steady(query)
	}
	return a
}

// site is an authority without user and the scheme's own port.
func site(scheme, authority string) string {
	s := strings.ToLower(authority[strings.LastIndexByte(authority, '@')+1:])
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.TrimSuffix(strings.TrimSuffix(s, port), ":")
}

// hostOf is a site's name or address without its port.
func hostOf(site string) string {
	if rest, ok := strings.CutPrefix(site, "["); ok {
		host, _, _ := strings.Cut(rest, "]")
		return host
	}
	host, _, _ := strings.Cut(site, ":")
	return host
}

// absolute reads a target with a scheme.
func absolute(target string) (address, bool) {
	i := strings.Index(target, "://")
	if i < 0 || i > len("https") {
		return address{}, false
	}
	scheme := strings.ToLower(target[:i])
	switch scheme {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	case "http", "https":
	default:
		return address{}, false
	}
	rest := target[i+3:]
	n := strings.IndexAny(rest, "/?#")
	if n < 0 {
		n = len(rest)
	}
	a := newAddress(scheme, rest[:n], rest[n:])
	return a, isAuthority(a.host)
}

// recorded is the address that a request was recorded for. The target as it was on
// the wire counts, because url.URL does not keep all of them.
func recorded(q *replay.Request) address {
	if a, ok := absolute(q.Target); ok {
		return a
	}
	target := q.Target
	if !strings.HasPrefix(target, "/") && target != "*" {
		target = q.URL.RequestURI()
	}
	return newAddress(strings.ToLower(q.URL.Scheme), q.URL.Host, target)
}

// resolve is the address that a reference leads to.
func (a address) resolve(reference string) (address, bool) {
	base, err := url.Parse(a.String())
	if err != nil {
		return absolute(reference)
	}
	u, err := base.Parse(reference)
	if err != nil {
		return absolute(reference)
	}
	return absolute(u.String())
}

// maxName is the longest name of DNS.
const maxName = 253

// isAuthority tells a host, with or without a port, that may be asked for.
func isAuthority(s string) bool {
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		i := strings.IndexByte(s, ']')
		if i < 0 {
			return false
		}
		if _, err := netip.ParseAddr(s[1:i]); err != nil {
			return false
		}
		host, port = "", s[i+1:]
	} else {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, port = s[:i], s[i:]
		}
		if !isName(host) {
			return false
		}
	}
	if port == "" {
		return true
	}
	return port[0] == ':' && len(port) <= len(":65535") && strings.Trim(port[1:], "0123456789") == ""
}

// isName tells a host's name or IPv4 address. Names of malware have "_" in them.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// encoded are printable octets that some browsers send as they are and some encode.
const encoded = "\"'<>\\^`{|}"

// steady writes the octets that browsers differ about in one way: unreserved ones
// (RFC 3986 section 2.3) as they are, others that are no delimiters in percent. A "%"
// that begins no such octet stays.
func steady(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == '%' || !plain(byte(min(r, 0xff))) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if hi, lo := nibble(s, i+1), nibble(s, i+2); c == '%' && hi >= 0 && lo >= 0 {
			if c = byte(hi<<4 | lo); isAlphanumeric(c) || strings.IndexByte("-._~", c) >= 0 {
				b.WriteByte(c)
			} else {
				percent(&b, c)
			}
			i += 2
		} else if plain(c) {
			b.WriteByte(c)
		} else {
			percent(&b, c)
		}
	}
	return b.String()
}

func plain(c byte) bool { return c > ' ' && c < 0x7f && strings.IndexByte(encoded, c) < 0 }

func percent(b *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	b.Write([]byte{'%', digits[c>>4], digits[c&15]})
}

// nibble is the hexadecimal digit at i, -1 = there is none.
func nibble(s string, i int) int {
	if i >= len(s) {
		return -1
	}
	switch c := s[i]; {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
