package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kagami/detectors"
)

func TestLearnedSavesAtomically(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	l := &learned{path: filepath.Join(dir, "learned"), log: slog.New(slog.NewTextHandler(&log, nil))}
	if err := l.probe(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two", "three"} {
		l.save([]byte(text))
		l.writing.Wait()
	}
	if err := l.finish([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(l.path); string(got) != "last" {
		t.Errorf("the file holds %q", got)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	l.busy = true // the disk still writes
	l.save([]byte("left out"))
	if got, _ := os.ReadFile(l.path); string(got) != "last" || !strings.Contains(log.String(), "one saving was left out") {
		t.Errorf("the file holds %q; log: %s", got, &log)
	}
}

// A state of which a part cannot be read is kept, and the rest of it used.
func TestLearnedInParts(t *testing.T) {
	var log bytes.Buffer
	l := &learned{path: filepath.Join(t.TempDir(), "learned"), log: slog.New(slog.NewTextHandler(&log, nil))}
	b := detectors.New(detectors.Default(), nil).Save()
	i := bytes.Index(b, []byte("beacon")) + len("beacon") // its version follows
	b[i] = 99
	if err := os.WriteFile(l.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	l.restore(detectors.New(detectors.Default(), nil), nil)
	if want := "state of beacon is not used: it has version 99"; !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "what was learned is restored") {
		t.Errorf("log: %s, want %q", &log, want)
	}
	if got, _ := os.ReadFile(l.aside()); !bytes.Equal(got, b) {
		t.Error("the file is not kept")
	}
}

func TestLearnedRefused(t *testing.T) {
	l := &learned{path: filepath.Join(t.TempDir(), "missing", "learned")}
	if err := l.probe(); err == nil || !strings.HasPrefix(err.Error(), "detect.state: ") {
		t.Errorf("a directory that is not there: %v", err)
	}
}
