package events

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"

	"kagami/lab"
)

// shake puts a TLS handshake on the wire: version 1.3, or 1.2 with a certificate
// in the clear where that matters. The shape of the hello follows from the
// fingerprint that the records of the same world bear, so that programs which
// differ there differ here.
func (f *frames) shake(s *session, c *lab.Conn) {
	t, done := s.hello(), s.shook()
	f.send(c, lab.Client, t, clientHello(s.dest.name, s.ja4, s.selfSigned))
	if s.selfSigned {
		flight := append(handshake(2, serverHello(0xc02f, nil)), handshake(11, prefixed(3, prefixed(3, f.certificate)))...)
		key := append([]byte{3, 0, 0x1d}, prefixed(1, f.filler[:32])...)
		flight = append(flight, handshake(12, append(append(key, u16(0x0807)...), prefixed(2, f.filler[:64])...))...)
		flight = append(flight, handshake(14, nil)...)
		f.send(c, lab.Server, done, fragment(22, flight))
		answer := append(fragment(22, handshake(16, prefixed(1, f.filler[:32]))), fragment(20, []byte{1})...)
		f.send(c, lab.Client, done, append(answer, fragment(22, f.filler[:40])...))
		f.send(c, lab.Server, done, append(fragment(20, []byte{1}), fragment(22, f.filler[:40])...))
		return
	}
	exts := append(extension(43, u16(0x0304)), extension(51, append(u16(0x001d), prefixed(2, f.filler[:32])...))...)
	flight := append(fragment(22, handshake(2, serverHello(0x1301, exts))), fragment(20, []byte{1})...)
	f.send(c, lab.Server, done, append(flight, record(23, f.filler[:2400])...))
	f.send(c, lab.Client, done, append(fragment(20, []byte{1}), record(23, f.filler[:53])...))
}

// clientHello is the record of a hello (RFC 8446 section 4.1.2).
func clientHello(name, shape string, old bool) []byte {
	h := hashText(shape)
	ciphers := u16(0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f)
	if old {
		ciphers = u16(0xc02b, 0xc02f)
	}
	for i := range 8 + int(h%7) {
		ciphers = append(ciphers, u16([...]uint16{0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035, 0xc00a, 0xc009, 0x0033, 0x0039, 0x006b}[i])...)
	}
	var exts []byte
	if name != "" {
		exts = extension(0, prefixed(2, append([]byte{0}, prefixed(2, []byte(name))...)))
	}
	exts = append(exts, extension(10, prefixed(2, u16(0x001d, 0x0017)))...)
	exts = append(exts, extension(11, []byte{1, 0})...)
	exts = append(exts, extension(13, prefixed(2, u16(0x0403, 0x0804, 0x0401, 0x0807)))...)
	for i, optional := range []uint16{23, 35, 18, 5, 22} {
		if h>>(8+i)&1 == 1 {
			body := []byte(nil)
			if optional == 5 {
				body = []byte{1, 0, 0, 0, 0}
			}
			exts = append(exts, extension(optional, body)...)
		}
	}
	if !old {
		exts = append(exts, extension(43, prefixed(1, u16(0x0304, 0x0303)))...)
		exts = append(exts, extension(45, []byte{1, 1})...)
		exts = append(exts, extension(51, prefixed(2, append(u16(0x001d), prefixed(2, make([]byte, 32))...)))...)
	}
	b := append(u16(0x0303), make([]byte, 32)...)
	b = append(b, prefixed(1, make([]byte, 32))...)
	b = append(append(b, prefixed(2, ciphers)...), 1, 0)
	return fragment(22, handshake(1, append(b, prefixed(2, exts)...)))
}

func serverHello(cipher uint16, exts []byte) []byte {
	b := append(u16(0x0303), make([]byte, 32)...)
	b = append(b, prefixed(1, make([]byte, 32))...)
	b = append(append(b, u16(cipher)...), 0)
	if exts != nil {
		b = append(b, prefixed(2, exts)...)
	}
	return b
}

// certificate makes the one that signs itself: Ed25519, whose signatures need no
// randomness, so that it is the same each time.
func certificate() ([]byte, error) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	subject := pkix.Name{CommonName: "localhost"}
	tpl := x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, Issuer: subject, NotBefore: from, NotAfter: from.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(nil, &tpl, &tpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return der, nil
}

func u16(list ...uint16) []byte {
	var b []byte
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// prefixed puts a length of size octets before b.
func prefixed(size int, b []byte) []byte {
	n := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	return append(n[4-size:], b...)
}

func extension(id uint16, body []byte) []byte { return append(u16(id), prefixed(2, body)...) }

func handshake(kind byte, body []byte) []byte { return append([]byte{kind}, prefixed(3, body)...) }

// fragment is one TLS record.
func fragment(kind byte, b []byte) []byte {
	return append([]byte{kind, 3, 3}, prefixed(2, b)...)
}

// record is application data that holds b, with what encryption adds.
func record(kind byte, b []byte) []byte {
	return fragment(kind, append(append([]byte(nil), b...), make([]byte, 17)...))
}
