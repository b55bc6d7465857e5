package evidence

import (
	"time"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	chunkBytes    = 256 << 10
	minChunks     = 2
	maxInterfaces = 64
	maxName       = 64
	interfaceRoom = 128 // more than a description with a name of maxName octets takes
	minSnap       = 64  // more than an Ethernet header with a tag
	defaultSnap   = 256 << 10
	maxSnap       = 1 << 20
	tickEvery     = int64(time.Second)
)

// Writer copies one worker's frames into the store. One goroutine uses it.
type Writer struct {
	s      *Store
	snap   int
	flush  int64 // ns
	ifaces []iface
	id     uint32 // of the interface of the last frame
	cur    *chunk // being filled; nil when there is none
	ticked int64

	free chan *chunk
	work chan job
	done chan struct{} // closed when the disk goroutine has ended
}

// chunk is memory full of whole blocks.
type chunk struct {
	data    []byte
	first   int64 // time of the first packet, ns
	packets uint64
	ifaces  []iface // what a new segment must describe before data
}

// job is what the disk goroutine is told: a chunk to write, the time, or a
// caller who waits until all before is written.
type job struct {
	chunk *chunk
	now   int64
	reply chan<- struct{}
}

// Writer makes the writer of one worker. Frames are kept up to snaplen octets
// (0: all of them, up to 256 KiB).
func (s *Store) Writer(worker int, snaplen uint32) *Writer {
	snap := max(minSnap, int(min(snaplen, maxSnap)))
	if snaplen == 0 {
		snap = defaultSnap
	}
	size := max(chunkBytes, snap+packetOverhead+interfaceRoom)
	n := max(minChunks, s.c.BufferMiB<<20/size)
	w := &Writer{
		s:     s,
		snap:  snap,
		flush: int64(s.c.FlushMS) * int64(time.Millisecond),
		free:  make(chan *chunk, n),
		work:  make(chan job, n+2),
		done:  make(chan struct{}),
	}
	for range n {
		w.free <- &chunk{data: make([]byte, 0, size)}
	}
	s.mu.Lock()
	s.writers++
	s.mu.Unlock()
	go (&disk{s: s, log: s.log.With("worker", worker)}).run(w.work, w.free, w.done)
	return w
}

// Add copies a frame. It neither allocates nor waits (unless Config.Wait).
func (w *Writer) Add(f *sensor.Frame, _ sensor.Class, _ int) {
	need := packetOverhead + padded(min(len(f.Data)+tagLen, w.snap)) + interfaceRoom
	if c := w.cur; c != nil && (len(c.data)+need > cap(c.data) || apart(f.Time, c.first, w.flush)) {
		w.hand()
	}
	if w.cur == nil && !w.take(f.Time) {
		w.s.lostSlow.Add(1)
		return
	}
	if !w.choose(f.Link, f.Iface) {
		w.s.ignored.Add(1)
		return
	}
	w.cur.data = appendPacket(w.cur.data, w.id, f, w.snap)
	w.cur.packets++
}

// apart tells whether two times differ by d or more: a clock that is set back
// must not keep packets in memory.
func apart(a, b, d int64) bool { return a-b >= d || b-a >= d }

// take gets an empty chunk; false when the disk has not kept up.
func (w *Writer) take(now int64) bool {
	if w.s.c.Wait {
		w.cur = <-w.free
	} else {
		select {
		case w.cur = <-w.free:
		default:
			return false
		}
	}
	w.cur.first, w.cur.ifaces = now, w.ifaces
	return true
}

// hand gives the current chunk to the disk goroutine. work has room for all chunks.
func (w *Writer) hand() {
	w.work <- job{chunk: w.cur}
	w.cur = nil
}

// choose sets the interface of the next packet and describes a new one.
func (w *Writer) choose(link packet.LinkType, num uint16) bool {
	if int(w.id) < len(w.ifaces) && w.ifaces[w.id].link == link && w.ifaces[w.id].num == num {
		return true
	}
	for id, i := range w.ifaces {
		if i.link == link && i.num == num {
			w.id = uint32(id)
			return true
		}
	}
	if len(w.ifaces) == maxInterfaces {
		return false
	}
	i := iface{link: link, num: num, snap: uint32(w.snap)}
	if num == 0 {
		i.name = w.s.c.Interface[:min(len(w.s.c.Interface), maxName)]
	}
	w.id = uint32(len(w.ifaces))
	w.ifaces = append(w.ifaces, i)
	w.cur.data = appendInterface(w.cur.data, i)
	return true
}

// Tick tells the time when there may be no packets, so that what is in memory
// gets to the disk and old segments are closed.
func (w *Writer) Tick(now int64, _ uint64) {
	if w.cur != nil && apart(now, w.cur.first, w.flush) {
		w.hand()
	}
	if apart(now, w.ticked, tickEvery) {
		w.ticked = now
		select {
		case w.work <- job{now: now}:
		default: // busy, so there are packets, and their time does the same
		}
	}
}

// Flush writes what is in memory and returns when it is written.
func (w *Writer) Flush() {
	if w.cur != nil {
		w.hand()
	}
	reply := make(chan struct{})
	w.work <- job{reply: reply}
	<-reply
}

// Close writes what is in memory, closes the segment and ends the writer.
func (w *Writer) Close() {
	if w.cur != nil {
		w.hand()
	}
	close(w.work)
	<-w.done
	w.s.mu.Lock()
	w.s.writers--
	w.s.mu.Unlock()
}

// Note implements sensor.Store.
func (w *Writer) Note(records.Record) {}

// Whole implements sensor.Store.
func (w *Writer) Whole(*packet.Key) bool { return false }
