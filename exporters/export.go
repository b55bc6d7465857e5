package exporters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"kagami/records"
)

// Output is what the pipeline hands records to: an Export, which writes in the
// caller's goroutine, or a Queue around one.
type Output interface {
	Name() string
	Write([]records.Record) error
	Flush() error
	Reopen() error
	Close(context.Context) error
	Stats() Stats
}

// Export is a format, a choice of records, and a sink. Write is for one
// goroutine at a time; Stats, Flush and Reopen are for any.
type Export struct {
	name   string
	format Format
	joiner joiner // the format, if it is one
	kinds  [records.NumKinds]bool
	sink   Sink
	stamps *stamps // nil: its lines are not accounted for
	logger *slog.Logger

	text   []byte // scratch of line
	batch  batch  // scratch of Write
	err    error  // Write gave up; it stays so
	streak streak
	last   *records.Heartbeat // to follow what the joiner holds

	made, sent, dropped, failed, errors atomic.Uint64
}

// Stats are an export's counters since it was opened. Lines made are sent,
// dropped, failed or still queued.
type Stats struct {
	Made        uint64 // lines formatted
	Sent        uint64 // lines that the sink took
	Dropped     uint64 // lines that a full queue refused
	Failed      uint64 // lines given up: too long for the sink, or the sink did not take them in time
	Errors      uint64 // attempts of the sink that failed
	QueuedLines int
	QueuedBytes int                // memory of the queued lines
	DroppedBy   [NumClasses]uint64 // Dropped by class
	Oldest      int64              // Line.At of the oldest queued line, 0 when there is none

	// Of a queue on disk only. Lines made and resumed are sent, dropped, failed,
	// unreadable or still queued.
	Resumed    uint64 // lines that an earlier run left
	Unreadable uint64 // lines on disk that are damaged or missing
	DiskBytes  int64  // octets of the queue's files
}

const (
	batchLines = 512       // lines handed to a sink at a time
	batchBytes = 128 << 10 // octets of text handed to a sink at a time, one line more at most
)

// Policy says what matters more when a sink does not keep up.
type Policy uint8

const (
	// Drop never waits: lines that find no room are dropped and counted, and a
	// sink that fails is tried until it works again. For live traffic.
	Drop Policy = iota
	// Block waits for room, and gives up with an error on a sink that fails for
	// good or for longer than giveUpAfter. For capture files.
	Block
)

const (
	giveUpAfter = 15 * time.Second
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 30 * time.Second
	logEvery    = time.Minute // between two reports of a failure that lasts
)

// transientError marks an error of a sink that may pass by itself.
type transientError struct{ error }

func (e transientError) Unwrap() error { return e.error }

func newExport(name string, f Format, s Sink, l *slog.Logger) *Export {
	e := &Export{name: name, format: f, sink: s, logger: l}
	e.joiner, _ = f.(joiner)
	return e
}

// Name is Config.Title, for logs and metrics; it holds no password.
func (e *Export) Name() string { return e.name }

// Write formats records and hands the lines to the sink before it returns. After
// an error, every later call returns that error.
func (e *Export) Write(recs []records.Record) error {
	for _, r := range recs {
		for l, ok := e.line(r); ok; l, ok = e.more() {
			e.batch.add(l)
			if e.batch.full() {
				e.writeBatch()
			}
		}
	}
	e.writeBatch()
	return e.err
}

func (e *Export) writeBatch() {
	if e.err == nil {
		e.err = e.deliver(context.Background(), e.batch.seal(), Block)
	} else {
		e.failed.Add(uint64(len(e.batch.lines)))
	}
	e.batch.reset()
}

// line formats one record; more gives its further lines. Their text is valid
// until the next call.
func (e *Export) line(r records.Record) (Line, bool) {
	m := r.Meta()
	if m.Kind >= records.NumKinds || !e.kinds[m.Kind] {
		return Line{}, false
	}
	if h, ok := r.(*records.Heartbeat); ok {
		return e.heartbeat(h)
	}
	if e.joiner != nil {
		e.joiner.add(r)
		return e.more()
	}
	text, ok := e.format.Append(e.text[:0], r)
	if ok {
		text = e.stamps.stamp(text, classOf(m.Kind), "")
	}
	e.text = text[:0]
	if !ok {
		return Line{}, false
	}
	e.made.Add(1)
	return Line{Text: text, At: m.At, Kind: m.Kind, Severity: severity(r), Class: classOf(m.Kind), Client: originator(m)}, true
}

// more is the next line that is due; only a joiner has any.
func (e *Export) more() (Line, bool) {
	if e.joiner == nil {
		return Line{}, false
	}
	text, l, ok := e.joiner.next(e.text[:0])
	if ok {
		text = e.stamps.stamp(text, classOf(l.Kind), l.Log)
	}
	e.text = text[:0]
	if !ok && e.last != nil {
		return e.farewell()
	}
	if ok {
		e.made.Add(1)
		l.Text, l.Class = text, classOf(l.Kind)
	}
	return l, ok
}

// rest is the first of the lines that waited for records to come; more gives the
// further ones.
func (e *Export) rest() (Line, bool) {
	if e.joiner == nil {
		return Line{}, false
	}
	e.joiner.rest()
	return e.more()
}

func severity(r records.Record) Severity {
	a, ok := r.(*records.Alert)
	switch {
	case !ok:
		return SeverityInfo
	case a.Severity >= records.High:
		return SeverityError
	}
	return SeverityWarning
}

// deliver offers lines to the sink until it took them all, ctx ends, or the
// policy says to give up; then it returns why, and the rest counts as failed.
func (e *Export) deliver(ctx context.Context, lines []Line, p Policy) error {
	wait, since := backoffMin, time.Now()
	for len(lines) > 0 {
		err := ctx.Err()
		if err == nil {
			var w Written
			w, err = e.sink.Write(ctx, lines)
			e.sent.Add(uint64(w.Sent))
			e.failed.Add(uint64(w.Refused))
			lines = lines[w.done():]
			if w.done() > 0 {
				wait, since = backoffMin, time.Now()
			} else if err == nil {
				err = io.ErrShortWrite
			}
			if err == nil {
				e.streak.end(e)
				continue
			}
			e.errors.Add(1)
			e.streak.failed(e, err)
		}
		if ctx.Err() != nil || p == Block && !mayPass(err, since) {
			e.failed.Add(uint64(len(lines)))
			return fmt.Errorf("write export %s: %w", e.name, err)
		}
		sleep(ctx, wait/2+rand.N(wait/2)) // many sensors must not come back to a place at once
		wait = min(2*wait, backoffMax)
	}
	return nil
}

func mayPass(err error, since time.Time) bool {
	var t transientError
	return errors.As(err, &t) && time.Since(since) < giveUpAfter
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// streak says that a place fails, and that it works again: at most once a
// logEvery, for a place that takes and refuses by turns must not fill the log.
type streak struct {
	failures int // since the last time that it was said
	logged   time.Time
	said     bool // that it fails
}

func (s *streak) failed(e *Export, err error) {
	s.failures++
	if !s.logged.IsZero() && time.Since(s.logged) < logEvery {
		return
	}
	e.logger.Warn("export fails", "export", e.name, "err", err, "failures", s.failures)
	*s = streak{logged: time.Now(), said: true}
}

func (s *streak) end(e *Export) {
	if s.said {
		e.logger.Info("export works again", "export", e.name)
		s.said = false
	}
}

// Flush passes on what the sink holds: a running sensor calls it every second.
func (e *Export) Flush() error { return e.wrap("flush", e.sink.Flush()) }

// Reopen opens the sink's file again, after log rotation.
func (e *Export) Reopen() error { return e.wrap("reopen", e.sink.Reopen()) }

// Close writes what the format still holds, flushes and frees the sink. The
// context is there for Output's sake.
func (e *Export) Close(context.Context) error {
	gaveUp := e.err != nil // and said so
	for l, ok := e.rest(); ok; l, ok = e.more() {
		e.batch.add(l)
		if e.batch.full() {
			e.writeBatch()
		}
	}
	e.writeBatch()
	if gaveUp {
		return e.closeSink()
	}
	return errors.Join(e.err, e.closeSink())
}

func (e *Export) closeSink() error { return e.wrap("close", e.sink.Close()) }

func (e *Export) wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s export %s: %w", verb, e.name, err)
}

// Stats are the counters.
func (e *Export) Stats() Stats {
	return Stats{Made: e.made.Load(), Sent: e.sent.Load(), Dropped: e.dropped.Load(), Failed: e.failed.Load(), Errors: e.errors.Load()}
}

// batch holds lines and their text in one piece of memory that is used again.
type batch struct {
	text  []byte
	ends  []int // of each line in text
	lines []Line
}

// add copies a line.
func (b *batch) add(l Line) {
	b.text = append(b.text, l.Text...)
	b.ends = append(b.ends, len(b.text))
	l.Text = nil
	b.lines = append(b.lines, l)
}

func (b *batch) full() bool { return len(b.lines) >= batchLines || len(b.text) >= batchBytes }

// seal returns the lines; no add may follow before reset.
func (b *batch) seal() []Line {
	from := 0
	for i, end := range b.ends {
		b.lines[i].Text = b.text[from:end:end]
		from = end
	}
	return b.lines
}

func (b *batch) reset() { b.text, b.ends, b.lines = b.text[:0], b.ends[:0], b.lines[:0] }
