package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	xbpf "golang.org/x/net/bpf"

	"kagami/bpf"
	"kagami/bpf/filter"
	"kagami/capture"
	"kagami/packet"
	"kagami/sensor"
)

// port is the mirror port while it is captured: one ring a worker.
type port struct{ joined }

// openPort opens the interface. What the kernel or the user's rights do not
// offer is left out, and said.
func openPort(c capture.Config, kernel *programs, log *slog.Logger) (*port, error) {
	p := new(port)
	if c.OffloadOff {
		were, err := capture.TurnOffloadsOff(c.Interface)
		switch {
		case err != nil:
			log.Debug("offloads stay as they are", "interface", c.Interface, "err", err)
		case len(were) > 0:
			log.Info("offloads turned off", "interface", c.Interface, "were", were)
		}
	}
	o := c.Live(liveFilter(c.Filter))
	kernel.load(c, &o, log)
	rings, err := capture.OpenRings(o)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	for _, r := range rings {
		p.joined = append(p.joined, r)
	}
	on := rings[0].Programs()
	for _, err := range []error{on.Shunt, on.Fanout} {
		if err != nil && !errors.Is(err, capture.ErrNotAsked) {
			ebpfIsOff(err, log)
		}
	}
	log.Debug("programs in the kernel", "shunt", on.Shunt == nil, "fanout", on.Fanout == nil)
	return p, nil
}

func ebpfIsOff(err error, log *slog.Logger) {
	log.Warn("eBPF is off: more cost, and with several workers the directions of a tunnel's flows may part", "err", err)
}

// programs are what runs in the kernel behind the rings. They outlive a reload: the
// right to load them is given up before the first frame is read.
type programs struct {
	shunt  *bpf.Shunt
	flows  int // that shunt was made for
	fanout *bpf.Fanout
}

// load puts the programs that the options want and this machine allows into o.
func (k *programs) load(c capture.Config, o *capture.LiveOptions, log *slog.Logger) {
	if c.ShuntFlows > 0 {
		if err := k.openShunt(c.ShuntFlows); err != nil && k.shunt == nil {
			ebpfIsOff(err, log)
		} else if err != nil {
			log.Warn("the table of shunted flows keeps its size: a new one needs a restart", "flows", k.flows, "err", err)
		}
		if k.shunt != nil {
			o.Shunt = k.shunt
		}
	}
	if c.Workers > 1 {
		var err error
		if k.fanout == nil {
			k.fanout, err = bpf.OpenFanout()
		}
		if err != nil {
			ebpfIsOff(err, log)
		} else {
			o.Fanout = k.fanout
		}
	}
}

// openShunt makes the table of shunted flows, unless there is one of that size. The
// one before is closed only when there is another.
func (k *programs) openShunt(flows int) error {
	if k.shunt != nil && k.flows == flows {
		return nil
	}
	s, err := bpf.Open(bpf.Options{Flows: flows})
	if err != nil {
		return err
	}
	if k.shunt != nil {
		err = k.shunt.Close()
	}
	k.shunt, k.flows = s, flows
	return err
}

func (k *programs) close() error {
	var errs []error
	if k.shunt != nil {
		errs = append(errs, k.shunt.Close())
	}
	if k.fanout != nil {
		errs = append(errs, k.fanout.Close())
	}
	return errors.Join(errs...)
}

// liveFilter compiles the filter for the interface's link type.
func liveFilter(expr string) func(packet.LinkType) ([]xbpf.RawInstruction, error) {
	if expr == "" {
		return nil
	}
	return func(link packet.LinkType) ([]xbpf.RawInstruction, error) {
		prog, err := filter.CompileLive(expr, uint16(link))
		if err != nil {
			return nil, err
		}
		return prog.Raw()
	}
}

// close closes the rings.
func (p *port) close() error {
	var errs []error
	for _, s := range p.joined {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// watch says in the log when the interface goes down and comes back; the rings
// wait for it by themselves.
func (p *port) watch(ctx context.Context, name string, log *slog.Logger) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	down := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s := p.state(); s.Down != down {
			if down = s.Down; down {
				log.Warn("interface is down: waiting for it", "interface", name, "times", s.Flaps)
			} else {
				log.Info("interface is up again", "interface", name)
			}
		}
	}
}

// joined are several sources of one interface.
type joined []sensor.Source

// state is what the first ring says of the interface that all rings share.
func (j joined) state() (s capture.State) {
	if len(j) > 0 {
		if r, ok := j[0].(*capture.Ring); ok {
			s = r.State()
		}
	}
	return s
}

// Stats are the sums.
func (j joined) Stats() (t sensor.SourceStats) {
	for _, src := range j {
		s := src.Stats()
		t.Received += s.Received
		t.Dropped += s.Dropped
		t.Freezes += s.Freezes
	}
	return t
}
