package main

import (
	"context"
	"hash/maphash"
	"io"
	"iter"
	"log/slog"
	"math/bits"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kagami/configs"
	"kagami/exporters"
	"kagami/lab"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// What a run over an excess may take. Processor time is of the whole process but
// for what makes the frames, and bounded by what came in and went out: an octet
// whose cost grows with what came before it breaks the bound. The measured costs are
// a third of it and less.
const (
	excessPerFrame  = 3 * time.Microsecond
	excessPerOctet  = 30 * time.Nanosecond
	excessPerRecord = 40 * time.Microsecond
	excessAtOnce    = 150 * time.Millisecond // whatever came

	excessHeap = 16 << 20 // octets in use besides what was before: of one conversation
	floodHeap  = 96 << 20 // of as many as the sensor's tables hold
)

// TestExcess lets one kind of hostile traffic after the other into the whole
// program, set up as for live traffic. It must end in bounded time and memory, say
// which limit was met, and say the same with three workers where they share none.
func TestExcess(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	seed := maphash.MakeSeed()
	cases := excessCases()
	for _, x := range lab.Excesses() {
		c, ok := cases[x.Name]
		if delete(cases, x.Name); !ok {
			t.Errorf("%s: no case says what is expected of it", x.Name)
		}
		t.Run(x.Name, func(t *testing.T) {
			if c.flood && testing.Short() {
				t.Skip("a flood takes seconds")
			}
			one := pour(t, x, 1, seed)
			one.check(t, &c)
			if c.shares {
				return // who meets a limit of all workers first is chance
			}
			if three := pour(t, x, 3, seed); three.tally.hash.Sum64() != one.tally.hash.Sum64() {
				t.Errorf("%d records of one worker, %d others of three", one.tally.records, three.tally.records)
			}
		})
	}
	for name := range cases {
		t.Errorf("%s: there is no such excess", name)
	}
}

func (r *excessRun) check(t *testing.T, c *excessCase) {
	t.Helper()
	t.Logf("%d frames, %.1f MB, %d records; %.1f MiB of heap (the plan is %d), %v: %.0f ns a frame, %.1f ns an octet",
		r.source.frames, float64(r.source.octets)/1e6, r.tally.records, float64(r.heap)/(1<<20), r.plan>>20, r.cpu.Round(time.Millisecond),
		float64(r.cpu)/float64(r.source.frames), float64(r.cpu)/float64(r.source.octets))
	for _, limit := range c.met {
		if r.met[limit] == 0 {
			t.Errorf("nothing says %q; what was met: %v", limit, r.met)
		}
	}
	most := int64(excessHeap)
	if c.flood {
		most = floodHeap
	}
	if r.heap > most || r.heap > r.plan {
		t.Errorf("%.1f MiB of heap were in use, want %d at most (the plan is %d)", float64(r.heap)/(1<<20), most>>20, r.plan>>20)
	}
	allowed := excessAtOnce + time.Duration(r.source.frames)*excessPerFrame + time.Duration(r.source.octets)*excessPerOctet +
		time.Duration(r.tally.records)*excessPerRecord
	if r.cpu > allowed {
		t.Errorf("took %v of processor time, want %v at most", r.cpu, allowed)
	}
}

// excessRun is what a run over an excess showed.
type excessRun struct {
	source *torrent
	tally  *tally
	plan   int64          // octets of heap that the configuration allows
	base   int64          // octets in use before
	heap   int64          // the most in use besides, at any time
	cpu    time.Duration  // of the sensor
	beside time.Duration  // of making frames and of weighing
	met    map[string]int // limits: how often each was said to be met
}

// pour runs the whole program over an excess.
func pour(t *testing.T, x lab.Excess, workers int, seed maphash.Seed) *excessRun {
	t.Helper()
	r := &excessRun{base: heapInUse()}
	c := configs.Default()
	c.Detect.State = "" // that of a live sensor
	c.Capture.Workers = workers
	p, err := newPipeline(c, everything(), false, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.plan = debug.SetMemoryLimit(-1)
	r.source, r.tally = newTorrent(x), &tally{met: map[string]int{}}
	defer r.source.Close()
	r.tally.hash.SetSeed(seed)
	p.exports = append(p.exports, r.tally)
	if workers == 1 { // else frames are made and records written while others work
		r.source.run, r.tally.run = r, r
	}
	began := cpuTime()
	if err := p.engine.Read(t.Context(), r.source); err != nil {
		t.Fatal(err)
	}
	p.drain()
	r.cpu = cpuTime() - began - r.beside
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	r.met = r.tally.met
	s := p.engine.Stats()
	r.met["flows evicted"] = int(s.Ended[sensor.EndEviction])
	r.met["decoding given up"] = int(s.GivenUp)
	r.met["announcements forgotten"] = int(s.Forgotten)
	r.met["too much held"] = int(s.HeldOverflow)
	for _, n := range p.site.Counters() {
		r.met["site: "+n.Name] = int(n.Value)
	}
	return r
}

// weigh looks how much is in use.
func (r *excessRun) weigh() {
	began := cpuTime()
	r.heap = max(r.heap, heapInUse()-r.base)
	r.beside += cpuTime() - began
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no way to fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// torrent is an excess as a source: frames are made while they are asked for.
type torrent struct {
	next    func() ([]lab.Frame, bool)
	stop    func()
	begin   int64 // capture time of the first frame
	frames  uint64
	octets  int64
	batches uint64
	run     *excessRun // to be weighed under way, may be nil
}

func newTorrent(x lab.Excess) *torrent {
	t := &torrent{begin: time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC).UnixNano()}
	t.next, t.stop = iter.Pull(x.Frames())
	return t
}

// Next implements sensor.Source.
func (t *torrent) Next(b *sensor.Batch) error {
	const often = 64
	began := cpuTime()
	frames, ok := t.next()
	if t.run != nil {
		t.run.beside += cpuTime() - began
		if t.batches++; !ok || t.batches%often == 0 || bits.OnesCount64(t.batches) == 1 {
			t.run.weigh()
		}
	}
	b.Frames, b.Buf = b.Frames[:0], b.Buf[:0]
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

// tally is an export that keeps which limits the records tell of, and one number
// for all that they say.
type tally struct {
	hash    maphash.Hash
	met     map[string]int
	records int
	fields  []records.Field
	run     *excessRun // to be weighed under way, may be nil
}

// Write implements exporters.Output.
func (t *tally) Write(rs []records.Record) error {
	const often = 1 << 13
	for _, r := range rs {
		if t.records++; t.run != nil && t.records%often == 0 {
			t.run.weigh()
		}
		clear(t.fields) // of what its next values do not write over
		t.fields = r.AppendFields(t.fields[:0])
		for i := range t.fields {
			t.field(&t.fields[i])
		}
	}
	return nil
}

func (t *tally) field(f *records.Field) {
	type plain struct {
		name, str string
		num       int64
		flt       float64
	}
	maphash.WriteComparable(&t.hash, plain{f.Name, f.Str, f.Num, f.Flt})
	t.hash.Write(f.Octets)
	for _, s := range f.Strs {
		t.hash.WriteString(s)
	}
	switch {
	case strings.HasSuffix(f.Name, ".odd"):
		t.met[f.Name+": "+f.Str]++
	case strings.HasPrefix(f.Name, "kagami."):
		if _, last, _ := strings.Cut(f.Name[len("kagami."):], "."); slices.Contains(limitFields, last) {
			t.met[f.Name]++
		}
	}
}

// limitFields are the fields besides odd in which records say that a limit was met.
var limitFields = []string{"dropped", "dropped_answers", "forgotten_queries", "malformed", "cut", "given_up"}

// Name implements exporters.Output, and so do the others.
func (t *tally) Name() string                { return "tally" }
func (t *tally) Flush() error                { return nil }
func (t *tally) Reopen() error               { return nil }
func (t *tally) Close(context.Context) error { return nil }
func (t *tally) Stats() exporters.Stats      { return exporters.Stats{} }
