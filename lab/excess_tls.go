package lab

import (
	"bytes"
	"encoding/binary"
)

const recAlert = 21

// floodHello is a ClientHello as OpenSSL sends it, record and all.
func floodHello(name string) []byte {
	return profileOf("openssl").clientHello(NewRand(1, "excess"), name, nil, false)
}

// floodServerHello chooses TLS 1.2.
func floodServerHello() []byte {
	b := append(u16(0x0303), make([]byte, 33)...)
	b = append(append(b, u16(0xc02f)...), 0, 0, 0)
	return handshake(hsServerHello, b)
}

// inRecords cuts a handshake's messages into records of n octets.
func inRecords(b []byte, n int) []byte {
	var out []byte
	for len(b) > 0 {
		k := min(n, len(b))
		out = append(out, record(recHandshake, 0x0303, b[:k])...)
		b = b[k:]
	}
	return out
}

// tlsExcesses are those of TLS, DTLS and SOCKS.
func tlsExcesses() []Excess {
	hello := floodHello("www.example")
	greeted := func(script func(*Talk)) func(*Flood) {
		return one(443, func(t *Talk) {
			t.Say(Client, hello)
			t.Say(Server, record(recHandshake, 0x0303, floodServerHello()))
			script(t)
		})
	}
	return []Excess{
		{"tls: handshake message without end", one(443, func(t *Talk) {
			t.Say(Client, hello)
			t.Say(Server, record(recHandshake, 0x0303, append(floodServerHello(), hsCertificate, 0xff, 0xff, 0xff)))
			t.Repeat(Server, 2000, string(record(recHandshake, 0x0303, longText(4*kilo))))
		})},
		{"tls: handshake messages without end", greeted(func(t *Talk) {
			t.Repeat(Server, 200*kilo, string(record(recHandshake, 0x0303, handshake(hsNewTicket, nil))))
		})},
		{"tls: 1,000 certificates", greeted(func(t *Talk) {
			der := longText(100)
			chain := bytes.Repeat(prefixed(3, der), 1000)
			t.Say(Server, inRecords(handshake(hsCertificate, prefixed(3, chain)), 16000))
		})},
		{"tls: hello in records of one octet", one(443, func(t *Talk) {
			t.Say(Client, inRecords(hello[5:], 1))
			t.Say(Server, inRecords(floodServerHello(), 1))
		})},
		{"tls: hello of 60 KiB, octet by octet", bytewise(443, func(t *Talk) {
			b := append(append(u16(0x0303), make([]byte, 33)...), 0, 2, 0x13, 0x01, 1, 0)
			b = append(b, prefixed(2, extension(21, make([]byte, 60*kilo)))...)
			t.Say(Client, inRecords(handshake(hsClientHello, b), 4000))
		})},
		{"tls: alerts without end", greeted(func(t *Talk) {
			t.Repeat(Server, 200*kilo, string(record(recAlert, 0x0303, []byte{1, 0})))
		})},
		{"tls: empty records without end", one(443, func(t *Talk) {
			t.Say(Client, hello)
			t.Repeat(Client, 200*kilo, string(record(recHandshake, 0x0303, nil)))
		})},
		{"tls: hellos without end", one(443, func(t *Talk) { t.Repeat(Client, 2000, string(hello)) })},
		{"dtls: fragments with holes", udp(4433, func(say func(Side, []byte)) {
			for i := range 20_000 {
				say(Client, dtlsRecord(i, dtlsFragment(hsClientHello, 60000, i%8, i*7%59000, []byte{0xfe, 0xfd})))
			}
		})},
		{"dtls: messages far ahead", udp(4433, func(say func(Side, []byte)) {
			say(Client, dtlsRecord(0, dtlsFragment(hsClientHello, 1000, 0, 0, append([]byte{0xfe, 0xfd}, make([]byte, 100)...))))
			for i := range 20_000 {
				say(Client, dtlsRecord(i, dtlsFragment(hsClientHello, 1000, 100+i%1000, 0, []byte{1})))
			}
		})},
		{"socks: greetings without end", one(1080, func(t *Talk) {
			t.Repeat(Client, 100_000, "\x05\x01\x00")
			t.Repeat(Server, 100_000, "\x05\x00")
		})},
		{"socks: user without end", one(1080, func(t *Talk) {
			t.Tell(Client, "\x04\x01\x00\x50\x00\x00\x00\x01")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"socks: all methods, all names", one(1080, func(t *Talk) {
			t.Say(Client, []byte{5, 255}, bytes.Repeat([]byte{2}, 255))
			t.Say(Server, []byte{5, 2})
			t.Say(Client, []byte{1, 255}, longText(255), []byte{255}, longText(255))
			t.Say(Server, []byte{1, 0})
			t.Say(Client, []byte{5, 1, 0, 3, 255}, longText(255), []byte{0, 80})
			t.Repeat(Server, 100_000, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
		})},
	}
}

// dtlsFragment is a piece of a handshake message (RFC 6347 section 4.2.2).
func dtlsFragment(kind byte, size, sequence, at int, piece []byte) []byte {
	b := []byte{kind, byte(size >> 16), byte(size >> 8), byte(size)}
	b = binary.BigEndian.AppendUint16(b, uint16(sequence))
	b = append(b, byte(at>>16), byte(at>>8), byte(at))
	return append(append(b, 0, byte(len(piece)>>8), byte(len(piece))), piece...)
}

// dtlsRecord is a record of epoch 0.
func dtlsRecord(number int, body []byte) []byte {
	b := append([]byte{recHandshake, 0xfe, 0xfd, 0, 0}, make([]byte, 6)...)
	binary.BigEndian.PutUint32(b[7:], uint32(number))
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}
