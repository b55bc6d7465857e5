package decoders

import (
	"crypto/md5"
	"encoding/hex"
	"strconv"
)

// ja3MaxRaw is the longest text behind a JA3 that is kept.
const ja3MaxRaw = 4096

// ja3 is the JA3 fingerprint of a ClientHello: MD5 over version, ciphers,
// extensions, groups and point formats in decimal, GREASE left out.
func ja3(h *hello) (sum, raw string) {
	b := make([]byte, 0, 512)
	b = strconv.AppendUint(b, uint64(h.version), 10)
	for _, list := range [...][]uint16{h.ciphers, h.extensions, h.groups} {
		b = append(b, ',')
		b = appendDashed(b, list)
	}
	b = append(b, ',')
	for i, p := range h.points {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(p), 10)
	}
	sum = md5Hex(b)
	if len(b) <= ja3MaxRaw {
		raw = string(b)
	}
	return sum, raw
}

// ja3s is the JA3S fingerprint of a ServerHello: version, cipher, extensions.
func ja3s(h *hello) (sum, raw string) {
	b := make([]byte, 0, 64)
	b = strconv.AppendUint(b, uint64(h.version), 10)
	b = append(b, ',')
	b = appendDashed(b, h.ciphers)
	b = append(b, ',')
	b = appendDashed(b, h.extensions)
	return md5Hex(b), string(b)
}

func appendDashed(b []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return b
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}
