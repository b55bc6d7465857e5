package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
	"time"

	"kagami/exporters"
)

const (
	wantMemory  = 16 // MiB for each export
	mostOfOther = 100_000
)

// memoryResult is what one export took while its place was dead, and when it came
// back.
type memoryResult struct {
	Lines, Lost      uint64
	Idle, Away, Back float64 // most memory in each state, MiB above what the process had before
	Live             float64 // most that was in use when the runtime looked, MiB
	Queue            int64   // octets of the queue's files when all lines waited
	Drained          float64 // lines a second when they went out
	DrainCPU         float64 // lines a second of processor time
}

// memory prints what exports take while lines wait. Each is measured in a process
// of its own, with a queue on disk and accounted for.
func (b *bench) memory() error {
	fmt.Fprintf(b.out, "\nA dead place that comes back, an export with queue = \"disk\" and a soft limit of %d MiB, as the program sets itself: memory above what the process had, MiB\n", wantMemory)
	places, err := b.chosen()
	if err != nil {
		return err
	}
	const row = "%-32s %9s %8s %8s %8s %8s %6s %10s %11s %15s   %s\n"
	fmt.Fprintf(b.out, row, "", "lines", "peak,", "peak,", "peak,", "in use", "lost", "octets a", "thousand/s", "thousand/CPU-s", "")
	fmt.Fprintf(b.out, row, "", "waiting", "none", "waiting", "leaving", "at most", "", "line, disk", "leaving", "leaving", "")
	for _, p := range places {
		n := b.backlog
		if !b.everyone && p.name != backlogPlace {
			n = min(n, mostOfOther)
		}
		child, err := b.startProcess("-memory", p.name, "-lines", strconv.Itoa(n))
		if err != nil {
			return err
		}
		var r memoryResult
		if err := child.result(&r); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		mib := func(v float64) string { return fmt.Sprintf("%.1f", v) }
		fmt.Fprintf(b.out, row, p.name, fmt.Sprint(r.Lines), mib(r.Idle), mib(r.Away), mib(r.Back), mib(r.Live), fmt.Sprint(r.Lost),
			fmt.Sprint(r.Queue/int64(r.Lines)), thousands(r.Drained), thousands(r.DrainCPU), tooMuch(max(r.Idle, r.Away, r.Back)))
	}
	return nil
}

func tooMuch(mib float64) string {
	if mib <= wantMemory {
		return "ok"
	}
	return "too much"
}

// backlogPlace is the one that gets the largest backlog.
const backlogPlace = "syslog/TCP"

// measureMemory is the process.
func (b *bench) measureMemory(name string) error {
	p, err := placeOf(name)
	if err != nil {
		return err
	}
	if err := b.sample(); err != nil {
		return err
	}
	dir, err := own(b.dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := revival{bench: b, place: p, dir: dir}
	if err := s.open(); err != nil {
		return err
	}
	r, err := s.measure()
	if err != nil {
		return err
	}
	return tell(r)
}

// sample loads a sixteenth of the records: as many as the process should hold when
// it is asked for its memory.
func (b *bench) sample() error {
	all, err := load(b.capture)
	if err != nil {
		return err
	}
	for i := 0; i < len(all); i += 16 {
		b.all = append(b.all, all[i])
	}
	return nil
}

// revival is a place that is dead first and alive later, and an export to it.
type revival struct {
	*bench
	place  place
	dir    string
	port   int
	o      *outlet
	before memory
}

// open opens the export; nobody is at its place, or the disk is full.
func (s *revival) open() (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	files := s.bench.dir
	if s.place.receiver == "" {
		files = s.dir
		if err := os.Symlink("/dev/full", filepath.Join(s.dir, fileName)); err != nil {
			return err
		}
	}
	s.before = memoryNow()
	debug.SetMemoryLimit(s.before.limit + wantMemory<<20)
	s.o, err = openOutlet(exporters.Config{Format: "ecs", To: s.place.url(s.port, files)}, way{onDisk, true}, s.dir, exporters.Drop)
	return err
}

// revive brings the place to life.
func (s *revival) revive() (*farEnd, error) {
	if s.place.receiver == "" {
		return nil, errors.Join(os.Remove(filepath.Join(s.dir, fileName)), s.o.Reopen())
	}
	return s.startFarEnd(s.place.receiver, s.port)
}

func (s *revival) measure() (r memoryResult, err error) {
	peak := watch(s.before)
	defer peak.stop()
	if err := s.o.feed(s.all, feedBatch, false); err != nil {
		return r, err
	}
	time.Sleep(200 * time.Millisecond)
	r.Idle = peak.take()
	if err := s.o.feed(s.all, uint64(s.lines), false); err != nil {
		return r, err
	}
	r.Away = peak.take()
	runtime.GC()
	r.Queue = s.o.spool.Stats().OnDisk
	end, err := s.revive()
	defer end.stop()
	if err != nil {
		return r, err
	}
	for end := time.Now().Add(drainLimit); s.o.Stats().Sent == 0 && time.Now().Before(end); { // it is tried again after a while
		time.Sleep(time.Millisecond)
	}
	sent, began, cpu := s.o.Stats().Sent, time.Now(), cpuTime()
	if err := s.o.drain(); err != nil {
		return r, err
	}
	lines := float64(s.o.Stats().Sent - sent)
	r.Drained, r.DrainCPU = lines/time.Since(began).Seconds(), lines/(cpuTime()-cpu).Seconds()
	r.Back, r.Live = peak.take(), float64(peak.live.Load())/(1<<20)-s.before.heap
	if err := s.o.close(10 * time.Second); err != nil {
		return r, err
	}
	x := s.o.Stats()
	r.Lines, r.Lost = x.Made, x.Made-x.Sent
	return r, nil
}

// memory is what the process has, MiB.
type memory struct {
	anonymous float64 // resident, without code and files
	heap      float64 // in use
	limit     int64   // octets, as the runtime's soft limit counts them
}

// memoryNow gives back what is not in use first.
func memoryNow() memory {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{anonymous(), float64(m.HeapAlloc) / (1 << 20), int64(m.Sys - m.HeapReleased)}
}

// anonymous is the process's resident anonymous memory, MiB.
func anonymous() float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte("RssAnon:"))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	kib, _ := strconv.ParseFloat(string(bytes.TrimSpace(line)), 64)
	return kib / 1024
}

// peak looks at the process's memory all the time.
type peak struct {
	from float64
	most atomic.Uint64 // KiB
	live atomic.Uint64 // octets in use after a collection, the most ever
	end  chan struct{}
}

const lookEvery = 5 * time.Millisecond

func watch(before memory) *peak {
	p := &peak{from: before.anonymous, end: make(chan struct{})}
	go func() {
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			select {
			case <-t.C:
				p.look()
				metrics.Read(live)
				p.live.Store(max(p.live.Load(), live[0].Value.Uint64()))
			case <-p.end:
				return
			}
		}
	}()
	return p
}

func (p *peak) look() {
	now := uint64(anonymous() * 1024)
	for old := p.most.Load(); now > old && !p.most.CompareAndSwap(old, now); old = p.most.Load() {
	}
}

// take is the most since the last call, MiB above what there was before.
func (p *peak) take() float64 {
	p.look()
	return float64(p.most.Swap(0))/1024 - p.from
}

func (p *peak) stop() { close(p.end) }
