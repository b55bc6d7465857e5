package capture

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"kagami/bpf"
)

// wrap puts an IPv4 header in front of a payload.
func wrap(src, dst [4]byte, proto byte, payload []byte) []byte {
	h := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(payload)))
	h = append(h, 0, 0, 0, 0, 64, proto, 0, 0)
	return append(append(append(h, src[:]...), dst[:]...), payload...)
}

func wrap6(src, dst [4]byte, next byte, payload []byte) []byte {
	h := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(payload)))
	h = append(h, next, 64)
	for _, a := range [][4]byte{src, dst} {
		h = append(append(h, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0), a[:]...)
	}
	return append(h, payload...)
}

func ports(sport, dport uint16, payload []byte) []byte {
	h := binary.BigEndian.AppendUint16(nil, sport)
	h = binary.BigEndian.AppendUint16(h, dport)
	h = binary.BigEndian.AppendUint16(h, uint16(8+len(payload)))
	return append(append(h, 0, 0), payload...)
}

func ethernet(proto uint16, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, proto), payload...)
}

// way is one direction of a flow between two hosts: its addresses, its port, and
// the tunnel end and outer source port that it comes by.
type way struct {
	src, dst     [4]byte
	sport, dport uint16
	from, to     [4]byte
	outer        uint16
}

// ways are both directions of flow i. As real tunnel ends do, each direction
// takes an outer source port of its own.
func ways(i int) [2]way {
	a, b := [4]byte{10, 1, byte(i), 1}, [4]byte{10, 2, byte(i * 7), 2}
	x, y := [4]byte{192, 0, 2, 1}, [4]byte{192, 0, 2, 2}
	port := uint16(40000 + i)
	return [2]way{{a, b, port, 443, x, y, uint16(50000 + 31*i)}, {b, a, 443, port, y, x, uint16(60000 - 17*i)}}
}

func (w way) datagram() []byte {
	return wrap(w.src, w.dst, 17, ports(w.sport, w.dport, []byte("payload!")))
}

// fanoutKinds are the packets of one direction of a flow, which belong together
// with those of the other.
var fanoutKinds = []struct {
	name   string
	frames func(w way) [][]byte
}{
	{"IPv4", func(w way) [][]byte { return [][]byte{ethernet(0x800, w.datagram())} }},
	{"IPv6", func(w way) [][]byte {
		return [][]byte{ethernet(0x86dd, wrap6(w.src, w.dst, 17, ports(w.sport, w.dport, []byte("payload!"))))}
	}},
	{"VLAN, one per direction", func(w way) [][]byte {
		return [][]byte{tagged(ethernet(0x800, w.datagram()), 0x8100, w.sport&1023)}
	}},
	{"QinQ", func(w way) [][]byte {
		return [][]byte{tagged(tagged(ethernet(0x800, w.datagram()), 0x8100, 5), 0x88a8, 7)}
	}},
	{"IPv4 fragments and whole", func(w way) [][]byte {
		first, later := w.datagram(), w.datagram()
		first[6], later[7] = 0x20, 2
		return [][]byte{ethernet(0x800, w.datagram()), ethernet(0x800, first), ethernet(0x800, later)}
	}},
	{"IPv6 fragments and whole", func(w way) [][]byte {
		udp := ports(w.sport, w.dport, []byte("payload!"))
		first := wrap6(w.src, w.dst, 44, append([]byte{17, 0, 0, 1, 0, 0, 0, 9}, udp...))
		later := wrap6(w.src, w.dst, 44, append([]byte{17, 0, 0, 16, 0, 0, 0, 9}, udp...))
		return [][]byte{ethernet(0x86dd, wrap6(w.src, w.dst, 17, udp)), ethernet(0x86dd, first), ethernet(0x86dd, later)}
	}},
	{"GRE", func(w way) [][]byte {
		return [][]byte{ethernet(0x800, wrap(w.from, w.to, 47, append([]byte{0, 0, 8, 0}, w.datagram()...)))}
	}},
	{"GRE of frames (NVGRE)", func(w way) [][]byte {
		return [][]byte{ethernet(0x800, wrap(w.from, w.to, 47, append([]byte{0x20, 0, 0x65, 0x58, 0, 0, 7, 0}, ethernet(0x800, w.datagram())...)))}
	}},
	{"ERSPAN II from two switches", func(w way) [][]byte { // each sends to the sensor
		h := []byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 7, 0, 0, 0, 0}
		return [][]byte{ethernet(0x800, wrap(w.from, [4]byte{192, 0, 2, 9}, 47, append(h, ethernet(0x800, w.datagram())...)))}
	}},
	{"VXLAN", func(w way) [][]byte {
		v := append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, ethernet(0x800, w.datagram())...)
		return [][]byte{ethernet(0x800, wrap(w.from, w.to, 17, ports(w.outer, 4789, v)))}
	}},
	{"GENEVE", func(w way) [][]byte {
		v := append([]byte{1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 4}, ethernet(0x800, w.datagram())...)
		return [][]byte{ethernet(0x800, wrap(w.from, w.to, 17, ports(w.outer, 6081, v)))}
	}},
	{"GTP-U", func(w way) [][]byte {
		v := append([]byte{0x34, 0xff, 0, 44, 0, 0, 0, byte(w.outer), 0, 0, 0, 0x85, 1, 0x10, 1, 0}, w.datagram()...)
		return [][]byte{ethernet(0x800, wrap(w.from, w.to, 17, ports(2152, 2152, v)))}
	}},
	{"IP in IP", func(w way) [][]byte { return [][]byte{ethernet(0x800, wrap(w.from, w.to, 4, w.datagram()))} }},
	{"6in4", func(w way) [][]byte {
		return [][]byte{ethernet(0x800, wrap(w.from, w.to, 41, wrap6(w.src, w.dst, 17, ports(w.sport, w.dport, []byte("payload!")))))}
	}},
	{"MPLS, two labels", func(w way) [][]byte {
		return [][]byte{ethernet(0x8847, append([]byte{0, 1, 0, 64, 0, byte(w.outer), 0x11, 64}, w.datagram()...))}
	}},
	{"PPPoE", func(w way) [][]byte {
		return [][]byte{ethernet(0x8864, append([]byte{0x11, 0, 0, 7, 0, 38, 0, 0x21}, w.datagram()...))}
	}},
	{"tunnelled and not", func(w way) [][]byte {
		v := append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, ethernet(0x800, w.datagram())...)
		return [][]byte{ethernet(0x800, w.datagram()), ethernet(0x800, wrap(w.from, w.to, 17, ports(w.outer, 4789, v)))}
	}},
}

// sender is send with a socket that stays open: closing one takes the kernel
// milliseconds.
func sender(t testing.TB) func(frames ...[]byte) {
	t.Helper()
	dev, err := net.InterfaceByName("k1")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	to := &unix.SockaddrLinklayer{Ifindex: dev.Index}
	return func(frames ...[]byte) {
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, to); err != nil {
				t.Fatalf("send: %v", err)
			}
		}
	}
}

// splits sends both directions of many flows and counts those whose packets came
// through more than one ring, and the rings in use.
func splits(t *testing.T, rings []*Ring, send func(...[]byte), frames func(way) [][]byte) (split, used int) {
	t.Helper()
	const flows = 64
	before := make([]uint64, len(rings))
	busy := map[int]bool{}
	for i, r := range rings {
		before[i] = r.Stats().Received
	}
	for i := range flows {
		seen, sent := map[int]bool{}, 0
		for _, w := range ways(i) {
			fs := frames(w)
			send(fs...)
			sent += len(fs)
		}
		for j, r := range rings {
			if n := r.Stats().Received - before[j]; n > 0 {
				seen[j], busy[j] = true, true
				before[j] += n
				sent -= int(n)
			}
		}
		if sent != 0 {
			t.Fatalf("%d packets of flow %d are missing", sent, i)
		}
		if len(seen) > 1 {
			split++
		}
	}
	return split, len(busy)
}

// TestLiveFanout measures what PACKET_FANOUT_HASH does, for the record, and
// demands that the eBPF program splits no flow.
func TestLiveFanout(t *testing.T) {
	ownNetwork(t)
	send := sender(t)
	hashed := openRings(t, liveOptions(4))
	program, err := bpf.OpenFanout()
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	o := liveOptions(4)
	o.Fanout = program
	chosen := openRings(t, o)
	if got := chosen[0].Programs().Fanout; got != nil {
		t.Fatalf("eBPF fan-out is off: %v", got)
	}
	table := fmt.Sprintf("%-30s %20s %20s\n", "of 64 flows, split over rings:", "PACKET_FANOUT_HASH", "eBPF")
	for _, k := range fanoutKinds {
		hash, hashUsed := splits(t, hashed, send, k.frames)
		ours, used := splits(t, chosen, send, k.frames)
		table += fmt.Sprintf("%-30s %11d (%d used) %11d (%d used)\n", k.name, hash, hashUsed, ours, used)
		if ours != 0 || used != 4 {
			t.Errorf("%s: %d of 64 flows are split over %d rings", k.name, ours, used)
		}
	}
	t.Log("\n" + table)
}
