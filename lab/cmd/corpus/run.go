package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// outcome is what came of a file.
type outcome string

const (
	ok        outcome = "ok"
	torn      outcome = "torn: read up to its torn end"
	refused   outcome = "refused: no capture, or damaged, and said so"
	differs   outcome = "DIFFERS by workers or batches"
	tooBig    outcome = "TOO MUCH MEMORY"
	hang      outcome = "HANG"
	crash     outcome = "CRASH"
	abandoned outcome = "" // the user stopped it
)

func outcomes() []outcome { return []outcome{ok, torn, refused, differs, tooBig, hang, crash} }

func (o outcome) acceptable() bool { return o == ok || o == torn || o == refused }

// result is what came of the reading of one file in all ways.
type result struct {
	path    string
	size    int64 // octets on disk
	outcome outcome
	message string
	slowest time.Duration
	rss     int64 // peak, octets
}

// runner runs the program.
type runner struct {
	program string
	temp    string
	limit   time.Duration
	maxMiB  int64
}

// file reads one capture in all ways and compares what they wrote.
func (r *runner) file(ctx context.Context, path string, number int) result {
	res := result{path: path, outcome: ok}
	if st, err := os.Stat(path); err == nil {
		res.size = st.Size()
	}
	var first string
	for i, v := range variants() {
		dir := filepath.Join(r.temp, strconv.Itoa(number))
		one := r.run(ctx, path, dir, v)
		res.slowest, res.rss = max(res.slowest, one.slowest), max(res.rss, one.rss)
		wrote, err := digest(dir)
		os.RemoveAll(dir)
		if err != nil {
			one.outcome, one.message = crash, err.Error()
		}
		wrote = string(one.outcome) + "\n" + wrote
		switch {
		case i == 0:
			first, res.outcome, res.message = wrote, one.outcome, one.message
		case !one.outcome.acceptable():
			res.outcome, res.message = one.outcome, one.message
		case wrote != first:
			res.outcome, res.message = differs, fmt.Sprintf("%d workers, batches of %d: %s", v.workers, v.frames, unequal(first, wrote))
		}
		if !res.outcome.acceptable() {
			return res
		}
	}
	return res
}

// run reads a capture once into dir.
func (r *runner) run(ctx context.Context, path, dir string, v variant) (res result) {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, r.program, "read", "-q", "-o", dir, "--set", "output.time_zone=UTC",
		"--set", "capture.workers="+strconv.Itoa(v.workers), "--set", "capture.batch_frames="+strconv.Itoa(v.frames), path)
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second
	began := time.Now()
	err := cmd.Run()
	res.slowest = time.Since(began)
	if cmd.ProcessState != nil {
		res.rss = int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10 // KiB on Linux
	}
	res.outcome, res.message = judge(ctx, err, stderr.String())
	res.message = strings.ReplaceAll(res.message, path+": ", "")
	if over := res.rss >> 20; res.outcome.acceptable() && over > r.maxMiB {
		res.outcome, res.message = tooBig, fmt.Sprintf("%d MiB, want at most %d", over, r.maxMiB)
	}
	return res
}

func judge(ctx context.Context, err error, stderr string) (outcome, string) {
	text := strings.TrimSpace(stderr)
	line, _, _ := strings.Cut(text, "\n")
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return abandoned, ""
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return hang, line
	case err == nil && strings.HasPrefix(line, "kagami: warning: "):
		return torn, line
	case err == nil && text == "":
		return ok, ""
	case err == nil:
		return crash, "exit status 0, but: " + line
	case errors.As(err, &exit) && exit.ExitCode() == 1 && strings.HasPrefix(line, "kagami: "):
		return refused, line
	}
	return crash, err.Error() + ": " + line
}

// digest is a line for each file that was written, with the hash of its content.
func digest(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s %x\n", e.Name(), h.Sum(nil))
	}
	return b.String(), nil
}

// unequal names the files whose lines differ.
func unequal(a, b string) string {
	var names []string
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || line != other[i] {
			name, _, _ := strings.Cut(line, " ")
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
