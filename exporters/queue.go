package exporters

import (
	"context"
	"errors"
	"sync"
	"time"

	"kagami/records"
)

// Limits bound what a queue holds, lines under way to the sink included.
type Limits struct {
	Lines int
	Bytes int // text and lineOverhead of each line
}

// lineOverhead is the memory that a queued line takes besides its text.
const lineOverhead = 64

const (
	flushEvery = time.Second // so that a reader of the file is never further behind
	closeGrace = time.Second // for a sink to return after its context ended
)

// Queue gives an export a goroutine of its own. Records are formatted in the
// caller's, so that the limits are exact octets and records are not held; the
// sink is written to and flushed, at least every second, in the queue's.
type Queue struct {
	export *Export
	limits Limits
	policy Policy

	mu       sync.Mutex
	ready    []*batch // lines that wait; the last one is still being filled
	spare    []*batch
	lines    int // waiting and under way
	bytes    int
	closed   bool
	err      error // policy Block: the sink was given up
	dropping bool  // lines were dropped since the queue was last empty
	sending  *batch
	dropped  [NumClasses]uint64

	wake   chan struct{} // there are lines, or the queue was closed
	room   chan struct{} // lines left, or the sink was given up
	done   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
}

// NewQueue starts a queue that owns e from now on.
func NewQueue(e *Export, l Limits, p Policy) *Queue {
	q := &Queue{export: e, limits: l, policy: p,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{})}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	go q.run()
	return q
}

// Name is the export's.
func (q *Queue) Name() string { return q.export.Name() }

// Write formats records and queues the lines; it is for one goroutine at a time.
// With Drop it never waits and never fails; with Block it waits for room and
// returns the error with which the sink was given up.
func (q *Queue) Write(recs []records.Record) error {
	var err error
	for _, r := range recs {
		for l, ok := q.export.line(r); ok; l, ok = q.export.more() {
			err = q.put(l)
		}
	}
	signal(q.wake)
	return err
}

func (q *Queue) put(l Line) error {
	need := len(l.Text) + lineOverhead
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && !q.closed && (q.lines+1 > q.limits.Lines || q.bytes+need > q.limits.Bytes) {
		if q.policy == Drop || need > q.limits.Bytes || q.limits.Lines < 1 {
			q.drop(l.Class)
			return nil
		}
		q.mu.Unlock()
		signal(q.wake)
		<-q.room
		q.mu.Lock()
	}
	if q.closed {
		q.export.dropped.Add(1)
		q.dropped[l.Class]++
		return errClosed
	}
	if q.err != nil {
		q.export.failed.Add(1)
		return q.err
	}
	q.lines++
	q.bytes += need
	q.tail().add(l)
	return nil
}

// drop counts a line, and says so once until the queue was empty; mu is held.
func (q *Queue) drop(class uint8) {
	q.export.dropped.Add(1)
	q.dropped[class]++
	if !q.dropping {
		q.dropping = true
		q.export.logger.Warn("export queue is full: lines are dropped", "export", q.export.name, "lines", q.lines, "bytes", q.bytes)
	}
}

var errClosed = errors.New("write export: it is closed")

// tail is the batch to fill; mu is held.
func (q *Queue) tail() *batch {
	if n := len(q.ready); n > 0 && !q.ready[n-1].full() {
		return q.ready[n-1]
	}
	b := new(batch)
	if n := len(q.spare); n > 0 {
		b, q.spare = q.spare[n-1], q.spare[:n-1]
	}
	q.ready = append(q.ready, b)
	return b
}

func (q *Queue) run() {
	defer close(q.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		b, last := q.take()
		switch {
		case b != nil:
			q.send(b)
		case last:
			return
		default:
			select {
			case <-q.wake:
			case <-tick.C:
				q.flush()
			}
			continue
		}
		select {
		case <-tick.C:
			q.flush()
		default:
		}
	}
}

// take returns the oldest batch, or nil; last tells that none will follow.
func (q *Queue) take() (b *batch, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 {
		return nil, q.closed
	}
	b = q.ready[0]
	q.ready = append(q.ready[:0], q.ready[1:]...)
	q.sending = b
	return b, false
}

func (q *Queue) send(b *batch) {
	var err error
	if q.err == nil { // written by this goroutine only
		err = q.export.deliver(q.ctx, b.seal(), q.policy)
	} else {
		q.export.failed.Add(uint64(len(b.lines)))
	}
	q.mu.Lock()
	q.sending = nil
	q.lines -= len(b.lines)
	q.bytes -= len(b.text) + lineOverhead*len(b.lines)
	if err != nil && q.policy == Block {
		q.err = err
	}
	if q.lines == 0 {
		q.dropping = false
	}
	if b.reset(); (len(q.spare)+1)*batchBytes <= q.limits.Bytes { // as many as a burst may need again
		q.spare = append(q.spare, b)
	}
	q.mu.Unlock()
	signal(q.room)
}

// flush reports a failure like a failed write; the sink keeps what it holds.
func (q *Queue) flush() {
	if err := q.export.sink.Flush(); err != nil {
		q.export.errors.Add(1)
		q.export.streak.failed(q.export, err)
	}
}

// signal sets a flag that one goroutine waits for.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Flush does nothing: the queue flushes by itself.
func (q *Queue) Flush() error { return nil }

// Reopen opens the sink's file again, after log rotation. Lines that still wait
// go to the new file.
func (q *Queue) Reopen() error { return q.export.Reopen() }

// Close sends what waits, until ctx ends, and frees the sink. What was not sent
// by then counts as failed and is an error. No Write may be under way.
func (q *Queue) Close(ctx context.Context) error {
	for l, ok := q.export.rest(); ok; l, ok = q.export.more() {
		if q.put(l) != nil { // counted
			break
		}
	}
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.wake)
	signal(q.room)
	select {
	case <-q.done:
	case <-ctx.Done():
		q.cancel()
		select {
		case <-q.done:
		case <-time.After(closeGrace):
			return q.export.wrap("close", errors.New("the sink hangs; its lines are lost"))
		}
	}
	late := q.ctx.Err()
	q.cancel()
	if late != nil {
		late = q.export.wrap("close", errors.New("time ran out before every line was sent"))
	}
	return errors.Join(q.err, late, q.export.closeSink())
}

// Stats are the export's counters and what waits.
func (q *Queue) Stats() Stats {
	s := q.export.Stats()
	q.mu.Lock()
	defer q.mu.Unlock()
	s.QueuedLines, s.QueuedBytes, s.DroppedBy = q.lines, q.bytes, q.dropped
	if done := s.Sent + s.Dropped + s.Failed; done <= s.Made { // of a batch under way a part may be done
		s.QueuedLines = min(s.QueuedLines, int(s.Made-done))
	}
	oldest := q.sending
	if oldest == nil && len(q.ready) > 0 {
		oldest = q.ready[0]
	}
	if oldest != nil && len(oldest.lines) > 0 {
		s.Oldest = oldest.lines[0].At
	}
	return s
}
