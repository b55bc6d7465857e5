package spool

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// live runs the rest of a test in a child process: in a mount namespace of its own,
// with a small file system mounted on a directory, which is passed to it.
func live(t *testing.T, options string, inside func(t *testing.T, dir string)) {
	t.Helper()
	if os.Getenv("KAGAMI_LIVE") != "1" {
		t.Skip("mounting a small file system needs root: run `make live-test` (KAGAMI_LIVE=1)")
	}
	if dir := os.Getenv("KAGAMI_LIVE_DIR"); dir != "" {
		inside(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`mount -t tmpfs -o "$KAGAMI_LIVE_OPTIONS" tmpfs "$KAGAMI_LIVE_DIR" && exec "$0" -test.run='^`+t.Name()+`$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "KAGAMI_LIVE_DIR="+dir, "KAGAMI_LIVE_OPTIONS="+options)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestLiveDiskFull fills a file system of 4 MiB, which becomes free again.
func TestLiveDiskFull(t *testing.T) {
	live(t, "size=4m", func(t *testing.T, mount string) {
		c := small(t)
		c.Dir, c.SegmentBytes, c.retryAfter = filepath.Join(mount, "spool"), 256<<10, 50*time.Millisecond
		other := filepath.Join(mount, "other")
		if err := os.WriteFile(other, make([]byte, 2<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		s, log := openOn(t, c, osDisk{})
		text := []byte(strings.Repeat("x", 1000))
		add := func(class uint8, lines int) {
			for n := range lines {
				s.Append(Entry{Class: class, Text: text})
				if n%50 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		}
		add(0, 8000) // 8 MB for 2 on disk and 2 in memory
		add(3, 2500) // for which flows make way
		st := s.Stats()
		if st.Dropped[0] == 0 || st.Dropped[3] != 0 || st.Errors == 0 || strings.Count(log.String(), "the disk is full: free room") != 1 {
			t.Errorf("%+v %s", st, log)
		}
		if err := os.Remove(other); err != nil {
			t.Fatal(err)
		}
		wait(t, "the recovery", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used == 0 })
		var a account
		drain(t, s, a.take(t))
		st = s.Stats()
		if a.lines[0]+st.Dropped[0] != 8000 || a.lines[3] != 2500 || a.lost != st.Dropped || !strings.Contains(log.String(), "writing works again") {
			t.Errorf("came %v, lost %v: %+v %s", a.lines, a.lost, st, log)
		}
		closeSpool(t, s)
	})
}

// TestLiveInodes has room for octets, but not for files.
func TestLiveInodes(t *testing.T) {
	live(t, "size=64m,nr_inodes=6", func(t *testing.T, mount string) {
		c := small(t)
		c.Dir, c.retryAfter = filepath.Join(mount, "spool"), 50*time.Millisecond
		s, log := openOn(t, c, osDisk{})
		for n := range 2000 {
			s.Append(line(n))
		}
		wait(t, "errors", func() bool { return s.Stats().Errors > 2 })
		if n := drain(t, s, inOrder(t, 0, 1)); n != 2000 || !strings.Contains(log.String(), "the disk is full") {
			t.Errorf("%d lines: %s", n, log)
		}
		closeSpool(t, s)
	})
}

// TestLiveReadOnly has the file system become read-only, as after an error of the
// medium, and writable again.
func TestLiveReadOnly(t *testing.T) {
	live(t, "size=64m", func(t *testing.T, mount string) {
		c := small(t)
		c.Dir, c.retryAfter = filepath.Join(mount, "spool"), 50*time.Millisecond
		stored(t, c, 1000)
		remount := func(flags uintptr) error { return unix.Mount("", mount, "", unix.MS_REMOUNT|flags, "") }
		if err := remount(unix.MS_RDONLY); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "mount it for writing, or choose another directory") {
			t.Errorf("open on a read-only file system: %v %v", s, err)
		}
		if err := remount(0); err != nil {
			t.Fatal(err)
		}
		s, _ := openOn(t, c, osDisk{})
		if n := drain(t, s, inOrder(t, 0, 1)); n != 1000 {
			t.Errorf("%d lines", n)
		}
		closeSpool(t, s)
	})
}
