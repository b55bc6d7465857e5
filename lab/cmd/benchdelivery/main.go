// Command benchdelivery measures what it costs to deliver records, and prints one
// table: lines a second of processor time by format and by place, memory behind a
// dead place, octets that a queue writes to the disk, and what a dead place costs
// the others.
//
//	go run ./lab/cmd/benchdelivery -dir out/delivery
//
// The records are those of the bundled office day, in their order, again and again.
// Processor time is this process's, kernel included (getrusage); the far ends are
// processes of their own on loopback and do not count. Runs go by turns, and the
// table has their medians, so that the machine's other work falls on all alike.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kagami/exporters"
	"kagami/records"
)

// bench is what is measured, and how much of it.
type bench struct {
	out      io.Writer
	dir      string // for everything that is written; removed at the end
	capture  string
	mail     string        // a capture with mail, of which the office day has none
	kafka    string        // a real broker's address; "" = kfake
	runs     int           // of each measurement
	lines    int           // of each run
	backlog  int           // lines behind a dead place, the largest
	everyone bool          // the largest backlog for every place
	slow     time.Duration // at 200 records a second
	only     string        // of the places; "" = all

	all, mails []records.Record
}

func main() {
	b := bench{out: os.Stdout}
	var part part
	flag.StringVar(&b.dir, "dir", "out/delivery", "`directory` on the disk to measure; a new one is made in it, and removed")
	flag.StringVar(&b.capture, "file", "testdata/office/in.pcap.zst", "capture `file` whose records are delivered")
	flag.StringVar(&b.mail, "mail", "testdata/smtp/in.pcap.zst", "capture `file` for the format of mail logs")
	flag.StringVar(&b.kafka, "kafka", "", "`host:port` of a Kafka broker with the topic kagami; default: a stand-in")
	flag.IntVar(&b.runs, "n", 3, "runs of each measurement")
	flag.IntVar(&b.lines, "lines", 16384, "lines of each run")
	flag.IntVar(&b.backlog, "backlog", 1_000_000, "lines behind a dead place; for all places but one 100,000 at most")
	flag.BoolVar(&b.everyone, "full", false, "the largest backlog for every place: minutes more, and its size on the disk")
	flag.DurationVar(&b.slow, "slow", time.Minute, "how long records come at 200 a second, while the rest is measured")
	flag.StringVar(&b.only, "only", "", "measure just the `places` whose names match this regular expression")
	part.flags()
	flag.Parse()
	run := b.run
	if part.given() {
		run = func() error { return part.run(&b) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchdelivery:", err)
		os.Exit(1)
	}
}

func (b *bench) run() (err error) {
	if err := os.MkdirAll(b.dir, 0o750); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(b.dir, "run-"); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, unix.SIGTERM)
	go func() { <-stop; os.RemoveAll(b.dir); os.Exit(1) }()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if err := b.load(); err != nil {
		return err
	}
	if err := makeCertificate(b.dir); err != nil {
		return err
	}
	slow, err := b.startSlow()
	if err != nil {
		return err
	}
	defer slow.stop()
	for _, part := range []func() error{b.formats, b.rates, b.isolation, b.memory, slow.report} {
		began := time.Now()
		if err := part(); err != nil {
			return err
		}
		fmt.Fprintf(b.out, "%70s(%s)\n", "", time.Since(began).Round(time.Second))
	}
	fmt.Fprint(b.out, "\nA day without the place, 17.3 million lines, eight kills (12 GB, some minutes):\n"+
		"  KAGAMI_OUTAGE=full go test -count=1 -timeout 2h -v -run '^TestOutage$' ./exporters/spool\n")
	return nil
}

// load reads the records, and says what they are.
func (b *bench) load() (err error) {
	if b.all, err = load(b.capture); err != nil {
		return err
	}
	if b.mails, err = load(b.mail); err != nil {
		return err
	}
	if len(b.all) == 0 || len(b.mails) == 0 {
		return errors.New("the captures have no records")
	}
	counts := map[string]int{}
	for _, r := range b.all {
		counts[r.Meta().Kind.String()]++
	}
	kinds := slices.SortedFunc(maps.Keys(counts), func(x, y string) int { return counts[y] - counts[x] })
	fmt.Fprintf(b.out, "%s: %d records:", b.capture, len(b.all))
	for _, k := range kinds {
		fmt.Fprintf(b.out, " %s %d", k, counts[k])
	}
	length, err := b.octets()
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "; %.0f octets a line as ECS\n%s, %d processors, one of them used but where two are named; load %s; medians of %d runs\n",
		length, runtime.Version(), runtime.NumCPU(), load1(), b.runs)
	return nil
}

// octets is the mean length of the records' ECS lines.
func (b *bench) octets() (float64, error) {
	var n counter
	x, err := exporters.Open(exporters.Config{Format: "ecs", To: "stdout:"}, exporters.Env{HostName: hostName, Stdout: &n})
	if err != nil {
		return 0, err
	}
	err = errors.Join(x.Write(b.all), x.Close(context.Background()))
	return float64(n) / float64(x.Stats().Made), err
}

// counter counts octets.
type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// load1 is what else the machine does: its load average over a minute.
func load1() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// cpuTime is the processor time of this process so far.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no way to fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func thousands(v float64) string { return fmt.Sprintf("%.0f", v/1000) }

// verdict is how a figure compares with the least that is wanted.
func verdict(got, want float64) string {
	if got >= want {
		return "ok"
	}
	return fmt.Sprintf("short of %.0f", want)
}
