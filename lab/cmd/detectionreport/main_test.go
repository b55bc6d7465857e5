package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSeeds(t *testing.T) {
	for text, want := range map[string][]uint64{"1-3": {1, 2, 3}, "6": {6}, "6,9-10": {6, 9, 10}, "": nil, "a": nil, "3-1": nil, "1-": nil, "1-9999": nil} {
		got, err := seeds(text)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	if _, err := (&settings{full: true, quick: true}).plan(); err == nil {
		t.Error("-full and -quick go together")
	}
}

// TestQuick runs the command as the smoke test of CI does.
func TestQuick(t *testing.T) {
	to := filepath.Join(t.TempDir(), "report.md")
	var out bytes.Buffer
	if err := run(&settings{quick: true, fast: true, workers: 2, out: to}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"recall", "time", "beats", "share", "scans", "false"} {
		if _, err := os.Stat(strings.TrimSuffix(to, ".md") + "-" + name + ".svg"); err != nil {
			t.Error(err)
		}
		if !bytes.Contains(text, []byte("(report-"+name+".svg)")) {
			t.Errorf("the report does not show %s", name)
		}
	}
	if !strings.Contains(out.String(), "targets reached") {
		t.Errorf("said %q", out.String())
	}
}
