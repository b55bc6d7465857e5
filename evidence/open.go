package evidence

import (
	"errors"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

const (
	// settleBytes is how much is sent on its way to the disk at a time.
	settleBytes = 1 << 20
	// markBytes behind a mark the next chunk ends with another: at the latest after
	// a MiB, unless packets are very long.
	markBytes = 1<<20 - chunkBytes
	// statisticsEvery is the packet time between two statistics blocks.
	statisticsEvery = 10 * second
	// tailRoom is left in a segment for its last marks and statistics, and for an
	// alert's note.
	tailRoom = 8 << 10
)

// open is a segment that is being written.
type open struct {
	d    *disk
	f    file
	g    grant
	size int64

	// What it holds.
	packets, notes uint64
	first, last    int64 // times of packets
	ifaces         []segment.Interface
	layout         segment.Layout
	start          segment.Counters
	visitor        segment.Visitor

	crc      uint32 // of the octets since the last mark
	marked   int64  // where that ends
	settled  int64
	named    bool             // the file's name is on the disk
	unsynced int64            // time of the first packet that may not be on the disk; 0 = all are
	counted  int64            // time of the last statistics
	counters segment.Counters // at that time
	b        []byte
}

func newOpen(d *disk, g grant, f file, ifaces []segment.Interface) *open {
	c := d.counters()
	o := &open{d: d, f: f, g: g, ifaces: ifaces, start: c, counters: c, counted: g.start}
	o.visitor = segment.Visitor{Packet: o.packet, Note: o.note}
	return o
}

// packet and note put into the index what was written.
func (o *open) packet(p *segment.Packet) bool {
	if o.packets == 0 || p.Time < o.first {
		o.first = p.Time
	}
	if o.packets == 0 || p.Time > o.last {
		o.last = p.Time
	}
	o.packets++
	o.d.index.Packet(p)
	return true
}

func (o *open) note(n *segment.Note) bool {
	o.notes++
	o.d.index.Note(n)
	return true
}

// over tells whether so many octets have no room any more.
func (o *open) over(n int) bool { return o.size+int64(n)+tailRoom > o.g.limit }

// put writes whole blocks.
func (o *open) put(b []byte) error {
	if _, err := o.f.WriteAt(b, o.size); err != nil {
		return err
	}
	pos := o.size
	o.crc = segment.Sum(o.crc, b)
	o.size += int64(len(b))
	o.d.s.grew(int64(len(b)), o.d.now)
	if err := segment.Walk(b, pos, &o.layout, &o.visitor); err != nil {
		o.d.s.indexErrors.Add(1) // the packets are on disk all the same
	}
	return nil
}

// chunk writes a chunk. After an error nothing of it is in the segment.
func (o *open) chunk(c *chunk) error {
	if n := len(o.ifaces); n < len(c.before) { // a chunk between was lost
		o.b = o.b[:0]
		for _, i := range c.before[n:] {
			o.b = segment.AppendInterface(o.b, i)
		}
		if err := o.put(o.b); err != nil {
			return err
		}
		o.ifaces = c.before
	}
	if err := o.put(c.data); err != nil {
		return err
	}
	o.d.books.stored(c.load)
	o.ifaces = c.after
	if o.unsynced == 0 {
		o.unsynced = c.first
	}
	if o.size-o.settled >= settleBytes {
		o.f.Settle(o.settled, o.size)
		o.settled = o.size
	}
	return nil
}

var errNoRoomForNote = errors.New("the segment is full")

// alert writes a note that came from elsewhere than the writer.
func (o *open) alert(n *segment.Note) error {
	o.b = segment.AppendNote(o.b[:0], n)
	if o.over(len(o.b)) {
		return errNoRoomForNote
	}
	return o.put(o.b)
}

// upkeep writes the mark, statistics and sync that are due.
func (o *open) upkeep(now int64) error {
	if o.statisticsDue(now) {
		if err := o.statistics(now); err != nil {
			return err
		}
	}
	c := &o.d.s.c
	switch {
	case c.SyncS > 0 && !c.Wait && o.syncDue(now, int64(c.SyncS)*second):
		return o.sync()
	case o.size-o.marked >= markBytes:
		return o.mark(false)
	}
	return nil
}

// mark vouches for what stands before it.
func (o *open) mark(synced bool) error {
	m := segment.Mark{
		Session: o.d.s.session, Worker: o.d.worker, Segment: o.g.num, Pos: o.size, CRC: o.crc,
		Packets: o.packets, Last: o.last, Synced: synced, Counters: o.d.counters(),
	}
	o.b = segment.AppendMark(o.b[:0], &m)
	if err := o.put(o.b); err != nil {
		return err
	}
	o.crc, o.marked = 0, o.size
	return nil
}

func (o *open) statisticsDue(now int64) bool {
	if len(o.ifaces) == 0 {
		return false
	}
	c := o.d.counters()
	return apart(now, o.counted, statisticsEvery) && c.Seen != o.counters.Seen || dropsMoved(&c, &o.counters)
}

// statistics says in the file itself what was lost.
func (o *open) statistics(now int64) error {
	o.counters, o.counted = o.d.counters(), now
	o.b = segment.AppendStatistics(o.b[:0], 0, now, &o.counters)
	return o.put(o.b)
}

// syncDue tells whether the oldest packet that may not be on the disk would get
// older than the interval before the next chance.
func (o *open) syncDue(now, interval int64) bool {
	return o.unsynced != 0 && apart(now, o.unsynced, max(interval-2*tickEvery, interval/2))
}

// sync brings what is written so far to the disk, with a mark that vouches for it,
// and says so in another.
func (o *open) sync() error {
	if err := o.mark(false); err != nil {
		return err
	}
	if err := o.f.Sync(); err != nil {
		return err
	}
	if !o.named { // some file systems forget the name of a new file otherwise, others refuse to sync directories
		o.d.s.dir.Sync()
		o.named = true
	}
	o.unsynced = 0
	o.d.s.syncs.Add(1)
	return o.mark(true)
}

// close ends the file at its last whole block: with statistics, and a mark that says
// that everything is on the disk, if all goes well.
func (o *open) close(now int64) error {
	err := o.finish(now)
	return errors.Join(err, o.f.Close(o.size))
}

func (o *open) finish(now int64) error {
	if o.empty() {
		return nil
	}
	if o.packets == 0 {
		o.first, o.last = o.g.start, now
	}
	if len(o.ifaces) > 0 {
		if err := o.statistics(now); err != nil {
			return err
		}
	}
	return o.sync()
}

// empty: it would only take a place in the ring.
func (o *open) empty() bool { return o.packets+o.notes == 0 }

// info describes the segment for its index.
func (o *open) info() index.Info {
	return index.Info{
		Segment: o.g.num, Session: o.d.s.session, Worker: o.d.worker, First: o.first, Last: o.last,
		Size: o.size, Packets: o.packets, Start: o.start, End: o.d.counters(), Layout: o.layout,
	}
}
