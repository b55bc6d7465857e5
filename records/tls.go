package records

import "strings"

// TLS is one handshake as far as it is visible: over TCP, in datagrams (DTLS), or
// within QUIC's Initial packets.
type TLS struct {
	meta Meta

	Protocol string // network.protocol: "tls", "dtls" or "quic"
	Start    int64  // first octet, nanoseconds since the epoch
	End      int64  // last handshake message read

	ClientHello bool
	ServerHello bool
	HelloRetry  bool // the server asked for a second ClientHello (1.3); the first one is recorded
	HelloVerify bool // the server asked for a cookie (DTLS HelloVerifyRequest)
	Established bool // both sides went on to encrypted records without a fatal alert
	// ClientRandom is the ClientHello's random, all zero when it was not seen. A
	// proxy's tunnel carries it unchanged, so it is equal on both legs.
	ClientRandom [32]byte
	// History has a letter for each message in clear, as in Zeek's ssl_history:
	// the client's in upper case. At most 100.
	History string

	ServerName     string   // SNI host_name as sent; with ECH, the outer name
	ECH            *ECH     // encrypted_client_hello offered, nil if not
	ESNI           bool     // encrypted_server_name offered, ECH's predecessor
	SSLv2Hello     bool     // the ClientHello came in SSL 2.0 form; it bears no extensions and no fingerprint
	ClientALPN     []string // offered
	ClientVersion  string   // highest offered: "1.3", "1.2", "ssl3" ...
	ClientVersions []string // supported_versions as offered, GREASE removed
	Ciphers        []string // offered, IANA names, or "0x1301" when unknown; GREASE removed, at most 512
	JA3            string   // MD5 in hexadecimal
	JA3Raw         string
	JA4            string // FoxIO JA4 (TLS client, BSD-licensed)
	// As offered, GREASE removed: numbers of the IANA registries.
	ClientExtensions []uint16
	ClientGroups     []uint16 // supported_groups
	SignatureSchemes []uint16 // signature_algorithms

	Version          string // negotiated: "1.3", "dtls1.2" ...
	VersionNumber    uint16 // the same as on the wire
	Cipher           string
	Curve            string // named group of the key exchange: "x25519" ...
	ALPN             string // selected, when visible (TLS 1.2 and below)
	JA3S             string // MD5 in hexadecimal
	JA3SRaw          string
	ServerExtensions []uint16 // of the ServerHello
	Resumed          bool     // abbreviated handshake (TLS 1.2 and below) or pre-shared key accepted (1.3)
	Resumption       string   // what it was taken up by: "session_id", "ticket" or "psk"
	TicketLifetime   uint32   // seconds, of a NewSessionTicket in clear (TLS 1.2 and below)
	DHBits           int      // length of the prime of a DHE key exchange
	EarlyData        bool     // early_data offered (0-RTT)
	EarlyDataBytes   int      // octets of records that the client sent before the ServerHello; in QUIC, of 0-RTT packets

	Certificate         *Certificate   // the server's, when visible (TLS 1.2 and below)
	Intermediates       []*Certificate // what came behind it, in order; at most 15
	Chain               int            // number of certificates the server sent
	ChainBytes          int            // their octets
	ClientCertificate   *Certificate   // the client's, when it was asked for one and visible
	ClientIntermediates []*Certificate
	ClientChain         int

	Alert         string // first alert in clear: "handshake_failure" ..., "" if none
	AlertFrom     string // who sent it: "client" or "server"
	LastAlert     string // as Zeek's last_alert
	LastAlertFrom string
	Via           string // what the handshake is inside of: "CONNECT" or "SOCKS" tunnel, "STARTTLS" of another protocol
	Gap           bool   // octets were lost inside the handshake
	Odd           string // first violation of the protocol or limit met, "" if none: "malformed client hello" ...
}

// ECH is what an encrypted_client_hello extension shows (RFC 9849 section 5).
// That of a client without the server's keys (GREASE) is made to look the same.
type ECH struct {
	KDF, AEAD  uint16 // IANA HPKE registries
	ConfigID   uint8
	PayloadLen int // octets of the encrypted ClientHello
}

// NewTLS returns a TLS record that bears m.
func NewTLS(m Meta) *TLS { m.Kind = KindTLS; return &TLS{meta: m, Protocol: "tls"} }

// Meta implements Record.
func (r *TLS) Meta() *Meta { return &r.meta }

// NameMatches tells whether the server's certificate is for the name that the
// client asked for, as Zeek's sni_matches_cert; known is false when either was
// not seen.
func (r *TLS) NameMatches() (matches, known bool) {
	c := r.Certificate
	if c == nil || r.ServerName == "" {
		return false, false
	}
	return c.Covers(r.ServerName), true
}

// CertificateChain is what the server sent, its own certificate first.
func (r *TLS) CertificateChain() []*Certificate { return chain(r.Certificate, r.Intermediates) }

// ClientCertificateChain is what the client sent.
func (r *TLS) ClientCertificateChain() []*Certificate {
	return chain(r.ClientCertificate, r.ClientIntermediates)
}

func chain(own *Certificate, rest []*Certificate) []*Certificate {
	if own == nil {
		return nil
	}
	return append([]*Certificate{own}, rest...)
}

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
	m.network(&f, r.Protocol, 0, 0)
	m.endpoints(&f, Peer{}, Peer{Domain: r.ServerName})
	r.hashes(&f)
	m.related(&f, r.ServerName)
	r.handshake(&f)
	r.extra(&f)
	m.tail(&f)
	return f
}

var typeProtocolConnection = []string{"protocol", "connection"}

// handshake appends tls.*.
func (r *TLS) handshake(f *Fields) {
	f.Str("tls.cipher", r.Cipher)
	r.ClientCertificate.fields(f, clientCertificateNames)
	f.Str("tls.client.ja3", r.JA3)
	f.Str("tls.client.server_name", r.ServerName)
	f.Strs("tls.client.supported_ciphers", r.Ciphers)
	f.Str("tls.curve", r.Curve)
	f.Bool("tls.established", r.Established)
	f.Str("tls.next_protocol", r.ALPN)
	f.Bool("tls.resumed", r.Resumed)
	r.Certificate.fields(f, serverCertificateNames)
	f.Str("tls.server.ja3s", r.JA3S)
	if r.Version != "" {
		version, protocol := tlsVersion(r.Version)
		f.Str("tls.version", version)
		f.Str("tls.version_protocol", protocol)
	}
}

// tlsVersion splits "1.3", "dtls1.2" and "ssl3" as ECS wants them.
func tlsVersion(v string) (version, protocol string) {
	switch v {
	case "ssl2":
		return "2.0", "ssl"
	case "ssl3":
		return "3.0", "ssl"
	}
	if rest, ok := strings.CutPrefix(v, "dtls"); ok {
		return rest, "dtls"
	}
	return v, "tls"
}

// extra appends what ECS has no name for.
func (r *TLS) extra(f *Fields) {
	f.Str("kagami.tls.alert", r.Alert)
	f.Str("kagami.tls.alert_from", r.AlertFrom)
	f.Count("kagami.tls.chain_bytes", uint64(r.ChainBytes))
	f.Count("kagami.tls.chain_length", uint64(r.Chain))
	f.Strs("kagami.tls.client_alpn", r.ClientALPN)
	f.Count("kagami.tls.client_chain_length", uint64(r.ClientChain))
	if r.ClientHello && r.ClientRandom != [32]byte{} {
		f.HexOctets("kagami.tls.client_random", r.ClientRandom[:])
	}
	appendCertificates(f, "kagami.tls.client_intermediates", r.ClientIntermediates)
	f.Str("kagami.tls.client_version", r.ClientVersion)
	f.Strs("kagami.tls.client_versions", r.ClientVersions)
	f.Count("kagami.tls.dh_bits", uint64(r.DHBits))
	f.Flag("kagami.tls.early_data", r.EarlyData)
	f.Count("kagami.tls.early_data_bytes", uint64(r.EarlyDataBytes))
	r.ECH.fields(f)
	f.Flag("kagami.tls.esni", r.ESNI)
	f.Flag("kagami.tls.gap", r.Gap)
	f.Flag("kagami.tls.hello_retry", r.HelloRetry)
	f.Flag("kagami.tls.hello_verify", r.HelloVerify)
	f.Str("kagami.tls.history", r.History)
	appendCertificates(f, "kagami.tls.intermediates", r.Intermediates)
	f.Str("kagami.tls.ja4", r.JA4)
	f.Str("kagami.tls.last_alert", r.LastAlert)
	f.Str("kagami.tls.last_alert_from", r.LastAlertFrom)
	if c := r.Certificate; c != nil {
		f.Flag("kagami.tls.malformed_certificate", c.Malformed)
	}
	if matches, known := r.NameMatches(); known {
		f.Bool("kagami.tls.name_matches_certificate", matches)
	}
	f.Str("kagami.tls.odd", r.Odd)
	f.Str("kagami.tls.resumption", r.Resumption)
	if c := r.Certificate; c != nil {
		f.Flag("kagami.tls.self_signed", c.SelfSigned)
	}
	f.Flag("kagami.tls.sslv2_hello", r.SSLv2Hello)
	f.Count("kagami.tls.ticket_lifetime", uint64(r.TicketLifetime))
	f.Str("kagami.tls.via", r.Via)
}

func (e *ECH) fields(f *Fields) {
	if e == nil {
		return
	}
	f.Flag("kagami.tls.ech", true)
	f.Int("kagami.tls.ech_aead", int64(e.AEAD))
	f.Int("kagami.tls.ech_config_id", int64(e.ConfigID))
	f.Int("kagami.tls.ech_kdf", int64(e.KDF))
	f.Count("kagami.tls.ech_payload_bytes", uint64(e.PayloadLen))
}

// hashes appends the fingerprints.
func (r *TLS) hashes(f *Fields) {
	at := f.open(List, "related.hash")
	f.Str("", r.JA3)
	f.Str("", r.JA3S)
	f.Str("", r.JA4)
	if c := r.Certificate; c != nil {
		f.HexUpper("", c.SHA1[:])
		f.HexUpper("", c.SHA256[:])
	}
	f.close(at)
}

// ChainFingerprints are the SHA-256 of a chain's certificates in lower-case
// hexadecimal, as Zeek's cert_chain_fps.
func ChainFingerprints(chain []*Certificate) []string {
	out := make([]string, len(chain))
	for i, c := range chain {
		out[i] = Hex(c.SHA256[:])
	}
	return out
}
