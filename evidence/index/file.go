package index

import (
	"errors"
	"fmt"
	"io"
	"os"

	"kagami/evidence/segment"
)

// File is an index on disk. Opening reads the header only. It is for one goroutine
// at a time.
type File struct {
	name string
	r    io.ReaderAt
	off  int64
	len  int64
	c    io.Closer // nil: the caller's
	h    *header
	rows []Row
	fold []Fold
	err  error
	buf  filterBlock // of the last lookup
}

// Open opens the index at path. An error that is not ErrCorrupt is of the file
// system.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	i, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open index: %w", err)
	}
	x, err := open(path, f, 0, i.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	if x.c = f; x.len != i.Size() {
		f.Close()
		return nil, fmt.Errorf("open index %q: %w: %d octets, want %d", path, ErrCorrupt, i.Size(), x.len)
	}
	return x, nil
}

// OpenAt opens the index that begins at off of a file of size octets, of which
// another may follow (see Len). The reader stays the caller's.
func OpenAt(r io.ReaderAt, off, size int64) (*File, error) {
	return open(fmt.Sprintf("at octet %d", off), r, off, size)
}

// firstRead is more than most headers have.
const firstRead = 4 << 10

func open(name string, r io.ReaderAt, off, size int64) (*File, error) {
	bad := func(what string, args ...any) (*File, error) {
		return nil, fmt.Errorf("open index %q: %w: %s", name, ErrCorrupt, fmt.Sprintf(what, args...))
	}
	b := make([]byte, min(firstRead, max(size-off, 0)))
	if err := readAt(r, b, off); err != nil {
		return nil, fmt.Errorf("open index %q: %w", name, err)
	}
	if len(b) < headerFixed || string(b[:len(magic)]) != magic {
		return bad("it does not begin like one")
	}
	n, crc := int64(u32(b[len(magic):])), u32(b[len(magic)+4:])
	if n > size-off-int64(headerFixed) {
		return bad("%d octets, the header alone has %d", size-off, n)
	}
	body := b[headerFixed:]
	if n > int64(len(body)) {
		body = make([]byte, n)
		if err := readAt(r, body, off+int64(headerFixed)); err != nil {
			return nil, fmt.Errorf("open index %q: %w", name, err)
		}
	}
	body = body[:n]
	if checksum(body) != crc {
		return bad("checksum of the header")
	}
	h, err := parseHeader(body)
	if err != nil {
		return nil, fmt.Errorf("open index %q: %w", name, err)
	}
	f := &File{name: name, r: r, off: off, h: h}
	pos := int64(headerFixed) + n
	for _, s := range h.sections {
		pos += s.len
	}
	h.filter.pos = off + pos
	f.len = pos + h.filter.len()
	if f.len > size-off {
		return bad("%d octets, want %d", size-off, f.len)
	}
	return f, nil
}

// readAt reads all of b; less is an error.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	if n, err := r.ReadAt(b, off); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: it ends early", ErrCorrupt)
		}
		return err
	}
	return nil
}

// Close closes the file, unless it is the caller's.
func (f *File) Close() error {
	if f.c == nil {
		return nil
	}
	return f.c.Close()
}

// Len is the length of the index in octets.
func (f *File) Len() int64 { return f.len }

// Info describes the segment. It is not to be changed.
func (f *File) Info() *Info { return &f.h.info }

// Folds are the folds without their extents, which Rows reads.
func (f *File) Folds() []Fold { return f.h.folds }

// Err is the first damage that May met.
func (f *File) Err() error { return f.err }

// May tells whether the segment may hold what h stands for; false is certain. It
// takes one read of 32 octets. When these are damaged, the answer is true, and Err
// says so.
func (f *File) May(h Hash) bool {
	if may(f.h.folds, h) || h.kind == hashName && f.h.info.NotesLost > 0 {
		return true
	}
	has, err := f.buf.look(f.r, f.h.filter, h.value)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("read index %q: %w", f.name, err)
	}
	return has
}

// may tells whether folds may hold what the filter does not have.
func may(folds []Fold, h Hash) bool {
	for i := range folds {
		f := &folds[i]
		switch h.kind {
		case hashAddr:
			if f.Dense && f.ranges(&h.addr) {
				return true
			}
		case hashPort:
			if within(f.Ports, h.port) || within(f.Others, h.port) {
				return true
			}
		}
	}
	return false
}

// look reads the block of a key and looks the key up.
func (b *filterBlock) look(r io.ReaderAt, s filterShape, value uint64) (bool, error) {
	if err := readAt(r, b[:], s.at(value)); err != nil {
		return true, err
	}
	has, whole := b.has(value)
	if !whole {
		return true, fmt.Errorf("%w: checksum of a block of the filter", ErrCorrupt)
	}
	return has, nil
}

// read reads a section.
func (f *File) read(number int) ([]byte, error) {
	pos := f.h.filter.pos
	for i := number; i < numSections; i++ {
		pos -= f.h.sections[i].len
	}
	s := f.h.sections[number]
	b := make([]byte, s.len)
	if err := readAt(f.r, b, pos); err != nil {
		return nil, err
	}
	if checksum(b) != s.crc {
		return nil, fmt.Errorf("%w: checksum of %s", ErrCorrupt, [...]string{"the rows", "the notes"}[number])
	}
	return b, nil
}

// Rows reads the rows and the folds. They are kept: what is returned is not to be
// changed.
func (f *File) Rows() ([]Row, []Fold, error) {
	if f.rows == nil {
		b, err := f.read(sectionRows)
		if err == nil {
			f.rows, f.fold, err = decodeRows(f.h, b)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read index %q: %w", f.name, err)
		}
	}
	return f.rows, f.fold, nil
}

// Notes reads the notes.
func (f *File) Notes() ([]segment.Note, error) {
	rows, _, err := f.Rows()
	if err != nil {
		return nil, err
	}
	b, err := f.read(sectionNotes)
	var notes []segment.Note
	if err == nil {
		notes, err = decodeNotes(f.h, b, rows)
	}
	if err != nil {
		return nil, fmt.Errorf("read index %q: %w", f.name, err)
	}
	return notes, nil
}

// Index reads all of it.
func (f *File) Index() (*Index, error) {
	rows, folds, err := f.Rows()
	if err != nil {
		return nil, err
	}
	notes, err := f.Notes()
	if err != nil {
		return nil, err
	}
	return &Index{Info: f.h.info, Rows: rows, Folds: folds, Notes: notes}, nil
}
