package index

import (
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
)

func TestKeyer(t *testing.T) {
	a, b := h("10.0.0.1", 1000), h("10.0.0.2", 53)
	a6, b6 := h("2001:db8::1", 1000), h("2001:db8::2", 53)
	bare := func(h host) host { return host{addr: h.addr} }
	order := func(fs []frame, order ...int) (out []frame) {
		for _, i := range order {
			out = append(out, fs[i])
		}
		return out
	}
	key := func(proto uint8, src, dst host) packet.Key { k, _ := keyOf(proto, src, dst); return k }
	whole, without := key(packet.ProtoUDP, a, b), key(packet.ProtoUDP, bare(a), bare(b))
	tests := []struct {
		name   string
		frames []frame
		keys   []packet.Key
		flags  Flags
	}{
		{"fragments", fragments(a, b, 5, 3000), []packet.Key{whole, whole, whole}, Fragments},
		{"fragments, the sender's port is higher", fragments(b, a, 5, 3000), []packet.Key{whole, whole, whole}, Fragments},
		{"fragments of IPv6", fragments(a6, b6, 5, 2000), []packet.Key{key(17, a6, b6), key(17, a6, b6)}, Fragments},
		{"the last fragment first", order(fragments(a, b, 5, 3000), 2, 0, 1), []packet.Key{without, whole, whole}, Fragments},
		{"fragments of two datagrams in turn", append(order(fragments(a, b, 5, 2000), 0), order(fragments(b, a, 5, 2000), 0, 1)...),
			[]packet.Key{whole, whole, whole}, Fragments},
		{"header cut behind the ports", []frame{tcpFrame(a, b, packet.ACK, 100).cut(14 + 20 + 6)}, []packet.Key{key(6, a, b)}, 0},
		{"header cut before the ports", []frame{tcpFrame(a, b, packet.ACK, 100).cut(14 + 20 + 2)}, []packet.Key{key(6, bare(a), bare(b))}, 0},
		{"IP header cut", []frame{tcpFrame(a, b, packet.ACK, 100).cut(14 + 19)}, []packet.Key{{}}, NoIP},
		{"IPv6 header cut behind the ports", []frame{tcpFrame(a6, b6, packet.ACK, 100).cut(14 + 40 + 6)}, []packet.Key{key(6, a6, b6)}, 0},
		{"ARP", []frame{arpFrame(1, a, b), arpFrame(2, b, a)}, []packet.Key{key(ProtoARP, bare(a), bare(b)), key(ProtoARP, bare(a), bare(b))}, 0},
		{"ARP cut", []frame{arpFrame(1, a, b).cut(30)}, []packet.Key{{}}, NoIP},
		{"LLDP", []frame{{data: ether(0, 0x88cc, make([]byte, 46)), link: packet.LinkEthernet}}, []packet.Key{{}}, NoIP},
		{"unknown link", []frame{{data: make([]byte, 60), link: 147}}, []packet.Key{{}}, NoIP},
		{"nothing", []frame{{link: packet.LinkEthernet}}, []packet.Key{{}}, NoIP},
	}
	for _, tt := range tests {
		var y Keyer
		for i, f := range tt.frames {
			k, _, flags := y.Key(&segment.Packet{Data: f.data, WireLen: max(f.wire, uint32(len(f.data))), Link: f.link})
			if k != tt.keys[i] || flags != tt.flags {
				t.Errorf("%s, packet %d: %v, flags %b; want %v, %b", tt.name, i, k, flags, tt.keys[i], tt.flags)
			}
		}
	}
}

// A datagram that follows on the same identification much later is another one.
func TestFragmentsAreForgotten(t *testing.T) {
	fs := fragments(h("10.0.0.1", 1000), h("10.0.0.2", 53), 5, 3000)
	for _, tt := range []struct {
		after int64
		known bool
	}{{29e9, true}, {31e9, false}, {-31e9, false}} {
		var y Keyer
		y.Key(&segment.Packet{Time: 1e15, Data: fs[0].data, WireLen: fs[0].wire, Link: fs[0].link})
		k, _, _ := y.Key(&segment.Packet{Time: 1e15 + tt.after, Data: fs[1].data, WireLen: fs[1].wire, Link: fs[1].link})
		if (k == fs[0].key) != tt.known {
			t.Errorf("after %d s: known %v", tt.after/1e9, k == fs[0].key)
		}
	}
}

// What is inside a fragmented tunnel is the flow, as it is for a whole datagram.
func TestFragmentsOfATunnel(t *testing.T) {
	a, b := h("10.0.0.1", 1000), h("10.0.0.2", 443)
	outer := host{addr: h("192.0.2.1", 0).addr}
	_, inner := datagram(packet.ProtoTCP, a, b, 1, 0, tcpHead(a, b, packet.ACK, 1200))
	etherType, first := datagram(4, outer, host{addr: h("192.0.2.2", 0).addr}, 9, 0x2000, inner[:1024])
	_, rest := datagram(4, outer, host{addr: h("192.0.2.2", 0).addr}, 9, 128, inner[1024:])
	var y Keyer
	want, side := keyOf(packet.ProtoTCP, a, b)
	for i, ip := range [][]byte{first, rest} {
		d := ether(0, etherType, ip)
		k, s, _ := y.Key(&segment.Packet{Data: d, WireLen: uint32(len(d)), Link: packet.LinkEthernet})
		if k != want || s != side {
			t.Errorf("fragment %d: %v", i, k)
		}
	}
}

func FuzzPacket(f *testing.F) {
	for _, fr := range append(randomTraffic(1, 100), fragments(h("2001:db8::1", 1), h("2001:db8::2", 2), 1, 3000)...) {
		f.Add(fr.data, uint16(fr.link))
		f.Add(fr.cut(40).data, uint16(packet.LinkRaw))
	}
	f.Fuzz(func(t *testing.T, data []byte, link uint16) {
		b := NewBuilder()
		pos := int64(0)
		for cut := 0; cut < 3; cut++ {
			d := data[:len(data)-min(len(data), cut*7)]
			b.Packet(&segment.Packet{Pos: pos, Len: len(d) + 32, Time: int64(cut), WireLen: uint32(len(data)), Link: packet.LinkType(link), Data: d})
			pos += int64(len(d) + 32)
		}
		want := b.Index(Info{Size: pos})
		got, err := openBytes(t, b.Encode(nil, Info{Size: pos})).Index()
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want)
	})
}
