package decoders

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// ja4 is FoxIO's JA4 fingerprint of a ClientHello, carrier being t for TCP, d for
// DTLS, q for QUIC (https://github.com/FoxIO-LLC/ja4, technical_details/JA4.md; BSD 3-Clause):
// a readable part, a hash of the sorted ciphers, and a hash of the sorted
// extensions and the signature algorithms as sent.
func ja4(h *hello, carrier byte) string {
	b := make([]byte, 0, 40)
	b = append(b, carrier)
	b = append(b, ja4Version(highest(h.version, h.versions))...)
	if h.has(extServerName) {
		b = append(b, 'd')
	} else {
		b = append(b, 'i')
	}
	b = appendCount(b, len(h.ciphers))
	b = appendCount(b, len(h.extensions))
	b = appendJA4Protocol(b, h.alpn)
	b = append(b, '_')
	b = appendJA4Hash(b, sorted(h.ciphers), nil)
	b = append(b, '_')
	rest := slices.DeleteFunc(sorted(h.extensions), func(t uint16) bool { return t == extServerName || t == extALPN })
	b = appendJA4Hash(b, rest, h.signatures)
	return string(b)
}

func ja4Version(v uint16) string {
	switch v {
	case versionTLS13:
		return "13"
	case versionTLS12:
		return "12"
	case versionTLS11:
		return "11"
	case versionTLS10:
		return "10"
	case versionSSL3:
		return "s3"
	case versionSSL2:
		return "s2"
	case versionDTLS10:
		return "d1"
	case versionDTLS12:
		return "d2"
	case versionDTLS13:
		return "d3"
	}
	return "00"
}

func appendCount(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, '0'+byte(n/10), '0'+byte(n%10))
}

// appendJA4Protocol: first and last character of the first ALPN name; of its
// hexadecimal form if either octet is not a letter or digit.
func appendJA4Protocol(b, name []byte) []byte {
	if len(name) == 0 {
		return append(b, "00"...)
	}
	first, last := name[0], name[len(name)-1]
	if !alphanumeric(first) || !alphanumeric(last) {
		const digits = "0123456789abcdef"
		first, last = digits[first>>4], digits[last&15]
	}
	return append(b, first, last)
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func sorted(list []uint16) []uint16 {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// appendJA4Hash appends the first 12 digits of the SHA-256 of list, and behind
// an underscore of tail if there is one, all in hexadecimal with commas. An
// empty list gives zeros.
func appendJA4Hash(b []byte, list, tail []uint16) []byte {
	if len(list) == 0 {
		return append(b, "000000000000"...)
	}
	text := appendHexList(make([]byte, 0, 256), list)
	if len(tail) > 0 {
		text = append(text, '_')
		text = appendHexList(text, tail)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(b, sum[:6])
}

func appendHexList(b []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
	}
	return b
}
