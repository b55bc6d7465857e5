package packet

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// seeds are frames of every kind that Parse reads.
func seeds(t testing.TB) [][]byte {
	tcp := &layers.TCP{SrcPort: 50000, DstPort: 80, Seq: 7, Ack: 9, ACK: true, Options: []layers.TCPOption{{OptionType: 1}, {OptionType: 1}, {OptionType: 8, OptionLength: 10, OptionData: make([]byte, 8)}}}
	udp := &layers.UDP{SrcPort: 53, DstPort: 40000}
	pay := gopacket.Payload("hello")
	f4, _ := fragments4(t, 7, 100, 64)
	f6, _ := fragments6(t, 7, 90, 64)
	return append(append([][]byte{
		frame(t, eth(0x800), ip4("10.0.0.2", "10.0.0.1", 6), tcp, pay),
		frame(t, eth(0x86dd), ip6("2001:db8::1", "2001:db8::2", 17), udp, pay),
		frame(t, eth(0x8100), &layers.Dot1Q{VLANIdentifier: 7, Type: 0x800}, ip4("10.0.0.2", "10.0.0.1", 6), tcp, pay),
		frame(t, eth(0x800), withOptions(ip4("10.0.0.2", "10.0.0.1", 6)), tcp, pay),
		frame(t, eth(0x800), ip4("10.0.0.2", "10.0.0.1", 1), &layers.ICMPv4{TypeCode: 0x0800, Id: 3}, pay),
	}, f4...), f6...)
}

// FuzzParse compares with gopacket's layers, an independent reader. gopacket's
// own decoders may panic or give up on hostile frames; then only our own
// invariants are asserted.
func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, uint16(LinkEthernet), uint16(0))
	}
	f.Add(seeds(f)[0][14:], uint16(LinkRaw), uint16(9))
	f.Fuzz(func(t *testing.T, data []byte, link, more uint16) {
		var p Packet
		wire := uint32(len(data)) + uint32(more)
		out := p.Parse(data, wire, LinkType(link))
		invariants(t, &p, out)
		var q Packet
		if h, o := Shard(&q, data, wire, LinkType(link)); out == OK && (o != OK || h != p.Key.Pair()) {
			t.Errorf("shard %d, %v; the key's is %d", h, o, p.Key.Pair())
		}
		if out == OK && p.Embedded(&q) && q.Key.Proto == 0 {
			t.Error("quoted datagram without protocol")
		}
		var r Reassembler
		if out == Fragment {
			if _, o := r.Add(&p, 0, &q); o == OK {
				invariants(t, &q, o)
			}
		}
		if LinkType(link) == LinkEthernet && more == 0 && out == OK {
			compareWithGopacket(t, data, &p)
		}
	})
}

func invariants(t *testing.T, p *Packet, out Outcome) {
	if out >= NumOutcomes {
		t.Fatalf("outcome %d", out)
	}
	if out == OK && (p.Payload > p.End || p.End > len(p.Data) || p.L4 > p.Payload || p.Missing < 0) {
		t.Fatalf("offsets %+v of %d octets", p, len(p.Data))
	}
	if out == OK {
		if c := compare(&p.Key.A, &p.Key.B); c > 0 || c == 0 && p.Key.APort > p.Key.BPort {
			t.Fatalf("key is not canonical: %+v", p.Key)
		}
	}
}

func compareWithGopacket(t *testing.T, data []byte, p *Packet) {
	g := decode(data)
	if g == nil || g.ErrorLayer() != nil || g.Metadata().Truncated {
		return
	}
	var src, dst []byte
	tunnels := 0
	for _, l := range g.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			src, dst = l.SrcIP.To16(), l.DstIP.To16()
			tunnels++
		case *layers.IPv6:
			src, dst = l.SrcIP, l.DstIP
			tunnels++
		case *layers.LLC, *layers.IPv6HopByHop, *layers.IPv6Destination, *layers.IPv6Routing, *layers.IPSecAH:
			return // gopacket reads these differently or in part
		case *layers.MPLS, *layers.PPPoE, *layers.GRE:
			return // tunnels: the key is the outer flow's
		}
	}
	if tunnels != 1 {
		return
	}
	a, b := p.Src(), p.Dst()
	if !bytes.Equal(a[:], src) || !bytes.Equal(b[:], dst) {
		t.Fatalf("addresses %x > %x, gopacket %x > %x", a, b, src, dst)
	}
	switch l := g.TransportLayer().(type) {
	case *layers.TCP:
		if p.Seq != l.Seq || p.Ack != l.Ack || p.Key.Port(p.Side) != uint16(l.SrcPort) || p.Flags&SYN != 0 != l.SYN || p.Flags&FIN != 0 != l.FIN {
			t.Fatalf("TCP %+v, gopacket %+v", p, l)
		}
		if !bytes.Equal(p.Bytes(), l.Payload) {
			t.Fatalf("payload %x, gopacket %x", p.Bytes(), l.Payload)
		}
	case *layers.UDP:
		if p.Key.Port(p.Side) != uint16(l.SrcPort) || p.Key.Port(p.Side.Other()) != uint16(l.DstPort) {
			t.Fatalf("UDP ports of %+v, gopacket %+v", p.Key, l)
		}
	}
}

// decode is gopacket's reading, nil when it panics: v1.1.19 does on some frames.
func decode(data []byte) (g gopacket.Packet) {
	defer func() {
		if recover() != nil {
			g = nil
		}
	}()
	g = gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
	g.Layers()
	return g
}

// FuzzPlainTCP: the short way for plain TCP says what the long way says, whatever
// was in the packet before.
func FuzzPlainTCP(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, uint16(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, more uint16) {
		wire := uint32(len(data)) + uint32(more)
		short := Packet{VLANs: 1, VLAN: [2]uint16{7, 8}, Tunnel: Tunnel{Kind: GRE, Depth: 2}, ICMPID: 3, Missing: 9, BadSum: true}
		if !short.plainTCP(data, wire) {
			return
		}
		var long Packet
		if out := long.parse(data, wire, LinkEthernet); out != OK {
			t.Fatalf("the long way says %v", out)
		}
		if !reflect.DeepEqual(short, long) {
			t.Errorf("short %+v\nlong  %+v", short, long)
		}
	})
}
