package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kagami/lab"
)

// makeCapture writes the scenario's day again and again, a day later each time:
// large enough to measure, and nothing has to be downloaded.
func makeCapture(scenario, path string, days int) error {
	s, err := lab.Load(scenario)
	if err != nil {
		return err
	}
	c, _, err := s.Generate()
	if err != nil {
		return err
	}
	day := c.Frames
	c.Frames = make([]lab.Frame, 0, days*len(day))
	for i := range days {
		for _, f := range day {
			f.Time += time.Duration(i) * 24 * time.Hour
			c.Frames = append(c.Frames, f)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create capture: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := c.WritePcap(w); err != nil {
		f.Close()
		return err
	}
	if err := w.Flush(); err != nil {
		f.Close()
		return fmt.Errorf("write capture: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close capture: %w", err)
	}
	fmt.Printf("%s: %d packets\n", path, len(c.Frames))
	return nil
}
