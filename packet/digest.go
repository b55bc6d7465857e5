package packet

import "encoding/binary"

const (
	digestHead = 128 // octets of layer 4 that Digest reads at the front
	digestTail = 32  // and at the end
)

// Digest hashes what stays the same when a switch mirrors a packet twice, before
// and behind a router or a VLAN: all from layer 4 on (its first and last octets
// when it is long), the IPv4 identification and the lengths; not the link
// header, VLAN tags, TTL and IP checksum.
func (p *Packet) Digest() uint64 {
	d := p.Data[p.L4:p.End]
	h := uint64(p.ID)<<48 ^ uint64(p.IPLen)<<16 ^ uint64(p.Key.Proto) ^ uint64(p.Side)<<8
	if len(d) > digestHead+digestTail {
		h = fold64(h, d[len(d)-digestTail:])
		d = d[:digestHead]
	}
	return mix(fold64(h, d))
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
