package evidence

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kagami/evidence/segment"
)

// Store is the directory of segments and its budget.
type Store struct {
	c       Config
	log     *slog.Logger
	dir     *os.File // holds the lock
	session int64    // when this process opened the store, ns since the epoch
	boot    string   // the kernel's, "" when not known
	create  func(path string) (file, error)
	save    func(path string, b []byte) error // a small file, whole or not at all
	free    func(dir string) (space, error)
	ladder  ladder
	watched watched
	alerts  chan segment.Note
	keeper  *keeper

	mu       sync.Mutex
	sealed   []entry // by number
	chapters map[uint64]int64
	bytes    int64    // of sealed segments and what belongs to them, and chapters
	reserved int64    // of the segments that are being written
	written  int64    // octets in these so far
	open     []uint64 // numbers of these, in order
	next     uint64   // number of the next segment
	writers  int64
	books    []*books
	daily    daily
	clock    ageClock

	deleted, deletedBytes, aged, out             atomic.Uint64
	errors, indexErrors, syncs, lostNotes        atomic.Uint64
	recovered, tornBytes, filledBytes, reindexed atomic.Uint64
	recovering                                   atomic.Int64
}

// entry is one segment of the ring.
type entry struct {
	num   uint64
	name  string
	start int64 // time of the first packet, ns
	size  int64
	side  int64 // octets of its index and of its torn tail
}

// Stats are totals since the store was opened, except where they tell what is.
type Stats struct {
	segment.Counters // of all writers: Seen is the sum of the others

	Segments     int    // files on disk
	Bytes        int64  // octets of these, their indexes and torn tails, and chapters
	Oldest       int64  // time of the first packet of the oldest sealed segment, ns; 0 when there is none
	Deleted      uint64 // segments that made way for newer ones, or became too old
	DeletedBytes uint64
	Aged         uint64 // of the deleted: too old
	Written      uint64 // octets written: segments and indexes
	Today        int64  // octets written on this day of packet time; 0 without a budget
	Level        Level
	Levels       [NumLevels]uint64 // times that each level was entered
	Errors       uint64            // failures of the disk
	IndexErrors  uint64            // indexes and chapters that could not be written
	Syncs        uint64            // times that an open segment was brought to the disk
	LostNotes    uint64            // notes of names and alerts that found no room
	Unwatched    uint64            // hosts that found no place in the table of those kept whole
	Recovery     Recovery
}

// Recovery tells what was done about segments that an earlier process left.
type Recovery struct {
	Left      int    // segments still to be looked at
	Segments  uint64 // that were not sealed, and are now
	Torn      uint64 // octets cut off their ends
	Filled    uint64 // octets inside them that a power cut had damaged
	Reindexed uint64 // segments whose index was missing or damaged
}

// Open opens the store, makes its directory if need be, and counts the segments
// that are there already. What an earlier process left unfinished is put in order
// in the background.
func Open(c Config, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("evidence: make directory: %w%s", err, hint(err))
	}
	dir, err := lock(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: open %q: %w%s", c.Dir, err, hint(err))
	}
	s := &Store{
		c: c, log: log, dir: dir, session: time.Now().UnixNano(), boot: bootID(),
		create: create, save: save, free: freeSpace,
		ladder: ladder{log: log}, alerts: make(chan segment.Note, alertsAhead),
		chapters: map[uint64]int64{}, next: 1, daily: daily{budget: c.MaxBytesPerDay},
	}
	todo, err := s.scan()
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("evidence: read %q: %w%s", c.Dir, err, hint(err))
	}
	if line := c.Endurance(); line != "" {
		log.Info("evidence: " + line)
	}
	s.keeper = newKeeper(s, todo)
	go s.keeper.run(todo)
	return s, nil
}

func byNumber(a, b entry) int { return cmp.Compare(a.num, b.num) }

func (s *Store) path(name string) string { return filepath.Join(s.c.Dir, name) }

// enter gives a new writer its books.
func (s *Store) enter() *books {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &books{}
	s.books = append(s.books, b)
	s.writers++
	return b
}

func (s *Store) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writers--
}

// grew counts octets written at a moment of packet time; open ones belong to a
// segment that is being written.
func (s *Store) grew(n, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written += n
	s.spend(n, at)
}

// spend takes octets from the day's budget. The caller holds mu.
func (s *Store) spend(n, at int64) {
	s.out.Add(uint64(n))
	if s.daily.budget > 0 {
		s.daily.turn(at, s.writtenOn)
		s.daily.spent += n
	}
}

// allows tells whether the day's budget has room for more, and sets the ladder's
// level accordingly.
func (s *Store) allows(at int64) bool {
	if s.c.MaxBytesPerDay == 0 {
		return true
	}
	s.mu.Lock()
	s.daily.turn(at, s.writtenOn)
	level, why := s.daily.level()
	s.mu.Unlock()
	s.ladder.budget(level, why)
	return level < LevelMemory
}

// writtenOn sums what segments of a day there are: what an earlier process wrote.
// The caller holds mu.
func (s *Store) writtenOn(d int64) (sum int64) {
	for _, e := range s.sealed {
		if floorDiv(e.start, day) == d {
			sum += e.size + e.side
		}
	}
	return sum
}

// finish ends the writing of a segment; one without packets is not kept.
func (s *Store) finish(g grant, written int64, keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(num uint64) bool { return num == g.num })
	defer s.keeper.notify(chapterOf(g.num))
	s.reserved -= gross(g.limit)
	s.written -= written
	if !keep {
		return
	}
	s.bytes += g.size + g.side
	at, _ := slices.BinarySearchFunc(s.sealed, g.entry, byNumber)
	s.sealed = slices.Insert(s.sealed, at, g.entry)
}

// find is the place of a segment in sealed; false when it was deleted. The caller
// holds mu.
func (s *Store) find(num uint64) (int, bool) {
	return slices.BinarySearchFunc(s.sealed, entry{num: num}, byNumber)
}

// Watch keeps everything between a host and others whole until a moment of packet
// time (ns). It may be called from any goroutine.
func (s *Store) Watch(addr netip.Addr, until int64) { s.watched.add(addr, until) }

// Stats may be called from any goroutine.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		Segments:     len(s.sealed) + len(s.open),
		Bytes:        s.bytes + s.written,
		Deleted:      s.deleted.Load(),
		DeletedBytes: s.deletedBytes.Load(),
		Aged:         s.aged.Load(),
		Written:      s.out.Load(),
		Today:        s.daily.spent,
		Level:        Level(s.ladder.level.Load()),
		Levels:       s.ladder.levels(),
		Errors:       s.errors.Load(),
		IndexErrors:  s.indexErrors.Load(),
		Syncs:        s.syncs.Load(),
		LostNotes:    s.lostNotes.Load(),
		Unwatched:    s.watched.denied.Load(),
		Recovery: Recovery{
			Left: int(s.recovering.Load()), Segments: s.recovered.Load(), Torn: s.tornBytes.Load(),
			Filled: s.filledBytes.Load(), Reindexed: s.reindexed.Load(),
		},
	}
	for _, b := range s.books {
		addCounters(&st.Counters, b.read())
	}
	if len(s.sealed) > 0 {
		st.Oldest = s.sealed[0].start
	}
	return st
}

// Close ends the work in the background and gives the directory free for another
// process. Close the writers first.
func (s *Store) Close() error {
	s.keeper.close()
	if err := s.dir.Close(); err != nil {
		return fmt.Errorf("evidence: close: %w", err)
	}
	return nil
}
