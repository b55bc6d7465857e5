package sensor_test

import (
	"context"
	"io"
	"os"
	"testing"

	"kagami/capture"
	"kagami/records"
	"kagami/sensor"
)

// memory is a source of frames that are in memory already.
type memory struct {
	frames []sensor.Frame
	size   int // frames a batch
	at     int
}

func (m *memory) Next(b *sensor.Batch) error {
	if m.at == len(m.frames) {
		b.Frames = b.Frames[:0]
		return io.EOF
	}
	end := min(m.at+m.size, len(m.frames))
	b.Frames = append(b.Frames[:0], m.frames[m.at:end]...)
	b.Now = b.Frames[len(b.Frames)-1].Time
	m.at = end
	return nil
}

func (m *memory) Stats() sensor.SourceStats { return sensor.SourceStats{} }
func (m *memory) Close() error              { return nil }

// load reads a whole capture file into memory.
func load(t testing.TB, path string) []sensor.Frame {
	t.Helper()
	f, err := capture.Open(path, capture.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var frames []sensor.Frame
	for {
		var b sensor.Batch
		err := f.Next(&b)
		frames = append(frames, b.Frames...)
		if err != nil {
			return frames
		}
	}
}

func newEngine(workers int, output func([]records.Record), ps []sensor.Protocol) *sensor.Engine {
	c := sensor.DefaultConfig()
	c.Workers = workers
	n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	return sensor.New(sensor.Options{Config: c, Networks: n, Protocols: ps, Output: output})
}

// BenchmarkHeaders measures parse, flow table and flow records alone, a packet.
// KAGAMI_BENCH_FILE names the capture.
func BenchmarkHeaders(b *testing.B) {
	path := os.Getenv("KAGAMI_BENCH_FILE")
	if path == "" {
		b.Skip("KAGAMI_BENCH_FILE names no capture file")
	}
	frames := load(b, path)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		e := newEngine(1, func(rs []records.Record) { n += len(rs) }, nil)
		if err := e.Read(context.Background(), &memory{frames: frames, size: 4096}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(frames)), "ns/packet")
}
