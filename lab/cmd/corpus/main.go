// Command corpus reads every capture under a directory with kagami and prints
// what came of it: outcomes, the slowest, the biggest, and files whose output
// depends on the number of workers or the size of batches.
//
//	go run ./lab/cmd/corpus -kagami bin/kagami -dir ~/captures
//
// It exits with 1 when a run crashed, hung, took too much memory or gave other
// output than the first one.
package main

import (
	"cmp"
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
	"text/tabwriter"
	"time"
)

// variant is one way to read a file. All must write the same.
type variant struct{ workers, frames int }

func variants() []variant { return []variant{{1, 4096}, {1, 1}, {2, 100}, {3, 61}, {8, 7}} }

func main() {
	r := runner{}
	dir := flag.String("dir", "", "`directory` with captures: *.pcap, *.pcapng, *.cap, also .gz and .zst")
	list := flag.String("o", "", "write a row a file to this `file`, tab separated")
	rows := flag.Int("rows", 10, "rows in the lists of the slowest and biggest")
	jobs := flag.Int("jobs", runtime.NumCPU(), "files read at once")
	flag.StringVar(&r.program, "kagami", "bin/kagami", "the `program`")
	flag.DurationVar(&r.limit, "limit", 2*time.Minute, "longest time for one file")
	flag.Int64Var(&r.maxMiB, "max-rss", 512, "most memory for one file, `MiB`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := check(ctx, &r, *dir, *list, *rows, *jobs, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// check reads all captures and reports; good means that nothing is wrong.
func check(ctx context.Context, r *runner, dir, list string, rows, jobs int, w io.Writer) (good bool, err error) {
	if dir == "" {
		return false, fmt.Errorf("name a directory with -dir (make corpus DIR=...)")
	}
	paths, err := captures(dir)
	if err != nil {
		return false, err
	}
	if len(paths) == 0 {
		return false, fmt.Errorf("no *.pcap, *.pcapng or *.cap in %q", dir)
	}
	if r.temp, err = os.MkdirTemp("", "corpus-"); err != nil {
		return false, fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(r.temp)
	results := readAll(ctx, r, paths, max(jobs, 1))
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	for i := range results {
		results[i].path, _ = filepath.Rel(dir, results[i].path)
	}
	if list != "" {
		if err := writeList(list, results); err != nil {
			return false, err
		}
	}
	return report(w, results, rows), nil
}

// captures finds the files, in the order of their names.
func captures(dir string) (paths []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && isCapture(d.Name()) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list captures: %w", err)
	}
	return paths, nil
}

func isCapture(name string) bool {
	name = strings.ToLower(name)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return slices.Contains([]string{".pcap", ".pcapng", ".cap"}, filepath.Ext(name))
}

func readAll(ctx context.Context, r *runner, paths []string, jobs int) []result {
	results := make([]result, len(paths))
	next := make(chan int)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for i := range next {
				results[i] = r.file(ctx, paths[i], i)
			}
		})
	}
	for i := range paths {
		if i%100 == 99 {
			fmt.Fprintf(os.Stderr, "%d of %d files\n", i+1, len(paths))
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

func writeList(path string, results []result) error {
	var b strings.Builder
	fmt.Fprintln(&b, "file\toutcome\tseconds\tmib\tmessage")
	for _, r := range results {
		fmt.Fprintf(&b, "%s\t%s\t%.3f\t%d\t%q\n", r.path, r.outcome, r.slowest.Seconds(), r.rss>>20, r.message)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	return nil
}

// report prints the tables; false when a file has an outcome that none should have.
func report(out io.Writer, results []result, rows int) bool {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	count := make(map[outcome]int)
	for _, r := range results {
		count[r.outcome]++
	}
	good := true
	fmt.Fprintf(w, "%d captures, each read %d ways: %s\n\nfiles\toutcome\n", len(results), len(variants()), describe(variants()))
	for _, o := range outcomes() {
		fmt.Fprintf(w, "%d\t%s\n", count[o], o)
		good = good && (o.acceptable() || count[o] == 0)
	}
	for _, o := range outcomes() {
		if o == ok || count[o] == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", o)
		shown := 0
		for _, r := range results {
			if r.outcome == o && (shown < rows || !o.acceptable()) {
				shown++
				fmt.Fprintf(w, "\t%s\t%.200s\n", r.path, r.message)
			}
		}
		if more := count[o] - shown; more > 0 {
			fmt.Fprintf(w, "\tand %d more\n", more)
		}
	}
	top(w, "slowest", results, rows, func(a, b result) int { return cmp.Compare(b.slowest, a.slowest) })
	top(w, "biggest", results, rows, func(a, b result) int { return cmp.Compare(b.rss, a.rss) })
	return good
}

func top(w io.Writer, title string, results []result, rows int, order func(a, b result) int) {
	fmt.Fprintf(w, "\n%s\tseconds\tMiB\tcapture MiB\n", title)
	sorted := slices.SortedStableFunc(slices.Values(results), order)
	for _, r := range sorted[:min(rows, len(sorted))] {
		fmt.Fprintf(w, "  %s\t%.2f\t%d\t%.1f\n", r.path, r.slowest.Seconds(), r.rss>>20, float64(r.size)/(1<<20))
	}
}

func describe(vs []variant) string {
	var parts []string
	for _, v := range vs {
		parts = append(parts, fmt.Sprintf("%d workers with batches of %d", v.workers, v.frames))
	}
	return strings.Join(parts, ", ")
}
