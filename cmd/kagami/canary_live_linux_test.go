package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// canaryWatched is a sensor at a machine's own interface, which needs both
// directions, and a SIEM that takes syslog.
const canaryWatched = recordsOnly + `
[[export]]
format = "cef"
records = ["alert"]
to = "syslog+udp://127.0.0.1:5514"
[sensor.timeouts]
attempt = "2s"
`

// TestLiveCanary: from another network namespace a canary sends, the sensor sees
// it, and its alerts arrive in what a syslog server writes; that of the scan of
// unused addresses as well. With the sensor gone nothing arrives, and it says so.
func TestLiveCanary(t *testing.T) {
	ownNetwork(t)
	pid, _ := otherNetwork(t)
	ip(t, "link set k1 netns "+strconv.Itoa(pid))
	ip(t, "addr add 10.0.0.80/24 dev k0")
	for _, args := range []string{"link set lo up", "link set k1 addrgenmode none", "link set k1 up", "addr add 10.0.0.5/24 dev k1", "route add default via 10.0.0.80"} {
		inNetwork(t, pid, args)
	}
	dir := t.TempDir()
	siem := syslogServer(t, "127.0.0.1:5514", filepath.Join(dir, "siem.log"))
	l := startLive(t, dir, strings.Replace(canaryWatched, "workers = 2", "workers = 2\nignore_outgoing = false", 1))

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kagami := filepath.Join(dir, "kagami") // by this name it is the program
	if err := os.Symlink(self, kagami); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(kagami, "canary", "--serve", "10.0.0.80:80")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	run := func(args ...string) (int, string) {
		t.Helper()
		cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pid), "-n", kagami, "canary", "--target", "10.0.0.80:80", "--arrives", siem}, args...)...)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	code, out := run("--unused", "10.0.9.0/24")
	t.Log(out)
	if code != 0 {
		t.Errorf("exit status %d; the sensor's log: %s", code, l.log.String())
	}
	for _, step := range []string{"dns", "http", "connect", "tls", "scan"} {
		if !regexp.MustCompile(`(?m)^[0-9:]+  ` + step + ` +ALERT ARRIVED after [0-9.]+ s \(.*siem\.log\)$`).MatchString(out) {
			t.Errorf("%s: its alert did not arrive", step)
		}
	}
	if text := l.file("siem.log"); !strings.Contains(text, "|canary|") || !strings.Contains(text, "|lateral-scan|") || strings.Count(text, "|canary|") != 4 {
		t.Errorf("the SIEM has %s", text)
	}
	l.stop()
	if code, out := run("--steps", "dns", "--wait", "2s"); code != canaryMissing || !strings.Contains(out, "0 of 1 alerts arrived") {
		t.Errorf("without a sensor: exit status %d: %s", code, out)
	}
}

// syslogServer writes what comes in datagrams to a file, a line each, until the test
// ends.
func syslogServer(t *testing.T, addr, path string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", addr) // on the test's own thread
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 64<<10); ; {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			file.Write(append(buf[:n:n], '\n'))
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done; file.Close() })
	return path
}
