package main

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kagami/configs"
	"kagami/exporters"
	"kagami/lab"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// torrent is an excess as a source: frames are made while they are asked for. It
// weighs the process as it goes.
type torrent struct {
	next   func() ([]lab.Frame, bool)
	stop   func()
	begin  int64 // capture time of the first frame
	frames uint64
	octets int64
	weigh  func()
}

func newTorrent(x lab.Excess) *torrent {
	t := &torrent{begin: time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC).UnixNano()}
	t.next, t.stop = iter.Pull(x.Frames())
	return t
}

// Next implements sensor.Source.
func (t *torrent) Next(b *sensor.Batch) error {
	b.Frames, b.Buf = b.Frames[:0], b.Buf[:0]
	if t.weigh != nil {
		t.weigh()
	}
	frames, ok := t.next()
	if !ok {
		return io.EOF
	}
	n := 0
	for i := range frames {
		n += len(frames[i].Data)
	}
	b.Buf = slices.Grow(b.Buf, n)
	for i := range frames {
		f := &frames[i]
		at := len(b.Buf)
		b.Buf = append(b.Buf, f.Data...)
		b.Now = t.begin + int64(f.Time)
		b.Frames = append(b.Frames, sensor.Frame{Time: b.Now, Data: b.Buf[at:len(b.Buf):len(b.Buf)], WireLen: uint32(len(f.Data)), Link: packet.LinkEthernet})
	}
	t.frames += uint64(len(frames))
	t.octets += int64(n)
	return nil
}

// Stats implements sensor.Source.
func (t *torrent) Stats() sensor.SourceStats { return sensor.SourceStats{Received: t.frames} }

// Close implements sensor.Source.
func (t *torrent) Close() error {
	t.stop()
	return nil
}

// tally is an export that keeps what limits were met, and one number for all that
// was said.
type tally struct {
	hash    maphash.Hash
	met     map[string]int // "kagami.http.odd=header section too long" -> records
	records int
	fields  []records.Field
	weigh   func()
}

// tells are the fields in which records say that a limit was met.
func tells(name string) bool {
	return strings.HasSuffix(name, ".odd") || strings.HasSuffix(name, "dropped") || strings.HasSuffix(name, "_left_out") || strings.HasSuffix(name, "dropped_answers") ||
		strings.HasSuffix(name, "forgotten_queries") || strings.HasSuffix(name, ".malformed") || strings.HasSuffix(name, ".cut")
}

// Write implements exporters.Output.
func (t *tally) Write(rs []records.Record) error {
	for _, r := range rs {
		if t.records++; t.weigh != nil && t.records%8192 == 0 {
			t.weigh()
		}
		t.fields = r.AppendFields(t.fields[:0])
		for i := range t.fields {
			f := &t.fields[i]
			maphash.WriteComparable(&t.hash, fieldKey{f.Name, f.Str, f.Num, f.Flt})
			for _, s := range f.Strs {
				t.hash.WriteString(s)
			}
			if tells(f.Name) {
				t.met[f.Name+"="+f.Str]++
			}
		}
	}
	return nil
}

type fieldKey struct {
	name, str string
	num       int64
	flt       float64
}

func (t *tally) Name() string                { return "tally" }
func (t *tally) Flush() error                { return nil }
func (t *tally) Reopen() error               { return nil }
func (t *tally) Close(context.Context) error { return nil }
func (t *tally) Stats() exporters.Stats      { return exporters.Stats{} }

// run is what a run over an excess showed.
type run struct {
	source *torrent
	tally  *tally
	plan   int64         // octets
	heap   uint64        // the most in use at any time, octets
	cpu    time.Duration // of the whole process, without weighing
	late   float64       // cost of a frame in the last quarter, compared with the second
	stats  sensor.WorkerStats
	site   map[string]uint64
}

const weighEvery = 64 // batches

// pour runs the whole program over an excess, as kagami run is set up, but that
// no line is dropped.
func pour(t *testing.T, x lab.Excess, workers int, seed maphash.Seed) *run {
	t.Helper()
	c := configs.Default()
	c.Capture.Workers = workers
	p, err := newPipeline(c, everything(), false, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := &run{source: newTorrent(x), tally: &tally{met: map[string]int{}}, plan: debug.SetMemoryLimit(-1), site: map[string]uint64{}}
	r.tally.hash.SetSeed(seed)
	p.exports = append(p.exports, r.tally)
	batches := 0
	var out time.Duration // spent on weighing
	if workers == 1 {
		weigh := func() {
			began := cpuTime(t)
			r.heap = max(r.heap, heapInUse())
			out += cpuTime(t) - began
		}
		r.tally.weigh = weigh
		r.source.weigh = func() {
			if batches++; batches%weighEvery == 0 {
				weigh()
			}
		}
	}
	began := cpuTime(t)
	err = p.engine.Read(t.Context(), r.source)
	p.drain()
	r.cpu = cpuTime(t) - began - out
	if err != nil {
		t.Fatal(err)
	}
	r.heap = max(r.heap, heapInUse())
	r.stats = p.engine.Stats()
	for _, n := range p.site.Counters() {
		r.site[n.Name] = n.Value
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	r.source.Close()
	return r
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestExcessDraft(t *testing.T) {
	limit := debug.SetMemoryLimit(-1)
	percent := debug.SetGCPercent(100)
	defer func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) }()
	seed := maphash.MakeSeed()
	for _, x := range lab.Excesses() {
		if f := os.Getenv("EXCESS"); f != "" && !strings.Contains(x.Name, f) {
			continue
		}
		r := pour(t, x, 1, seed)
		var gen time.Duration
		began := cpuTime(t)
		for range x.Frames() {
		}
		gen = cpuTime(t) - began
		fmt.Printf("%-48s %7d fr %6.1f MB  cpu %6.0f ms (gen %4.0f) %7.1f ns/B %7.0f ns/fr  heap %6.1f MiB  recs %d", x.Name, r.source.frames, float64(r.source.octets)/1e6,
			r.cpu.Seconds()*1e3, gen.Seconds()*1e3, float64(r.cpu-gen)/float64(r.source.octets), float64(r.cpu-gen)/math.Max(1, float64(r.source.frames)), float64(r.heap)/(1<<20), r.tally.records)
		fmt.Printf(" %v", r.tally.met)
		for _, k := range []string{"hosts_evicted", "macs_evicted", "names_evicted", "legs_evicted", "handshakes_evicted", "tunnels_evicted", "proxy_connections_evicted", "held_too_many", "proxies_evicted", "proxy_addresses_evicted", "workstations_left_out", "ambiguous"} {
			if r.site[k] > 0 {
				fmt.Printf(" %s=%d", k, r.site[k])
			}
		}
		fmt.Printf(" evict=%d givenup=%d forgot=%d overflow=%d gaps=%d plan=%dMiB\n", r.stats.Ended[sensor.EndEviction], r.stats.GivenUp, r.stats.Forgotten, r.stats.HeldOverflow, r.stats.Gaps, r.plan>>20)
	}
}
