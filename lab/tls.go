package lab

import (
	"encoding/binary"
	"time"
)

// turn is one side's contribution to a conversation: it thinks, then sends.
type turn struct {
	from  Side
	think time.Duration
	data  []byte
}

// pair is a request and a response inside TLS: sizes of plain text.
type pair struct {
	up, down int
	gap      time.Duration // before the request
}

// TLS record and handshake numbers (RFC 8446 appendix B).
const (
	recCCS       = 20
	recHandshake = 22
	recData      = 23

	hsClientHello       = 1
	hsServerHello       = 2
	hsNewTicket         = 4
	hsCertificate       = 11
	hsServerKeyExchange = 12
	hsServerHelloDone   = 14
	hsClientKeyExchange = 16

	tagSize = 16 // AEAD overhead of a record, besides the inner type byte
)

// prefixed puts a length of size bytes before b.
func prefixed(size int, b []byte) []byte {
	n := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	return append(n[4-size:], b...)
}

func u16(list ...uint16) []byte {
	var b []byte
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// record frames a fragment; version is the legacy one on the wire.
func record(kind byte, version uint16, fragment []byte) []byte {
	return append(append([]byte{kind}, u16(version)...), prefixed(2, fragment)...)
}

func handshake(kind byte, body []byte) []byte {
	return append([]byte{kind}, prefixed(3, body)...)
}

func ccs() []byte { return record(recCCS, 0x0303, []byte{1}) }

// sealed returns application data records that would hold n bytes of plain
// text: what an observer without keys sees.
func sealed(r *Rand, n int) []byte {
	var out []byte
	for first := true; first || n > 0; first = false {
		piece := min(n, 16<<10)
		out = append(out, record(recData, 0x0303, r.Bytes(piece+1+tagSize))...)
		n -= piece
	}
	return out
}

// session describes one TLS conversation.
type session struct {
	profile string // whose ClientHello
	name    string // SNI; empty: none
	version string // 1.2 or 1.3: the best the server can
	resumed bool   // with a ticket: no certificate
	pairs   []pair
	think   time.Duration // server's, before each response; default 15 ms
}

// turns writes the conversation.
func (d *day) turns(r *Rand, s session) []turn {
	p := profileOf(s.profile)
	var out []turn
	if s.version == "1.2" || !p.tls13() {
		out = d.turns12(r, p, s)
	} else {
		out = d.turns13(r, p, s)
	}
	think := s.think
	if think == 0 {
		think = 15 * time.Millisecond
	}
	for _, x := range s.pairs {
		out = append(out, turn{Client, x.gap, sealed(r, x.up)},
			turn{Server, r.LogNormal(think, 50), sealed(r, x.down)})
	}
	return out
}

// turns13 is the handshake of RFC 8446 section 2 with middlebox compatibility
// (appendix D.4).
func (d *day) turns13(r *Rand, p profile, s session) []turn {
	id := r.Bytes(32)
	hello := p.clientHello(r, s.name, id, s.resumed)
	group, share := uint16(x25519), 32
	if p.hybrid && NewRand(d.s.Seed, "hybrid "+s.name).Chance(1, 3) {
		group, share = x25519mlkem768, 1120
	}
	ext := extension(51, append(u16(group), prefixed(2, r.Bytes(share))...))
	ext = append(ext, extension(43, u16(0x0304))...)
	if s.resumed {
		ext = append(ext, extension(41, u16(0))...)
	}
	sh := append(u16(0x0303), r.Bytes(32)...)
	sh = append(append(sh, prefixed(1, id)...), u16(0x1301)...)
	sh = append(append(sh, 0), prefixed(2, ext)...)
	flight := append(record(recHandshake, 0x0303, handshake(hsServerHello, sh)), ccs()...)
	if s.resumed {
		flight = append(flight, sealed(r, 58)...) // EncryptedExtensions, Finished
	} else {
		size := NewRand(d.s.Seed, "chain "+s.name).Int(900, 1700)
		flight = append(flight, sealed(r, size)...) // and Certificate, CertificateVerify
	}
	finished := append(ccs(), sealed(r, 36)...)
	return []turn{{Client, 0, hello}, {Server, 2 * time.Millisecond, flight}, {Client, time.Millisecond, finished}}
}

// turns12 is the full handshake of RFC 5246 section 7.3 with ECDHE (RFC 8422)
// and the certificate in the clear.
func (d *day) turns12(r *Rand, p profile, s session) []turn {
	hello := p.clientHello(r, s.name, nil, false)
	ext := append(extension(0xff01, []byte{0}), extension(23, nil)...)
	sh := append(u16(0x0303), r.Bytes(32)...)
	sh = append(append(sh, prefixed(1, r.Bytes(32))...), u16(0xc02b)...)
	sh = append(append(sh, 0), prefixed(2, ext)...)
	flight := handshake(hsServerHello, sh)

	var chain []byte
	for _, der := range d.pki.chain(s.name) {
		chain = append(chain, prefixed(3, der)...)
	}
	flight = append(flight, handshake(hsCertificate, prefixed(3, chain))...)
	key := append(append([]byte{3}, u16(x25519)...), prefixed(1, r.Bytes(32))...)
	key = append(append(key, u16(0x0807)...), prefixed(2, r.Bytes(64))...) // ed25519, as the certificate
	flight = append(flight, handshake(hsServerKeyExchange, key)...)
	flight = append(flight, handshake(hsServerHelloDone, nil)...)

	reply := record(recHandshake, 0x0303, handshake(hsClientKeyExchange, prefixed(1, r.Bytes(32))))
	reply = append(append(reply, ccs()...), record(recHandshake, 0x0303, r.Bytes(40))...)
	ticket := append([]byte{0, 0, 0x1c, 0x20}, prefixed(2, r.Bytes(160))...)
	end := record(recHandshake, 0x0303, handshake(hsNewTicket, ticket))
	end = append(append(end, ccs()...), record(recHandshake, 0x0303, r.Bytes(40))...)
	return []turn{
		{Client, 0, hello}, {Server, 3 * time.Millisecond, record(recHandshake, 0x0303, flight)},
		{Client, 2 * time.Millisecond, reply}, {Server, time.Millisecond, end},
	}
}

// extension writes one TLS extension.
func extension(id uint16, body []byte) []byte { return append(u16(id), prefixed(2, body)...) }
