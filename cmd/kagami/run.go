package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/bpf"

	"kagami/bpf/filter"
	"kagami/capture"
	"kagami/configs"
	"kagami/exporters"
	"kagami/packet"
	"kagami/sensor"
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
	c, err := r.configure()
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	s := &service{hup: hup}
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
	srcs, err := openRings(c.Capture) // first, so that without the right to it nothing is left behind
	if err != nil {
		return c, err
	}
	if err := s.guard.enter(c, to, r.path(), log); err != nil {
		return c, errors.Join(err, closeAll(srcs))
	}
	p, err := newPipeline(c, to, true, nil, log)
	if err != nil {
		return c, errors.Join(s.guard.hint(err), closeAll(srcs))
	}
	stopMetrics, err := p.serveMetrics(srcs)
	if err != nil {
		return c, errors.Join(err, closeAll(srcs), p.close())
	}
	log.Info("capturing", "interface", c.Capture.Interface, "workers", len(srcs), "filter", c.Capture.Filter, "exports", len(to))
	watchCtx, unwatch := context.WithCancel(ctx)
	defer unwatch()
	go watchLink(watchCtx, c.Capture.Interface, srcs, log)
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
				}
			}
		}
	}()
	beating, beats := pulses(srcs)
	go s.notify.watchdog(watchCtx, beats)
	s.notify.ready()
	err = p.engine.Live(runCtx, beating)
	p.drain()
	stopMetrics()
	left := errors.Join(closeAll(srcs), p.close())
	p.report(os.Stdout, joined(srcs), "")
	if errors.Is(context.Cause(runCtx), errReload) && err == nil {
		for _, e := range configs.Problems(left) {
			log.Error("closing for the reload", "err", e)
		}
		return next, errReload
	}
	return c, errors.Join(err, left)
}

// watchLink says in the log when the interface goes down and comes back; the
// rings wait for it by themselves.
func watchLink(ctx context.Context, name string, srcs []sensor.Source, log *slog.Logger) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	down := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s := linkState(srcs); s.Down != down {
			if down = s.Down; down {
				log.Warn("interface is down: waiting for it", "interface", name, "times", s.Flaps)
			} else {
				log.Info("interface is up again", "interface", name)
			}
		}
	}
}

// linkState is what the first ring says of the interface that all rings share.
func linkState(srcs []sensor.Source) (s capture.State) {
	if len(srcs) > 0 {
		if r, ok := srcs[0].(*capture.Ring); ok {
			s = r.State()
		}
	}
	return s
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
	if err != nil {
		for _, e := range configs.Problems(err) {
			log.Error("reload refused, the old configuration stays", "err", e)
		}
		return c, false
	}
	if !reflect.DeepEqual(c, n) {
		return n, true
	}
	for _, x := range p.exports {
		if err := x.Reopen(); err != nil {
			log.Error("reopen export", "err", err)
		}
	}
	log.Info("files reopened, configuration unchanged")
	return c, false
}

// openRings opens one ring a worker on the interface.
func openRings(c capture.Config) ([]sensor.Source, error) {
	var code func(packet.LinkType) ([]bpf.RawInstruction, error)
	if c.Filter != "" {
		code = func(link packet.LinkType) ([]bpf.RawInstruction, error) {
			prog, err := filter.CompileLive(c.Filter, uint16(link))
			if err != nil {
				return nil, err
			}
			return prog.Raw()
		}
	}
	rings, err := capture.OpenRings(c.Live(code))
	if err != nil {
		return nil, err
	}
	srcs := make([]sensor.Source, len(rings))
	for i, r := range rings {
		srcs[i] = r
	}
	return srcs, nil
}

func closeAll(srcs []sensor.Source) error {
	var errs []error
	for _, s := range srcs {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// joined sums the statistics of several sources.
type joined []sensor.Source

func (j joined) Stats() (t sensor.SourceStats) {
	for _, src := range j {
		s := src.Stats()
		t.Received += s.Received
		t.Dropped += s.Dropped
		t.Freezes += s.Freezes
	}
	return t
}
