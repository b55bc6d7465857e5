package sensor

import (
	"math"
	"slices"

	"kagami/records"
)

// tickEvery is the grid on which detectors are told the time, so that what they
// say does not depend on batches.
const tickEvery = 1e9 // nanoseconds of logical time

// batchRoom is how many records are handed on at a time: one frame may make
// hundreds, and what is formatted need not be kept.
const batchRoom = 1024

// mark is a moment of a worker's progress: it will not write a record that
// comes before it. Of one moment, records are in order of their flows' ids.
type mark struct {
	epoch uint32
	at    int64
	uid   uint64 // 0 but when all flows end
}

func (m mark) less(o mark) bool {
	if m.epoch != o.epoch {
		return m.epoch < o.epoch
	}
	return m.at < o.at || m.at == o.at && m.uid < o.uid
}

// merger puts the workers' records into one order, lets the stage complete them
// and the detectors read them, and hands them on. One goroutine uses it.
type merger struct {
	marks     []mark
	pending   []records.Record
	low       mark  // everything before it was released
	stage     Stage // nil: records go straight to the detectors
	epoch     uint32
	detectors []Detector
	output    func([]records.Record)
	drops     uint64    // frames lost by the kernel so far
	reporter  *reporter // live runs only

	tick   mark // the last moment the detectors were told
	last   *records.Meta
	window visibility
	batch  []records.Record
	alerts uint32
	next   Emit // observe, as the stage gets it
	emit   Emit // alert, as the detectors get it
}

func newMerger(workers int, stage Stage, detectors []Detector, output func([]records.Record)) *merger {
	m := &merger{marks: make([]mark, workers), stage: stage, detectors: detectors, output: output}
	m.next, m.emit = m.observe, m.alert
	return m
}

// add takes what a worker wrote and how far it got. rs is the merger's from then on.
func (m *merger) add(worker int, rs []records.Record, to mark) {
	m.pending = append(m.pending, rs...)
	m.marks[worker] = to
	low := slices.MinFunc(m.marks, func(a, b mark) int {
		if a.less(b) {
			return -1
		}
		return 1
	})
	for m.reporter != nil {
		at, ok := m.reporter.due(low)
		if !ok {
			break
		}
		m.release(at)
		m.batch = append(m.batch, m.reporter.report(at, m.window.all))
	}
	if m.low.less(low) { // else all that is new comes later
		m.release(low)
		m.low = low
	}
	m.flush()
}

// finish releases everything.
func (m *merger) finish() {
	m.release(mark{epoch: math.MaxUint32, at: math.MaxInt64})
	if m.last != nil {
		for _, d := range m.detectors {
			d.Advance(m.last.At, m.emit)
		}
	}
	m.flush()
}

// release hands on the records that come before the mark.
func (m *merger) release(to mark) {
	n := 0
	for i, r := range m.pending {
		if meta := r.Meta(); (mark{meta.Epoch, meta.At, meta.UID}).less(to) {
			m.pending[i], m.pending[n] = m.pending[n], r
			n++
		}
	}
	if n == 0 {
		m.reached(to)
		return
	}
	ready := m.pending[:n]
	slices.SortFunc(ready, func(a, b records.Record) int { return records.Compare(a.Meta(), b.Meta()) })
	for _, r := range ready {
		m.pass(r)
	}
	m.reached(to)
	rest := copy(m.pending, m.pending[n:])
	clear(m.pending[rest:])
	m.pending = m.pending[:rest]
}

// observe passes one record to the detectors and to the output, in that order of
// time: what it makes certain about the past comes before it, the alerts it
// raises right after it.
func (m *merger) observe(r records.Record) {
	meta := r.Meta()
	m.last = meta
	m.alerts = 0
	if len(m.batch) >= batchRoom {
		m.flush()
	}
	if grid := (mark{epoch: meta.Epoch, at: meta.At - meta.At%tickEvery}); m.tick.less(grid) {
		m.tick = grid
		for _, d := range m.detectors {
			d.Advance(grid.at, m.emit)
		}
	}
	if meta.Kind < records.NumKinds { // else a sighting, for the detectors alone
		m.batch = append(m.batch, r)
	}
	if f, ok := r.(*records.Flow); ok {
		m.window.count(f, m.drops)
	}
	for _, d := range m.detectors {
		d.Observe(r, m.emit)
	}
}

// alert takes what a detector says.
func (m *merger) alert(r records.Record) {
	meta := r.Meta()
	m.alerts++
	meta.Sub = m.alerts
	if a, ok := r.(*records.Alert); ok {
		a.Window = m.window.between(a.Since, meta.At)
	}
	m.batch = append(m.batch, r)
}

func (m *merger) flush() {
	if len(m.batch) > 0 {
		m.output(m.batch)
		m.batch = make([]records.Record, 0, cap(m.batch))
	}
}
