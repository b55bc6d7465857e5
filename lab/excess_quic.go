package lab

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// quicKeys protect a client's Initial packets of QUIC 1 (RFC 9001 section 5.2).
type quicKeys struct {
	aead   cipher.AEAD
	header cipher.Block
	iv     []byte
}

func newQUICKeys(dcid []byte) *quicKeys {
	salt := []byte("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a")
	expand := func(secret []byte, label string, n int) []byte {
		b, err := hkdf.Expand(sha256.New, secret, string(u16(uint16(n)))+string(prefixed(1, []byte("tls13 "+label)))+"\x00", n)
		must(err)
		return b
	}
	initial, err := hkdf.Extract(sha256.New, dcid, salt)
	must(err)
	secret := expand(initial, "client in", 32)
	block, err := aes.NewCipher(expand(secret, "quic key", 16))
	must(err)
	k := &quicKeys{iv: expand(secret, "quic iv", 12)}
	k.aead, err = cipher.NewGCM(block)
	must(err)
	k.header, err = aes.NewCipher(expand(secret, "quic hp", 16))
	must(err)
	return k
}

// must is for what fails only by a mistake in this file.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// quicInitial is a client's Initial packet with these frames, padded to 1200 octets.
func quicInitial(k *quicKeys, dcid []byte, number uint32, frames []byte) []byte {
	const tag, least = 16, 1200
	b := append([]byte{0xc3, 0, 0, 0, 1}, prefixed(1, dcid)...)
	b = append(b, 0, 0) // no id of the client's own, no token
	pad := max(0, least-len(b)-2-4-tag-len(frames))
	frames = append(append([]byte(nil), frames...), make([]byte, pad)...)
	b = binary.BigEndian.AppendUint16(b, 0x4000|uint16(4+len(frames)+tag))
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, number)
	nonce := append([]byte(nil), k.iv...)
	for i := range 4 {
		nonce[8+i] ^= b[at+i]
	}
	b = k.aead.Seal(b, nonce, frames, b)
	var mask [aes.BlockSize]byte
	k.header.Encrypt(mask[:], b[at+4:])
	b[0] ^= mask[0] & 15
	for i := range 4 {
		b[at+i] ^= mask[1+i]
	}
	return b
}

// quicCrypto appends a CRYPTO frame (RFC 9000 section 19.6).
func quicCrypto(b []byte, at int, piece []byte) []byte {
	b = binary.BigEndian.AppendUint32(append(b, 6), 0x80000000|uint32(at))
	return append(binary.BigEndian.AppendUint16(b, 0x4000|uint16(len(piece))), piece...)
}

// quicExcesses are those of QUIC's Initial packets.
func quicExcesses() []Excess {
	hello := floodHello("www.example")[5:]
	dcid := []byte("excess01")
	keys := newQUICKeys(dcid)
	flow := func(packets func(say func(number int, frames []byte))) func(*Flood) {
		return udp(443, func(say func(Side, []byte)) {
			packets(func(number int, frames []byte) { say(Client, quicInitial(keys, dcid, uint32(number), frames)) })
		})
	}
	return []Excess{
		{"quic: hello in octets, in reverse", flow(func(say func(int, []byte)) {
			for i := range len(hello) {
				at := len(hello) - 1 - i
				say(i, quicCrypto(nil, at, hello[at:at+1]))
			}
		})},
		{"quic: hello in pieces that overlap, in reverse", flow(func(say func(int, []byte)) {
			var b []byte
			for at := len(hello) - 2; at >= 0; at -= 4 {
				b = quicCrypto(b, at, hello[at:min(len(hello), at+10)])
			}
			say(0, b[:min(len(b), 1100)])
			for i := range 100 {
				say(1+i, quicCrypto(nil, max(0, len(hello)-9-4*i), hello[max(0, len(hello)-9-4*i):]))
			}
		})},
		{"quic: CRYPTO stream of holes", flow(func(say func(int, []byte)) {
			for i := range 2000 {
				var b []byte
				for k := range 100 {
					b = quicCrypto(b, 2*(100*i+k)+1, []byte{1})
				}
				say(i, b)
			}
		})},
		{"quic: connection ids without end", udp(443, func(say func(Side, []byte)) {
			for i := range 2000 {
				id := binary.BigEndian.AppendUint64(nil, uint64(i))
				say(Client, quicInitial(newQUICKeys(id), id, 0, quicCrypto(nil, 0, hello)))
			}
		})},
		{"quic: packets in a datagram without end", udp(443, func(say func(Side, []byte)) {
			b := append([]byte{0xc3, 0, 0, 0, 1, 8}, dcid...)
			b = append(b, 0, 0, 0x40, 20)
			b = append(b, make([]byte, 20)...)
			for range 20_000 {
				say(Client, repeatedTo(b, datagramRoom))
			}
		})},
		{"quic: half hellos", func(f *Flood) {
			packet := quicInitial(keys, dcid, 0, quicCrypto(nil, 16000, []byte{1}))
			for i := range 40_000 {
				client, server := peers(i, 443)
				f.Datagram(client, netip.AddrPortFrom(server.Addr(), 443), packet)
			}
		}},
	}
}
