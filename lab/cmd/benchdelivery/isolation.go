package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"kagami/exporters"
	"kagami/records"
)

// neighbour is an export beside the one that is looked at.
type neighbour struct {
	name     string
	receiver string // "" = nobody listens
	queue    queue  // "" = there is no neighbour
}

func neighbours() []neighbour {
	return []neighbour{
		{"none", "", ""},
		{"a second place that works", "tcp", inMemory},
		{"nobody there", "", inMemory},
		{"nobody there", "", onDisk},
		{"takes connections, never reads", "hang", inMemory},
		{"takes connections, never reads", "hang", onDisk},
	}
}

// isolated is what reading the capture took beside a neighbour.
type isolated struct {
	cpu, wall float64 // seconds
	longest   float64 // write of a batch to all exports, milliseconds
	lost      uint64  // lines of the export that is looked at
}

// passes is how often the capture is read in a run: three times for the usual lines.
func (b *bench) passes() int { return max(1, b.lines/5000) }

// isolation prints what a dead place costs the reading and another place. Exports
// are as a live sensor has them: nobody waits for any.
func (b *bench) isolation() error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	all := neighbours()
	got := make([][]isolated, len(all))
	for range b.runs {
		for i, n := range all {
			v, err := b.beside(n)
			if err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
			got[i] = append(got[i], v)
		}
	}
	fmt.Fprintf(b.out, "\nReading the capture %d times, on two processors, with an export to a file, queue = \"disk\", beside another export (ECS over syslog/TCP)\n", b.passes())
	const row = "%-32s %8s %8s %9s %8s %18s %22s\n"
	fmt.Fprintf(b.out, row, "the other", "queue", "CPU s", ": working", "wall s", "longest write, ms", "lines lost of the file")
	working := 0.0
	for i, n := range all {
		of := func(f func(isolated) float64) float64 {
			var v []float64
			for _, x := range got[i] {
				v = append(v, f(x))
			}
			return median(v)
		}
		lost := uint64(0) // of all runs
		for _, x := range got[i] {
			lost += x.lost
		}
		cpu := of(func(x isolated) float64 { return x.cpu })
		if n.receiver == "tcp" {
			working = cpu
		}
		ratio := ""
		if working > 0 {
			ratio = fmt.Sprintf("%.2f", cpu/working)
		}
		fmt.Fprintf(b.out, row, n.name, n.queue, fmt.Sprintf("%.2f", cpu), ratio, fmt.Sprintf("%.2f", of(func(x isolated) float64 { return x.wall })),
			fmt.Sprintf("%.1f", of(func(x isolated) float64 { return x.longest })), fmt.Sprint(lost))
	}
	return nil
}

// beside reads the capture with an export to a file and n.
func (b *bench) beside(n neighbour) (got isolated, err error) {
	dir, err := own(b.dir)
	if err != nil {
		return got, err
	}
	defer os.RemoveAll(dir)
	file, err := openOutlet(exporters.Config{Format: "ecs", To: "file://" + filepath.Join(dir, fileName)}, way{onDisk, false}, dir, exporters.Drop)
	if err != nil {
		return got, err
	}
	to := []*outlet{file}
	if n.queue != "" {
		end, port, err := b.neighbour(n)
		defer end.stop()
		if err != nil {
			return got, err
		}
		o, err := openOutlet(exporters.Config{Format: "ecs", To: fmt.Sprintf("syslog+tcp://%s:%d", loopback, port)}, way{n.queue, false}, filepath.Join(dir, "other"), exporters.Drop)
		if err != nil {
			return got, err
		}
		to = append(to, o)
	}
	runtime.GC()
	cpu, began := cpuTime(), time.Now()
	var failed error // a queue that drops does not
	for range b.passes() {
		err := read(b.capture, func(rs []records.Record) {
			took, err := writeAll(to, rs)
			got.longest, failed = max(got.longest, took), errors.Join(failed, err)
		})
		if err := errors.Join(err, failed); err != nil {
			return got, err
		}
	}
	got.cpu, got.wall = (cpuTime() - cpu).Seconds(), time.Since(began).Seconds()
	err = file.drain()
	got.lost = file.Stats().Made - file.Stats().Sent
	err = errors.Join(err, file.close(time.Second))
	if len(to) > 1 {
		to[1].close(50 * time.Millisecond) // it cannot deliver, and says so
	}
	return got, err
}

func (b *bench) neighbour(n neighbour) (*farEnd, int, error) {
	if n.receiver == "" {
		port, err := freePort()
		return nil, port, err
	}
	end, err := b.startFarEnd(n.receiver, 0)
	if err != nil {
		return nil, 0, err
	}
	return end, end.port, nil
}

// writeAll hands records to all exports and returns how long that took, in
// milliseconds.
func writeAll(to []*outlet, rs []records.Record) (float64, error) {
	var errs []error
	began := time.Now()
	for _, o := range to {
		errs = append(errs, o.Write(rs))
	}
	return float64(time.Since(began)) / float64(time.Millisecond), errors.Join(errs...)
}
