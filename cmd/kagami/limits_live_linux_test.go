package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// limited runs kagami run -i k0 from a shell that first limits itself. After 3 s it
// is told to stop, and then the status is 124.
func limited(t *testing.T, limit string, meanwhile func(), settings ...string) (status int, said string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "kagami.toml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(recordsOnly, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shell, err := exec.LookPath("bash") // sh has no exec -a
	if err != nil {
		t.Skip(err)
	}
	args := []string{"-c", limit + ` && exec timeout -s TERM 3 ` + shell + ` -c 'exec -a kagami "$0" "$@"' "$0" "$@"`, self, "run", "-i", "k0", "-c", config, "--set", "detect.state=", "--set", "account.enable=false"}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	var out bytes.Buffer
	cmd := exec.Command(shell, args...)
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if meanwhile != nil {
		time.Sleep(time.Second)
		meanwhile()
	}
	cmd.Wait()
	return cmd.ProcessState.ExitCode(), out.String()
}

// TestLiveLimits: below the limits of a process kagami either captures or says in
// one line what is too little. It never crashes.
func TestLiveLimits(t *testing.T) {
	ownNetwork(t)
	const running = 124
	some := func() { play(t, office(t, "")[:2000], 0) }
	for _, c := range []struct {
		limit     string
		meanwhile func()
		settings  []string
		status    int
		says      string
	}{
		{"ulimit -n 10", nil, nil, 1, "kagami: only 10 files may be open at a time (RLIMIT_NOFILE)"},
		{"ulimit -n 20", nil, nil, 1, "kagami: only 20 files may be open at a time (RLIMIT_NOFILE)"},
		{"ulimit -n 64", some, nil, running, "msg=capturing"},
		{"ulimit -l 0", some, nil, running, "msg=capturing"}, // locked memory
		{"ulimit -s 64", some, nil, running, "msg=capturing"},
		{"ulimit -f 100", some, nil, running, "file too large"}, // an export that fails, no more
		{"ulimit -v 1500000", nil, []string{"capture.ring_mib=1024"}, 1, "lower capture.ring_mib or capture.workers"},
	} {
		status, said := limited(t, c.limit, c.meanwhile, c.settings...)
		if status != c.status || !strings.Contains(said, c.says) || strings.Contains(said, "goroutine") {
			t.Errorf("%s: exit status %d, want %d and %q: %.900s", c.limit, status, c.status, c.says, said)
		}
		last := said[strings.LastIndexByte(strings.TrimSuffix(said, "\n"), '\n')+1:]
		if status == 1 && !strings.HasPrefix(last, "kagami: ") {
			t.Errorf("%s: the last line is no error: %q", c.limit, last)
		}
	}
}

// TestLiveLittleMemory: in a control group with less memory than the plan the heap
// is kept below it, and start-up says so.
func TestLiveLittleMemory(t *testing.T) {
	ownNetwork(t)
	group := memoryGroup(t, 96<<20)
	status, said := limited(t, "echo $$ > "+group+"/cgroup.procs", func() { play(t, office(t, ""), 0) })
	if status != 124 || !strings.Contains(said, "group_mib=96 heap_limit_mib=84") {
		t.Errorf("exit status %d: %.900s", status, said)
	}
}

// memoryGroup makes a control group with so much memory and returns its directory.
func memoryGroup(t *testing.T, octets int) string {
	t.Helper()
	for _, g := range []struct{ mount, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	} {
		dir := filepath.Join(g.mount, fmt.Sprintf("kagami-test-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		if os.WriteFile(filepath.Join(dir, g.file), []byte(strconv.Itoa(octets)), 0o600) == nil {
			return dir
		}
	}
	t.Skip("no control group for memory can be made here")
	return ""
}
