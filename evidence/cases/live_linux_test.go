package cases

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kagami/evidence/segment"
)

// TestLiveDisk pins onto file systems that are full, read-only and without hard
// links to the segments, mounted in a mount namespace of a child process.
func TestLiveDisk(t *testing.T) {
	if os.Getenv("KAGAMI_LIVE") != "1" {
		t.Skip("mounting a small file system needs root: run `make live-test` (KAGAMI_LIVE=1)")
	}
	if dir := os.Getenv("KAGAMI_CASES_DIR"); dir != "" {
		t.Run("full", func(t *testing.T) { pinFull(t, filepath.Join(dir, "full")) })
		t.Run("read-only", func(t *testing.T) { pinReadOnly(t, filepath.Join(dir, "readonly")) })
		return
	}
	dir := t.TempDir()
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`cd "$KAGAMI_CASES_DIR" && mkdir full readonly && mount -t tmpfs -o size=64k tmpfs full && mount -t tmpfs -o ro tmpfs readonly && exec "$0" -test.run='^TestLiveDisk$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "KAGAMI_CASES_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestLiveDisk/read-only") {
		t.Fatalf("%v: %s", err, out)
	}
}

// pinFull: the pin fails with the reason and stays; with room, it is finished.
func pinFull(t *testing.T, mount string) {
	env := labEnv(t)
	env.Cases = filepath.Join(mount, "cases")
	events := scenario()
	record(t, env.Dir, events, 0, 30, new(segment.Counters))
	ballast := filepath.Join(mount, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 44<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Pin(context.Background(), env, alertRequest())
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Fatalf("%+v, %v; want it to say that the disk is full", c, err)
	}
	if left, _ := holds(env.Dir, c.Name); len(left) == 0 {
		t.Error("the segments are not held any more")
	}
	rotate(t, env.Dir)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if list, err := Resume(context.Background(), env, env.Now()); err != nil || len(list) != 1 {
		t.Fatalf("with room: %v, %v", list, err)
	}
	all, _ := expected(events, minute(10), minute(25))
	if n := len(packetsOf(t, env.Path(c.Name))); n != all {
		t.Errorf("%d packets, want %d", n, all)
	}
}

// pinReadOnly: nothing is made, nothing is held, and the reason is said.
func pinReadOnly(t *testing.T, mount string) {
	env := labEnv(t)
	env.Cases = filepath.Join(mount, "cases")
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	_, err := Pin(context.Background(), env, alertRequest())
	if err == nil || !strings.Contains(err.Error(), "read-only file system") {
		t.Errorf("%v", err)
	}
	if stray, err := env.strayHolds(); err != nil || len(stray) != 0 {
		t.Errorf("holds %v, %v", stray, err)
	}
	env.Dir = mount
	if err := OpenJournal(env).Read("all", CurrentWho(), 1, 1, "-"); err == nil || !strings.Contains(err.Error(), "write journal: ") || !strings.Contains(err.Error(), "read-only file system") {
		t.Errorf("journal: %v", err)
	}
}
