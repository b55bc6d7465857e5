// Command benchlive measures kagami run against a bare ring reader, live, on a
// veth pair in a network namespace of its own, which ends with it. It needs root.
//
//	go run ./lab/cmd/benchlive -kagami bin/kagami
//
// A sender, a process of its own, puts frames on one end as fast as it can, or
// at a rate; a reader takes them from the other end. What the sender does at
// each frame includes the kernel's part of receiving it: veth hands frames over
// within the send call. So there are two figures for a reader: the CPU time of
// its process, and "with kernel": that plus what the sender's process takes more
// than with no reader at all. Both are of the scheduler's clock, in nanoseconds,
// and start when the reader is ready.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The ends of the veth pair.
const (
	senderEnd = "kb1"
	readerEnd = "kb0"
)

// options are what the user chose.
type options struct {
	kagami  string
	capture string
	rounds  int
	lasting time.Duration // of one measurement
	workers int
	traffic []string
	latency int
	bulk    float64 // frames a second
	crowd   time.Duration
	flood   float64 // frames a second
}

func main() {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "send":
		err = sendMain(os.Args[2:])
	case len(os.Args) > 1 && os.Args[1] == "read":
		err = readMain(os.Args[2:])
	default:
		err = bench(parse(), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchlive:", err)
		os.Exit(1)
	}
}

func parse() (o options) {
	flag.StringVar(&o.kagami, "kagami", "bin/kagami", "the `program`")
	flag.StringVar(&o.capture, "file", "testdata/office/in.pcap.zst", "capture `file` that is replayed in a loop")
	flag.IntVar(&o.rounds, "n", 3, "runs of each at the common rate")
	flag.DurationVar(&o.lasting, "for", 4*time.Second, "duration of one run")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "rings of every reader")
	traffic := flag.String("traffic", "60,700,replay", "`list` of frame sizes in octets without FCS, and replay")
	flag.IntVar(&o.latency, "latency", 7, "transactions whose records are waited for")
	flag.Float64Var(&o.bulk, "bulk", 100_000, "`frames` a second of a bulk TLS flow, with and without shunting; 0 leaves it out")
	flag.DurationVar(&o.crowd, "crowd", 80*time.Second, "duration of 100,000 flows at a time; 0 leaves it out")
	flag.Float64Var(&o.flood, "flood", 200_000, "`frames` a second of a SYN flood; 0 leaves it out")
	flag.Parse()
	o.traffic = strings.FieldsFunc(*traffic, func(r rune) bool { return r == ',' })
	return o
}

func bench(o options, w io.Writer) error {
	if err := enterNetwork(); err != nil {
		return err
	}
	kagami, err := filepath.Abs(o.kagami)
	if err != nil {
		return err
	}
	if _, err := os.Stat(kagami); err != nil {
		return fmt.Errorf("find kagami (build it with make, or name it with -kagami): %w", err)
	}
	o.kagami = kagami
	dir, err := os.MkdirTemp(filepath.Dir(kagami), "benchlive-") // a disk, where /tmp may be memory
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	readers, err := makeReaders(o, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d CPUs, %d rings each, runs of %v, %d by turns; CPU in ns a packet: median (min max)\n", runtime.NumCPU(), o.workers, o.lasting, o.rounds)
	for _, t := range o.traffic {
		if err := benchTraffic(o, t, readers, w); err != nil {
			return err
		}
	}
	everything, shunting := readers[len(readers)-2], readers[len(readers)-1]
	for _, f := range []func() error{
		func() error { return benchBulk(o, everything, shunting, w) },
		func() error { return benchCrowd(o, shunting, w) },
		func() error { return benchFlood(o, shunting, w) },
		func() error { return benchLatency(o, shunting, w) },
	} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// enterNetwork moves the main thread, from which all children start, into a new
// network namespace with a veth pair. The namespace is gone when the last
// process in it ends.
func enterNetwork() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make network namespace (run as root): %w", err)
	}
	for _, args := range []string{
		"link set lo up",
		"link add " + readerEnd + " type veth peer name " + senderEnd,
		"link set " + readerEnd + " addrgenmode none", // no IPv6 chatter
		"link set " + senderEnd + " addrgenmode none",
		"link set " + readerEnd + " up",
		"link set " + senderEnd + " up",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return errors.Join(fmt.Errorf("ip %s: %w: %s", args, err, out))
		}
	}
	return nil
}
