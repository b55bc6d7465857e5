package cases

import (
	"errors"
	"log/slog"
	"time"
)

// joins lets an alert of the same incident join a case that is not being copied
// yet. The window grows with it, to a limit.
func (w *work) joins(a *Alert, conf Config) bool {
	c := w.state()
	if c.Query != "" || len(c.Alerts) == 0 || a.At < c.From || a.At >= c.To || !c.Alerts[0].sameIncident(a) {
		return false
	}
	if c.State != Waiting {
		return true // it is in the window that is being copied
	}
	most := c.At + 4*int64(conf.after())
	err := w.change(func(c *Case) {
		c.join(a)
		c.To = max(c.To, min(a.At+int64(conf.after()), most))
	})
	if err == nil {
		err = w.hold()
	}
	if err != nil {
		w.env.Log.Warn("alert joined a case, but not on disk", "case", c.Name, "err", err)
	}
	return true
}

// due tells whether there is something to be copied.
func (w *work) due(c *Case, now int64) bool {
	if now < w.retry.Load() {
		return false
	}
	return c.over(now) || w.ending.Load() || !c.Early || c.NoLinks && now-max(c.Copied, c.From) >= copyEvery
}

// copy is the goroutine that may be slow.
func (k *Keeper) copy() {
	idle()
	for w := range k.ready {
		k.step(w)
	}
	for _, w := range k.works { // the holding goroutine has ended: they are nobody's
		w.leave()
	}
}

// step copies what is due of one case.
func (k *Keeper) step(w *work) {
	defer func() {
		w.busy.Store(false)
		select {
		case k.wake <- struct{}{}: // something may have become due meanwhile
		default:
		}
	}()
	if w.finished.Load() || k.ctx.Err() != nil {
		return
	}
	now := k.now.Load()
	c := w.state()
	var err error
	switch {
	case c.over(now) || w.ending.Load():
		if err = w.finish(k.ctx); err == nil {
			w.finished.Store(true)
			k.sealed(w, now)
		}
	default:
		if err = w.early(k.ctx); err == nil && c.NoLinks {
			// What is in the sensor's memory is on disk two seconds later.
			err = w.window(k.ctx, max(now-int64(2*time.Second), 1))
		}
	}
	if err != nil && k.ctx.Err() == nil {
		k.failed(w, now, err)
	}
}

// failed counts a try. After many the case keeps less, at last only its manifest.
func (k *Keeper) failed(w *work, now int64, err error) {
	k.count(func(s *Stats) { s.Failed++ })
	k.env.Log.Warn("copying packets failed", "case", w.c.Name, "err", err)
	w.retry.Store(now + retryEvery)
	giveUp := false
	saveErr := w.change(func(c *Case) {
		c.Tries++
		c.LastError = cut(err.Error(), maxText)
		if giveUp = c.Tries > maxTries; giveUp {
			c.State, c.Why = Incomplete, "given up: "+c.LastError
		}
	})
	if !giveUp {
		return
	}
	// Not even the manifest could be written: the segments must not stay for ever.
	w.finished.Store(true)
	k.env.Log.Error("case is given up", "case", w.c.Name, "err", errors.Join(err, saveErr, k.env.unhold(w.c.Name)))
	k.count(func(s *Stats) { s.Incomplete++ })
	w.leave()
}

// sealed counts a finished case, and raises the alert about the quota.
func (k *Keeper) sealed(w *work, now int64) {
	c := w.state()
	w.leave()
	k.env.Log.Info("case is sealed", "case", c.Name, slog.String("state", string(c.State)), "packets", c.Packets, "bytes", c.Bytes, "why", c.Why)
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.State == Complete {
		k.stats.Complete++
	} else {
		k.stats.Incomplete++
	}
	if c.Scope == ScopeAll || !c.Full {
		return
	}
	k.stats.Quota++
	i := 0
	if c.Scope == ScopeNothing {
		i = 1
	}
	if k.told[i] == 0 || now-k.told[i] >= quotaEvery {
		k.told[i] = max(now, 1)
		k.out = append(k.out, quotaAlert(&c, k.env.Quota, now))
	}
}
