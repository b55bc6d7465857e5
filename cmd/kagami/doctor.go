package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"time"

	"golang.org/x/term"

	"kagami/capture"
	"kagami/capture/doctor"
	"kagami/configs"
	"kagami/sensor"
)

type doctorCmd struct {
	settings
	Iface string        `short:"i" placeholder:"IFACE" help:"Interface on the mirror port; default from the configuration."`
	For   time.Duration `default:"60s" placeholder:"TIME" help:"How long to watch an interface (default 60s)."`
	JSON  bool          `name:"json" help:"Findings and facts as one JSON object."`
	Args  []string      `arg:"" optional:"" name:"file" help:"Capture files to judge instead of an interface, then a tcpdump filter if wanted."`
}

// doctorEvery is how often the progress is told on a terminal.
const doctorEvery = 10 * time.Second

// exitStatus is an error that has been told already: only the status is left.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Run watches an interface for a while, or reads files, and says whether the
// mirror port is usable.
func (d *doctorCmd) Run(ctx context.Context) error {
	var r doctor.Report
	var err error
	if len(d.Args) > 0 {
		r, err = d.files(ctx)
	} else {
		r, err = d.live(ctx)
	}
	if err != nil {
		return err
	}
	if err := d.print(os.Stdout, &r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if s := r.ExitStatus(); s != doctor.ExitUsable {
		return exitStatus(s)
	}
	return nil
}

func (d *doctorCmd) print(w io.Writer, r *doctor.Report) error {
	if !d.JSON {
		return r.Print(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// files judges capture files. What this machine is like does not matter then.
func (d *doctorCmd) files(ctx context.Context) (r doctor.Report, err error) {
	if d.Iface != "" {
		return r, fmt.Errorf("both interface %q and capture files: give one or the other", d.Iface)
	}
	c, err := d.load("")
	if err != nil {
		return r, err
	}
	paths, expr, err := splitArgs(d.Args)
	if err != nil {
		return r, err
	}
	doc := doctor.New(doctor.Options{Internal: ownNetworks(&c)})
	c.Sensor.MaxFlows = max(c.Sensor.MaxFlows, fileFlows)
	bar := newProgress(os.Stderr, d.JSON)
	engine, err := observed(c, doc, bar.update)
	if err != nil {
		return r, err
	}
	src := capture.OpenFiles(paths, capture.FileOptions{Filter: fileFilter(expr), Frames: c.Capture.BatchFrames})
	err = verdict(engine.Read(ctx, src), src.Close())
	bar.finish()
	return doctor.Diagnose(doc.Facts(src.Stats(), nil)), err
}

// observed makes an engine that decodes nothing and shows everything to the
// doctor.
func observed(c configs.Config, doc *doctor.Doctor, progress func(sensor.SourceStats)) (*sensor.Engine, error) {
	networks, errs := sensor.NewNetworks(c.Network.Zones, c.Network.Outside)
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	c.Sensor.Workers, c.Sensor.Decode, c.Sensor.Dedup = c.Capture.Workers, false, true
	return sensor.New(sensor.Options{Config: c.Sensor, Networks: networks, Store: doc.Store, Output: doc.Observe, Progress: progress}), nil
}

// live watches the interface. It judges the port, not what capture.filter leaves
// of it.
func (d *doctorCmd) live(ctx context.Context) (r doctor.Report, err error) {
	c, err := (&runCmd{settings: d.settings, Iface: d.Iface}).configure()
	if err != nil {
		return r, err
	}
	c.Capture.Filter = ""
	log := newLogger(c.Log, os.Stderr)
	warnQueues(&c, log)
	doc := doctor.New(doctor.Options{Internal: ownNetworks(&c), Own: hardwareAddrs(c.Capture.Interface)})
	engine, err := observed(c, doc, nil)
	if err != nil {
		return r, err
	}
	c.Capture.ShuntFlows, c.Capture.OffloadOff = 0, false // every packet is looked at, and nothing changed
	var kernel programs
	defer kernel.close()
	port, err := openPort(c.Capture, &kernel, log)
	if err != nil {
		return r, err
	}
	before := readMachine(c.Capture.Interface, log)
	ctx, cancel := context.WithTimeout(ctx, d.For)
	defer cancel()
	go d.tell(ctx, port.joined)
	err = errors.Join(engine.Live(ctx, port.joined), port.close())
	machine := readMachine(c.Capture.Interface, log)
	if machine != nil && before != nil {
		m := machine.Since(*before)
		machine = &m
	}
	return doctor.Diagnose(doc.Facts(port.Stats(), machine)), err
}

// tell says on a terminal how it goes, until ctx ends.
func (d *doctorCmd) tell(ctx context.Context, srcs joined) {
	if d.JSON || !term.IsTerminal(int(os.Stderr.Fd())) {
		return
	}
	begun := time.Now()
	t := time.NewTicker(doctorEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			s := srcs.Stats()
			fmt.Fprintf(os.Stderr, "%v of %v: %s frames, %s dropped\n", now.Sub(begun).Round(time.Second), d.For, thousands(s.Received), thousands(s.Dropped))
		}
	}
}

// readMachine asks the machine about the interface. What it does not tell is
// logged, and left out of the judgement.
func readMachine(iface string, log *slog.Logger) *doctor.Machine {
	m, err := doctor.ReadMachine(iface)
	if err != nil {
		log.Warn("the machine's side is left out", "err", err)
		return nil
	}
	if m.Offloads, err = capture.Offloads(iface); err != nil {
		log.Warn("offloads are unknown", "err", err)
	}
	counters, err := capture.DriverCounters(iface)
	if err != nil {
		log.Warn("the driver's counters are unknown", "err", err)
	}
	for _, c := range counters {
		m.Driver = append(m.Driver, doctor.Counter(c))
	}
	return &m
}

// ownNetworks are the internal networks that the configuration names, nil when
// it leaves the default ones, of which no network uses all.
func ownNetworks(c *configs.Config) (out []netip.Prefix) {
	if reflect.DeepEqual(c.Network.Zones, sensor.DefaultZones()) {
		return nil
	}
	for _, z := range c.Network.Zones {
		for _, text := range z.Networks {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				a, err := netip.ParseAddr(text)
				if err != nil {
					continue // sensor.NewNetworks has refused it
				}
				p = netip.PrefixFrom(a, a.BitLen())
			}
			if z.Internal {
				out = append(out, p.Masked())
			}
		}
	}
	return out
}

// hardwareAddrs are the interface's own, none if it has none. The loopback
// interface's is all zeros and on every frame.
func hardwareAddrs(iface string) [][6]byte {
	dev, err := net.InterfaceByName(iface)
	if err != nil || len(dev.HardwareAddr) != 6 {
		return nil
	}
	if a := [6]byte(dev.HardwareAddr); a != [6]byte{} {
		return [][6]byte{a}
	}
	return nil
}
