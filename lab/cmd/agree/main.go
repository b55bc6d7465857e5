// Command agree compares what Kagami sees in captures with what other programs
// see in them: tshark, run here or its fields prepared, and results that others
// keep beside their captures: Zeek's logs, nDPI's and Arkime's results,
// Suricata's expected events and FoxIO's JA4.
//
//	go run ./lab/cmd/agree -kagami bin/kagami -dir ~/captures
//	go run ./lab/cmd/agree -dir ~/captures -tshark fields.tsv.gz -expected EXPECTED.tsv -v
//
// It prints tables of how many things agree. It judges nothing: other programs
// err too, so it exits with 0 whatever differs; differences are for a person to
// read (-v).
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// comparison is a whole run's input and its result.
type comparison struct {
	dir      string
	kagami   sensor
	tshark   string              // program, "" = it is not run
	prepared prepared            // tshark's items by capture
	expected map[string][]string // other programs' results by capture
	jobs     int

	mu     sync.Mutex
	tally  tally
	lines  []string // the differences
	failed []string // captures that could not be compared, and why
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "agree:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := comparison{tally: make(tally)}
	flags := flag.NewFlagSet("agree", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.dir, "dir", "", "`directory` with captures: *.pcap, *.pcapng, *.cap, also .gz and .zst")
	flags.StringVar(&c.kagami.program, "kagami", "bin/kagami", "the `program`")
	tshark := flags.String("tshark", "run", "\"run\" it, \"none\", or a `file` with its fields, tab separated, also .gz")
	expected := flags.String("expected", "", "`file` with a capture and a result to expect in each line, tab separated, relative to the file")
	verbose := flags.Bool("v", false, "print every difference")
	flags.IntVar(&c.jobs, "jobs", runtime.NumCPU(), "captures compared at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := c.inputs(*tshark, *expected, stderr); err != nil {
		return err
	}
	captures, err := c.captures()
	if err != nil {
		return err
	}
	if c.kagami.temp, err = os.MkdirTemp("", "agree-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(c.kagami.temp)
	c.all(ctx, captures, stderr)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if *verbose {
		slices.Sort(c.lines)
		if _, err := io.WriteString(stdout, strings.Join(c.lines, "")); err != nil {
			return err
		}
	}
	return c.tally.print(stdout, len(captures), c.failed)
}

// inputs finds the other programs' results.
func (c *comparison) inputs(tshark, expected string, stderr io.Writer) (err error) {
	switch tshark {
	case "none":
	case "run":
		if c.tshark, err = exec.LookPath("tshark"); err != nil {
			fmt.Fprintln(stderr, "agree: tshark is not installed: not compared with it (or give its fields with -tshark FILE)")
		}
	default:
		if c.prepared, err = readPrepared(tshark); err != nil {
			return err
		}
	}
	if expected != "" {
		c.expected, err = readExpected(expected)
		return err
	}
	return nil
}

// captures finds the captures, as paths relative to the directory, in order.
func (c *comparison) captures() ([]string, error) {
	if c.dir == "" {
		return nil, fmt.Errorf("name a directory with -dir (make agree DIR=...)")
	}
	var paths []string
	err := filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(c.dir, path)
		if err == nil && (isCapture(name) || c.expected[name] != nil || c.prepared.items[name] != nil) {
			paths = append(paths, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list captures: %w", err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no *.pcap, *.pcapng or *.cap in %q", c.dir)
	}
	return paths, nil
}

func isCapture(name string) bool {
	name = strings.ToLower(name)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return slices.Contains([]string{".pcap", ".pcapng", ".cap"}, filepath.Ext(name))
}

// all compares the captures, several at once.
func (c *comparison) all(ctx context.Context, captures []string, progress io.Writer) {
	next := make(chan string)
	var wg sync.WaitGroup
	for range max(c.jobs, 1) {
		wg.Go(func() {
			for capture := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := c.one(ctx, capture); err != nil {
					c.mu.Lock()
					c.failed = append(c.failed, fmt.Sprintf("%s: %v", capture, err))
					c.mu.Unlock()
				}
			}
		})
	}
	for i, capture := range captures {
		if i%100 == 99 {
			fmt.Fprintf(progress, "%d of %d captures\n", i+1, len(captures))
		}
		next <- capture
	}
	close(next)
	wg.Wait()
	slices.Sort(c.failed)
}

// one compares a capture with all that is expected of it.
func (c *comparison) one(ctx context.Context, capture string) error {
	path := filepath.Join(c.dir, capture)
	got, refusal, err := c.kagami.read(ctx, path)
	if err != nil {
		return err
	}
	var errs []string
	if refusal != "" {
		errs = append(errs, refusal)
	}
	var expectations []expectation
	switch {
	case c.prepared.items != nil:
		e := expectation{program: "tshark", items: c.prepared.items[capture]}
		if e.items != nil {
			e.complete = c.prepared.kinds
		}
		expectations = append(expectations, e)
	case c.tshark != "":
		items, err := runTshark(ctx, c.tshark, path)
		if err != nil {
			errs = append(errs, err.Error())
			break
		}
		expectations = append(expectations, expectation{program: "tshark", items: items, complete: tsharkKinds(tsharkFields())})
	}
	for _, file := range c.expected[capture] {
		some, err := readResult(file)
		if err != nil {
			errs = append(errs, err.Error())
		}
		expectations = append(expectations, some...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range expectations {
		c.lines = append(c.lines, c.tally.compare(capture, e, got)...)
	}
	if errs != nil {
		return fmt.Errorf("%s", strings.Join(errs, "; "))
	}
	return nil
}
