package bpf

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

func openShunt(t testing.TB, o Options) *Shunt {
	t.Helper()
	needRoot(t)
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// kernelProgram is the program without a filter.
func kernelProgram(t testing.TB, s *Shunt, link packet.LinkType, snaplen uint32) *ebpf.Program {
	t.Helper()
	p, err := s.program(link, nil, snaplen)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const testSnap = 1 << 18

// Frames by hand, so that each octet is chosen.

func eth(proto uint16, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, proto), rest...)
}

func tag(tpid uint16, frame []byte) []byte {
	out := binary.BigEndian.AppendUint16(append([]byte{}, frame[:12]...), tpid)
	return append(append(out, 0, 7), frame[12:]...)
}

func ip4(src, dst byte, proto byte, payload []byte) []byte {
	h := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(payload)))
	h = append(h, 0, 0, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, src, 10, 0, 0, dst)
	return append(h, payload...)
}

func ip6(src, dst byte, next byte, payload []byte) []byte {
	h := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(payload)))
	h = append(h, next, 64)
	for _, last := range []byte{src, dst} {
		h = append(append(h, 0x20, 1, 0xd, 0xb8), make([]byte, 11)...)
		h = append(h, last)
	}
	return append(h, payload...)
}

func tcp(sport, dport uint16, flags packet.TCPFlags, payload string) []byte {
	h := binary.BigEndian.AppendUint16(nil, sport)
	h = binary.BigEndian.AppendUint16(h, dport)
	h = append(h, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, byte(flags), 1, 0, 0, 0, 0, 0)
	return append(h, payload...)
}

func udp(sport, dport uint16, payload string) []byte {
	h := binary.BigEndian.AppendUint16(nil, sport)
	h = binary.BigEndian.AppendUint16(h, dport)
	h = binary.BigEndian.AppendUint16(h, uint16(8+len(payload)))
	return append(append(h, 0, 0), payload...)
}

func parse(t testing.TB, frame []byte, link packet.LinkType) (packet.Packet, packet.Outcome) {
	t.Helper()
	var p packet.Packet
	out := p.Parse(frame, uint32(len(frame)), link)
	return p, out
}

// counted is what user space would have counted for one packet.
func counted(p *packet.Packet) (out sensor.Shunted) {
	out.Packets[p.Side] = 1
	out.Bytes[p.Side] = uint64(p.WireLen)
	out.IPBytes[p.Side] = uint64(p.IPLen)
	out.Payload[p.Side] = uint64(p.PayloadLen())
	return out
}

func withoutTime(s sensor.Shunted) sensor.Shunted {
	s.Last = [2]int64{}
	return s
}

func TestLiveShuntedPackets(t *testing.T) {
	s := openShunt(t, Options{Flows: 16})
	long := strings.Repeat("x", 700)
	padded := append(eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, ""))...), make([]byte, 6)...)
	offload := eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, long))...)
	offload[16], offload[17] = 0, 0
	options := eth(0x800, ip4(1, 2, 6, append([]byte{1, 1, 1, 1}, tcp(1000, 443, packet.ACK, long)...))...)
	options[14] = 0x46
	for name, frame := range map[string][]byte{
		"IPv4 TCP":                  eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, long))...),
		"the other direction":       eth(0x800, ip4(2, 1, 6, tcp(443, 1000, packet.ACK|packet.PSH, long))...),
		"same address, both ports":  eth(0x800, ip4(1, 1, 6, tcp(1000, 443, packet.ACK, long))...),
		"IPv4 UDP":                  eth(0x800, ip4(1, 2, 17, udp(1000, 443, long))...),
		"IPv6 TCP":                  eth(0x86dd, ip6(9, 2, 6, tcp(1000, 443, packet.ACK, long))...),
		"IPv6 UDP":                  eth(0x86dd, ip6(9, 2, 17, udp(1000, 443, long))...),
		"VLAN":                      tag(0x8100, eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, long))...)),
		"QinQ":                      tag(0x88a8, tag(0x8100, eth(0x86dd, ip6(9, 2, 6, tcp(1000, 443, packet.ACK, long))...))),
		"padding after a bare ACK":  padded,
		"length 0 of an offload":    offload,
		"IPv4 options":              options,
		"shorter UDP length":        eth(0x800, ip4(1, 2, 17, append(udp(1000, 443, "four"), "a trailer beyond it"...))...),
		"IP length beyond the wire": eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, long))...)[:600],
	} {
		p, out := parse(t, frame, packet.LinkEthernet)
		if out != packet.OK {
			t.Fatalf("%s: %v", name, out)
		}
		for link, data := range map[packet.LinkType][]byte{packet.LinkEthernet: frame, packet.LinkRaw: frame[p.L3:]} {
			p, _ := parse(t, data, link)
			prog := kernelProgram(t, s, link, testSnap)
			if got := run(t, prog, data); got != testSnap {
				t.Errorf("%s, not shunted: %d octets kept", name, got)
			}
			if !s.Shunt(p.Key) {
				t.Fatalf("%s: refused", name)
			}
			if got := run(t, prog, data); got != 0 {
				t.Errorf("%s, shunted: %d octets kept", name, got)
			}
			c, ok := s.Release(p.Key)
			if want := counted(&p); !ok || withoutTime(c) != want || c.Last[p.Side] == 0 {
				t.Errorf("%s over link %d:\ngot  %+v\nwant %+v", name, link, c, want)
			}
			if got := run(t, prog, data); got != testSnap {
				t.Errorf("%s, released: %d octets kept", name, got)
			}
		}
	}
}

// TestLivePauses: what a side says after two seconds of silence comes up, once;
// bare acknowledgements do not.
func TestLivePauses(t *testing.T) {
	s := openShunt(t, Options{Flows: 16})
	data := eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, "beat"))...)
	bare := eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, ""))...)
	p, _ := parse(t, data, packet.LinkEthernet)
	prog := kernelProgram(t, s, packet.LinkEthernet, testSnap)
	if !s.Shunt(p.Key) {
		t.Fatal("refused")
	}
	silent := func(by int64) { // the clock cannot be turned, so the last packet's time is
		i := 2*s.held[p.Key] + uint32(p.Side)
		b, err := s.counters.LookupBytes(i)
		if err != nil {
			t.Fatal(err)
		}
		binary.NativeEndian.PutUint64(b[lastAt:], uint64(monotonic()-by))
		if err := s.counters.Put(i, b); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		name  string
		frame []byte
		after int64
		want  uint32
	}{
		{"at once", data, 0, 0}, {"after a second", data, 1e9, 0}, {"after a pause", data, records.PulsePause + 1e7, testSnap},
		{"the rest of it", data, 0, 0}, {"an acknowledgement after a pause", bare, records.PulsePause + 1e7, 0},
	} {
		if x.after > 0 {
			silent(x.after)
		}
		if got := run(t, prog, x.frame); got != x.want {
			t.Errorf("%s: %d octets kept, want %d", x.name, got, x.want)
		}
	}
	if c, _ := s.Shunted(p.Key); c.Packets[p.Side] != 4 {
		t.Errorf("%d packets counted, want the 4 that did not come up", c.Packets[p.Side])
	}
}

func TestLiveWhatPassesAlways(t *testing.T) {
	s := openShunt(t, Options{Flows: 16})
	inner := ip4(7, 8, 6, tcp(5, 6, packet.ACK, "inner"))
	fragment := eth(0x800, ip4(1, 2, 17, udp(1000, 443, "first"))...)
	fragment[20] = 0x20
	later := append([]byte{}, fragment...)
	later[21] = 3
	for name, frame := range map[string][]byte{
		"SYN":            eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.SYN, ""))...),
		"SYN-ACK":        eth(0x800, ip4(2, 1, 6, tcp(443, 1000, packet.SYN|packet.ACK, ""))...),
		"FIN":            eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.FIN|packet.ACK, "last"))...),
		"RST":            eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.RST, ""))...),
		"first fragment": fragment,
		"later fragment": later,
		"VXLAN":          eth(0x800, ip4(1, 2, 17, udp(1000, 4789, "\x08\x00\x00\x00\x00\x00\x07\x00"+string(eth(0x800, inner...))))...),
		"VXLAN anywhere": eth(0x800, ip4(1, 2, 17, udp(1000, 443, "\x08\x00\x00\x00\x00\x00\x07\x00"+string(eth(0x800, inner...))))...),
		"GTP-U anywhere": eth(0x800, ip4(1, 2, 17, udp(1000, 443, "\x30\xff\x00\x2d\x00\x00\x00\x07"+string(inner)))...),
		"short TCP":      eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, "")[:16])...),
		"bad TCP offset": eth(0x800, ip4(1, 2, 6, append(tcp(1000, 443, packet.ACK, "")[:12], 0x40, 0x10, 0, 0, 0, 0, 0, 0))...),
		"hop-by-hop":     eth(0x86dd, ip6(1, 2, 0, append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, tcp(1000, 443, packet.ACK, "")...))...),
		"ICMP":           eth(0x800, ip4(1, 2, 1, []byte("\x08\x00\x00\x00\x00\x01\x00\x01"))...),
		"ARP":            eth(0x806, make([]byte, 28)...),
		"a runt":         {1, 2, 3},
	} {
		for _, f := range []byte{6, 17} { // the outer flow is shunted
			for _, b := range [][]byte{ip4(1, 2, 6, tcp(1000, 443, 0, "")), ip4(1, 2, 17, udp(1000, 443, "")), ip4(1, 2, 17, udp(1000, 4789, "")),
				ip6(1, 2, f, tcp(1000, 443, 0, ""))} {
				if p, out := parse(t, b, packet.LinkRaw); out == packet.OK {
					s.Shunt(p.Key)
				}
			}
		}
		if got := run(t, kernelProgram(t, s, packet.LinkEthernet, 200), frame); got != 200 {
			t.Errorf("%s: %d octets kept, want all 200", name, got)
		}
	}
}

func TestLiveHeadersOnly(t *testing.T) {
	s := openShunt(t, Options{Flows: 2})
	frame := eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.ACK, strings.Repeat("x", 700)))...)
	p, _ := parse(t, frame, packet.LinkEthernet)
	prog := kernelProgram(t, s, packet.LinkEthernet, testSnap)
	if !s.Headers(p.Key, 128) || run(t, prog, frame) != 128 {
		t.Fatalf("%d octets kept, want 128", run(t, prog, frame))
	}
	if err := s.flows.Delete(encode(p.Key)); err != nil || run(t, prog, frame) != testSnap { // as an eviction does
		t.Fatalf("%d octets kept of a flow that was forgotten, %v", run(t, prog, frame), err)
	}
	if !s.Headers(p.Key, 128) || run(t, prog, frame) != 128 {
		t.Error("asking again: refused")
	}
	if c, ok := s.Shunted(p.Key); ok {
		t.Errorf("counts %+v of a flow that comes", c)
	}
	if got := run(t, kernelProgram(t, s, packet.LinkEthernet, 100), frame); got != 100 {
		t.Errorf("%d octets kept, want the snap length of 100", got)
	}
	if !s.Shunt(p.Key) || run(t, prog, frame) != 0 {
		t.Error("from headers to nothing: refused")
	}
	if c, ok := s.Release(p.Key); !ok || c.Packets != [2]uint64{1, 0} {
		t.Errorf("counts %+v, %t", c, ok)
	}
	fin := eth(0x800, ip4(1, 2, 6, tcp(1000, 443, packet.FIN, strings.Repeat("x", 700)))...)
	if s.Headers(p.Key, 128); run(t, prog, fin) != testSnap {
		t.Error("FIN was cut")
	}
}

func flowKey(i int) packet.Key {
	k := packet.Key{APort: uint16(i), BPort: 443, Proto: packet.ProtoTCP}
	k.A, k.B = [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 1}, [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 2}
	return k
}

func flowFrame(i int) []byte {
	return eth(0x800, ip4(1, 2, 6, tcp(uint16(i), 443, packet.ACK, "data"))...)
}

// The kernel's table has room for a part of the flows: those it evicts pass
// again, and whatever was counted before stays.
func TestLiveEvictionKeepsCounts(t *testing.T) {
	const flows = 1000
	s := openShunt(t, Options{Flows: flows, table: 128})
	prog := kernelProgram(t, s, packet.LinkEthernet, testSnap)
	var dropped, passed [flows]uint64
	send := func(i int) {
		if run(t, prog, flowFrame(i)) == 0 {
			dropped[i]++
		} else {
			passed[i]++
		}
	}
	for i := range flows {
		if !s.Shunt(flowKey(i)) {
			t.Fatalf("flow %d refused", i)
		}
		send(i)
		send(i)
	}
	for i := range flows {
		send(i)
	}
	evicted := 0
	for i := range flows {
		if passed[i] > 0 {
			evicted++
		}
		if i%3 == 0 { // an evicted flow may be put back
			s.Shunt(flowKey(i))
			send(i)
		}
	}
	for i := range flows {
		c, ok := s.Release(flowKey(i))
		if !ok || c.Packets[0] != dropped[i] || c.Payload[0] != 4*dropped[i] {
			t.Fatalf("flow %d: counts %+v, want %d packets (%d passed)", i, c, dropped[i], passed[i])
		}
	}
	if evicted < flows-128 {
		t.Errorf("%d flows were evicted, want at least %d", evicted, flows-128)
	}
	if got := s.Stats(); got.Held != 0 || got.Flows != flows+334 || got.Refused != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestLiveFullTable(t *testing.T) {
	s := openShunt(t, Options{Flows: 3})
	for i := range 5 {
		if got, want := s.Shunt(flowKey(i)), i < 3; got != want {
			t.Errorf("flow %d: %t, want %t", i, got, want)
		}
	}
	prog := kernelProgram(t, s, packet.LinkEthernet, testSnap)
	run(t, prog, flowFrame(1))
	if c, ok := s.Release(flowKey(1)); !ok || c.Packets[0] != 1 {
		t.Errorf("counts %+v, %t", c, ok)
	}
	if _, ok := s.Release(flowKey(1)); ok {
		t.Error("released twice")
	}
	if !s.Shunt(flowKey(4)) {
		t.Error("a slot is free, but refused")
	}
	if c, ok := s.Shunted(flowKey(4)); !ok || c != (sensor.Shunted{}) {
		t.Errorf("a new flow begins with %+v", c)
	}
	if got, want := s.Stats(), (ShuntStats{Flows: 4, Refused: 2, Held: 3, Packets: 1, Bytes: 58}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	icmp := flowKey(9)
	icmp.Proto = packet.ProtoICMP
	if s.Release(flowKey(0)); s.Shunt(icmp) {
		t.Error("ICMP is not shunted in the kernel, but was granted")
	}
}

func TestLiveMemoryEstimate(t *testing.T) {
	s := openShunt(t, Options{})
	var total uint64
	for _, m := range []*ebpf.Map{s.flows, s.counters} {
		info, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.Memlock()
		if !ok {
			t.Skip("this kernel does not tell the memory of maps")
		}
		total += n
	}
	if estimate := MemoryBytes(0); int64(total) > estimate || int64(total) < estimate/2 {
		t.Errorf("the kernel takes %d octets for %d flows, MemoryBytes says %d with user space", total, DefaultFlows, estimate)
	}
}
