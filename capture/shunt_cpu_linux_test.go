package capture

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kagami/packet"
	"kagami/sensor"
)

func threadCPU(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bulk sends n frames, 19 of 20 of one flow with 1,400 octets of payload, and
// tells the CPU time of the thread: the kernel delivers to the ring on it.
func bulk(t *testing.T, n int, send func(...[]byte)) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	big := segment(2, 1, 443, 1000, packet.ACK, strings.Repeat("x", 1400))
	small := segment(3, 4, 1001, 80, packet.ACK, strings.Repeat("x", 100))
	before := threadCPU(t)
	for i := range n {
		if i%20 == 0 {
			send(small)
		} else {
			send(big)
		}
	}
	return threadCPU(t) - before
}

// TestLiveShuntSavesCPU reads a bulk transfer as the engine would at the least,
// each frame parsed, with the flow shunted and not.
func TestLiveShuntSavesCPU(t *testing.T) {
	ownNetwork(t)
	const frames = 300_000
	o := liveOptions(1)
	o.Shunt, o.RingBytes = openShunt(t), 64<<20
	var reader, kernel [2]time.Duration
	for i, shunted := range []bool{false, true} {
		r := openRings(t, o)[0]
		if k := flowOf(t, segment(2, 1, 443, 1000, packet.ACK, "")); shunted && !r.Shunt(k) {
			t.Fatal("refused")
		}
		send := sender(t)
		done := make(chan time.Duration)
		go func() { done <- bulk(t, frames, send) }()
		var b sensor.Batch
		var p packet.Packet
		before, seen := threadCPU(t), 0
		for running := true; running; {
			select {
			case kernel[i] = <-done:
				running = false
			default:
				if err := r.Next(&b); err != nil {
					t.Fatal(err)
				}
				for _, f := range b.Frames {
					p.Parse(f.Data, f.WireLen, f.Link)
				}
				seen += len(b.Frames)
			}
		}
		reader[i] = threadCPU(t) - before
		t.Logf("shunted %-5t: reader %3d ns, sender with the kernel's receive path %4d ns a frame offered; %d frames read, %+v",
			shunted, reader[i].Nanoseconds()/frames, kernel[i].Nanoseconds()/frames, seen, r.Stats())
		r.Close()
	}
	if saved := 1 - reader[1].Seconds()/reader[0].Seconds(); saved < 0.5 { // 0.8 to 0.9 on a quiet machine; a busy one blurs it
		t.Errorf("shunting saves %.0f %% of the reader's CPU time", 100*saved)
	} else {
		t.Logf("saved: %.0f %%", 100*saved)
	}
}

func flowOf(t *testing.T, frame []byte) packet.Key {
	t.Helper()
	var p packet.Packet
	if out := p.Parse(frame, uint32(len(frame)), packet.LinkEthernet); out != packet.OK {
		t.Fatal(out)
	}
	return p.Key
}
