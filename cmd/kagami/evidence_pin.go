package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kagami/configs"
	"kagami/evidence/cases"
)

type pinCmd struct {
	packets
	Case   string        `placeholder:"NAME" help:"Name of the case; default: made of time and alert."`
	Reason string        `placeholder:"TEXT" help:"Why, for those who read the case."`
	Before time.Duration `placeholder:"TIME" help:"Of an alert's host: how long before the alert (default: pin.before_s)."`
	After  time.Duration `placeholder:"TIME" help:"How long after it (default: pin.after_s)."`
	Query  []string      `arg:"" help:"A query as in find: exactly what it matches is pinned. 'alert ID' alone pins the alert's flows, its host's traffic around it and the proxy's other leg."`
}

// Run makes a case, and waits until its window is over.
func (p *pinCmd) Run(ctx context.Context) error {
	if len(p.Read) > 0 {
		return errors.New("pin takes packets out of a ring; copy those of a capture file with: kagami evidence get -r FILE -o COPY QUERY")
	}
	c, store, err := p.open()
	if err != nil {
		return err
	}
	r := cases.Request{Case: p.Case, Reason: p.Reason, Query: strings.Join(p.Query, " "),
		Before: time.Duration(c.Pin.BeforeS) * time.Second, After: time.Duration(c.Pin.AfterS) * time.Second}
	if p.Before > 0 {
		r.Before = p.Before
	}
	if p.After > 0 {
		r.After = p.After
	}
	if id, ok := alertAlone(r.Query); ok {
		note, err := store.Alert(ctx, id)
		if err != nil {
			return err
		}
		if note == nil {
			return fmt.Errorf("no alert %q in %q: it rotated away, or was raised elsewhere", id, c.Evidence.Dir)
		}
		r.Query, r.Alert = "", cases.FromNote(note)
	} else {
		q, err := p.parse(c, p.Query)
		if err != nil {
			return err
		}
		r.Query = q.String()
	}
	made, err := cases.Pin(ctx, p.custody(c), r)
	if err != nil {
		return err
	}
	fmt.Println(p.custody(c).Path(made.Name))
	caseLine(os.Stderr, made, p.zone(c))
	if made.State == cases.Waiting {
		fmt.Fprintln(os.Stderr, "kagami: its window is not over; the sensor, or the next pin, finishes it")
	}
	return nil
}

// alertAlone tells a query that is nothing but an alert.
func alertAlone(text string) (id string, ok bool) {
	words := strings.Fields(text)
	if len(words) == 2 && strings.EqualFold(words[0], "alert") {
		return words[1], true
	}
	return "", false
}

type pinsCmd struct{ packets }

// Run lists the cases.
func (p *pinsCmd) Run() error {
	c, err := p.load(defaultConfig)
	if err != nil {
		return err
	}
	if p.Dir != "" {
		c.Evidence.Dir = p.Dir
	}
	list, err := cases.List(casesDir(c))
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(os.Stderr, "no cases in", casesDir(c))
	}
	for i := range list {
		caseLine(os.Stdout, &list[i], p.zone(c))
	}
	return nil
}

// casesDir is where the cases are.
func casesDir(c configs.Config) string {
	if c.Pin.Dir != "" {
		return c.Pin.Dir
	}
	return filepath.Join(c.Evidence.Dir, "cases")
}

// caseLine prints what a case holds and what it lacks.
func caseLine(w *os.File, c *cases.Case, zone *time.Location) {
	fmt.Fprintf(w, "%s  %s  %s packets, %s", printable(c.Name), c.State, thousands(c.Packets), octets(uint64(c.Bytes)))
	if c.From > 0 {
		fmt.Fprintf(w, "  %s to %s", stamp(c.From, zone), stamp(c.To, zone))
	}
	if c.Reason != "" {
		fmt.Fprintf(w, "  %s", printable(c.Reason))
	}
	fmt.Fprintln(w)
	if c.Why != "" {
		fmt.Fprintf(w, "    incomplete: %s\n", printable(c.Why))
	}
	for _, l := range c.Lost {
		fmt.Fprintf(w, "    missing: %s, %s to %s %s\n", l.What, stamp(l.From, zone), stamp(l.To, zone), printable(l.Text))
	}
}

type releaseCmd struct {
	packets
	Keep   bool     `help:"Keep the case's files: only its place in the quota is given back."`
	Reason string   `required:"" placeholder:"TEXT" help:"Why; it stands in the journal."`
	Cases  []string `arg:"" name:"case" help:"Names of cases."`
}

// Run ends cases.
func (r *releaseCmd) Run() error {
	c, err := r.load(defaultConfig)
	if err != nil {
		return err
	}
	if r.Dir != "" {
		c.Evidence.Dir = r.Dir
	}
	release := cases.Release
	if r.Keep {
		release = cases.ReleaseKeep
	}
	var errs []error
	for _, name := range r.Cases {
		if err := release(r.custody(c), name, r.Reason); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Println("released", name)
	}
	return errors.Join(errs...)
}
