package evidence

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

const (
	// retryAfter is the packet time between attempts while the disk fails.
	retryAfter = 5 * second
	// maxRoomTries bounds the segments deleted, and the smaller sizes tried, for a
	// new one when the disk is full although the budget says otherwise.
	maxRoomTries = 8
	// jumpBack is how far packet time must step back for a new segment to be begun.
	jumpBack = 60 * second
	// slowEvery is the packet time between two complaints about a slow disk.
	slowEvery = 60 * second
)

// disk does the work of one writer's goroutine: it owns the open segment, and the
// chunks that cannot be written now.
type disk struct {
	s       *Store
	log     *slog.Logger
	worker  uint16
	books   *books
	free    chan<- *chunk
	ticks   *atomic.Int32
	keep    int      // chunks that may wait
	waiting []*chunk // oldest first
	now     int64    // packet time
	open    *open    // nil when no segment is
	index   *index.Builder
	encoded []byte
	alerts  []segment.Note // that no segment was open for

	slowLost uint64 // packets lost to a slow disk that were told of
	slowAt   int64  // when

	blocked   bool // nothing can be written
	why       cause
	blockedAt int64  // packet time of the last attempt
	lost      uint64 // packets since it is blocked
}

func newDisk(w *Writer, worker int) *disk {
	return &disk{
		s: w.s, log: w.s.log.With("worker", worker), worker: uint16(worker), books: w.books, free: w.free, ticks: &w.ticks,
		keep: cap(w.free) - 2, index: index.NewBuilder(),
	}
}

// counters are the books, and the level of the ladder, at this moment.
func (d *disk) counters() segment.Counters {
	c := d.books.read()
	c.Level = uint8(d.s.ladder.level.Load())
	return c
}

func (d *disk) run(work <-chan job, done chan<- struct{}) {
	defer close(done)
	for {
		select {
		case j, ok := <-work:
			if !ok {
				d.end()
				return
			}
			d.do(j)
		case n := <-d.s.alerts:
			d.alert(n)
		}
	}
}

func (d *disk) do(j job) {
	switch {
	case j.chunk != nil:
		d.clock(j.chunk.first)
		d.now = j.chunk.last
		d.wait(j.chunk)
		d.write()
	case j.reply != nil:
		d.write()
		close(j.reply)
	default:
		d.clock(j.now)
		d.now = j.now
		d.tick()
		d.ticks.Add(-1)
	}
}

// clock notices that packet time was set back.
func (d *disk) clock(at int64) {
	if d.open == nil || at > d.now-jumpBack {
		return
	}
	d.log.Warn("evidence: the clock of the packets was set back; recording goes on in a new segment, and the oldest segment is told by its number",
		"from", time.Unix(0, d.now).UTC(), "to", time.Unix(0, at).UTC())
	d.seal()
}

// wait puts a chunk behind those that are to be written. When some must wait
// longer, small ones share their memory.
func (d *disk) wait(c *chunk) {
	if n := len(d.waiting); n > 0 {
		last := d.waiting[n-1]
		if len(last.data)+len(c.data) <= cap(last.data) {
			last.data = append(last.data, c.data...)
			last.load.add(c.load)
			last.last, last.after = c.last, c.after
			d.giveBack(c)
			return
		}
	}
	d.waiting = append(d.waiting, c)
}

func (d *disk) giveBack(c *chunk) {
	c.data, c.load = c.data[:0], load{}
	d.free <- c
}

// take removes the oldest chunk.
func (d *disk) take() {
	c := d.waiting[0]
	n := copy(d.waiting, d.waiting[1:])
	d.waiting = d.waiting[:n]
	d.giveBack(c)
}

// write writes what waits, as far as that is possible; of the rest the oldest make
// way when there is too much.
func (d *disk) write() {
	for len(d.waiting) > 0 && d.ready() {
		c := d.waiting[0]
		if !d.s.allows(d.now) {
			d.block(byBudget)
			break
		}
		if err := d.chunk(c); err != nil {
			d.fail(err)
			break
		}
		d.unblock()
		d.take()
	}
	for len(d.waiting) > d.keep {
		d.lose()
	}
}

// ready tells whether it is worth trying.
func (d *disk) ready() bool {
	return !d.blocked || d.why == byBudget || apart(d.now, d.blockedAt, retryAfter)
}

// lose gives up the oldest chunk.
func (d *disk) lose() {
	c := d.waiting[0]
	d.lost += c.load.packets
	d.books.lost(c.load, d.why)
	d.take()
}

// chunk writes a chunk into the open segment, or into a new one. On a full disk the
// oldest segments go, then smaller segments are tried.
func (d *disk) chunk(c *chunk) error {
	if d.open != nil && (d.open.over(len(c.data)) || d.aged() || d.index.Full()) {
		d.seal()
	}
	most := d.s.c.SegmentBytes
	for try := 0; ; try++ {
		err := d.attempt(c, most)
		if !full(err) || errors.Is(err, errNothingLeft) {
			return err
		}
		if try < maxRoomTries && !d.blocked && d.s.makeRoom() { // once blocked, it has not helped
			continue
		}
		if most /= 2; most < smallest {
			return err
		}
	}
}

func (d *disk) attempt(c *chunk, most int64) error {
	if d.open == nil {
		if err := d.begin(c, most); err != nil {
			return fmt.Errorf("begin segment: %w", err)
		}
	}
	if err := d.open.chunk(c); err != nil {
		d.seal() // at the last whole block
		return fmt.Errorf("write: %w", err)
	}
	d.upkeep()
	return nil
}

// full tells whether an error is about room.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// begin opens a segment for c's packets.
func (d *disk) begin(c *chunk, most int64) error {
	header := d.header(c.before)
	g, err := d.s.reserve(c.first, int64(len(header)+len(c.data)+tailRoom), most)
	if err != nil {
		return err
	}
	f, err := d.s.create(d.s.path(g.name))
	if err != nil {
		d.s.finish(g, 0, false)
		return err
	}
	d.open = newOpen(d, g, f, c.before)
	if err = f.Reserve(g.limit); err == nil {
		err = d.open.put(header)
	}
	if err == nil {
		err = d.open.mark(false) // so that what a power cut leaves of the file begins with what is proven
	}
	if err != nil {
		d.seal()
		return err
	}
	if g.shrunk == nil && most < d.s.c.SegmentBytes {
		g.shrunk = syscall.ENOSPC
	}
	d.s.ladder.begun(d.now, g.shrunk)
	d.putAlerts()
	return nil
}

// header is what a segment begins with.
func (d *disk) header(ifaces []segment.Interface) []byte {
	b := segment.AppendSection(nil, fmt.Sprintf(headerFormat+"%s", d.worker, d.s.session, d.s.boot))
	for _, i := range ifaces {
		b = segment.AppendInterface(b, i)
	}
	return b
}

func (d *disk) aged() bool {
	return apart(d.now, d.open.g.start, int64(d.s.c.SegmentAgeS)*second)
}

// tick does what time alone asks for.
func (d *disk) tick() {
	d.write()
	if d.open != nil {
		if d.aged() {
			d.seal()
		} else {
			d.upkeep()
		}
	}
	d.s.allows(d.now)
	d.s.expire(d.now)
	d.s.watched.expire(d.now)
	if d.s.ladder.tight() {
		d.s.ladder.room(d.now, d.s.roomy())
	}
	d.slow()
}

// slow says that the disk does not keep up, once a minute at most.
func (d *disk) slow() {
	lost := d.books.read().LostSlow
	if lost == d.slowLost || d.slowLost > 0 && !apart(d.now, d.slowAt, slowEvery) {
		return
	}
	d.log.Warn("evidence: packets are lost, the disk is too slow for them", "packets", lost-d.slowLost,
		"do", "record less (evidence.cutoff_kib, capture.filter), use a faster disk, or raise evidence.buffer_mib if it is slow for moments only")
	d.slowLost, d.slowAt = lost, d.now
}

// upkeep writes the checkpoints and statistics that are due. When that fails, the
// segment ends, and the next chunk shows whether the disk works.
func (d *disk) upkeep() {
	if err := d.open.upkeep(d.now); err != nil {
		d.s.errors.Add(1)
		d.log.Error("evidence: write checkpoint; packets of the last seconds may not be on the disk", "segment", d.open.g.name, "err", err)
		d.seal()
	}
}

// seal closes the segment at its last whole block, and writes its index. One
// without packets is removed: it would only take a place in the ring.
func (d *disk) seal() {
	o := d.open
	d.open = nil
	if err := o.close(d.now); err != nil {
		d.s.errors.Add(1)
		d.log.Error("evidence: close segment", "segment", o.g.name, "err", err)
	}
	keep := !o.empty()
	o.g.size = o.size
	if !keep {
		os.Remove(d.s.path(o.g.name))
	} else {
		d.writeIndex(o)
	}
	d.index.Reset()
	d.s.finish(o.g, o.size, keep)
}

// writeIndex costs no packet when it fails: the index can be made anew.
func (d *disk) writeIndex(o *open) {
	d.encoded = d.index.Encode(d.encoded[:0], o.info())
	if err := d.s.save(d.s.path(stem(o.g.name)+indexSuffix), d.encoded); err != nil {
		if d.s.indexErrors.Add(1) == 1 {
			d.log.Warn("evidence: write index: queries read the segment itself until it is made anew at the next start", "segment", o.g.name, "err", err)
		}
		return
	}
	o.g.side = int64(len(d.encoded))
	d.s.mu.Lock()
	d.s.spend(o.g.side, d.now)
	d.s.mu.Unlock()
}

// fail notes that nothing can be written.
func (d *disk) fail(err error) {
	d.s.errors.Add(1)
	if full(err) || errors.Is(err, errTooManyWriters) {
		d.s.ladder.crowded(err)
		d.block(bySpace)
		return
	}
	if !d.blocked || d.why != byFailure {
		d.s.ladder.failed(+1, err)
	}
	d.block(byFailure)
}

func (d *disk) block(why cause) {
	if d.blocked && d.why == byFailure && why != byFailure {
		d.s.ladder.failed(-1, nil)
	}
	if d.open != nil { // it may be long
		d.seal()
	}
	d.blocked, d.why, d.blockedAt = true, why, d.now
}

func (d *disk) unblock() {
	if !d.blocked {
		return
	}
	if d.why == byFailure {
		d.s.ladder.failed(-1, nil)
	}
	d.log.Info("evidence: recording again", "lost_packets", d.lost)
	d.blocked, d.lost = false, 0
}

// end writes what is left, and closes the segment.
func (d *disk) end() {
	d.takeAlerts()
	d.blockedAt = d.now - retryAfter // one last attempt
	d.write()
	for len(d.waiting) > 0 {
		d.lose()
	}
	if d.open != nil {
		d.seal()
	}
	d.s.lostNotes.Add(uint64(len(d.alerts)))
	if d.blocked && d.why == byFailure {
		d.s.ladder.failed(-1, nil)
	}
}
