package main

import (
	"fmt"
	"io"
	"log/slog"

	"kagami/configs"
	"kagami/sensor"
)

func newLogger(c configs.Log, w io.Writer) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[c.Level]
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// report prints the summary, and where the records lie.
func (p *pipeline) report(w io.Writer, src interface{ Stats() sensor.SourceStats }, dir string) {
	p.summary.zone, _ = p.config.Output.Location()
	p.summary.print(w, p.engine.Stats(), src.Stats())
	if p.keeping != nil {
		p.keeping.report(w)
	}
	p.reportExports(w)
	if dir != "" {
		fmt.Fprintf(w, "\nRecords are in %s: records.jsonl, alerts.jsonl, access.log, access-combined.log, traffic.log, queries.log, mail.log\n", printable(dir))
	}
}
