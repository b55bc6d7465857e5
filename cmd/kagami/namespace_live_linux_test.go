package main

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// otherNetwork starts a process that holds another network namespace; close ends
// both.
func otherNetwork(t *testing.T) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET} // it is there when Start returns
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(end)
	return cmd.Process.Pid, end
}

// inNetwork runs ip in the namespace of a process.
func inNetwork(t *testing.T, pid int, args string) {
	t.Helper()
	args = fmt.Sprintf("-t %d -n ip %s", pid, args)
	if out, err := exec.Command("nsenter", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("nsenter %s: %v: %s", args, err, out)
	}
}

// TestLiveNamespaceGone: the namespace of a veth pair's other end is deleted under
// a running capture, and the interface vanishes with it: kagami waits, says so, and
// goes on when there is one of that name again. One that never comes back is no
// reason to fail, as is one that is moved elsewhere.
func TestLiveNamespaceGone(t *testing.T) {
	ownNetwork(t)
	l := startLive(t, t.TempDir(), recordsOnly+"[metrics]\nlisten = \"127.0.0.1:9779\"\n")
	times := 0
	wait := func(what string) {
		t.Helper()
		l.until(what, func() bool { return strings.Count(l.log.String(), what) == times })
	}
	gone := func() {
		t.Helper()
		times++
		wait("interface is down: waiting for it")
		if m := scrape(t, "127.0.0.1:9779"); m["kagami_interface_up"] != "0" || m["kagami_interface_flaps_total"] != fmt.Sprint(times) {
			t.Errorf("up %s, %s times down, want 0 and %d", m["kagami_interface_up"], m["kagami_interface_flaps_total"], times)
		}
	}
	back := func(port uint16) {
		t.Helper()
		wait("interface is up again")
		play(t, transaction(t, port), 0)
		l.written("records.jsonl", transactionMark(port))
	}
	play(t, transaction(t, 54469), 0)
	l.written("records.jsonl", transactionMark(54469))

	pid, end := otherNetwork(t)
	ip(t, fmt.Sprintf("link set k1 netns %d", pid))
	inNetwork(t, pid, "link set k1 up")
	end() // the namespace goes, k1 with it, and k0 with k1
	gone()
	addPair(t)
	back(60689)

	pid, _ = otherNetwork(t)
	ip(t, fmt.Sprintf("link set k0 netns %d", pid))
	gone()
	inNetwork(t, pid, fmt.Sprintf("link set k0 netns %d", l.cmd.Process.Pid))
	ip(t, "link set k0 up")
	back(41858)

	ip(t, "link del k0")
	gone()
	l.stop() // with status 0: the interface is waited for, whoever gives up is the user
}
