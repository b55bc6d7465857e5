package evidence

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"kagami/packet"
	"kagami/sensor"
)

// traffic is a ring of frames of many TCP flows, of web-like sizes: 700 octets on
// average.
func traffic(flows, n int) []sensor.Frame {
	sizes := [...]int{66, 1514, 1514, 66, 583, 1514, 66, 300, 1190, 187}
	out := make([]sensor.Frame, n)
	for i := range out {
		out[i] = *tcpFrame(i*7%flows, sizes[i%len(sizes)])
	}
	return out
}

// tcpFrame is a segment of flow number n, from its client.
func tcpFrame(n, size int) *sensor.Frame {
	b := make([]byte, size)
	copy(b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00")
	binary.BigEndian.PutUint16(b[16:], uint16(size-14))
	b[22], b[23] = 64, packet.ProtoTCP
	binary.BigEndian.PutUint32(b[26:], 0x0a000000|uint32(n)%5000)
	binary.BigEndian.PutUint32(b[30:], 0xc0000200|uint32(n)%200)
	binary.BigEndian.PutUint16(b[34:], uint16(20_000+n%40_000))
	binary.BigEndian.PutUint16(b[36:], 443)
	b[46], b[47] = 0x50, 0x10
	for i := 54; i < size; i++ {
		b[i] = byte(i * (n + 3))
	}
	return &sensor.Frame{Data: b, WireLen: uint32(size), Link: packet.LinkEthernet}
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWriter is the processor time of all goroutines a packet: writer, disk and
// index, with packets thrown away and with packets on disk; and that of copying the
// same octets, which is not Kagami's to save.
func BenchmarkWriter(b *testing.B) {
	frames := traffic(2000, 1<<14)
	run := func(name string, create func(string) (file, error)) {
		b.Run(name, func(b *testing.B) {
			c := small(b)
			c.MaxBytes, c.BufferMiB = 2<<30, 8
			s, _ := openStore(b, c)
			s.create = create
			w := s.Writer(0, 0)
			b.SetBytes(700)
			b.ReportAllocs()
			b.ResetTimer()
			began := cpu()
			for i := range b.N {
				f := &frames[i&(len(frames)-1)]
				f.Time = t0 + int64(i)*5000
				w.Add(f, sensor.Plain, headLen)
			}
			w.Close()
			b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
			if st := s.Stats(); st.Stored != uint64(b.N) || st.Errors+st.IndexErrors != 0 {
				b.Fatalf("stats %+v", st)
			} else {
				b.ReportMetric(float64(st.Written)/float64(st.StoredBytes), "written/packets")
			}
		})
	}
	run("memory", func(string) (file, error) { return nowhere{}, nil })
	run("disk", create)
	b.Run("copy-memory", func(b *testing.B) { copying(b, frames, nil) })
	b.Run("copy-disk", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "copy"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		copying(b, frames, f)
	})
}

// copying copies packets into as much memory as a writer has, and from there into a
// file, if there is one.
func copying(b *testing.B, frames []sensor.Frame, f *os.File) {
	var ring [32][]byte
	for i := range ring {
		ring[i] = make([]byte, 0, chunkBytes)
	}
	buf, turn, at := ring[0], 0, int64(0)
	b.SetBytes(700)
	b.ResetTimer()
	began := cpu()
	for i := range b.N {
		data := frames[i&(len(frames)-1)].Data
		if len(buf)+len(data)+36 > cap(buf) {
			if f != nil {
				f.WriteAt(buf, at)
				at = (at + int64(len(buf))) % (2 << 30)
			}
			turn = (turn + 1) % len(ring)
			buf = ring[turn][:0]
		}
		buf = append(buf, "................................"...)
		buf = append(buf, data...)
	}
	b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
}

// BenchmarkSequential compares the speed of recording with that of writing the same
// octets into files of the same size, in large pieces and nothing else. Both end with
// everything on the disk. An operation is a packet of 700 octets on average.
func BenchmarkSequential(b *testing.B) {
	frames := traffic(2000, 1<<14)
	b.Run("recording", func(b *testing.B) {
		c := small(b)
		c.MaxBytes = 1 << 40
		s, _ := openStore(b, c)
		s.create = create
		w := s.Writer(0, 0)
		b.SetBytes(700)
		for i := range b.N {
			f := &frames[i&(len(frames)-1)]
			f.Time = t0 + int64(i)*5000
			w.Add(f, sensor.Plain, headLen)
		}
		w.Close()
	})
	b.Run("plain", func(b *testing.B) {
		dir := b.TempDir()
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = byte(i * i)
		}
		b.SetBytes(700)
		left := int64(b.N) * 735 // with the blocks' heads
		for n := 0; left > 0; n++ {
			f, err := os.Create(filepath.Join(dir, fmt.Sprint(n)))
			if err != nil {
				b.Fatal(err)
			}
			for at := int64(0); at < 64<<20 && left > 0; at += int64(len(piece)) {
				f.WriteAt(piece[:min(left, int64(len(piece)))], at)
				left -= int64(len(piece))
			}
			f.Sync()
			f.Close()
		}
	})
}
