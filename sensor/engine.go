// Package sensor is the engine: frames go in, records come out in order.
//
// A Source yields batches of frames. Workers, one goroutine each, take a frame
// through parse, flow table, TCP stream and decoder, and share no state: all
// frames between two addresses belong to one worker. The merger puts their
// records into one order, which depends on the frames alone, and lets the
// detectors read them. The engine knows no wall clock: time comes with frames.
//
// It imports packet and records only.
package sensor

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"

	"kagami/packet"
	"kagami/records"
)

// Options are what an Engine is made of.
type Options struct {
	Config    Config // with Workers > 0
	Networks  *Networks
	Protocols []Protocol
	Stage     Stage // completes records on their way to the detectors, nil: none does
	Detectors []Detector
	Output    func([]records.Record) // gets the records in order; the slice is its own
	Store     func(worker int) Store // nil: packets are not kept
	Progress  func(SourceStats)      // called after each batch from a file, may be nil
}

// Engine runs sources through workers. Use it once.
type Engine struct {
	Options
	workers []*Worker
	merger  *merger
	room    room
	clock   Clock

	mu        sync.Mutex
	stats     []WorkerStats          // by worker, as of its last batch
	joinStats packet.ReassemblyStats // of the reader's, when it shards
	err       error
}

// New makes an engine with o.Config.Workers workers.
func New(o Options) *Engine {
	e := &Engine{Options: o}
	e.Config.compile()
	if !e.Config.Decode {
		e.Protocols = nil
	}
	n := max(e.Config.Workers, 1)
	e.stats = make([]WorkerStats, n)
	for i := range n {
		var store Store
		if o.Store != nil {
			store = o.Store(i)
		}
		e.workers = append(e.workers, newWorker(&e.Config, &e.room, o.Networks, e.Protocols, store))
	}
	e.merger = newMerger(n, o.Stage, o.Detectors, o.Output)
	return e
}

// Stats are the sum over the workers as of their last batches. It may be called
// at any time from any goroutine.
func (e *Engine) Stats() WorkerStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	var sum WorkerStats
	for i := range e.stats {
		sum.add(&e.stats[i])
	}
	sum.Fragments.Add(&e.joinStats)
	return sum
}

// outRoom is how many records a worker gathers before it hands them over, though
// its batch is not at the end: a frame may make hundreds.
const outRoom = 1024

// dropsEvery is how often a worker asks its ring what the kernel dropped, for the
// store's books: nanoseconds of logical time.
const dropsEvery = 1e9

// take ends a worker's batch: it sweeps, publishes the counters and returns the
// records written and the mark they reach to.
func (e *Engine) take(i int, clock int64, epoch uint32) ([]records.Record, mark) {
	w := e.workers[i]
	if epoch != w.epoch {
		w.endAll(EndClockStep)
		w.epoch, w.clock = epoch, clock
	}
	w.sweep(clock)
	if w.store != nil {
		w.store.Tick(clock, w.dropped)
	}
	e.publish(i)
	rs := w.out
	w.out = nil
	return rs, mark{epoch: epoch, at: clock}
}

func (e *Engine) publish(i int) {
	w := e.workers[i]
	w.stats.Active = uint64(w.table.count)
	w.stats.Fragments = w.fragments.Stats
	e.mu.Lock()
	e.stats[i] = w.stats
	e.mu.Unlock()
}

// Read runs one source to its end. With one worker everything happens in the
// calling goroutine; with more, one goroutine reads and each worker has its own,
// and the caller's merges. It returns the source's error, if it ended by one;
// all that came before is in the output.
func (e *Engine) Read(ctx context.Context, src Source) error {
	var err error
	if len(e.workers) == 1 {
		err = e.readAlone(ctx, src)
	} else {
		err = e.readSharded(ctx, src)
	}
	e.endAll()
	e.merger.finish()
	return err
}

// endAll ends all flows of all workers, in the order of their ids, which is that of
// their records: a full table's records need not be in memory all at once.
func (e *Engine) endAll() {
	type ending struct {
		worker *Worker
		flow   *Flow
		uid    uint64
	}
	var all []ending
	for _, w := range e.workers {
		w.sweep(w.clock)
		for _, l := range w.table.lists {
			for f := l.head; f != nil; f = f.next {
				all = append(all, ending{w, f, f.uid})
			}
		}
	}
	slices.SortFunc(all, func(a, b ending) int { return cmp.Compare(a.uid, b.uid) })
	for i, x := range all {
		x.worker.end(x.flow, x.worker.clock, EndCapture)
		if i%outRoom == outRoom-1 {
			e.handOver(x.uid)
		}
	}
	e.handOver(math.MaxUint64)
}

// handOver gives the merger what the workers wrote. Of the flows with ids up to uid
// nothing more comes.
func (e *Engine) handOver(uid uint64) {
	for i, w := range e.workers {
		rs := w.out
		w.out = nil
		e.publish(i)
		e.merger.add(i, rs, mark{w.epoch, w.clock, uid})
	}
}

func (e *Engine) readAlone(ctx context.Context, src Source) error {
	e.workers[0].joins = true
	var b Batch
	for ctx.Err() == nil {
		err := src.Next(&b)
		clock, epoch := e.stamp(&b)
		for i := range b.Frames {
			e.workers[0].frame(&b.Frames[i])
			if w := e.workers[0]; len(w.out) >= outRoom {
				rs, to := e.take(0, w.clock, w.epoch)
				e.merger.add(0, rs, to)
			}
		}
		rs, to := e.take(0, clock, epoch)
		e.merger.add(0, rs, to)
		e.progress(src)
		if err != nil {
			return ended(err)
		}
	}
	return ctx.Err()
}

// stamp gives the batch its logical times.
func (e *Engine) stamp(b *Batch) (clock int64, epoch uint32) {
	for i := range b.Frames {
		e.clock.Stamp(&b.Frames[i])
	}
	return e.clock.now, e.clock.epoch
}

func (e *Engine) progress(src Source) {
	if e.Progress != nil {
		e.Progress(src.Stats())
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Live runs one source a worker until ctx ends or a source fails. Live sources
// return from Next within their retire timeout, so that ctx is noticed.
func (e *Engine) Live(ctx context.Context, srcs []Source) error {
	e.merger.reporter = newReporter(e, srcs)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, 8*len(srcs))
	var wg sync.WaitGroup
	for i, src := range srcs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := e.live(ctx, i, src, results); err != nil {
				e.fail(err)
				cancel()
			}
		}()
	}
	go func() { wg.Wait(); close(results) }()
	for r := range results {
		e.merger.drops = sumStats(srcs).Dropped
		e.merger.add(r.worker, r.records, r.to)
	}
	e.merger.finish()
	return e.err
}

// live is one worker's loop. Its clock is its own: rings are read independently.
func (e *Engine) live(ctx context.Context, i int, src Source, results chan<- result) error {
	var b Batch
	var clock Clock
	w := e.workers[i]
	w.joins = true
	w.shunter, _ = src.(Shunter)
	var err error
	for ctx.Err() == nil && err == nil {
		err = src.Next(&b)
		for j := range b.Frames {
			clock.Stamp(&b.Frames[j])
			w.frame(&b.Frames[j])
			if len(w.out) >= outRoom {
				rs, to := e.take(i, w.clock, w.epoch)
				results <- result{i, rs, to}
			}
		}
		now, epoch := clock.Tick(b.Now)
		if w.store != nil && (now-w.asked >= dropsEvery || now < w.asked) {
			w.asked, w.dropped = now, src.Stats().Dropped
		}
		rs, to := e.take(i, now, epoch)
		results <- result{i, rs, to}
	}
	w.endAll(EndCapture)
	rs, to := e.take(i, w.clock, w.epoch)
	results <- result{i, rs, to}
	return ended(err)
}

func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = errors.Join(e.err, err)
}

// result is what a worker made of a batch.
type result struct {
	worker  int
	records []records.Record
	to      mark
}
