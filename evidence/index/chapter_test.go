package index

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"kagami/evidence/segment"
)

// chapterOf is a chapter of segments with these frames, and the segments' indexes.
func chapterOf(t *testing.T, segments [][]frame) (*Chapter, []*File) {
	t.Helper()
	var files []*File
	for i, fs := range segments {
		b, _ := build(fs)
		b.Note(&segment.Note{Kind: segment.Named, Key: fs[0].key, Name: fmt.Sprintf("www.host%d.example", i)})
		out := b.Encode(nil, Info{Segment: uint64(64 + i), Size: b.end})
		files = append(files, openBytes(t, out))
	}
	dir := t.TempDir()
	if err := WriteChapter(dir, 1, files); err != nil {
		t.Fatal(err)
	}
	c, err := OpenChapter(filepath.Join(dir, "chapter-00000001"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, files
}

func TestChapterNeverMisses(t *testing.T) {
	segments := [][]frame{randomTraffic(1, 3000), sweep(3000), randomTraffic(2, 3000), flood(3000), portScan(3000)}
	c, files := chapterOf(t, segments)
	if len(c.Infos) != len(files) || c.Infos[3].Segment != 67 || c.Infos[3].Flows != files[3].Info().Flows {
		t.Fatalf("infos %+v", c.Infos)
	}
	for i, fs := range segments {
		for _, f := range fs {
			for _, h := range []Hash{FlowHash(&f.key), AddrHash(f.key.A), AddrHash(f.key.B), PortHash(f.key.APort), PortHash(f.key.BPort)} {
				if c.May(h)>>i&1 == 0 {
					t.Fatalf("segment %d: %v is missed", i, f.key)
				}
			}
		}
		if c.May(NameHash(fmt.Sprintf("host%d.example", i)))>>i&1 == 0 {
			t.Errorf("name %d is missed", i)
		}
	}
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

// Of what is nowhere, a chapter rules out all segments but those with folds that may
// hold it.
func TestChapterRulesOut(t *testing.T) {
	c, _ := chapterOf(t, [][]frame{randomTraffic(1, 3000), sweep(3000), randomTraffic(2, 3000)})
	r := rand.New(rand.NewPCG(5, 5))
	ruledOut := [2]int{}
	for range 1000 {
		if m := c.May(Hash{kind: hashFlow, value: mix(r.Uint64())}); m == 1<<1 {
			ruledOut[0]++
		}
		if m := c.May(AddrHash(v4(0xc0a80000+r.Uint32N(1<<16), 0).addr.As16())); m == 0 {
			ruledOut[1]++
		}
	}
	if ruledOut[0] < 970 || ruledOut[1] < 970 {
		t.Errorf("of 1000 flows and addresses: %v", ruledOut)
	}
}

func TestChapterIsTheSameAlways(t *testing.T) {
	_, files := chapterOf(t, [][]frame{randomTraffic(1, 3000), sweep(3000)})
	a, err := encodeChapter(files)
	if err != nil {
		t.Fatal(err)
	}
	b, err := encodeChapter(files)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two chapters of the same files differ (%v)", err)
	}
}

func TestChapterOfDamagedIndex(t *testing.T) {
	b, _ := sample(300)
	out := encoded(t, b)
	f := openBytes(t, out)
	out[f.h.filter.pos-1] ^= 1
	dir := t.TempDir()
	if err := WriteChapter(dir, 7, []*File{f}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	if err := WriteChapter(dir, 7, nil); err == nil {
		t.Error("a chapter of nothing")
	}
	if err := WriteChapter(filepath.Join(dir, "not there"), 7, []*File{openBytes(t, encoded(t, NewBuilder()))}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestEachOctetOfAChapterIsGuarded(t *testing.T) {
	_, files := chapterOf(t, [][]frame{randomTraffic(1, 20), sweep(600)})
	out, err := encodeChapter(files)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "chapter")
	for i := range out {
		out[i] ^= 0x40
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		out[i] ^= 0x40
		c, err := OpenChapter(path)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("octet %d: %v", i, err)
			}
			continue
		}
		eachBlock(c.filter, func(value uint64) { c.May(Hash{kind: hashName, value: value}) })
		if !errors.Is(c.Err(), ErrCorrupt) {
			t.Errorf("octet %d of %d: not noticed", i, len(out))
		}
		c.Close()
	}
}

func FuzzChapter(f *testing.F) {
	b, _ := sample(60)
	out, err := encodeChapter([]*File{openBytes(f, encoded(f, b))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out[headerFixed : headerFixed+int(u32(out[len(magic):]))])
	f.Fuzz(func(t *testing.T, section []byte) {
		c := &Chapter{asked: map[Hash]uint64{}}
		mustBeCorrupt(t, c.parse(section))
		columns, err := unpack(section, 1)
		mustBeCorrupt(t, err)
		if err != nil {
			var p packer // as if packed well
			c = &Chapter{asked: map[Hash]uint64{}}
			mustBeCorrupt(t, c.parse(p.section(nil, [][]byte{section})))
		}
		_ = columns
	})
}
