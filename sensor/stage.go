package sensor

import "kagami/records"

// Stage stands between the ordering and the detectors: it sees every record in
// order and hands on what it makes of it. It may complete a record with what
// others told (until it is handed on, a record is the stage's alone), hold it
// back for a while and write records of its own. What it hands on is a function
// of the records alone: never of how they came in batches.
//
// A record handed on later than it came bears, as Meta.At, the logical time of
// that moment, so that the output's time never steps back.
type Stage interface {
	// Observe takes the next record.
	Observe(r records.Record, emit Emit)
	// Advance says that no record comes any more whose time is before now.
	Advance(now int64, emit Emit)
	// Finish says that no record comes any more, in this epoch or at all: what is
	// held back goes on, with the time at which it would have gone on anyway. (How
	// far Advance came before depends on batches.)
	Finish(emit Emit)
}

// pass takes a record in order through the stage.
func (m *merger) pass(r records.Record) {
	if m.stage == nil {
		m.observe(r)
		return
	}
	meta := r.Meta()
	m.reached(mark{epoch: meta.Epoch, at: meta.At})
	m.stage.Observe(r, m.next)
}

// reached tells the stage that all records before the mark have come.
func (m *merger) reached(to mark) {
	switch {
	case m.stage == nil:
	case to.epoch == m.epoch:
		m.stage.Advance(to.at, m.next)
	default:
		m.stage.Finish(m.next)
		m.epoch = to.epoch
	}
}
