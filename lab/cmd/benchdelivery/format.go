package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"kagami/exporters"
	"kagami/records"
)

const (
	wantFormat = 300_000
	wantECS    = 200_000
)

// formatCost is what a format's lines cost.
type formatCost struct{ rate, allocs float64 }

// formats prints what a line of each format costs, without a stamp and with one.
func (b *bench) formats() error {
	names := exporters.Formats()
	got := make([][2][]formatCost, len(names))
	for range b.runs {
		for i, name := range names {
			for k, account := range []bool{false, true} {
				c, err := b.format(name, account)
				if err != nil {
					return fmt.Errorf("format %s: %w", name, err)
				}
				got[i][k] = append(got[i][k], c)
			}
		}
	}
	const row = "%-16s %12s %12s %16s %12s   %s\n"
	fmt.Fprintf(b.out, "\nFormats: thousand lines a second of processor time, and allocations a line\n"+row, "", "", "allocations", "with a number", "allocations", "")
	for i, name := range names {
		plain, stamped := medians(got[i][0]), medians(got[i][1])
		want := float64(wantFormat)
		if name == "ecs" {
			want = wantECS
		}
		fmt.Fprintf(b.out, row, name, thousands(plain.rate), fmt.Sprintf("%.2f", plain.allocs), thousands(stamped.rate), fmt.Sprintf("%.2f", stamped.allocs),
			verdict(min(plain.rate, stamped.rate), want))
	}
	return nil
}

func medians(cs []formatCost) formatCost {
	of := func(f func(formatCost) float64) float64 {
		var v []float64
		for _, c := range cs {
			v = append(v, f(c))
		}
		return median(v)
	}
	return formatCost{of(func(c formatCost) float64 { return c.rate }), of(func(c formatCost) float64 { return c.allocs })}
}

// formatFor is the least processor time of a format's run.
func (b *bench) formatFor() time.Duration { return time.Duration(b.lines) * 10 * time.Microsecond }

// format formats records without a queue, for a file that is /dev/null.
func (b *bench) format(name string, account bool) (c formatCost, err error) {
	dir, err := own(b.dir)
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	end, to, err := b.nowhere(name, dir)
	defer end.stop()
	if err != nil {
		return c, err
	}
	o, err := openOutlet(exporters.Config{Format: name, To: to}, way{noQueue, account}, dir, exporters.Block)
	if err != nil {
		return c, err
	}
	all := b.all
	if name == "postfix" {
		all = b.mails
	}
	if err := o.Write(all); err != nil { // makes the scratch memory
		return c, err
	}
	runtime.GC()
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	made, began := o.Stats().Made, cpuTime()
	used := time.Duration(0)
	for used < b.formatFor() {
		if err := o.Write(all); err != nil {
			return c, err
		}
		used = cpuTime() - began
	}
	runtime.ReadMemStats(&m1)
	lines := float64(o.Stats().Made - made)
	return formatCost{lines / used.Seconds(), float64(m1.Mallocs-m0.Mallocs) / lines}, o.close(time.Second)
}

// nowhere is a place for a format's lines that costs nothing.
func (b *bench) nowhere(format, dir string) (*farEnd, string, error) {
	switch format {
	case "ipfix":
		end, err := b.startFarEnd("tcp", 0)
		if err != nil {
			return nil, "", err
		}
		return end, fmt.Sprintf("ipfix+tcp://%s:%d", loopback, end.port), nil
	case "zeek":
		to := "file://" + dir + "/zeek/"
		return nil, to, forget(to, dir+"/zeek", b.all)
	}
	return nil, "file://" + dir + "/records.log", os.Symlink(os.DevNull, filepath.Join(dir, "records.log"))
}

// forget makes a directory of logs, each of which is /dev/null.
func forget(to, dir string, all []records.Record) error {
	x, err := exporters.Open(exporters.Config{Format: "zeek", To: to}, exporters.Env{})
	if err != nil {
		return err
	}
	if err := errors.Join(x.Write(all), x.Close(context.Background())); err != nil {
		return err
	}
	logs, err := filepath.Glob(dir + "/*.log")
	if err != nil {
		return err
	}
	for _, l := range logs {
		if err := errors.Join(os.Remove(l), os.Symlink(os.DevNull, l)); err != nil {
			return err
		}
	}
	return nil
}
