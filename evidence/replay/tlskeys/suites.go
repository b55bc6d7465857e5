package tlskeys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"kagami/records"
)

// bulk is how a cipher suite protects records: what its name says behind "WITH".
type bulk struct {
	keyLen int
	ivLen  int // fixed part of an AEAD nonce, or a block
	// One of aead, block and stream is set.
	aead   func(key []byte) (authOpener, error)
	block  func(key []byte) (cipher.Block, error)
	stream func(key []byte) (*rc4.Cipher, error) // nil cipher: NULL suites
	mac    func() hash.Hash                      // of block and stream
	macLen int
	// prf is the hash of TLS 1.2's PRF and of TLS 1.3's key schedule.
	prf func() hash.Hash
	// explicit is the length of the nonce part that a TLS 1.2 record bears.
	explicit int
}

// suiteBulk finds the protection of a suite by its name's end; false for suites
// that this package cannot open.
func suiteBulk(id uint16) (bulk, bool) {
	name, ok := records.CipherSuite(id)
	if !ok || !strings.HasPrefix(name, "TLS_") { // private ones derive keys in ways of their own
		return bulk{}, false
	}
	_, algorithm, legacy := strings.Cut(name, "_WITH_")
	if !legacy {
		algorithm = strings.TrimPrefix(name, "TLS_")
	}
	b, ok := bulkOf(algorithm)
	if strings.HasSuffix(algorithm, "SHA384") {
		b.prf = sha512.New384
	} else {
		b.prf = sha256.New
	}
	return b, ok
}

// isSuite13 says whether a suite is one of TLS 1.3 (RFC 8446 appendix B.4), which
// no other version uses.
func isSuite13(id uint16) bool { return id>>8 == 0x13 }

func bulkOf(algorithm string) (bulk, bool) {
	switch algorithm {
	case "AES_128_GCM_SHA256":
		return aeadBulk(16, openGCM), true
	case "AES_256_GCM_SHA384":
		return aeadBulk(32, openGCM), true
	case "AES_128_CCM", "AES_128_CCM_SHA256":
		return aeadBulk(16, openCCM), true
	case "AES_256_CCM":
		return aeadBulk(32, openCCM), true
	case "AES_128_CCM_8", "AES_128_CCM_8_SHA256":
		return aeadBulk(16, openCCM8), true
	case "AES_256_CCM_8":
		return aeadBulk(32, openCCM8), true
	case "CHACHA20_POLY1305_SHA256": // RFC 7905: the whole nonce is implicit
		return bulk{keyLen: chacha20poly1305.KeySize, ivLen: nonceLen, aead: openChaCha}, true
	case "AES_128_CBC_SHA":
		return blockBulk(16, aes.NewCipher, sha1.New), true
	case "AES_256_CBC_SHA":
		return blockBulk(32, aes.NewCipher, sha1.New), true
	case "AES_128_CBC_SHA256":
		return blockBulk(16, aes.NewCipher, sha256.New), true
	case "AES_256_CBC_SHA256":
		return blockBulk(32, aes.NewCipher, sha256.New), true
	case "AES_256_CBC_SHA384":
		return blockBulk(32, aes.NewCipher, sha512.New384), true
	case "3DES_EDE_CBC_SHA":
		return desBulk(24, des.NewTripleDESCipher, sha1.New), true
	case "3DES_EDE_CBC_MD5":
		return desBulk(24, des.NewTripleDESCipher, md5.New), true
	case "DES_CBC_SHA":
		return desBulk(8, des.NewCipher, sha1.New), true
	case "DES_CBC_MD5":
		return desBulk(8, des.NewCipher, md5.New), true
	case "RC4_128_SHA":
		return streamBulk(16, rc4.NewCipher, sha1.New), true
	case "RC4_128_MD5":
		return streamBulk(16, rc4.NewCipher, md5.New), true
	case "NULL_MD5":
		return streamBulk(0, noCipher, md5.New), true
	case "NULL_SHA":
		return streamBulk(0, noCipher, sha1.New), true
	case "NULL_SHA256":
		return streamBulk(0, noCipher, sha256.New), true
	case "NULL_SHA384":
		return streamBulk(0, noCipher, sha512.New384), true
	}
	return bulk{}, false
}

// aeadBulk is RFC 5288 section 3 and RFC 6655 section 3: 4 octets of the nonce are
// derived, 8 come with the record. TLS 1.3 derives all 12.
func aeadBulk(keyLen int, open func([]byte) (authOpener, error)) bulk {
	return bulk{keyLen: keyLen, ivLen: nonceLen - 8, explicit: 8, aead: open}
}

func blockBulk(keyLen int, open func([]byte) (cipher.Block, error), mac func() hash.Hash) bulk {
	return bulk{keyLen: keyLen, ivLen: aes.BlockSize, block: open, mac: mac, macLen: mac().Size()}
}

func desBulk(keyLen int, open func([]byte) (cipher.Block, error), mac func() hash.Hash) bulk {
	return bulk{keyLen: keyLen, ivLen: des.BlockSize, block: open, mac: mac, macLen: mac().Size()}
}

func streamBulk(keyLen int, open func([]byte) (*rc4.Cipher, error), mac func() hash.Hash) bulk {
	return bulk{keyLen: keyLen, stream: open, mac: mac, macLen: mac().Size()}
}

func noCipher([]byte) (*rc4.Cipher, error) { return nil, nil }

func openGCM(key []byte) (authOpener, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func openChaCha(key []byte) (authOpener, error) { return chacha20poly1305.New(key) }

func openCCM(key []byte) (authOpener, error) { return newCCM(key, 16) }

func openCCM8(key []byte) (authOpener, error) { return newCCM(key, 8) }

// opener makes the record protection of TLS 1.2 and before for one direction.
func (b bulk) opener(version uint16, etm bool, k writeKeys) (opener, error) {
	switch {
	case b.aead != nil:
		a, err := b.aead(k.key)
		return newAEAD(a, k.iv, b.explicit, false), err
	case b.block != nil:
		c, err := b.block(k.key)
		return newCBC(c, hmac.New(b.mac, k.mac), version, etm, k.iv), err
	default:
		c, err := b.stream(k.key)
		return &streamOpener{cipher: c, mac: macOf{Hash: hmac.New(b.mac, k.mac)}}, err
	}
}
