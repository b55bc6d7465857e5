package search

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kagami/evidence/segment"
)

// Store is what can be searched: a directory of segments as it was listed, or
// capture files. It may be used by several goroutines at once, and holds no file
// open.
type Store struct {
	dir      string
	entries  []*entry          // in order of number
	chapters map[uint64]string // paths by number
	said     []string          // about the store itself: for each report
	foreign  bool
}

// entry is one segment, or a stretch of a capture file that has an index of its own.
type entry struct {
	name    string   // of the segment, or the path of the capture file
	num     uint64   // of the segment, or of the stretch
	start   int64    // the name's time, ns since the epoch; 0 = not known
	paths   []string // where its packets are: the segment, and what holds it
	index   []string // where its index is, likewise; none = not made
	stretch *stretch // of a capture file; nil: a segment
}

// Endings of names, and chapterName's beginning.
const (
	segmentSuffix = ".pcapng"
	indexSuffix   = ".idx"
	holdMark      = ".hold-"
	chapterPrefix = "chapter-"
)

// Open lists a directory of segments: a recording one, one of a copied disk. What
// comes later is not seen; what goes away meanwhile is told by the Report. A
// directory without segments that holds capture files (a case) is taken as these.
func Open(dir string) (*Store, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open evidence: %w", err)
	}
	s := &Store{dir: dir, chapters: map[uint64]string{}}
	byStem := map[string]*entry{}
	var indexes, captures []string
	for _, f := range list {
		name := f.Name()
		switch stem, _, _ := strings.Cut(name, holdMark); {
		case s.chapter(name):
		case strings.HasSuffix(stem, segmentSuffix):
			if !s.segment(byStem, stem, name) && name == stem {
				captures = append(captures, filepath.Join(dir, name))
			}
		case strings.HasSuffix(stem, indexSuffix):
			indexes = append(indexes, name)
		case strings.HasSuffix(stem, ".pcap"):
			captures = append(captures, filepath.Join(dir, name))
		}
	}
	if len(byStem) == 0 {
		return openCaptures(captures), nil
	}
	for _, name := range indexes {
		stem, _, _ := strings.Cut(name, holdMark)
		if e := byStem[strings.TrimSuffix(stem, indexSuffix)]; e != nil {
			e.index = append(e.index, filepath.Join(dir, name))
		}
	}
	for _, e := range s.entries { // the segment itself before what holds it
		slices.Sort(e.paths)
		slices.Sort(e.index)
	}
	slices.SortFunc(s.entries, func(a, b *entry) int { return compare(int64(a.num), int64(b.num)) })
	return s, nil
}

// openCaptures makes the capture files of a directory searchable; those that are none
// are told.
func openCaptures(paths []string) *Store {
	s := &Store{foreign: len(paths) > 0}
	for _, path := range paths {
		if err := s.capture(path, FileOptions{Memory: true}); err != nil {
			s.said = append(s.said, err.Error())
		}
	}
	return s
}

// segment adds a file to the entry of its segment; false if the name is no segment's.
func (s *Store) segment(byStem map[string]*entry, segmentName, file string) bool {
	start, num, ok := segment.ParseName(segmentName)
	if !ok {
		return false
	}
	stem := strings.TrimSuffix(segmentName, segmentSuffix)
	e := byStem[stem]
	if e == nil {
		e = &entry{name: segmentName, num: num, start: start}
		byStem[stem] = e
		s.entries = append(s.entries, e)
	}
	e.paths = append(e.paths, filepath.Join(s.dir, file))
	return true
}

// chapter notes a chapter; false if the name is none's.
func (s *Store) chapter(name string) bool {
	digits, ok := strings.CutPrefix(name, chapterPrefix)
	if !ok {
		return false
	}
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		s.chapters[n] = filepath.Join(s.dir, name)
	}
	return true
}

// Len is how many segments there are.
func (s *Store) Len() int { return len(s.entries) }
