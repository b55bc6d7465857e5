package exporters

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"kagami/exporters/spool"
	"kagami/records"
)

const (
	attemptTimeout = 30 * time.Second       // for a sink to take a batch, or to say that it does not
	settleAfter    = 250 * time.Millisecond // lines are given to the sink until it is flushed and they are acknowledged
	settleOctets   = 1 << 20                // or so many octets of them
	drainFor       = 2 * time.Second        // that Close sends what waits; the rest stays on disk
	leaveFor       = 2 * time.Second        // at least, that Close has to bring the rest to the disk
)

// Durable gives an export a goroutine of its own, as Queue does, and a queue on
// disk: what the sink has not taken is sent after the next start. Records are
// formatted in the caller's goroutine, which never waits.
//
// Every line is sent at least once. A line is sent twice only when the sink took it
// but did not say so, or the process ended before that was noted, and then with
// the same Seq.
type Durable struct {
	export *Export
	spool  *spool.Spool
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	tooLong bool        // it was said that lines are
	failing atomic.Bool // the last attempt did

	// Of the goroutine that sends.
	entries []spool.Entry
	lines   []Line
	numbers []uint64 // of lines, in the spool
	given   given
}

// given is what the sink took and was not acknowledged yet: it may hold it in
// memory until it is flushed.
type given struct {
	any           bool
	seq           uint64
	octets        int
	sent, refused int
	due           time.Time // when to flush
}

// NewDurable starts a queue that owns e and s from now on.
func NewDurable(e *Export, s *spool.Spool) *Durable {
	d := &Durable{export: e, spool: s, done: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	go d.run()
	return d
}

// Name is the export's.
func (d *Durable) Name() string { return d.export.Name() }

// Write formats records and queues the lines; it is for one goroutine at a time. It
// never waits; it fails only when d is closed.
func (d *Durable) Write(recs []records.Record) error {
	var err error
	for _, r := range recs {
		for l, ok := d.export.line(r); ok; l, ok = d.export.more() {
			err = errors.Join(err, d.put(l))
		}
	}
	return err
}

func (d *Durable) put(l Line) error {
	_, err := d.spool.Append(spool.Entry{
		At: l.At, Class: l.Class, Kind: uint8(l.Kind), Severity: uint8(l.Severity), Client: clientBytes(l.Client), Log: l.Log, Text: l.Text,
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, spool.ErrClosed):
		d.export.dropped.Add(1)
		return errClosed
	}
	d.export.failed.Add(1)
	if !d.tooLong {
		d.tooLong = true
		d.export.logger.Warn("a line cannot be queued; it and others like it count as failed", "export", d.export.name, "bytes", len(l.Text), "err", err)
	}
	return nil
}

func clientBytes(a netip.Addr) [16]byte {
	if !a.IsValid() {
		return [16]byte{}
	}
	return a.As16()
}

func clientOf(b [16]byte) netip.Addr {
	if b == ([16]byte{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom16(b).Unmap()
}

// run sends until d is closed.
func (d *Durable) run() {
	defer close(d.done)
	defer d.settle()
	for {
		if d.given.ripe() && !d.settled() {
			return
		}
		err := d.next()
		switch {
		case err == nil:
			if !d.send() {
				return
			}
		case errors.Is(err, spool.ErrUnacknowledged):
			d.given.due = time.Time{}
		case d.ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return
		}
	}
}

// next waits for lines, but no longer than until the sink is to be flushed.
func (d *Durable) next() (err error) {
	ctx := d.ctx
	if d.given.any {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, d.given.due)
		defer cancel()
	}
	d.entries, err = d.spool.Next(ctx, batchLines, batchBytes, d.entries[:0])
	return err
}

// send offers lines to the sink until it took them all; false: d is closed.
func (d *Durable) send() bool {
	d.fill()
	wait := backoffMin
	for at := 0; at < len(d.lines); {
		if d.ctx.Err() != nil {
			return false
		}
		n, err := d.attempt(at)
		if n > 0 {
			at, wait = at+n, backoffMin
		}
		if err == nil {
			d.works()
			continue
		}
		if d.ctx.Err() != nil {
			return false
		}
		d.fails(err)
		d.settle()
		wait = d.pause(wait)
	}
	d.give(d.entries[len(d.entries)-1].Seq, nil, Written{})
	return true
}

// fill makes lines of the entries. One whose number may be another line's some day
// has none for the sink: what knows lines by their numbers would take the other one
// for this one, and drop it.
func (d *Durable) fill() {
	d.lines, d.numbers = d.lines[:0], d.numbers[:0]
	for i := range d.entries {
		e := &d.entries[i]
		if e.Lost > 0 { // it tells of lines that were dropped, and counted then
			continue
		}
		l := Line{Text: e.Text, At: e.At, Kind: records.Kind(e.Kind), Severity: Severity(e.Severity), Log: e.Log, Class: e.Class, Client: clientOf(e.Client)}
		if e.Firm {
			l.Seq = e.Seq
		}
		d.lines, d.numbers = append(d.lines, l), append(d.numbers, e.Seq)
	}
}

// attempt returns how many lines from at on are done with.
func (d *Durable) attempt(at int) (int, error) {
	lines := d.lines[at:]
	ctx, cancel := context.WithTimeout(d.ctx, attemptTimeout)
	defer cancel()
	w, err := d.export.sink.Write(ctx, lines)
	n := w.done()
	switch {
	case n > 0:
		d.give(d.numbers[at+n-1], lines[:n], w)
	case err == nil:
		err = io.ErrShortWrite
	}
	return n, err
}

// ripe tells whether it is time to flush.
func (g *given) ripe() bool {
	return g.any && (g.octets >= settleOctets || !time.Now().Before(g.due))
}

// give notes what the sink took.
func (d *Durable) give(seq uint64, lines []Line, w Written) {
	g := &d.given
	for i := range lines {
		g.octets += len(lines[i].Text)
	}
	if !g.any {
		g.any, g.due = true, time.Now().Add(settleAfter)
	}
	g.seq = max(g.seq, seq)
	g.sent += w.Sent
	g.refused += w.Refused
}

// settle flushes the sink and acknowledges what it took. False: it could not pass
// it on yet.
func (d *Durable) settle() bool {
	g := &d.given
	if !g.any {
		return true
	}
	if err := d.export.sink.Flush(); err != nil {
		d.fails(err)
		return false
	}
	d.spool.Ack(g.seq)
	d.export.sent.Add(uint64(g.sent))
	d.export.failed.Add(uint64(g.refused))
	*g = given{}
	return true
}

// settled settles as soon as that works; false: d is closed.
func (d *Durable) settled() bool {
	for wait := backoffMin; !d.settle(); wait = d.pause(wait) {
		if d.ctx.Err() != nil {
			return false
		}
	}
	return true
}

// pause waits for a random part of wait, so that many sensors do not come back to
// a place at once, and returns the next wait.
func (d *Durable) pause(wait time.Duration) time.Duration {
	sleep(d.ctx, rand.N(wait))
	return min(2*wait, backoffMax)
}

func (d *Durable) fails(err error) {
	d.failing.Store(true)
	d.export.errors.Add(1)
	d.export.streak.failed(d.export, err)
}

func (d *Durable) works() {
	d.failing.Store(false)
	d.export.streak.end(d.export)
}

// Flush does nothing: the queue flushes by itself.
func (d *Durable) Flush() error { return nil }

// Reopen opens the sink's file again, after log rotation. Lines that still wait go
// to the new file.
func (d *Durable) Reopen() error { return d.export.Reopen() }

// Close sends what waits, for two seconds and half of the time of ctx at most and
// only to a sink that works; what is left stays on disk. No Write may be under way.
func (d *Durable) Close(ctx context.Context) error {
	for l, ok := d.export.rest(); ok; l, ok = d.export.more() {
		if d.put(l) != nil { // counted
			break
		}
	}
	d.drain(ctx)
	d.cancel()
	hangs := false
	select {
	case <-d.done:
	case <-time.After(closeGrace):
		hangs = true
	}
	left, cancel := leaving(ctx)
	defer cancel()
	err := d.spool.Close(left)
	if hangs {
		return errors.Join(err, d.export.wrap("close", errors.New("the sink hangs; its lines stay on disk")))
	}
	return errors.Join(err, d.export.closeSink())
}

// leaving ends when ctx does, but not before leaveFor.
func leaving(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(leaveFor)
	if d, ok := ctx.Deadline(); ok && d.After(end) {
		end = d
	}
	return context.WithDeadline(context.WithoutCancel(ctx), end)
}

// drain waits until all is sent.
func (d *Durable) drain(ctx context.Context) {
	end := time.Now().Add(drainFor)
	if deadline, ok := ctx.Deadline(); ok {
		if half := time.Now().Add(time.Until(deadline) / 2); half.Before(end) {
			end = half
		}
	}
	for time.Now().Before(end) && !d.failing.Load() && ctx.Err() == nil && d.spool.Stats().Lines > 0 {
		sleep(ctx, 5*time.Millisecond)
	}
}

// Stats are the export's counters and what waits.
func (d *Durable) Stats() Stats {
	s, q := d.export.Stats(), d.spool.Stats()
	s.DroppedBy = q.Dropped
	for _, n := range q.Dropped {
		s.Dropped += n
	}
	s.QueuedLines, s.QueuedBytes = q.Lines, int(min(q.Bytes, math.MaxInt))
	s.Resumed, s.Unreadable, s.DiskBytes, s.Oldest = q.Resumed, q.Unreadable, q.OnDisk, q.Oldest
	return s
}
