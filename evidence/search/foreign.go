package search

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/records"
	"kagami/sensor"
)

// FileOptions tell how capture files are indexed.
type FileOptions struct {
	// IndexDir holds the indexes. Default: each is beside its file, FILE.kidx.
	IndexDir string
	// Memory keeps the indexes in memory: nothing is written.
	Memory bool
	// Run reads the source with an engine that has decoders and one worker, and gives
	// the store each frame in order, and each record behind the packet that made it.
	// nil: there are no names.
	Run func(src sensor.Source, store sensor.Store) error
	// Notes appends what a record says of its flow.
	Notes func(dst []segment.Note, r records.Record) []segment.Note
}

const (
	kidxSuffix = ".kidx"
	// namesSought stands in Info.Session of a capture file's index: there were
	// decoders when it was made.
	namesSought = 1
)

// stretch is a part of a capture file that has an index of its own.
type stretch struct {
	from, to int64 // its octets in the capture file
	layout   *segment.Layout
	size     int64 // of the capture file
	modTime  int64 // of the capture file, ns since the epoch

	at, length int64  // where its index begins in the file of indexes, and octets of that file
	image      []byte // its index, if there is no such file
	info       index.Info
}

// fresh tells whether the capture file is what it was.
func (t *stretch) fresh(st os.FileInfo) error {
	if st.Size() != t.size || st.ModTime().UnixNano() != t.modTime {
		return fmt.Errorf("%w: the file has changed since", index.ErrCorrupt)
	}
	return nil
}

// OpenFiles makes capture files searchable: pcapng and pcap, not compressed. Each is
// read from end to end when it is opened first, and its index is kept (.kidx).
func OpenFiles(paths []string, o FileOptions) (*Store, error) {
	s := &Store{foreign: true}
	var errs []error
	for _, path := range paths {
		if err := s.capture(path, o); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// capture adds a capture file.
func (s *Store) capture(path string, o FileOptions) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open capture file: %w", err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("open capture file %q: not a regular file: packets cannot be found by their place in it", path)
	}
	kidx := path + kidxSuffix
	if o.IndexDir != "" {
		sum := sha256.Sum256([]byte(absolute(path)))
		kidx = filepath.Join(o.IndexDir, filepath.Base(path)+"-"+hex.EncodeToString(sum[:8])+kidxSuffix)
	}
	if !o.Memory {
		all, err := stretches(kidx, st, o.Run != nil)
		if err == nil {
			s.add(path, kidx, all)
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			s.said = append(s.said, fmt.Sprintf("index of %s: %v; it was made anew", path, err))
		}
	}
	images, err := s.index(path, st, o)
	if err != nil {
		return fmt.Errorf("index capture file %q: %w", path, err)
	}
	if !o.Memory {
		if err := writeImages(kidx, images); err != nil {
			s.said = append(s.said, fmt.Sprintf("%v; the index of %s is kept in memory", err, path))
		} else if all, err := stretches(kidx, st, false); err == nil {
			s.add(path, kidx, all)
			return nil
		}
	}
	all, err := inMemory(images, st)
	if err != nil {
		return fmt.Errorf("index capture file %q: %w", path, err)
	}
	s.add(path, "", all)
	return nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// add makes entries of stretches.
func (s *Store) add(path, kidx string, all []*stretch) {
	for _, t := range all {
		e := &entry{name: path, num: uint64(len(s.entries)), start: t.info.First, paths: []string{path}, stretch: t}
		if kidx != "" {
			e.index = []string{kidx}
		}
		s.entries = append(s.entries, e)
	}
}

// index reads a capture file from end to end.
func (s *Store) index(path string, st os.FileInfo, o FileOptions) ([][]byte, error) {
	c := scanner{size: st.Size(), modTime: st.ModTime().UnixNano(), builder: index.NewBuilder()}
	if o.Run != nil {
		c.names = s.namesOf(path, o)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sequential(f)
	if err := c.scan(f); err != nil {
		return nil, err
	}
	return c.images, nil
}

// stretches reads a file of indexes; wantNames refuses one that was made without
// decoders.
func stretches(kidx string, st os.FileInfo, wantNames bool) ([]*stretch, error) {
	f, err := os.Open(kidx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	k, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var all []*stretch
	for at := int64(0); at < k.Size(); {
		i, err := index.OpenAt(f, at, k.Size())
		if err != nil {
			return nil, err
		}
		all = append(all, &stretch{at: at, length: k.Size(), info: *i.Info()})
		at += i.Len()
	}
	if err := complete(all, st); err != nil {
		return nil, err
	}
	if wantNames && all[0].info.Session != namesSought {
		return nil, errors.New("it was made without names")
	}
	return all, nil
}

// inMemory opens indexes that are not on disk.
func inMemory(images [][]byte, st os.FileInfo) ([]*stretch, error) {
	var all []*stretch
	for _, image := range images {
		i, err := openImage(image)
		if err != nil {
			return nil, err
		}
		all = append(all, &stretch{length: int64(len(image)), image: image, info: *i.Info()})
	}
	return all, complete(all, st)
}

// complete checks that the indexes are of the whole file as it is now. The last one
// has the layout of all.
func complete(all []*stretch, st os.FileInfo) error {
	if len(all) == 0 || all[len(all)-1].info.Size != st.Size() || all[0].info.ModTime != st.ModTime().UnixNano() {
		return errors.New("the file has changed since")
	}
	layout := &all[len(all)-1].info.Layout
	for _, t := range all {
		t.from, t.to, t.layout = t.info.From, t.info.Size, layout
		t.size, t.modTime = st.Size(), st.ModTime().UnixNano()
	}
	return nil
}

// writeImages writes a file of indexes.
func writeImages(kidx string, images [][]byte) error {
	f, err := os.CreateTemp(filepath.Dir(kidx), filepath.Base(kidx)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	for _, image := range images {
		if _, err = f.Write(image); err != nil {
			break
		}
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), kidx)
	}
	if err != nil {
		return fmt.Errorf("write index: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
