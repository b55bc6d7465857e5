package evidence

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	chunkBytes    = 256 << 10
	minChunks     = 4
	maxInterfaces = 64
	maxName       = 64
	interfaceRoom = 128 // more than a description with a name of maxName octets takes
	noteRoom      = 1 << 10
	frameRoom     = segment.PacketOverhead + 3 + 4 // what a block adds to a frame: padding and an 802.1Q tag, too
	defaultSnap   = 256 << 10
	maxSnap       = 1 << 20
	tickEvery     = second / 2
	maxTicks      = 2 // on their way: when the disk stands still, more say nothing
)

const second = int64(time.Second)

// Writer copies one worker's frames into the store. One goroutine uses it.
type Writer struct {
	s       *Store
	snap    int
	flush   int64 // ns
	now     int64 // time of the last frame or tick
	ifaces  []segment.Interface
	id      uint32 // of the interface of the last frame
	cur     *chunk // being filled; nil when there is none
	ticked  int64
	ticks   atomic.Int32 // that the disk goroutine has not done yet
	tally   tally
	dropped uint64 // of the kernel
	books   *books
	notes   []segment.Note
	recent  recent

	free chan *chunk // empty ones
	work chan job
	done chan struct{} // closed when the disk goroutine has ended
}

// chunk is memory full of whole blocks.
type chunk struct {
	data   []byte
	load   load
	first  int64               // time of the first packet or note, ns
	last   int64               // time of the last
	before []segment.Interface // what a segment must describe before data
	after  []segment.Interface // what is described behind it
}

// job is what the disk goroutine is told: a chunk to write, a caller who waits until
// all before is done, or the time.
type job struct {
	chunk *chunk
	now   int64
	reply chan<- struct{}
}

// Writer makes the writer of one worker. Frames are kept up to snaplen octets
// (0: all of them, up to 256 KiB).
func (s *Store) Writer(worker int, snaplen uint32) *Writer {
	snap := max(segment.MinSnap, int(min(snaplen, maxSnap)))
	if snaplen == 0 {
		snap = defaultSnap
	}
	size := max(chunkBytes, snap+frameRoom+interfaceRoom)
	n := max(minChunks, s.c.BufferMiB<<20/size)
	w := &Writer{
		s:     s,
		snap:  snap,
		flush: int64(s.c.FlushMS) * int64(time.Millisecond),
		books: s.enter(),
		free:  make(chan *chunk, n),
		work:  make(chan job, n+maxTicks+1),
		done:  make(chan struct{}),
	}
	for range n {
		w.free <- &chunk{data: make([]byte, 0, size)}
	}
	go newDisk(w, worker).run(w.work, w.done)
	return w
}

// Add implements sensor.Store: it copies a frame, or as much of it as there is
// room for at the level of the ladder. It neither allocates nor waits (unless
// Config.Wait).
func (w *Writer) Add(f *sensor.Frame, c sensor.Class, head int) {
	w.now = f.Time
	if shed := Level(w.s.ladder.shed.Load()); shed != LevelAll && head > 0 && len(f.Data) > head {
		if c == sensor.Sealed {
			w.tally.leftOut++
			return
		}
		if shed >= LevelHeaders {
			short := *f
			short.Data = f.Data[:head]
			f = &short
		}
	}
	if !w.room(min(len(f.Data), w.snap) + frameRoom + interfaceRoom) {
		w.tally.lostSlow++
		return
	}
	if !w.choose(f.Link, f.Iface) {
		w.tally.ignored++
		return
	}
	w.tally.kept++
	at := len(w.cur.data)
	w.cur.data = segment.AppendPacket(w.cur.data, w.id, f, w.snap)
	captured, wire := packetLengths(w.cur.data[at:])
	l := &w.cur.load
	l.packets++
	l.bytes += uint64(captured)
	if captured < wire {
		l.cut++
		l.cutBytes += uint64(wire - captured)
	}
}

// packetLengths reads how much of a packet is in its block, and its length on the wire.
func packetLengths(block []byte) (captured, wire uint32) {
	return binary.LittleEndian.Uint32(block[20:]), binary.LittleEndian.Uint32(block[24:])
}

// Note implements sensor.Store: what the record tells of names and holes goes
// right behind the packets so far.
func (w *Writer) Note(r records.Record) {
	w.notes = AppendNotes(w.notes[:0], r)
	for i := range w.notes {
		n := &w.notes[i]
		if w.recent.seen(n) {
			continue
		}
		if !w.room(noteRoom) {
			w.s.lostNotes.Add(1)
			continue
		}
		w.cur.data = segment.AppendNote(w.cur.data, n)
	}
	clear(w.notes) // they hold on to the record
}

// room makes sure of a chunk with so much room; false when the disk has not kept up.
func (w *Writer) room(need int) bool {
	if c := w.cur; c != nil && (len(c.data)+need > cap(c.data) || apart(w.now, c.first, w.flush)) {
		w.hand()
	}
	if w.cur == nil && !w.take() {
		return false
	}
	w.cur.last = w.now
	return true
}

// take gets an empty chunk.
func (w *Writer) take() bool {
	select {
	case w.cur = <-w.free:
	default:
		if !w.s.c.Wait {
			return false
		}
		w.cur = <-w.free
	}
	w.cur.first, w.cur.before = w.now, w.ifaces
	return true
}

// apart tells whether two times differ by d or more: a clock that is set back
// must not keep packets in memory.
func apart(a, b, d int64) bool { return a-b >= d || b-a >= d }

// hand gives the current chunk to the disk goroutine. work has room for all chunks,
// maxTicks and a Flush.
func (w *Writer) hand() {
	w.enter()
	w.cur.after = w.ifaces
	w.work <- job{chunk: w.cur}
	w.cur = nil
}

// enter brings the books up to date.
func (w *Writer) enter() {
	w.books.seen(w.tally, w.dropped)
	w.tally = tally{}
}

// choose sets the interface of the next packet and describes a new one.
func (w *Writer) choose(link packet.LinkType, num uint16) bool {
	if int(w.id) < len(w.ifaces) && w.ifaces[w.id].Link == link && w.ifaces[w.id].Num == num {
		return true
	}
	for id, i := range w.ifaces {
		if i.Link == link && i.Num == num {
			w.id = uint32(id)
			return true
		}
	}
	if len(w.ifaces) == maxInterfaces {
		return false
	}
	i := segment.Interface{Link: link, Num: num, Snap: uint32(w.snap)}
	if num == 0 {
		i.Name = w.s.c.Interface[:min(len(w.s.c.Interface), maxName)]
	}
	w.id = uint32(len(w.ifaces))
	w.ifaces = append(w.ifaces, i)
	w.cur.data = segment.AppendInterface(w.cur.data, i)
	return true
}

// Tick implements sensor.Store: what is in memory gets to the disk, and old
// segments are closed, when there are no packets, too.
func (w *Writer) Tick(now int64, dropped uint64) {
	w.now, w.dropped = now, dropped
	w.enter()
	if w.cur != nil && apart(now, w.cur.first, w.flush) {
		w.hand()
	}
	if apart(now, w.ticked, tickEvery) && w.ticks.Load() < maxTicks { // work keeps room for all chunks
		w.ticked = now
		w.ticks.Add(1)
		w.work <- job{now: now}
	}
}

// Whole implements sensor.Store.
func (w *Writer) Whole(k *packet.Key) bool { return w.s.watched.has(k, w.now) }

// Flush writes what is in memory and returns when that is done, or was tried.
func (w *Writer) Flush() {
	w.enter()
	if w.cur != nil {
		w.hand()
	}
	reply := make(chan struct{})
	w.work <- job{reply: reply}
	<-reply
}

// Close writes what is in memory, closes the segment and ends the writer.
func (w *Writer) Close() {
	w.enter()
	if w.cur != nil {
		w.hand()
	}
	close(w.work)
	<-w.done
	w.s.leave()
}
