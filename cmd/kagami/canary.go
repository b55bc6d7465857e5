package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"kagami/detectors/canary"
)

type canaryCmd struct {
	settings
	Target   string        `placeholder:"HOST[:PORT]" help:"Send HTTP and TLS to this machine (port 80 and 443 unless given), and DNS unless there is a resolver. Without target, resolver, proxy and unused: this machine's loopback."`
	Resolver string        `placeholder:"ADDR[:PORT]" help:"Send the DNS query there."`
	Proxy    string        `placeholder:"HOST:PORT" help:"Send HTTP and CONNECT through this proxy."`
	Unused   string        `placeholder:"NETWORK" help:"A private network of at most 256 addresses at which nobody is: up to 16 of them are tried."`
	Steps    []string      `placeholder:"STEP" help:"Only these of dns, http, connect, tls, scan, timer. Default: all that have a place to go to, but timer."`
	Beacon   bool          `help:"The step timer as well: a request every 20 s until the beacon is told, for 15 minutes at most."`
	Arrives  []string      `sep:"none" placeholder:"FILE" help:"Look for the alerts in what is appended to this file, over rotation ('-' is stdin, for what a command prints); repeatable. Default: where the configuration writes alerts."`
	SendOnly bool          `help:"Send, and look nowhere."`
	DryRun   bool          `help:"Say what would be sent, and send nothing."`
	Wait     time.Duration `default:"60s" placeholder:"TIME" help:"How long an alert may take, counted from the last thing sent (default 60s)."`
	Serve    string        `placeholder:"ADDR:PORT" help:"Instead: answer the requests of a canary elsewhere, until interrupted."`
}

const (
	canaryMissing = 2 // exit status: an alert did not arrive
	longestWait   = time.Hour
)

// Run sends labelled traffic and waits for the alerts that it must raise.
func (c *canaryCmd) Run(ctx context.Context) error {
	if c.Serve != "" {
		return c.serve(ctx, os.Stdout)
	}
	if c.Wait <= 0 || c.Wait > longestWait {
		return fmt.Errorf("--wait: got %v, want up to %v", c.Wait, longestWait)
	}
	var token [canary.RunDigits / 2]byte
	rand.Read(token[:]) // never fails
	plan, err := c.plan(ctx, hex.EncodeToString(token[:]))
	if err != nil {
		return err
	}
	defer plan.close()
	look, err := c.watch()
	if err != nil {
		return err
	}
	defer look.close()
	plan.print(os.Stdout, look.places)
	if c.DryRun {
		return nil
	}
	r := canaryRun{plan: plan, look: look, out: os.Stdout, wait: c.Wait}
	if err := r.run(ctx); err != nil {
		return err
	}
	return r.verdict(c.SendOnly)
}

// canaryRun is a run under way.
type canaryRun struct {
	plan *canaryPlan
	look *lookout
	out  io.Writer
	wait time.Duration
	mu   sync.Mutex // guards what is noted of the steps, and out
}

// run sends one step after the other. Which alerts arrive is noted meanwhile, and
// for a while after.
func (r *canaryRun) run(ctx context.Context) error {
	r.look.start(ctx, r.read)
	for i := range r.plan.steps {
		s := &r.plan.steps[i]
		r.begin(s)
		note, err := s.send(ctx, func() bool { return pause(ctx, s.pause) || r.arrived(s) })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.sent(s, note, err)
		if pause(ctx, time.Second) {
			return context.Cause(ctx)
		}
	}
	for end := time.Now().Add(r.wait); !r.look.blind() && r.awaits() && time.Now().Before(end); {
		if pause(ctx, lookEvery/2) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// pause waits; it tells whether the run was interrupted.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(d):
		return false
	}
}

func (r *canaryRun) begin(s *canaryStep) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.sent = time.Now()
	r.say(s, "sending")
}

func (r *canaryRun) sent(s *canaryStep, note string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		s.failed = err
		note = "NOT sent: " + printable(err.Error())
	}
	r.say(s, note)
}

// read looks for the alerts in a text that arrived.
func (r *canaryRun) read(t arrival) {
	text := plainText(t.text)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.plan.steps {
		s := &r.plan.steps[i]
		if s.arrived == 0 && !s.sent.IsZero() && s.want.in(text) {
			s.arrived = max(t.at.Sub(s.sent), 1)
			r.say(s, fmt.Sprintf("ALERT ARRIVED after %.1f s (%s)", s.arrived.Seconds(), t.place))
		}
	}
}

func (r *canaryRun) arrived(s *canaryStep) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.arrived > 0
}

// awaits tells whether an alert is still to come.
func (r *canaryRun) awaits() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.plan.steps, func(s canaryStep) bool { return s.failed == nil && s.arrived == 0 })
}

func (r *canaryRun) say(s *canaryStep, what string) {
	fmt.Fprintf(r.out, "%s  %-7s  %s\n", time.Now().Format("15:04:05"), s.name, what)
}

// verdict sums up, and says what to look at if something is missing.
func (r *canaryRun) verdict(sendOnly bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	arrived, sent := 0, 0
	for i := range r.plan.steps {
		s := &r.plan.steps[i]
		if s.failed == nil {
			sent++
		}
		if s.arrived > 0 {
			arrived++
		}
	}
	all := len(r.plan.steps)
	if sendOnly {
		fmt.Fprintf(r.out, "%d of %d steps sent; look for %s where alerts arrive\n", sent, all, r.plan.run)
	} else {
		fmt.Fprintf(r.out, "%d of %d alerts arrived\n", arrived, all)
	}
	switch {
	case arrived == all:
		r.plan.afterwards(r.out)
		return nil
	case sendOnly && sent == all:
		return nil
	}
	r.advise(arrived, sendOnly)
	return exitStatus(canaryMissing)
}

// advise says of what is missing what to check next.
func (r *canaryRun) advise(arrived int, sendOnly bool) {
	for i := range r.plan.steps {
		s := &r.plan.steps[i]
		switch {
		case s.failed != nil:
			fmt.Fprintf(r.out, "  %s: not sent\n", s.name)
		case s.arrived == 0 && arrived > 0:
			fmt.Fprintf(r.out, "  %s: no alert; %s\n", s.name, s.check)
		}
	}
	if arrived > 0 || sendOnly {
		return
	}
	fmt.Fprint(r.out, strings.Join([]string{
		"  No alert at all. Look in this order:",
		"  1. Does the sensor see this machine? On it: kagami doctor -i IFACE, and the record of the DNS query or request with " + r.plan.run + " in its own files.",
		"  2. Did it raise the alert? On it: kagami alerts --rule canary. If not: detect.canary.enable, a suppression, 60 such alerts in this hour (metrics: kagami_detector{detector=\"canary\"}).",
		"  3. Does the export carry alerts? Its records = [...] must name \"alert\" or nothing; the place may be away, or the queue hold older records (metrics: kagami_export_errors_total, kagami_export_oldest_seconds).",
		"  4. Does the SIEM drop or hold it? Look there for the number without any filter.",
		""}, "\n"))
}

// errNowhere is told before anything is sent.
var errNowhere = errors.New("nowhere to look for the alerts: name --arrives FILE (- is standard input), or send only (--send-only)")
