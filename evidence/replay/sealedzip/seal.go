package sealedzip

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// Sizes of AE-2 with AES-256, in octets.
const (
	saltSize   = 16
	checkSize  = 2 // tells a wrong password at once, but for 1 of 65536
	macSize    = 10
	keySize    = 32
	iterations = 1000
	overhead   = saltSize + checkSize + macSize
)

// keys are what a password and a salt make.
type keys struct {
	block cipher.Block
	mac   hash.Hash
	check [checkSize]byte
}

func deriveKeys(password string, salt []byte) (*keys, error) {
	k, err := pbkdf2.Key(sha1.New, password, salt, iterations, 2*keySize+checkSize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(k[:keySize])
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return &keys{block: block, mac: hmac.New(sha1.New, k[keySize:2*keySize]), check: [checkSize]byte(k[2*keySize:])}, nil
}

// counterMode is AES-CTR the way WinZip counts: from 1, least octet first, which
// crypto/cipher has not.
type counterMode struct {
	block cipher.Block
	count uint64
	pad   [1024]byte
	used  int // of pad
}

func newCounterMode(b cipher.Block) *counterMode {
	c := &counterMode{block: b}
	c.used = len(c.pad)
	return c
}

// xor encrypts or decrypts src to dst.
func (c *counterMode) xor(dst, src []byte) {
	for len(src) > 0 {
		if c.used == len(c.pad) {
			c.refill()
		}
		n := subtle.XORBytes(dst, src, c.pad[c.used:])
		c.used += n
		dst, src = dst[n:], src[n:]
	}
}

func (c *counterMode) refill() {
	clear(c.pad[:])
	for i := 0; i < len(c.pad); i += aes.BlockSize {
		c.count++
		p := c.pad[i : i+aes.BlockSize]
		binary.LittleEndian.PutUint64(p, c.count)
		c.block.Encrypt(p, p)
	}
	c.used = 0
}

// seal encrypts and authenticates what is written to it.
type seal struct {
	w    io.Writer
	salt [saltSize]byte
	keys *keys
	ctr  *counterMode
	buf  [8 << 10]byte
}

func newSeal(w io.Writer, password string, salt io.Reader) (*seal, error) {
	s := &seal{w: w}
	if _, err := io.ReadFull(salt, s.salt[:]); err != nil {
		return nil, fmt.Errorf("read salt: %w", err)
	}
	var err error
	if s.keys, err = deriveKeys(password, s.salt[:]); err != nil {
		return nil, err
	}
	s.ctr = newCounterMode(s.keys.block)
	return s, nil
}

// begin writes what comes before the content.
func (s *seal) begin() error {
	_, err := s.w.Write(append(s.salt[:], s.keys.check[:]...))
	return err
}

// Write encrypts b; b stays as it is.
func (s *seal) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n := min(len(b)-done, len(s.buf))
		s.ctr.xor(s.buf[:n], b[done:done+n])
		s.keys.mac.Write(s.buf[:n])
		if _, err := s.w.Write(s.buf[:n]); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// end writes the authentication code.
func (s *seal) end() error {
	_, err := s.w.Write(s.keys.mac.Sum(nil)[:macSize])
	return err
}
