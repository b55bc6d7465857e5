// Command lab writes the capture and the truth of a scenario.
//
//	go run ./lab/cmd/lab -scenario lab/scenarios/office.toml -o testdata/office
//	go run ./lab/cmd/lab -fault gro        out/gro: what a doctored mirror port delivers of it
//
// The truth is about what was on the wire, whatever the mirror port made of it.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kagami/lab"
)

func main() {
	scenario := flag.String("scenario", "lab/scenarios/office.toml", "scenario `file`")
	out := flag.String("o", "", "`directory` for in.pcap.zst and truth.json (default \"testdata/office\", with -fault \"out/NAME\")")
	fault := flag.String("fault", "", "`name` of a mirror port's fault: "+strings.Join(faultNames(), ", "))
	flag.Parse()
	if err := run(*scenario, *fault, cmp.Or(*out, directory(*fault)), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// directory is where a capture goes unless told otherwise. A doctored one never
// takes the place of the bundled one by oversight.
func directory(fault string) string {
	if fault == "" {
		return "testdata/office"
	}
	return filepath.Join("out", fault)
}

func faultNames() (names []string) {
	for _, m := range lab.Mirrors() {
		names = append(names, m.Name)
	}
	return names
}

// doctor is the capture as a mirror port with the fault delivers it.
func doctor(c *lab.Capture, fault string) (*lab.Capture, error) {
	if fault == "" {
		return c, nil
	}
	for _, m := range lab.Mirrors() {
		if m.Name == fault {
			return m.Apply(c), nil
		}
	}
	return nil, fmt.Errorf("find fault: got %q, want one of %s", fault, strings.Join(faultNames(), ", "))
}

func run(scenario, fault, out string, report io.Writer) error {
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
	if capture, err = doctor(capture, fault); err != nil {
		return err
	}
	if err := write(filepath.Join(out, "in.pcap.zst"), capture.WriteZstd); err != nil {
		return err
	}
	if err := write(filepath.Join(out, "truth.json"), truth.WriteJSON); err != nil {
		return err
	}
	_, err = fmt.Fprintf(report, "%s: %d packets of %d, %d TCP conversations, %d HTTP requests, %d attacks\n",
		out, len(capture.Frames), truth.Packets, truth.Counts.TCPFlows, truth.Counts.HTTPRequests, len(truth.Attacks))
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
