package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
)

func openBytes(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := OpenAt(bytes.NewReader(b), 0, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// someNotes are notes of all kinds on the flows of frames, and on none.
func someNotes(fs []frame) []segment.Note {
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	return []segment.Note{
		{Kind: segment.Named, At: fs[3].time, Key: fs[3].key, Client: fs[3].side, Name: "www.evil.example"},
		{Kind: segment.Resolved, At: fs[9].time + 5, Key: fs[9].key, Client: packet.FromB, Name: "www.evil.example", Addrs: addrs},
		{Kind: segment.Host, At: fs[8].time - 5, Key: fs[8].key, Name: "laptop-7", Addrs: addrs[:1]},
		{Kind: segment.Hole, At: fs[4].time, Key: fs[4].key},
		{Kind: segment.Named, At: 1, Key: packet.Key{APort: 1, BPort: 9, Proto: 200}, Name: "of.no.flow.example"},
		{Kind: segment.Alert, At: fs[7].time, Key: packet.Key{A: fs[7].key.A, B: fs[7].key.B, BPort: 80}, Name: "2568dcbdb152320c-a1",
			Text: "beacon: every 60 s", From: fs[0].time, To: fs[9].time},
	}
}

// sample is a Builder with all that an index can hold.
func sample(n int) (*Builder, []frame) {
	fs := append(randomTraffic(4, n), sweep(2000)...)
	b, _ := build(fs)
	for _, n := range someNotes(fs) {
		b.Note(&n)
	}
	return b, fs
}

func TestFileHoldsTheIndex(t *testing.T) {
	b, fs := sample(3000)
	info := Info{Segment: 42, Session: -5, Worker: 3, From: 0, Size: b.end + 100, Recovered: true, Torn: 77, ModTime: 99,
		Damage: []Span{{10, 20}, {400, 1}}}
	fillCounters(t, &info.Start, 100)
	fillCounters(t, &info.End, 1000)
	want := b.Index(info)
	if want.Packets != uint64(len(fs)) || len(want.Folds) == 0 || len(want.Notes) != 6 {
		t.Fatalf("%d packets, %d folds, %d notes", want.Packets, len(want.Folds), len(want.Notes))
	}
	out := append(b.Encode([]byte("before"), info), "behind"...)
	f, err := OpenAt(bytes.NewReader(out), 6, int64(len(out)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Len() != int64(len(out)-12) {
		t.Errorf("length %d, want %d", f.Len(), len(out)-12)
	}
	got, err := f.Index()
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, want)
}

// same compares two indexes, in parts.
func same(t *testing.T, got, want *Index) {
	t.Helper()
	// A layout may hold the same in another form.
	if string(got.Layout.Append(nil)) != string(want.Layout.Append(nil)) {
		t.Errorf("layout\n%+v, want\n%+v", got.Layout, want.Layout)
	}
	gotInfo, wantInfo := got.Info, want.Info
	gotInfo.Layout, wantInfo.Layout = segment.Layout{}, segment.Layout{}
	if !reflect.DeepEqual(gotInfo, wantInfo) {
		t.Errorf("info\n%+v, want\n%+v", gotInfo, wantInfo)
	}
	if !reflect.DeepEqual(got.Folds, want.Folds) {
		t.Errorf("folds\n%+v, want\n%+v", got.Folds, want.Folds)
	}
	if !reflect.DeepEqual(got.Notes, want.Notes) {
		t.Errorf("notes\n%+v, want\n%+v", got.Notes, want.Notes)
	}
	if len(got.Rows) != len(want.Rows) {
		t.Fatalf("%d rows, want %d", len(got.Rows), len(want.Rows))
	}
	for i := range want.Rows {
		if !reflect.DeepEqual(got.Rows[i], want.Rows[i]) {
			t.Fatalf("row %d\n%+v, want\n%+v", i, got.Rows[i], want.Rows[i])
		}
	}
}

// fillCounters gives each field a value of its own, so that one that is not written
// is noticed.
func fillCounters(t *testing.T, c *segment.Counters, base int) {
	t.Helper()
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		v.Field(i).SetUint(uint64(base+i) % 256)
	}
}

func TestEmptyIndex(t *testing.T) {
	b := NewBuilder()
	f := openBytes(t, encoded(t, b))
	x, err := f.Index()
	if err != nil || len(x.Rows)+len(x.Folds)+len(x.Notes) != 0 {
		t.Errorf("%+v, %v", x, err)
	}
	if f.May(PortHash(80)) {
		t.Error("an empty index may hold port 80")
	}
}

func TestOpenFile(t *testing.T) {
	b, _ := sample(500)
	out := encoded(t, b)
	path := filepath.Join(t.TempDir(), "x.idx")
	tests := []struct {
		name    string
		octets  []byte
		corrupt bool
	}{
		{"whole", out, false},
		{"empty", nil, true},
		{"another file", []byte("GIF89a, and more octets than a header"), true},
		{"another version", append([]byte("KGMIDX0\n"), out[8:]...), true},
		{"cut in the header", out[:40], true},
		{"cut in the filter", out[:len(out)-1], true},
		{"too long", append(bytes.Clone(out), 0), true},
	}
	for _, tt := range tests {
		if err := os.WriteFile(path, tt.octets, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if errors.Is(err, ErrCorrupt) != tt.corrupt || (err == nil) == tt.corrupt {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			f.Close()
		}
	}
	if _, err := Open(path + ".not"); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrCorrupt) {
		t.Errorf("no file: %v", err)
	}
}

// Whatever octet is damaged: it is noticed, or what is read is the same.
func TestEachOctetIsGuarded(t *testing.T) {
	b, fs := sample(60)
	b.limits.folds = 1
	out := encoded(t, b)
	whole := openBytes(t, out)
	want, err := whole.Index()
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Folds) == 0 || len(want.Notes) == 0 {
		t.Fatal("the sample is too poor")
	}
	noticed := 0
	for i := range out {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			out[i] ^= flip
			if err := damaged(out, want, fs); err == nil {
				t.Errorf("octet %d of %d: not noticed", i, len(out))
			} else if !errors.Is(err, ErrCorrupt) {
				t.Errorf("octet %d of %d: %v", i, len(out), err)
			}
			noticed++
			out[i] ^= flip
		}
	}
	t.Logf("%d flips of %d octets", noticed, len(out))
}

// damaged reads all of an index and returns the first error; a difference without one
// is an error of another kind. Each key is looked up.
func damaged(b []byte, want *Index, fs []frame) error {
	f, err := OpenAt(bytes.NewReader(b), 0, int64(len(b)))
	if err != nil {
		return err
	}
	got, err := f.Index()
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(got, want) {
		return errors.New("another content")
	}
	eachBlock(f.h.filter, func(value uint64) { f.May(Hash{kind: hashFlow, value: value}) })
	for i := range fs[:20] {
		if !f.May(FlowHash(&fs[i].key)) {
			return errors.New("the filter misses a flow")
		}
	}
	return f.Err()
}

// eachBlock calls look with a key of each block.
func eachBlock(s filterShape, look func(value uint64)) {
	last := int64(-1)
	for i := range uint64(1) << s.scale {
		value := i << (64 - s.scale)
		if b := blockOf(value, s.scale, s.n); b != last {
			last = b
			look(value)
		}
	}
}

func FuzzOpen(f *testing.F) {
	b, fs := sample(60)
	out := encoded(f, b)
	f.Add(out)
	whole := openBytes(f, out)
	end := whole.off + whole.h.filter.pos
	f.Add(out[:end])
	empty := encoded(f, NewBuilder())
	f.Add(empty)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, forge(b)} {
			x, err := OpenAt(bytes.NewReader(b), 0, int64(len(b)))
			if err != nil {
				mustBeCorrupt(t, err)
				continue
			}
			rows, folds, err := x.Rows()
			mustBeCorrupt(t, err)
			notes, err := x.Notes()
			mustBeCorrupt(t, err)
			for i := range rows {
				for n, e := range rows[i].Extents {
					if e.Pos < 0 || e.Len <= 0 || e.End() > x.Info().Size || n > 0 && e.Pos < rows[i].Extents[n-1].End() {
						t.Fatalf("extent %+v", e)
					}
				}
			}
			x.May(FlowHash(&fs[0].key))
			x.May(AddrHash(fs[0].key.A))
			x.May(PortHash(1))
			_, _ = folds, notes
		}
	})
}

func mustBeCorrupt(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%v is not ErrCorrupt", err)
	}
	if err != nil && bytes.ContainsAny([]byte(err.Error()), "\n\r") {
		t.Fatalf("%q is more than a line", err)
	}
}

// forge makes checksums right, as one who wants to do harm would: else hardly any
// input gets beyond them.
func forge(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < headerFixed {
		return b
	}
	n := min(int(u32(b[len(magic):])), len(b)-headerFixed)
	if n < 0 {
		return b
	}
	header := b[headerFixed : headerFixed+n]
	h, err := parseHeader(header)
	if err != nil {
		putChecksum(b[len(magic)+4:], header)
		return b
	}
	at := headerFixed + n
	for i := range h.sections {
		end := at + int(h.sections[i].len)
		if end > len(b) {
			return b
		}
		h.sections[i].crc = checksum(b[at:end])
		at = end
	}
	return append(h.append(nil), b[headerFixed+n:]...)
}

func putChecksum(dst, of []byte) {
	c := checksum(of)
	copy(dst, []byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24)})
}

// A header that claims much allocates little.
func TestHostileCounts(t *testing.T) {
	b, _ := sample(60)
	out := encoded(t, b)
	for _, change := range []func(*header){
		func(h *header) { h.rows = mostRows },
		func(h *header) { h.notes = mostNotes },
		func(h *header) { h.sections[0].len = maxColumns },
		func(h *header) { h.filter.n = 1 << 15 },
		func(h *header) { h.rows++ },
	} {
		f := openBytes(t, out)
		n := int(u32(out[len(magic):]))
		h := *f.h
		change(&h)
		bad := append(h.append(nil), out[headerFixed+n:]...)
		size := testing.AllocsPerRun(1, func() {
			if x, err := OpenAt(bytes.NewReader(bad), 0, int64(len(bad))); err == nil {
				if _, err = x.Index(); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%+v: %v", h, err)
				}
			} else if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v", err)
			}
		})
		if size > 10000 {
			t.Errorf("%v allocations", size)
		}
	}
}

// plain is a section whose columns are stored as they are, so that a fuzzer gets at
// them.
func plain(t testing.TB, section []byte, n int) []byte {
	columns, err := unpack(section, n)
	if err != nil {
		t.Fatal(err)
	}
	var lengths, all []byte
	for _, c := range columns {
		lengths = binary.AppendUvarint(binary.AppendUvarint(lengths, uint64(len(c.b))), uint64(len(c.b)))
		all = append(all, c.b...)
	}
	return append(lengths, all...)
}

func FuzzColumns(f *testing.F) {
	b, _ := sample(60)
	x := openBytes(f, encoded(f, b))
	rowsPacked, err := x.read(sectionRows)
	if err != nil {
		f.Fatal(err)
	}
	notesPacked, err := x.read(sectionNotes)
	if err != nil {
		f.Fatal(err)
	}
	rows, _, err := x.Rows()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain(f, rowsPacked, rowColumns), uint32(x.h.rows), false)
	f.Add(plain(f, notesPacked, noteColumns), uint32(x.h.notes), true)
	f.Fuzz(func(t *testing.T, section []byte, n uint32, notes bool) {
		h := *x.h
		if notes {
			h.notes = int(n % mostNotes)
			_, err := decodeNotes(&h, section, rows)
			mustBeCorrupt(t, err)
			return
		}
		h.rows = int(n % mostRows)
		_, _, err := decodeRows(&h, section)
		mustBeCorrupt(t, err)
	})
}

func ExampleFile_May() {
	b := NewBuilder()
	f := udpFrame(h("10.0.0.9", 40000), h("10.0.0.53", 53), 30)
	b.Packet(&segment.Packet{Pos: 100, Len: 120, Time: 1, WireLen: f.wire, Link: f.link, Data: f.data})
	b.Note(&segment.Note{Kind: segment.Named, Key: f.key, Name: "www.evil.example"})
	out := b.Encode(nil, Info{Size: 300})
	x, err := OpenAt(bytes.NewReader(out), 0, int64(len(out)))
	if err != nil {
		panic(err)
	}
	fmt.Println(x.May(NameHash("Evil.example")), x.May(PortHash(53)), x.May(NameHash("good.example")))
	// Output: true true false
}
