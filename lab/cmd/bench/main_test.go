package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBench(t *testing.T) {
	dir := t.TempDir()
	program, file := filepath.Join(dir, "kagami"), filepath.Join(dir, "in.pcap")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := makeCapture("../../scenarios/office.toml", file, 1); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := bench(program, file, 2, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "kagami, 1 worker, all files") {
		t.Error(out.String())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "bench-*")); left != nil {
		t.Errorf("%v was left behind", left)
	}
	if err := bench(filepath.Join(dir, "missing"), file, 1, &out); err == nil {
		t.Error("want an error without a program")
	}
}

func TestSpread(t *testing.T) {
	ss := []sample{{cpu: 3 * time.Second}, {cpu: time.Second}, {cpu: 2 * time.Second}}
	if got, want := spread(ss, sample.cpuSeconds), (stats{1, 2, 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := spread(ss[:2], sample.cpuSeconds), (stats{1, 2, 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
