package bpf

import (
	"testing"

	"github.com/cilium/ebpf"

	"kagami/packet"
)

func openFanout(t testing.TB) *Fanout {
	t.Helper()
	needRoot(t)
	f, err := OpenFanout()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// choose is what the program returns for an Ethernet frame.
func choose(t testing.TB, f *Fanout, frame []byte) uint32 {
	t.Helper()
	got, err := f.prog.Run(&ebpf.RunOptions{Data: frame})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A capture of an office: the kernel spreads as packet.Shard does for files.
func TestLiveFanoutIsPair(t *testing.T) {
	f := openFanout(t)
	frames := office(t, 3000)
	inner := ip4(7, 8, 17, udp(5, 6, "inner"))
	frames = append(frames,
		eth(0x86dd, ip6(3, 2, 17, udp(1, 2, "x"))...),
		tag(0x88a8, tag(0x8100, eth(0x800, inner...))),
		eth(0x800, ip4(1, 2, 17, udp(1000, 4789, "\x08\x00\x00\x00\x00\x00\x07\x00"+string(eth(0x800, inner...))))...),
		eth(0x800, ip4(1, 2, 47, append([]byte{0x30, 0, 0x65, 0x58, 0, 0, 7, 0, 0, 0, 0, 1}, tag(0x8100, eth(0x800, inner...))...))...),
		eth(0x800, ip4(1, 2, 47, append([]byte{0, 0, 0x88, 0xbe}, eth(0x800, inner...)...))...),
		eth(0x800, ip4(1, 2, 47, append([]byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 7, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, eth(0x800, inner...)...))...),
		eth(0x800, ip4(1, 2, 47, append([]byte{0x30, 0x81, 0x88, 0x0b, 0, 39, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21}, inner...))...),
		eth(0x800, ip4(1, 2, 41, ip6(9, 8, 17, udp(1, 2, "x")))...),
		eth(0x800, ip4(1, 2, 4, ip4(3, 4, 4, inner))...),
		eth(0x8847, append([]byte{0, 0, 16, 64, 0, 1, 1, 64, 0, 0, 0, 0}, eth(0x800, inner...)...)...),
		eth(0x86dd, ip6(1, 2, 0, append([]byte{44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 1}, udp(1000, 2, "atomic fragment")...))...),
	)
	spread := map[uint32]int{}
	for i, frame := range frames {
		var p packet.Packet
		want, out := packet.Shard(&p, frame, uint32(len(frame)), packet.LinkEthernet)
		if out != packet.OK {
			continue
		}
		got := choose(t, f, frame)
		if got != want {
			t.Errorf("frame %d: %#x, packet.Shard %#x: % x", i, got, want, frame[:min(len(frame), 90)])
		}
		spread[got%4]++
	}
	if len(spread) != 4 {
		t.Errorf("spread %v", spread)
	}
}

func TestLiveFanoutFragments(t *testing.T) {
	f := openFanout(t)
	whole := eth(0x800, ip4(1, 2, 17, udp(1000, 443, "payload"))...)
	other := eth(0x800, ip4(2, 1, 17, udp(443, 1000, "payload"))...)
	later := append([]byte{}, whole...)
	later[21] = 9
	if a, b, c := choose(t, f, whole), choose(t, f, other), choose(t, f, later); a != b || a != c || a == 0 {
		t.Errorf("a datagram %#x, its answer %#x, a fragment %#x", a, b, c)
	}
	if got := choose(t, f, eth(0x806, make([]byte, 28)...)); got != 0 {
		t.Errorf("ARP %#x, want the first ring", got)
	}
}

func BenchmarkFanout(b *testing.B) {
	f := openFanout(b)
	_, d, err := f.prog.Benchmark(flowFrame(1), max(b.N, 1000), b.ResetTimer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(d.Nanoseconds()), "ns/packet")
}
