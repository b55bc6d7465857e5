package lab

import (
	"hash/fnv"
	"runtime"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// excessSample is how many frames of an excess are looked at.
const excessSample = 2000

// An excess is hostile above layer 4 only: its frames are sound, in the order of
// their times, fit Ethernet, and are the same each time.
func TestExcessFrames(t *testing.T) {
	names := map[string]bool{}
	for _, x := range Excesses() {
		if names[x.Name] {
			t.Errorf("two excesses are called %q", x.Name)
		}
		names[x.Name] = true
		t.Run(x.Name, func(t *testing.T) {
			first, n := sample(t, x)
			if again, _ := sample(t, x); again != first || n == 0 {
				t.Errorf("%d frames, and others the second time", n)
			}
		})
	}
}

func sample(t *testing.T, x Excess) (sum uint64, n int) {
	t.Helper()
	h := fnv.New64a()
	last := time.Duration(-1)
	for frames := range x.Frames() {
		for i := range frames {
			f := &frames[i]
			h.Write(f.Data)
			if f.Time <= last || len(f.Data) > 1514 {
				t.Fatalf("frame %d: %d octets at %v, after %v", n, len(f.Data), f.Time, last)
			}
			last = f.Time
			sound(t, n, f.Data)
			if n++; n == excessSample {
				return h.Sum64(), n
			}
		}
	}
	return h.Sum64(), n
}

// sound parses a frame with another program's eyes.
func sound(t *testing.T, n int, data []byte) {
	t.Helper()
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	l := p.TransportLayer()
	if l == nil {
		t.Fatalf("frame %d has no transport layer: %v", n, p)
	}
	if ip, ok := p.NetworkLayer().(*layers.IPv4); ok && int(ip.Length) != len(data)-14 {
		t.Fatalf("frame %d: the datagram says %d octets, the frame has %d", n, ip.Length, len(data)-14)
	}
	if u, ok := l.(*layers.UDP); ok && int(u.Length) != 8+len(l.LayerPayload()) {
		t.Fatalf("frame %d: the header says %d octets, the datagram has %d", n, u.Length, 8+len(l.LayerPayload()))
	}
}

// A flood keeps nothing, however long it is.
func TestExcessKeepsNothing(t *testing.T) {
	for _, x := range Excesses() {
		if x.Name != "open: half mails" {
			continue
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		before, most, batches := m.HeapAlloc, uint64(0), 0
		for range x.Frames() {
			if batches++; batches%512 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
		if most > before+4<<20 || most == 0 {
			t.Errorf("%d batches take %d octets", batches, most-before)
		}
		return
	}
	t.Fatal("the excess is not there")
}

// Nothing more is made for a reader who has gone.
func TestExcessStops(t *testing.T) {
	for _, x := range Excesses() {
		n := 0
		for range x.Frames() {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%s: %d batches", x.Name, n)
		}
	}
}
