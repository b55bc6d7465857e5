package index

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
)

// ChapterSegments is how many segments a chapter sums up: those whose number divided
// by it is the chapter's.
const ChapterSegments = 64

const chapterMagic = "KGMCHP1\n"

// ChapterName is the file name of chapter n.
func ChapterName(n uint64) string { return fmt.Sprintf("chapter-%08d", n) }

// Chapter is the Infos of up to 64 segments and one filter over their flows, hosts and
// names. It is for one goroutine at a time.
//
// What was folded is in the segments' own filters only: the chapter cannot rule out
// that such a segment holds a flow, or an address in the range of a fold.
type Chapter struct {
	Infos []Info

	name   string
	f      *os.File
	folds  [][]Fold // of each segment
	filter filterShape
	asked  map[Hash]uint64
	err    error
	buf    filterBlock // of the last lookup
}

// WriteChapter makes chapter n in dir of the indexes of its segments.
func WriteChapter(dir string, n uint64, files []*File) error {
	if len(files) == 0 || len(files) > ChapterSegments {
		return fmt.Errorf("write chapter %d: of %d segments, want 1..%d", n, len(files), ChapterSegments)
	}
	b, err := encodeChapter(files)
	if err != nil {
		return fmt.Errorf("write chapter %d: %w", n, err)
	}
	path := filepath.Join(dir, ChapterName(n))
	if err = os.WriteFile(path+".tmp", b, 0o600); err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		os.Remove(path + ".tmp")
		return fmt.Errorf("write chapter %d: %w", n, err)
	}
	return nil
}

func encodeChapter(files []*File) ([]byte, error) {
	filter := newBloom(chapterScale)
	body := binary.AppendUvarint(nil, uint64(len(files)))
	for _, f := range files {
		if err := f.keys(filter); err != nil {
			return nil, err
		}
		body = f.h.info.append(body)
		body = binary.AppendUvarint(body, uint64(len(f.h.folds)))
		for i := range f.h.folds {
			body = f.h.folds[i].append(body)
		}
	}
	blocks := min(filter.keys*bitsPerKey/blockBits+1, len(filter.blocks))
	body = binary.AppendUvarint(body, uint64(blocks))
	var p packer
	section := p.section(nil, [][]byte{body})
	b := append([]byte(nil), chapterMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(section)))
	b = binary.LittleEndian.AppendUint32(b, checksum(section))
	return filter.append(append(b, section...), blocks), nil
}

// keys puts all keys of an index into a filter.
func (f *File) keys(filter *bloom) error {
	rows, _, err := f.Rows()
	if err != nil {
		return err
	}
	notes, err := f.Notes()
	if err != nil {
		return err
	}
	f.rows, f.fold = nil, nil
	for i := range rows {
		filter.row(&rows[i].Key)
	}
	for i := range notes {
		filter.name(notes[i].Name)
	}
	for i := range f.h.folds {
		filter.add(addrValue(&f.h.folds[i].Addr))
	}
	return nil
}

// OpenChapter opens a chapter; ErrCorrupt when it is damaged.
func OpenChapter(path string) (*Chapter, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open chapter: %w", err)
	}
	c := &Chapter{name: path, f: f, asked: map[Hash]uint64{}}
	if err := c.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open chapter %q: %w", path, err)
	}
	return c, nil
}

func (c *Chapter) read() error {
	i, err := c.f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, min(int64(headerFixed), i.Size()))
	if err := readAt(c.f, head, 0); err != nil {
		return err
	}
	if len(head) < headerFixed || string(head[:len(chapterMagic)]) != chapterMagic {
		return fmt.Errorf("%w: it does not begin like one", ErrCorrupt)
	}
	n, crc := int64(u32(head[len(chapterMagic):])), u32(head[len(chapterMagic)+4:])
	if n > i.Size()-int64(headerFixed) {
		return fmt.Errorf("%w: it ends early", ErrCorrupt)
	}
	section := make([]byte, n)
	if err := readAt(c.f, section, int64(headerFixed)); err != nil {
		return err
	}
	if checksum(section) != crc {
		return fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	if err := c.parse(section); err != nil {
		return err
	}
	c.filter.pos = int64(headerFixed) + n
	if want := c.filter.pos + c.filter.len(); want != i.Size() {
		return fmt.Errorf("%w: %d octets, want %d", ErrCorrupt, i.Size(), want)
	}
	return nil
}

func (c *Chapter) parse(section []byte) error {
	columns, err := unpack(section, 1)
	if err != nil {
		return err
	}
	r := columns[0]
	n := r.uvarint()
	if n > ChapterSegments {
		return fmt.Errorf("%w: %d segments", ErrCorrupt, n)
	}
	for range n {
		var i Info
		if err := i.parse(&r); err != nil {
			return err
		}
		count := r.uvarint()
		if count > uint64(r.left()) {
			return fmt.Errorf("%w: folds", ErrCorrupt)
		}
		var folds []Fold
		for range count {
			folds = append(folds, parseFold(&r))
			if r.bad {
				break
			}
		}
		c.Infos, c.folds = append(c.Infos, i), append(c.folds, folds)
	}
	blocks := r.uvarint()
	if !r.done() || blocks < 1 || blocks > 1<<chapterScale {
		return fmt.Errorf("%w: header", ErrCorrupt)
	}
	c.filter = filterShape{scale: chapterScale, n: int(blocks)}
	return nil
}

// Close closes the file.
func (c *Chapter) Close() error { return c.f.Close() }

// Err is the first damage that May met.
func (c *Chapter) Err() error { return c.err }

// maxAsked bounds the answers that are remembered.
const maxAsked = 1 << 10

// May tells which segments may hold what h stands for: bit i is Infos[i]. A bit that
// is not set is certain.
func (c *Chapter) May(h Hash) uint64 {
	if m, known := c.asked[h]; known {
		return m
	}
	has, err := c.buf.look(c.f, c.filter, h.value)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("read chapter %q: %w", c.name, err)
	}
	var m uint64
	for i := range c.Infos {
		if has || may(c.folds[i], h) || h.kind == hashName && c.Infos[i].NotesLost > 0 || hidden(c.folds[i], h) {
			m |= 1 << i
		}
	}
	if len(c.asked) < maxAsked {
		c.asked[h] = m
	}
	return m
}

// hidden tells whether folds may hold what only the segment's own filter knows.
func hidden(folds []Fold, h Hash) bool {
	for i := range folds {
		f := &folds[i]
		if h.kind == hashFlow || h.kind == hashAddr && (f.Any || f.ranges(&h.addr)) {
			return true
		}
	}
	return false
}
