package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Store is the directory of segments and its budget.
type Store struct {
	c      Config
	log    *slog.Logger
	dir    *os.File // holds the lock
	create func(path string) (file, error)
	free   func(dir string) (int64, error)

	mu       sync.Mutex
	sealed   []segment // by number
	bytes    int64     // of sealed segments
	reserved int64     // of the segments that are being written
	written  int64     // octets in these so far
	open     int       // number of these
	next     uint64    // number of the next segment
	writers  int64

	deleted, deletedBytes     atomic.Uint64
	packets, lostSlow         atomic.Uint64
	lostDisk, errors, ignored atomic.Uint64
}

// segment is one file of the ring.
type segment struct {
	num   uint64
	name  string
	start int64 // time of the first packet, ns
	size  int64
}

// Stats are totals since the store was opened, except Segments and Bytes.
type Stats struct {
	Segments     int    // files on disk
	Bytes        int64  // octets of these
	Oldest       int64  // time of the first packet of the oldest sealed segment, ns; 0 when there is none
	Deleted      uint64 // segments that made way for newer ones
	DeletedBytes uint64
	Packets      uint64 // packets that were written
	LostSlow     uint64 // packets lost because the disk was too slow for the buffers
	LostDisk     uint64 // packets lost because the disk was full or failed
	Ignored      uint64 // packets of more interfaces than a segment describes
	Errors       uint64 // failures of the disk
}

const nameLayout = "20060102T150405.000000Z"

func segmentName(start int64, num uint64) string {
	return fmt.Sprintf("%s-%08d.pcapng", time.Unix(0, start).UTC().Format(nameLayout), num)
}

// parseName reads a segment's name; false for a foreign file.
func parseName(name string) (seg segment, ok bool) {
	stem, ok := strings.CutSuffix(name, ".pcapng")
	if !ok || len(stem) < len(nameLayout)+9 || stem[len(nameLayout)] != '-' {
		return segment{}, false
	}
	start, err := time.Parse(nameLayout, stem[:len(nameLayout)])
	if err != nil {
		return segment{}, false
	}
	num, err := strconv.ParseUint(stem[len(nameLayout)+1:], 10, 63)
	seg = segment{num: num, name: name, start: start.UnixNano()}
	return seg, err == nil && segmentName(seg.start, num) == name
}

// Open opens the store, makes its directory if need be, and counts the segments
// that are there already.
func Open(c Config, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("evidence: make directory: %w", err)
	}
	dir, err := lock(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: open %q: %w", c.Dir, err)
	}
	s := &Store{c: c, log: log, dir: dir, create: create, free: freeBytes, next: 1}
	if err := s.scan(); err != nil {
		dir.Close()
		return nil, fmt.Errorf("evidence: read %q: %w", c.Dir, err)
	}
	return s, nil
}

func (s *Store) scan() error {
	entries, err := os.ReadDir(s.c.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		seg, ok := parseName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		s.next = max(s.next, seg.num+1)
		if seg.size = info.Size(); seg.size == 0 {
			os.Remove(s.path(seg.name)) // killed between its creation and its first block
			continue
		}
		reclaim(s.path(seg.name), info)
		s.sealed = append(s.sealed, seg)
		s.bytes += seg.size
	}
	slices.SortFunc(s.sealed, byNumber)
	return nil
}

func byNumber(a, b segment) int { return cmp.Compare(a.num, b.num) }

func (s *Store) path(name string) string { return filepath.Join(s.c.Dir, name) }

var errNothingLeft = errors.New("no segment is left to delete")

// reserve makes room for a new segment within budget and free-space floor,
// deleting the oldest ones, and tells how long it may get: need at least.
func (s *Store) reserve(start, need int64) (seg segment, limit int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Half of the budget at least is history, however many writers there are.
	limit = max(need, min(s.c.SegmentBytes, s.c.MaxBytes/(2*s.writers)))
	for s.bytes+s.reserved+limit > s.c.MaxBytes {
		if _, err := s.deleteOldest(); err != nil {
			return segment{}, 0, fmt.Errorf("the open segments take all of evidence.max_bytes = %d: %w", s.c.MaxBytes, err)
		}
	}
	free, err := s.free(s.c.Dir)
	if err != nil {
		return segment{}, 0, err
	}
	// Add up what was deleted: a file system may show the room only later, and
	// asking it again would delete too much.
	for free < s.c.MinFreeBytes+limit {
		n, err := s.deleteOldest()
		if err != nil {
			return segment{}, 0, fmt.Errorf("disk full: %d octets free, want evidence.min_free_bytes = %d and %d for a segment: %w",
				free, s.c.MinFreeBytes, limit, err)
		}
		free += n
	}
	seg = segment{num: s.next, name: segmentName(start, s.next), start: start}
	s.next++
	s.open++
	s.reserved += limit
	return seg, limit, nil
}

// deleteOldest deletes one sealed segment and returns its size. A file that
// someone else removed counts as deleted. The caller holds mu.
func (s *Store) deleteOldest() (int64, error) {
	if len(s.sealed) == 0 {
		return 0, errNothingLeft
	}
	seg := s.sealed[0]
	if err := os.Remove(s.path(seg.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("delete oldest segment: %w", err)
	}
	s.sealed = slices.Delete(s.sealed, 0, 1)
	s.bytes -= seg.size
	s.deleted.Add(1)
	s.deletedBytes.Add(uint64(seg.size))
	return seg.size, nil
}

// makeRoom deletes one segment after the disk proved full.
func (s *Store) makeRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.deleteOldest()
	return err == nil
}

// grew counts octets written to an open segment.
func (s *Store) grew(n int64) {
	s.mu.Lock()
	s.written += n
	s.mu.Unlock()
}

// finish ends the writing of a segment; one without packets is not kept.
func (s *Store) finish(seg segment, limit, written int64, keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.reserved -= limit
	s.written -= written
	if !keep {
		return
	}
	s.bytes += seg.size
	at, _ := slices.BinarySearchFunc(s.sealed, seg, byNumber)
	s.sealed = slices.Insert(s.sealed, at, seg)
}

// Stats may be called from any goroutine.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		Segments:     len(s.sealed) + s.open,
		Bytes:        s.bytes + s.written,
		Deleted:      s.deleted.Load(),
		DeletedBytes: s.deletedBytes.Load(),
		Packets:      s.packets.Load(),
		LostSlow:     s.lostSlow.Load(),
		LostDisk:     s.lostDisk.Load(),
		Ignored:      s.ignored.Load(),
		Errors:       s.errors.Load(),
	}
	if len(s.sealed) > 0 {
		st.Oldest = s.sealed[0].start
	}
	return st
}

// Close gives the directory free for another process. Close the writers first.
func (s *Store) Close() error {
	if err := s.dir.Close(); err != nil {
		return fmt.Errorf("evidence: close: %w", err)
	}
	return nil
}
