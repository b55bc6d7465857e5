package segment

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func seedFiles(f *testing.F) {
	f.Add(recording(12, 40).b)
	torn := recording(12, 40).b
	f.Add(append(torn[:len(torn)-30], make([]byte, 60)...))
	for _, o := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
		n := &foreign{o: o}
		n.section().iface(packet.LinkEthernet, 6, n.option(optTSResol, []byte{0x80 | 20}), n.option(optTSOffset, make([]byte, 8))).
			enhanced(0, 5, "abc", 3).simple("12345", 5).obsolete(0, 7, "abcd", 9).block(blockSecrets, make([]byte, 40)).
			section().iface(packet.LinkRaw, 0).enhanced(0, 5, "abc", 3)
		f.Add(n.b)
		for _, magic := range []uint32{magicMicro, magicNano, magicKuznetzov} {
			f.Add(newPcapFile(o, magic, 65535, 1).record(1, 2, "abc", 3).record(0, 0, "", 0).record(2, 3, "abcd", 5).b)
		}
	}
}

// FuzzScan: whatever a file holds, the scan ends, what it tells lies in the file and
// in order, random access agrees, and the layout comes back from its encoding.
func FuzzScan(f *testing.F) {
	seedFiles(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		k := &told{}
		res, err := Scan(bytes.NewReader(b), int64(len(b)), k.visitor())
		if err != nil {
			if len(k.packets) > 0 {
				t.Errorf("packets of a file that is refused: %v", err)
			}
			return
		}
		if res.End < 0 || res.Torn < 0 || res.End+res.Torn != int64(len(b)) || res.Packets != uint64(len(k.packets)) {
			t.Errorf("%d octets: %+v", len(b), res)
		}
		end := int64(0)
		for _, p := range k.packets {
			if p.Pos < end || p.Pos+int64(p.Len) > res.End || len(p.Data) > p.Len || int(p.Wire) < len(p.Data) || p.Time < 0 || p.Time > maxTime {
				t.Fatalf("packet %+v behind %d", p, end)
			}
			end = p.Pos + int64(p.Len)
		}
		k.Result = res
		accessible(t, b, k)
		var l Layout
		walked := &told{}
		v := walked.visitor()
		if Walk(b, 0, &l, &v) == nil && res.Layout.Format() == FormatPcapng && res.Damages == 0 && !slices.Equal(walked.packets, k.packets) {
			t.Errorf("Walk tells of %d packets, Scan of %d", len(walked.packets), len(k.packets))
		}
	})
}

// FuzzDamage overwrites a part of a segment: no other packet is lost or invented.
func FuzzDamage(f *testing.F) {
	f.Add(uint16(100), []byte("x"))
	f.Add(uint16(300), bytes.Repeat([]byte{0}, 600))
	f.Add(uint16(500), recording(3, 20).b)
	r := recording(60, 100)
	whole := scanBytes(f, r.b)
	head := whole.packets[0].Pos
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		from := head + int64(at)%(int64(len(r.b))-head)
		b := bytes.Clone(r.b)
		to := from + int64(copy(b[from:], with))
		k := scanBytes(t, b)
		if slices.Equal(b, r.b) {
			return
		}
		if slices.Equal(k.Layout.Interfaces(), whole.Layout.Interfaces()) { // what was written over it describes no other
			checkPackets(t, "damage", whole, k, from, to)
		}
		if k.GoodMarks >= whole.GoodMarks {
			t.Error("all marks are good")
		}
	})
}

func FuzzParseLayout(f *testing.F) {
	k := scanBytes(f, recording(3, 20).b)
	f.Add(k.Layout.Append(nil))
	f.Add(new(Layout).Append(nil))
	p := scanBytes(f, newPcapFile(le, magicNano, 65535, 1).b)
	f.Add(p.Layout.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, rest, err := ParseLayout(b)
		if err != nil {
			return
		}
		again, none, err := ParseLayout(l.Append(nil))
		if err != nil || len(none) != 0 || len(rest) > len(b) || !reflect.DeepEqual(again, l) {
			t.Errorf("%v\n%+v\n%+v", err, l, again)
		}
		for pos := range int64(len(b)) {
			var p Packet
			if need, err := l.Packet(b[pos:], pos, &p); err == nil && need == 0 && (len(p.Data) > p.Len || int64(p.Len) > int64(len(b))-pos) {
				t.Errorf("packet %+v of %d octets", p, len(b))
			}
		}
	})
}

func FuzzNote(f *testing.F) {
	for _, n := range []Note{
		{Kind: Named, At: t0, Key: testKey(1), Client: packet.FromB, Name: "www.example.com"},
		{Kind: Resolved, Name: "a", Addrs: []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")}},
		{Kind: Alert, Name: "a-1234", Text: "title", From: 1, To: 2},
	} {
		f.Add(AppendNote(nil, &n))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, body, ok := local(b)
		var n, again Note
		if !ok || kind != localNote || !parseNote(&n, body) {
			return
		}
		_, body, _ = local(AppendNote(nil, &n))
		if n.Text = shorten(n.Text, MaxNoteText); !parseNote(&again, body) || !reflect.DeepEqual(n, again) {
			t.Errorf("%+v\n%+v", n, again)
		}
	})
}

func FuzzMark(f *testing.F) {
	f.Add(AppendMark(nil, &Mark{Session: t0, Pos: 7, Synced: true, Counters: Counters{Level: 3}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == MarkLen {
			own := MarkLen - lengthLen - 4
			le.PutUint32(b[own:], Sum(0, b[headLen:own]))
		}
		var m, again Mark
		if parseMark(&m, b) && (!parseMark(&again, AppendMark(nil, &m)) || m != again) {
			t.Errorf("%+v\n%+v", m, again)
		}
	})
}

// counting counts the octets that are read.
type counting struct {
	*bytes.Reader
	reads, octets int64
}

func (c *counting) ReadAt(b []byte, pos int64) (int, error) {
	n, err := c.Reader.ReadAt(b, pos)
	c.reads, c.octets = c.reads+1, c.octets+int64(n)
	return n, err
}

// TestHostileFiles: files that are made to cost time are read a few times at most.
func TestHostileFiles(t *testing.T) {
	const size = 8 << 20
	section := (&foreign{o: le}).section().iface(packet.LinkEthernet, 0).b
	marked := newRecorder(packet.LinkEthernet).mark(true).b
	fill := func(start, unit []byte) []byte {
		return append(bytes.Clone(start), bytes.Repeat(unit, (size-len(start))/len(unit))...)
	}
	words := func(ns ...uint32) (b []byte) {
		for _, n := range ns {
			b = le.AppendUint32(b, n)
		}
		return b
	}
	noise := make([]byte, size)
	rnd := rand.New(rand.NewPCG(7, 8))
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	for _, c := range []struct {
		name string
		file []byte
	}{
		{"blocks that claim a MiB", fill(section, words(blockEnhanced, maxBlock))},
		{"blocks that claim a MiB, in a file of ours", fill(marked, words(blockEnhanced, maxBlock))},
		{"long blocks to pass over", fill(section, words(blockSecrets, maxSkip))},
		{"bad and good blocks in turn", fill(section, words(7, 7, 7, blockSimple, 16, 0, 16, blockSimple, 16, 0, 16))},
		{"bad and good blocks in turn, in a file of ours", fill(marked, words(7, 7, 7, blockSimple, 16, 0, 16, blockSimple, 16, 0, 16))},
		{"magics without marks", fill(section, []byte("KGMI"))},
		{"magics without marks, in a file of ours", fill(marked, []byte("KGMI"))},
		{"local blocks", fill(marked, append(words(blockLocal, 24), append([]byte("KGMI\x02\x01\x00\x00"), words(0, 24)...)...))},
		{"empty sections", fill(nil, section[:minSection])},
		{"marks and damage in turn", func() []byte {
			r := newRecorder(packet.LinkEthernet)
			for len(r.b) < size {
				r.mark(true)
				r.b = append(r.b, words(7, 7, 7)...)
			}
			return r.b
		}()},
		{"a mark in a big-endian section, then noise", slices.Concat(
			(&foreign{o: binary.BigEndian}).section().block(blockLocal, marked[len(marked)-MarkLen+headLen:len(marked)-lengthLen]).b, noise)},
		{"zeros and ones in turn", fill(section, words(0, 0, 0, 0, 1))},
		{"noise", append(bytes.Clone(section), noise...)},
		{"noise in a file of ours", append(bytes.Clone(marked), noise...)},
		{"pcap, noise", append(newPcapFile(le, magicMicro, maxRecord, 1).b, noise...)},
		{"pcap, long records", fill(newPcapFile(le, magicMicro, maxRecord, 1).record(1, 1, strings.Repeat("x", 99), 99).b, words(1, 1, 900_000, 900_000))},
		{"pcap, zeros and ones in turn", fill(newPcapFile(le, magicMicro, maxRecord, 1).b, words(0, 0, 0, 0, 0, 1))},
	} {
		r := &counting{Reader: bytes.NewReader(c.file)}
		if _, err := Scan(r, int64(len(c.file)), Visitor{}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		t.Logf("%s: %d reads, %d octets", c.name, r.reads, r.octets)
		if r.octets > 8*size {
			t.Errorf("%s: %d octets are read in %d reads, of a file of %d", c.name, r.octets, r.reads, size)
		}
	}
}
