package segment

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

// benchFile is a segment of 64 MiB on disk, with packets of 700 octets and a mark each MiB.
func benchFile(b *testing.B) (*os.File, int64) {
	r := newRecorder(packet.LinkEthernet)
	data := string(make([]byte, 700))
	for i := int64(0); len(r.b) < 64<<20; i++ {
		r.packet(t0+i*1000, data, 700)
		if len(r.b)-r.since >= 1<<20 {
			r.mark(false)
		}
	}
	r.mark(true)
	path := filepath.Join(b.TempDir(), Name(t0, 42))
	if err := os.WriteFile(path, r.b, 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	b.SetBytes(int64(len(r.b)))
	return f, int64(len(r.b))
}

func BenchmarkScan(b *testing.B) {
	f, size := benchFile(b)
	b.ReportAllocs()
	var packets, octets uint64
	for b.Loop() {
		res, err := Scan(f, size, Visitor{Packet: func(p *Packet) bool { octets += uint64(len(p.Data)); return true }})
		if err != nil || res.BadMarks > 0 || res.Damages > 0 {
			b.Fatal(err, res)
		}
		packets += res.Packets
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}

// BenchmarkScanSmall is what a packet costs besides the memory's bandwidth.
func BenchmarkScanSmall(b *testing.B) {
	r := newRecorder(packet.LinkEthernet)
	data := string(make([]byte, 60))
	for i := range int64(1_000_000) {
		r.packet(t0+i, data, 60)
	}
	file, octets := bytes.NewReader(r.b), 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(file, file.Size(), Visitor{Packet: func(p *Packet) bool { octets += len(p.Data); return true }}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1_000_000, "ns/packet")
}

func BenchmarkAppendPacket(b *testing.B) {
	f := &sensor.Frame{Time: t0, Data: make([]byte, 700), WireLen: 700, Link: packet.LinkEthernet}
	buf := make([]byte, 0, 256<<10)
	b.SetBytes(700)
	b.ReportAllocs()
	for b.Loop() {
		if len(buf)+1024 > cap(buf) {
			buf = buf[:0]
		}
		buf = AppendPacket(buf, 0, f, 1<<16)
	}
}

func BenchmarkAppendNote(b *testing.B) {
	n := &Note{Kind: Named, At: t0, Key: testKey(1), Name: "www.example.com"}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendNote(buf[:0], n)
	}
}

func BenchmarkLayoutPacket(b *testing.B) {
	r := recording(100, 1000)
	k := scanBytes(b, r.b)
	var p Packet
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := k.packets[i%len(k.packets)].Pos
		if need, err := k.Layout.Packet(r.b[at:], at, &p); need != 0 || err != nil {
			b.Fatal(need, err)
		}
	}
}
