package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sensor runs Kagami.
type sensor struct {
	program string
	temp    string // directory for what it writes
}

// exports are what is asked of Kagami: its records, and the same as Zeek and as
// Suricata would write them. Every file is hashed in every way.
const exports = `
[decode.files]
hashes = ["md5", "sha1", "sha256"]
risky_hashes = []

[sensor]
dedup = false

[output]
time_zone = "UTC"

[[export]]
format = "zeek"
to = "file://%[1]s/zeek/"

[[export]]
format = "eve"
to = "file://%[1]s/eve.json"

[[export]]
format = "ecs"
to = "file://%[1]s/records.jsonl"
`

// read is what Kagami sees in a capture, nothing if it refuses it: refusal says
// why. It counts every packet as others do, also those that came twice.
func (s *sensor) read(ctx context.Context, capture string) (items []item, refusal string, err error) {
	dir, err := os.MkdirTemp(s.temp, "read-")
	if err != nil {
		return nil, "", fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	config := filepath.Join(dir, "kagami.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, exports, dir), 0o600); err != nil {
		return nil, "", fmt.Errorf("write configuration: %w", err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, s.program, "read", "-q", "-c", config, capture)
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) && exit.ExitCode() == 1 {
		refusal, _, _ = strings.Cut(stderr.String(), "\n")
	} else if err != nil {
		return nil, "", fmt.Errorf("run %s: %w: %s", s.program, err, bytes.TrimSpace(stderr.Bytes()))
	}
	items, err = readOutput(dir)
	return items, refusal, err
}

// readOutput reads everything that Kagami wrote.
func readOutput(dir string) ([]item, error) {
	var items []item
	for name, parse := range map[string]func(io.Reader) ([]item, error){"records.jsonl": kagamiItems, "eve.json": eveItems} {
		some, err := readFile(filepath.Join(dir, name), parse)
		if err != nil {
			return nil, err
		}
		items = append(items, some...)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "zeek", "*.log"))
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
		rows := zeekItems(filepath.Base(path), text)
		for i := range rows { // Kagami looks no further than the handshake
			if h, ok := rows[i].fields["history"]; ok && rows[i].kind == lineKind("quic") {
				rows[i].fields["history"] = h + opening
			}
		}
		items = append(items, rows...)
	}
	return items, nil
}

// readFile parses a file; one that is missing has nothing.
func readFile(path string, parse func(io.Reader) ([]item, error)) ([]item, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("open what Kagami wrote: %w", err)
	}
	defer f.Close()
	items, err := parse(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("parse %q: %w", filepath.Base(path), err)
	}
	return items, nil
}
