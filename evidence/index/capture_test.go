package index

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"kagami/evidence/segment"
	"kagami/packet"
)

// framesOf reads a capture file as frames; what is true of a packet that parses comes
// from packet alone.
func framesOf(t *testing.T, file []byte) (fs []frame, pos []int64, r segment.Result) {
	t.Helper()
	var y Keyer
	r, err := segment.Scan(bytes.NewReader(file), int64(len(file)), segment.Visitor{Packet: func(p *segment.Packet) bool {
		f := frame{time: p.Time, data: bytes.Clone(p.Data), wire: max(p.WireLen, uint32(len(p.Data))), link: p.Link}
		var q packet.Packet
		f.key, f.side, f.flags = y.Key(p)
		if q.Parse(p.Data, p.WireLen, p.Link) == packet.OK {
			if q.Key != f.key || q.Side != f.side || f.flags != 0 {
				t.Fatalf("key at %d: %v", p.Pos, f.key)
			}
			f.tcp, f.empty = q.Flags, q.PayloadLen() == 0
		} else {
			f.tcp = y.tcp
		}
		if q.VLANs > 0 {
			f.vlan = q.VLAN[0]
		}
		fs, pos = append(fs, f), append(pos, p.Pos, p.Pos+int64(p.Len))
		return true
	}})
	if err != nil {
		t.Skip(err)
	}
	return fs, pos, r
}

// checkCapture holds that a capture's index is that of plain code, and stays so
// through a file.
func checkCapture(t *testing.T, file []byte) {
	fs, ends, r := framesOf(t, file)
	b := NewBuilder()
	blocks := make([]Extent, len(fs))
	for i := range fs {
		blocks[i] = Extent{Pos: ends[2*i], Len: int32(ends[2*i+1] - ends[2*i])}
		b.Packet(&segment.Packet{Pos: blocks[i].Pos, Len: int(blocks[i].Len), Time: fs[i].time, WireLen: fs[i].wire, Link: fs[i].link, Data: fs[i].data})
	}
	info := Info{Size: int64(len(file)), Layout: r.Layout}
	x := b.Index(info)
	got, err := openBytes(t, b.Encode(nil, info)).Index()
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, x)
	if len(x.Folds) > 0 {
		covered(t, x, fs, blocks)
		return
	}
	checkRows(t, x, reference(fs, blocks))
}

func TestCaptures(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/*/in.pcap.zst")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	unzip, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unzip.Close()
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			packed, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			file, err := unzip.DecodeAll(packed, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkCapture(t, file)
		})
	}
}
