package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"kagami/detectors"
	"kagami/detectors/census"
	"kagami/detectors/incident"
)

// explainCmd shows what the detectors know, from the state that a sensor saves.
type explainCmd struct {
	settings
	State string `placeholder:"FILE" help:"The saved state; default: detect.state of the configuration."`
	Lang  string `default:"" enum:",en,ja" help:"en or ja; default: by LANG."`
	UTC   bool   `name:"utc" help:"Times are UTC; default: output.time_zone."`
	Src   string `arg:"" optional:"" name:"source" help:"A machine inside: its address."`
	Dst   string `arg:"" optional:"" name:"destination" help:"NAME, NAME:PORT, ADDRESS or ADDRESS:PORT."`
}

// Run prints what is learned of the network, of a machine, or why a destination
// of a machine is or is not an incident.
func (r *explainCmd) Run() error {
	c, err := r.load(defaultConfig)
	if err != nil {
		return err
	}
	if r.State == "" {
		r.State = c.Detect.State
	}
	b, err := readLearned(r.State)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no state in %q: a running sensor saves it every %v; for capture files: kagami read --state FILE", r.State, c.Detect.StateEvery)
	case err != nil:
		return err
	}
	set, at, problems, err := load(detectors.New(c.Detect, nil), b, nil)
	if err != nil {
		return fmt.Errorf("read %q: %w", r.State, err)
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, "kagami: warning:", p)
	}
	lang := language(r.Lang)
	loc, err := c.Output.Location()
	if err != nil {
		return err
	}
	if r.UTC {
		loc = time.UTC
	}
	say := func(t incident.Text) { fmt.Println(printable(local(t.In(lang), loc))) }
	say(incident.Say("State of %s, saved in %s", "%sの状態（%s）", incident.Clock(at), r.State))
	return r.explain(set, say)
}

func (r *explainCmd) explain(set *detectors.Set, say func(incident.Text)) error {
	if r.Src == "" {
		set.Overview(say)
		return nil
	}
	source, err := netip.ParseAddr(r.Src)
	if err != nil {
		return fmt.Errorf("source %q: want the address of a machine inside, such as 10.0.0.23", r.Src)
	}
	if r.Dst == "" {
		set.About(source, say)
		return nil
	}
	t, err := census.ParseTarget(r.Dst)
	if err != nil {
		return fmt.Errorf("destination %q: %w", r.Dst, err)
	}
	set.Explain(source, t, say)
	return nil
}
