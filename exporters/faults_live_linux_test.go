package exporters

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kagami/records"
)

// TestLiveDiskIsFull has the log and its queue on one file system of 6 MiB, which
// somebody else fills, then the log itself, and which then has room again: after
// somebody deleted the log, or made room elsewhere.
func TestLiveDiskIsFull(t *testing.T) {
	if os.Getenv("KAGAMI_LIVE") != "1" {
		t.Skip("mounting a small file system needs root: run `make live-test` (KAGAMI_LIVE=1)")
	}
	mount := os.Getenv("KAGAMI_LIVE_DIR")
	if mount == "" {
		cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
			`mount -t tmpfs -o size=6m tmpfs "$KAGAMI_LIVE_DIR" && exec "$0" -test.run='^TestLiveDiskIsFull$' -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), "KAGAMI_LIVE_DIR="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestLiveDiskIsFull") {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	for _, c := range []struct {
		name string
		room func(log, other string) error
		all  bool // nothing is gone with what was deleted
	}{
		{"room elsewhere", func(_, other string) error { return os.Remove(other) }, true},
		{"the log is deleted", func(log, _ string) error { return os.Remove(log) }, false},
	} {
		t.Run(c.name, func(t *testing.T) { fillDisk(t, mount, c.room, c.all) })
	}
}

func fillDisk(t *testing.T, mount string, room func(log, other string) error, all bool) {
	dir := filepath.Join(mount, "sensor")
	os.Mkdir(dir, 0o700)
	defer os.RemoveAll(dir)
	path, other := filepath.Join(dir, "queries.log"), filepath.Join(dir, "other")
	log := new(logBuffer)
	d := durableFor(t, Config{Format: "bind", To: "file://" + path}, filepath.Join(dir, "queue"), testLogger(log))
	n := 0
	write := func(lines int) {
		for range lines {
			d.Write([]records.Record{faultQuery(t, n)})
			n++
		}
	}
	write(1000)
	empty(t, d)
	if err := os.WriteFile(other, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	write(30_000) // 3 MB for the log, or 5 MB for the queue: more than there is on disk
	for end := time.Now().Add(20 * time.Second); d.Stats().Errors < 3 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	full := d.Stats()
	balanced(t, full)
	if full.Errors < 3 || full.QueuedLines == 0 || full.Dropped != 0 || !strings.Contains(log.String(), "no space left on device") {
		t.Errorf("%+v %s", full, log)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := room(path, other); err != nil {
		t.Fatal(err)
	}
	empty(t, d)
	if err := closeWithin(5*time.Second, d); err != nil {
		t.Error(err)
	}
	s := d.Stats()
	balanced(t, s)
	if s.Sent != uint64(n) || s.Dropped+s.Failed+s.Unreadable != 0 {
		t.Errorf("%+v", s)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if all && strings.Count(string(text), "\n") != n {
		t.Errorf("%d lines in the file, want %d", strings.Count(string(text), "\n"), n)
	}
	if !all {
		text = append(before, text...)
	}
	wantTokens(t, string(text), n)
}

// wantTokens wants the lines 0 to n-1, each for the first time in order.
func wantTokens(t *testing.T, text string, n int) {
	t.Helper()
	next := 0
	for _, a := range arrivals(text) {
		if a.n == next {
			next++
		} else if a.n > next {
			t.Fatalf("line %d came, want %d", a.n, next)
		}
	}
	if next != n {
		t.Errorf("%d of %d lines came", next, n)
	}
}
