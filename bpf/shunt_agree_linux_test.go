package bpf

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/gopacket/pcapgo"
	"github.com/klauspost/compress/zstd"

	"kagami/packet"
)

// judge runs a frame with all flows it might be taken for shunted, and compares
// with what packet.Parse says. It tells whether the kernel dropped the frame.
func judge(t testing.TB, s *Shunt, link packet.LinkType, frame []byte) bool {
	t.Helper()
	p, out := parse(t, frame, link)
	keys := map[packet.Key]bool{}
	if out == packet.OK {
		keys[p.Key] = true
	}
	for at := 0; at+40 <= len(frame) && at <= 22; at += 2 { // whatever may be an IP header near the front
		if q, o := parse(t, frame[at:], packet.LinkRaw); o == packet.OK {
			keys[q.Key] = true
		}
		keys[outer(frame[at:])] = true
	}
	for k := range keys {
		s.Shunt(k)
	}
	dropped := run(t, kernelProgram(t, s, link, testSnap), frame) == 0
	for k := range keys {
		c, ok := s.Release(k)
		switch {
		case !ok || c.Packets == [2]uint64{}:
		case !dropped:
			t.Fatalf("counted and passed: %+v", c)
		case out != packet.OK || k != p.Key:
			t.Fatalf("dropped for flow %+v; user space says %v, %+v", k, out, p.Key)
		case withoutTime(c) != counted(&p):
			t.Fatalf("counted %+v, user space %+v", c, counted(&p))
		case p.Key.Proto == packet.ProtoTCP && p.Flags&(packet.FIN|packet.SYN|packet.RST) != 0:
			t.Fatalf("flags %x dropped", p.Flags)
		case p.Tunnel.Kind != packet.NoTunnel:
			t.Fatalf("dropped within %v", p.Tunnel.Kind)
		}
	}
	return dropped
}

// outer is the key of the first datagram at the front of d, without a look into it.
func outer(d []byte) (k packet.Key) {
	h, proto := 40, d[6]
	if d[0]>>4 == 4 {
		h, proto = int(d[0]&15)*4, d[9]
	}
	if len(d) < h+4 || d[0]>>4 != 4 && d[0]>>4 != 6 || proto != 6 && proto != 17 {
		return k
	}
	ports := tcp(binary.BigEndian.Uint16(d[h:]), binary.BigEndian.Uint16(d[h+2:]), 0, "")
	flat := append(append([]byte{}, d[:h]...), ports...)
	if d[0]>>4 == 4 {
		flat[2], flat[3], flat[6], flat[7], flat[9] = 0, 0, 0, 0, 6
	} else {
		flat[4], flat[5], flat[6] = 0, 0, 6
	}
	var p packet.Packet
	if p.Parse(flat, uint32(len(flat)), packet.LinkRaw) != packet.OK {
		return k
	}
	k = p.Key
	k.Proto = proto
	return k
}

// FuzzShunt: the kernel never drops what user space would not have counted the
// same way. It needs root.
func FuzzShunt(f *testing.F) {
	s := openShunt(f, Options{Flows: 64})
	frame := eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, "payload"))...)
	for _, seed := range [][]byte{frame, tag(0x8100, frame), eth(0x800, ip4(1, 2, 17, udp(1000, 443, "payload"))...),
		eth(0x86dd, ip6(1, 2, 17, udp(1000, 4789, "\x08\x00\x00\x00\x00\x00\x07\x00"+string(frame)))...), eth(0x86dd, ip6(1, 2, 6, tcp(1, 2, packet.ACK, ""))...)} {
		f.Add(seed, false)
		f.Add(seed[14:], true)
	}
	f.Fuzz(func(t *testing.T, data []byte, raw bool) {
		if len(data) == 0 || len(data) > 1500 {
			return
		}
		link := packet.LinkEthernet
		if raw {
			link = packet.LinkRaw
		}
		judge(t, s, link, data)
	})
}

// office is the start of a capture of an office.
func office(t testing.TB, n int) (frames [][]byte) {
	t.Helper()
	file, err := os.Open("../testdata/office/in.pcap.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	r, err := pcapgo.NewReader(z)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		data, info, err := r.ReadPacketData()
		if err != nil {
			break
		}
		if info.CaptureLength == info.Length {
			frames = append(frames, data)
		}
	}
	return frames
}

// The kernel counts what user space would have.
func TestLiveShuntAgreesOnCapture(t *testing.T) {
	s := openShunt(t, Options{Flows: 64})
	frames, dropped := office(t, 3000), 0
	for _, data := range frames {
		if judge(t, s, packet.LinkEthernet, data) {
			dropped++
		}
	}
	if dropped < len(frames)/2 {
		t.Errorf("%d of %d frames dropped: the shunt has little effect", dropped, len(frames))
	}
}

func BenchmarkShuntNothing(b *testing.B) {
	s := openShunt(b, Options{})
	benchmarkProgram(b, kernelProgram(b, s, packet.LinkEthernet, testSnap))
}

func BenchmarkShuntDrops(b *testing.B) {
	s := openShunt(b, Options{})
	s.Shunt(flowKey(1))
	benchmarkProgram(b, kernelProgram(b, s, packet.LinkEthernet, testSnap))
}

func benchmarkProgram(b *testing.B, p *ebpf.Program) {
	data := append(make([]byte, 14), flowFrame(1)...)
	_, d, err := p.Benchmark(data, max(b.N, 1000), b.ResetTimer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(d.Nanoseconds()), "ns/packet")
}
