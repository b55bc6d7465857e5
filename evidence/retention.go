package evidence

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"kagami/evidence/segment"
)

const (
	segmentSuffix = ".pcapng"
	indexSuffix   = ".idx"
	tornSuffix    = ".torn"
	tempSuffix    = ".tmp"
	// smallest is what a segment is shortened to when there is little room.
	smallest = 1 << 20
	// minInodes is how many files there must be room for besides those of a new
	// segment, so that others can go on.
	minInodes = 64
	// filesEach are a segment, its index, and that index while it is written.
	filesEach = 3
)

// stem is what the names of a segment and of what belongs to it have in common.
func stem(name string) string { return strings.TrimSuffix(name, segmentSuffix) }

// gross is what a segment of n octets may take with its index.
func gross(n int64) int64 { return n + n/32 + 64<<10 }

// net is its inverse, about.
func net(n int64) int64 { return (n - 64<<10) / 33 * 32 }

// space is what a file system has left for others than root.
type space struct {
	bytes  int64
	inodes int64 // -1: it makes them as needed
}

// grant is the right to write a segment.
type grant struct {
	entry
	limit  int64 // octets it may get
	shrunk error // why it may not get as long as segments should be; nil if it may
}

var errNothingLeft = errors.New("no segment is left to delete")

// reserve makes room for a new segment within budget and free-space floor, deleting
// the oldest ones. It is need octets long at least, and at most as long as segments
// should be, or most.
func (s *Store) reserve(start, need, most int64) (grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, shrunk, err := s.fit(need, max(need, min(most, s.fullSize())))
	if err != nil {
		return grant{}, err
	}
	g := grant{entry: entry{num: s.next, name: segment.Name(start, s.next), start: start}, limit: limit, shrunk: shrunk}
	s.next++
	s.open = append(s.open, g.num)
	s.reserved += gross(limit)
	return g, nil
}

// fullSize is how long segments should be: half of the budget at least is history,
// however many writers there are. The caller holds mu.
func (s *Store) fullSize() int64 { return min(s.c.SegmentBytes, s.c.MaxBytes/(2*max(1, s.writers))) }

// fit tells how long a segment may get, from need to want octets, and deletes the
// oldest ones until it may get as long as it should. The caller holds mu.
func (s *Store) fit(need, want int64) (limit int64, shrunk, err error) {
	free, err := s.free(s.c.Dir)
	if err != nil {
		return 0, nil, err
	}
	for {
		have, why := s.room(free, want)
		if have >= want {
			return want, nil, nil
		}
		if len(s.sealed) == 0 { // what was deleted shows by now, if it ever will
			if free, err = s.free(s.c.Dir); err != nil {
				return 0, nil, err
			}
			if have, why = s.room(free, want); have >= want {
				return want, nil, nil
			}
		}
		// Add up what was deleted: a file system may show the room only later, and
		// asking it again would delete too much.
		n, err := s.deleteOldest()
		switch {
		case err == nil:
			free.bytes += n
			if free.inodes >= 0 && n > 0 {
				free.inodes += filesEach - 1
			}
		case !errors.Is(err, errNothingLeft):
			return 0, nil, err
		case have >= max(need, min(want, smallest)):
			return have, fmt.Errorf("%w, and %w", why, err), nil
		default:
			return 0, nil, fmt.Errorf("%w, and %w", why, err)
		}
	}
}

// room is how long a segment could get now, and what sets that bound. The caller
// holds mu.
func (s *Store) room(free space, want int64) (int64, error) {
	switch {
	case free.inodes >= 0 && free.inodes < minInodes+filesEach:
		return 0, fmt.Errorf("disk full: %d more files can be made: %w", free.inodes, syscall.ENOSPC)
	case s.c.MaxBytes-s.bytes-s.reserved < gross(want):
		return net(s.c.MaxBytes - s.bytes - s.reserved), fmt.Errorf("%w = %d", errTooManyWriters, s.c.MaxBytes)
	case free.bytes-s.c.MinFreeBytes < gross(want):
		return net(free.bytes - s.c.MinFreeBytes), fmt.Errorf("disk full: %d octets free, want evidence.min_free_bytes = %d and %d for a segment: %w",
			free.bytes, s.c.MinFreeBytes, gross(want), syscall.ENOSPC)
	}
	return want, nil
}

// roomy tells whether there is room for segments of full size without deleting any:
// two of them, so that the ladder does not go up and down.
func (s *Store) roomy() bool {
	free, err := s.free(s.c.Dir)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.fullSize()
	for _, e := range s.sealed { // what can be deleted is room
		if free.bytes += e.size + e.side; free.bytes-s.c.MinFreeBytes > 2*gross(full) {
			break
		}
	}
	have, _ := s.room(free, 2*full)
	return have >= 2*full || s.c.MaxBytes < 4*full
}

// deleteOldest deletes one sealed segment, and returns how much room that gives. A
// file that someone else removed counts as deleted; one that a case holds gives no
// room. The caller holds mu.
func (s *Store) deleteOldest() (int64, error) {
	if len(s.sealed) == 0 {
		return 0, errNothingLeft
	}
	e := s.sealed[0]
	path := s.path(e.name)
	gives := e.size + e.side
	if st, err := os.Lstat(path); err == nil && links(st) > 1 {
		gives = 0
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("delete oldest segment: %w", err)
	}
	// Without its segment the rest is worth nothing; what cannot be removed now is
	// when the store is opened next.
	os.Remove(s.path(stem(e.name) + indexSuffix))
	os.Remove(s.path(stem(e.name) + tornSuffix))
	s.sealed = slices.Delete(s.sealed, 0, 1)
	s.bytes -= e.size + e.side
	s.deleted.Add(1)
	s.deletedBytes.Add(uint64(e.size))
	s.dropChapter(chapterOf(e.num))
	return gives, nil
}

// makeRoom deletes one segment after the disk proved full.
func (s *Store) makeRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.deleteOldest()
	return err == nil
}

// ageClock tells whether packet time can be trusted to delete by it: a single
// packet with a wrong time must not empty the store.
type ageClock struct {
	known        bool
	last, steady int64 // steady: since when the time has gone on without a jump
}

// steadyFor is how long packet time must have gone on without a jump of that length.
const steadyFor = 60 * second

func (a *ageClock) trusted(now int64) bool {
	if !a.known || apart(now, a.last, steadyFor) {
		a.known, a.steady = true, now
	}
	a.last = now
	return now-a.steady >= steadyFor
}

// expire deletes the oldest segment if it is too old: one at a time, since it is
// asked often. Age goes by the times in the names, order by the numbers: a segment
// whose time is in the future is as old as the one behind it.
func (s *Store) expire(now int64) {
	if s.c.MaxAgeH == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.clock.trusted(now) || len(s.sealed) == 0 {
		return
	}
	start := s.sealed[0].start
	for _, e := range s.sealed {
		if start = e.start; start <= now {
			break
		}
	}
	if now-start < int64(s.c.MaxAgeH)*3600*second {
		return
	}
	if _, err := s.deleteOldest(); err != nil {
		s.errors.Add(1)
		return
	}
	s.aged.Add(1)
}
