package exporters

import (
	"strings"
	"time"
	"unicode/utf8"

	"kagami/records"
)

// http is one transaction.
func (f *eve) http(r *records.HTTP) {
	f.head(r.Meta(), "http")
	if r.Depth > 0 {
		f.int("tx_id", int64(r.Depth-1))
	}
	n := f.begin("http")
	f.str("hostname", r.HostName())
	if port, ok := readNumber(hostPort(r.Host)); ok {
		f.count("http_port", port)
	}
	f.str("url", r.Target)
	f.str("http_user_agent", r.UserAgent)
	f.str("xff", r.ForwardedFor)
	f.str("http_content_type", withoutParameters(r.ContentType))
	f.contentRange(r.ContentRange)
	f.str("http_refer", r.Referrer)
	f.str("http_method", r.Method)
	version := r.Version
	if !r.RequestSeen {
		version = r.ResponseVersion
	}
	f.protocol(version)
	if r.ResponseSeen && r.Status != 0 {
		f.int("status", int64(r.Status))
	}
	f.str("redirect", r.Location)
	f.int("length", r.ResponseBody)
	if r.Stream != 0 {
		h2 := f.begin("http2")
		f.count("stream_id", uint64(r.Stream))
		if r.Reset != "" {
			response := f.begin("response")
			f.str("error_code", r.Reset)
			f.end(response)
		}
		f.end(h2)
	}
	f.end(n)
}

// protocol writes "HTTP/1.1", and for HTTP/2 the major version as well.
func (f *eve) protocol(version string) {
	if version == "" {
		return
	}
	f.key("protocol")
	f.b = append(f.b, `"HTTP/`...)
	f.b = appendJSONText(f.b, version)
	f.b = append(f.b, '"')
	if version == "2" {
		f.word("version", version)
	}
}

// contentRange writes a Content-Range (RFC 9110 section 14.4) whole and in parts.
func (f *eve) contentRange(s string) {
	if s == "" {
		return
	}
	n := f.begin("content_range")
	f.str("raw", s)
	s, _ = strings.CutPrefix(s, "bytes ")
	span, size, _ := strings.Cut(s, "/")
	first, last, _ := strings.Cut(span, "-")
	for _, part := range [...]struct{ name, text string }{{"start", first}, {"end", last}, {"size", size}} {
		if v, ok := readNumber(part.text); ok {
			f.count(part.name, v)
		}
	}
	f.end(n)
}

// hostPort is the port of an authority, "" if it gives none.
func hostPort(authority string) string {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.IndexByte(authority[i:], ']') >= 0 {
		return ""
	}
	return authority[i+1:]
}

// withoutParameters is a media type up to its parameters.
func withoutParameters(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.TrimSpace(s)
}

// tls is one handshake; that of QUIC stands in its own event.
func (f *eve) tls(r *records.TLS) bool {
	if r.Protocol == "quic" {
		return false
	}
	f.head(r.Meta(), "tls")
	n := f.begin("tls")
	f.certificate(r.Certificate)
	f.str("sni", r.ServerName)
	f.str("version", eveTLSVersion(r.Version))
	f.ja("ja3", r.JA3, r.JA3Raw)
	f.ja("ja3s", r.JA3S, r.JA3SRaw)
	f.str("ja4", r.JA4)
	f.strs("client_alpns", r.ClientALPN)
	if r.ALPN != "" {
		a := f.array("server_alpns")
		f.next()
		f.b = appendJSONString(f.b, r.ALPN)
		f.end(a)
	}
	f.flag("session_resumed", r.Resumed)
	client := f.begin("client")
	f.certificate(r.ClientCertificate)
	f.end(client)
	hello := f.begin("client_handshake")
	f.str("version", eveTLSVersion(r.ClientVersion))
	f.ciphers(r.JA3Raw)
	f.numbers("exts", r.ClientExtensions)
	f.numbers("sig_algs", r.SignatureSchemes)
	f.end(hello)
	hello = f.begin("server_handshake")
	if r.ServerHello {
		f.str("version", eveTLSVersion(r.Version))
	}
	if cipher, ok := readNumber(commaField(r.JA3SRaw, 1)); ok {
		f.count("cipher", cipher)
	}
	f.numbers("exts", r.ServerExtensions)
	f.end(hello)
	f.end(n)
	return true
}

func (f *eve) ja(name, hash, text string) {
	n := f.begin(name)
	f.str("hash", hash)
	f.str("string", text)
	f.end(n)
}

// ciphers writes the numbers of the suites offered, which are the second part of
// JA3's text: "771,4865-4866,..." .
func (f *eve) ciphers(ja3 string) {
	n := f.array("ciphers")
	for list := commaField(ja3, 1); list != ""; {
		var word string
		word, list, _ = strings.Cut(list, "-")
		if _, ok := readNumber(word); ok {
			f.next()
			f.b = append(f.b, word...)
		}
	}
	f.end(n)
}

// commaField is the part of s behind the nth comma, up to the next.
func commaField(s string, n int) string {
	for ; n > 0; n-- {
		_, s, _ = strings.Cut(s, ",")
	}
	s, _, _ = strings.Cut(s, ",")
	return s
}

// certificate writes what EVE says of a peer's own certificate.
func (f *eve) certificate(c *records.Certificate) {
	if c == nil {
		return
	}
	f.name("subject", c.Subject)
	f.name("issuerdn", c.Issuer)
	f.serial(c.Serial)
	f.key("fingerprint")
	f.b = append(f.b, '"')
	f.b = appendHexOctets(f.b, c.SHA1[:], ':', lowerHex)
	f.b = append(f.b, '"')
	f.date("notbefore", c.NotBefore)
	f.date("notafter", c.NotAfter)
	f.strs("subjectaltname", c.Names)
}

// name writes a distinguished name as Suricata does: in the certificate's own
// order, with a blank behind the commas and without escapes.
func (f *eve) name(key, s string) {
	if s == "" {
		return
	}
	f.key(key)
	f.b = append(f.b, '"')
	for end := len(s); ; {
		start := lastComma(s[:end]) + 1
		for part := s[start:end]; part != ""; {
			text, rest, escaped := strings.Cut(part, `\`)
			f.b = appendJSONText(f.b, text)
			if escaped && rest != "" {
				_, n := utf8.DecodeRuneInString(rest)
				f.b = appendJSONText(f.b, rest[:n])
				rest = rest[n:]
			}
			part = rest
		}
		if start == 0 {
			break
		}
		f.b = append(f.b, ", "...)
		end = start - 1
	}
	f.b = append(f.b, '"')
}

// lastComma is the place of the last comma that is not escaped, -1 if there is none.
func lastComma(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != ',' {
			continue
		}
		escapes := i - len(strings.TrimRight(s[:i], `\`))
		if escapes%2 == 0 {
			return i
		}
	}
	return -1
}

// serial writes a serial number as it is encoded, with colons between its octets.
func (f *eve) serial(s string) {
	if s == "" || !hexChars.all(s) {
		return
	}
	f.key("serial")
	f.b = append(f.b, '"')
	if len(s)%2 == 0 && s[0] >= '8' { // positive: the sign octet stands before
		f.b = append(f.b, "00:"...)
	}
	f.b = appendColons(f.b, s)
	f.b = append(f.b, '"')
}

// appendColons appends hexadecimal digits with colons between the octets.
func appendColons(dst []byte, s string) []byte {
	if len(s)%2 != 0 {
		dst = append(dst, '0')
	}
	for i := range len(s) {
		if i > 0 && (len(s)-i)%2 == 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, s[i])
	}
	return dst
}

var hexChars = charsOf("0123456789abcdefABCDEF")

// date writes a certificate's date unless it is absent: UTC, without a zone.
func (f *eve) date(name string, ns int64) {
	if ns == 0 {
		return
	}
	f.key(name)
	f.b = append(f.b, '"')
	f.b = time.Unix(0, ns).UTC().AppendFormat(f.b, secondLayout)
	f.b = append(f.b, '"')
}

// eveTLSVersion is Suricata's name of a protocol version.
func eveTLSVersion(v string) string {
	switch v {
	case "1.0":
		return "TLSv1"
	case "1.1":
		return "TLS 1.1"
	case "1.2":
		return "TLS 1.2"
	case "1.3":
		return "TLS 1.3"
	case "ssl2":
		return "SSLv2"
	case "ssl3":
		return "SSLv3"
	}
	if n, ok := strings.CutPrefix(v, "1.3-draft"); ok {
		return "TLS 1.3 draft-" + n
	}
	return v
}
