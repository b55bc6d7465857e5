package links

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// address is a URL that others are resolved against, in the parts of the WHATWG
// URL standard ("special" schemes only). Browsers follow that standard, not RFC
// 3986: backslashes are slashes, line ends vanish, hosts may be plain numbers;
// hostile pages use each of these.
type address struct {
	scheme string
	host   string // with port unless it is the scheme's own
	path   string // begins with a slash
	query  string // with its question mark, or empty
}

func addressOf(u *url.URL) *address {
	if u == nil || u.Host == "" {
		return nil
	}
	a, ok := new(page).parse([]byte(u.String()), nil)
	if !ok {
		return nil
	}
	return a
}

func (a *address) String() string { return a.scheme + "://" + a.host + a.path + a.query }

// long is how many octets of the base a relative reference repeats, when they are so
// many that a page of short ones would cost far more than its size; else 0.
func (a *address) long(ref []byte) int {
	const most = 1 << 10
	if a == nil || len(a.path) <= most {
		return 0
	}
	scheme, rest := cutScheme(ref)
	if scheme != "" && scheme != a.scheme || leadingSlashes(rest) > 0 {
		return 0
	}
	return len(a.path)
}

// resolve gives the absolute URL of ref.
func (p *page) resolve(ref []byte, base *address) (string, bool) {
	a, ok := p.parse(ref, base)
	if !ok {
		return "", false
	}
	return a.String(), true
}

// parse reads a URL, which may be relative to base. A mere fragment is no URL of
// another resource, and a scheme without a host is not the network's.
func (p *page) parse(ref []byte, base *address) (*address, bool) {
	ref = cleanURL(ref)
	if i := bytes.IndexByte(ref, '#'); i >= 0 {
		if i == 0 {
			return nil, false
		}
		ref = ref[:i]
	}
	scheme, rest := cutScheme(ref)
	switch {
	case scheme != "" && defaultPort(scheme) == "":
		return nil, false
	case scheme != "" && (base == nil || scheme != base.scheme || leadingSlashes(rest) > 0):
		return p.parseAuthority(scheme, rest[leadingSlashes(rest):])
	case base == nil:
		return nil, false
	}
	return p.parseRelative(rest, base)
}

func (p *page) parseRelative(ref []byte, base *address) (*address, bool) {
	a := *base
	switch n := leadingSlashes(ref); {
	case n >= 2:
		return p.parseAuthority(base.scheme, ref[n:])
	case n == 1:
		a.path, a.query = p.pathAndQuery(ref)
	case len(ref) == 0:
	case ref[0] == '?':
		_, a.query = p.pathAndQuery(ref)
	default:
		a.path, a.query = p.pathBehind(base.path[:strings.LastIndexByte(base.path, '/')], ref)
	}
	return &a, true
}

func (p *page) parseAuthority(scheme string, rest []byte) (*address, bool) {
	end := bytes.IndexAny(rest, `/\?`)
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	authority = authority[bytes.LastIndexByte(authority, '@')+1:]
	host, ok := p.host(authority, defaultPort(scheme))
	if !ok {
		return nil, false
	}
	a := &address{scheme: scheme, host: host}
	a.path, a.query = p.pathAndQuery(rest[end:])
	return a, true
}

const asciiSpace = " \t\r\n\f\v\x00"

// cleanURL does what every browser does first: it takes control characters and
// spaces from the ends, tabs and line ends from everywhere.
func cleanURL(b []byte) []byte {
	b = bytes.TrimFunc(b, func(r rune) bool { return r <= ' ' })
	if !bytes.ContainsAny(b, "\t\r\n") {
		return b
	}
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c != '\t' && c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	return out
}

// cutScheme splits off "scheme:", in lower case.
func cutScheme(b []byte) (string, []byte) {
	for i := 0; i < len(b) && i < maxScheme; i++ {
		switch c := b[i] | 0x20; {
		case b[i] == ':' && i > 0:
			return strings.ToLower(string(b[:i])), b[i+1:]
		case 'a' <= c && c <= 'z':
		case i > 0 && (isDigit(b[i]) || b[i] == '+' || b[i] == '-' || b[i] == '.'):
		default:
			return "", b
		}
	}
	return "", b
}

const maxScheme = 24

// defaultPort is empty for schemes that have no host or are not followed here.
func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	case "ftp":
		return "21"
	}
	return ""
}

func leadingSlashes(b []byte) int {
	n := 0
	for n < len(b) && (b[n] == '/' || b[n] == '\\') {
		n++
	}
	return n
}

// host checks and normalises host and port.
func (p *page) host(b []byte, defaultPort string) (string, bool) {
	name, port := b, []byte(nil)
	if i := bytes.LastIndexByte(b, ':'); i >= 0 && bytes.IndexByte(b[i:], ']') < 0 {
		name, port = b[:i], bytes.TrimLeft(b[i+1:], "0")
		if n, err := strconv.Atoi("0" + string(port)); err != nil || n > 0xFFFF || len(port) > 5 {
			return "", false
		}
	}
	if len(name) == 0 || len(name) > maxHost {
		return "", false
	}
	host := string(name)
	if name[0] != '[' {
		var ok bool
		if host, ok = domain(p.utf8(name)); !ok {
			return "", false
		}
	} else if !isIPv6(host) {
		return "", false
	}
	if len(port) > 0 && string(port) != defaultPort {
		host += ":" + string(port)
	}
	return strings.ToLower(host), true
}

const maxHost = 1024 // before percent-decoding

// domain is the WHATWG host parser for names and IPv4 numbers.
func domain(b []byte) (string, bool) {
	if bytes.IndexByte(b, '%') >= 0 {
		b = appendPercentDecoded(nil, b)
	}
	name := strings.ToLower(string(b))
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(name)
			if err != nil {
				return "", false
			}
			name = ascii
			break
		}
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c >= 0x7F || strings.IndexByte("\"#%/:<>?@[\\]^`{|}'()*,;$&+=!", c) >= 0 {
			return "", false
		}
	}
	if strings.Trim(name, ".-") == "" || strings.Contains(name, "..") || name[0] == '.' {
		return "", false
	}
	return ipv4(name)
}

// ipv4 writes 0x7f.1, 017700000001 and 2130706433 as 127.0.0.1; other names pass.
func ipv4(name string) (string, bool) {
	parts := strings.Split(strings.TrimSuffix(name, "."), ".")
	last := parts[len(parts)-1]
	if last == "" || !isDigit(last[0]) || strings.Trim(last, "0123456789abcdefx") != "" {
		return name, true
	}
	var sum uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(octal(part), 0, 32)
		if err != nil && i == len(parts)-1 && strings.Trim(last, "0123456789") != "" {
			return name, true // such as 1a.example.3com: not a number after all
		}
		switch {
		case err != nil || len(parts) > 4:
			return "", false
		case i == len(parts)-1:
			if n >= 1<<(8*(5-len(parts))) {
				return "", false
			}
			sum += n
		case n > 255:
			return "", false
		default:
			sum += n << (8 * (3 - i))
		}
	}
	return strconv.Itoa(int(sum>>24)) + "." + strconv.Itoa(int(sum>>16&255)) + "." +
		strconv.Itoa(int(sum>>8&255)) + "." + strconv.Itoa(int(sum&255)), true
}

// octal spells the number as Go's base prefix 0 wants it.
func octal(s string) string {
	if len(s) > 1 && s[0] == '0' && isDigit(s[1]) {
		return "0o" + s[1:]
	}
	if s == "0x" {
		return "0"
	}
	return s
}

func isIPv6(s string) bool {
	return len(s) > 3 && s[len(s)-1] == ']' && strings.Trim(s[1:len(s)-1], "0123456789abcdefABCDEF:.") == "" && strings.Contains(s, ":")
}

// pathAndQuery normalises what stands after the host.
func (p *page) pathAndQuery(b []byte) (path, query string) {
	return p.pathBehind("", b[min(leadingSlashes(b), 1):])
}

// pathBehind is pathAndQuery of what is relative to a directory, which is normalised
// already and given without its last slash.
func (p *page) pathBehind(dir string, b []byte) (path, query string) {
	raw := b
	if i := bytes.IndexByte(b, '?'); i >= 0 {
		raw = b[:i]
		query = string(p.appendQuery([]byte{'?'}, b[i+1:]))
	}
	return string(appendPath([]byte(dir), p.utf8(raw))), query
}

// appendPath resolves dot segments and escapes what must not stand in a path. dst is
// the directory that b is relative to, without its last slash.
func appendPath(dst, b []byte) []byte {
	for {
		end := bytes.IndexAny(b, `/\`)
		segment, last := b, end < 0
		if !last {
			segment = b[:end]
		}
		switch dots(segment) {
		case 2:
			dst = dst[:max(bytes.LastIndexByte(dst, '/'), 0)]
			if last {
				dst = append(dst, '/')
			}
		case 1:
			if last {
				dst = append(dst, '/')
			}
		default:
			dst = appendEscaped(append(dst, '/'), segment, "\"<>`{}^")
		}
		if last {
			return dst
		}
		b = b[end+1:]
	}
}

// dots says whether a segment is ".", "..", or an escaped form of them.
func dots(b []byte) int {
	n := 0
	for len(b) > 0 {
		switch {
		case b[0] == '.':
			b = b[1:]
		case len(b) >= 3 && b[0] == '%' && b[1] == '2' && b[2]|0x20 == 'e':
			b = b[3:]
		default:
			return 0
		}
		if n++; n > 2 {
			return 0
		}
	}
	return n
}

// appendEscaped percent-encodes controls, spaces, non-ASCII octets and others.
func appendEscaped(dst, b []byte, others string) []byte {
	for _, c := range b {
		if c > ' ' && c < 0x7F && strings.IndexByte(others, c) < 0 {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
