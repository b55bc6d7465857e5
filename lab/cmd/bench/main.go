// Command bench measures kagami against tcpdump on one capture file, by turns,
// and prints a table of medians.
//
//	go run ./lab/cmd/bench -make out/bench.pcap       makes the file, once
//	go run ./lab/cmd/bench -file out/bench.pcap       measures
//
// CPU time is user and system time as the kernel counts them for the finished
// process; memory is its peak resident set.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// contender is one command that reads the file.
type contender struct {
	name string
	args []string // the program first
}

// sample is one run.
type sample struct {
	cpu, wall time.Duration
	rss       int64 // peak, octets
}

func main() {
	make := flag.String("make", "", "make a capture of some hundred thousand packets in this `file`, and stop")
	scenario := flag.String("scenario", "lab/scenarios/office.toml", "scenario `file` that -make repeats")
	days := flag.Int("days", 8, "days that -make makes of it")
	file := flag.String("file", "out/bench.pcap", "capture `file` to read")
	program := flag.String("kagami", "bin/kagami", "the `program`")
	runs := flag.Int("n", 7, "runs of each")
	flag.Parse()
	var err error
	if *make != "" {
		err = makeCapture(*scenario, *make, *days)
	} else {
		err = bench(*program, *file, *runs, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(program, file string, runs int, w io.Writer) error {
	st, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("find capture: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(program), "bench-") // a disk, where /tmp may be memory
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	cs := contenders(program, file, dir)
	fmt.Fprintf(w, "%s, %.1f MiB, %d runs by turns\n", file, float64(st.Size())/(1<<20), runs)
	samples, err := take(cs, runs)
	if err != nil {
		return err
	}
	report(w, cs, samples)
	return nil
}

// contenders are tcpdump, if there is one, and kagami in several ways.
func contenders(program, file, dir string) (cs []contender) {
	if path, err := exec.LookPath("tcpdump"); err == nil {
		args := []string{path, "-r", file, "-w", filepath.Join(dir, "copy.pcap")}
		if os.Geteuid() == 0 {
			args = append(args, "-Z", "root") // it would give up the right to write here
		}
		cs = append(cs, contender{"tcpdump -r FILE -w COPY", args})
	} else {
		fmt.Fprintln(os.Stderr, "bench: tcpdump is not installed: nothing to compare with")
	}
	read := func(name string, args ...string) {
		cs = append(cs, contender{name, append([]string{program, "read", "-q", file}, args...)})
	}
	out := filepath.Join(dir, "records")
	read("kagami, 1 worker, all files", "-o", out, "--set", "capture.workers=1")
	read("kagami, 2 workers, all files", "-o", out, "--set", "capture.workers=2")
	read("kagami, 1 worker, no files", "--set", "capture.workers=1")
	read("kagami, 1 worker, flows only", "-o", out, "--set", "capture.workers=1", "--set", "sensor.decode=false")
	read("kagami, 1 worker, flows only, no files", "--set", "capture.workers=1", "--set", "sensor.decode=false")
	return cs
}

// take runs all contenders by turns, after one round that does not count.
func take(cs []contender, runs int) ([][]sample, error) {
	samples := make([][]sample, len(cs))
	for round := range runs + 1 {
		for i, c := range cs {
			s, err := run(c)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				samples[i] = append(samples[i], s)
			}
		}
	}
	return samples, nil
}

func run(c contender) (sample, error) {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return sample{}, fmt.Errorf("run %s: %w: %s", c.name, err, out)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return sample{
		wall: time.Since(began),
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		rss:  int64(usage.Maxrss) << 10, // KiB on Linux
	}, nil
}

func report(w io.Writer, cs []contender, samples [][]sample) {
	const row = "%-40s %8s %8s %8s %8s %9s %7s\n"
	fmt.Fprintf(w, row, "", "CPU s", "", "", "wall s", "peak MiB", "CPU :")
	fmt.Fprintf(w, row, "", "median", "min", "max", "median", "max", "first")
	first := spread(samples[0], sample.cpuSeconds).median
	for i, c := range cs {
		cpu, wall := spread(samples[i], sample.cpuSeconds), spread(samples[i], sample.wallSeconds)
		fmt.Fprintf(w, row, c.name, seconds(cpu.median), seconds(cpu.min), seconds(cpu.max), seconds(wall.median),
			fmt.Sprintf("%.0f", spread(samples[i], sample.mib).max), fmt.Sprintf("%.2f", cpu.median/first))
	}
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

func (s sample) cpuSeconds() float64  { return s.cpu.Seconds() }
func (s sample) wallSeconds() float64 { return s.wall.Seconds() }
func (s sample) mib() float64         { return float64(s.rss) / (1 << 20) }

type stats struct{ min, median, max float64 }

func spread(ss []sample, of func(sample) float64) stats {
	var vs []float64
	for _, s := range ss {
		vs = append(vs, of(s))
	}
	slices.Sort(vs)
	n := len(vs)
	return stats{vs[0], (vs[(n-1)/2] + vs[n/2]) / 2, vs[n-1]}
}
