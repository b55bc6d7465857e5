package packet

import "encoding/binary"

// digestLen is how many octets from layer 4 on Digest reads: the header with its
// sequence numbers and checksum, and the payload's beginning. More would cost a
// cache miss a packet.
const digestLen = 64

// Digest hashes what stays the same when a switch mirrors a packet twice, before
// and behind a router or a VLAN: the first octets from layer 4 on, the IPv4
// identification and the lengths; not the link header, VLAN tags, TTL and IP
// checksum.
func (p *Packet) Digest() uint64 {
	d := p.Data[p.L4:p.End]
	h := uint64(p.ID)<<48 ^ uint64(p.IPLen)<<16 ^ uint64(p.Key.Proto) ^ uint64(p.Side)<<8
	return mix(fold64(h, d[:min(len(d), digestLen)]))
}

// fold64 folds octets into h, eight at a time.
func fold64(h uint64, d []byte) uint64 {
	const k = 0x9e3779b97f4a7c15
	for ; len(d) >= 8; d = d[8:] {
		h = (h ^ binary.LittleEndian.Uint64(d)) * k
		h ^= h >> 29
	}
	for _, c := range d {
		h = (h ^ uint64(c)) * k
	}
	return h
}
