package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// NumClasses is the number of classes: 0 is dropped first.
const NumClasses = 4

// Entry is one line that waits.
type Entry struct {
	Seq            uint64   // from Next: its number, from 1, never given twice
	At             int64    // time, nanoseconds since the epoch
	Class          uint8    // below NumClasses
	Kind, Severity uint8    // not looked at
	Client         [16]byte // not looked at
	Log            string   // not looked at; at most 255 octets
	Text           []byte   // at most 127 KiB; from Next: borrowed, valid until the next call

	// Firm, from Next: whatever happens to this process, no later one gives Seq again.
	// While the disk fails for long, numbers are given that it does not know of.
	Firm bool

	// Lost, from Next, is not 0 in an entry that has no text: so many lines of the
	// class are gone, with numbers up to Seq or later. It is acknowledged like a line.
	Lost uint64
}

// Stats tell what waits, and totals since the spool was opened.
type Stats struct {
	Lines  int    // that wait, those handed out and not acknowledged included
	Bytes  int64  // octets of these
	OnDisk int64  // octets of the segment files
	Oldest int64  // Entry.At of the oldest line that waits; 0 when none does
	Seq    uint64 // the last number given
	Acked  uint64 // all lines up to this number are done
	Memory int    // octets of memory that hold lines, used or not

	Resumed    uint64             // lines that an earlier process left
	Dropped    [NumClasses]uint64 // lines that found no room, by class
	Unreadable uint64             // lines that were on disk and are known to be damaged or missing
	Corrupt    uint64             // damaged places, and files that are missing or cannot be read
	Foreign    uint64             // files in the directory that are not the spool's
	Errors     uint64             // failed operations on the disk
	Written    uint64             // octets written
	Syncs      uint64             // times that files were brought to the disk
}

// Spool is a queue. Append is for one goroutine at a time, as are Next and Ack
// together; Stats is for any.
type Spool struct {
	c      Config
	log    *slog.Logger
	chunks int // that may be in use

	mu      sync.Mutex
	id      uint64 // of the directory; its lower half is the key of checksums
	key     uint32
	lanes   [NumClasses]lane
	open    [NumClasses]*chunk // that records are added to
	free    []*chunk
	used    int // chunks that are not free
	seq     uint64
	renew   uint64 // the number at which more must be reserved
	firm    uint64 // numbers up to this one are not given again
	out     uint64 // the last number handed out
	acked   uint64
	flights flights
	disk    int64 // octets of segment files
	files   int   // of these
	waiting bool  // Next waits
	peak    int   // the most of used since free was looked at
	told    limit // lines were dropped for these since there was room
	broken  bool  // the disk fails
	closed  bool
	stats   Stats // totals only

	text  []byte // of what Next returned
	ends  []int
	names map[string]string // of logs

	ready  chan struct{} // there is a line to read, or the spool was closed
	wake   chan struct{} // there is work for the keeper
	finish chan struct{} // closed by Close
	done   chan struct{} // closed when the keeper has ended
	keeper *keeper
}

// ErrClosed is returned by a spool that was closed.
var ErrClosed = errors.New("spool: it is closed")

// ErrTooLong is returned for a line that no spool takes.
var ErrTooLong = errors.New("spool: the line is too long")

// ErrUnacknowledged is returned by Next when 8,192 lines were handed out and none
// was acknowledged.
var ErrUnacknowledged = errors.New("spool: too many lines are not acknowledged")

var errClass = errors.New("spool: there is no such class")

// Open opens a spool, makes its directory if need be, and finds what an earlier
// process left there.
func Open(c Config, log *slog.Logger) (*Spool, error) {
	return open(c, log, osDisk{})
}

func open(c Config, log *slog.Logger, fs disk) (*Spool, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Spool{
		c: c.withDefaults(), log: log.With("spool", c.Dir), names: map[string]string{},
		ready: make(chan struct{}, 1), wake: make(chan struct{}, 1), finish: make(chan struct{}), done: make(chan struct{}),
	}
	s.chunks = s.c.chunks()
	for i := range s.lanes {
		s.lanes[i].reader.open = fs.open
	}
	s.keeper = &keeper{s: s, fs: fs, segmentBytes: s.c.segmentBytes()}
	if err := s.keeper.start(); err != nil {
		return nil, fmt.Errorf("open spool %q: %w%s", c.Dir, err, hint(err))
	}
	go s.keeper.run()
	return s, nil
}

// ID names the sequence that numbers belong to. It changes when the directory is
// deleted, or its state is lost: numbers may begin again then.
func (s *Spool) ID() string { return fmt.Sprintf("%016x", s.id) }

// Append puts a line at the end and returns its number. It copies the line and
// never waits for the disk: when there is no room, lines of the lowest class, the
// oldest first, or else this one are dropped.
func (s *Spool) Append(e Entry) (uint64, error) {
	n := recordSize(&e)
	if n > maxRecord || len(e.Log) > maxLog || len(e.Text) > maxText {
		return 0, ErrTooLong
	}
	if e.Class >= NumClasses {
		return 0, errClass
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	s.seq++
	if s.seq == s.renew {
		signal(s.wake)
	}
	c := s.room(e.Class, n)
	if c == nil {
		s.lose(e.Class, hole{s.seq, s.seq, 1}, noMemory)
		return s.seq, nil
	}
	c.data = appendRecord(c.data, s.key, s.seq, &e)
	c.size = int64(len(c.data))
	c.lines++
	c.last = s.seq
	if s.waiting {
		s.waiting = false
		signal(s.ready)
	}
	return s.seq, nil
}

// room is the chunk of a class with room for n octets; nil when there is none.
func (s *Spool) room(class uint8, n int) *chunk {
	c := s.open[class]
	if c != nil && len(c.data)+n <= cap(c.data) {
		return c
	}
	if c != nil {
		c.frozen = true
	}
	s.open[class] = nil
	if s.used >= s.chunks && !s.dropChunk(class) {
		return nil
	}
	c = s.take()
	c.class = class
	s.open[class] = c
	s.lanes[class].chunks = append(s.lanes[class].chunks, c)
	if s.crowded() {
		signal(s.wake)
	}
	return c
}

// crowded tells whether chunks must be written before their time: half of the
// memory is for what comes until the disk has taken them.
func (s *Spool) crowded() bool { return 2*s.used > s.chunks }

func (s *Spool) take() *chunk {
	s.used++
	s.peak = max(s.peak, s.used)
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		return c
	}
	return &chunk{data: make([]byte, 0, chunkBytes)}
}

// drop takes the chunk at place i out of its lane, and back.
func (s *Spool) drop(l *lane, i int) {
	c := l.chunks[i]
	l.chunks = append(l.chunks[:i], l.chunks[i+1:]...)
	if s.open[c.class] == c {
		s.open[c.class] = nil
	}
	*c = chunk{data: c.data[:0]}
	s.free = append(s.free, c)
	s.used--
}

// dropChunk makes room in memory for a line of a class: the oldest chunk of the
// lowest class goes, but none of a higher one.
func (s *Spool) dropChunk(class uint8) bool {
	for k := range class + 1 {
		l := &s.lanes[k]
		for i, c := range l.chunks {
			if !c.busy {
				s.loseSpan(k, &c.span, noMemory)
				s.drop(l, i)
				return true
			}
		}
	}
	return false
}

// loseSpan counts what was not read of a span that is dropped. What is in flight
// is in the hands of who took it.
func (s *Spool) loseSpan(class uint8, p *span, why limit) {
	if n := p.lines - p.read; n > 0 {
		s.lose(class, hole{s.out + 1, p.last, uint64(n)}, why)
	}
	s.flights.move(p, nil)
}

// limit is what lines are dropped for.
type limit uint8

const (
	noMemory limit = 1 << iota
	noDiskBytes
	noDiskLeft
)

// lose counts lines that found no room, and says so once until there was room.
func (s *Spool) lose(class uint8, h hole, why limit) {
	s.stats.Dropped[class] += h.lines
	s.lanes[class].lost.add(h)
	if s.told&why == 0 {
		s.told |= why
		s.log.Warn("the queue on disk has no room: "+s.reason(why)+"; lines are dropped, the lowest class and the oldest first",
			"class", class, "disk_bytes", s.disk, "max_disk_bytes", s.c.MaxBytes, "memory_bytes", s.used*chunkBytes, "max_memory_bytes", s.chunks*chunkBytes)
	}
	if s.waiting {
		s.waiting = false
		signal(s.ready)
	}
}

// reason tells which limit it is, and what would help.
func (s *Spool) reason(why limit) string {
	switch {
	case why == noDiskBytes:
		return "disk_bytes is used up (allow more, or see why the place takes nothing)"
	case why == noDiskLeft:
		return "the disk is full"
	case s.broken:
		return "its memory is full, and the disk cannot be written"
	}
	return "its memory is full (lines come faster than the disk takes them)"
}

// Close writes what waits to the disk, until ctx ends, and gives the directory
// free. No other call but Stats may be under way, except that of a goroutine which
// hangs in something else and comes back later.
func (s *Spool) Close(ctx context.Context) error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return ErrClosed
	}
	close(s.finish)
	signal(s.ready)
	select {
	case <-s.done:
		return s.keeper.err
	case <-ctx.Done():
		return fmt.Errorf("close spool %q: the disk hangs: %w", s.c.Dir, ctx.Err())
	}
}

// Stats are the counters.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.OnDisk, st.Seq, st.Acked, st.Lines = s.disk, s.seq, s.acked, s.flights.n
	st.Memory = (s.used + len(s.free)) * chunkBytes
	for i := range s.flights.n {
		f := s.flights.get(i)
		if f.hole {
			st.Lines--
			continue
		}
		st.Bytes += int64(f.size)
		if st.Oldest == 0 {
			st.Oldest = f.at
		}
	}
	oldest := ^uint64(0)
	for i := range s.lanes {
		l := &s.lanes[i]
		l.count(&st)
		if seq, at, ok := l.headTime(); ok && seq < oldest && s.flights.n == 0 {
			oldest, st.Oldest = seq, at
		}
	}
	return st
}

// count adds what was not read yet.
func (l *lane) count(st *Stats) {
	for _, g := range l.segments {
		st.Lines += g.lines - g.read
		st.Bytes += max(0, g.size-g.readAt)
	}
	for _, c := range l.chunks {
		st.Lines += c.lines - c.read
		st.Bytes += c.size - c.readAt
	}
}

// headTime is the number and the time of the first unread line; of a segment the
// number is the least possible one.
func (l *lane) headTime() (seq uint64, at int64, ok bool) {
	if g := l.segment(); g != nil {
		return g.first, g.at, true
	}
	if c := l.chunk(); c != nil {
		b := c.data[c.readAt:]
		return seqOf(b), timeOf(b), true
	}
	return 0, 0, false
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

const (
	retryAfter  = 5 * time.Second // between attempts while the disk fails
	stateEvery  = time.Second     // between two writes of what is acknowledged
	trimEvery   = time.Minute     // between two looks at memory that is not used
	marksAhead  = 8               // moments that SpillAfter is divided into
	tellEvery   = time.Minute     // between two reports of a failure that comes and goes
	maxRoomTry  = 8               // segments dropped for one chunk on a full disk
	maxLogNames = 256
)
