package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

// TestFlippedOctets flips a bit in every octet of a segment. The mark behind it (or
// the mark that it is in) is not good, no other packet is lost, and none is invented.
func TestFlippedOctets(t *testing.T) {
	r := recording(40, 80)
	whole := scanBytes(t, r.b)
	head := int(whole.packets[0].Pos)
	for i := range r.b {
		for _, bit := range []byte{0x01, 0x10, 0x80} {
			file := bytes.Clone(r.b)
			file[i] ^= bit
			k := scanBytes(t, file)
			name := fmt.Sprintf("octet %d, bit %#x", i, bit)
			if k.GoodMarks == whole.GoodMarks {
				t.Errorf("%s: all marks are good", name)
			}
			checkBadRange(t, name, whole, k, int64(i))
			if i < head {
				continue // without its interface no packet is known
			}
			checkPackets(t, name, whole, k, int64(i), int64(i)+1)
		}
	}
}

// checkBadRange: an octet that is not a mark's own lies in the range of a bad mark.
func checkBadRange(t *testing.T, name string, whole, k *told, at int64) {
	t.Helper()
	for _, m := range whole.marks {
		if at >= m.Pos && at < m.Pos+MarkLen {
			return
		}
	}
	for i, m := range k.marks {
		if !k.good[i] && m.From <= at && at < m.Pos {
			return
		}
	}
	t.Errorf("%s: no bad mark is about it", name)
}

// checkPackets: octets [from, to) of a file were damaged; only packets in these may
// be lost or changed.
func checkPackets(t *testing.T, name string, whole, k *told, from, to int64) {
	t.Helper()
	hit := func(p seen) bool { return p.Pos < to && p.Pos+int64(p.Len) > from }
	var want, got []seen
	for _, p := range whole.packets {
		if !hit(p) {
			want = append(want, p)
		}
	}
	for _, p := range k.packets {
		if !hit(p) {
			got = append(got, p)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d packets outside the damage, want %d; %v", name, len(got), len(want), k.damage)
	}
}

func TestDamagedStretches(t *testing.T) {
	r := recording(300, 900)
	whole := scanBytes(t, r.b)
	head := whole.packets[0].Pos
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 400 {
		from := head + rnd.Int64N(int64(len(r.b))-head)
		to := min(from+1+rnd.Int64N(6000), int64(len(r.b)))
		file := bytes.Clone(r.b)
		kind := []string{"zeros", "noise", "ones", "other packets"}[n%4]
		for i := from; i < to; i++ {
			switch kind {
			case "zeros":
				file[i] = 0
			case "noise":
				file[i] = byte(rnd.Uint32())
			case "ones":
				file[i] = 0xff
			case "other packets": // a stale sector of the file itself
				file[i] = r.b[head+(i-from)]
			}
		}
		k := scanBytes(t, file)
		name := fmt.Sprintf("%s in [%d, %d)", kind, from, to)
		checkPackets(t, name, whole, k, from, to)
		if k.BadMarks == 0 && k.Damages == 0 && !bytes.Equal(file, r.b) {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// TestNothingIsInvented: what a packet carries is never taken for packets, though
// the block around it is damaged.
func TestNothingIsInvented(t *testing.T) {
	var forged []byte
	for i := range 20 {
		forged = AppendPacket(forged, 0, &sensor.Frame{Time: t0 + int64(i), Data: []byte("forged"), WireLen: 6}, 1<<16)
	}
	forged = AppendMark(forged, &Mark{Session: t0, Segment: 42, Pos: 2000})
	for _, before := range []int{3, 30} {
		r := newRecorder(packet.LinkEthernet).mark(true)
		for range before {
			r.packet(t0, "before", 6)
		}
		at := len(r.b)
		r.packet(t0, string(forged), uint32(len(forged))).packet(t0, "behind", 6)
		for _, tail := range []string{"marked", "open", "torn"} {
			file := bytes.Clone(r.b)
			switch tail {
			case "marked":
				file = bytes.Clone(r.mark(true).b)
			case "torn":
				file = file[:len(file)-10]
			}
			le.PutUint32(file[at+4:], le.Uint32(file[at+4:])+4)
			k := scanBytes(t, file)
			for _, p := range k.packets {
				if p.Data == "forged" {
					t.Fatalf("%s: a forged packet at %d", tail, p.Pos)
				}
			}
			if len(k.damage) == 0 {
				t.Errorf("%s: the damage is not told", tail)
			}
			if got := k.packets[len(k.packets)-1].Data; tail != "torn" && got != "behind" {
				t.Errorf("%s: last packet %q", tail, got)
			}
		}
	}
}

// TestStaleSection: a section header that a stale sector brings changes nothing.
func TestStaleSection(t *testing.T) {
	r := recording(40, 80)
	whole := scanBytes(t, r.b)
	from := whole.packets[7].Pos
	to := from + int64(copy(r.b[from:], AppendSection(nil, "")))
	k := scanBytes(t, r.b)
	checkPackets(t, "stale section", whole, k, from, to)
	accessible(t, r.b, k)
}

func TestTornAtEveryOctet(t *testing.T) {
	r := recording(30, 60)
	whole := scanBytes(t, r.b)
	ends := []int64{0}
	for b, at := r.b, 0; at < len(b); {
		at += int(le.Uint32(b[at+4:]))
		ends = append(ends, int64(at))
	}
	for n := minSection; n <= len(r.b); n++ {
		k := scanBytes(t, r.b[:n])
		last := slices.IndexFunc(ends, func(e int64) bool { return e > int64(n) })
		end := ends[len(ends)-1]
		if last > 0 {
			end = ends[last-1]
		}
		packets := 0
		for packets < len(whole.packets) && whole.packets[packets].Pos < end {
			packets++
		}
		if k.End != end || k.Torn != int64(n)-end || !slices.Equal(k.packets, whole.packets[:packets]) || k.BadMarks > 0 {
			t.Errorf("%d octets: end %d, want %d; torn %d; %d packets, want %d; %d bad marks", n, k.End, end, k.Torn, len(k.packets), packets, k.BadMarks)
		}
		if (len(k.damage) == 1) != (int64(n) > end) {
			t.Errorf("%d octets: damage %v", n, k.damage)
		}
	}
}

func TestZeros(t *testing.T) {
	r := recording(50, 900)
	whole := scanBytes(t, r.b)
	for _, n := range []int{4, 12, 100, 4096, 3 << 20, 3<<20 + 1} {
		file := append(bytes.Clone(r.b), make([]byte, n)...)
		k := scanBytes(t, file)
		if !slices.Equal(k.packets, whole.packets) || k.End != int64(len(r.b)) || k.Torn != int64(n) || len(k.damage) != 1 {
			t.Errorf("%d zeros: %d packets, end %d, torn %d, %v", n, len(k.packets), k.End, k.Torn, k.damage)
		}
	}
	// A file system has lost pages in the middle: all of a megabyte and more.
	long := recording(3000, 1400)
	whole = scanBytes(t, long.b)
	file := bytes.Clone(long.b)
	from, to := 40<<10, 40<<10+1<<20
	clear(file[from:to])
	k := scanBytes(t, file)
	checkPackets(t, "a MiB of zeros", whole, k, int64(from), int64(to))
	if k.End != int64(len(file)) {
		t.Errorf("end %d of %d", k.End, len(file))
	}
}

func TestDamagedForeignFile(t *testing.T) {
	f := &foreign{o: le}
	f.section().iface(packet.LinkEthernet, 0)
	var at []int
	for i := range 50 {
		at = append(at, len(f.b))
		f.enhanced(0, uint64(i), strings.Repeat("x", 60+i), 200)
	}
	whole := scanBytes(t, f.b)
	for i := at[0]; i < len(f.b); i++ {
		for _, value := range []byte{0, 0xff, f.b[i] ^ 0x40} {
			file := bytes.Clone(f.b)
			file[i] = value
			k := scanBytes(t, file)
			checkPackets(t, fmt.Sprintf("octet %d = %#x", i, value), whole, k, int64(i), int64(i)+1)
		}
	}
}

func TestDamageWhoseFrameIsSound(t *testing.T) {
	f := &foreign{o: le}
	f.section().iface(packet.LinkEthernet, 0).enhanced(1, 1, "no such interface", 20).
		block(blockEnhanced, f.u32(0, 0, 0, 1000, 1000)).
		block(blockEnhanced, f.u32(0)).block(blockSimple).block(blockInterface).
		block(blockLocal, []byte("KGMI\x01\x01\x00\x00\x63")).
		block(blockLocal, []byte("KGMI\x02\x01\x00\x00\x63")).
		enhanced(0, 1, "good", 4)
	k := scanBytes(t, f.b)
	if len(k.packets) != 1 || len(k.damage) != 7 || k.BadMarks != 1 {
		t.Errorf("%d packets, %d bad marks, damage %q", len(k.packets), k.BadMarks, k.damage)
	}
}

func TestLimits(t *testing.T) {
	f := &foreign{o: le}
	for i := range maxSections + 10 {
		f.section().iface(packet.LinkType(i), 0).enhanced(0, 1, "a", 1)
	}
	if k := scanBytes(t, f.b); len(k.packets) != maxSections || len(k.damage) != 1 || !strings.Contains(k.damage[0], "sections") {
		t.Errorf("%d packets, %q", len(k.packets), k.damage)
	}
	f = &foreign{o: le}
	f.section()
	for range maxInterfaces + 1 {
		f.iface(packet.LinkEthernet, 0)
	}
	f.enhanced(maxInterfaces-1, 1, "a", 1).enhanced(maxInterfaces, 1, "a", 1)
	if k := scanBytes(t, f.b); len(k.packets) != 1 || len(k.damage) != 2 {
		t.Errorf("%d packets, %q", len(k.packets), k.damage)
	}
	f = &foreign{o: le}
	f.section().iface(packet.LinkEthernet, 0)
	for i := range maxStamps + 100 {
		f.enhanced(0, uint64(i+1), "a", 1).simple("b", 1)
	}
	k := scanBytes(t, f.b)
	if got := k.packets[len(k.packets)-1].Time; len(k.Layout.stamps) != maxStamps || got != maxStamps*1000 {
		t.Errorf("%d stamps, last time %d", len(k.Layout.stamps), got)
	}
	accessible(t, f.b, k)
}

// TestDamagedMark: a mark that is damaged itself takes its own octets into doubt, but
// not those of the next one.
func TestDamagedMark(t *testing.T) {
	r := recording(40, 80)
	whole := scanBytes(t, r.b)
	bad := whole.marks[1]
	for _, c := range []struct {
		name string
		with []byte
		at   int64
	}{
		{"counters", []byte{0xff}, bad.Pos + MarkLen - 20},
		{"position", []byte{0xff}, bad.Pos + localHead + 16},
		{"a mark from another place", r.b[whole.marks[0].Pos : whole.marks[0].Pos+MarkLen], bad.Pos},
	} {
		file := bytes.Clone(r.b)
		copy(file[c.at:], c.with)
		k := scanBytes(t, file)
		want := fmt.Sprintf("%d+%d: the mark that vouched for these octets is damaged", bad.From, bad.Pos+MarkLen-bad.From)
		if k.GoodMarks != whole.GoodMarks-1 || k.BadMarks != 1 || len(k.damage) != 2 || k.damage[1] != want || k.marks[1].From != bad.Pos+MarkLen {
			t.Errorf("%s: %d good marks, %d bad, %q", c.name, k.GoodMarks, k.BadMarks, k.damage)
		}
		file[bad.Pos+MarkLen+50] ^= 1
		if k := scanBytes(t, file); k.GoodMarks != whole.GoodMarks-2 || k.BadMarks != 2 || k.good[1] || k.marks[1].From != bad.From {
			t.Errorf("%s, and an octet: %d good marks, %d bad, %+v", c.name, k.GoodMarks, k.BadMarks, k.marks[1])
		}
	}
}
