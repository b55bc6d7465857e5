package sensor

import (
	"sync/atomic"
	"time"

	"kagami/packet"
)

// mirrorWait is Config.AckedWait for a mirror port.
const mirrorWait = 200 * time.Millisecond

const (
	// openWait is how long a hole is left open that the receiver may still be
	// waiting for.
	openWait = 10 * 1e9 // nanoseconds of capture time
	// segmentCost is what a segment takes besides its octets.
	segmentCost = 64
)

// segmentRooms are the sizes of pooled segments; longer ones are allocated.
var segmentRooms = [...]int{512, 2048}

// segment is payload that cannot be delivered yet.
type segment struct {
	pos  uint64
	ack  uint64 // position in the peer's stream that its sender had seen
	time int64  // capture time
	data []byte
	cut  int // octets after data that the snap length took
	next *segment
}

// stream delivers one direction's octets in order. Octets that come twice are
// delivered as they came first.
type stream struct {
	next   uint64   // position that is delivered next
	held   *segment // sorted by position
	last   *segment // of them
	bytes  int      // octets of memory that they take
	holeAt int64    // capture time when the hole at next was noticed, 0 = none
}

// segments is a worker's store of held segments; all workers' together are
// bounded by the memory they take: a segment of one octet takes hundreds.
type segments struct {
	free  [len(segmentRooms)]*segment
	bytes *atomic.Int64
	limit int64
}

func (m *segments) take(data []byte, cut int) *segment {
	room := len(data)
	var s *segment
	for i, n := range segmentRooms {
		if room <= n {
			if room, s = n, m.free[i]; s != nil {
				m.free[i] = s.next
			}
			break
		}
	}
	if s == nil {
		s = &segment{data: make([]byte, 0, room)}
	}
	s.data, s.cut, s.next = append(s.data[:0], data...), cut, nil
	m.bytes.Add(int64(s.memory()))
	return s
}

func (m *segments) put(s *segment) {
	m.bytes.Add(-int64(s.memory()))
	for i, n := range segmentRooms {
		if cap(s.data) == n {
			s.next, m.free[i] = m.free[i], s
		}
	}
}

func (s *segment) memory() int { return cap(s.data) + segmentCost }

// segment takes a packet's payload at pos.
func (w *Worker) segment(f *Flow, p *packet.Packet, pos int64) {
	side := p.Side
	st := &f.dir[side].stream
	data, cut := p.Bytes(), p.Missing
	if back := int64(st.next) - pos; back > 0 { // first wins
		f.dir[side].overlap += uint64(min(back, int64(len(data))))
		if back >= int64(len(data)+cut) {
			return
		}
		cut = min(cut, len(data)+cut-int(back))
		data = data[min(int(back), len(data)):]
		pos = int64(st.next)
	}
	ack := f.dir[side.Other()].goal()
	if uint64(pos) == st.next && st.held == nil && !f.tooEarly(side, ack, w.patient()) {
		w.deliver(f, side, data, cut)
		return
	}
	s := w.segments.take(data, cut)
	s.pos, s.ack, s.time = uint64(pos), ack, f.Now
	w.hold(f, side, s)
}

// patient tells that a direction of which nothing came yet is waited for, as in a file
// that was merged of two captures whose clocks differ.
func (w *Worker) patient() bool { return w.config.AckedWait > mirrorWait }

// tooEarly tells that a segment of side, whose sender had seen the peer's stream
// up to ack, answers octets that were not delivered yet.
func (f *Flow) tooEarly(side packet.Side, ack uint64, patient bool) bool {
	peer := &f.dir[side.Other()]
	return (peer.packets > 0 || patient) && ack > peer.stream.next
}

// pending tells that something is held or missing: settle has work to do.
func (f *Flow) pending() bool {
	for i := range f.dir {
		if d := &f.dir[i]; d.stream.held != nil || d.goal() > d.stream.next {
			return true
		}
	}
	return false
}

// goal is the position up to which the peer acknowledged this direction.
func (d *direction) goal() uint64 {
	if d.tcp.acked == d.tcp.top+1 {
		return d.tcp.top // the number of a FIN that was not seen
	}
	return d.tcp.acked
}

// hold files a segment by position. When the flow or the worker holds too much,
// holes are given up.
func (w *Worker) hold(f *Flow, side packet.Side, s *segment) {
	st := &f.dir[side].stream
	at := &st.held
	if st.held != nil && st.last.pos <= s.pos { // most come in order
		at = &st.last.next
	}
	for *at != nil && (*at).pos <= s.pos {
		at = &(*at).next
	}
	if s.next, *at = *at, s; s.next == nil {
		st.last = s
	}
	st.bytes += s.memory()
	for f.decoder != nil && st.bytes > 0 && (st.bytes > w.config.MaxHeldFlow || w.segments.bytes.Load() > w.segments.limit) {
		w.stats.HeldOverflow++
		w.giveUp(f)
		w.settle(f)
	}
}

// settle delivers what can be delivered, and gives up holes that were open for
// too long.
func (w *Worker) settle(f *Flow) {
	for again := true; again && f.decoder != nil; {
		again = false
		for side := packet.FromA; side <= packet.FromB; side++ {
			if f.decoder != nil && w.drain(f, side) {
				again = true
			}
		}
	}
}

// drain works on one direction and tells whether anything moved.
func (w *Worker) drain(f *Flow, side packet.Side) (moved bool) {
	d := &f.dir[side]
	st := &d.stream
	for st.held != nil && st.held.pos <= st.next && !f.tooEarly(side, st.held.ack, w.patient()) {
		w.release(f, side)
		if moved = true; f.decoder == nil {
			return
		}
	}
	end := d.goal()
	if st.held != nil && (end <= st.next || st.held.pos < end) {
		end = st.held.pos
	}
	if end <= st.next {
		st.holeAt = 0
		return
	}
	wait := int64(openWait)
	if d.goal() > st.next {
		wait = int64(w.config.AckedWait)
	}
	switch {
	case d.packets == 0 && !w.patient(): // nothing of this direction is visible: no use to wait
	case st.holeAt == 0:
		st.holeAt = f.Now
		return
	case f.Now-st.holeAt < wait:
		return
	}
	w.gap(f, side, end-st.next)
	return true
}

// release delivers the first held segment, which begins at or before next.
func (w *Worker) release(f *Flow, side packet.Side) {
	st := &f.dir[side].stream
	s := st.held
	if st.held = s.next; st.held == nil {
		st.last = nil
	}
	st.bytes -= s.memory()
	now := f.Now
	f.Now = s.time
	back := st.next - s.pos
	if n := uint64(len(s.data)); back < n {
		f.dir[side].overlap += back
		w.deliver(f, side, s.data[back:], s.cut)
	} else if f.dir[side].overlap += n; back < n+uint64(s.cut) {
		w.gap(f, side, n+uint64(s.cut)-back)
	}
	f.Now = now
	w.segments.put(s)
}

// giveUp removes what keeps the flow's octets back: a hole of the originator's,
// else one of the responder's, else the wait for the other direction.
func (w *Worker) giveUp(f *Flow) {
	for _, side := range [2]packet.Side{f.Orig, f.Orig.Other()} {
		d := &f.dir[side]
		end := d.goal()
		if d.stream.held != nil {
			end = d.stream.held.pos
		}
		if end > d.stream.next {
			w.gap(f, side, end-d.stream.next)
			return
		}
	}
	for _, side := range [2]packet.Side{f.Orig, f.Orig.Other()} {
		if f.dir[side].stream.held != nil {
			w.release(f, side)
			return
		}
	}
}

// flushStreams delivers all that is held, when the flow ends.
func (w *Worker) flushStreams(f *Flow) {
	for w.settle(f); f.decoder != nil && f.pending(); w.settle(f) {
		w.giveUp(f)
	}
}

// deliver hands octets to the decoder, then what the snap length cut as a gap.
func (w *Worker) deliver(f *Flow, side packet.Side, data []byte, cut int) {
	f.dir[side].stream.next += uint64(len(data))
	if len(data) > 0 {
		w.heed(f, f.decoder.Data(f, side, data, w.emit))
	}
	if cut > 0 && f.decoder != nil {
		w.gap(f, side, uint64(cut))
	}
}

// gap tells the decoder that n octets will not come.
func (w *Worker) gap(f *Flow, side packet.Side, n uint64) {
	st := &f.dir[side].stream
	st.next += n
	st.holeAt = 0
	w.stats.Gaps++
	w.stats.GapBytes += n
	f.historyRepeated(side, histGap, 1)
	w.heed(f, f.decoder.Gap(f, side, int(n)))
}

// heed follows a decoder's verdict.
func (w *Worker) heed(f *Flow, v Verdict) {
	switch v {
	case Done:
		w.closeDecoder(f)
	case Enough:
		f.waiting, f.decoder = f.decoder, nil
		w.forget(f)
	}
}

// closeDecoder ends decoding; the flow is only counted from then on.
func (w *Worker) closeDecoder(f *Flow) {
	d := f.decoder
	if d == nil {
		d = f.waiting
	}
	f.decoder, f.waiting = nil, nil
	d.Close(f, w.emit)
	w.forget(f)
}

// forget frees what is held.
func (w *Worker) forget(f *Flow) {
	for side := range f.dir {
		st := &f.dir[side].stream
		for st.held != nil {
			s := st.held
			st.held = s.next
			w.segments.put(s)
		}
		*st = stream{}
	}
}
