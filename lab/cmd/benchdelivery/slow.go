package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"kagami/exporters"
)

// slowRate is that of a small office, records a second.
const slowRate = 200

// slowResult is what a queue on disk did in real time.
type slowResult struct {
	Lines   uint64
	Queue   uint64 // octets that the queue wrote
	Device  uint64 // octets of pages that became dirty, as the kernel counts them
	Syncs   uint64
	Seconds float64
	Waiting int
	CPU     float64 // of one processor, percent
}

// slowRun is measured while the rest is.
type slowRun struct {
	*bench
	alive, dead *process
	end         *farEnd
}

func (b *bench) startSlow() (s *slowRun, err error) {
	s = &slowRun{bench: b}
	if s.end, err = b.startFarEnd("tcp", 0); err == nil {
		s.alive, err = b.startProcess("-slowly", backlogPlace, "-port", strconv.Itoa(s.end.port))
	}
	if err == nil {
		s.dead, err = b.startProcess("-slowly", backlogPlace)
	}
	if err != nil {
		s.stop()
	}
	return s, err
}

func (s *slowRun) stop() {
	s.alive.stop()
	s.dead.stop()
	s.end.stop()
}

func (s *slowRun) report() error {
	fmt.Fprintf(s.out, "\nA queue on disk at %d records a second for %s, what it does to the card\n", slowRate, s.slow)
	const row = "%-32s %8s %11s %14s %14s %10s %9s\n"
	fmt.Fprintf(s.out, row, "", "lines", "waiting", "octets a line", "octets a line", "syncs", "CPU,")
	fmt.Fprintf(s.out, row, "", "", "at the end", "into files", "to the device", "a minute", "percent")
	for _, p := range []struct {
		name string
		*process
	}{{"the place keeps up", s.alive}, {"nobody is there", s.dead}} {
		var r slowResult
		if err := p.result(&r); err != nil {
			return err
		}
		each := func(v uint64) string { return fmt.Sprintf("%.1f", float64(v)/float64(r.Lines)) }
		fmt.Fprintf(s.out, row, p.name, fmt.Sprint(r.Lines), fmt.Sprint(r.Waiting), each(r.Queue), each(r.Device),
			fmt.Sprintf("%.1f", float64(r.Syncs)/r.Seconds*60), fmt.Sprintf("%.2f", r.CPU))
	}
	return nil
}

// measureSlow is the process.
func (b *bench) measureSlow(name string, port int) error {
	p, err := placeOf(name)
	if err != nil {
		return err
	}
	if err := b.sample(); err != nil {
		return err
	}
	if port == 0 {
		if port, err = freePort(); err != nil {
			return err
		}
	}
	dir, err := own(b.dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o, err := openOutlet(exporters.Config{Format: "ecs", To: p.url(port, b.dir)}, way{onDisk, true}, dir, exporters.Drop)
	if err != nil {
		return err
	}
	time.Sleep(time.Second) // what opening writes is not asked for
	r, err := b.trickle(o)
	if err != nil {
		return err
	}
	if err := o.close(5 * time.Second); err != nil {
		return err
	}
	return tell(r)
}

// trickle writes records at slowRate.
func (b *bench) trickle(o *outlet) (r slowResult, err error) {
	before, device, cpu, began := o.spool.Stats(), deviceOctets(), cpuTime(), time.Now()
	const tick = 20 * time.Millisecond
	t := time.NewTicker(tick)
	defer t.Stop()
	const each = slowRate / int(time.Second/tick)
	for at := 0; time.Since(began) < b.slow; at = (at + each) % (len(b.all) - each) {
		<-t.C
		if err := o.Write(b.all[at : at+each]); err != nil {
			return r, err
		}
	}
	time.Sleep(min(b.slow, 7*time.Second)) // the last sync
	s := o.spool.Stats()
	r.Lines, r.Queue, r.Syncs = s.Seq-before.Seq, s.Written-before.Written, s.Syncs-before.Syncs
	r.Device, r.Seconds, r.Waiting = deviceOctets()-device, b.slow.Seconds(), s.Lines
	r.CPU = 100 * (cpuTime() - cpu).Seconds() / time.Since(began).Seconds()
	return r, nil
}

// deviceOctets are those that this process made the kernel write to disks
// (/proc/self/io; proc(5)).
func deviceOctets() uint64 {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "write_bytes: "); ok {
			n, _ := strconv.ParseUint(v, 10, 64)
			return n
		}
	}
	return 0
}
