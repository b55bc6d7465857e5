package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"time"

	"kagami/configs"
	"kagami/exporters"
)

const (
	defaultConfig = "/etc/kagami/kagami.toml"
	defaultLogs   = "/var/log/kagami" // where the files of kagami read -o go when no [[export]] says otherwise
)

// errReload ends a pipeline because the configuration changed.
var errReload = errors.New("reload")

type runCmd struct {
	settings
	Iface  string   `short:"i" placeholder:"IFACE" help:"Interface on the mirror port; default from the configuration."`
	Filter []string `arg:"" optional:"" help:"tcpdump filter; default from the configuration."`
}

// Run captures until it is told to stop. SIGHUP reads the configuration again:
// when nothing changed, files are reopened (log rotation); when something did,
// the pipeline is flushed and started anew with it.
func (r *runCmd) Run(ctx context.Context) error {
	if err := checkFiles(); err != nil {
		return err
	}
	c, err := r.configure()
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	s := &service{hup: hup}
	defer s.kernel.close() // its sockets are closed by then: nothing is lost by an error
	if s.notify, err = newNotifier(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, s.notify.stopping)()
	for {
		log := newLogger(c.Log, os.Stderr)
		next, err := r.once(ctx, c, log, s)
		if !errors.Is(err, errReload) {
			return err
		}
		log.Info("configuration changed: starting anew")
		c = next
	}
}

// service is what outlives a pipeline.
type service struct {
	hup    <-chan os.Signal
	guard  guard
	kernel programs
	notify *notifier
}

// configure loads the configuration and lays the command line over it.
func (r *runCmd) configure() (configs.Config, error) {
	c, err := r.load(defaultConfig)
	if err != nil {
		return c, err
	}
	if r.Iface != "" {
		c.Capture.Interface = r.Iface
	}
	if len(r.Filter) > 0 {
		c.Capture.Filter = strings.Join(r.Filter, " ")
	}
	if c.Capture.Interface == "" {
		return c, errors.New("no interface: give one with -i, or set capture.interface in " + defaultConfig)
	}
	return c, nil
}

// once runs one pipeline until ctx ends, the capture fails, or a changed
// configuration, which it returns with errReload, takes its place.
func (r *runCmd) once(ctx context.Context, c configs.Config, log *slog.Logger, s *service) (configs.Config, error) {
	to := exportsOf(c)
	capture := c.Capture // c itself stays as it was read, for reload to compare
	if c.Evidence.Enabled && c.Evidence.CutoffKiB == 0 {
		capture.ShuntFlows = 0 // what is kept on disk must come up
	}
	port, err := openPort(capture, &s.kernel, log) // first, so that without the right to it nothing is left behind
	if err != nil {
		return c, err
	}
	if err := s.guard.enter(c, to, r.path(), log); err != nil {
		return c, errors.Join(err, port.close())
	}
	p, err := newPipeline(c, to, true, nil, log)
	if err != nil {
		return c, errors.Join(s.guard.hint(err), port.close())
	}
	stopMetrics, err := p.serveMetrics(port.joined)
	if err != nil {
		return c, errors.Join(err, port.close(), p.abandon())
	}
	p.heart.watch(port.joined)
	log.Info("capturing", "interface", c.Capture.Interface, "workers", len(port.joined), "filter", c.Capture.Filter, "exports", len(to))
	watchCtx, unwatch := context.WithCancel(ctx)
	defer unwatch()
	go port.watch(watchCtx, c.Capture.Interface, log)
	runCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := c
	go func() {
		for {
			select {
			case <-runCtx.Done():
				return
			case <-s.hup:
				if n, changed := r.reload(c, p, s, log); changed {
					next = n
					cancel(errReload)
					return
				}
			}
		}
	}()
	beating, beats := pulses(port.joined)
	go s.notify.watchdog(watchCtx, beats)
	s.notify.ready()
	err = p.engine.Live(runCtx, beating)
	p.drain()
	stopMetrics()
	left := errors.Join(port.close(), p.saveLearned(), p.close())
	p.report(os.Stdout, port, "")
	if errors.Is(context.Cause(runCtx), errReload) && err == nil {
		for _, e := range configs.Problems(left) {
			log.Error("closing for the reload", "err", e)
		}
		return next, errReload
	}
	return c, errors.Join(err, left)
}

// exportsOf are the exports of a configuration, or the files of kagami read -o.
func exportsOf(c configs.Config) []exporters.Config {
	if len(c.Export) == 0 {
		return files(defaultLogs)
	}
	return c.Export
}

// path is the configuration file, if there is one.
func (r *runCmd) path() string {
	if r.Config != "" {
		return r.Config
	}
	return defaultConfig
}

// reload answers SIGHUP. A configuration with mistakes, or for which rights were
// given up, changes nothing.
func (r *runCmd) reload(c configs.Config, p *pipeline, s *service, log *slog.Logger) (configs.Config, bool) {
	n, err := r.configure()
	if err == nil {
		err = s.guard.allows(n, exportsOf(n), r.path())
	}
	if err == nil && n.Detect.Suppressions != "" { // a list with a mistake must not end the sensor
		_, _, err = readSuppressions(n.Detect.Suppressions)
	}
	if err != nil {
		for _, e := range configs.Problems(err) {
			log.Error("reload refused, the old configuration stays", "err", e)
		}
		return c, false
	}
	if !reflect.DeepEqual(c, n) {
		return n, true
	}
	reopen(p.exports, log)
	if _, err := p.hush.reload(log); err != nil {
		for _, e := range configs.Problems(err) {
			log.Error("the old suppressions stay", "err", e)
		}
	}
	log.Info("files reopened, configuration unchanged")
	return c, false
}

// reopenWait is how long a SIGHUP waits for files to be opened again: a place that
// hangs must not keep the next SIGHUP from being heard.
const reopenWait = 5 * time.Second

// reopen opens the files of all exports again, all at once.
func reopen(to []exporters.Output, log *slog.Logger) {
	var all sync.WaitGroup
	for _, x := range to {
		all.Go(func() {
			if err := x.Reopen(); err != nil {
				log.Error("reopen export", "err", err)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(reopenWait):
		log.Warn("an export hangs: its file is opened again when it goes on")
	}
}
