package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"kagami/bpf/filter"
	"kagami/capture"
	"kagami/configs"
	"kagami/exporters"
	"kagami/packet"
	"kagami/sensor"
)

type readCmd struct {
	settings
	Out    string   `short:"o" placeholder:"DIR" help:"Write records.jsonl, alerts.jsonl, access.log, access-combined.log, traffic.log, queries.log, mail.log there. Without it, only the summary is printed."`
	Inside []string `placeholder:"NETWORK" help:"The capture's own networks, in place of the internal network.zones: the detectors judge machines inside only. For captures of others."`
	State  string   `placeholder:"FILE" help:"Go on with what the detectors learned in an earlier run, and save it there at the end."`
	Quiet  bool     `short:"q" help:"No summary and no progress bar."`
	Args   []string `arg:"" name:"file" help:"Capture files ('-' is stdin), then a tcpdump filter if wanted."`
}

// fileFlows is the least room for flows when reading files: memory is taken only
// for flows that are there, and a port scan of a whole host should not show as
// evictions.
const fileFlows = 1 << 18

// fileKept is the same for the octets that decoders keep.
const fileKept = 64 << 20

// Run reads capture files through the pipeline.
func (r *readCmd) Run(ctx context.Context) error {
	c, err := r.load("")
	if err != nil {
		return err
	}
	paths, expr, err := splitArgs(r.Args)
	if err != nil {
		return err
	}
	if expr == "" {
		expr = c.Capture.Filter
	}
	var to []exporters.Config
	if r.Config != "" {
		to = append(to, c.Export...)
	}
	if r.Out != "" {
		if err := os.MkdirAll(r.Out, 0o755); err != nil {
			return fmt.Errorf("make output directory: %w", err)
		}
		to = append(to, files(r.Out)...)
	}
	c.Detect.State = r.State // that of a live sensor is not a capture's
	if len(r.Inside) > 0 {
		c.Network.Zones = inside(c.Network.Zones, r.Inside)
	}
	c.Sensor.MaxFlows = max(c.Sensor.MaxFlows, fileFlows)
	c.Sensor.MaxKept = max(c.Sensor.MaxKept, fileKept)
	log := newLogger(c.Log, os.Stderr)
	src := capture.OpenFiles(paths, capture.FileOptions{Filter: fileFilter(expr), Frames: c.Capture.BatchFrames})
	bar := newProgress(os.Stderr, r.Quiet)
	p, err := newPipeline(c, to, false, bar.update, log)
	if err != nil {
		return err
	}
	readErr := p.engine.Read(ctx, src)
	p.drain()
	bar.finish()
	if n, first := src.Damage(); n > 0 {
		fmt.Fprintf(os.Stderr, "kagami: warning: %d damaged places were skipped; the first: %s\n", n, first)
	}
	closeErr := errors.Join(p.saveLearned(), p.close())
	if !r.Quiet && (readErr == nil || src.Stats().Received > 0) {
		p.report(os.Stdout, src, r.Out)
	}
	return verdict(readErr, closeErr, p.summary.err)
}

// inside are zones of which these networks are the internal ones.
func inside(zones []sensor.Zone, networks []string) []sensor.Zone {
	name := "Trust"
	if i := slices.IndexFunc(zones, func(z sensor.Zone) bool { return z.Internal }); i >= 0 {
		name = zones[i].Name
	}
	others := slices.DeleteFunc(slices.Clone(zones), func(z sensor.Zone) bool { return z.Internal })
	return append(others, sensor.Zone{Name: name, Internal: true, Networks: networks})
}

// verdict is the exit status: a torn last packet is a warning, unless nothing
// was read before it; all else fails.
func verdict(read error, others ...error) error {
	var errs []error
	for _, err := range configs.Problems(read) {
		var at *capture.RecordError
		if !capture.IsTorn(err) || errors.As(err, &at) && at.Offset == 0 {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(os.Stderr, "kagami: warning:", strings.TrimPrefix(err.Error(), "capture: ")+"; everything before it was read")
	}
	return errors.Join(append(errs, others...)...)
}

// splitArgs takes the capture files from the front; what is left is a filter.
func splitArgs(args []string) (paths []string, expr string, err error) {
	n := 0
	for ; n < len(args); n++ {
		if args[n] == "-" {
			continue
		}
		if _, err := os.Stat(args[n]); err != nil {
			break
		}
	}
	expr = strings.Join(args[n:], " ")
	if n == 0 {
		return nil, "", fmt.Errorf("read %q: no such file", args[0])
	}
	if _, err := filter.Compile(expr, uint16(packet.LinkEthernet)); err != nil {
		return nil, "", fmt.Errorf("%q is neither a file nor a filter: %w", args[n], err)
	}
	return args[:n], expr, nil
}

// fileFilter compiles the filter once for each link type that a file has.
func fileFilter(expr string) func(packet.LinkType) (capture.Matcher, error) {
	if expr == "" {
		return nil
	}
	return func(link packet.LinkType) (capture.Matcher, error) {
		p, err := filter.Compile(expr, uint16(link))
		if err != nil {
			return nil, err
		}
		m, err := filter.NewMatcher(p)
		return fileMatcher{m}, err
	}
}

// fileMatcher tells a filter the length on the wire, for len, less and greater.
type fileMatcher struct{ *filter.Matcher }

// Match implements capture.Matcher.
func (m fileMatcher) Match(frame []byte, wireLen uint32) bool {
	return m.MatchMeta(frame, filter.Meta{WireLen: wireLen})
}
