// Command detectionreport plays generated worlds through Kagami's detectors and
// its peers and writes what came of it: docs/detection-report.md and its plots.
//
//	go run ./lab/cmd/detectionreport            # some minutes, seeds 6 to 8
//	go run ./lab/cmd/detectionreport -full      # seeds 6 to 15, as published
//	go run ./lab/cmd/detectionreport -quick     # seconds: whether it works
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"kagami/detectors"
	"kagami/lab/detection"
)

func main() {
	var s settings
	flag.BoolVar(&s.full, "full", false, "all held-out seeds, as published")
	flag.BoolVar(&s.quick, "quick", false, "one small site for a few days: whether it works")
	flag.StringVar(&s.seeds, "seeds", "", "other `seeds`, such as 1-5 (for tuning) or 6,9")
	flag.IntVar(&s.days, "days", 0, "other length of a world")
	flag.StringVar(&s.out, "o", "", "`file` to write, plots beside it; default docs/detection-report.md, with -quick none")
	flag.BoolVar(&s.fast, "no-cost", false, "without memory and CPU time, which vary")
	flag.IntVar(&s.workers, "workers", runtime.NumCPU(), "worlds played at once")
	flag.Parse()
	if err := run(&s, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "detectionreport:", err)
		os.Exit(1)
	}
}

type settings struct {
	full, quick, fast bool
	seeds, out        string
	days, workers     int
}

func (s *settings) plan() (detection.Plan, error) {
	p := detection.Reduced()
	switch {
	case s.full && s.quick:
		return p, errors.New("choose plan: -full and -quick exclude each other")
	case s.full:
		p = detection.Full()
	case s.quick:
		p = detection.Smoke()
	}
	if s.days > 0 {
		p.Days = s.days
	}
	if s.seeds != "" {
		var err error
		if p.Seeds, err = seeds(s.seeds); err != nil {
			return p, err
		}
	}
	return p, nil
}

// seeds reads "1-5", "6,9" or both.
func seeds(text string) ([]uint64, error) {
	var out []uint64
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(from, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read seeds %q: want numbers or ranges such as 6-15", text)
		}
		b := a
		if isRange {
			if b, err = strconv.ParseUint(to, 10, 32); err != nil || b < a || b-a > 1000 {
				return nil, fmt.Errorf("read seeds %q: %q is no range", text, part)
			}
		}
		for ; a <= b; a++ {
			out = append(out, a)
		}
	}
	return out, nil
}

func run(s *settings, w, progress io.Writer) error {
	plan, err := s.plan()
	if err != nil {
		return err
	}
	c := detectors.Default()
	var cost *detection.Cost
	if !s.fast {
		pairs, singletons, days := 100_000, 500_000, 2
		if s.quick {
			pairs, singletons, days = 5_000, 10_000, 1
		}
		fmt.Fprintf(progress, "measuring memory and CPU time\n")
		x := detection.Measure(c, pairs, singletons, days)
		cost = &x
	}
	jobs := plan.Jobs()
	n := 0
	out := detection.Run(jobs, c, max(s.workers, 1), func(o *detection.Outcome) {
		n++
		fmt.Fprintf(progress, "%d/%d %v\n", n, len(jobs), o)
	})
	r := detection.NewResults(plan, out)
	r.Summary(w, cost)
	to := s.out
	if to == "" && !s.quick {
		to = filepath.Join("docs", "detection-report.md")
	}
	if to == "" {
		return nil
	}
	return write(r, cost, to)
}

// write writes the report and its plots beside it.
func write(r *detection.Results, cost *detection.Cost, to string) error {
	prefix := strings.TrimSuffix(to, filepath.Ext(to))
	var b bytes.Buffer
	r.Write(&b, filepath.Base(prefix), cost)
	figures := r.Figures()
	if cost != nil {
		figures = append(figures, cost.Figure())
	}
	for _, f := range figures {
		if err := os.WriteFile(prefix+"-"+f.Name+".svg", []byte(f.SVG), 0o644); err != nil {
			return fmt.Errorf("write plot: %w", err)
		}
	}
	if err := os.WriteFile(to, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
