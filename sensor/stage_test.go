package sensor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kagami/records"
)

// slowStage holds every record of an even flow for so long, and writes one of its
// own behind each of an odd one.
type slowStage struct {
	hold     int64
	held     []records.Record
	finished int
}

func (s *slowStage) Observe(r records.Record, emit Emit) {
	if r.Meta().UID%2 == 0 {
		s.held = append(s.held, r)
		return
	}
	emit(r)
	emit(records.NewIdentity(*r.Meta(), 1))
}

func (s *slowStage) Advance(now int64, emit Emit) {
	for len(s.held) > 0 && s.held[0].Meta().At+s.hold < now {
		s.held[0].Meta().At += s.hold
		emit(s.held[0])
		s.held = s.held[1:]
	}
}

func (s *slowStage) Finish(emit Emit) {
	s.finished++
	s.Advance(math.MaxInt64, emit)
}

// lastSeen is a detector that notes what it is shown.
type lastSeen struct{ seen []string }

func (d *lastSeen) Observe(r records.Record, _ Emit) { d.seen = append(d.seen, shown(r)) }
func (d *lastSeen) Advance(now int64, _ Emit)        { d.seen = append(d.seen, fmt.Sprint("tick ", now)) }

func shown(r records.Record) string {
	m := r.Meta()
	return fmt.Sprint(m.Epoch, " ", m.At, " ", m.ID())
}

// runStage gives records to a merger with a stage, some marks at a time.
func runStage(all []records.Meta, marks []mark) (output, seen []string, st *slowStage) {
	st = &slowStage{hold: 2e9}
	d := &lastSeen{}
	m := newMerger(1, st, []Detector{d}, func(rs []records.Record) {
		for _, r := range rs {
			output = append(output, shown(r))
		}
	})
	for _, to := range append(marks, mark{epoch: 9}) {
		var rs []records.Record
		for len(all) > 0 && (mark{epoch: all[0].Epoch, at: all[0].At}).less(to) {
			rs = append(rs, records.NewFlow(all[0]))
			all = all[1:]
		}
		m.add(0, rs, to)
	}
	m.finish()
	return output, d.seen, st
}

// TestStageIsIndependentOfBatches: what a stage makes of the records, and what the
// detectors see of it, depends on the records alone; time never steps back within
// an epoch.
func TestStageIsIndependentOfBatches(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var all []records.Meta
	for epoch := range uint32(3) {
		at := int64(1e9)
		for i := range 200 {
			at += rng.Int64N(3) * rng.Int64N(2e9)
			all = append(all, records.Meta{At: at, Epoch: epoch, UID: uint64(1 + i)})
		}
	}
	want, seen, st := runStage(all, nil)
	if len(want) != 900 || st.finished < 3 {
		t.Fatalf("%d records, finished %d times", len(want), st.finished)
	}
	var last mark
	for _, line := range want {
		var now mark
		fmt.Sscan(line, &now.epoch, &now.at)
		if now.less(last) {
			t.Errorf("time steps back to %s", line)
		}
		last = now
	}
	for range 50 {
		var marks []mark
		for range rng.IntN(300) {
			x := all[rng.IntN(len(all))]
			marks = append(marks, mark{epoch: x.Epoch, at: x.At + rng.Int64N(4e9) - 1e9})
		}
		slices.SortFunc(marks, func(a, b mark) int {
			if a.less(b) {
				return -1
			}
			return 1
		})
		got, gotSeen, _ := runStage(all, marks)
		if !slices.Equal(got, want) || !slices.Equal(gotSeen, seen) {
			t.Fatalf("other marks, other records: %v", marks)
		}
	}
}
