package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestSameRecords: what Kagami says depends on the frames alone. Every output
// file is the same, byte for byte, for any number of workers and any batch size.
func TestSameRecords(t *testing.T) {
	captures, err := filepath.Glob("../../testdata/*/in.*")
	if err != nil || len(captures) == 0 {
		t.Fatal("no captures", err)
	}
	for _, path := range captures {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			want := contents(t, read(t, []string{path}, "capture.workers=1"))
			for _, workers := range []int{1, 2, 3, 8} {
				for _, frames := range []int{1, 61, 4096, 65536} {
					t.Run(fmt.Sprintf("%d workers, batches of %d", workers, frames), func(t *testing.T) {
						dir := read(t, []string{path}, "capture.workers="+strconv.Itoa(workers), "capture.batch_frames="+strconv.Itoa(frames))
						differ(t, contents(t, dir), want)
					})
				}
			}
		})
	}
}

func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = text
	}
	return out
}

// differ shows the first line that differs in each file.
func differ(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for name, text := range want {
		if bytes.Equal(got[name], text) {
			continue
		}
		g, w := bytes.Split(got[name], []byte("\n")), bytes.Split(text, []byte("\n"))
		for i := range min(len(g), len(w)) {
			if !bytes.Equal(g[i], w[i]) {
				t.Errorf("%s line %d:\n got  %.600s\n want %.600s", name, i+1, g[i], w[i])
				break
			}
		}
	}
}
