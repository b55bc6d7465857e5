package tlskeys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"hash"
)

const (
	masterLen = 48 // RFC 5246 section 8.1
	nonceLen  = 12
)

// Versions of TLS (RFC 8446 appendix B.1).
const (
	version10 = 0x0301
	version11 = 0x0302
	version12 = 0x0303
	version13 = 0x0304
)

// prf is the pseudorandom function of TLS 1.0 to 1.2: RFC 2246 section 5, and RFC
// 5246 section 5 with the suite's hash.
func prf(version uint16, h func() hash.Hash, secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	out := make([]byte, n)
	if version >= version12 {
		expandXOR(out, h, secret, seed)
		return out
	}
	half := (len(secret) + 1) / 2
	expandXOR(out, md5.New, secret[:half], seed)
	expandXOR(out, sha1.New, secret[len(secret)-half:], seed)
	return out
}

// expandXOR adds P_hash (RFC 5246 section 5) to out.
func expandXOR(out []byte, h func() hash.Hash, secret, seed []byte) {
	mac := hmac.New(h, secret)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	for a := sum(seed); len(out) > 0; a = sum(a) {
		for _, c := range sum(a, seed) {
			if len(out) == 0 {
				return
			}
			out[0] ^= c
			out = out[1:]
		}
	}
}

// writeKeys are what one direction protects its records with.
type writeKeys struct{ mac, key, iv []byte }

// keyBlock is RFC 5246 section 6.3. The client's keys come first.
func keyBlock(version uint16, b bulk, master []byte, client, server random) (keys [2]writeKeys) {
	n := b.macLen + b.keyLen + b.ivLen
	block := prf(version, b.prf, master, "key expansion", append(server[:], client[:]...), 2*n)
	take := func(n int) (part []byte) {
		part, block = block[:n], block[n:]
		return part
	}
	for i := range keys {
		keys[i].mac = take(b.macLen)
	}
	for i := range keys {
		keys[i].key = take(b.keyLen)
	}
	for i := range keys {
		keys[i].iv = take(b.ivLen)
	}
	return keys
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446 section 7.1).
func expandLabel(h func() hash.Hash, secret []byte, label string, n int) ([]byte, error) {
	const prefix = "tls13 "
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len(prefix)+len(label)))
	info = append(info, prefix+label...)
	info = append(info, 0)
	return hkdf.Expand(h, secret, string(info), n)
}

// trafficOpener is RFC 8446 section 7.3.
func (b bulk) trafficOpener(secret []byte) (opener, error) {
	key, err := expandLabel(b.prf, secret, "key", b.keyLen)
	if err != nil {
		return nil, err
	}
	iv, err := expandLabel(b.prf, secret, "iv", nonceLen)
	if err != nil {
		return nil, err
	}
	a, err := b.aead(key)
	if err != nil {
		return nil, err
	}
	return newAEAD(a, iv, 0, true), nil
}

// nextTraffic is the secret after a KeyUpdate (RFC 8446 section 7.2).
func (b bulk) nextTraffic(secret []byte) ([]byte, error) {
	return expandLabel(b.prf, secret, "traffic upd", b.prf().Size())
}
