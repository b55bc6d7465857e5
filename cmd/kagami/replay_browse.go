package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/replay/browse"
)

// walkAgain lets a browser visit what was recorded, and says what came of it.
func walkAgain(ctx context.Context, r *replay.Reading, c *replay.Chain, log *slog.Logger) error {
	w, err := browse.Walk(ctx, browse.Options{Reading: r, Chain: c, Log: log})
	if err != nil {
		return err
	}
	fmt.Printf("Visited again in %s by %s, as %s: replay-confirmed %d of %d edges; %d requests, %d answered, %d never recorded; %d packets left\n",
		w.Duration.Round(time.Millisecond), printable(w.Browser), printable(w.UserAgent), w.Confirmed, w.Edges, w.Asked, len(w.Answered), len(w.Missed), w.Left)
	for _, m := range w.Missed {
		fmt.Printf("  never recorded: %s %s (%s)\n", printable(m.Method), printable(m.URL), printable(m.Reason))
	}
	switch {
	case w.Died:
		fmt.Println("  the browser crashed on the way: what it was given may have done that")
	case w.Timeout:
		fmt.Println("  the time was up before the browser came to rest")
	}
	if !w.Sandbox {
		fmt.Println("  the browser ran without its own sandbox: only in the namespaces around it")
	}
	fmt.Println()
	if w.Left > 0 {
		return fmt.Errorf("%d packets left the browser's network: what was served is known outside", w.Left)
	}
	return nil
}
