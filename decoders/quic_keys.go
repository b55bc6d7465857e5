package decoders

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// quicSalt is what Initial keys of a version are made with (RFC 9001 section 5.2,
// RFC 9369 section 3.3.1), "" if it is not known.
func quicSalt(version uint32) string {
	switch {
	case version == quicV1, version >= quicDraft+33 && version <= quicDraft+34:
		return "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
	case version == quicV2:
		return "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"
	case version >= quicDraft+29 && version <= quicDraft+32:
		return "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"
	case version >= quicDraft+23 && version <= quicDraft+28, version == quicMvfst27:
		return "\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02"
	case version == quicT050:
		return "\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10"
	case version == quicT051:
		return "\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d"
	}
	return ""
}

// quicKeys protect one side's Initial packets.
type quicKeys struct {
	version uint32
	aead    cipher.AEAD
	header  cipher.Block
	iv      [12]byte
	largest uint64 // packet number

	// Scratch that would be allocated for each packet otherwise.
	nonce [12]byte
	mask  [aes.BlockSize]byte
}

// newQUICKeys makes the keys of one side from the client's first destination
// connection id.
func newQUICKeys(version uint32, dcid []byte, who int) *quicKeys {
	prefix, side := "quic ", "client in"
	if version == quicV2 {
		prefix = "quicv2 "
	}
	if who == server {
		side = "server in"
	}
	initial, err := hkdf.Extract(sha256.New, dcid, []byte(quicSalt(version)))
	if err != nil {
		return nil
	}
	secret := expandLabel(initial, side, sha256.Size)
	const aes128 = 16
	block, err := aes.NewCipher(expandLabel(secret, prefix+"key", aes128))
	if err != nil {
		return nil
	}
	k := &quicKeys{version: version}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return nil
	}
	if k.header, err = aes.NewCipher(expandLabel(secret, prefix+"hp", aes128)); err != nil {
		return nil
	}
	copy(k.iv[:], expandLabel(secret, prefix+"iv", len(k.iv)))
	return k
}

// expandLabel is HKDF-Expand-Label without context (RFC 8446 section 7.1); nil if
// the standard library refuses, as no key length here makes it.
func expandLabel(secret []byte, label string, n int) []byte {
	info := string([]byte{byte(n >> 8), byte(n), byte(len("tls13 ") + len(label))}) + "tls13 " + label + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		return nil
	}
	return out
}

// open takes the protection off a packet in place (RFC 9001 section 5): b is the
// packet whole, its number begins at octet at. It returns the frames.
func (k *quicKeys) open(b []byte, at int) ([]byte, bool) {
	const sampleAt, sampleLen = 4, 16
	if k == nil || len(b) < at+sampleAt+sampleLen {
		return nil, false
	}
	k.header.Encrypt(k.mask[:], b[at+sampleAt:at+sampleAt+sampleLen])
	b[0] ^= k.mask[0] & 0x0f
	n := int(b[0]&3) + 1
	number := uint64(0)
	for i := range n {
		b[at+i] ^= k.mask[1+i]
		number = number<<8 | uint64(b[at+i])
	}
	number = k.wholeNumber(number, 8*n)
	k.nonce = k.iv
	tail := k.nonce[4:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^number)
	at += n
	frames, err := k.aead.Open(b[at:at], k.nonce[:], b[at:], b[:at])
	if err != nil {
		return nil, false
	}
	k.largest = max(k.largest, number)
	return frames, true
}

// wholeNumber is the packet number whose last bits were sent (RFC 9000 appendix A.3).
func (k *quicKeys) wholeNumber(sent uint64, bits int) uint64 {
	expected, window := k.largest+1, uint64(1)<<bits
	number := expected&^(window-1) | sent
	switch {
	case number+window/2 <= expected && number < 1<<62-window:
		return number + window
	case number > expected+window/2 && number >= window:
		return number - window
	}
	return number
}
