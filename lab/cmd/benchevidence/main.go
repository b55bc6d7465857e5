// Command benchevidence measures how long kagami takes to find packets in a big
// store, and prints a table.
//
//	go run ./lab/cmd/benchevidence -kagami bin/kagami -file day.pcap -gib 20 -dir /var/tmp/store
//
// The store is made once: a capture repeated to the size wanted (lab/cmd/repeat),
// read with everything on and evidence.enabled. Every measurement is a process of
// its own, from its start to the first packet or line that comes out of it. Cold
// means that the store's files were put out of the page cache before.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bench is one store and the program that reads it.
type bench struct {
	program, file, dir, keep string
	gib                      float64
	runs                     int
}

func main() {
	var b bench
	flag.StringVar(&b.program, "kagami", "bin/kagami", "the `program`")
	flag.StringVar(&b.file, "file", "out/bench.pcap", "capture `file` (pcap) to repeat")
	flag.StringVar(&b.dir, "dir", "out/store", "`directory` for the store; made if it is not there")
	flag.StringVar(&b.keep, "keep", "", "`address` of a host that is in every pass; default: the busiest")
	flag.Float64Var(&b.gib, "gib", 20, "size of the store, GiB")
	flag.IntVar(&b.runs, "n", 9, "runs of each query")
	flag.Parse()
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchevidence:", err)
		os.Exit(1)
	}
}

func (b *bench) run() error {
	if b.keep == "" {
		var err error
		if b.keep, err = busiest(b.program, b.file); err != nil {
			return err
		}
	}
	if _, err := os.Stat(b.store()); errors.Is(err, os.ErrNotExist) {
		if err := b.make(); err != nil {
			return err
		}
	}
	if err := b.sizes(); err != nil {
		return err
	}
	queries, err := b.queries()
	if err != nil {
		return err
	}
	fmt.Printf("\n%-34s %12s %12s %10s\n", "query, to the first result", "cold", "warm", "results")
	for _, q := range queries {
		if err := b.measure(q); err != nil {
			return err
		}
	}
	return b.scan()
}

func (b *bench) store() string { return filepath.Join(b.dir, "evidence") }

// make reads the repeated capture into the store.
func (b *bench) make() error {
	if err := os.MkdirAll(b.store(), 0o700); err != nil {
		return err
	}
	start := time.Now()
	repeat := exec.Command("go", "run", "./lab/cmd/repeat", "-file", b.file, "-gib", fmt.Sprint(b.gib), "-keep", b.keep)
	read := exec.Command(b.program, "read", "-q", "-o", filepath.Join(b.dir, "records"),
		"--set", "evidence.enabled=true", "--set", "pin.enabled=false", "--set", "evidence.dir="+b.store(), "--set", fmt.Sprintf("evidence.max_bytes=%d", int64(2*b.gib*(1<<30))), "-")
	repeat.Stderr, read.Stderr = os.Stderr, os.Stderr
	pipe, err := repeat.StdoutPipe()
	if err != nil {
		return err
	}
	read.Stdin = pipe
	if err := repeat.Start(); err != nil {
		return fmt.Errorf("start repeat: %w", err)
	}
	if err := errors.Join(read.Run(), repeat.Wait()); err != nil {
		os.RemoveAll(b.store())
		return fmt.Errorf("make store: %w", err)
	}
	fmt.Printf("store made in %s, records and alerts included\n", time.Since(start).Round(time.Second))
	return nil
}

// sizes says what the store is made of.
func (b *bench) sizes() error {
	sum, count := map[string]int64{}, map[string]int{}
	entries, err := os.ReadDir(b.store())
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		kind := filepath.Ext(e.Name())
		if strings.HasPrefix(e.Name(), "chapter-") {
			kind = "chapters"
		}
		sum[kind] += info.Size()
		count[kind]++
	}
	packets := sum[".pcapng"]
	for _, kind := range []string{".pcapng", ".idx", "chapters"} {
		fmt.Printf("%-9s %6d files %14d octets  %.3f %% of the packets'\n", kind, count[kind], sum[kind], 100*float64(sum[kind])/float64(max(packets, 1)))
	}
	return nil
}

// query is one thing to look for.
type query struct {
	name, text string
	get        bool // its packets; otherwise its flows
}

// queries picks what to look for out of the store itself: from its middle.
func (b *bench) queries() ([]query, error) {
	flows, from, to, err := b.flows()
	if err != nil {
		return nil, err
	}
	mid := flows[len(flows)/2]
	day := fmt.Sprintf("from %d to %d and ", to.Add(-24*time.Hour).Unix(), to.Unix())
	if from.After(to.Add(-24 * time.Hour)) {
		day = ""
	}
	qs := []query{
		{"flow id: its packets", "flow " + mid.community, true},
		{"flow id that is nowhere", "flow 1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", true},
		{"host of one pass: its flows", "host " + mid.client, false},
		{"host over 24 h: first flow", day + "host " + b.keep, false},
		{"host over 24 h: first packet", day + "host " + b.keep, true},
		{"net and port: first packet", "net " + mid.client + "/24 and port " + fmt.Sprint(mid.port), true},
	}
	if mid.name != "" {
		qs = append(qs, query{"name: its flows", "host " + mid.name, false})
	}
	if id := b.alert(); id != "" {
		qs = append(qs, query{"alert id: its packets", "alert " + id, true})
	}
	return qs, nil
}

// measure prints the medians of a query, cold and warm.
func (b *bench) measure(q query) error {
	verb := "find"
	if q.get {
		verb = "get"
	}
	var cold, warm []time.Duration
	results := 0
	for i := range b.runs {
		b.forget()
		for _, into := range []*[]time.Duration{&cold, &warm} {
			first, n, err := b.first(verb, q.text, i == 0 && into == &cold)
			if err != nil {
				return fmt.Errorf("%s: %w", q.text, err)
			}
			results = max(results, n)
			*into = append(*into, first)
		}
	}
	fmt.Printf("%-34s %9.1f ms %9.1f ms %10d\n", q.name, ms(median(cold)), ms(median(warm)), results)
	return nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
