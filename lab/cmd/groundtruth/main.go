// Command groundtruth reads labelled captures with kagami and says which of the
// labels were flagged, which were not and why that may be, and which captures
// without such a label raised alerts.
//
//	go run ./lab/cmd/groundtruth -kagami bin/kagami ~/captures ~/captures/GROUND_TRUTH.tsv
//
// The table of labels has the columns capture (path below the directory), kind
// ("beacon", "scan", "fan-out:vertical", "periodic", "driveby", "c2" ...; several
// joined by '+'), host (addresses joined by ", ") and detail.
//
// A label of one host is read a second time, more closely: with this host alone
// inside, rhythms of a minute, and what is only in view. What that finds of labels
// that were not flagged stands behind the reason.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

func main() {
	var s settings
	flag.StringVar(&s.program, "kagami", "bin/kagami", "the `program`")
	flag.StringVar(&s.config, "config", "", "its configuration `file`")
	flag.BoolVar(&s.labelled, "labelled", false, "read labelled captures only")
	flag.IntVar(&s.jobs, "jobs", runtime.NumCPU(), "captures read at once")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: groundtruth [flags] DIRECTORY LABELS.tsv")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, flag.Arg(0), flag.Arg(1), &s); err != nil {
		fmt.Fprintln(os.Stderr, "groundtruth:", err)
		os.Exit(1)
	}
}

type settings struct {
	program, config, temp string
	labelled              bool
	jobs                  int
}

func run(ctx context.Context, w io.Writer, dir, table string, s *settings) error {
	labels, err := readLabels(table)
	if err != nil {
		return err
	}
	paths, err := captures(dir, labels, s.labelled)
	if err != nil {
		return err
	}
	if s.temp, err = os.MkdirTemp("", "groundtruth-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(s.temp)
	got := readAll(ctx, s, dir, paths)
	for i := range labels {
		if l := &labels[i]; got[l.capture] != nil && ctx.Err() == nil {
			l.closer = s.closer(ctx, dir, l)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	report(w, labels, paths, got)
	return nil
}

// captures are the files to read, below dir, in order of their names.
func captures(dir string, labels []label, labelled bool) ([]string, error) {
	var paths []string
	if labelled {
		for _, l := range labels {
			paths = append(paths, l.capture)
		}
		slices.Sort(paths)
		return slices.Compact(paths), nil
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && isCapture(d.Name()) {
			name, _ := filepath.Rel(dir, path) // path is below dir
			paths = append(paths, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list captures: %w", err)
	}
	return paths, nil
}

func isCapture(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".zst")
	return slices.Contains([]string{".pcap", ".pcapng", ".cap"}, filepath.Ext(name))
}

// readAll reads the captures, several at once.
func readAll(ctx context.Context, s *settings, dir string, paths []string) map[string]*reading {
	results := make([]reading, len(paths))
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(s.jobs, 1) {
		wg.Go(func() {
			for i := range next {
				results[i] = s.read(ctx, filepath.Join(dir, paths[i]), i)
			}
		})
	}
	for i := range paths {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	out := make(map[string]*reading, len(paths))
	for i, p := range paths {
		out[p] = &results[i]
	}
	return out
}
