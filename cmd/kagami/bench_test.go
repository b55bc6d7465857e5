package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kagami/capture"
	"kagami/configs"
	"kagami/exporters"
	"kagami/packet"
	"kagami/sensor"
)

// recording is a capture held in memory of its own, outside the Go heap: so the
// collector works as hard as it does in the program, which holds no capture.
type recording struct {
	octets []byte
	frames []span
}

type span struct {
	time    int64
	at, len uint32
	wireLen uint32
	link    packet.LinkType
}

// record reads the capture file that KAGAMI_BENCH_FILE names, or the bundled one.
func record(b testing.TB) *recording {
	b.Helper()
	path := os.Getenv("KAGAMI_BENCH_FILE")
	if path == "" {
		path = officeCapture
	}
	var r recording
	for _, copying := range []bool{false, true} { // measure, then copy
		if err := r.read(path, copying); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() { unix.Munmap(r.octets) })
	return &r
}

func (r *recording) read(path string, copying bool) error {
	f, err := capture.Open(path, capture.FileOptions{})
	if err != nil {
		return err
	}
	defer f.Close()
	var total int
	var batch sensor.Batch
	for err == nil {
		err = f.Next(&batch)
		for i := range batch.Frames {
			fr := &batch.Frames[i]
			if copying {
				r.frames = append(r.frames, span{fr.Time, uint32(total), uint32(len(fr.Data)), fr.WireLen, fr.Link})
				copy(r.octets[total:], fr.Data)
			}
			total += len(fr.Data)
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if total == 0 || int64(total) > math.MaxUint32 {
		return fmt.Errorf("%s holds %d octets, want 1 to 4 GiB", path, total)
	}
	if !copying {
		r.octets, err = unix.Mmap(-1, 0, total, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	}
	return nil
}

// playback is a recording as a source.
type playback struct {
	*recording
	at int
}

const playbackFrames = 4096 // in a batch

func (p *playback) Next(b *sensor.Batch) error {
	b.Frames = b.Frames[:0]
	if p.at == len(p.frames) {
		return io.EOF
	}
	for _, s := range p.frames[p.at:min(p.at+playbackFrames, len(p.frames))] {
		b.Frames = append(b.Frames, sensor.Frame{Time: s.time, Data: p.octets[s.at : s.at+s.len : s.at+s.len], WireLen: s.wireLen, Link: s.link})
	}
	p.at += len(b.Frames)
	b.Now = b.Frames[len(b.Frames)-1].Time
	return nil
}

func (p *playback) Stats() sensor.SourceStats { return sensor.SourceStats{Received: uint64(p.at)} }
func (p *playback) Close() error              { return nil }

// everything are the exports of kagami read -o, with lines that go nowhere.
func everything() []exporters.Config {
	out := files("/")
	for i := range out {
		out[i].To = "file:///dev/null"
	}
	return out
}

// play runs the whole program over a recording, as kagami read does.
func (r *recording) play(b *testing.B, workers int, decode bool) time.Duration {
	c := configs.Default()
	c.Detect.State = "" // that of a live sensor
	c.Capture.Workers, c.Sensor.Decode = workers, decode
	to := everything()
	if !decode {
		to = nil
	}
	began := time.Now()
	p, err := newPipeline(c, to, false, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	if err := p.engine.Read(context.Background(), &playback{recording: r}); err != nil {
		b.Fatal(err)
	}
	p.drain()
	if err := p.close(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// BenchmarkPipeline is everything between frames in memory and finished lines:
// decoders, detectors and all formats.
func BenchmarkPipeline(b *testing.B) {
	r := record(b)
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	for _, v := range []struct {
		name    string
		workers int
		decode  bool
	}{{"1-worker", 1, true}, {"2-workers", 2, true}, {"flows-only", 1, false}} {
		b.Run(v.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.play(b, v.workers, v.decode)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(r.frames)), "ns/packet")
		})
	}
}

// BenchmarkSpeedup plays by turns with one worker and with two, so that the
// machine's other work falls on both alike.
func BenchmarkSpeedup(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("this machine has one CPU")
	}
	r := record(b)
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	var one, two time.Duration
	for b.Loop() {
		one += r.play(b, 1, true)
		two += r.play(b, 2, true)
	}
	b.ReportMetric(float64(one)/float64(two), "speed-up")
	b.ReportMetric(float64(one.Nanoseconds())/float64(b.N*len(r.frames)), "ns/packet-1-worker")
	b.ReportMetric(float64(two.Nanoseconds())/float64(b.N*len(r.frames)), "ns/packet-2-workers")
}
