package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// maxCapture bounds a compressed capture, octets: the folder is part of the
// source.
const maxCapture = 60 << 10

// keep puts the capture and what is to be known of it into the case's folder.
func (s *scene) keep(from, to string) error {
	plain, err := os.ReadFile(filepath.Join(from, "in.pcap"))
	if err != nil {
		return fmt.Errorf("read capture: %w", err)
	}
	zw, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20))
	if err != nil {
		return fmt.Errorf("open zstd writer: %w", err)
	}
	packed := zw.EncodeAll(plain, nil)
	if len(packed) > maxCapture {
		return fmt.Errorf("the capture has %d octets, more than %d", len(packed), maxCapture)
	}
	text, err := s.readme()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	files := map[string][]byte{"in.pcap.zst": packed, "README.md": text}
	for _, name := range s.also {
		if files[name], err = os.ReadFile(filepath.Join(from, name)); err != nil {
			return fmt.Errorf("read log: %w", err)
		}
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(to, name), b, 0o644); err != nil {
			return fmt.Errorf("write case: %w", err)
		}
	}
	fmt.Printf("%-10s %d octets (%d packed)\n", s.name, len(plain), len(packed))
	return nil
}

// readme is the case's story with the versions of the programs that played it.
func (s *scene) readme() ([]byte, error) {
	story, err := stories.ReadFile("readme/" + s.name + ".md")
	if err != nil {
		return nil, fmt.Errorf("read story: %w", err)
	}
	var b bytes.Buffer
	b.Write(story)
	fmt.Fprintf(&b, "\n## Origin and licence\n\nCaptured on %s on a bridge between network namespaces, by this project's\n"+
		"`lab/cmd/genuine`; nobody's traffic was recorded. It has the project's licence.\nAddresses are private or of the documentation ranges, "+
		"names end in `.example`,\npasswords are good for nothing.\n\nThe programs (Debian's packages):\n\n", time.Now().UTC().Format(time.DateOnly))
	for _, p := range s.needs {
		out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", p.pkg).Output()
		if err != nil {
			return nil, fmt.Errorf("ask for the version of %s: %w", p.pkg, err)
		}
		fmt.Fprintf(&b, "- %s (%s %s)\n", filepath.Base(p.file), p.pkg, strings.TrimSpace(string(out)))
	}
	fmt.Fprintf(&b, "\n## Make it again\n\n    go run ./lab/cmd/genuine -o testdata -only %s     # root\n    go test ./cmd/kagami -run Cases -update\n\n"+
		"The packets are others each time (ports, times, keys); what `cmd/kagami/cases_test.go`\nsays of them must hold.\n", s.name)
	return b.Bytes(), nil
}
