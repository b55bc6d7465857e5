package packet

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// fragment4 cuts a UDP datagram of n payload octets into IPv4 fragments.
func fragments4(t testing.TB, id uint16, n, mtu int) (frames [][]byte, payload []byte) {
	payload = make([]byte, n)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	whole := frame(t, ip4("10.0.0.1", "10.0.0.2", 17), &layers.UDP{SrcPort: 1000, DstPort: 2000}, gopacket.Payload(payload))[20:]
	for off := 0; off < len(whole); off += mtu {
		end := min(off+mtu, len(whole))
		ip := ip4("10.0.0.1", "10.0.0.2", 17)
		ip.Id, ip.FragOffset = id, uint16(off/8)
		if end < len(whole) {
			ip.Flags = layers.IPv4MoreFragments
		}
		frames = append(frames, frame(t, eth(0x800), ip, gopacket.Payload(whole[off:end])))
	}
	return frames, payload
}

func fragments6(t testing.TB, id uint32, n, mtu int) (frames [][]byte, payload []byte) {
	payload = bytes.Repeat([]byte("v6 "), n/3)
	whole := frame(t, ip6("::1", "::2", 17), &layers.UDP{SrcPort: 1000, DstPort: 2000}, gopacket.Payload(payload))[40:]
	for off := 0; off < len(whole); off += mtu {
		end := min(off+mtu, len(whole))
		h := []byte{17, 0, 0, 0, 0, 0, 0, 0}
		be.PutUint16(h[2:], uint16(off))
		if end < len(whole) {
			h[3] |= 1
		}
		be.PutUint32(h[4:], id)
		ip := ip6("::1", "::2", 44)
		frames = append(frames, frame(t, eth(0x86dd), ip, gopacket.Payload(append(h, whole[off:end]...))))
	}
	return frames, payload
}

// add parses frames and gives them to r; it returns the payload that came out.
func add(t testing.TB, r *Reassembler, now int64, frames ...[]byte) []byte {
	t.Helper()
	var p, out Packet
	for _, f := range frames {
		if o := p.Parse(f, uint32(len(f)), LinkEthernet); o != Fragment {
			t.Fatalf("outcome %v, want fragment", o)
		}
		if n, o := r.Add(&p, now, &out); o == OK {
			if n == 0 || out.Key.APort == 0 {
				t.Errorf("%d fragments, key %+v", n, out.Key)
			}
			return append([]byte(nil), out.Bytes()...)
		}
	}
	return nil
}

func TestReassembly(t *testing.T) {
	for name, make := range map[string]func() ([][]byte, []byte){
		"ipv4": func() ([][]byte, []byte) { return fragments4(t, 7, 3000, 1480) },
		"ipv6": func() ([][]byte, []byte) { return fragments6(t, 7, 3000, 1232) },
		"max":  func() ([][]byte, []byte) { return fragments4(t, 7, 65000, 1480) },
	} {
		t.Run(name, func(t *testing.T) {
			frames, want := make()
			for range 20 {
				var r Reassembler
				rand.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
				if got := add(t, &r, 0, frames...); !bytes.Equal(got, want) {
					t.Fatalf("%d octets came out, want %d", len(got), len(want))
				}
				if r.Stats.Datagrams != 1 || r.Pending() != 0 {
					t.Errorf("stats %+v, %d pending", r.Stats, r.Pending())
				}
			}
		})
	}
}

func TestReassemblyFirstOctetsWin(t *testing.T) {
	frames, want := fragments4(t, 7, 3000, 1480)
	evil := bytes.Clone(frames[0])
	for i := 34; i < len(evil); i++ {
		evil[i] = 'X'
	}
	var r Reassembler
	if got := add(t, &r, 0, frames[0], evil, frames[1], frames[2]); !bytes.Equal(got, want) {
		t.Error("a second copy replaced the first")
	}
	if r.Stats.Overlapped != 1 {
		t.Errorf("stats %+v", r.Stats)
	}
}

func TestReassemblyBounds(t *testing.T) {
	var r Reassembler
	for id := range uint16(MaxDatagrams + 10) {
		frames, _ := fragments4(t, id, 3000, 1480)
		add(t, &r, int64(id), frames[0])
	}
	if r.Pending() != MaxDatagrams || r.Stats.Evicted != 10 {
		t.Errorf("%d pending, stats %+v", r.Pending(), r.Stats)
	}
	frames, _ := fragments4(t, 999, 3000, 1480)
	add(t, &r, FragTimeout*3, frames[0])
	if r.Pending() != 1 || r.Stats.TimedOut != MaxDatagrams {
		t.Errorf("after the time-out: %d pending, stats %+v", r.Pending(), r.Stats)
	}
	many, _ := fragments4(t, 5, 8*(2*MaxFragments+50), 8)
	r = Reassembler{}
	for i := 0; i < len(many); i += 2 { // every other one: nothing joins
		add(t, &r, 0, many[i])
	}
	for i := 1; i < len(many); i += 2 {
		add(t, &r, 0, many[i])
	}
	if r.Stats.Refused == 0 {
		t.Errorf("more than %d pieces were held: %+v", MaxFragments, r.Stats)
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	data := frame(t, eth(0x800), ip4("10.0.0.2", "10.0.0.1", 6), &layers.TCP{SrcPort: 1, DstPort: 2}, gopacket.Payload("x"))
	frags, _ := fragments4(t, 7, 3000, 1480)
	var p, out Packet
	var r Reassembler
	if n := testing.AllocsPerRun(100, func() {
		p.Parse(data, uint32(len(data)), LinkEthernet)
		for _, f := range frags {
			p.Parse(f, uint32(len(f)), LinkEthernet)
			r.Add(&p, 0, &out)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	data := frame(b, eth(0x800), ip4("10.0.0.2", "10.0.0.1", 6), &layers.TCP{SrcPort: 1, DstPort: 2}, gopacket.Payload("x"))
	var p Packet
	b.ReportAllocs()
	for b.Loop() {
		p.Parse(data, uint32(len(data)), LinkEthernet)
	}
}
