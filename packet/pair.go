package packet

import "net/netip"

// PairKey is the key of two hosts and the server's port, 0 = any, without a
// protocol; the side is the client's. An address that is not valid is all zero.
func PairKey(client, server netip.Addr, port uint16) (Key, Side) {
	k := Key{A: as16(client), B: as16(server), BPort: port}
	if compare(&k.A, &k.B) > 0 {
		return Key{A: k.B, B: k.A, APort: port}, FromB
	}
	return k, FromA
}

func as16(a netip.Addr) (b [16]byte) {
	if a.IsValid() {
		b = a.As16()
	}
	return b
}
