package segment

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func check(t *testing.T, b []byte, c Crash) (State, *told) {
	t.Helper()
	k := &told{}
	st, err := Check(bytes.NewReader(b), int64(len(b)), c, k.visitor())
	if err != nil {
		t.Fatal(err)
	}
	return st, k
}

func TestCheck(t *testing.T) {
	sealed := recording(45, 900)
	synced := int64(len(sealed.b))
	packets := scanBytes(t, sealed.b).packets
	open := recording(45, 900)
	for range 9 {
		open.packet(t0, strings.Repeat("y", 2000), 2000)
	}
	size := int64(len(open.b))
	last := size - int64(PacketOverhead+2000) // of the last packet
	block := int64(PacketOverhead + 2000)
	for _, c := range []struct {
		name    string
		file    func() []byte
		crash   Crash
		good    int64
		proven  int64
		trusted bool
		reason  string
	}{
		{"sealed", func() []byte { return sealed.b }, PowerLost, synced, synced, true, ""},
		{"open, whole", func() []byte { return open.b }, ProcessDied, size, synced, true, ""},
		{"open, whole, after a power cut", func() []byte { return open.b }, PowerLost, size, synced, true, ""},
		{"torn", func() []byte { return open.b[:size-50] }, ProcessDied, last, synced, true, "block needs 2032 octets, file ends after 1982"},
		{"zero tail", func() []byte { return append(bytes.Clone(open.b), make([]byte, 9000)...) }, PowerLost, size, synced, true, zeros},
		{"a sector of zeros in a packet", func() []byte {
			b := bytes.Clone(open.b)
			at := (last - block + 100 + sector) / sector * sector
			clear(b[at : at+sector])
			return b
		}, PowerLost, last - block, synced, true, "sector of zeros"},
		{"zeros in a packet, no power cut", func() []byte {
			b := bytes.Clone(open.b)
			clear(b[last-block+100 : last-100])
			return b
		}, ProcessDied, size, synced, true, ""},
		{"a block's head is lost", func() []byte {
			b := bytes.Clone(open.b)
			clear(b[last-block : last-block+64])
			return b
		}, PowerLost, last - block, synced, true, "zeros"},
		{"a block's head is damaged, no power cut", func() []byte {
			b := bytes.Clone(open.b)
			b[last-block+4]++
			return b
		}, ProcessDied, size, synced, false, "block length 2033"},
		{"damage before the last sync is not the crash's", func() []byte {
			b := bytes.Clone(open.b)
			b[packets[3].Pos+40] ^= 1
			return b
		}, PowerLost, size, synced, true, ""},
		{"the beginning is lost", func() []byte { return make([]byte, 8192) }, PowerLost, 0, 0, false, "the beginning is missing"},
		{"empty", func() []byte { return nil }, PowerLost, 0, 0, true, ""},
	} {
		b := c.file()
		st, _ := check(t, b, c.crash)
		if st.Good != c.good || st.Torn != int64(len(b))-c.good || st.Proven != c.proven || st.Trusted != c.trusted || !strings.Contains(st.Reason, c.reason) || (c.reason == "") != (st.Reason == "") {
			t.Errorf("%s: good %d of %d, torn %d, proven %d, trusted %v, %q; want good %d, proven %d", c.name, st.Good, len(b), st.Torn, st.Proven, st.Trusted, st.Reason, c.good, c.proven)
		}
	}
}

// TestPowerCut loses random sectors of what was not synced. What is left behind the
// cut is proven or whole, and everything that was synced is there.
func TestPowerCut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	r := newRecorder(packet.LinkEthernet).mark(true)
	var synced int64
	for i := range 400 {
		data := make([]byte, 60+rnd.IntN(1400))
		for j := range data {
			data[j] = byte(1 + rnd.IntN(255))
		}
		r.packet(t0+int64(i), string(data), uint32(len(data)))
		switch {
		case i == 200:
			r.mark(true)
			synced = int64(len(r.b))
		case i%30 == 0:
			r.mark(false)
		}
	}
	whole := scanBytes(t, r.b)
	for range 300 {
		b := bytes.Clone(r.b)
		size := synced + rnd.Int64N(int64(len(b))-synced)
		b = b[:size]
		for range rnd.IntN(20) {
			at := (synced + rnd.Int64N(size-synced) + sector - 1) / sector * sector
			clear(b[min(at, size):min(at+sector*int64(1+rnd.IntN(8)), size)])
		}
		st, _ := check(t, b, PowerLost)
		k := scanBytes(t, b[:st.Good])
		if st.Good < synced || st.Proven < synced {
			t.Fatalf("good %d, proven %d, but %d were synced", st.Good, st.Proven, synced)
		}
		if n := len(k.packets); !slices.Equal(k.packets, whole.packets[:n]) || k.BadMarks > 0 || len(k.damage) > 0 {
			t.Fatalf("%d packets: some are not what was written; %v", n, k.damage)
		}
	}
}
