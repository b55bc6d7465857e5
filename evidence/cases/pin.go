package cases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kagami/evidence/query"
)

// Request is what is to be pinned: a query, or what an alert needs.
type Request struct {
	Case   string // name of the new case; "" = made of time and alert
	Reason string // for people

	// Query is in the language of evidence find; its times are the window, unless
	// From and To are set. It pins exactly what it matches.
	Query    string
	From, To int64 // ns, 0 = open; To is exclusive

	// Alert pins its flows, its source's traffic and the proxy's other leg, from
	// Before the alert's moment until After it. It is taken with no Query only.
	Alert         *Alert
	Before, After time.Duration
}

// newCase is the case that a request asks for.
func (e Env) newCase(r Request) (*Case, error) {
	c := &Case{Format: stateFormat, State: Waiting, Made: wallText(e.Now()), Who: e.who(), Reason: cut(r.Reason, maxText)}
	switch {
	case r.Query != "" && r.Alert != nil:
		return nil, errors.New("pin: a query and an alert at once")
	case r.Query != "":
		q, err := query.Parse(r.Query, query.Options{Now: e.Now()})
		if err != nil {
			return nil, fmt.Errorf("pin: %w", err)
		}
		if len(q.Cases()) > 0 {
			return nil, errors.New("pin: what is in a case is pinned already")
		}
		c.From, c.To = q.From, q.To
		if r.From != 0 {
			c.From = r.From
		}
		if r.To != 0 {
			c.To = r.To
		}
		if c.To == 0 {
			c.To = e.Now().UnixNano()
		}
		c.Query = q.String()
		c.Name = caseName(e.Now().UnixNano(), "pin")
	case r.Alert != nil:
		a := *r.Alert
		a.bound()
		c.join(&a)
		c.At, c.Host = a.At, a.Source
		c.From, c.To = max(a.At-int64(r.Before), 0), a.At+int64(r.After)
		c.Reason = cut(strings.TrimSpace(c.Reason+" alert "+a.ID), maxText)
		host := ""
		if a.Source.IsValid() {
			host = a.Source.WithZone("").String()
		}
		c.Name = caseName(a.At, a.Rule, host)
	default:
		return nil, errors.New("pin: neither a query nor an alert")
	}
	if c.From >= c.To {
		return nil, fmt.Errorf("pin: the window ends (%s) before it begins (%s)", timeText(c.To), timeText(c.From))
	}
	if r.Case != "" {
		c.Name = r.Case
	}
	if !validName(c.Name) {
		return nil, fmt.Errorf("pin: %q cannot name a case: want at most %d of a-z 0-9 . - _, beginning with a letter or digit", c.Name, maxName)
	}
	return c, nil
}

// join adds an alert to a case; beyond maxAlerts it is counted.
func (c *Case) join(a *Alert) {
	for i := range c.Alerts {
		if c.Alerts[i].ID != a.ID {
			continue
		}
		c.Alerts = append([]Alert(nil), c.Alerts...) // an update of one that is here
		c.Alerts[i] = *a
		return
	}
	if len(c.Alerts) >= maxAlerts {
		c.More++
		return
	}
	c.Alerts = append(c.Alerts[:len(c.Alerts):len(c.Alerts)], *a)
	if len(a.Line) > 0 {
		c.Lines = append(c.Lines[:len(c.Lines):len(c.Lines)], string(a.Line))
	}
}

// open makes a case: its name is taken, its segments are held, the journal knows.
func (e Env) open(c *Case, fixed bool) (*work, error) {
	if err := makeDirs(e.Cases); err != nil {
		return nil, fmt.Errorf("make directory of cases: %w", err)
	}
	if err := e.claim(c, fixed); err != nil {
		return nil, err
	}
	w, err := e.begin(c.Name)
	if err != nil {
		return nil, err
	}
	if err := w.start(); err != nil {
		w.leave()
		return nil, err
	}
	return w, nil
}

// start holds the segments and tells the journal; again after a crash.
func (w *work) start() error {
	if err := w.env.step("claimed"); err != nil {
		return err
	}
	if err := w.hold(); err != nil {
		return err
	}
	if err := w.env.step("held"); err != nil {
		return err
	}
	c := w.state()
	if c.Journal.Lines > 0 {
		return nil
	}
	e := Entry{Kind: "pin", Who: c.Who, Case: c.Name, Reason: c.Reason, Query: c.Query, From: timeText(c.From), To: timeText(c.To)}
	for i := range c.Alerts {
		e.Alerts = append(e.Alerts, c.Alerts[i].ID)
	}
	m, err := OpenJournal(w.env).append(e)
	if err != nil {
		return err
	}
	if err := w.env.step("told"); err != nil {
		return err
	}
	return w.change(func(c *Case) { c.Journal = m })
}

// claim gives the case a name that no other has and writes its first state. The
// directory of the work comes first: only one process can make it.
func (e Env) claim(c *Case, fixed bool) error {
	base := c.Name
	for n := 2; ; n++ {
		err := makeDir(e.partialPath(c.Name))
		if err == nil {
			for _, path := range []string{e.statePath(c.Name), filepath.Join(e.Cases, c.Name)} {
				if _, taken := os.Lstat(path); taken == nil {
					os.Remove(e.partialPath(c.Name))
					err = fs.ErrExist
				}
			}
		}
		switch {
		case err == nil:
			return e.save(c)
		case !errors.Is(err, fs.ErrExist):
			return fmt.Errorf("make case: %w", err)
		case fixed:
			return fmt.Errorf("make case: there is a case %q already", c.Name)
		case n > 1000:
			return fmt.Errorf("make case: no name is left for %q", base)
		}
		c.Name = fmt.Sprintf("%s-%d", base, n)
	}
}

// Pin makes a case and finishes it. If its window is not over it waits for that;
// when ctx ends meanwhile, the case stays waiting, and the sensor that records the
// store, or the next Resume, finishes it.
func Pin(ctx context.Context, env Env, r Request) (*Case, error) {
	env = env.complete()
	c, err := env.newCase(r)
	if err != nil {
		return nil, err
	}
	w, err := env.open(c, r.Case != "")
	if err != nil {
		return nil, err
	}
	defer w.leave()
	err = w.wait(ctx)
	if err == nil {
		err = w.finish(ctx)
	}
	s := w.state()
	if err != nil && ctx.Err() != nil {
		return &s, nil
	}
	return &s, err
}

// wait keeps holding segments until the window is over by the wall clock.
func (w *work) wait(ctx context.Context) error {
	for {
		c := w.state()
		now := w.env.Now().UnixNano()
		if c.over(now) {
			return w.hold()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(5*time.Second, time.Duration(c.To+int64(2*time.Second)-now))):
		}
		if err := w.hold(); err != nil {
			return err
		}
		if now = w.env.Now().UnixNano(); c.NoLinks && now-max(c.Copied, c.From) >= copyEvery {
			if err := w.window(ctx, now-int64(2*time.Second)); err != nil {
				return err
			}
		}
	}
}

// Resume finishes the cases that a process left half done and whose window is over
// at now. It returns the names of those that it finished.
func Resume(ctx context.Context, env Env, now time.Time) ([]string, error) {
	env = env.complete()
	list, err := List(env.Cases)
	if err != nil {
		return nil, err
	}
	var names []string
	var errs []error
	for i := range list {
		c := &list[i]
		if c.State != Waiting && c.State != Copying || !c.over(now.UnixNano()) {
			continue
		}
		w, err := env.begin(c.Name)
		if errors.Is(err, errBusy) || errors.Is(err, errDone) {
			continue
		}
		if err == nil {
			err = w.resume(ctx)
			w.leave()
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		names = append(names, c.Name)
	}
	return names, errors.Join(errs...)
}

// resume goes on with a case of another process.
func (w *work) resume(ctx context.Context) error {
	if err := w.again(); err != nil {
		return err
	}
	return w.finish(ctx)
}

// again brings a case that was left into order.
func (w *work) again() error {
	if c := w.state(); c.sealed {
		return nil
	}
	if err := w.tidy(); err != nil {
		return err
	}
	return w.start()
}
