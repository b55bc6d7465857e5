package evidence

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kagami/sensor"
)

// TestLiveDiskFull fills a file system of 3 MiB, mounted in a mount namespace
// of a child process.
func TestLiveDiskFull(t *testing.T) {
	if os.Getenv("KAGAMI_LIVE") != "1" {
		t.Skip("mounting a small file system needs root: run `make live-test` (KAGAMI_LIVE=1)")
	}
	if dir := os.Getenv("KAGAMI_FULL_DIR"); dir != "" {
		fillDisk(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`mount -t tmpfs -o size=3m tmpfs "$KAGAMI_FULL_DIR" && exec "$0" -test.run='^TestLiveDiskFull$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "KAGAMI_FULL_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestLiveDiskFull") {
		t.Fatalf("%v: %s", err, out)
	}
}

func fillDisk(t *testing.T, mount string) {
	c := small(t)
	c.Dir, c.SegmentBytes = filepath.Join(mount, "evidence"), 1<<20
	s, log := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 10_000 { // the budget of 8 GiB promises what the disk does not have
		w.Add(frame(n, 1000), sensor.Plain, 0)
	}
	w.Flush()
	if st := s.Stats(); st.Packets != 10_000 || st.Deleted == 0 || st.Errors != 0 {
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
	for n := range 10_000 {
		w.Add(frame(10_000+n, 1000), sensor.Plain, 0)
	}
	w.Flush()
	if st := s.Stats(); st.LostDisk == 0 || st.Errors == 0 || !strings.Contains(log.String(), "disk full: ") {
		t.Errorf("stats %+v, want losses that are said: %s", st, log)
	}
	other.Close()
	if err := os.Remove(other.Name()); err != nil {
		t.Fatal(err)
	}
	before := s.Stats().Packets
	for n := range 10_000 {
		w.Add(frame(30_000+n, 1000), sensor.Plain, 0)
	}
	w.Close()
	if st := s.Stats(); st.Packets == before || !strings.Contains(log.String(), "recording again") {
		t.Errorf("stats %+v, want recording to go on: %s", st, log)
	}
	if _, err := readAll(segments(t, c.Dir)...); err != io.EOF {
		t.Errorf("segments: %v", err)
	}
}
