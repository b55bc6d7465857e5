package site

import "kagami/records"

// held is a record that waits for what another may tell about it.
type held struct {
	record records.Record // nil once it was handed on
	due    int64          // logical time at which it goes on in any case
	owner  owner
}

// owner knows what a held record waits for.
type owner interface {
	// late is the last chance to complete the record.
	late(s *Site)
}

// queue keeps held records in the order in which they came, which is that of
// their due times: all wait equally long.
type queue struct {
	items []*held
	head  int
	limit int
	full  uint64 // records that went on early for want of room
	total uint64
}

// hold keeps a record back; nil when nothing is to be held.
func (s *Site) hold(r records.Record, o owner) *held {
	if s.config.Hold <= 0 {
		return nil
	}
	q := &s.queue
	for q.skip(); len(q.items)-q.head >= q.limit; q.skip() {
		q.full++
		s.giveUp(q.oldest())
	}
	h := &held{record: r, due: s.now + int64(s.config.Hold), owner: o}
	q.items = append(q.items, h)
	q.total++
	return h
}

// due takes the oldest record whose time is before now out of the queue.
func (q *queue) due(now int64) *held {
	q.skip()
	if q.head < len(q.items) && q.items[q.head].due < now {
		return q.oldest()
	}
	return nil
}

// oldest takes the oldest record out of the queue.
func (q *queue) oldest() *held {
	q.skip()
	if q.head == len(q.items) {
		return nil
	}
	h := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	return h
}

// skip passes over what was handed on already.
func (q *queue) skip() {
	for q.head < len(q.items) && q.items[q.head].record == nil {
		q.items[q.head] = nil
		q.head++
	}
}

// compact gives back the room of what is gone.
func (q *queue) compact() {
	if q.head > 64 && 2*q.head > len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
}

// giveUp hands a record on as it is.
func (s *Site) giveUp(h *held) {
	if h.record == nil {
		return
	}
	h.owner.late(s)
	s.release(h)
}

// release hands a held record on, now.
func (s *Site) release(h *held) {
	r := h.record
	if r == nil {
		return
	}
	h.record = nil
	r.Meta().At = s.now
	s.emit(r)
}
