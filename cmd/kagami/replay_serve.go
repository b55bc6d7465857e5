package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/replay/server"
)

// stopWithin is how long answers under way may take once it is interrupted.
const stopWithin = 3 * time.Second

// serve answers with what was recorded until ctx ends. It opens no connection; where
// the kernel can see to that, nothing in this process can any more.
func (r *replayCmd) serve(ctx context.Context, reading *replay.Reading, log *slog.Logger) error {
	var misses io.Writer = os.Stderr
	if r.Out != "" {
		f, err := os.OpenFile(filepath.Join(r.Out, "misses.jsonl"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("write misses: %w", err)
		}
		defer f.Close()
		misses = f
	}
	s, err := server.New(reading, server.Options{Fuzzy: r.Fuzzy, Defang: r.Defang, Misses: misses, Hit: func(h server.Hit) {
		log.Info("answered", "method", h.Method, "url", h.URL, "status", h.Status, "match", h.Match.String())
	}})
	if err != nil {
		return err
	}
	if r.Out != "" { // for a browser that is to trust it; it is worth nothing to anybody else
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		if err := os.WriteFile(filepath.Join(r.Out, "ca.pem"), ca, 0o600); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	l, err := server.Listen(r.Serve)
	if err != nil {
		return err
	}
	kept := "The kernel lets this process open no connection any more."
	if err := goOffline(); err != nil {
		kept = "It opens no connection, but the kernel does not see to that: " + err.Error() + "."
	}
	fmt.Printf("\nServing what was recorded as a proxy on %s, offline. %s Only a browser in a sandbox should visit it: the answers are an attacker's. Ctrl-C ends it.\n", l.Addr(), kept)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		err = errors.Join(s.Shutdown(stop), <-done)
	}
	n := s.Stats()
	fmt.Printf("%d requests: %d answered, %d not recorded, %d malformed\n", n.Requests, n.Hits, n.Misses, n.Malformed)
	return err
}
