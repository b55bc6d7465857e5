package packet

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// inner is what every tunnel below carries: 10.9.0.1:1111 > 10.9.0.2:2222 "inner".
func inner(t testing.TB) (whole, datagram, six []byte) {
	u := &layers.UDP{SrcPort: 1111, DstPort: 2222}
	whole = frame(t, eth(0x800), ip4("10.9.0.1", "10.9.0.2", 17), u, gopacket.Payload("inner"))
	six = frame(t, ip6("2001:db8:9::1", "2001:db8:9::2", 17), u, gopacket.Payload("inner"))
	return whole, whole[14:], six
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestTunnels(t *testing.T) {
	whole, dgram, six := inner(t)
	tagged := cat(whole[:12], []byte{0x81, 0, 0, 77}, whole[12:])
	teredo := bytes.Clone(six)
	copy(teredo[8:], []byte{0x20, 0x01, 0, 0})
	udp := func(port int, payload ...[]byte) []byte {
		return frame(t, eth(0x800), ip4("192.0.2.1", "192.0.2.2", 17), &layers.UDP{SrcPort: 50000, DstPort: layers.UDPPort(port)}, gopacket.Payload(cat(payload...)))
	}
	ip := func(proto layers.IPProtocol, payload ...[]byte) []byte {
		return frame(t, eth(0x800), ip4("192.0.2.1", "192.0.2.2", proto), gopacket.Payload(cat(payload...)))
	}
	link := func(typ layers.EthernetType, payload ...[]byte) []byte {
		return frame(t, eth(typ), gopacket.Payload(cat(payload...)))
	}
	wlan := cat([]byte{0x88, 1}, make([]byte, 24), []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, dgram)
	tests := []struct {
		name string
		data []byte
		kind TunnelKind
		id   uint32
		vlan uint16
	}{
		{"GRE", ip(47, []byte{0, 0, 8, 0}, dgram), GRE, 0, 0},
		{"GRE with checksum, key and sequence", ip(47, []byte{0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1}, dgram), GRE, 7, 0},
		{"GRE, IPv6 inside", ip(47, []byte{0, 0, 0x86, 0xdd}, six), GRE, 0, 0},
		{"PPTP", ip(47, []byte{0x30, 0x81, 0x88, 0x0b, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21}, dgram), GRE, 9, 0},
		{"NVGRE", ip(47, []byte{0x20, 0, 0x65, 0x58, 0, 0, 5, 9}, whole), NVGRE, 5, 0},
		{"ERSPAN I", ip(47, []byte{0, 0, 0x88, 0xbe}, whole), ERSPAN1, 0, 0},
		{"ERSPAN II", ip(47, []byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 3, 0, 0, 0, 0}, tagged), ERSPAN2, 3, 77},
		{"ERSPAN III", ip(47, []byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0}, whole), ERSPAN3, 4, 0},
		{"ERSPAN III with a subheader", ip(47, []byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 8), whole), ERSPAN3, 4, 0},
		{"VXLAN", udp(4789, []byte{8, 0, 0, 0, 0, 0, 42, 0}, whole), VXLAN, 42, 0},
		{"VXLAN on any port", udp(12345, []byte{8, 0, 0, 0, 0, 0, 42, 0}, whole), VXLAN, 42, 0},
		{"VXLAN-GPE", udp(4790, []byte{0x0c, 0, 0, 1, 0, 0, 42, 0}, dgram), VXLAN, 42, 0},
		{"GENEVE with options", udp(6081, []byte{1, 0, 0x65, 0x58, 0, 0, 43, 0, 1, 2, 3, 4}, whole), GENEVE, 43, 0},
		{"GENEVE on any port", udp(7777, []byte{0, 0, 0x65, 0x58, 0, 0, 43, 0}, whole), GENEVE, 43, 0},
		{"MPLS, two labels", link(0x8847, []byte{0, 1, 0, 64, 0, 2, 1, 64}, dgram), MPLS, 32, 0},
		{"MPLS pseudo-wire", link(0x8847, []byte{0, 1, 1, 64, 0, 0, 0, 0}, whole), MPLS, 16, 0},
		{"MPLS in UDP", udp(6635, []byte{0, 1, 1, 64}, dgram), MPLS, 16, 0},
		{"PPPoE", link(0x8864, []byte{0x11, 0, 0, 5, 0, byte(len(dgram) + 2), 0, 0x21}, dgram, make([]byte, 10)), PPPoE, 5, 0},
		{"IP in IP", ip(4, dgram), IPIP, 0, 0},
		{"6in4", ip(41, six), SixIn4, 0, 0},
		{"EtherIP", ip(97, []byte{0x30, 0}, whole), EtherIP, 0, 0},
		{"Teredo", udp(3544, six), Teredo, 0, 0},
		{"Teredo with authentication and origin", udp(3544, []byte{0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 9, 1, 2, 3, 4}, six), Teredo, 0, 0},
		{"Teredo on any port", udp(40001, teredo), Teredo, 0, 0},
		{"GTP-U", udp(2152, []byte{0x30, 0xff, 0, byte(len(dgram)), 0, 0, 1, 2}, dgram), GTPU, 258, 0},
		{"GTP-U with an extension header", udp(2152, []byte{0x34, 0xff, 0, byte(len(dgram) + 8), 0, 0, 1, 2, 0, 0, 0, 0x85, 1, 0, 0, 0}, dgram), GTPU, 258, 0},
		{"GTP-U on any port", udp(2200, []byte{0x30, 0xff, 0, byte(len(dgram)), 0, 0, 1, 2}, dgram), GTPU, 258, 0},
		{"TZSP", udp(37008, []byte{1, 0, 0, 1, 10, 1, 0xd2, 0, 1}, whole), TZSP, 0, 0},
		{"CAPWAP, 802.3", udp(5247, []byte{0, 0x10, 0, 0, 0, 0, 0, 0}, whole), CAPWAP, 0, 0},
		{"CAPWAP, 802.11", udp(5247, []byte{0, 0x10, 1, 0, 0, 0, 0, 0}, wlan), CAPWAP, 0, 0},
		{"L2TPv2", udp(1701, []byte{0, 2, 0, 3, 0, 4, 0xff, 3, 0, 0x21}, dgram), L2TPv2, 0x30004, 0},
		{"L2TPv3 over IP with a cookie", ip(115, []byte{0, 0, 0, 6, 1, 2, 3, 4}, whole), L2TPv3, 6, 0},
		{"L2TPv3 over UDP", udp(1701, []byte{0, 3, 0, 0, 0, 0, 0, 6}, whole), L2TPv3, 6, 0},
		{"802.1ah", link(0x88e7, []byte{0, 0, 0, 99}, whole), PBB, 99, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p Packet
			if out := p.Parse(tt.data, uint32(len(tt.data)), LinkEthernet); out != OK {
				t.Fatalf("outcome %v", out)
			}
			if string(p.Bytes()) != "inner" || p.Key.Port(p.Side) != 1111 {
				t.Errorf("payload %q of port %d", p.Bytes(), p.Key.Port(p.Side))
			}
			if p.Tunnel.Kind != tt.kind || p.Tunnel.ID != tt.id || p.Tunnel.Depth != 1 {
				t.Errorf("tunnel %v %d depth %d, want %v %d depth 1", p.Tunnel.Kind, p.Tunnel.ID, p.Tunnel.Depth, tt.kind, tt.id)
			}
			if tt.vlan != 0 && (p.VLANs != 1 || p.VLAN[0] != tt.vlan) {
				t.Errorf("VLAN %v, want %d", p.VLAN[:p.VLANs], tt.vlan)
			}
			if h, out := Shard(new(Packet), tt.data, uint32(len(tt.data)), LinkEthernet); out != OK || h != p.Key.Pair() {
				t.Error("sharded by other addresses than those of the flow")
			}
		})
	}
}

// What is no tunnel, or carries nothing with a flow, stays the outer flow.
func TestNoTunnel(t *testing.T) {
	whole, dgram, _ := inner(t)
	bad := bytes.Clone(whole)
	bad[24]++ // the inner IP checksum
	udp := func(port int, payload []byte) []byte {
		return frame(t, eth(0x800), ip4("192.0.2.1", "192.0.2.2", 17), &layers.UDP{SrcPort: 50000, DstPort: layers.UDPPort(port)}, gopacket.Payload(payload))
	}
	for name, data := range map[string][]byte{
		"VXLAN port, other content":         udp(4789, []byte("hello, world, this is not VXLAN")),
		"VXLAN carrying LLDP":               udp(4789, cat([]byte{8, 0, 0, 0, 0, 0, 1, 0}, macB, macA, []byte{0x88, 0xcc, 1, 2, 3})),
		"looks like VXLAN, wrong checksum":  udp(9999, cat([]byte{8, 0, 0, 0, 0, 0, 1, 0}, bad)),
		"GTP echo request":                  udp(2152, []byte{0x32, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0}),
		"looks like GTP-U, wrong length":    udp(9999, cat([]byte{0x30, 0xff, 0, 200, 0, 0, 1, 2}, dgram)),
		"CAPWAP with DTLS":                  udp(5247, cat([]byte{1, 0, 0, 0}, whole)),
		"L2TP control message":              udp(1701, []byte{0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0}),
		"GRE whose packet is cut by nobody": frame(t, eth(0x800), ip4("192.0.2.1", "192.0.2.2", 47), gopacket.Payload([]byte{0, 0, 8, 0, 0x45, 0})),
	} {
		var p Packet
		if out := p.Parse(data, uint32(len(data)), LinkEthernet); out != OK || p.Tunnel.Kind != NoTunnel || p.Src() != addr("192.0.2.1") {
			t.Errorf("%s: %v, tunnel %v, source %v", name, out, p.Tunnel.Kind, p.Src())
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	_, data, _ := inner(t)
	for depth := 1; depth <= maxTunnels+2; depth++ {
		data = frame(t, ip4("192.0.2.1", "192.0.2.2", 4), gopacket.Payload(data))
		var p Packet
		if out := p.Parse(data, uint32(len(data)), LinkRaw); out != OK || int(p.Tunnel.Depth) != min(depth, maxTunnels) {
			t.Errorf("%d datagrams around: %v, depth %d", depth, out, p.Tunnel.Depth)
		}
	}
}

func TestFragmentedTunnel(t *testing.T) {
	whole, _, _ := inner(t)
	big := frame(t, ip4("192.0.2.1", "192.0.2.2", 17), &layers.UDP{SrcPort: 5, DstPort: 4789}, gopacket.Payload(cat([]byte{8, 0, 0, 0, 0, 0, 42, 0}, whole)))[20:]
	var r Reassembler
	var p, out Packet
	for off := 0; off < len(big); off += 24 {
		end := min(off+24, len(big))
		h := ip4("192.0.2.1", "192.0.2.2", 17)
		h.Id, h.FragOffset = 3, uint16(off/8)
		if end < len(big) {
			h.Flags = layers.IPv4MoreFragments
		}
		f := frame(t, eth(0x800), h, gopacket.Payload(big[off:end]))
		if o := p.Parse(f, uint32(len(f)), LinkEthernet); o != Fragment {
			t.Fatal(o)
		}
		if _, o := r.Add(&p, 0, &out); o == OK {
			if out.Tunnel.Kind != VXLAN || string(out.Bytes()) != "inner" {
				t.Errorf("tunnel %v, payload %q", out.Tunnel.Kind, out.Bytes())
			}
			return
		}
	}
	t.Error("the datagram did not come out")
}
