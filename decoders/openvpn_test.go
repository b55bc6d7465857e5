package decoders

import (
	"bytes"
	"encoding/binary"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// openvpnSay is a packet of the control channel.
func openvpnSay(opcode byte, auth int, acks []uint32, id uint32, payload []byte) []byte {
	b := append([]byte{opcode << 3}, "sessionA"...)
	b = append(b, bytes.Repeat([]byte{0x5a}, auth)...)
	b = append(b, byte(len(acks)))
	for _, n := range acks {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	if len(acks) > 0 {
		b = append(b, "sessionB"...)
	}
	if opcode == openvpnAck {
		return b
	}
	return append(binary.BigEndian.AppendUint32(b, id), payload...)
}

// openvpnTalk is a handshake in packets of which one comes early, one twice.
func openvpnTalk(auth int) []spoken {
	hello := clientHello("", extension(0, "\x00\x11\x00\x00\x0evpn.example.jp"))
	return []spoken{
		{packet.FromA, openvpnSay(openvpnResetClient, auth, nil, 0, nil)},
		{packet.FromB, openvpnSay(openvpnResetServer, auth, []uint32{0}, 0, nil)},
		{packet.FromA, openvpnSay(openvpnAck, auth, []uint32{0}, 0, nil)},
		{packet.FromA, openvpnSay(openvpnControl, auth, nil, 2, hello[20:50])},
		{packet.FromA, openvpnSay(openvpnControl, auth, nil, 1, hello[:20])},
		{packet.FromA, openvpnSay(openvpnControl, auth, nil, 1, hello[:20])},
		{packet.FromA, openvpnSay(openvpnControl, auth, []uint32{0}, 3, hello[50:])},
		{packet.FromB, openvpnSay(openvpnControl, auth, []uint32{1, 2, 3}, 1, serverHello("", 0xc02f))},
	}
}

// playOpenVPN gives packets to a decoder; over TCP in pieces.
func playOpenVPN(tb testing.TB, transport uint8, said []spoken, piece int) (f *sensor.Flow, out []records.Record) {
	tb.Helper()
	p := openvpnProtocol(transport)
	f = sensor.NewTestFlow(transport)
	d := p.New()
	for _, s := range said {
		b := s.b
		if transport == packet.ProtoTCP {
			b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
		} else {
			piece = len(b)
		}
		for ; len(b) > 0; b = b[min(piece, len(b)):] {
			f.TestSent(s.side, min(piece, len(b)), 1)
			if d.Data(f, s.side, b[:min(piece, len(b))], func(r records.Record) { out = append(out, r) }) == sensor.Done {
				return f, out
			}
		}
	}
	d.Close(f, func(r records.Record) { out = append(out, r) })
	return f, out
}

func TestOpenVPN(t *testing.T) {
	for _, transport := range []uint8{packet.ProtoUDP, packet.ProtoTCP} {
		for _, auth := range openvpnAuth {
			for _, piece := range []int{1, 11, 1 << 20} {
				f, out := playOpenVPN(t, transport, openvpnTalk(auth), piece)
				if len(out) != 1 || f.Service != "openvpn" || f.ServerName != "vpn.example.jp" {
					t.Fatalf("%d, tls-auth %d, pieces of %d: %q %q %+v", transport, auth, piece, f.Service, f.ServerName, out)
				}
				if r := out[0].(*records.TLS); r.ServerName != "vpn.example.jp" || r.Via != "OpenVPN" || r.Protocol != "tls" || !r.ServerHello {
					t.Errorf("%d, tls-auth %d: %+v", transport, auth, r)
				}
			}
		}
	}
}

func TestOpenVPNMatch(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoUDP)
	udp, tcp := openvpnProtocol(packet.ProtoUDP), openvpnProtocol(packet.ProtoTCP)
	first := openvpnTalk(28)
	stream := append([]byte{0, byte(len(first[0].b))}, first[0].b...)
	wrong := bytes.Clone(first[0].b)
	wrong[len(wrong)-1] = 1
	crypt := bytes.Repeat([]byte{0x38}, 54)
	for _, c := range []struct {
		p    sensor.Protocol
		b    []byte
		want sensor.Match
	}{
		{udp, first[0].b, sensor.FromClient}, {udp, first[1].b, sensor.FromServer}, {udp, first[3].b, sensor.No}, {udp, first[0].b[1:], sensor.No},
		{udp, wrong, sensor.No}, {udp, crypt, sensor.No}, {udp, nil, sensor.No}, {tcp, stream, sensor.FromClient}, {tcp, stream[:2], sensor.Maybe},
		{tcp, stream[:20], sensor.Maybe}, {tcp, []byte("\x00\x38\x16\x03"), sensor.No},
	} {
		if got := c.p.Match(f, packet.FromA, c.b); got != c.want {
			t.Errorf("%q: got %v, want %v", c.b, got, c.want)
		}
	}
}

// Packets without end, far ahead, with too many acks, or too long: bounded.
func TestOpenVPNLimits(t *testing.T) {
	talk := openvpnTalk(0)[:2]
	far := append(talk, spoken{packet.FromA, openvpnSay(openvpnControl, 0, nil, openvpnAhead+1, []byte("x"))},
		spoken{packet.FromA, openvpnSay(openvpnControl, 0, make([]uint32, openvpnMaxAcks+1), 1, clientHello(""))}, spoken{packet.FromA, nil})
	if _, out := playOpenVPN(t, packet.ProtoUDP, far, 0); len(out) != 0 {
		t.Errorf("%+v", out)
	}
	d := openvpnProtocol(packet.ProtoUDP).New()
	f := sensor.NewTestFlow(packet.ProtoUDP)
	n := 1
	for ; d.Data(f, packet.FromA, talk[0].b, nil) != sensor.Done; n++ {
	}
	if n != openvpnPatience+1 {
		t.Errorf("looked at %d packets", n-1)
	}
	d = openvpnProtocol(packet.ProtoTCP).New()
	if d.Data(f, packet.FromA, []byte{0xff, 0xff}, nil) != sensor.Done {
		t.Error("takes a packet of 65,535 octets")
	}
	if d.Gap(f, packet.FromA, 1) != sensor.Done {
		t.Error("goes on behind a gap")
	}
}

func FuzzOpenVPN(f *testing.F) {
	for _, auth := range []int{0, 28} {
		var all []byte
		for _, s := range openvpnTalk(auth) {
			all = append(binary.BigEndian.AppendUint16(all, uint16(len(s.b))), s.b...)
		}
		f.Add(all, true)
		f.Add(all[2:], false)
	}
	f.Fuzz(func(t *testing.T, b []byte, stream bool) {
		transport := uint8(packet.ProtoUDP)
		if stream {
			transport = packet.ProtoTCP
		}
		p, flow := openvpnProtocol(transport), sensor.NewTestFlow(transport)
		p.Match(flow, packet.FromA, b[:min(len(b), sensor.MatchLimit)])
		d := p.New()
		if len(b) > 0 && d.Data(flow, packet.FromA, b, func(records.Record) {}) == sensor.More {
			d.Data(flow, packet.FromB, b, func(records.Record) {})
		}
		d.Close(flow, func(records.Record) {})
	})
}

func BenchmarkOpenVPN(b *testing.B) {
	said := openvpnTalk(28)
	b.ReportAllocs()
	for b.Loop() {
		playOpenVPN(b, packet.ProtoUDP, said, 0)
	}
}
