package packet

// Shard hashes the two addresses of a frame so that both directions, all
// fragments and the ICMP errors between two hosts get the same value, whatever
// their ports: workers share no state. Frames without addresses get 0.
func Shard(data []byte, link LinkType) uint32 {
	p := Packet{Data: data}
	proto, out := p.link(link)
	if out != OK {
		return 0
	}
	d := data[p.L3:]
	var a, b uint64
	switch {
	case proto == etherIPv4 && len(d) >= 20:
		a, b = uint64(be.Uint32(d[12:])), uint64(be.Uint32(d[16:]))
	case proto == etherIPv6 && len(d) >= 40:
		a, b = fold(d[8:24]), fold(d[24:40])
	default:
		return 0
	}
	// Symmetric: both orders give the same sum and product.
	h := (a+b)*0x9e3779b97f4a7c15 ^ (a^b)*0xc2b2ae3d27d4eb4f
	return uint32(mix(h) >> 32)
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
	h := be.Uint64(k.A[:8])*0x9e3779b97f4a7c15 ^ be.Uint64(k.A[8:])
	h = mix(h) ^ be.Uint64(k.B[:8])*0x9e3779b97f4a7c15
	h = h*0xc2b2ae3d27d4eb4f ^ be.Uint64(k.B[8:])
	h = mix(h) ^ uint64(k.APort)<<40 ^ uint64(k.BPort)<<16 ^ uint64(k.Proto)
	return mix(h)
}
