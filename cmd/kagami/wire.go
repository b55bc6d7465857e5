package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"kagami/bpf"
	"kagami/configs"
	"kagami/decoders"
	"kagami/detectors"
	"kagami/exporters"
	"kagami/records"
	"kagami/sensor"
	"kagami/site"
)

// pipeline is everything between a source and the places records go to.
type pipeline struct {
	config    configs.Config
	engine    *sensor.Engine
	exports   []exporters.Output
	keeping   *keeping // nil: packets are not kept
	summary   *summary
	log       *slog.Logger
	handed    int
	site      *site.Site // nil: records are not completed
	detectors *detectors.Set
	garbage   garbage
	learned   *learned      // nil: what the detectors learn ends with the program
	hush      *suppressions // nil: nothing is suppressed
	learning  atomic.Pointer[learning]
	heart     *heart                // nil: records are not accounted for
	batches   chan []records.Record // between the merger and the exports; nil with one worker
	written   chan struct{}         // closed when all batches are
}

// batchesAhead is how far the merger may run ahead of the exports, in batches.
const batchesAhead = 4

// countEvery is how many batches lie between two looks at the detectors' counters.
const countEvery = 64

// files are the exports of kagami read -o DIR: the command-line contract.
func files(dir string) []exporters.Config {
	var out []exporters.Config
	for _, f := range []struct {
		format, name string
		records      []string
	}{
		{"ecs", "records.jsonl", nil},
		{"ecs", "alerts.jsonl", []string{"alert"}},
		{"squid", "access.log", nil},
		{"squid-combined", "access-combined.log", nil},
		{"netscreen", "traffic.log", nil},
		{"bind", "queries.log", nil},
		{"postfix", "mail.log", nil},
	} {
		abs, _ := filepath.Abs(filepath.Join(dir, f.name))
		out = append(out, exporters.Config{Format: f.format, To: (&url.URL{Scheme: "file", Path: abs}).String(), Records: f.records})
	}
	return out
}

// newPipeline wires the whole program: source → workers → merger → detectors →
// exports, with packets copied to disk on the way. It is the picture in
// docs/DESIGN.md as code. live says whether to drop and count, or to block.
func newPipeline(c configs.Config, to []exporters.Config, live bool, progress func(sensor.SourceStats), log *slog.Logger) (*pipeline, error) {
	c.Sensor.Workers = c.Capture.Workers
	p := &pipeline{config: c, summary: newSummary(), log: log}
	p.limitMemory(to, live)

	networks, errs := sensor.NewNetworks(c.Network.Zones, c.Network.Outside)
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	if err := p.openExports(to, live); err != nil {
		return nil, err
	}
	output := p.write
	if live || c.Capture.Workers > 1 {
		output = p.hand
		p.batches, p.written = make(chan []records.Record, batchesAhead), make(chan struct{})
		go p.writeAll()
	}
	var store func(int) sensor.Store
	if c.Evidence.Enabled {
		c.Sensor.Cutoff = c.Evidence.CutoffKiB << 10
		var err error
		if p.keeping, err = newKeeping(c, live, log); err != nil {
			p.abandon()
			return nil, err
		}
		store = p.keeping.writer
	}
	if err := p.openDetectors(live); err != nil {
		p.abandon()
		return nil, err
	}
	p.engine = sensor.New(sensor.Options{
		Config:    c.Sensor,
		Networks:  networks,
		Protocols: decoders.All(c.Decode),
		Stage:     p.stage(networks),
		Detectors: []sensor.Detector{p.detectors},
		Output:    output,
		Store:     store,
		Progress:  progress,
	})
	return p, nil
}

// stage completes records; nil when the configuration wants none.
func (p *pipeline) stage(n *sensor.Networks) sensor.Stage {
	if !p.config.Site.Enable {
		return nil
	}
	p.site = site.New(p.config.Site, n)
	return p.site
}

func (p *pipeline) openExports(to []exporters.Config, live bool) error {
	env, err := p.exportEnv(live)
	if err != nil {
		return err
	}
	if live {
		for _, dir := range exporters.LeftQueues(p.config.Output.QueueDir, to) {
			p.log.Warn("lines wait in a queue that no export sends: give the export its old name, format and place back, or delete the directory", "directory", dir)
		}
	}
	for _, e := range to {
		x, err := p.openExport(e, env, live)
		if err != nil {
			p.close()
			return err
		}
		p.exports = append(p.exports, x)
	}
	return nil
}

// exportEnv is what exports need to know of the program; live, it opens the account.
func (p *pipeline) exportEnv(live bool) (exporters.Env, error) {
	c := p.config.Output
	loc, err := c.Location()
	if err != nil {
		return exporters.Env{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "kagami"
	}
	env := exporters.Env{Location: loc, HostName: host, Device: c.Device, Version: version, Logger: p.log}
	if !c.DirectTLS {
		env.DirectTLS = exporters.DirectTLSOmitted
	}
	if c.ProxyLegs {
		env.ProxyLegs = exporters.ProxyLegsShown
	}
	if !live {
		env.Files = exporters.TruncateFiles
		return env, nil
	}
	p.heart, err = newHeart(&p.config, host, &p.learning, p.log)
	return p.heart.name(env), err
}

// openExport opens one place; live, it gets a queue.
func (p *pipeline) openExport(e exporters.Config, env exporters.Env, live bool) (exporters.Output, error) {
	c := p.config.Output
	if live && e.Queue == exporters.QueueDisk {
		return exporters.OpenDurable(e, env, c.QueueDir)
	}
	x, err := exporters.Open(e, env)
	if err != nil || !live {
		return x, err
	}
	return exporters.NewQueue(x, exporters.Limits{Lines: c.QueueLines, Bytes: c.QueueBytes}, exporters.Drop), nil
}

// hand gives records to the goroutine that writes them, so that merging and
// formatting share the work of two processors.
func (p *pipeline) hand(rs []records.Record) {
	if p.handed++; p.handed%countEvery == 1 {
		p.countDetectors()
	}
	p.batches <- rs
}

// writeAll writes records, and in between, also when there are none, heartbeats:
// the first one at once, so that whoever reads knows that the sensor is up.
func (p *pipeline) writeAll() {
	defer close(p.written)
	p.heart.beat(p.exports, false)
	for {
		select {
		case rs, ok := <-p.batches:
			if !ok {
				p.heart.beat(p.exports, true)
				return
			}
			p.write(rs)
		case <-p.heart.due():
			p.heart.beat(p.exports, false)
		}
	}
}

// drain waits until everything that the engine has put out is written. Call it
// once, when the engine has ended.
func (p *pipeline) drain() {
	if p.batches != nil {
		close(p.batches)
		<-p.written
	}
}

// abandon ends a pipeline that was never run.
func (p *pipeline) abandon() error {
	p.drain()
	return p.close()
}

// write is the end of the pipeline: one goroutine calls it, with records in order.
func (p *pipeline) write(rs []records.Record) {
	if p.keeping != nil {
		rs = p.keeping.follow(rs)
	}
	for _, r := range rs {
		p.summary.observe(r)
	}
	for _, x := range p.exports {
		if err := x.Write(rs); err != nil {
			p.summary.failed(x.Name(), err)
		}
	}
}

// limitMemory turns the sum of the limits into the runtime's soft memory limit,
// so that garbage is collected before the box swaps, and says what the plan is.
func (p *pipeline) limitMemory(to []exporters.Config, live bool) {
	const fixed = 16 << 20 // code, stacks, batches, and what is in flight
	c := &p.config
	exports := int64(0)
	for _, e := range to {
		if live && e.Queue == exporters.QueueDisk {
			exports += exporters.SpoolMemory
		} else {
			exports += int64(c.Output.QueueBytes)
		}
	}
	heap := c.Sensor.Memory() + c.Site.Memory() + c.Decode.Memory() + c.Detect.Memory() + exports + fixed
	if c.Evidence.Enabled {
		heap += int64(c.Capture.Workers) * c.Evidence.MemoryBytes()
	}
	limit := heap
	if c.Output.MemoryMiB > 0 {
		limit = int64(c.Output.MemoryMiB) << 20
	}
	if most := memoryCap("/"); most > 0 && limit > most-most/8 { // the rest is code, the kernel's tables and its cache
		limit = most - most/8
		p.log.Warn("the control group has less memory than the plan: garbage is collected more often, and a flood may end the process; lower sensor.max_flows",
			"group_mib", most>>20, "heap_limit_mib", limit>>20)
	}
	debug.SetMemoryLimit(limit)
	p.garbage.start()
	level, rings := slog.LevelDebug, int64(0)
	if live {
		level, rings = slog.LevelInfo, c.Capture.MemoryBytes()
		if c.Capture.ShuntFlows > 0 {
			rings += bpf.MemoryBytes(c.Capture.ShuntFlows)
		}
	}
	p.log.Log(context.Background(), level, "memory plan", "flows_mib", c.Sensor.Memory()>>20, "files_mib", c.Decode.Memory()>>20,
		"site_mib", c.Site.Memory()>>20, "detectors_mib", c.Detect.Memory()>>20,
		"exports_mib", exports>>20, "kernel_mib", rings>>20, "sum_mib", (heap+rings)>>20, "heap_limit_mib", limit>>20)
}

// closeWait is how long each place may take to accept what is left.
const closeWait = 10 * time.Second

// close flushes every place, all at once: a dead one must not keep another from
// getting its lines.
func (p *pipeline) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	errs := make([]error, len(p.exports))
	var wg sync.WaitGroup
	for i, x := range p.exports {
		wg.Go(func() { errs[i] = x.Close(ctx) })
	}
	var kept []error
	if p.keeping != nil {
		kept = p.keeping.close()
	}
	wg.Wait()
	return errors.Join(append(append(errs, kept...), p.heart.close())...)
}

// countDetectors keeps the stage's and the detectors' counters for the metrics. The goroutine
// that runs the detectors calls it.
func (p *pipeline) countDetectors() {
	var all []detectorCount
	if p.site != nil {
		for _, n := range p.site.Counters() {
			all = append(all, detectorCount{"", n.Name, n.Value})
		}
	}
	p.garbage.adjust()
	for _, part := range p.detectors.Counters() {
		for _, n := range part.All {
			all = append(all, detectorCount{part.Part, n.Name, n.Value})
		}
	}
	p.learning.Store(&learning{p.detectors.Sight(), all})
}

// detectorCount is one counter of one detector, or of the site stage.
type detectorCount struct {
	detector string // "" = the stage's
	name     string // snake_case
	value    uint64
}
