package search

import "container/heap"

// maxOverlapping bounds the segments that are read side by side because their times
// overlap; each takes up to 4 MiB. More than one a writer are the exception: the
// clock was set.
const maxOverlapping = 32

// merger merges the packets of segments by time.
type merger struct {
	run    *run
	views  []*view // in order of their first packets' times
	open   func(*view) *stream
	next   *stream // opened ahead
	first  int64   // when its segment begins
	cancel func()  // makes streams end
	active heads
	parts  uint64 // of flows, in all streams that ended
}

// head is a stream and its next packet.
type head struct {
	stream *stream
	batch  *batch
	at     int
	time   int64 // of the next packet, or of an earlier one if that was later
	number int   // the order of those of one time
}

func (h *head) packet() *picked { return &h.batch.packets[h.at] }

// merge hands the packets over by time. Within a segment they stay in their order.
func (m *merger) merge(each func(*picked, *batch) error) error {
	defer m.close()
	for {
		if err := m.activate(); err != nil {
			return err
		}
		if len(m.active) == 0 {
			return nil
		}
		h := m.active[0]
		if err := each(h.packet(), h.batch); err != nil {
			return err
		}
		if err := m.advance(h); err != nil {
			return err
		}
	}
}

// activate takes in the streams whose turn has come: those of segments that begin no
// later than the next packet.
func (m *merger) activate() error {
	for m.next != nil || len(m.views) > 0 {
		if m.next == nil {
			m.first, _ = m.views[0].span() // the stream may learn more of it
			m.next = m.open(m.views[0])
			m.views = m.views[1:]
		}
		if len(m.active) > 0 && m.first > m.active[0].time {
			return nil
		}
		if len(m.active) >= maxOverlapping {
			m.run.say("more than %d segments overlap in time: the packets are not quite in order of time", maxOverlapping)
			return nil
		}
		h := &head{stream: m.next, number: len(m.views)}
		m.next = nil
		if err := m.fill(h); err != nil {
			return err
		}
		if h.batch != nil {
			h.time = h.packet().Time
			heap.Push(&m.active, h)
		}
	}
	return nil
}

// fill takes a stream's next batch, nil if there is none.
func (m *merger) fill(h *head) error {
	if h.batch != nil {
		select {
		case h.stream.free <- h.batch:
		default:
		}
	}
	h.at = 0
	var ok bool
	if h.batch, ok = <-h.stream.out; !ok {
		h.batch = nil
		m.parts += h.stream.parts
		return h.stream.err
	}
	return nil
}

// advance moves on behind the packet of the first stream.
func (m *merger) advance(h *head) error {
	h.at++
	if h.at == len(h.batch.packets) {
		if err := m.fill(h); err != nil {
			return err
		}
		if h.batch == nil {
			heap.Pop(&m.active)
			return nil
		}
	}
	h.time = max(h.time, h.packet().Time)
	heap.Fix(&m.active, 0)
	return nil
}

// close ends the streams that are left, and waits for them: they work on the views.
func (m *merger) close() {
	m.cancel()
	left := make([]*stream, 0, len(m.active)+1)
	for _, h := range m.active {
		left = append(left, h.stream)
	}
	if m.next != nil {
		left = append(left, m.next)
	}
	for _, s := range left {
		for range s.out { // until it is closed
		}
	}
}

// heads is a heap by time.
type heads []*head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	if h[i].time != h[j].time {
		return h[i].time < h[j].time
	}
	return h[i].number > h[j].number
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*head)) }
func (h *heads) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
