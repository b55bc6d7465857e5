package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
)

// webTraffic is about size octets of conversations with web servers, so many of them
// side by side: a lookup, a handshake, then answers of some 20 KB.
func webTraffic(size, concurrent int) (fs []frame) {
	r := rand.New(rand.NewPCG(3, 4))
	type talk struct {
		c, s host
		left int
	}
	talks := make([]talk, concurrent)
	begin := func(t *talk) {
		t.c, t.s = v4(net10+r.Uint32N(200), uint16(32768+r.IntN(28000))), v4(0x5db8d800+r.Uint32N(3000), 443)
		t.left = 2 + int(r.ExpFloat64()*20)
		dns := v4(net10+250, 53)
		fs = append(fs, udpFrame(t.c, dns, 40), udpFrame(dns, t.c, 90), tcpFrame(t.c, t.s, packet.SYN, 0),
			tcpFrame(t.s, t.c, packet.SYN|packet.ACK, 0), tcpFrame(t.c, t.s, packet.ACK, 500))
	}
	for i := range talks {
		begin(&talks[i])
	}
	for total := 0; total < size; {
		t := &talks[r.IntN(concurrent)]
		before := len(fs)
		if t.left--; t.left <= 0 {
			fs = append(fs, tcpFrame(t.s, t.c, packet.FIN|packet.ACK, 0), tcpFrame(t.c, t.s, packet.FIN|packet.ACK, 0))
			begin(t)
		} else {
			for range 1 + r.IntN(6) {
				fs = append(fs, tcpFrame(t.s, t.c, packet.ACK, 1400))
			}
			fs = append(fs, tcpFrame(t.c, t.s, packet.ACK, 0))
		}
		for _, f := range fs[before:] {
			total += len(f.data) + segment.PacketOverhead
		}
	}
	return stamp(fs, 12_345)
}

func packetsOf(fs []frame) []segment.Packet {
	file, pos := segmentOf(fs)
	ps := make([]segment.Packet, len(fs))
	for i := range fs {
		ps[i] = *packetOf(fs, pos, i)
		at := int(pos[i]) + segment.PacketOverhead - 4 // behind the block's head
		ps[i].Data = file[at : at+len(fs[i].data)]
	}
	return ps
}

func BenchmarkPacket(b *testing.B) {
	for _, bb := range []struct {
		name   string
		frames []frame
	}{
		{"web, 50 at a time", webTraffic(32<<20, 50)},
		{"web, 5000 at a time", webTraffic(32<<20, 5000)},
		{"everything", randomTraffic(1, 100_000)},
		{"port scan", portScan(32767)},
		{"sweep", sweep(65536)},
		{"flood", flood(200_000)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			ps := packetsOf(bb.frames)
			x := NewBuilder()
			for i := range ps {
				x.Packet(&ps[i])
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; {
				x.Reset()
				for i := range ps {
					x.Packet(&ps[i])
				}
				n += len(ps)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	x, _ := build(webTraffic(64<<20, 100))
	out := x.Encode(nil, Info{})
	b.Logf("%d rows, %d octets, %.2f %% of the packets", len(x.flows.all), len(out), 100*float64(len(out))/float64(x.stored))
	b.ReportAllocs()
	for b.Loop() {
		x.filled = false
		x.filter.reset()
		out = x.Encode(out[:0], Info{})
	}
}

func BenchmarkRows(b *testing.B) {
	var many []frame
	for i := range 50_000 {
		c, s := v4(net10+uint32(i%200), uint16(20000+i/200)), v4(0x5db8d800+uint32(i%3000), 443)
		many = append(many, tcpFrame(c, s, packet.ACK, 100), tcpFrame(s, c, packet.ACK, 900))
	}
	for _, bb := range []struct {
		name   string
		frames []frame
	}{
		{"64 MiB of web traffic", webTraffic(64<<20, 100)},
		{"50,000 rows", stamp(many, 12_345)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			x, _ := build(bb.frames)
			out := x.Encode(nil, Info{})
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				rows, _, err := openBytes(b, out).Rows()
				if err != nil {
					b.Fatal(err)
				}
				n = len(rows)
			}
			b.ReportMetric(float64(n), "rows")
		})
	}
}

func BenchmarkMay(b *testing.B) {
	x, _ := build(webTraffic(64<<20, 100))
	f := openBytes(b, x.Encode(nil, Info{}))
	h := NameHash("www.evil.example")
	b.ReportAllocs()
	for b.Loop() {
		f.May(h)
	}
}

func BenchmarkOpen(b *testing.B) {
	x, _ := build(webTraffic(8<<20, 100))
	out := x.Encode(nil, Info{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenAt(bytes.NewReader(out), 0, int64(len(out))); err != nil {
			b.Fatal(err)
		}
	}
}

// The index is at most 1 % of the packets of web traffic, and 2 % of those of a scan.
func TestIndexIsSmall(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frames []frame
		most   float64 // %
	}{
		{"web", webTraffic(32<<20, 100), 1},
		{"ports of one target", portScan(65535), 2},
		{"ports, no answer", silent(portScan(65535)), 2},
		{"a /16", sweep(65536), 2},
		{"made-up sources", flood(200_000), 2},
	} {
		b, _ := build(tt.frames)
		if tt.name == "web" { // a name for each lookup and each connection
			for i, f := range tt.frames {
				if f.tcp == packet.SYN || f.key.Proto == packet.ProtoUDP && f.side == packet.FromA {
					b.Note(&segment.Note{Kind: segment.Named, At: f.time, Key: f.key, Client: f.side, Name: fmt.Sprintf("host%d.example%d.com", i%977, i%311)})
				}
			}
		}
		out := encoded(t, b)
		share := 100 * float64(len(out)) / float64(b.stored)
		t.Logf("%s: %d packets, %d rows, %d folds, %d notes, %.2f %%", tt.name, len(tt.frames), len(b.flows.all), len(b.folds), len(b.notes.all), share)
		if share > tt.most {
			t.Errorf("%s: %.2f %%, want at most %v", tt.name, share, tt.most)
		}
	}
}

func silent(fs []frame) (out []frame) {
	for _, f := range fs {
		if f.tcp == packet.SYN {
			out = append(out, f)
		}
	}
	return out
}
