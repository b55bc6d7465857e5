package decoders

import (
	"encoding/binary"
	"fmt"

	"kagami/sensor"
)

// The hellos of SSL 2.0, which clients sent before TLS 1.2 to reach servers of
// any version (RFC 5246 appendix E.2), and which SSL 2.0 itself still uses:
//
//	0x80|length(2) 1 version(2) ciphers(2) session(2) challenge(2) | ciphers session challenge
//	0x80|length(2) 4 hit(1) type(1) version(2) certificate(2) ciphers(2) connection(2) | certificate ...
const (
	sslv2ClientHello = 1
	sslv2ServerHello = 4
	sslv2HelloLen    = 9 // behind the length
	sslv2ServerLen   = 11
)

func matchSSLv2(b []byte) sensor.Match {
	if len(b) > 2 && b[2] != sslv2ClientHello || len(b) > 3 && b[3] != 3 && b[3] != 0 {
		return sensor.No
	}
	if len(b) < 2+sslv2HelloLen {
		return sensor.Maybe
	}
	version := binary.BigEndian.Uint16(b[3:])
	ciphers, session, challenge := int(binary.BigEndian.Uint16(b[5:])), int(binary.BigEndian.Uint16(b[7:])), int(binary.BigEndian.Uint16(b[9:]))
	switch {
	case version != versionSSL2 && (version < versionSSL3 || version > versionTLS13):
		return sensor.No
	case ciphers == 0 || ciphers%3 != 0, session > 32, challenge < 16 || challenge > 32:
		return sensor.No
	case sslv2Length(b) != sslv2HelloLen+ciphers+session+challenge:
		return sensor.No
	}
	return sensor.FromClient
}

func sslv2Length(b []byte) int { return int(b[0]&0x7f)<<8 | int(b[1]) }

// sslv2 gathers one side's first record, which is in SSL 2.0 form, and returns
// how many octets of data belong to it. What follows is TLS, if it is anything.
func (d *tlsDecoder) sslv2(who int, data []byte, now int64) int {
	s := &d.sides[who]
	want := 2
	if len(s.body) >= 2 {
		want += sslv2Length(s.body)
	}
	n := min(want-len(s.body), len(data))
	s.body = append(s.body, data[:n]...)
	if len(s.body) < 2 || len(s.body) < 2+sslv2Length(s.body) {
		return n
	}
	b := s.body[2:]
	s.body, s.sslv2 = nil, false
	switch {
	case who == client && len(b) >= sslv2HelloLen && b[0] == sslv2ClientHello:
		d.sslv2Client(b)
	case who == server && len(b) >= sslv2ServerLen && b[0] == sslv2ServerHello:
		d.sslv2Server(b)
	default:
		odd(d.r, "not a TLS record")
		d.over = true
		return n
	}
	d.r.End = now
	return n
}

func (d *tlsDecoder) sslv2Client(b []byte) {
	r := d.r
	r.ClientHello, r.SSLv2Hello = true, true
	d.note(client, 'c')
	r.ClientVersion = tlsVersionName(binary.BigEndian.Uint16(b[1:]))
	w := wire{b: b[sslv2HelloLen:]}
	specs := w.take(int(binary.BigEndian.Uint16(b[3:])))
	if w.bad {
		odd(r, "malformed client hello")
	}
	for ; len(specs) >= 3 && len(r.Ciphers) < tlsMaxCiphers; specs = specs[3:] {
		r.Ciphers = append(r.Ciphers, sslv2CipherName(uint24(specs)))
	}
}

// sslv2Server: SSL 2.0 was agreed on, and all that follows is encrypted.
func (d *tlsDecoder) sslv2Server(b []byte) {
	r := d.r
	r.ServerHello, r.Resumed = true, b[1] != 0
	d.version = binary.BigEndian.Uint16(b[3:])
	r.Version, r.VersionNumber = tlsVersionName(d.version), d.version
	d.note(server, 's')
	w := wire{b: b[sslv2ServerLen:]}
	if der := w.take(int(binary.BigEndian.Uint16(b[5:]))); len(der) > 0 {
		r.Certificate, r.Chain, r.ChainBytes = readCertificate(der), 1, len(der)
	}
	d.over = true
}

// sslv2CipherName is a three-octet cipher kind: TLS's suites begin with 0.
func sslv2CipherName(kind int) string {
	if kind <= 0xffff {
		return cipherName(uint16(kind))
	}
	if s, ok := sslv2Ciphers[kind]; ok {
		return s
	}
	return fmt.Sprintf("0x%06X", kind)
}

var sslv2Ciphers = map[int]string{
	0x010080: "SSL_CK_RC4_128_WITH_MD5", 0x020080: "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
	0x030080: "SSL_CK_RC2_128_CBC_WITH_MD5", 0x040080: "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
	0x050080: "SSL_CK_IDEA_128_CBC_WITH_MD5", 0x060040: "SSL_CK_DES_64_CBC_WITH_MD5",
	0x0700c0: "SSL_CK_DES_192_EDE3_CBC_WITH_MD5", 0x080080: "SSL_CK_RC4_64_WITH_MD5",
}
