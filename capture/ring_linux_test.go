package capture

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"kagami/packet"
	"kagami/sensor"
)

// ringPacket writes one packet of a block, padded to next octets.
func ringPacket(next int, tci, tpid uint16, flags uint32, data string) []byte {
	const mac = 80
	ne := binary.NativeEndian
	h := make([]byte, max(next, mac+len(data)))
	ne.PutUint32(h, uint32(next))
	ne.PutUint32(h[offSec:], 1_700_000_000)
	ne.PutUint32(h[offNsec:], 999)
	ne.PutUint32(h[offCaptured:], uint32(len(data)))
	ne.PutUint32(h[offWire:], 1500)
	ne.PutUint32(h[offFlags:], flags)
	ne.PutUint16(h[offMac:], mac)
	ne.PutUint32(h[offTCI:], uint32(tci))
	ne.PutUint16(h[offTPID:], tpid)
	copy(h[mac:], data)
	return h
}

func ringBlock(n uint32, packets ...[]byte) []byte {
	const first = 48
	b := make([]byte, first)
	binary.NativeEndian.PutUint32(b[offPackets:], n)
	binary.NativeEndian.PutUint32(b[offFirst:], first)
	for _, p := range packets {
		b = append(b, p...)
	}
	return b
}

func TestRingBlock(t *testing.T) {
	plain := ringPacket(128, 0, 0, 0, "plain")
	far := ringPacket(128, 0, 0, 0, "far")
	binary.NativeEndian.PutUint16(far[offMac:], 60000)
	long := ringPacket(128, 0, 0, 0, "long")
	binary.NativeEndian.PutUint32(long[offCaptured:], 1<<31)
	wrap := ringPacket(128, 0, 0, 0, "wrap")
	binary.NativeEndian.PutUint32(wrap, 0xffffffff)
	for _, c := range []struct {
		name   string
		block  []byte
		frames []string
		broken uint64
	}{
		{"two packets", ringBlock(2, plain, plain), []string{"plain", "plain"}, 0},
		{"empty block", ringBlock(0), nil, 0},
		{"count beyond the block", ringBlock(3, plain, plain), []string{"plain", "plain"}, 1},
		{"frame beyond the block", ringBlock(3, plain, far, plain), []string{"plain"}, 2},
		{"length beyond the block", ringBlock(1, long), nil, 1},
		{"next beyond the block", ringBlock(2, wrap, plain), []string{"wrap"}, 1},
	} {
		r := &Ring{sock: &socket{link: packet.LinkEthernet}}
		var b sensor.Batch
		r.frames(&b, c.block)
		var got []string
		for _, f := range b.Frames {
			got = append(got, string(f.Data))
			if f.Time != 1_700_000_000_000_000_999 || f.WireLen != 1500 || f.Link != packet.LinkEthernet || f.TPID != 0 {
				t.Errorf("%s: frame %+v", c.name, f)
			}
		}
		if strings.Join(got, " ") != strings.Join(c.frames, " ") || r.State().Broken != c.broken {
			t.Errorf("%s: %q and %d broken, want %q and %d", c.name, got, r.State().Broken, c.frames, c.broken)
		}
	}
}

func TestRingVLAN(t *testing.T) {
	const valid, tpidValid = unix.TP_STATUS_VLAN_VALID, unix.TP_STATUS_VLAN_TPID_VALID
	for _, c := range []struct {
		flags    uint32
		wantTCI  uint16
		wantTPID uint16
	}{
		{0, 0, 0},
		{valid, 100, 0x8100},
		{valid | tpidValid, 100, 0x88a8},
	} {
		r := &Ring{sock: &socket{}}
		var b sensor.Batch
		r.frames(&b, ringBlock(1, ringPacket(128, 100, 0x88a8, c.flags, "x")))
		if f := b.Frames[0]; f.VLAN != c.wantTCI || f.TPID != c.wantTPID {
			t.Errorf("flags %#x: tag %d %#x, want %d %#x", c.flags, f.VLAN, f.TPID, c.wantTCI, c.wantTPID)
		}
	}
}

func TestLimitSnap(t *testing.T) {
	in := []bpf.RawInstruction{{Op: 0x28, K: 12}, {Op: 0x15, Jf: 1, K: 0x800}, {Op: opRetK, K: 262144}, {Op: opRetK}}
	out := limitSnap(in, 128)
	if out[2].K != 128 || out[3].K != 0 || in[2].K != 262144 {
		t.Errorf("got %v from %v", out, in)
	}
	if out := limitSnap(nil, 128); len(out) != 1 || out[0] != (bpf.RawInstruction{Op: opRetK, K: 128}) {
		t.Errorf("no filter: %v", out)
	}
}

func TestExplain(t *testing.T) {
	o := LiveOptions{Interface: "eth1", Rings: 2, RingBytes: 64 << 20}
	for err, want := range map[error]string{
		unix.EPERM:  "capture eth1: operation not permitted; run as root or: setcap cap_net_raw+ep bin/kagami",
		unix.ENOMEM: "capture eth1: cannot allocate memory for 2 rings of 64 MiB; lower capture.ring_mib or capture.workers",
		unix.EINVAL: "capture eth1: bind: invalid argument",
	} {
		if got := explain(o, "bind", err); got.Error() != want {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	}
}

func BenchmarkRingBlock(b *testing.B) {
	var packets [][]byte
	for range 2000 {
		packets = append(packets, ringPacket(128, 0, 0, 0, strings.Repeat("x", 40)))
	}
	block := ringBlock(2000, packets...)
	r := &Ring{sock: &socket{link: packet.LinkEthernet}}
	var batch sensor.Batch
	b.ReportAllocs()
	for n := 0; n < b.N; n += 2000 { // one operation is one packet
		batch.Frames = batch.Frames[:0]
		r.frames(&batch, block)
	}
}
