package cases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kagami/records"
)

// Keeper pins the packets of alerts inside the sensor. Its methods never wait: two
// goroutines do the work, one that holds segments at once, one that copies when a
// case's window is over, at idle priority.
type Keeper struct {
	env   Env
	c     Config
	least records.Severity

	alerts  chan *Alert
	wake    chan struct{}
	quit    chan struct{}
	ready   chan *work // cases to be copied
	now     atomic.Int64
	stepped atomic.Int64 // the time from which the clock was set back, 0 = it was not
	ctx     context.Context
	stop    context.CancelCauseFunc
	closed  atomic.Bool
	done    sync.WaitGroup

	mu    sync.Mutex
	stats Stats
	out   []*records.Alert
	told  [2]int64 // when the alert about the quota was raised last, by scope

	// Of the holding goroutine alone.
	works   []*work
	day     int64 // of packet time
	today   int   // cases opened in it
	held    int64 // when holds were last renewed
	rescans int64 // when states were last looked for
}

// Stats are totals since the keeper began, except Waiting.
type Stats struct {
	Waiting    int    // cases under way now
	Opened     uint64 // cases made for alerts
	Joined     uint64 // alerts that joined a case under way
	Complete   uint64 // cases sealed whole
	Incomplete uint64 // cases sealed with less, or given up
	Failed     uint64 // tries to copy that failed
	Below      uint64 // alerts that the configuration does not pin
	LostQueue  uint64 // alerts not pinned: too many at once
	LostBusy   uint64 // alerts not pinned: pin.max_waiting cases under way
	LostDay    uint64 // alerts not pinned: pin.max_per_day
	LostError  uint64 // alerts not pinned: the disk failed
	Quota      uint64 // cases that kept less because of the quota
}

const (
	queueLength = 256
	holdEvery   = int64(5 * time.Second)   // of packet time
	scanEvery   = int64(60 * time.Second)  // of packet time
	quotaEvery  = int64(time.Hour)         // of packet time, between alerts about it
	copyEvery   = int64(60 * time.Second)  // of packet time, where nothing can be held
	clockStep   = int64(60 * time.Second)  // backwards
	retryEvery  = int64(120 * time.Second) // of packet time
	closeWithin = 8 * time.Second
	maxTries    = 8
)

// errClosed ends work that goes on at the next start.
var errClosed = errors.New("the sensor stops")

// NewKeeper begins to keep evidence, after it has put in order what an earlier
// process left. Cases that were under way go on.
func NewKeeper(env Env, c Config) (*Keeper, error) {
	env = env.complete()
	if c.Dir != "" {
		env.Cases = c.Dir
	}
	env.Quota = c.quota()
	if c.Wait { // a capture file's hours go by in a second, copying takes its time
		c.MaxWaiting = maxWaiting
	}
	least, ok := severity(c.Severity)
	if !ok {
		return nil, fmt.Errorf("pin.severity: got %q", c.Severity)
	}
	if err := makeDirs(env.Cases); err != nil {
		return nil, fmt.Errorf("make directory of cases: %w", err)
	}
	if _, err := OpenJournal(env).key(); err != nil { // a key that cannot be used is told of now
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := env.sweep(); err != nil {
		return nil, err
	}
	k := &Keeper{env: env, c: c, least: least, alerts: make(chan *Alert, queueLength), wake: make(chan struct{}, 1), quit: make(chan struct{}),
		ready: make(chan *work, maxWaiting+1)}
	k.ctx, k.stop = context.WithCancelCause(context.Background())
	k.adopt()
	k.done.Go(k.hold)
	k.done.Go(k.copy)
	return k, nil
}

// Alert offers an alert; it is pinned if the configuration says so.
func (k *Keeper) Alert(r *records.Alert) {
	if r.Rule == QuotaRule || k.closed.Load() {
		return
	}
	if !k.c.Enabled || r.Severity < k.least || len(k.c.Rules) > 0 && !slices.Contains(k.c.Rules, r.Rule) {
		k.count(func(s *Stats) { s.Below++ })
		return
	}
	a := FromRecord(r)
	if k.env.Line != nil {
		a.Line = slices.Clone(k.env.Line(r))
	}
	select {
	case k.alerts <- a:
	default:
		k.count(func(s *Stats) { s.LostQueue++ })
	}
}

// Advance tells the logical time, by which windows end.
func (k *Keeper) Advance(now int64) {
	before := k.now.Load()
	if now < before-clockStep {
		k.stepped.Store(before)
	} else if now-before < int64(time.Second) {
		return
	}
	k.now.Store(now)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Stats may be called from any goroutine.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

func (k *Keeper) count(do func(s *Stats)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	do(&k.stats)
}

// TakeAlerts returns the alerts that the keeper itself has raised since, for the
// pipeline to emit.
func (k *Keeper) TakeAlerts() []*records.Alert {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.out
	k.out = nil
	return out
}

// Close ends the work. Live, that takes 10 s at most: what is not copied by then
// stays held and goes on at the next start. From capture files (Config.Wait) all
// cases are finished first: there will be no more packets.
func (k *Keeper) Close() error {
	if k.closed.Swap(true) {
		return nil
	}
	close(k.quit)
	done := make(chan struct{})
	go func() {
		k.done.Wait()
		close(done)
	}()
	if k.c.Wait {
		<-done
		k.stop(errClosed)
		return nil
	}
	defer k.stop(errClosed)
	select {
	case <-done:
		return nil
	case <-time.After(k.env.closing):
	}
	k.stop(errClosed)
	select {
	case <-done:
		return nil
	case <-time.After(k.env.closing / 8):
		return errors.New("close cases: copying does not stop; it goes on at the next start")
	}
}

// hold is the goroutine that must never be late: it opens cases and holds segments.
func (k *Keeper) hold() {
	defer close(k.ready)
	for {
		select {
		case a := <-k.alerts:
			k.open(a)
		case <-k.wake:
			k.advance(k.now.Load())
		case <-k.quit:
			for len(k.alerts) > 0 {
				k.open(<-k.alerts)
			}
			k.last()
			return
		}
	}
}

// open makes a case for an alert, or lets it join one.
func (k *Keeper) open(a *Alert) {
	for _, w := range k.works {
		if w.joins(a, k.c) {
			k.count(func(s *Stats) { s.Joined++ })
			return
		}
	}
	if day := a.At / int64(24*time.Hour); day != k.day {
		k.day, k.today = day, 0
	}
	switch {
	case len(k.works) >= k.c.MaxWaiting:
		k.count(func(s *Stats) { s.LostBusy++ })
		k.env.Log.Warn("alert is not pinned: too many cases are under way", "alert", a.ID, "pin.max_waiting", k.c.MaxWaiting)
		return
	case k.today >= k.c.MaxPerDay:
		k.count(func(s *Stats) { s.LostDay++ })
		k.env.Log.Warn("alert is not pinned: too many cases today", "alert", a.ID, "pin.max_per_day", k.c.MaxPerDay)
		return
	}
	c, err := k.env.newCase(Request{Alert: a, Before: k.c.before(), After: k.c.after()})
	var w *work
	if err == nil {
		w, err = k.env.open(c, false)
	}
	if err != nil {
		k.count(func(s *Stats) { s.LostError++ })
		k.env.Log.Error("alert is not pinned", "alert", a.ID, "err", err)
		return
	}
	k.today++
	k.works = append(k.works, w)
	k.count(func(s *Stats) { s.Opened++; s.Waiting = len(k.works) })
	k.env.Log.Info("packets are pinned", "case", c.Name, "alert", a.ID, "from", timeText(c.From), "to", timeText(c.To))
}

// advance renews holds and passes on what is over.
func (k *Keeper) advance(now int64) {
	if before := k.stepped.Swap(0); before != 0 {
		k.clockSetBack(before)
	}
	if now-k.rescans >= scanEvery {
		k.rescans = now
		k.adopt()
	}
	renew := now-k.held >= holdEvery
	if renew {
		k.held = now
	}
	var rest []*work
	for _, w := range k.works {
		if w.finished.Load() {
			continue
		}
		rest = append(rest, w)
		c := w.state()
		if renew && !c.sealed {
			if err := w.hold(); err != nil {
				k.env.Log.Warn("segments are not held", "case", c.Name, "err", err)
			}
		}
		if w.due(&c, now) && !w.busy.Swap(true) {
			k.ready <- w // never full: a work is in it once
		}
	}
	k.works = rest
	k.count(func(s *Stats) { s.Waiting = len(k.works) })
}

// clockSetBack ends the windows of the old time: it does not come again.
func (k *Keeper) clockSetBack(before int64) {
	k.held, k.rescans = 0, 0
	for _, w := range k.works {
		w.retry.Store(0)
		w.ending.Store(true)
		if err := w.change(func(c *Case) {
			if c.State == Waiting && before < c.To {
				c.To = max(before+int64(time.Second), c.From+1)
				c.Said = appendOnce(c.Said, "the sensor's clock was set back while the window was open: it ends there")
			}
		}); err != nil {
			k.env.Log.Warn("state of a case is not on disk", "case", w.c.Name, "err", err)
		}
	}
}

// adopt takes over the cases that other processes left under way.
func (k *Keeper) adopt() {
	list, err := List(k.env.Cases)
	if err != nil {
		k.env.Log.Warn("cases cannot be listed", "err", err)
		return
	}
	for i := range list {
		c := &list[i]
		if c.State != Waiting && c.State != Copying || len(k.works) >= maxWaiting ||
			slices.ContainsFunc(k.works, func(w *work) bool { return w.c.Name == c.Name }) {
			continue
		}
		w, err := k.env.begin(c.Name)
		if errors.Is(err, errBusy) || errors.Is(err, errDone) {
			continue
		}
		if err == nil {
			if err = w.again(); err != nil {
				w.leave()
			}
		}
		if err != nil {
			k.env.Log.Warn("case cannot be resumed", "case", c.Name, "err", err)
			continue
		}
		k.env.Log.Info("case goes on", "case", c.Name, slog.String("state", string(c.State)))
		k.works = append(k.works, w)
	}
	k.count(func(s *Stats) { s.Waiting = len(k.works) })
}

// last is the end of the holding: cases whose window is over, and from files all,
// are still copied.
func (k *Keeper) last() {
	now := k.now.Load()
	for _, w := range k.works {
		c := w.state()
		if !c.sealed {
			if err := w.hold(); err != nil {
				k.env.Log.Warn("segments are not held", "case", c.Name, "err", err)
			}
		}
		if !w.finished.Load() && (k.c.Wait || c.over(now)) {
			w.ending.Store(k.c.Wait)
			k.ready <- w
		}
	}
}
