package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kagami/configs"
	"kagami/exporters"
)

func TestPlaces(t *testing.T) {
	c := configs.Default()
	c.Evidence.Enabled, c.Evidence.Dir = true, "/var/lib/kagami/evidence"
	to := []exporters.Config{
		{Format: "ecs", To: "file:///var/log/kagami/records.jsonl"},
		{Format: "squid", To: "file:///var/log/kagami/access.log"},
		{Format: "ecs", To: "syslog+tls://siem:6514?ca=/srv/pki/ca.pem&key=/srv/keys/k.pem"},
		{Format: "ecs", To: "stdout:"},
		{Format: "ecs", To: "kafka+tls://siem:9093/kagami?user=kagami&password=file:/srv/secrets/kafka"},
	}
	readable, writable := places(c, to, "/opt/kagami.toml")
	if got, want := dirs(writable), []string{"/var/lib/kagami", "/var/lib/kagami/account", "/var/lib/kagami/evidence", "/var/log/kagami"}; !slices.Equal(got, want) {
		t.Errorf("writable: %q, want %q", got, want)
	}
	if got, want := dirs(readable), []string{"/etc", "/opt", "/proc", "/run", "/srv/keys", "/srv/pki", "/srv/secrets", "/sys", "/usr"}; !slices.Equal(got, want) {
		t.Errorf("readable: %q, want %q", got, want)
	}
}

func TestGuardAllows(t *testing.T) {
	c := configs.Default()
	c.Detect.State, c.Account.Enable = "", false
	file := func(path string) []exporters.Config { return []exporters.Config{{Format: "ecs", To: "file://" + path}} }
	g := guard{readable: []place{{dir: "/etc"}, {dir: "/proc"}, {dir: "/run"}, {dir: "/sys"}, {dir: "/usr"}}, writable: []place{{dir: "/var/log/kagami"}}}
	other := c
	other.Security.User = "kagami"
	recording := c
	recording.Evidence.Enabled = true
	learning := c
	learning.Detect.State = "/var/lib/kagami/learned"
	accounting := c
	accounting.Account.Enable = true
	for _, tc := range []struct {
		name   string
		config configs.Config
		to     []exporters.Config
		want   string
	}{
		{"same directory", c, file("/var/log/kagami/a.log"), ""},
		{"below it", c, file("/var/log/kagami/sub/a.log"), ""},
		{"beside it", c, file("/var/log/kagami2/a.log"), `write to "/var/log/kagami2"`},
		{"evidence", recording, nil, `write to "/var/lib/kagami/evidence"`},
		{"state", learning, nil, `write to "/var/lib/kagami"`},
		{"account", accounting, nil, `write to "/var/lib/kagami/account"`},
		{"certificate", c, []exporters.Config{{Format: "ecs", To: "syslog+tls://h:1?ca=/srv/ca.pem"}}, `read "/srv"`},
		{"certificate of the system", c, []exporters.Config{{Format: "ecs", To: "syslog+tls://h:1?ca=/etc/ssl/ca.pem"}}, ""},
		{"other user", other, nil, `security.user: got "kagami", running as ""`},
	} {
		err := g.allows(tc.config, tc.to, "/etc/kagami/kagami.toml")
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "restart")) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if err := (&guard{}).allows(recording, file("/anywhere/a.log"), ""); err != nil {
		t.Errorf("without Landlock: %v", err)
	}
}

func TestLandlockRights(t *testing.T) {
	for abi := 1; abi <= 9; abi++ {
		handled, write := landlockRights(abi)
		if write&^handled != 0 {
			t.Errorf("version %d: writers get %#x, which it does not govern", abi, write&^handled)
		}
		if got, want := handled&unix.LANDLOCK_ACCESS_FS_TRUNCATE != 0, abi >= 3; got != want {
			t.Errorf("version %d: governs truncation %v, want %v", abi, got, want)
		}
		if write&unix.LANDLOCK_ACCESS_FS_EXECUTE != 0 {
			t.Errorf("version %d: writers may run programs", abi)
		}
	}
}

func TestMakeDir(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b", "c")
	for range 2 { // the second time all is there
		if err := makeDir(place{dir, 0o700}, owner{os.Getuid(), os.Getgid()}); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v, want mode 0700", st, err)
	}
	if err := os.WriteFile(filepath.Join(top, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := makeDir(place{filepath.Join(top, "file", "d"), 0o700}, owner{-1, -1}); err == nil {
		t.Error("made a directory below a file")
	}
}

func TestGuardHint(t *testing.T) {
	denied := fmt.Errorf("open file: %w", fs.ErrPermission)
	if err := (&guard{user: "kagami"}).hint(denied); !strings.Contains(err.Error(), "chown -R kagami") || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want what to do", err)
	}
	if err := (&guard{}).hint(denied); err != denied {
		t.Errorf("%v, want it unchanged: root was denied by something else", err)
	}
}

func TestFindUser(t *testing.T) {
	if _, err := findUser("no-such-user"); err == nil || !strings.Contains(err.Error(), "useradd --system") {
		t.Errorf("%v, want how to make one", err)
	}
}

// dropping is a configuration whose directories are not there yet.
const dropping = `
[capture]
workers = 2
[security]
user = "nobody"
[evidence]
enabled = true
dir = "DIR/made/evidence"
min_free_bytes = 0
flush_ms = 100
[[export]]
format = "ecs"
to = "file://DIR/made/logs/records.jsonl"
`

// withoutCgo skips when threads cannot be changed together.
func withoutCgo(t *testing.T) {
	t.Helper()
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0); e == unix.ENOTSUP {
		t.Skip("built with cgo, as kagami never is: set CGO_ENABLED=0")
	}
}

// TestLivePrivileges: the process is nobody with raw sockets in all its threads,
// and all that comes later still works: log rotation, reload, evidence, and the
// interface's removal and return.
func TestLivePrivileges(t *testing.T) {
	ownNetwork(t)
	withoutCgo(t)
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // or nobody gets there
		t.Fatal(err)
	}
	l := startLive(t, dir, dropping)
	const records = "made/logs/records.jsonl"
	step := func(port uint16) {
		t.Helper()
		play(t, transaction(t, port), 0)
		l.written(records, transactionMark(port))
		unprivileged(t, l.cmd.Process.Pid)
	}
	step(54469)
	if err := os.Rename(l.path(records), l.path(records+".1")); err != nil {
		t.Fatal(err)
	}
	l.signal(unix.SIGHUP)
	l.logged("files reopened, configuration unchanged")
	step(60689)

	ip(t, "link del k0")
	l.logged("interface is down: waiting")
	addPair(t)
	l.logged("interface is up again")
	step(41858)

	outside := `[[export]]` + "\nformat = \"squid\"\nto = \"file://DIR/elsewhere/access.log\"\n"
	l.configure(dropping + outside)
	l.signal(unix.SIGHUP)
	l.logged("reload refused, the old configuration stays.*needs a restart")
	l.configure(dropping + strings.ReplaceAll(outside, "elsewhere", "made/logs"))
	l.signal(unix.SIGHUP)
	l.logged("configuration changed: starting anew")
	l.until("capturing again", func() bool { return strings.Count(l.log.String(), "msg=capturing") == 2 })
	step(40231)
	l.written("made/logs/access.log", "10.0.0.13")
	l.stop()

	segments, err := filepath.Glob(l.path("made/evidence/*.pcapng"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no evidence: %v", err)
	}
	if n := len(framesOf(t, segments, "")); n != 32 {
		t.Errorf("%d packets of 32 in the evidence", n)
	}
}

// unprivileged checks every thread.
func unprivileged(t *testing.T, pid int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads: %q, %v", threads, err)
	}
	nobody, err := findUser("nobody")
	if err != nil {
		t.Fatal(err)
	}
	const raw = "0000000000002000"
	ids := func(n int) string { return strings.TrimSuffix(strings.Repeat(fmt.Sprint(n, "\t"), 4), "\t") }
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread ended
		}
		for key, want := range map[string]string{"Uid": ids(nobody.uid), "Gid": ids(nobody.gid), "Groups": fmt.Sprint(nobody.gid),
			"CapEff": raw, "CapPrm": raw, "CapInh": "0000000000000000", "CapAmb": "0000000000000000", "NoNewPrivs": "1"} {
			_, rest, _ := strings.Cut(string(text), "\n"+key+":")
			if got, _, _ := strings.Cut(rest, "\n"); strings.TrimSpace(got) != want {
				t.Errorf("%s: %s is %q, want %q", path, key, strings.TrimSpace(got), want)
			}
		}
	}
}

// TestLiveConfined: Landlock refuses even root a file outside the directories of
// the start; a link leads there from inside, so that nothing else refuses it.
func TestLiveConfined(t *testing.T) {
	ownNetwork(t)
	withoutCgo(t)
	outside := filepath.Join(t.TempDir(), "stolen.log")
	l := startLive(t, t.TempDir(), recordsOnly)
	if strings.Contains(l.log.String(), "Landlock is off") {
		t.Skipf("this kernel has no Landlock: %s", l.log.String())
	}
	if err := os.Symlink(outside, l.path("link.log")); err != nil {
		t.Fatal(err)
	}
	l.configure(recordsOnly + "[[export]]\nformat = \"squid\"\nto = \"file://DIR/link.log\"\n")
	l.signal(unix.SIGHUP)
	if code := l.ends(); code != 1 || !strings.Contains(l.log.String(), "permission denied") {
		t.Errorf("exit status %d: %s", code, l.log.String())
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("the file outside was made")
	}
}

// TestLiveDirectoryOfAnother: what the user may not write is said at the start,
// with what to do.
func TestLiveDirectoryOfAnother(t *testing.T) {
	ownNetwork(t)
	withoutCgo(t)
	dir := t.TempDir() // root's
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "kagami.toml")
	text := strings.ReplaceAll(recordsOnly+"[security]\nuser = \"nobody\"\n[detect]\nstate = \"DIR/learned\"\n", "DIR", dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stderr := fails(t, "run", "-i", "k0", "-c", config)
	if code != 1 || !strings.Contains(stderr, "permission denied") || !strings.Contains(stderr, "chown -R nobody") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
}

// TestLiveNotify: systemd hears that the service is ready, alive and stopping.
func TestLiveNotify(t *testing.T) {
	ownNetwork(t)
	conn := manager(t)
	l := startLive(t, t.TempDir(), recordsOnly, "WATCHDOG_USEC=600000")
	for i, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := heard(t, conn, waitLimit); got != want {
			t.Errorf("message %d: %q, want %q", i, got, want)
		}
	}
	l.stop()
	for {
		switch got := heard(t, conn, waitLimit); got {
		case "WATCHDOG=1":
		case "STOPPING=1":
			return
		default:
			t.Fatalf("%q, want STOPPING=1", got)
		}
	}
}
