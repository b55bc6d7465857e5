package sensor

import (
	"kagami/packet"
	"kagami/records"
)

// statsEvery is how often a live run says how it fares.
const statsEvery = 60 * 1e9 // nanoseconds of logical time

// reporter makes the stats records of a live run from the counters.
type reporter struct {
	engine  *Engine
	sources []Source
	next    mark
	start   int64
	source  SourceStats
	shunted [2]uint64 // packets and octets
	workers WorkerStats
	window  records.Window
}

// newReporter begins to count: what the kernel's side counted before is not this run's.
func newReporter(e *Engine, srcs []Source) *reporter {
	r := &reporter{engine: e, sources: srcs}
	r.shunted[0], r.shunted[1] = ShuntTotals(srcs)
	return r
}

// due tells the moment for which a report is due when everything before to is
// known. The first call sets the clock.
func (r *reporter) due(to mark) (at mark, ok bool) {
	if to.at <= 0 {
		return mark{}, false
	}
	if r.start == 0 || to.epoch != r.next.epoch {
		r.start = to.at
		r.next = mark{epoch: to.epoch, at: to.at - to.at%statsEvery + statsEvery}
	}
	return r.next, !to.less(r.next)
}

// report is what changed since the last one.
func (r *reporter) report(at mark, window records.Window) *records.Stats {
	src, w := sumStats(r.sources), r.engine.Stats()
	s := records.NewStats(records.Meta{At: at.at, Epoch: at.epoch})
	s.Start = r.start
	s.Frames = src.Received - r.source.Received
	s.Dropped = src.Dropped - r.source.Dropped
	s.Freezes = src.Freezes - r.source.Freezes
	s.Bytes = w.Bytes - r.workers.Bytes
	s.NotRead = notRead(&w) - notRead(&r.workers)
	s.Fragments = lostDatagrams(&w) - lostDatagrams(&r.workers)
	s.Duplicates = w.Duplicates - r.workers.Duplicates
	s.Gaps = w.Gaps - r.workers.Gaps
	s.Shunted = w.Shunted - r.workers.Shunted
	packets, octets := ShuntTotals(r.sources)
	s.KeptBack, s.KeptBytes = packets-r.shunted[0], octets-r.shunted[1]
	r.shunted = [2]uint64{packets, octets}
	s.Cut = w.CutPackets - r.workers.CutPackets
	s.FlowsNew = w.Flows - r.workers.Flows
	s.FlowsOpen = w.Active
	s.Evicted = w.Ended[EndEviction] - r.workers.Ended[EndEviction]
	s.Window = records.Window{Flows: window.Flows - r.window.Flows, OneSided: window.OneSided - r.window.OneSided,
		Missed: window.Missed - r.window.Missed}
	r.source, r.workers, r.window = src, w, window
	r.start, r.next.at = at.at, at.at+statsEvery
	return s
}

func notRead(w *WorkerStats) uint64 {
	o := &w.Outcomes
	return o[packet.NotIP] + o[packet.Truncated] + o[packet.BadHeader] + o[packet.BadLink]
}

func lostDatagrams(w *WorkerStats) uint64 { return w.Fragments.TimedOut + w.Fragments.Evicted }

func sumStats(srcs []Source) (t SourceStats) {
	for _, src := range srcs {
		s := src.Stats()
		t.Received += s.Received
		t.Dropped += s.Dropped
		t.Freezes += s.Freezes
	}
	return t
}
