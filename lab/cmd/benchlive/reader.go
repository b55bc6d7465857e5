package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kagami/capture"
	"kagami/sensor"
)

// counts are what a reader says of itself.
type counts struct {
	Received uint64 `json:"received"` // dropped ones included
	Dropped  uint64 `json:"dropped"`
	Records  uint64 `json:"records"`
	Lost     uint64 `json:"lost"` // lines that exports dropped

	// Kagami's alone.
	Shunted uint64 `json:"-"` // packets counted and dropped by the kernel
	Flows   uint64 `json:"-"` // made
	Active  uint64 `json:"-"` // flows in the tables
	Evicted uint64 `json:"-"`
	Heap    uint64 `json:"-"` // octets of the Go heap in use
}

// reader is one program that takes frames from the interface.
type reader struct {
	name  string
	args  []string
	ready string // in what it prints when it captures
}

// running is a started reader.
type running struct {
	cmd    *exec.Cmd
	out    *bufio.Reader
	pid    int
	stderr bytes.Buffer
}

// metricsAt is inside the namespace, which nobody else is in.
const metricsAt = "127.0.0.1:9779"

// makeReaders lists the readers; the last one has everything on.
func makeReaders(o options, dir string) ([]reader, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	everything := filepath.Join(dir, "everything.toml")
	nothing := filepath.Join(dir, "flows.toml")
	shunting := filepath.Join(dir, "shunting.toml")
	shunted := fmt.Sprintf("[metrics]\nlisten = %q\n[capture]\nworkers = %d\n", metricsAt, o.workers)
	common := shunted + "shunt_flows = 0\n"
	// Without any export kagami would write its default files.
	alerts := fmt.Sprintf("[[export]]\nformat = \"ecs\"\nrecords = [\"alert\"]\nto = \"file://%s/alerts.log\"\n", dir)
	var exports strings.Builder
	for _, format := range []string{"ecs", "squid", "netscreen", "bind"} {
		fmt.Fprintf(&exports, "[[export]]\nformat = %q\nto = \"file://%s/%s.log\"\n", format, dir, format)
	}
	for path, text := range map[string]string{
		nothing:    common + "[sensor]\ndecode = false\n" + alerts,
		everything: common + exports.String(),
		shunting:   shunted + exports.String(),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write configuration: %w", err)
		}
	}
	kagami := func(config string) []string { return []string{o.kagami, "run", "-i", readerEnd, "-c", config} }
	return []reader{
		{name: "bare ring reader", args: []string{self, "read", "-rings", strconv.Itoa(o.workers)}, ready: "ready"},
		{name: "kagami, decoders off, no files", args: kagami(nothing), ready: "msg=capturing"},
		{name: "kagami, everything on, 4 files", args: kagami(everything), ready: "msg=capturing"},
		{name: "the same, with shunting", args: kagami(shunting), ready: "msg=capturing"},
	}, nil
}

// start runs a reader until it captures.
func (r reader) start() (*running, error) {
	p := &running{cmd: exec.Command(r.args[0], r.args[1:]...)}
	pipe, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL} // the thread that starts it is the main one
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", r.name, err)
	}
	p.pid, p.out = p.cmd.Process.Pid, bufio.NewReader(pipe)
	for {
		line, err := p.out.ReadString('\n')
		if strings.Contains(line, r.ready) {
			return p, nil
		}
		p.stderr.WriteString(line)
		if err != nil {
			p.cmd.Wait()
			return nil, fmt.Errorf("start %s: %s", r.name, p.stderr.String())
		}
	}
}

// stop ends a reader and returns what it said last.
func (p *running) stop() ([]byte, error) {
	p.cmd.Process.Signal(unix.SIGTERM)
	rest, err := io.ReadAll(p.out)
	if err := p.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("stop %v: %w: %s", p.cmd.Args, err, rest)
	}
	return rest, err
}

// counted asks kagami's metrics; the bare reader prints its counts at its end.
func (p *running) counted() (c counts, err error) {
	conn, err := net.Dial("tcp", metricsAt) // on this thread, so in this namespace
	if err != nil {
		return c, fmt.Errorf("read metrics: %w", err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /metrics HTTP/1.0\r\n\r\n")
	text, err := io.ReadAll(conn)
	into := map[string]*uint64{
		"kagami_capture_frames_total":                 &c.Received,
		"kagami_capture_dropped_total":                &c.Dropped,
		"kagami_records_total":                        &c.Records,
		"kagami_shunted_packets_total":                &c.Shunted,
		"kagami_flows_total":                          &c.Flows,
		"kagami_flows_active":                         &c.Active,
		`kagami_flows_ended_total{reason="eviction"}`: &c.Evicted,
		"go_memstats_heap_inuse_bytes":                &c.Heap,
	}
	for line := range strings.Lines(string(text)) {
		i := strings.LastIndexByte(line, ' ')
		if i < 0 {
			continue
		}
		name := line[:i]
		v, _ := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		if to := into[name]; to != nil {
			*to = uint64(v)
		} else if strings.HasPrefix(name, "kagami_export_lines_total{") && strings.Contains(name, `what="dropped"`) {
			c.Lost += uint64(v)
		}
	}
	return c, err
}

// readMain is the bare reader's process: it does what every reader of a ring
// must, lists the frames of each block, and no more.
func readMain(args []string) error {
	f := flag.NewFlagSet("read", flag.ContinueOnError)
	n := f.Int("rings", 1, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	config := capture.Default()
	config.Interface, config.Workers = readerEnd, *n
	rings, err := capture.OpenRings(config.Live(nil))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var wg sync.WaitGroup
	errs := make([]error, len(rings))
	octets := make([]uint64, len(rings))
	for i, r := range rings {
		wg.Go(func() { octets[i], errs[i] = count(ctx, r) })
	}
	wg.Wait()
	var c counts
	for _, r := range rings {
		s := r.Stats()
		c.Received += s.Received
		c.Dropped += s.Dropped
		errs = append(errs, r.Close())
	}
	return errors.Join(append(errs, json.NewEncoder(os.Stdout).Encode(c))...)
}

func count(ctx context.Context, r *capture.Ring) (octets uint64, err error) {
	var b sensor.Batch
	for ctx.Err() == nil {
		if err := r.Next(&b); err != nil {
			return octets, err
		}
		for i := range b.Frames {
			octets += uint64(b.Frames[i].WireLen)
		}
	}
	return octets, nil
}

// cpuTime is the user and system time of a process so far: the clock that
// clock_getcpuclockid(3) names.
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts); err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// peakMiB is the process's peak resident set so far, its rings included.
func peakMiB(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			kib, _ := strconv.ParseFloat(f[1], 64)
			return kib / 1024
		}
	}
	return 0
}
