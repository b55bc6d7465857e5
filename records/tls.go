package records

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// TLS is one handshake as far as it is visible.
type TLS struct {
	meta Meta

	Start int64 // first octet, nanoseconds since the epoch
	End   int64 // last handshake message read

	ClientHello bool
	ServerHello bool
	HelloRetry  bool // the server asked for a second ClientHello (1.3); the first one is recorded
	Established bool // both sides went on to encrypted records without a fatal alert

	ServerName     string   // SNI host_name as sent; with ECH, the outer name
	ECH            bool     // encrypted_client_hello offered
	SSLv2Hello     bool     // the ClientHello came in SSL 2.0 form; it bears no extensions and no fingerprint
	ClientALPN     []string // offered
	ClientVersion  string   // highest offered: "1.3", "1.2", "ssl3" ...
	ClientVersions []string // supported_versions as offered, GREASE removed
	Ciphers        []string // offered, IANA names, or "0x1301" when unknown; GREASE removed, at most 512
	JA3            string   // MD5 in hexadecimal
	JA3Raw         string
	JA4            string // FoxIO JA4 (TLS client, BSD-licensed)

	Version string // negotiated: "1.3" ...
	Cipher  string
	Curve   string // named group of the key exchange: "x25519" ...
	ALPN    string // selected, when visible (TLS 1.2 and below)
	JA3S    string // MD5 in hexadecimal
	Resumed bool   // abbreviated handshake (TLS 1.2 and below) or pre-shared key accepted (1.3)

	Certificate       *Certificate // the server's, when visible (TLS 1.2 and below)
	Chain             int          // number of certificates the server sent
	ClientCertificate *Certificate // the client's, when it was asked for one and visible

	Alert string // first alert in clear: "handshake_failure" ..., "" if none
	Via   string // "CONNECT" when inside a proxy's tunnel
	Gap   bool   // octets were lost inside the handshake
	Odd   string // first violation of the protocol or limit met, "" if none: "malformed client hello" ...
}

// Certificate is an X.509 certificate as sent.
type Certificate struct {
	Subject, Issuer     string // RFC 2253 strings
	NotBefore, NotAfter int64  // nanoseconds since the epoch; beyond the years 1678 to 2262 the nearest that fits
	Serial              string // upper-case hexadecimal, the sign octet 00 left out
	Names               []string
	SHA256              [sha256.Size]byte
	SHA1                [sha1.Size]byte
	SelfSigned          bool // subject equals issuer
	Malformed           bool // not parseable to the end: the hashes and what was read before are set
}

// NewTLS returns a TLS record that bears m.
func NewTLS(m Meta) *TLS { m.Kind = KindTLS; return &TLS{meta: m} }

// Meta implements Record.
func (r *TLS) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *TLS) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	e := Event{Kind: "event", Category: categoryNetwork, Type: typeProtocolConnection, Action: "tls-handshake",
		Reason: r.Alert, Start: r.Start, End: r.End}
	switch {
	case r.Established:
		e.Outcome = "success"
	case r.Alert != "":
		e.Outcome = "failure"
	}
	m.event(&f, e)
	m.network(&f, "tls", 0, 0)
	m.endpoints(&f, Peer{}, Peer{Domain: r.ServerName})
	f.Strs("related.hash", r.hashes())
	m.related(&f, hosts(r.ServerName))
	r.handshake(&f)
	r.extra(&f)
	m.tail(&f)
	return f
}

var typeProtocolConnection = []string{"protocol", "connection"}

// handshake appends tls.*.
func (r *TLS) handshake(f *Fields) {
	f.Str("tls.cipher", r.Cipher)
	r.ClientCertificate.fields(f, &clientCertificateNames)
	f.Str("tls.client.ja3", r.JA3)
	f.Str("tls.client.server_name", r.ServerName)
	f.Strs("tls.client.supported_ciphers", r.Ciphers)
	f.Str("tls.curve", r.Curve)
	f.Bool("tls.established", r.Established)
	f.Str("tls.next_protocol", r.ALPN)
	f.Bool("tls.resumed", r.Resumed)
	r.Certificate.fields(f, &serverCertificateNames)
	f.Str("tls.server.ja3s", r.JA3S)
	if r.Version != "" {
		version, protocol := tlsVersion(r.Version)
		f.Str("tls.version", version)
		f.Str("tls.version_protocol", protocol)
	}
}

// tlsVersion splits "1.3" and "ssl3" as ECS wants them.
func tlsVersion(v string) (version, protocol string) {
	switch v {
	case "ssl2":
		return "2.0", "ssl"
	case "ssl3":
		return "3.0", "ssl"
	}
	return v, "tls"
}

// extra appends what ECS has no name for.
func (r *TLS) extra(f *Fields) {
	f.Str("kagami.tls.alert", r.Alert)
	f.Count("kagami.tls.chain_length", uint64(r.Chain))
	f.Strs("kagami.tls.client_alpn", r.ClientALPN)
	f.Str("kagami.tls.client_version", r.ClientVersion)
	f.Strs("kagami.tls.client_versions", r.ClientVersions)
	f.Flag("kagami.tls.ech", r.ECH)
	f.Flag("kagami.tls.gap", r.Gap)
	f.Flag("kagami.tls.hello_retry", r.HelloRetry)
	f.Str("kagami.tls.ja4", r.JA4)
	if c := r.Certificate; c != nil {
		f.Flag("kagami.tls.malformed_certificate", c.Malformed)
	}
	f.Str("kagami.tls.odd", r.Odd)
	if c := r.Certificate; c != nil {
		f.Flag("kagami.tls.self_signed", c.SelfSigned)
	}
	f.Flag("kagami.tls.sslv2_hello", r.SSLv2Hello)
	f.Str("kagami.tls.via", r.Via)
}

type certificateNames struct{ sha1, sha256, issuer, notAfter, notBefore, subject, names, serial string }

var (
	clientCertificateNames = certificateNames{"tls.client.hash.sha1", "tls.client.hash.sha256", "tls.client.issuer",
		"tls.client.not_after", "tls.client.not_before", "tls.client.subject",
		"tls.client.x509.alternative_names", "tls.client.x509.serial_number"}
	serverCertificateNames = certificateNames{"tls.server.hash.sha1", "tls.server.hash.sha256", "tls.server.issuer",
		"tls.server.not_after", "tls.server.not_before", "tls.server.subject",
		"tls.server.x509.alternative_names", "tls.server.x509.serial_number"}
)

func (c *Certificate) fields(f *Fields, n *certificateNames) {
	if c == nil {
		return
	}
	f.Str(n.sha1, upperHex(c.SHA1[:]))
	f.Str(n.sha256, upperHex(c.SHA256[:]))
	f.Str(n.issuer, c.Issuer)
	f.Time(n.notAfter, c.NotAfter)
	f.Time(n.notBefore, c.NotBefore)
	f.Str(n.subject, c.Subject)
	f.Strs(n.names, c.Names)
	f.Str(n.serial, c.Serial)
}

// hashes are the fingerprints for related.hash.
func (r *TLS) hashes() []string {
	out := make([]string, 0, 4)
	for _, h := range []string{r.JA3, r.JA3S, r.JA4} {
		if h != "" {
			out = append(out, h)
		}
	}
	if r.Certificate != nil {
		out = append(out, upperHex(r.Certificate.SHA1[:]), upperHex(r.Certificate.SHA256[:]))
	}
	return out
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
