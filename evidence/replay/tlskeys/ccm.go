package tlskeys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

var errOpen = errors.New("message authentication failed")

// ccm opens AES-CCM (RFC 3610) with a 12-octet nonce, so with L = 3 octets of
// length, and a tag of 16 or 8 octets (RFC 6655 sections 3 and 4).
type ccm struct {
	block  cipher.Block
	tagLen int
}

func newCCM(key []byte, tagLen int) (*ccm, error) {
	block, err := aes.NewCipher(key)
	return &ccm{block: block, tagLen: tagLen}, err
}

func (c *ccm) Overhead() int { return c.tagLen }

// Open is that of cipher.AEAD. RFC 3610 wants the message decrypted before its tag
// can be known; it is wiped if the tag is wrong.
func (c *ccm) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	const maxLen = 1<<24 - 1 // L = 3
	n := len(sealed) - c.tagLen
	if n < 0 || n > maxLen || len(nonce) != nonceLen || len(aad) >= 0xff00 {
		return nil, errOpen
	}
	var counter, pad [aes.BlockSize]byte
	counter[0] = 3 - 1 // L'
	copy(counter[1:], nonce)
	ctr := cipher.NewCTR(c.block, counter[:])
	ctr.XORKeyStream(pad[:], pad[:]) // S_0 covers the tag

	start := len(dst)
	dst = append(dst, sealed[:n]...)
	plain := dst[start:]
	ctr.XORKeyStream(plain, plain)

	tag := c.mac(nonce, plain, aad)
	subtle.XORBytes(tag[:], tag[:], pad[:])
	if subtle.ConstantTimeCompare(tag[:c.tagLen], sealed[n:]) != 1 {
		clear(plain)
		return nil, errOpen
	}
	return dst, nil
}

// mac is RFC 3610 section 2.2.
func (c *ccm) mac(nonce, plain, aad []byte) (x [aes.BlockSize]byte) {
	x[0] = byte((c.tagLen-2)/2)<<3 | (3 - 1)
	if len(aad) > 0 {
		x[0] |= 1 << 6
	}
	copy(x[1:], nonce)
	binary.BigEndian.PutUint16(x[14:], uint16(len(plain)))
	x[13] = byte(len(plain) >> 16)
	c.block.Encrypt(x[:], x[:])
	if len(aad) > 0 {
		var head [aes.BlockSize]byte
		binary.BigEndian.PutUint16(head[:], uint16(len(aad)))
		k := copy(head[2:], aad)
		c.chain(&x, head[:])
		c.chain(&x, aad[k:])
	}
	c.chain(&x, plain)
	return x
}

func (c *ccm) chain(x *[aes.BlockSize]byte, b []byte) {
	for len(b) > 0 {
		n := min(len(b), aes.BlockSize)
		subtle.XORBytes(x[:n], x[:n], b[:n])
		c.block.Encrypt(x[:], x[:])
		b = b[n:]
	}
}
