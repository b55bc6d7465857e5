package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kagami/lab"
)

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "office")
	var report bytes.Buffer
	if err := run("../../scenarios/office.toml", "", dir, &report); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(report.String(), "packets") {
		t.Errorf("report %q, want the number of packets", report.String())
	}
	b, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth lab.Truth
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	if truth.Scenario != "office" || truth.Packets == 0 {
		t.Errorf("truth of %q with %d packets", truth.Scenario, truth.Packets)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Errorf("%d files, want in.pcap.zst and truth.json only", len(files))
	}
}

func TestRunFails(t *testing.T) {
	if err := run("missing.toml", "", t.TempDir(), new(bytes.Buffer)); err == nil {
		t.Error("want an error for a scenario that is not there")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run("../../scenarios/office.toml", "", file, new(bytes.Buffer)); err == nil {
		t.Error("want an error when the directory is a file")
	}
	if err := run("../../scenarios/office.toml", "mirage", dir, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "one-way") {
		t.Errorf("got %v, want an error that names the faults there are", err)
	}
}

func TestRunDoctored(t *testing.T) {
	dir := t.TempDir()
	if err := run("../../scenarios/office.toml", "broadcast", dir, new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(dir, "in.pcap.zst"))
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() == 0 || st.Size() > 1<<20 {
		t.Errorf("broadcast and multicast alone take %d octets", st.Size())
	}
	if got := directory("gro"); got != filepath.Join("out", "gro") {
		t.Errorf("a doctored capture goes to %q", got)
	}
}
