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

	state   state // as it is on the disk
	stateF  file
	stated  time.Time
	ahead   uint64 // numbers to reserve
	renewed time.Time

	marks   [marksAhead - 1]uint64 // the newest numbers at the last ticks, the oldest first
	failing error                  // of the last attempt to write
	retryAt time.Time
	told    bool // the log says that it fails
	toldAt  time.Time
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
	k.removeFinished()
	k.reserve(now)
	k.spill(now, due)
	if now.Sub(k.synced) >= k.s.c.SyncEvery {
		k.check(k.sync(now), now)
	}
	if now.Sub(k.stated) >= stateEvery {
		k.saveAcked(now)
	}
	k.relax()
}

// relax notes that there is room again.
func (k *keeper) relax() {
	s := k.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tight && k.failing == nil && 2*s.used <= s.chunks && s.disk <= s.c.MaxBytes/8*7 {
		s.tight = false
		s.log.Info("the queue on disk has room again", "disk_bytes", s.disk)
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
	k.s.mu.Unlock()
	if k.failing == nil && now.Sub(k.toldAt) >= tellEvery {
		k.told, k.toldAt = true, now
		k.s.log.Error("queue on disk: cannot write; lines wait in memory, and the lowest class is dropped first when that is full"+hint(err), "err", err)
	}
	k.failing, k.retryAt = err, now.Add(k.s.c.retryAfter)
	return false
}

func (k *keeper) works() {
	k.failing = nil
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
	if !need || k.failing != nil && now.Before(k.retryAt) {
		return
	}
	if now.Sub(k.renewed) < reserveSoon {
		k.ahead = min(2*k.ahead, reserveMost)
	} else {
		k.ahead = reserveLeast
	}
	k.renewed = now
	k.check(k.reserveNow(), now)
}

func (k *keeper) reserveNow() error {
	s := k.s
	next := k.current()
	next.reserved += k.ahead
	if err := k.save(next); err != nil {
		return err
	}
	if err := k.stateF.Sync(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renew = next.reserved - k.ahead/2
	s.stats.Syncs++
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

// sync brings everything that was written to the disk.
func (k *keeper) sync(now time.Time) error {
	k.synced = now
	var errs []error
	for i, f := range k.files {
		if k.dirty[i] {
			err := f.Sync()
			k.dirty[i] = false
			k.countSync()
			if errs = append(errs, err); err != nil {
				k.closeFile(uint8(i)) // nobody knows what of it is on the disk
			}
		}
	}
	if k.named {
		k.named = false
		errs = append(errs, k.fs.syncDir(k.s.c.Dir))
	}
	return errors.Join(errs...)
}

func (k *keeper) countSync() {
	k.s.mu.Lock()
	k.s.stats.Syncs++
	k.s.mu.Unlock()
}

// end writes all that waits.
func (k *keeper) end() {
	k.retryAt = time.Time{} // one last attempt
	k.removeFinished()
	k.spill(time.Now(), ^uint64(0))
	k.err = errors.Join(k.abandon(), k.sync(time.Now()))
	for i := range k.files {
		k.closeFile(uint8(i))
	}
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
