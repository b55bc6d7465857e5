package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"kagami/configs"
	"kagami/exporters"
	"kagami/records"
)

// keeper is an output that keeps records.
type keeper struct {
	exporters.Output
	all []records.Record
}

func (k *keeper) Write(recs []records.Record) error { k.all = append(k.all, recs...); return nil }
func (k *keeper) Name() string                      { return "keeper" }
func (k *keeper) Close(context.Context) error       { return nil }
func (k *keeper) Flush() error                      { return nil }
func (k *keeper) Stats() exporters.Stats            { return exporters.Stats{} }

// recordsOfCapture are all records of the capture, in their order.
func recordsOfCapture(b testing.TB) []records.Record {
	r := record(b)
	k := new(keeper)
	c := configs.Default()
	c.Detect.State = ""
	p, err := newPipeline(c, nil, false, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	p.exports = append(p.exports, k)
	if err := p.engine.Read(context.Background(), &playback{recording: r}); err != nil {
		b.Fatal(err)
	}
	p.drain()
	if err := p.close(); err != nil {
		b.Fatal(err)
	}
	return k.all
}

// BenchmarkFormats is what a line of each format costs: lines/s of CPU time, for
// the records of the bundled capture in their order. Lines go nowhere.
func BenchmarkFormats(b *testing.B) {
	all := recordsOfCapture(b)
	for _, format := range exporters.Formats() {
		b.Run(format, func(b *testing.B) {
			to := "stdout:"
			switch format {
			case "zeek":
				to = fmt.Sprintf("file://%s/", b.TempDir())
			case "ipfix":
				to = "ipfix+tcp://" + discardListener(b)
			}
			x, err := exporters.Open(exporters.Config{Format: format, To: to}, exporters.Env{HostName: "sensor", Stdout: io.Discard})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			began := cpuTime()
			for b.Loop() {
				if err := x.Write(all); err != nil {
					b.Fatal(err)
				}
			}
			made := max(1, x.Stats().Made) // the capture has no mail
			used := cpuTime() - began
			b.ReportMetric(float64(made)/used.Seconds(), "lines/cpu-s")
			b.ReportMetric(float64(used.Nanoseconds())/float64(made), "cpu-ns/line")
			x.Close(context.Background())
		})
	}
}
