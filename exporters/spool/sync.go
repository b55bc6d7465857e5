package spool

import (
	"errors"
	"time"
)

// maxEnding bounds the segments that wait to be brought to the disk: when it takes
// less than it is given, writing waits for it.
const maxEnding = 32

// ending is the file of a segment that nothing is written to any more.
type ending struct {
	g    *segment
	f    file
	sync bool // before it is closed
}

// syncing is work that may take as long as the disk likes. It has a goroutine of
// its own, one at a time: what comes meanwhile is written on.
type syncing struct {
	ending  []ending
	open    [NumClasses]file // that are written to on; nil: not meant
	names   bool             // the directory, too
	reserve uint64           // numbers up to here are reserved in the state; 0: it is not meant
	renew   uint64           // what becomes of Spool.renew then

	failed [NumClasses]bool // of open
	syncs  int
	err    error
}

// do is run by the goroutine; it touches nothing else of the keeper.
func (w *syncing) do(fs disk, dir string, state file) {
	var errs []error
	sync := func(f file) error {
		w.syncs++
		err := f.Sync()
		errs = append(errs, err)
		return err
	}
	if w.reserve > 0 && sync(state) != nil { // first: numbers may run out
		w.reserve = 0
	}
	for _, e := range w.ending {
		if e.sync {
			sync(e.f)
		}
		errs = append(errs, e.f.Close())
	}
	for i, f := range w.open {
		w.failed[i] = f != nil && sync(f) != nil
	}
	if w.names {
		errs = append(errs, fs.syncDir(dir))
	}
	w.err = errors.Join(errs...)
}

// sync begins what is to be brought to the disk, unless that is under way already.
// What was written SyncEvery ago is due.
func (k *keeper) sync(now time.Time) {
	due := now.Sub(k.synced) >= k.s.c.SyncEvery
	if k.working != nil || !due && len(k.ending) == 0 && k.reserving == 0 {
		return
	}
	w := k.collect(due, now)
	k.working = make(chan *syncing, 1)
	go func(done chan<- *syncing) {
		w.do(k.fs, k.s.c.Dir, k.stateF)
		done <- w
		signal(k.s.wake)
	}(k.working)
}

// collect takes what is to be synced; all of it, if it is due.
func (k *keeper) collect(due bool, now time.Time) *syncing {
	w := &syncing{ending: k.ending, reserve: k.reserving, renew: k.renewAt}
	k.ending, k.reserving = nil, 0
	if due {
		k.synced = now
		for i, f := range k.files {
			if k.dirty[i] {
				k.dirty[i], w.open[i] = false, f
			}
		}
		w.names, k.named = k.named, false
	}
	return w
}

// synchronized takes the result of what was begun, if there is one; wait: it waits
// for it.
func (k *keeper) synchronized(now time.Time, wait bool) {
	if k.working == nil {
		return
	}
	var w *syncing
	if wait {
		w = <-k.working
	} else {
		select {
		case w = <-k.working:
		default:
			return
		}
	}
	k.working = nil
	k.finishSync(w, now)
}

func (k *keeper) finishSync(w *syncing, now time.Time) {
	s := k.s
	s.mu.Lock()
	s.stats.Syncs += uint64(w.syncs)
	if w.reserve > 0 {
		s.renew, s.firm = w.renew, w.reserve
	}
	s.mu.Unlock()
	for i, failed := range w.failed {
		if failed && k.files[i] == w.open[i] {
			k.endFile(uint8(i), false) // nobody knows what of it is on the disk
		}
	}
	k.check(w.err, now)
}

// syncAll brings everything to the disk, and waits.
func (k *keeper) syncAll() error {
	now := time.Now()
	k.synchronized(now, true)
	w := k.collect(true, now)
	w.do(k.fs, k.s.c.Dir, k.stateF)
	k.finishSync(w, now)
	return w.err
}

// endFile ends the writing to a class's segment. One that holds nothing is removed.
func (k *keeper) endFile(class uint8, sync bool) {
	g, f := k.segments[class], k.files[class]
	if g == nil {
		return
	}
	k.segments[class], k.files[class], k.dirty[class] = nil, nil, false
	k.ending = append(k.ending, ending{g, f, sync})
	k.s.mu.Lock()
	empty := g.lines == 0 && g.size == headerBytes
	k.s.mu.Unlock()
	if empty {
		k.remove(g)
	}
}

// forgo leaves out the sync of a segment that is deleted.
func (k *keeper) forgo(g *segment) {
	for i := range k.ending {
		if k.ending[i].g == g {
			k.ending[i].sync = false
		}
	}
}
