// Command lab writes the capture and the truth of a scenario.
//
//	go run ./lab/cmd/lab -scenario lab/scenarios/office.toml -o testdata/office
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kagami/lab"
)

func main() {
	scenario := flag.String("scenario", "lab/scenarios/office.toml", "scenario `file`")
	out := flag.String("o", "testdata/office", "`directory` for in.pcap.zst and truth.json")
	flag.Parse()
	if err := run(*scenario, *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(scenario, out string, report io.Writer) error {
	s, err := lab.Load(scenario)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	capture, truth, err := s.Generate()
	if err != nil {
		return err
	}
	if err := write(filepath.Join(out, "in.pcap.zst"), capture.WriteZstd); err != nil {
		return err
	}
	if err := write(filepath.Join(out, "truth.json"), truth.WriteJSON); err != nil {
		return err
	}
	_, err = fmt.Fprintf(report, "%s: %d packets, %d TCP conversations, %d HTTP requests, %d attacks\n",
		out, truth.Packets, truth.Counts.TCPFlows, truth.Counts.HTTPRequests, len(truth.Attacks))
	return err
}

// write fills a file by way of a hidden one, so that a failure leaves the old
// file alone.
func write(path string, fill func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".lab-*")
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer os.Remove(f.Name())
	if err := fill(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return fmt.Errorf("set mode of %q: %w", f.Name(), err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("rename file: %w", err)
	}
	return nil
}
