package evidence

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kagami/sensor"
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

// TestLiveDiskFull fills a file system of 3 MiB.
func TestLiveDiskFull(t *testing.T) { live(t, "size=3m", fillDisk) }

func fillDisk(t *testing.T, mount string) {
	c := small(t)
	c.Dir, c.SegmentBytes, c.BufferMiB = filepath.Join(mount, "evidence"), 1<<20, 1
	s, log := openStore(t, c)
	s.create = create
	w := s.Writer(0, 0)
	n := 0
	pass := func(count int) {
		for range count {
			w.Add(frame(n, 1000), sensor.Plain, 0)
			n++
		}
		w.Flush()
		balanced(t, s, n)
	}
	pass(10_000) // the budget of 8 GiB promises what the disk does not have
	if st := s.Stats(); st.Stored != 10_000 || st.Deleted == 0 || st.Errors != 0 {
		t.Errorf("stats %+v, want all packets written and the oldest segments gone: %s", st, log)
	}
	// Someone else takes all the room: nothing is left to delete.
	other, err := os.Create(filepath.Join(mount, "other"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = other.Write(make([]byte, 4096))
		s.makeRoom()
	}
	pass(10_000)
	if st := s.Stats(); st.LostFull == 0 || st.Errors == 0 || st.Level != LevelMemory || !strings.Contains(log.String(), "disk full: ") {
		t.Errorf("stats %+v, want losses that are said: %s", st, log)
	}
	other.Close()
	if err := os.Remove(other.Name()); err != nil {
		t.Fatal(err)
	}
	before := s.Stats().Stored
	pass(10_000)
	w.Close()
	if st := s.Stats(); st.Stored == before || !strings.Contains(log.String(), "recording again") {
		t.Errorf("stats %+v, want recording to go on: %s", st, log)
	}
	if _, err := readAll(segments(t, c.Dir)...); err != io.EOF {
		t.Errorf("segments: %v", err)
	}
}

// TestLiveInodes has room for octets, but not for files.
func TestLiveInodes(t *testing.T) { live(t, "size=64m,nr_inodes=90", fillInodes) }

func fillInodes(t *testing.T, mount string) {
	c := small(t)
	c.Dir, c.SegmentBytes = filepath.Join(mount, "evidence"), 1<<20
	s, log := openStore(t, c)
	s.create = create
	w := s.Writer(0, 0)
	fill(s, w, t0, 30) // two files each
	w.Close()
	if st := s.Stats(); st.Deleted == 0 || st.LostFull+st.Errors+st.IndexErrors != 0 {
		t.Errorf("stats %+v, want the oldest to make way: %s", st, log)
	}
}

// TestLiveReadOnly has the file system become read-only, as after an error of the
// medium, and writable again.
func TestLiveReadOnly(t *testing.T) { live(t, "size=64m", readOnly) }

func readOnly(t *testing.T, mount string) {
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", mount, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	c := small(t)
	c.Dir, c.SegmentBytes, c.BufferMiB = filepath.Join(mount, "evidence"), 1<<20, 2
	s, log := openStore(t, c)
	s.create = create
	w := s.Writer(0, 0)
	seen := 0
	pass := func(from int64, count int) {
		for i := range count {
			f := frame(seen, 1000)
			f.Time = from + int64(i)*second/1000
			w.Add(f, sensor.Plain, 0)
			if seen++; seen%100 == 0 {
				w.Tick(f.Time, 0)
				w.Flush()
				balanced(t, s, seen)
			}
		}
	}
	pass(t0, 3000)
	w.Tick(t0+3600*second, 0) // closes the segment: a file that is open for writing forbids the remount
	w.Flush()
	remount(unix.MS_RDONLY)
	pass(t0+3601*second, 20_000)
	if st := s.Stats(); st.LostError == 0 || st.Waiting == 0 || st.LostFull != 0 || st.Level != LevelMemory {
		t.Errorf("stats %+v, want the newest to wait and the others to be lost to the failure", st)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "the file system has become read-only") {
		t.Errorf("%d errors are said, want one: %s", n, log)
	}
	waiting := s.Stats().Waiting
	remount(0)
	stored := s.Stats().Stored
	w.Tick(t0+3630*second, 0)
	w.Flush()
	if st := s.Stats(); st.Stored-stored != waiting || st.Waiting != 0 || st.Level != LevelAll {
		t.Errorf("stats %+v, want the %d packets that waited to be written", st, waiting)
	}
	w.Close()
	s.Close()

	remount(unix.MS_RDONLY)
	if _, err := Open(c, s.log); err != nil { // the directory is there, and can be locked: the first segment tells
		t.Errorf("open on a read-only file system: %v", err)
	}
	c.Dir = filepath.Join(mount, "another")
	if _, err := Open(c, s.log); err == nil || !strings.Contains(err.Error(), "mount it for writing, or choose another evidence.dir") {
		t.Errorf("make a directory on a read-only file system: %v", err)
	}
}

// TestLivePermission opens a store as a user who may not.
func TestLivePermission(t *testing.T) {
	live(t, "size=8m,mode=0755", func(t *testing.T, mount string) {
		c := Default()
		c.Dir, c.MinFreeBytes = filepath.Join(mount, "evidence"), 0
		s, _ := openStore(t, c)
		s.Close()
		// For the threads of this process that Open runs on, for good: it ends here.
		if err := syscall.Setuid(65534); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{c.Dir, filepath.Join(mount, "another")} {
			c.Dir = dir
			_, err := Open(c, s.log)
			if err == nil || !strings.Contains(err.Error(), "permission denied; let the user that kagami runs as read and write there") || strings.Contains(err.Error(), "\n") {
				t.Errorf("open %q: %v", dir, err)
			}
		}
	})
}
