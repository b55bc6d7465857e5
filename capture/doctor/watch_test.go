package doctor

import (
	"encoding/binary"
	"testing"
	"time"

	"kagami/packet"
	"kagami/sensor"
)

// segment is an Ethernet frame with a TCP segment of n octets from 10.0.0.port to
// port 80 of 10.0.0.2, or back.
func segment(toServer side, flags packet.TCPFlags, seq, ack uint32, n int, options ...byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}
	ip := make([]byte, 20, 60)
	ip[0], ip[8], ip[9] = 0x45, 64, packet.ProtoTCP
	binary.BigEndian.PutUint16(ip[2:], uint16(40+len(options)+n))
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp, 40000)
	binary.BigEndian.PutUint16(tcp[2:], 80)
	if toServer == back {
		copy(ip[12:], []byte{10, 0, 0, 2, 10, 0, 0, 1})
		binary.BigEndian.PutUint16(tcp, 80)
		binary.BigEndian.PutUint16(tcp[2:], 40000)
	}
	binary.BigEndian.PutUint32(tcp[4:], seq)
	binary.BigEndian.PutUint32(tcp[8:], ack)
	tcp[12], tcp[13] = byte(20+len(options))<<2, byte(flags)
	b = append(append(append(b, ip...), tcp...), options...)
	return append(b, make([]byte, n)...)
}

type side bool

const (
	forth side = true
	back  side = false
)

func (w *watch) see(at time.Duration, frame []byte) {
	w.Add(&sensor.Frame{Time: int64(at), Clock: int64(at), Data: frame, WireLen: uint32(len(frame)), Link: packet.LinkEthernet}, sensor.Plain, 0)
}

func TestReordered(t *testing.T) {
	const ms = time.Millisecond
	type seen struct {
		at    time.Duration
		frame []byte
	}
	data := func(at time.Duration, seq uint32) seen { return seen{at, segment(forth, packet.ACK, seq, 1, 100)} }
	ack := func(at time.Duration, n uint32) seen { return seen{at, segment(back, packet.ACK, 1, n, 0)} }
	for _, tt := range []struct {
		name   string
		frames []seen
		want   uint64
	}{
		{"in order", []seen{data(1*ms, 0), data(2*ms, 100), ack(3*ms, 200), data(4*ms, 200)}, 0},
		{"swapped", []seen{data(1*ms, 0), data(2*ms, 200), data(3*ms, 100), data(4*ms, 300)}, 1},
		{"two behind one", []seen{data(1*ms, 0), data(2*ms, 300), data(3*ms, 100), data(4*ms, 200)}, 2},
		{"sent again after a round trip", []seen{data(1*ms, 0), data(2*ms, 200), data(30*ms, 100)}, 0},
		{"sent again without need", []seen{data(1*ms, 0), data(2*ms, 100), data(3*ms, 100)}, 0},
		{"behind its acknowledgement", []seen{data(1*ms, 0), ack(2*ms, 200), data(2*ms+50_000, 100)}, 1},
		{"never seen", []seen{data(1*ms, 0), ack(2*ms, 200), data(3*ms, 200)}, 0},
		{"across the wrap of the numbers", []seen{data(1*ms, 0xffffff9c), data(2*ms, 100), data(3*ms, 0)}, 1},
		{"the clock went back", []seen{data(9*ms, 0), data(8*ms, 200), data(1*ms, 100)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w watch
			for _, f := range tt.frames {
				w.see(f.at, f.frame)
			}
			if got := w.facts().Reordered; got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestMerged(t *testing.T) {
	syn := func(mss uint16) []byte {
		return segment(forth, packet.SYN, 0, 0, 0, 1, 1, 4, 2, 2, 4, byte(mss>>8), byte(mss)) // NOP, NOP, SACK permitted, MSS
	}
	for _, tt := range []struct {
		name   string
		frames [][]byte
		want   uint64
	}{
		{"full segments", [][]byte{syn(1460), segment(forth, packet.ACK, 1, 1, 1460)}, 0},
		{"two in one", [][]byte{syn(1460), segment(forth, packet.ACK, 1, 1, 2920)}, 1},
		{"before the SYN", [][]byte{segment(back, packet.ACK, 1, 1, 2920), syn(1460)}, 1},
		{"jumbo frames", [][]byte{syn(8960), segment(forth, packet.ACK, 1, 1, 8960)}, 0},
		{"several jumbo frames in one", [][]byte{syn(8960), segment(forth, packet.ACK, 1, 1, 17920)}, 1},
		{"no SYN, perhaps jumbo frames", [][]byte{segment(forth, packet.ACK, 1, 1, 8960)}, 0},
		{"no SYN, longer than any frame", [][]byte{segment(forth, packet.ACK, 1, 1, 21900)}, 1},
		{"options that make no sense", [][]byte{segment(forth, packet.SYN, 0, 0, 0, 2, 0, 0, 0), segment(forth, packet.SYN, 0, 0, 0, 8, 40, 0, 0)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w watch
			for _, f := range tt.frames {
				w.see(1, f)
			}
			if got := w.facts(); got.Merged != tt.want {
				t.Errorf("got %d, want %d (%+v)", got.Merged, tt.want, got)
			}
		})
	}
}

func TestExtent(t *testing.T) {
	whole := segment(forth, packet.ACK, 1, 1, 1000)
	for _, tt := range []struct {
		name       string
		kept, wire int
		cut, short uint64
	}{
		{"whole", 1054, 1054, 0, 0},
		{"cut by the capture", 128, 1054, 1, 0},
		{"cut inside a header", 40, 1054, 1, 0},
		{"cut by the mirror", 128, 128, 0, 1},
		{"cut by both", 60, 128, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w watch
			w.Add(&sensor.Frame{Data: whole[:tt.kept], WireLen: uint32(tt.wire), Link: packet.LinkEthernet}, sensor.Plain, 0)
			n := w.facts()
			if n.Cut != tt.cut || n.Short != tt.short {
				t.Errorf("cut %d, short %d, want %d, %d", n.Cut, n.Short, tt.cut, tt.short)
			}
			if tt.cut > 0 && n.CutAt != tt.kept || tt.short > 0 && n.ShortAt != tt.wire {
				t.Errorf("cut at %d, short at %d", n.CutAt, n.ShortAt)
			}
		})
	}
}

func TestWhose(t *testing.T) {
	unicast := segment(forth, packet.ACK, 1, 1, 0)
	group := append([]byte{1, 0x80, 0xc2, 0, 0, 0}, unicast[6:]...)
	bpdu := append([]byte{1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 8, 0, 38, 0x42, 0x42, 3}, make([]byte, 40)...)
	w := watch{own: [][6]byte{{2, 0, 0, 0, 0, 9}}}
	own := append([]byte{2, 0, 0, 0, 0, 9}, unicast[6:]...)
	unread := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x89, 0x50}, make([]byte, 40)...)
	raw := sensor.Frame{Data: unicast[14:], WireLen: 40, Link: packet.LinkRaw}
	for _, f := range [][]byte{unicast, group, own, unread, {1, 2, 3}} {
		w.see(1, f)
	}
	w.see(1, bpdu)
	w.Add(&raw, sensor.Plain, 0)
	w.Add(&sensor.Frame{Data: unicast, WireLen: 54, VLAN: 0x2007, TPID: 0x8100, Link: packet.LinkEthernet}, sensor.Plain, 0)
	n := w.facts()
	if n.All != 8 || n.Own != 1 || n.Group != 2 || n.Unicast != 5 || n.Unread != 1 {
		t.Errorf("got %+v, want 8 frames: 1 own, 2 to groups, 5 to hosts, 1 of those unreadable", n)
	}
	if len(n.VLANs) != 1 || n.VLANs[0] != (VLANCount{7, 1}) || n.Untagged != 6 {
		t.Errorf("VLANs %v, untagged %d", n.VLANs, n.Untagged)
	}
}

// TestMergeWatches: two workers' counts are those of one.
func TestMergeWatches(t *testing.T) {
	var one, a, b, sum watch
	for i := range 40 {
		f := segment(side(i%3 == 0), packet.ACK, uint32(i*100), uint32(i*70), i*40)
		at := time.Duration(1000-i*i) * time.Second
		one.see(at, f)
		if i%2 == 0 {
			a.see(at, f)
		} else {
			b.see(at, f)
		}
		o := time.Duration(i*i%17) * time.Second
		one.ntp.add(o)
		a.ntp.add(o)
	}
	sum.merge(&a)
	sum.merge(&b)
	got, want := sum.facts(), one.facts()
	got.Reordered, want.Reordered = 0, 0 // of one flow, which one worker has
	if got.First != want.First || got.Last != want.Last || got.All != want.All || got.Merged != want.Merged || got.NTP != want.NTP || got.Segments != want.Segments {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	var w watch
	fr := sensor.Frame{Data: segment(forth, packet.ACK, 1, 1, 500), WireLen: 554, Link: packet.LinkEthernet}
	w.Add(&fr, sensor.Plain, 0)
	if n := testing.AllocsPerRun(100, func() { w.Add(&fr, sensor.Plain, 0) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	var w watch
	frames := []sensor.Frame{}
	for i := range 64 {
		f := segment(forth, packet.ACK, uint32(i*1460), 1, 1460)
		frames = append(frames, sensor.Frame{Data: f, WireLen: uint32(len(f)), Link: packet.LinkEthernet})
	}
	for i := 0; b.Loop(); i++ {
		w.Add(&frames[i%64], sensor.Plain, 0)
	}
}

// FuzzAdd: no frame makes the observer fail.
func FuzzAdd(f *testing.F) {
	f.Add(segment(forth, packet.SYN, 1, 1, 0, 2, 4, 5, 180), uint32(60), int64(1), uint16(1))
	f.Add(segment(back, packet.ACK, 1, 1, 30), uint32(84), int64(-5), uint16(1))
	f.Add(answer(4, 2, 1<<40), uint32(90), int64(1794785400e9), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, wire uint32, at int64, link uint16) {
		var w watch
		fr := sensor.Frame{Time: at, Clock: max(at, 0), Data: data, WireLen: max(wire, uint32(len(data))), Link: packet.LinkType(link)}
		w.Add(&fr, sensor.Plain, 0)
		w.Add(&fr, sensor.Plain, 0)
		n := w.facts()
		if n.All != 2 || n.Group+n.Unicast+n.Own != 2 || n.Segments > 2 || n.Merged > 2 {
			t.Errorf("counts do not add up: %+v", n)
		}
		Diagnose(Facts{Frames: n})
	})
}
