package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

// short is what matters of a packet of a foreign file.
type short struct {
	time int64
	data string
	wire uint32
	link packet.LinkType
	id   uint32
}

func shortOf(ps []seen) (out []short) {
	for _, p := range ps {
		out = append(out, short{p.Time, p.Data, p.Wire, p.Link, p.If})
	}
	return out
}

func TestScanForeignBlocks(t *testing.T) {
	const sec = 1_700_000_000
	const us = sec * 1_000_000
	eth, raw := packet.LinkEthernet, packet.LinkRaw
	for _, c := range []struct {
		name  string
		build func(f *foreign)
		want  []short
	}{
		{"one interface", func(f *foreign) {
			f.section().iface(eth, 0).enhanced(0, us+1, "abc", 1500).enhanced(0, us+2, "abcd", 4)
		}, []short{{us*1000 + 1000, "abc", 1500, eth, 0}, {us*1000 + 2000, "abcd", 4, eth, 0}}},

		{"wire length below the captured", func(f *foreign) { f.section().iface(eth, 0).enhanced(0, us, "abcd", 1) },
			[]short{{us * 1000, "abcd", 4, eth, 0}}},

		{"two interfaces of different link types", func(f *foreign) {
			f.section().iface(eth, 0).iface(raw, 0).enhanced(1, us, "ip", 2).enhanced(0, us, "mac", 3)
		}, []short{{us * 1000, "ip", 2, raw, 1}, {us * 1000, "mac", 3, eth, 0}}},

		{"an interface described after the first packet", func(f *foreign) {
			f.section().iface(eth, 0).enhanced(0, us, "mac", 3).iface(raw, 0).enhanced(1, us, "ip", 2)
		}, []short{{us * 1000, "mac", 3, eth, 0}, {us * 1000, "ip", 2, raw, 1}}},

		{"a second section starts interfaces anew", func(f *foreign) {
			f.section().iface(eth, 0).iface(eth, 0).enhanced(1, us, "a", 1).section().iface(raw, 0).enhanced(0, us, "b", 1)
		}, []short{{us * 1000, "a", 1, eth, 1}, {us * 1000, "b", 1, raw, 0}}},

		{"sections that describe the same, and empty ones", func(f *foreign) {
			f.section().iface(eth, 0).enhanced(0, us, "a", 1).section().iface(eth, 0).enhanced(0, us, "b", 1).section().section().iface(eth, 0).enhanced(0, us, "c", 1)
		}, []short{{us * 1000, "a", 1, eth, 0}, {us * 1000, "b", 1, eth, 0}, {us * 1000, "c", 1, eth, 0}}},

		{"simple packets: time of the packet before, length by snaplen", func(f *foreign) {
			f.section().iface(eth, 6).simple("1", 1).enhanced(0, us, "abc", 3).simple("123456", 100).simple("12345", 5).enhanced(0, us+1, "", 0).simple("1", 1)
		}, []short{{0, "1", 1, eth, 0}, {us * 1000, "abc", 3, eth, 0}, {us * 1000, "123456", 100, eth, 0}, {us * 1000, "12345", 5, eth, 0}, {us*1000 + 1000, "", 0, eth, 0}, {us*1000 + 1000, "1", 1, eth, 0}}},

		{"obsolete packet block with drop count", func(f *foreign) {
			f.section().iface(eth, 0).iface(raw, 0).obsolete(1, us, "abcde", 9)
		}, []short{{us * 1000, "abcde", 9, raw, 1}}},

		{"other blocks are passed over", func(f *foreign) {
			f.section().block(blockNames, f.u32(0)).iface(eth, 0).block(blockStatistics, f.u32(0, 1, 2)).
				block(blockCustom, f.u32(1, 2)).block(blockLocal, f.u32(3)).block(0x7777, nil).block(blockSecrets, f.u32(1, 0)).
				enhanced(0, us, "abc", 3, f.option(1, []byte("a comment")), f.option(0, nil))
		}, []short{{us * 1000, "abc", 3, eth, 0}}},

		{"a block longer than the window is passed over", func(f *foreign) {
			f.section().iface(eth, 0).block(blockSecrets, make([]byte, 3<<20)).enhanced(0, us, "abc", 3)
		}, []short{{us * 1000, "abc", 3, eth, 0}}},

		{"a packet as long as the window", func(f *foreign) {
			f.section().iface(eth, 0).enhanced(0, us, strings.Repeat("x", maxRecord), maxRecord).enhanced(0, us, "abc", 3)
		}, []short{{us * 1000, strings.Repeat("x", maxRecord), maxRecord, eth, 0}, {us * 1000, "abc", 3, eth, 0}}},

		{"nanoseconds", func(f *foreign) {
			f.section().iface(eth, 0, f.option(optTSResol, []byte{9}), f.option(0, nil)).enhanced(0, sec*1e9+123, "abc", 3)
		}, []short{{sec*1e9 + 123, "abc", 3, eth, 0}}},

		{"resolution and offset of each interface, options in any order", func(f *foreign) {
			f.section().
				iface(eth, 0, f.option(2, []byte("eth0")), f.option(optTSOffset, f.o.AppendUint64(nil, 1000)), f.option(optTSResol, []byte{3})).
				iface(eth, 0, f.option(optTSResol, []byte{0x80 | 10})).
				enhanced(0, 5, "a", 1).enhanced(1, 3<<10|512, "b", 1)
		}, []short{{1000*1e9 + 5e6, "a", 1, eth, 0}, {3_500_000_000, "b", 1, eth, 1}}},
	} {
		for _, o := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
			t.Run(fmt.Sprintf("%s, %v", c.name, o), func(t *testing.T) {
				f := &foreign{o: o}
				c.build(f)
				k := scanBytes(t, f.b)
				if got := shortOf(k.packets); !slices.Equal(got, c.want) || len(k.damage) > 0 {
					t.Errorf("got  %.300v %v\nwant %.300v", got, k.damage, c.want)
				}
				if k.End != int64(len(f.b)) || k.Torn != 0 || k.Layout.Format() != FormatPcapng || k.Packets != uint64(len(c.want)) {
					t.Errorf("end %d of %d, torn %d, %v, %d packets", k.End, len(f.b), k.Torn, k.Layout.Format(), k.Packets)
				}
				accessible(t, f.b, k)
			})
		}
	}
}

// accessible checks that random access and a scan of parts give what the scan gave,
// with the layout as it comes back from the index.
func accessible(t *testing.T, file []byte, k *told) {
	t.Helper()
	l, rest, err := ParseLayout(append(k.Layout.Append(nil), "rest"...))
	if err != nil || string(rest) != "rest" {
		t.Fatalf("layout: %v, rest %q", err, rest)
	}
	for i, want := range k.packets {
		var p Packet
		have := 0
		for have < len(file) {
			need, err := l.Packet(file[want.Pos:want.Pos+int64(have)], want.Pos, &p)
			if err != nil {
				t.Fatalf("packet %d: %v", i, err)
			}
			if need == 0 {
				break
			}
			if need <= have || want.Pos+int64(need) > int64(len(file)) {
				t.Fatalf("packet %d: has %d octets, needs %d", i, have, need)
			}
			have = need
		}
		if got := seenOf(&p); got != want || have != want.Len && have > 0 && want.Len > minSimple {
			t.Fatalf("packet %d: %d octets read, got %.200v, want %.200v", i, have, got, want)
		}
		if p.Interface == nil || p.Interface.Link != want.Link || uint32(p.Interface.Num) != want.If {
			t.Fatalf("packet %d: interface %+v", i, p.Interface)
		}
	}
	if strings.Contains(strings.Join(k.damage, ""), "not described") {
		return // yet, maybe: a part is read with all that the file describes
	}
	for from := 0; from < len(k.packets); from += 1 + len(k.packets)/7 {
		to := min(from+1+len(k.packets)/5, len(k.packets)-1)
		part := &told{}
		if _, err := l.Scan(bytes.NewReader(file), k.packets[from].Pos, k.packets[to].Pos, part.visitor()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(part.packets, k.packets[from:to]) {
			t.Fatalf("packets %d to %d: %d of them differ", from, to, len(part.packets))
		}
	}
}

func TestScanSectionsOfBothByteOrders(t *testing.T) {
	little, big := &foreign{o: binary.LittleEndian}, &foreign{o: binary.BigEndian}
	little.section().iface(packet.LinkEthernet, 0).enhanced(0, 1_000_000, "little", 6)
	big.section().iface(packet.LinkRaw, 0).enhanced(0, 2_000_000, "big", 3)
	want := []short{{1e9, "little", 6, packet.LinkEthernet, 0}, {2e9, "big", 3, packet.LinkRaw, 0}}
	for _, file := range [][]byte{slices.Concat(little.b, big.b), slices.Concat(big.b, little.b)} {
		k := scanBytes(t, file)
		if got := shortOf(k.packets); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		accessible(t, file, k)
		slices.Reverse(want)
	}
}

func TestScanSegment(t *testing.T) {
	r := recording(95, 1400)
	k := scanBytes(t, r.b)
	if len(k.packets) != 95 || len(k.notes) != 24 || k.GoodMarks != 10 || k.BadMarks != 0 || len(k.damage) > 0 {
		t.Fatalf("%d packets, %d notes, %d good and %d bad marks, %v", len(k.packets), len(k.notes), k.GoodMarks, k.BadMarks, k.damage)
	}
	if k.Vouched != int64(len(r.b)) || k.LastMark.Packets != 95 || k.LastMark.Counters != r.count || k.LastMark.Pos != int64(len(r.b)-MarkLen) {
		t.Errorf("vouched %d of %d, last mark %+v", k.Vouched, len(r.b), k.LastMark)
	}
	if k.First != t0 || k.Last != t0+94*1_000_003 {
		t.Errorf("from %d to %d", k.First, k.Last)
	}
	from := int64(0)
	for i, m := range k.marks {
		if !k.good[i] || m.From != from {
			t.Errorf("mark %d: good %v, from %d, want %d", i, k.good[i], m.From, from)
		}
		from = m.Pos + MarkLen
	}
	accessible(t, r.b, k)
}

func TestWalkTellsWhatScanTells(t *testing.T) {
	r := recording(95, 1400)
	want := scanBytes(t, r.b)
	for _, pieces := range []int{1, 2, 7, 40} {
		var l Layout
		k := &told{}
		v := k.visitor()
		at := 0
		for i := range want.packets {
			if i%pieces == pieces-1 || i == len(want.packets)-1 {
				next := int(want.packets[i].Pos) + want.packets[i].Len
				if i == len(want.packets)-1 {
					next = len(r.b)
				}
				if err := Walk(r.b[at:next], int64(at), &l, &v); err != nil {
					t.Fatal(err)
				}
				at = next
			}
		}
		if !reflect.DeepEqual(k.packets, want.packets) || !reflect.DeepEqual(k.notes, want.notes) || len(k.marks) != len(want.marks) || len(k.damage) > 0 {
			t.Errorf("%d pieces: %d packets, %d notes, %d marks, %v", pieces, len(k.packets), len(k.notes), len(k.marks), k.damage)
		}
		if !reflect.DeepEqual(l, want.Layout) {
			t.Errorf("layout %+v, want %+v", l, want.Layout)
		}
	}
	var l Layout
	if err := Walk(r.b[:len(r.b)-4], 0, &l, &Visitor{}); err == nil {
		t.Error("a block that is not whole makes no error")
	}
}

func TestScanStops(t *testing.T) {
	r := recording(20, 100)
	for _, c := range []struct {
		name string
		stop func(v *Visitor, stop func() bool)
		n    uint64
	}{
		{"packet", func(v *Visitor, stop func() bool) { v.Packet = func(*Packet) bool { return stop() } }, 1},
		{"note", func(v *Visitor, stop func() bool) { v.Note = func(*Note) bool { return stop() } }, 2},
		{"mark", func(v *Visitor, stop func() bool) { v.Mark = func(*Mark, bool) bool { return stop() } }, 10},
	} {
		var v Visitor
		c.stop(&v, func() bool { return false })
		res, err := Scan(bytes.NewReader(r.b), int64(len(r.b)), v)
		if err != nil || !res.Stopped || res.Packets != c.n || res.Torn != 0 {
			t.Errorf("%s: %v, %+v", c.name, err, res)
		}
	}
}

func TestScanOfOtherFiles(t *testing.T) {
	for _, c := range []struct {
		name, file string
		is         error
		says       string
	}{
		{"empty", "", nil, ""},
		{"text", "hello, world, how are you", ErrFormat, `begins with 68 65 6c 6c`},
		{"one octet", "x", ErrFormat, ""},
		{"zeros", strings.Repeat("\x00", 100), ErrFormat, ""},
		{"pcap version 1", "\xd4\xc3\xb2\xa1\x01\x00\x02\x00" + strings.Repeat("\x00", 16), ErrFormat, "version 1.2"},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00", ErrCompressed, "unpack it first (gunzip)"},
		{"zstd", "\x28\xb5\x2f\xfd\x00\x00\x00\x00", ErrCompressed, "unpack it first (zstd -d)"},
		{"xz", "\xfd7zXZ\x00\x00\x00", ErrCompressed, "unpack it first (unxz)"},
	} {
		_, err := Scan(strings.NewReader(c.file), int64(len(c.file)), Visitor{})
		if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.is, c.says)
		}
	}
}

// failing reads well up to an offset.
type failing struct {
	io.ReaderAt
	at int64
}

func (f failing) ReadAt(b []byte, pos int64) (int, error) {
	if pos+int64(len(b)) > f.at {
		return 0, io.ErrNoProgress
	}
	return f.ReaderAt.ReadAt(b, pos)
}

func TestScanTellsReadErrors(t *testing.T) {
	r := newRecorder(packet.LinkEthernet)
	for len(r.b) < 3<<20 {
		r.packet(t0, strings.Repeat("x", 1000), 1000)
	}
	res, err := Scan(failing{bytes.NewReader(r.b), 1<<20 + 10}, int64(len(r.b)), Visitor{})
	if !errors.Is(err, io.ErrNoProgress) || !strings.HasPrefix(err.Error(), "scan: read at octet 1048576") || res.Packets == 0 {
		t.Errorf("%v after %d packets", err, res.Packets)
	}
}

func TestScanOfAFileThatIsCutMeanwhile(t *testing.T) {
	r := recording(50, 1400)
	whole := scanBytes(t, r.b)
	at := whole.packets[30].Pos
	res, err := Scan(bytes.NewReader(r.b[:at]), int64(len(r.b)), Visitor{})
	if err != nil || res.Packets != 30 || res.End != at || res.Torn != 0 {
		t.Errorf("%v, %+v", err, res)
	}
}

func TestScanAllocatesNothingPerPacket(t *testing.T) {
	allocs := func(n int) float64 {
		r := newRecorder(packet.LinkEthernet)
		for range n {
			r.packet(t0, strings.Repeat("x", 100), 100)
		}
		return testing.AllocsPerRun(5, func() {
			if _, err := Scan(bytes.NewReader(r.b), int64(len(r.b)), Visitor{Packet: func(*Packet) bool { return true }}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocs(10), allocs(50_000); many > few+2 {
		t.Errorf("%v allocations for 10 packets, %v for 50,000", few, many)
	}
}
