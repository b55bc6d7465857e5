package decoders

import (
	"runtime"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

// Every limit is hit, said, and bounds what it is to bound.
func TestFileLimits(t *testing.T) {
	c := Default().Files
	c.MaxHashed = 4 << 10
	zeros := strings.Repeat("\x00", 3<<20)
	runFiles(t, newFiles(c), []fileCase{
		{name: "hashed to the limit", content: zeros[:4<<10], hashed: zeros[:4<<10], want: "  size=4096 seen=4096 complete"},
		{name: "longer", content: zeros[:4<<10+1], want: "  size=4097 seen=4097 odd=longer than is hashed complete"},
	})
	c = Default().Files
	c.MaxDecoded, c.MaxRatio = 8<<20, 20
	for _, x := range []struct {
		name, coding, content, odd string
		most                       int64
	}{
		{"bomb", "gzip", gzipped(zeros), oddFileRatio, 2 << 20},
		{"bomb in a bomb", "gzip, gzip", gzipped(gzipped(zeros)), oddFileRatio, 2 << 20},
		{"a bomb that never comes out", "gzip, gzip", gzipped(strings.Repeat(gzipped(""), 200000)), oddFileRatio, 0},
		{"long", "br", brotlied(noise(8<<20) + "x"), oddFileDecoded, 8<<20 + decodedRoom},
	} {
		s := newFiles(c)
		r := transfer(s, &fileCase{content: x.content, of: fileOf{Codings: contentCodings(x.coding), Size: -1}}, 1000)
		if r.Odd != x.odd || r.Seen > x.most || r.SHA256 != "" || r.Complete || r.Decoded {
			t.Errorf("%s: %s", x.name, told(r))
		}
	}
}

// noise does not compress.
func noise(n int) string {
	b, x := make([]byte, n), uint64(1)
	for i := range b {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	return string(b)
}

// Files beyond the memory limit are counted; what ends makes room.
func TestFileMemory(t *testing.T) {
	c := Default().Files
	c.MaxMemory = 64 << 10
	s := newFiles(c)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	open := func(n int) (bodies []*fileBody) {
		for range n {
			b := s.open(f, packet.FromB, fileOf{Size: -1})
			b.write(1, []byte("MZ"))
			bodies = append(bodies, b)
		}
		return bodies
	}
	shut := func(bodies []*fileBody) (full int) {
		for _, b := range bodies {
			if r := b.close(f, true); r.Seen != 2 {
				t.Fatal(told(r))
			} else if r.Odd == oddManyFiles {
				full++
				if r.SHA256 != "" || r.Magic != "" {
					t.Error(told(r))
				}
			} else if r.SHA256 != sha("MZ") {
				t.Error(told(r))
			}
		}
		return full
	}
	const fit = 16 // 4 KiB each
	if full := shut(open(1000)); full != 1000-fit {
		t.Errorf("%d of 1000 did not fit", full)
	}
	if full := shut(open(fit)); full != 0 || s.room.taken.Load() != 0 {
		t.Errorf("%d did not fit afterwards; %d octets left", full, s.room.taken.Load())
	}
	gz := s.open(f, packet.FromB, fileOf{Size: -1, Codings: []string{"gzip"}})
	gz.write(1, []byte(gzipped("hello")))
	if r := gz.close(f, true); r.Odd != oddManyFiles || r.Decoded || r.SHA256 != "" {
		t.Error("a decoder does not fit: ", told(r))
	}
	if s.room.taken.Load() != 0 {
		t.Errorf("%d octets left", s.room.taken.Load())
	}
}

// A coroutine ends with its file, however far it got.
func TestFileCoroutinesEnd(t *testing.T) {
	s, f := newFiles(Default().Files), sensor.NewTestFlow(packet.ProtoTCP)
	before := runtime.NumGoroutine()
	gz := gzipped(noise(50 << 10))
	for _, n := range []int{0, 1, 5000, len(gz)} {
		for _, coding := range []string{"gzip", "br", "deflate", "zstd", "gzip,br"} {
			b := s.open(f, packet.FromB, fileOf{Size: -1, Codings: contentCodings(coding)})
			b.write(1, []byte(gz[:n]))
			b.close(f, false)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines are left", after-before)
	}
}
