package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fake is a program that behaves by what is in the file it is to read.
const fake = `#!/bin/sh
for path; do :; done
out=$4
mkdir -p "$out"
case "$8 $(cat "$path")" in
*" good") echo record > "$out/records.jsonl" ;;
*" torn") echo "kagami: warning: torn at byte 7; everything before it was read" >&2 ;;
*" alien") echo "kagami: no capture file" >&2; exit 1 ;;
*" panic") echo "panic: index out of range" >&2; exit 2 ;;
*" noise") echo "kagami: unexpected" >&2 ;;
"capture.workers=3 racy") echo other > "$out/records.jsonl" ;;
*" racy") echo one > "$out/records.jsonl" ;;
*" sleepy") exec sleep 60 ;;
esac
`

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "kagami")
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(program, fake, 0o700)
	for _, c := range []struct {
		content string
		want    outcome
		good    bool
	}{
		{"good", ok, true}, {"torn", torn, true}, {"alien", refused, true},
		{"panic", crash, false}, {"noise", crash, false}, {"racy", differs, false}, {"sleepy", hang, false},
	} {
		t.Run(c.content, func(t *testing.T) {
			captures := t.TempDir()
			write(filepath.Join(captures, "a.pcap.gz"), c.content, 0o600)
			write(filepath.Join(captures, "notes.txt"), "panic", 0o600)
			list := filepath.Join(t.TempDir(), "list.tsv")
			var out bytes.Buffer
			r := &runner{program: program, limit: 2 * time.Second, maxMiB: 512}
			good, err := check(t.Context(), r, captures, list, 5, 1, &out)
			if err != nil || good != c.good {
				t.Errorf("good = %v, %v; want %v\n%s", good, err, c.good, out.String())
			}
			text, err := os.ReadFile(list)
			if err != nil {
				t.Fatal(err)
			}
			if rows := strings.Split(string(text), "\n"); len(rows) != 3 || !strings.HasPrefix(rows[1], "a.pcap.gz\t"+string(c.want)+"\t") {
				t.Errorf("got %q, want outcome %q", rows, c.want)
			}
		})
	}
}

func TestTooMuchMemory(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "kagami")
	if err := os.WriteFile(program, []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.pcap"), []byte("good"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	good, err := check(t.Context(), &runner{program: program, limit: time.Minute, maxMiB: 0}, dir, "", 5, 1, &out)
	if err != nil || good || !strings.Contains(out.String(), "1      TOO MUCH MEMORY") {
		t.Errorf("%v, %v\n%s", good, err, out.String())
	}
}

func TestNoCaptures(t *testing.T) {
	for _, dir := range []string{"", t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if _, err := check(t.Context(), &runner{}, dir, "", 5, 1, new(bytes.Buffer)); err == nil {
			t.Errorf("check of %q: want an error", dir)
		}
	}
}

func TestIsCapture(t *testing.T) {
	for name, want := range map[string]bool{"a.pcap": true, "A.PCAPNG": true, "a.cap.gz": true, "a.pcap.zst": true,
		"a.pcap.txt": false, "pcap": false, "a.gz": false, "a.log": false} {
		if isCapture(name) != want {
			t.Errorf("%s: got %v", name, !want)
		}
	}
}
