package spool

import "fmt"

// span tells what is in a chunk or segment, and how far it was read and
// acknowledged. Records of a span are read, and acknowledged, from its beginning.
type span struct {
	lines  int // records
	read   int // of these: handed out
	done   int // of these: acknowledged
	size   int64
	readAt int64 // where the first unread record begins
	doneAt int64 // where the first unacknowledged one begins; of chunks only
	last   uint64
}

func (p *span) unread() bool   { return p.readAt < p.size }
func (p *span) finished() bool { return p.readAt >= p.size && p.done >= p.lines }

// chunk is records of one class in memory, as they stand in a segment.
type chunk struct {
	span
	data   []byte
	class  uint8
	busy   bool // being written to disk
	frozen bool // nothing is added any more
}

// segment is a file of records of one class.
type segment struct {
	span
	class   uint8
	num     uint64
	key     uint32
	first   uint64 // no unread record has a lower sequence number
	at      int64  // time of the first unread record, as far as known
	sealed  bool   // it has a trailer
	scanned bool   // its lines and damages were counted when the directory was opened
	bad     bool   // the place that is read is damaged
	told    bool   // of a damage
}

func (g *segment) name() string { return fmt.Sprintf("%d-%012d%s", g.class, g.num, suffix) }

const suffix = ".spool"

// parseName reads the name of a segment.
func parseName(name string) (class uint8, num uint64, ok bool) {
	g := segment{}
	if n, err := fmt.Sscanf(name, "%1d-%012d"+suffix, &g.class, &g.num); n != 2 || err != nil {
		return 0, 0, false
	}
	return g.class, g.num, g.class < NumClasses && g.name() == name
}

// hole is lines that are gone: so many between two sequence numbers.
type hole struct{ first, last, lines uint64 }

func (h *hole) add(o hole) {
	if o.lines == 0 {
		return
	}
	if h.lines == 0 {
		*h = o
		return
	}
	h.first, h.last, h.lines = min(h.first, o.first), max(h.last, o.last), h.lines+o.lines
}

// lane is what waits of one class: first what is in segments, oldest first, then
// what is in chunks. All its fields belong to Spool.mu, but for the reader.
type lane struct {
	segments []*segment
	chunks   []*chunk
	next     uint64 // number of the next segment
	lost     hole   // not told of yet
	told     hole   // handed out, but not acknowledged
	telling  int    // entries that make up told
	reader   reader // of the goroutine that calls Next
}

// segment is the oldest with unread records; nil when there is none.
func (l *lane) segment() *segment {
	for _, g := range l.segments {
		if g.unread() {
			return g
		}
	}
	return nil
}

// chunk is the oldest with unread records; nil when there is none.
func (l *lane) chunk() *chunk {
	for _, c := range l.chunks {
		if c.unread() {
			return c
		}
	}
	return nil
}

// oldest is the sequence number of the first record in memory that was not
// acknowledged; false when there is none.
func (l *lane) oldest() (uint64, bool) {
	if len(l.chunks) == 0 {
		return 0, false
	}
	c := l.chunks[0]
	if c.doneAt >= c.size {
		return 0, false
	}
	return seqOf(c.data[c.doneAt:]), true
}

// flight is a record that was handed out and not acknowledged yet.
type flight struct {
	seq  uint64
	at   int64
	size int
	from *span // that it was read from; nil: it is not held any more, or a hole
	hole bool
	lane uint8
}

// maxFlights bounds the records that are handed out and not acknowledged.
const maxFlights = 8192

// flights is a ring of them in order.
type flights struct {
	ring     []flight
	from, n  int
	orphaned [NumClasses]int // whose records are not held any more
}

func (f *flights) full() bool { return f.n == maxFlights }

func (f *flights) push(x flight) {
	if f.n == len(f.ring) {
		f.grow()
	}
	f.ring[(f.from+f.n)&(len(f.ring)-1)] = x
	f.n++
}

func (f *flights) grow() {
	ring := make([]flight, max(64, 2*len(f.ring)))
	for i := range f.n {
		ring[i] = *f.get(i)
	}
	f.ring, f.from = ring, 0
}

func (f *flights) get(i int) *flight { return &f.ring[(f.from+i)&(len(f.ring)-1)] }

func (f *flights) pop() flight {
	x := *f.get(0)
	f.from = (f.from + 1) & (len(f.ring) - 1)
	f.n--
	if x.from == nil && !x.hole {
		f.orphaned[x.lane]--
	}
	return x
}

// move tells that what was in one span is in another now; nil: nowhere.
func (f *flights) move(from, to *span) {
	for i := range f.n {
		x := f.get(i)
		if x.from != from {
			continue
		}
		if x.from = to; to == nil {
			f.orphaned[x.lane]++
		}
	}
}

// forget leaves out the orphaned.
func (f *flights) forget() {
	kept := 0
	for i := range f.n {
		if x := *f.get(i); x.from != nil || x.hole {
			*f.get(kept) = x
			kept++
		}
	}
	f.n, f.orphaned = kept, [NumClasses]int{}
}
