package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"kagami/packet"
	"kagami/sensor"
)

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func ngFile(o order, recs []record) []byte {
	n := &ng{o: o}
	n.section().iface(packet.LinkEthernet, 0)
	for _, r := range recs {
		n.enhanced(0, uint64(r.Time/1000), r.Data, r.Wire)
	}
	return n.b
}

func TestCompression(t *testing.T) {
	recs := randomRecords(200, 500)
	for name, file := range map[string][]byte{
		"pcap":   pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs),
		"pcapng": ngFile(binary.LittleEndian, recs),
	} {
		for pack, packed := range map[string][]byte{
			"gzip":                gzipped(t, file),
			"gzip of two members": slices.Concat(gzipped(t, file[:len(file)/2]), gzipped(t, file[len(file)/2:])),
			"zstd":                zstded(t, file),
			"zstd of two frames":  slices.Concat(zstded(t, file[:len(file)/2]), zstded(t, file[len(file)/2:])),
		} {
			path := writeFile(t, "named-anything", packed)
			f, err := Open(path, FileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(t, f)
			if err != io.EOF || !slices.Equal(got, recs) {
				t.Errorf("%s, %s: %v, %d records", name, pack, err, len(got))
			}
			if s := f.Stats(); s.Bytes != uint64(len(packed)) || s.Size != uint64(len(packed)) {
				t.Errorf("%s, %s: at %d of %d, want the compressed size %d", name, pack, s.Bytes, s.Size, len(packed))
			}
			f.Close()
		}
	}
}

// Cut a file at every octet: all packets before the cut are kept, none is
// invented, and the error points at the record that is torn.
func TestTornAtEveryOffset(t *testing.T) {
	recs := randomRecords(6, 40)
	n := &ng{o: binary.LittleEndian}
	n.section().iface(packet.LinkEthernet, 0)
	pcapEnds, ngEnds := []int{24}, []int{len(n.b)}
	for i, r := range recs {
		pcapEnds = append(pcapEnds, len(pcapFile(binary.BigEndian, magicMicro, packet.LinkEthernet, recs[:i+1])))
		ngEnds = append(ngEnds, len(n.enhanced(0, uint64(r.Time/1000), r.Data, r.Wire).b))
	}
	for _, c := range []struct {
		name string
		file []byte
		ends []int // of the header and of each record
	}{
		{"pcap", pcapFile(binary.BigEndian, magicMicro, packet.LinkEthernet, recs), pcapEnds},
		{"pcapng", n.b, ngEnds},
	} {
		for cut := c.ends[0]; cut < len(c.file); cut++ {
			whole, _ := slices.BinarySearch(c.ends, cut+1)
			whole-- // records that are complete
			got, _, err := readBytes(t, c.file[:cut], FileOptions{Frames: 2, Block: 50})
			if !slices.Equal(got, recs[:whole]) {
				t.Fatalf("%s cut at %d: %d records, want %d", c.name, cut, len(got), whole)
			}
			if slices.Contains(c.ends, cut) {
				if err != io.EOF {
					t.Fatalf("%s cut at %d, between records: %v, want io.EOF", c.name, cut, err)
				}
				continue
			}
			if e := asRecordError(t, err); !e.Torn || e.Offset != int64(c.ends[whole]) || !IsTorn(err) {
				t.Fatalf("%s cut at %d: %v, want torn at %d", c.name, cut, err, c.ends[whole])
			}
		}
	}
}

func TestErrors(t *testing.T) {
	recs := []record{{1e9, strings.Repeat("a", 100), 100, 0, 0}, {2e9, strings.Repeat("b", 1484), 1484, 0, 0}}
	file := pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs)
	torn := file[:140+88]
	huge := slices.Clone(file)
	binary.LittleEndian.PutUint32(huge[140+8:], 300_000)
	n := &ng{o: binary.LittleEndian}
	n.section().iface(packet.LinkEthernet, 0).enhanced(0, 1, strings.Repeat("a", 40), 40)
	for _, c := range []struct {
		name string
		file []byte
		want string
		torn bool
	}{
		{"torn.pcap", torn, "capture: torn.pcap: torn at byte 140: packet record needs 1500 octets, file ends after 88", true},
		{"torn.pcap.gz", gzipped(t, torn), "capture: torn.pcap.gz: torn at byte 140 of the uncompressed data: packet record needs 1500 octets, file ends after 88", true},
		{"cut.pcap.gz", gzipped(t, file)[:40], "capture: cut.pcap.gz: torn at byte 140 of the uncompressed data: the compressed data ends early", true},
		{"cut.pcap.zst", zstded(t, file)[:40], "capture: cut.pcap.zst: torn at byte 0 of the uncompressed data: the compressed data ends early", true},
		{"huge.pcap", huge, "capture: huge.pcap: corrupt at byte 140: packet record of 300000 octets (at most 262144 are credible)", false},
		{"torn.pcapng", n.b[:len(n.b)-2], "capture: torn.pcapng: torn at byte 48: block needs 72 octets, file ends after 70", true},
		{"header.pcap", file[:20], "capture: header.pcap: torn at byte 0: file header needs 24 octets, file ends after 20", true},
		{"empty", nil, "capture: empty: the file is empty; pcap and pcapng are read, plain or packed with gzip or zstd", false},
		{"empty.gz", gzipped(t, nil), "capture: empty.gz: the file is empty; pcap and pcapng are read, plain or packed with gzip or zstd", false},
		{"text", []byte("hello"), "capture: text: no capture file: it begins with 68 65 6c 6c 6f; pcap and pcapng are read, plain or packed with gzip or zstd", false},
		{"x.xz", []byte("\xfd7zXZ\x00\x00\x04"), "capture: x.xz: this is an xz file (unpack it: xz -dc FILE | kagami read -); pcap and pcapng are read, plain or packed with gzip or zstd", false},
		{"v3.pcap", append([]byte{0xd4, 0xc3, 0xb2, 0xa1, 3}, make([]byte, 19)...), "capture: v3.pcap: a pcap file of version 3.0 (2.x is read); pcap and pcapng are read, plain or packed with gzip or zstd", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile(c.name, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Open(c.name, FileOptions{})
			if err == nil {
				_, err = read(t, f)
				f.Close()
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if IsTorn(err) != c.torn {
				t.Errorf("IsTorn = %v", !c.torn)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	for path, want := range map[string]string{
		"missing.pcap": "capture: missing.pcap: no such file or directory",
		".":            "capture: .: is a directory; name the capture files in it",
	} {
		if _, err := Open(path, FileOptions{}); err == nil || err.Error() != want {
			t.Errorf("Open(%q) = %v, want %s", path, err, want)
		}
	}
}

// Damage a block in the middle: the packets behind it are found again.
func TestPcapngResync(t *testing.T) {
	recs := randomRecords(40, 200)
	start := len(ngFile(binary.LittleEndian, recs[:20]))
	end := len(ngFile(binary.LittleEndian, recs[:21]))
	without := slices.Concat(recs[:20], recs[21:])
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		want   []record
	}{
		{"zeros over one block", func(b []byte) []byte { clear(b[start:end]); return b }, without},
		{"zeros over a header", func(b []byte) []byte { clear(b[start : start+8]); return b }, without},
		{"first length not a multiple of 4", func(b []byte) []byte { b[start+4]++; return b }, without},
		{"first length too long", func(b []byte) []byte { b[start+7] = 0x40; return b }, without},
		{"first length reaches beyond the file", func(b []byte) []byte { b[start+6] = 0x0f; return b }, without},
		{"last length differs", func(b []byte) []byte { b[end-4] += 4; return b }, without},
		{"a foreign run of octets", func(b []byte) []byte {
			return slices.Insert(b, start, bytes.Repeat([]byte("junk"), 100)...)
		}, recs},
		{"captured length beyond the block", func(b []byte) []byte { b[start+22] = 1; return b }, without},
		{"unknown interface", func(b []byte) []byte { b[start+8] = 9; return b }, without},
		{"a long skipped block without end", func(b []byte) []byte {
			n := &ng{o: binary.LittleEndian}
			n.block(blockSecrets, make([]byte, 2<<20))
			clear(n.b[len(n.b)-4:])
			return slices.Insert(b, start, n.b...)
		}, recs},
	} {
		for _, block := range []int{64, 1 << 18} {
			file := c.damage(ngFile(binary.LittleEndian, recs))
			got, f, err := readBytes(t, file, FileOptions{Block: block})
			if err != io.EOF || !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, %d records, want %d", c.name, err, len(got), len(c.want))
			}
			if n, first := f.Damage(); n != 1 || !strings.HasPrefix(first, fmt.Sprintf("byte %d: ", start)) {
				t.Errorf("%s: damage %d %q, want 1 at byte %d", c.name, n, first, start)
			}
		}
	}
}

func TestPcapngResyncIsBounded(t *testing.T) {
	recs := randomRecords(10, 200)
	file := ngFile(binary.LittleEndian, recs)
	file = append(file, make([]byte, maxSearch+maxBlock)...)
	got, _, err := readBytes(t, append(file, ngFile(binary.LittleEndian, recs)...), FileOptions{})
	if e := asRecordError(t, err); e.Torn || !slices.Equal(got, recs) || !strings.Contains(e.What, "no good block in the next 16 MiB") {
		t.Errorf("%d records, %v", len(got), err)
	}
}

// Octets that all look like the start of a long block must not make the search
// slow or the buffers large.
func TestPcapngResyncOverHostileOctets(t *testing.T) {
	n := &ng{o: binary.LittleEndian}
	n.section().iface(packet.LinkEthernet, 0)
	for len(n.b) < 8<<20 {
		n.b = append(n.b, n.u32(blockEnhanced, maxBlock-4)...)
	}
	f, err := Open("-", FileOptions{Stdin: bytes.NewReader(n.b)})
	if err != nil {
		t.Fatal(err)
	}
	var b sensor.Batch
	if err := f.Next(&b); err == nil || cap(b.Buf) > 3*maxBlock {
		t.Errorf("error %v, buffer of %d octets", err, cap(b.Buf))
	}
}

func TestFiles(t *testing.T) {
	recs := randomRecords(30, 100)
	t.Chdir(t.TempDir())
	whole := pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs[:10])
	second := ngFile(binary.LittleEndian, recs[10:20])
	third := gzipped(t, pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs[20:]))
	for name, data := range map[string][]byte{
		"a.pcap": whole, "b.pcapng": second, "c.pcap.gz": third, "torn.pcap": whole[:len(whole)-1], "text": []byte("hello"),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fs := OpenFiles([]string{"a.pcap", "b.pcapng", "c.pcap.gz"}, FileOptions{Frames: 7})
	got, err := read(t, fs)
	if err != io.EOF || !slices.Equal(got, recs) {
		t.Errorf("%v, %d records, want io.EOF and %d", err, len(got), len(recs))
	}
	if s, size := fs.Stats(), uint64(len(whole)+len(second)+len(third)); s.Received != 30 || s.Bytes != size || s.Size != size {
		t.Errorf("stats %+v, want 30 received, %d of %d octets", s, size, size)
	}

	got, err = read(t, OpenFiles([]string{"torn.pcap", "missing", "text", "b.pcapng"}, FileOptions{}))
	if want := slices.Concat(recs[:9], recs[10:20]); !slices.Equal(got, want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for _, want := range []string{"torn.pcap: torn at byte", "capture: missing: no such file", "capture: text: no capture file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if errors.Is(err, io.EOF) || IsTorn(err) {
		t.Errorf("error %v is taken for a good end", err)
	}
	if _, err = read(t, OpenFiles([]string{"torn.pcap", "torn.pcap"}, FileOptions{})); !IsTorn(err) {
		t.Errorf("two torn files: IsTorn(%v) = false", err)
	}
}
