package capture

import (
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"kagami/packet"
	"kagami/sensor"
)

// The live tests need root and the ip command; `make live-test` runs them. Each
// makes its own network namespace, which goes away with the test's thread:
// nothing outside it is touched. They must not use subtests, which run on other
// threads.

// ownNetwork puts the test in a new network namespace with the veth pair
// k0 - k1, both up and silent.
func ownNetwork(t *testing.T) {
	t.Helper()
	if os.Getenv("KAGAMI_LIVE") != "1" {
		t.Skip("live capture needs root: run `make live-test` (KAGAMI_LIVE=1)")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make network namespace: %v", err)
	}
	addPair(t)
}

func addPair(t *testing.T) {
	t.Helper()
	ip(t, "link add k0 type veth peer name k1")
	for _, dev := range []string{"k0", "k1"} {
		ip(t, "link set "+dev+" addrgenmode none") // no IPv6 chatter
		ip(t, "link set "+dev+" up")
	}
}

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

func liveOptions(rings int) LiveOptions {
	c := Default()
	c.Interface, c.Workers, c.RingMiB, c.RetireMS = "k0", rings, 4, 20
	return c.Live(nil)
}

func openRings(t *testing.T, o LiveOptions) []*Ring {
	t.Helper()
	rings, err := OpenRings(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, r := range rings {
			r.Close()
		}
	})
	return rings
}

// send puts frames on the wire at k1, so that k0 receives them.
func send(t *testing.T, frames ...[]byte) {
	t.Helper()
	dev, err := net.InterfaceByName("k1")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, f := range frames {
		if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: dev.Index}); err != nil {
			t.Fatalf("send: %v", err)
		}
	}
}

// udp is an Ethernet frame with a UDP datagram.
func udp(src, dst byte, sport, dport uint16, payload string) []byte {
	be := binary.BigEndian
	f := append([]byte{2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src}, 0x08, 0)
	f = append(f, 0x45, 0)
	f = be.AppendUint16(f, uint16(28+len(payload)))
	f = append(f, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, src, 10, 0, 0, dst)
	f = be.AppendUint16(f, sport)
	f = be.AppendUint16(f, dport)
	f = be.AppendUint16(f, uint16(8+len(payload)))
	f = append(f, 0, 0)
	return append(f, payload...)
}

func tagged(f []byte, tpid, tci uint16) []byte {
	out := append([]byte{}, f[:12]...)
	out = binary.BigEndian.AppendUint16(out, tpid)
	out = binary.BigEndian.AppendUint16(out, tci)
	return append(out, f[12:]...)
}

// receive reads n frames from a ring, copied.
func receive(t *testing.T, r *Ring, n int) []sensor.Frame {
	t.Helper()
	var b sensor.Batch
	var out []sensor.Frame
	for deadline := time.Now().Add(5 * time.Second); len(out) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d frames after 5 s; %+v %+v", len(out), n, r.Stats(), r.State())
		}
		if err := r.Next(&b); err != nil {
			t.Fatal(err)
		}
		for _, f := range b.Frames {
			f.Data = append([]byte{}, f.Data...)
			out = append(out, f)
		}
	}
	return out
}

// silence asserts that the ring has nothing more.
func silence(t *testing.T, r *Ring) {
	t.Helper()
	var b sensor.Batch
	for range 3 {
		if err := r.Next(&b); err != nil {
			t.Fatal(err)
		}
		if len(b.Frames) != 0 {
			t.Fatalf("an unexpected frame: % x", b.Frames[0].Data)
		}
	}
}

func TestLiveReceivesAll(t *testing.T) {
	ownNetwork(t)
	r := openRings(t, liveOptions(1))[0]
	var want [][]byte
	for i := range 3000 {
		want = append(want, udp(1, 2, 1000, 2000, strings.Repeat("x", i%1400)))
	}
	before := time.Now().UnixNano()
	send(t, want...)
	got := receive(t, r, len(want))
	last := before
	for i, f := range got {
		if string(f.Data) != string(want[i]) || f.WireLen != uint32(len(want[i])) || f.Link != packet.LinkEthernet || f.TPID != 0 {
			t.Fatalf("frame %d: %d octets, %+v", i, len(want[i]), f)
		}
		if f.Time < last || f.Time > time.Now().UnixNano() {
			t.Fatalf("frame %d: time %d, the one before %d", i, f.Time, last)
		}
		last = f.Time
	}
	silence(t, r)
	if s := r.Stats(); s != (sensor.SourceStats{Received: 3000}) {
		t.Errorf("stats %+v, want 3000 received", s)
	}
}

func TestLiveIdleTick(t *testing.T) {
	ownNetwork(t)
	r := openRings(t, liveOptions(1))[0]
	var b sensor.Batch
	last := int64(0)
	for range 5 {
		if err := r.Next(&b); err != nil || len(b.Frames) != 0 {
			t.Fatalf("Next = %v with %d frames, want an idle tick", err, len(b.Frames))
		}
		if age := time.Now().UnixNano() - b.Now; age < int64(40*time.Millisecond) || age > int64(time.Second) {
			t.Errorf("Now is %d ns old, want a little more than twice the retire timeout of 20 ms", age)
		}
		if b.Now < last {
			t.Errorf("Now stepped back by %d ns", last-b.Now)
		}
		last = b.Now
	}
	send(t, udp(1, 2, 3, 4, "x"))
	f := receive(t, r, 1)[0]
	if err := r.Next(&b); err != nil || b.Now < f.Time {
		t.Errorf("idle tick after a frame: Now %d, frame at %d, %v", b.Now, f.Time, err)
	}
}

func TestLiveVLAN(t *testing.T) {
	ownNetwork(t)
	r := openRings(t, liveOptions(1))[0]
	plain := udp(1, 2, 3, 4, "payload")
	send(t, tagged(plain, 0x8100, 0x2064), tagged(plain, 0x88a8, 7), tagged(tagged(plain, 0x8100, 5), 0x88a8, 7))
	got := receive(t, r, 3)
	for i, want := range []struct {
		tpid, tci uint16
		data      []byte
	}{{0x8100, 0x2064, plain}, {0x88a8, 7, plain}, {0x88a8, 7, tagged(plain, 0x8100, 5)}} {
		if f := got[i]; f.TPID != want.tpid || f.VLAN != want.tci || string(f.Data) != string(want.data) {
			t.Errorf("frame %d: tag %#x %#x, % x", i, f.TPID, f.VLAN, f.Data)
		}
	}
}

func TestLiveFilterAndSnaplen(t *testing.T) {
	ownNetwork(t)
	o := liveOptions(1)
	o.Filter = func(link packet.LinkType) ([]bpf.RawInstruction, error) {
		if link != packet.LinkEthernet {
			t.Errorf("link type %d, want Ethernet", link)
		}
		return bpf.Assemble([]bpf.Instruction{ // udp dst port 53 over IPv4 without options
			bpf.LoadAbsolute{Off: 36, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 53, SkipFalse: 1},
			bpf.RetConstant{Val: 262144},
			bpf.RetConstant{Val: 0},
		})
	}
	o.Snaplen = 50
	r := openRings(t, o)[0]
	var frames [][]byte
	for i := range uint16(100) {
		frames = append(frames, udp(1, 2, 1000, 50+i%10, strings.Repeat("x", 100)))
	}
	send(t, frames...)
	for _, f := range receive(t, r, 10) {
		if port := binary.BigEndian.Uint16(f.Data[36:]); port != 53 || len(f.Data) != 50 || f.WireLen != 142 {
			t.Errorf("port %d, %d of %d octets, want 53, 50 of 142", port, len(f.Data), f.WireLen)
		}
	}
	silence(t, r)
	if s := r.Stats(); s.Received != 10 {
		t.Errorf("stats %+v, want 10 received", s)
	}
}

func TestLiveFanoutKeepsFlowsTogether(t *testing.T) {
	ownNetwork(t)
	rings := openRings(t, liveOptions(4))
	const flows, rounds = 64, 8
	var frames [][]byte
	for range rounds {
		for i := range uint16(flows) {
			frames = append(frames, udp(1, 2, 10000+i, 80, "request"), udp(2, 1, 80, 10000+i, "answer"))
		}
	}
	send(t, frames...)
	owner, total, used := map[uint16]int{}, 0, 0
	for i, r := range rings {
		n := int(r.Stats().Received)
		if n > 0 {
			used++
		}
		for _, f := range receive(t, r, n) {
			port := max(binary.BigEndian.Uint16(f.Data[34:]), binary.BigEndian.Uint16(f.Data[36:]))
			if first, seen := owner[port]; seen && first != i {
				t.Errorf("flow of port %d came through rings %d and %d", port, first, i)
			}
			owner[port] = i
		}
		silence(t, r)
		total += n
	}
	if total != flows*rounds*2 || len(owner) != flows || used < 2 {
		t.Errorf("%d packets of %d flows over %d rings, want %d of %d over several", total, len(owner), used, flows*rounds*2, flows)
	}
}

func TestLiveDropsAreCounted(t *testing.T) {
	ownNetwork(t)
	o := liveOptions(1)
	o.BlockBytes, o.RingBytes = 64<<10, 256<<10
	r := openRings(t, o)[0]
	send(t, slices.Repeat([][]byte{udp(1, 2, 3, 4, strings.Repeat("x", 1000))}, 2000)...)
	s := r.Stats()
	if s.Received != 2000 || s.Dropped < 1500 || s.Dropped > 1900 || s.Freezes == 0 {
		t.Fatalf("stats %+v, want 2000 received, most dropped, and a freeze", s)
	}
	receive(t, r, int(s.Received-s.Dropped))
	silence(t, r)
	if again := r.Stats(); again != s {
		t.Errorf("stats %+v, want %+v still: reading them resets the kernel's", again, s)
	}
}

func TestLiveOutgoing(t *testing.T) {
	ownNetwork(t)
	o := liveOptions(1)
	o.Interface = "k1" // the one that sends
	r := openRings(t, o)[0]
	send(t, udp(1, 2, 3, 4, "x"))
	silence(t, r)
	o.IgnoreOutgoing = false
	r = openRings(t, o)[0]
	send(t, udp(1, 2, 3, 4, "x"))
	receive(t, r, 1)
}

func TestLiveLoopbackSeesPacketsOnce(t *testing.T) {
	ownNetwork(t)
	ip(t, "link set lo up")
	o := liveOptions(1)
	o.Interface = "lo"
	r := openRings(t, o)[0]
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte("once"))
	got := receive(t, r, 1)
	if want := "once"; got[0].Link != packet.LinkEthernet || !strings.HasSuffix(string(got[0].Data), want) {
		t.Errorf("frame %+v, want Ethernet and the datagram", got[0])
	}
	var b sensor.Batch
	for range 5 { // the port-unreachable answer may follow, the datagram may not
		r.Next(&b)
		for _, f := range b.Frames {
			if f.Data[14+9] == packet.ProtoUDP {
				t.Errorf("the datagram came twice")
			}
		}
	}
}

func TestLiveRawInterface(t *testing.T) {
	ownNetwork(t)
	if out, err := exec.Command("ip", "tuntap", "add", "kt0", "mode", "tun").CombinedOutput(); err != nil {
		t.Skipf("no tun device: %v: %s", err, out)
	}
	ip(t, "link set kt0 up")
	o := liveOptions(1)
	o.Interface = "kt0"
	if r := openRings(t, o)[0]; r.Link() != packet.LinkRaw {
		t.Errorf("link type %d, want %d", r.Link(), packet.LinkRaw)
	}
}
