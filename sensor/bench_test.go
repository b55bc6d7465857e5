package sensor_test

import (
	"context"
	"io"
	"os"
	"runtime/debug"
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

func newEngine(workers int, output func([]records.Record), ps []sensor.Protocol) *sensor.Engine {
	c := sensor.DefaultConfig()
	c.Workers = workers
	n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	return sensor.New(sensor.Options{Config: c, Networks: n, Protocols: ps, Output: output})
}

// BenchmarkHeaders measures a packet's way from the file in the page cache through
// parse, flow table, duplicate suppression and flow records, with the program's
// setting of the garbage collector. KAGAMI_BENCH_FILE names the capture.
func BenchmarkHeaders(b *testing.B) {
	path := os.Getenv("KAGAMI_BENCH_FILE")
	if path == "" {
		b.Skip("KAGAMI_BENCH_FILE names no capture file")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	b.ReportAllocs()
	packets := uint64(0)
	for b.Loop() {
		f, err := capture.Open(path, capture.FileOptions{})
		if err != nil {
			b.Fatal(err)
		}
		e := newEngine(1, func([]records.Record) {}, nil)
		if err := e.Read(context.Background(), f); err != nil {
			b.Fatal(err)
		}
		packets += f.Stats().Received
		f.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}
