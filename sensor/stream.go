package sensor

import (
	"kagami/packet"
)

const (
	// ackedWait is how long a hole that the receiver has acknowledged is left
	// open: a mirror port may deliver the two directions, or one direction's
	// segments, out of order by that much.
	ackedWait = 200 * 1e6 // nanoseconds of capture time
	// openWait is how long a hole is left open that the receiver may still be
	// waiting for.
	openWait = 10 * 1e9
	// segmentRoom is the size of a pooled segment; longer ones are allocated.
	segmentRoom = 2048
)

// segment is payload that cannot be delivered yet.
type segment struct {
	pos  uint64
	data []byte
	cut  int // octets after data that the snap length took
	next *segment
}

// stream delivers one direction's octets in order. Octets that come twice are
// delivered as they came first.
type stream struct {
	next   uint64   // position that is delivered next
	held   *segment // sorted by position
	bytes  int      // octets held
	holeAt int64    // capture time when the hole at next was noticed, 0 = none
}

// segments is a worker's store of held segments, bounded in octets.
type segments struct {
	free  *segment
	bytes int
	limit int
}

func (m *segments) take(pos uint64, data []byte, cut int) *segment {
	s := m.free
	if s == nil || len(data) > segmentRoom {
		s = &segment{data: make([]byte, 0, max(segmentRoom, len(data)))}
	} else {
		m.free = s.next
	}
	s.pos, s.data, s.cut, s.next = pos, append(s.data[:0], data...), cut, nil
	m.bytes += len(data)
	return s
}

func (m *segments) put(s *segment) {
	m.bytes -= len(s.data)
	if cap(s.data) == segmentRoom {
		s.next, m.free = m.free, s
	}
}

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
	if uint64(pos) == st.next && st.held == nil && !f.awaits(side.Other()) {
		w.deliver(f, side, data, cut)
		return
	}
	w.hold(f, side, w.segments.take(uint64(pos), data, cut))
}

// awaits tells whether side's stream has a hole that the peer acknowledged: what
// the peer sends after that is an answer to octets not delivered yet.
func (f *Flow) awaits(side packet.Side) bool {
	d := &f.dir[side]
	return d.packets > 0 && d.goal() > d.stream.next
}

// goal is the position up to which the peer acknowledged this direction.
func (d *direction) goal() uint64 {
	if d.tcp.acked == d.tcp.top+1 {
		return d.tcp.top // the number of a FIN that was not seen
	}
	return d.tcp.acked
}

// hold files a segment by position. When the flow or the worker holds too much,
// the oldest hole is given up.
func (w *Worker) hold(f *Flow, side packet.Side, s *segment) {
	st := &f.dir[side].stream
	at := &st.held
	for *at != nil && (*at).pos <= s.pos {
		at = &(*at).next
	}
	s.next, *at = *at, s
	st.bytes += len(s.data)
	if st.bytes > w.config.MaxHeldFlow || w.segments.bytes > w.segments.limit {
		w.stats.HeldOverflow++
		w.skip(f, side)
		w.skip(f, side.Other())
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
	for st.held != nil && st.held.pos <= st.next && !f.awaits(side.Other()) {
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
		wait = ackedWait
	}
	switch {
	case d.packets == 0: // nothing of this direction is visible: no use to wait
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
	st.held = s.next
	st.bytes -= len(s.data)
	back := st.next - s.pos
	if n := uint64(len(s.data)); back < n {
		f.dir[side].overlap += back
		w.deliver(f, side, s.data[back:], s.cut)
	} else if f.dir[side].overlap += n; back < n+uint64(s.cut) {
		w.gap(f, side, n+uint64(s.cut)-back)
	}
	w.segments.put(s)
}

// skip gives up the hole at next at once.
func (w *Worker) skip(f *Flow, side packet.Side) {
	st := &f.dir[side].stream
	if st.held != nil && st.held.pos > st.next {
		w.gap(f, side, st.held.pos-st.next)
	}
	for f.decoder != nil && st.held != nil && st.held.pos <= st.next {
		w.release(f, side)
	}
}

// flush delivers all that is held, when the flow ends.
func (w *Worker) flushStreams(f *Flow) {
	for side := packet.FromA; side <= packet.FromB; side++ {
		for f.decoder != nil && f.dir[side].stream.held != nil {
			w.skip(f, side)
		}
		d := &f.dir[side]
		if end := d.goal(); f.decoder != nil && end > d.stream.next {
			w.gap(f, side, end-d.stream.next)
		}
	}
}

// deliver hands octets to the decoder, then what the snap length cut as a gap.
func (w *Worker) deliver(f *Flow, side packet.Side, data []byte, cut int) {
	f.dir[side].stream.next += uint64(len(data))
	if len(data) > 0 && f.decoder.Data(f, side, data, w.emit) == Done {
		w.closeDecoder(f)
		return
	}
	if cut > 0 {
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
	if f.decoder.Gap(f, side, int(n)) == Done {
		w.closeDecoder(f)
	}
}

// closeDecoder ends decoding; the flow is only counted from then on.
func (w *Worker) closeDecoder(f *Flow) {
	d := f.decoder
	f.decoder = nil
	d.Close(f, w.emit)
	for side := range f.dir {
		st := &f.dir[side].stream
		for st.held != nil {
			s := st.held
			st.held = s.next
			w.segments.put(s)
		}
		*st = stream{}
	}
	f.recognizer = recognizer{}
}
