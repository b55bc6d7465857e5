package spool

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

const (
	reserveLeast = 1 << 16 // numbers reserved at a time
	reserveMost  = 1 << 24
	reserveSoon  = 10 * time.Second // when they last no longer, more are reserved
)

// keeper does what a spool does on the disk, except for reading, in a goroutine of
// its own: nobody waits for it.
type keeper struct {
	s            *Spool
	fs           disk
	dir          *os.File // holds the lock
	segmentBytes int64
	err          error // of the last work; read after done

	segments [NumClasses]*segment // that are written to
	files    [NumClasses]file
	dirty    [NumClasses]bool // was written to since the last sync
	named    bool             // there are new names since the last sync
	synced   time.Time
	ending   []ending
	working  chan *syncing // what is under way; nil: nothing

	state     state // as it is on the disk, or will be with the next sync
	stateF    file
	stated    time.Time
	trimmed   time.Time
	ahead     uint64 // numbers to reserve
	renewed   time.Time
	reserving uint64 // up to here they are written, but not synced; 0: all are
	renewAt   uint64 // at which number to reserve more, when they are synced

	marks   [marksAhead - 1]uint64 // the newest numbers at the last ticks, the oldest first
	failing error                  // of the last attempt to write
	retryAt time.Time
	told    bool // the log says that it fails
	toldAt  time.Time
	dropped uint64    // lines so far
	quiet   time.Time // since when there were no more
}

func (k *keeper) path(name string) string { return filepath.Join(k.s.c.Dir, name) }

func (k *keeper) run() {
	defer close(k.s.done)
	tick := time.NewTicker(k.s.c.SpillAfter / marksAhead)
	defer tick.Stop()
	for {
		select {
		case <-k.s.finish:
			k.end()
			return
		case now := <-tick.C:
			k.step(now, k.mark())
		case <-k.s.wake:
			k.step(time.Now(), 0)
		}
	}
}

// mark notes the newest number, and returns the one that was the newest SpillAfter
// ago: what is not above it has waited for so long.
func (k *keeper) mark() (due uint64) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	due = k.marks[0]
	copy(k.marks[:], k.marks[1:])
	k.marks[len(k.marks)-1] = k.s.seq
	return due
}

// step does what is to be done now; lines up to due are written.
func (k *keeper) step(now time.Time, due uint64) {
	k.synchronized(now, false)
	k.removeFinished()
	k.reserve(now)
	k.spill(now, due)
	k.sync(now)
	if now.Sub(k.trimmed) >= trimEvery {
		k.trimmed = now
		k.s.trim()
	}
	if now.Sub(k.stated) >= stateEvery {
		k.saveAcked(now)
	}
	k.relax(now)
}

// trim gives memory back that was not needed since the last time.
func (s *Spool) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.free) > 0 && s.used+len(s.free) > s.peak {
		n := len(s.free) - 1
		s.free[n], s.free = nil, s.free[:n]
	}
	s.peak = s.used
}

// relax notes that there is room again: nothing was dropped for a while.
func (k *keeper) relax(now time.Time) {
	s := k.s
	s.mu.Lock()
	defer s.mu.Unlock()
	var dropped uint64
	for _, n := range s.stats.Dropped {
		dropped += n
	}
	if dropped != k.dropped {
		k.dropped, k.quiet = dropped, now
	}
	if s.told != 0 && k.failing == nil && now.Sub(k.quiet) >= s.c.quietFor {
		s.told = 0
		s.log.Info("the queue on disk has room again", "disk_bytes", s.disk, "dropped", dropped)
	}
}

// check counts a failure, says so once until something works (and once a minute), and puts off the
// next attempt.
func (k *keeper) check(err error, now time.Time) bool {
	if err == nil {
		return true
	}
	k.s.mu.Lock()
	k.s.stats.Errors++
	k.s.broken = true
	k.s.mu.Unlock()
	if k.failing == nil && now.Sub(k.toldAt) >= tellEvery {
		k.told, k.toldAt = true, now
		k.s.log.Error("queue on disk: cannot write; lines wait in memory, and the lowest class is dropped first when that is full"+hint(err), "err", err)
	}
	k.failing, k.retryAt = err, now.Add(k.s.c.retryAfter)
	return false
}

func (k *keeper) works() {
	if k.failing == nil {
		return
	}
	k.failing = nil
	k.s.mu.Lock()
	k.s.broken = false
	k.s.mu.Unlock()
	if k.told {
		k.told = false
		k.s.log.Info("queue on disk: writing works again")
	}
}

func (k *keeper) wrote(n int) {
	k.s.mu.Lock()
	k.s.stats.Written += uint64(n)
	k.s.mu.Unlock()
}

// reserve makes sure on the disk of numbers that no process gives again.
func (k *keeper) reserve(now time.Time) {
	s := k.s
	s.mu.Lock()
	need := s.seq >= s.renew
	s.mu.Unlock()
	if !need || k.reserving > 0 || k.working != nil || k.failing != nil && now.Before(k.retryAt) {
		return
	}
	if now.Sub(k.renewed) < reserveSoon {
		k.ahead = min(2*k.ahead, reserveMost)
	} else {
		k.ahead = reserveLeast
	}
	k.renewed = now
	k.check(k.reserveNext(), now)
}

// reserveNext writes the next reservation, which counts once it is synced.
func (k *keeper) reserveNext() error {
	next := k.current()
	next.reserved += k.ahead
	if err := k.save(next); err != nil {
		return err
	}
	k.reserving, k.renewAt = next.reserved, next.reserved-k.ahead/2
	return nil
}

// current is what the state should be, with no number reserved.
func (k *keeper) current() state {
	s := k.s
	s.mu.Lock()
	defer s.mu.Unlock()
	st := k.state
	st.id, st.reserved, st.acked = s.id, s.seq, s.acked
	for i := range s.lanes {
		st.holes[i] = s.lanes[i].told
		st.holes[i].add(s.lanes[i].lost)
	}
	return st
}

func (k *keeper) save(next state) error {
	if err := next.write(k.stateF); err != nil {
		return err
	}
	k.state = next
	k.wrote(slotBytes)
	return nil
}

// saveAcked writes what is acknowledged, if there is something on disk that would
// come back after a crash otherwise. It is not synced: then it just comes back.
func (k *keeper) saveAcked(now time.Time) {
	next := k.current()
	next.reserved = max(next.reserved, k.state.reserved)
	k.s.mu.Lock()
	matters := k.s.files > 0 && next.acked != k.state.acked || next.holes != k.state.holes
	k.s.mu.Unlock()
	if !matters || k.failing != nil && now.Before(k.retryAt) {
		return
	}
	k.stated = now
	k.check(k.save(next), now)
}

// end writes all that waits.
func (k *keeper) end() {
	k.synchronized(time.Now(), true)
	k.retryAt = time.Time{} // one last attempt
	k.removeFinished()
	k.spill(time.Now(), ^uint64(0))
	left := k.abandon()
	for i := range k.files {
		k.endFile(uint8(i), k.dirty[i])
	}
	k.err = errors.Join(left, k.syncAll())
	k.err = errors.Join(k.err, k.save(k.current()), k.stateF.Sync(), k.stateF.Close(), k.dir.Close())
}

// abandon counts as dropped what nobody holds any more: chunks that could not be
// written, and lines in flight whose place is gone.
func (k *keeper) abandon() error {
	s := k.s
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for i := range s.lanes {
		l := &s.lanes[i]
		left := s.flights.orphaned[i]
		for len(l.chunks) > 0 {
			c := l.chunks[0]
			left += c.lines - c.done
			s.flights.move(&c.span, nil)
			s.drop(l, 0)
		}
		if left > 0 {
			s.stats.Dropped[i] += uint64(left)
			l.lost.add(hole{s.acked + 1, s.seq, uint64(left)})
		}
		n += left
	}
	s.flights.forget()
	if n == 0 {
		return nil
	}
	return k.failing
}
