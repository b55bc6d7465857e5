package search

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

// view is a segment as one search sees it.
type view struct {
	*entry
	at     int32 // its place among the run's views
	info   index.Info
	known  bool     // info is known
	images [][]byte // indexes made by this search, for want of a good one
	size   int64    // octets that were scanned for them

	opened, scanned, gone bool
}

// early is how much older than the name of a segment says its packets may be, in ns:
// the engine takes packets that late for merely out of order.
const early = 60 * 1e9

// span is the time of the view's packets as far as it is known.
func (v *view) span() (first, last int64) {
	if v.known {
		return v.info.First, v.info.Last
	}
	return v.start - early, math.MaxInt64
}

func (v *view) empty() bool { return v.known && v.info.Packets == 0 }

// indexFile is an index that is open.
type indexFile struct {
	*index.File
	under *os.File // of a capture file's index
}

func (f indexFile) close() {
	f.File.Close()
	if f.under != nil {
		f.under.Close()
	}
}

// file opens the view's index on disk, fs.ErrNotExist if there is none.
func (v *view) file() (indexFile, error) {
	if t := v.stretch; t != nil && t.image != nil {
		f, err := openImage(t.image)
		return indexFile{File: f}, err
	}
	for _, path := range v.index {
		f, err := v.fileAt(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return f, err
	}
	return indexFile{}, fs.ErrNotExist
}

func (v *view) fileAt(path string) (indexFile, error) {
	t := v.stretch
	if t == nil {
		f, err := index.Open(path)
		return indexFile{File: f}, err
	}
	under, err := os.Open(path)
	if err != nil {
		return indexFile{}, err
	}
	f, err := index.OpenAt(under, t.at, t.length)
	if err != nil {
		under.Close()
		return indexFile{}, err
	}
	return indexFile{f, under}, nil
}

func openImage(image []byte) (*index.File, error) {
	return index.OpenAt(bytes.NewReader(image), 0, int64(len(image)))
}

// files opens all indexes of the view: that on disk, or those made by this search.
func (v *view) files() ([]indexFile, error) {
	if v.images == nil {
		f, err := v.file()
		if err != nil {
			return nil, err
		}
		return []indexFile{f}, nil
	}
	var all []indexFile
	for _, image := range v.images {
		f, err := openImage(image)
		if err != nil {
			return nil, fmt.Errorf("read index made of %s: %w", v.name, err)
		}
		all = append(all, indexFile{File: f})
	}
	return all, nil
}

// open opens the packets; fs.ErrNotExist if they were rotated away.
func (v *view) open() (*os.File, error) {
	for _, path := range v.paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return f, err
	}
	return nil, fs.ErrNotExist
}

// sound tells whether the index fits the packets, and why not. A file of packets that
// is not there any more is fs.ErrNotExist.
func (v *view) sound(i *index.Info) error {
	for _, path := range v.paths {
		st, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		if v.stretch != nil {
			return v.stretch.fresh(st)
		}
		if st.Size() != i.Size {
			return fmt.Errorf("%w: it is of %d octets, the segment has %d", index.ErrCorrupt, i.Size, st.Size())
		}
		return nil
	}
	return fs.ErrNotExist
}

// layout is that of the whole file.
func (v *view) layout() *segment.Layout {
	if v.stretch != nil {
		return v.stretch.layout
	}
	return &v.info.Layout
}
