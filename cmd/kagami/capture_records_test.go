package main

import (
	"context"
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
