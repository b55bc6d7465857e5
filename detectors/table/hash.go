package table

import (
	"encoding/binary"
	"net/netip"
)

// Hashes: FNV-1a, of octets or of whole words, with murmur3's finalizer. They must be the same in every run,
// so they have no secret seed: who crafts a collision mixes his own histories.

const fnvOffset, fnvPrime = 14695981039346656037, 1099511628211

// Mix spreads a number over all 64 bits (murmur3, fmix64).
func Mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// Name hashes a name without regard to ASCII case.
func Name(s string) uint64 {
	h := uint64(fnvOffset)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint64(c)) * fnvPrime
	}
	return Mix(h)
}

// Addr hashes an address; an IPv4 address and the IPv6 address that maps it are one.
func Addr(a netip.Addr) uint64 {
	b := a.As16()
	return Pair(binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]))
}

// Octets hashes octets.
func Octets(b []byte) uint64 {
	h := uint64(fnvOffset)
	for _, c := range b {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return Mix(h)
}

// Number hashes a number into a hash.
func Number(h, v uint64) uint64 { return Mix((h ^ v) * fnvPrime) }

// Pair hashes two hashes; their order counts.
func Pair(a, b uint64) uint64 { return Number(Number(fnvOffset, a), b) }
