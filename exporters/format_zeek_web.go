package exporters

import (
	"strings"

	"kagami/records"
)

func writeHTTP(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.HTTP)
	z.id(r.Meta(), r.Start)
	z.count(uint64(max(r.Depth, 0)))
	z.str(r.Method)
	z.str(r.Host)
	z.uri(r)
	z.str(r.Referrer)
	if r.ResponseVersion != "" { // Zeek lets the answer's replace the request's
		z.str(r.ResponseVersion)
	} else {
		z.str(r.Version)
	}
	z.str(r.UserAgent)
	z.str(r.Origin)
	z.count(uint64(max(r.RequestBody, 0)))
	z.count(uint64(max(r.ResponseBody, 0)))
	z.countIf(uint64(max(r.Status, 0)), r.ResponseSeen && r.Status > 0)
	z.str(r.Reason)
	info := 0
	if len(r.Info) > 0 {
		info = r.Info[len(r.Info)-1]
	}
	z.countIf(uint64(max(info, 0)), info > 0)
	z.str(r.InfoReason)
	z.set(0, true) // tags: none of Zeek's is made here
	z.endSet()
	z.str(r.User)
	z.unset(1) // password: never kept
	z.proxied(r)
	z.files(r.RequestFiles)
	z.files(r.ResponseFiles)
}

// uri writes the request's target with its %XX undone, as Zeek does.
func (z *zeekRow) uri(r *records.HTTP) {
	if !z.next(r.Target != "" || r.Method != "") {
		return
	}
	if strings.IndexByte(r.Target, '%') < 0 {
		z.text(r.Target, false)
		return
	}
	z.scratch = appendUnescaped(z.scratch[:0], r.Target)
	z.text(string(z.scratch), false)
}

// appendUnescaped appends s with %XX replaced by the octet it stands for.
func appendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && hexChars[s[i+1]] && hexChars[s[i+2]] {
			dst = append(dst, fromHex(s[i+1])<<4|fromHex(s[i+2]))
			i += 2
			continue
		}
		dst = append(dst, s[i])
	}
	return dst
}

func fromHex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// proxied writes the request's header fields that speak of proxies.
func (z *zeekRow) proxied(r *records.HTTP) {
	fields := [...]struct{ name, value string }{
		{"CLIENT-IP", r.ClientIP}, {"FORWARDED", r.Forwarded}, {"PROXY-CONNECTION", r.ProxyConnection}, {"VIA", r.Via},
		{"X-FORWARDED-FOR", r.ForwardedFor}, {"X-FORWARDED-FROM", r.ForwardedFrom}, {"XROXY-CONNECTION", r.XroxyConnection},
	}
	n := 0
	for i := range fields {
		n += one(fields[i].value != "")
	}
	if !z.set(n, n > 0) {
		return
	}
	n = 0
	for i := range fields {
		if fields[i].value == "" {
			continue
		}
		z.element(n)
		n++
		z.quote()
		z.b = append(append(z.b, fields[i].name...), " -> "...)
		z.part(fields[i].value, true)
		z.quote()
	}
	z.endSet()
}

// files writes ids, names and types of the files that one side sent; what a file
// does not have is left out of its column.
func (z *zeekRow) files(v []records.FileRef) {
	var ids, names, types int
	for i := range v {
		ids += one(v[i].ID != "")
		names += one(v[i].Name != "")
		types += one(v[i].MIME != "")
	}
	if n := 0; z.set(ids, ids > 0) {
		for i := range v {
			n = z.elementIf(v[i].ID, n, true)
		}
		z.endSet()
	}
	if n := 0; z.set(names, names > 0) {
		for i := range v {
			n = z.elementIf(v[i].Name, n, false)
		}
		z.endSet()
	}
	if n := 0; z.set(types, types > 0) {
		for i := range v {
			n = z.elementIf(v[i].MIME, n, false)
		}
		z.endSet()
	}
}

// elementIf writes s as the nth element unless it is empty, and returns how many
// there are then.
func (z *zeekRow) elementIf(s string, n int, id bool) int {
	if s == "" {
		return n
	}
	z.element(n)
	if id {
		z.appendFUID(s)
	} else {
		z.text(s, true)
	}
	return n + 1
}

func writeSSL(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.TLS)
	z.id(r.Meta(), r.Start)
	z.str(zeekTLSVersion(r.Version))
	z.str(r.Cipher)
	z.str(r.Curve)
	z.str(r.ServerName)
	z.bool(r.Resumed)
	z.str(r.LastAlert)
	z.str(r.ALPN)
	z.bool(r.Established)
	z.str(r.History)
	certificates := r.Certificate != nil || r.ClientCertificate != nil
	z.fingerprints(r.Certificate, r.Intermediates, certificates)
	z.fingerprints(r.ClientCertificate, r.ClientIntermediates, certificates)
	matches, known := r.NameMatches()
	z.boolIf(matches, known)
}

// fingerprints writes those of a chain; without one it is empty if the other side
// sent one.
func (z *zeekRow) fingerprints(own *records.Certificate, rest []*records.Certificate, known bool) {
	n := 0
	if own != nil {
		n = 1 + len(rest)
	}
	if !z.set(n, known) {
		return
	}
	for i := range n {
		z.element(i)
		z.fingerprint(pick(own, rest, i))
	}
	z.endSet()
}

func (z *zeekRow) fingerprint(c *records.Certificate) {
	z.quote()
	z.b = appendHexOctets(z.b, c.SHA256[:], 0, lowerHex)
	z.quote()
}

// zeekTLSVersion is Zeek's name of a protocol version.
func zeekTLSVersion(v string) string {
	switch v {
	case "1.0":
		return "TLSv10"
	case "1.1":
		return "TLSv11"
	case "1.2":
		return "TLSv12"
	case "1.3":
		return "TLSv13"
	case "ssl2":
		return "SSLv2"
	case "ssl3":
		return "SSLv3"
	case "dtls1.0":
		return "DTLSv10"
	case "dtls1.2":
		return "DTLSv12"
	case "dtls1.3":
		return "DTLSv13"
	}
	return v
}

// writeX509 writes the nth certificate of a handshake: the server's chain comes
// first, then the client's.
func writeX509(z *zeekRow, rec records.Record, n int) {
	r := rec.(*records.TLS)
	client := false
	c := pick(r.Certificate, r.Intermediates, n)
	if c == nil {
		if r.Certificate != nil {
			n -= 1 + len(r.Intermediates)
		}
		c, client = pick(r.ClientCertificate, r.ClientIntermediates, n), true
	}
	z.time(r.Start)
	z.next(true)
	z.fingerprint(c)
	z.countIf(uint64(c.Version), c.Version > 0)
	z.str(c.Serial)
	z.str(c.Subject)
	z.str(c.Issuer)
	z.timeIf(c.NotBefore)
	z.timeIf(c.NotAfter)
	z.str(c.KeyAlgorithm)
	z.str(c.SignatureAlgorithm)
	z.str(c.KeyType)
	z.countIf(uint64(max(c.KeyBits, 0)), c.KeyBits > 0)
	z.str(c.KeyExponent)
	z.str(c.KeyCurve)
	z.strs(c.DNS)
	z.strs(c.URIs)
	z.strs(c.Emails)
	z.addrs(c.IPs)
	z.boolIf(c.CA, c.BasicConstraints)
	z.countIf(uint64(max(c.PathLen, 0)), c.BasicConstraints && c.PathLen >= 0)
	z.bool(n == 0)
	z.bool(client)
}

// pick is the nth certificate of a chain, nil if there is none.
func pick(own *records.Certificate, rest []*records.Certificate, n int) *records.Certificate {
	switch {
	case own == nil || n > len(rest):
		return nil
	case n == 0:
		return own
	}
	return rest[n-1]
}
