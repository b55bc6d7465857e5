package packet

import "math/bits"

// Shard hashes the two addresses of a frame, the innermost ones when it is
// encapsulated, so that both directions of all flows between two hosts get the
// same value, whatever their ports: workers share no state. It parses the frame
// into p only when it must. A fragment is for a Reassembler first: its outcome
// says so, and p holds it. Frames without addresses get 0.
func Shard(p *Packet, data []byte, wireLen uint32, link LinkType) (uint32, Outcome) {
	// Most frames are TCP over IPv4 right behind an Ethernet header.
	if link == LinkEthernet && len(data) >= 34 && be.Uint16(data[12:]) == etherIPv4 && data[23] == ProtoTCP &&
		be.Uint16(data[20:])&0x3fff == 0 {
		return pair(uint64(be.Uint32(data[26:])), uint64(be.Uint32(data[30:]))), OK
	}
	out := p.Parse(data, wireLen, link)
	if out != OK {
		return 0, out
	}
	return p.Key.Pair(), OK
}

// Pair is the value of Shard for the key's addresses.
func (k *Key) Pair() uint32 {
	if IsV4(&k.A) && IsV4(&k.B) {
		return pair(uint64(be.Uint32(k.A[12:])), uint64(be.Uint32(k.B[12:])))
	}
	return pair(fold(k.A[:]), fold(k.B[:]))
}

// pair is symmetric: both orders give the same sum and difference of bits.
func pair(a, b uint64) uint32 {
	return uint32(mix((a+b)*0x9e3779b97f4a7c15^(a^b)*0xc2b2ae3d27d4eb4f) >> 32)
}

func fold(a []byte) uint64 { return be.Uint64(a)*0x9e3779b97f4a7c15 ^ be.Uint64(a[8:]) }

func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// Hash is a hash of the key for tables and flow ids. It is the same on every
// machine and run.
func (k *Key) Hash() uint64 {
	h := fold(k.A[:]) + bits.RotateLeft64(fold(k.B[:]), 31)
	return mix(h ^ (uint64(k.APort)<<40^uint64(k.BPort)<<16^uint64(k.Proto))*0xc2b2ae3d27d4eb4f)
}
