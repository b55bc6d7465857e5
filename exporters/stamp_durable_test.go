package exporters

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"kagami/exporters/chain"
)

// TestStampDurable: stamps are made before the queue on disk, so that lines which
// wait over a restart keep their start's numbers.
func TestStampDurable(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	now := at(t, "2026-11-15T12:00:00")
	for _, c := range []Config{{Format: "ecs", To: "file://" + dir + "/records.jsonl"}, {Format: "squid", To: "file://" + dir + "/access.log"}} {
		for range 3 {
			a := testAccount(t, state)
			x, err := OpenDurable(c, Env{HostName: "fw1", Account: a, Logger: slog.New(slog.DiscardHandler)}, dir)
			if err != nil {
				t.Fatal(err)
			}
			now = beats(t, a, []Output{x}, now, 3)
			if err := errors.Join(x.Close(context.Background()), a.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, file := range []string{"/records.jsonl", "/access.log"} {
		r := check(t, chain.Options{Inputs: []string{dir + file}})
		if !r.Good() || len(r.Streams) != 3 || r.Beats != 9 || r.Vouched < r.Records-3 || r.Records < 9 {
			t.Errorf("%s: %d records, %d vouched for, %d heartbeats in %d starts; %v", file, r.Records, r.Vouched, r.Beats, len(r.Streams), r.Findings)
		}
	}
}
