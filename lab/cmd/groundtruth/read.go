package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// label is one row of the table.
type label struct {
	capture, kind, host, detail string
	closer                      []alert // of the second, closer reading
}

func readLabels(path string) ([]label, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	return parseLabels(string(b))
}

func parseLabels(text string) ([]label, error) {
	var out []label
	for i, line := range strings.Split(text, "\n") {
		if line == "" || i == 0 {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
		if len(f) < 4 {
			return nil, fmt.Errorf("read labels: line %d: got %d columns, want capture, kind, host, detail", i+1, len(f))
		}
		out = append(out, label{capture: f[0], kind: f[1], host: f[2], detail: f[3]})
	}
	return out, nil
}

// alert is what of an alert matters here, by its names in ECS.
type alert struct {
	Message string
	Rule    struct{ Name string }
	Source  struct{ IP string }
	Kagami  struct {
		Alert struct {
			Score float64
			Level string
		}
	}
}

// reading is what kagami made of a capture.
type reading struct {
	alerts []alert
	err    error
}

// longest is the longest that one capture may take.
const longest = 2 * time.Minute

// closer reads a label's capture with its host alone inside, and bars lowered.
func (s *settings) closer(ctx context.Context, dir string, l *label) []alert {
	if _, err := netip.ParseAddr(l.host); err != nil {
		return nil
	}
	return s.read(ctx, filepath.Join(dir, l.capture), 0, "--inside", l.host,
		"--set", "detect.beacon.min_lasting=1m", "--set", "detect.incident.watches=true").alerts
}

// read runs kagami on one capture.
func (s *settings) read(ctx context.Context, path string, n int, flags ...string) reading {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	out := filepath.Join(s.temp, strconv.Itoa(n))
	args := []string{"read", "-q", "-o", out}
	if s.config != "" {
		args = append(args, "--config", s.config)
	}
	args = append(append(args, flags...), path)
	message, err := exec.CommandContext(ctx, s.program, args...).CombinedOutput()
	defer os.RemoveAll(out)
	r := reading{}
	if err != nil {
		text, _, _ := strings.Cut(string(message), "\n")
		r.err = fmt.Errorf("%w: %.120s", err, text)
	}
	f, err := os.Open(filepath.Join(out, "alerts.jsonl"))
	if err != nil {
		return r // nothing was written: r.err says why
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var a alert
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			r.err = fmt.Errorf("read alert: %w", err)
			break
		}
		r.alerts = append(r.alerts, a)
	}
	return r
}
