package index

import (
	"encoding/binary"
	"strings"

	"kagami/packet"
)

type hashKind uint8

const (
	hashAddr hashKind = iota + 1
	hashPort
	hashFlow
	hashName
)

// Hash is what a filter is asked for. It holds the plain address or port, too:
// folds have ranges of these.
type Hash struct {
	kind  hashKind
	port  uint16
	addr  [16]byte
	value uint64
}

// AddrHash stands for an address, IPv4 mapped into 16 octets.
func AddrHash(addr [16]byte) Hash {
	return Hash{kind: hashAddr, addr: addr, value: addrValue(&addr)}
}

// PortHash stands for a port of either side.
func PortHash(port uint16) Hash {
	return Hash{kind: hashPort, port: port, value: mix(uint64(port) ^ uint64(hashPort)<<60)}
}

// FlowHash stands for a flow. It is that of its Community ID, because a query may
// know nothing else of it.
func FlowHash(k *packet.Key) Hash { return FlowIDHash(k.CommunityID(packet.FromA)) }

// FlowIDHash stands for the flow with this Community ID ("1:" and base64).
func FlowIDHash(id string) Hash { return Hash{kind: hashFlow, value: flowValue(id)} }

// NameHash stands for a name and all below it, or for the id of an alert. Case and a
// dot at the end make no difference.
func NameHash(name string) Hash {
	return Hash{kind: hashName, value: nameValue(strings.TrimSuffix(name, "."))}
}

func addrValue(a *[16]byte) uint64 {
	h := binary.LittleEndian.Uint64(a[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(a[8:])
	return mix(h ^ uint64(hashAddr)<<60)
}

// flowValue hashes a Community ID, eight octets at a time.
func flowValue(id string) uint64 {
	h := uint64(hashFlow) << 60
	for ; len(id) >= 8; id = id[8:] {
		h = (h ^ binary.LittleEndian.Uint64([]byte(id[:8]))) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 0x9e3779b97f4a7c15
	}
	return mix(h)
}

func nameValue(name string) uint64 {
	h := uint64(hashName) << 60
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return mix(h)
}

// mix is the finalizer of splitmix64.
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// bloom methods that put in all that stands for a thing.

// flow puts in a flow's Community IDs: an ICMP message without counterpart has one
// for each sender.
func (b *bloom) flow(k *packet.Key) {
	b.add(flowValue(k.CommunityID(packet.FromA)))
	if k.Proto == packet.ProtoICMP || k.Proto == packet.ProtoICMPv6 {
		b.add(flowValue(k.CommunityID(packet.FromB)))
	}
}

// row puts in a flow, its addresses and ports.
func (b *bloom) row(k *packet.Key) {
	b.flow(k)
	b.add(addrValue(&k.A))
	b.add(addrValue(&k.B))
	b.add(PortHash(k.APort).value)
	b.add(PortHash(k.BPort).value)
}

// name puts in a name and each domain of two labels or more that it is in.
func (b *bloom) name(name string) {
	name = strings.TrimSuffix(name, ".")
	b.add(nameValue(name))
	for {
		_, rest, ok := strings.Cut(name, ".")
		if !ok || !strings.Contains(rest, ".") {
			return
		}
		b.add(nameValue(rest))
		name = rest
	}
}
