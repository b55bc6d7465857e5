package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// searching keeps packets, and counts what happens to them.
const searching = evidenceToo + "[metrics]\nlisten = \"127.0.0.1:9779\"\n"

// finds runs kagami evidence find and returns its lines.
func finds(t *testing.T, dir string, query string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "evidence", "find", "--dir", dir, "--json", query)
	cmd.Args[0] = "kagami"
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("find %q: %v", query, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestLiveFoundWithinASecond: what was on the wire is found a second later, by its
// address, its flow and its name, in the segment that is being written.
func TestLiveFoundWithinASecond(t *testing.T) {
	ownNetwork(t)
	l := startLive(t, t.TempDir(), searching)
	var waits []time.Duration
	for i, port := range []uint16{54469, 49153, 54310} {
		frames := office(t, fmt.Sprintf("tcp port %d", port))
		if len(frames) == 0 {
			t.Fatalf("no frames with port %d", port)
		}
		play(t, frames[:min(len(frames), 60)], 0)
		sent := time.Now()
		l.until("the flow is found", func() bool {
			return slices.ContainsFunc(finds(t, l.path("evidence"), fmt.Sprintf("port %d", port)), func(s string) bool { return strings.Contains(s, strconv.Itoa(int(port))) })
		})
		if waits = append(waits, time.Since(sent)); waits[i] > time.Second {
			t.Errorf("found after %v, want 1 s", waits[i])
		}
	}
	l.stop()
	t.Logf("found after %v", waits)
}

// TestLiveSearchCostsNothing: while searches go on one after the other, capture
// loses nothing that it does not lose without them.
func TestLiveSearchCostsNothing(t *testing.T) {
	ownNetwork(t)
	l := startLive(t, t.TempDir(), searching)
	frames := office(t, "")
	half := len(frames) / 2
	const span = 4 * time.Second // about 5,000 packets a second
	speed := float64(frames[half-1].Time-frames[0].Time) / float64(span)
	play(t, frames[:half], speed)
	quit, searches := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-quit:
				searches <- n
				return
			default:
			}
			fails(t, "evidence", "get", "--dir", l.path("evidence"), "-o", os.DevNull, "--bpf", "host 10.0.0.23", "all")
		}
	}()
	play(t, frames[half:], float64(frames[len(frames)-1].Time-frames[half].Time)/float64(span))
	close(quit)
	n := <-searches
	time.Sleep(evidenceFlush)
	m := scrape(t, "127.0.0.1:9779")
	l.stop()
	for _, what := range []string{`lost_disk_too_slow`, `lost_disk_full`, `lost_disk_failed`, `ignored`} {
		if v := m[`kagami_evidence_packets_total{what="`+what+`"}`]; v != "0" {
			t.Errorf("%s: %s packets", what, v)
		}
	}
	if v := m["kagami_capture_dropped_total"]; v != "0" {
		t.Errorf("dropped by the kernel: %s", v)
	}
	if got := len(framesOf(t, mustGlob(t, l.path("evidence/*.pcapng")), "")); got != len(frames) {
		t.Errorf("%d packets on disk, want %d", got, len(frames))
	}
	if n < 3 {
		t.Errorf("only %d searches", n)
	}
	t.Logf("%d searches of everything meanwhile", n)
}

// TestLivePinned: an alert's packets become a sealed case while the sensor runs as
// another user, confined to its directories, and the case proves itself.
func TestLivePinned(t *testing.T) {
	ownNetwork(t)
	withoutCgo(t)
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // or nobody gets there
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l := startLive(t, dir, strings.ReplaceAll(searching, "file://DIR/records", "file://DIR/made/records")+
		"[pin]\nafter_s = 1\n[security]\nuser = \"nobody\"\n")
	unprivileged(t, l.cmd.Process.Pid)
	frames := office(t, "host 10.0.0.23 or host 10.0.0.6")[:9000]
	play(t, frames, float64(frames[len(frames)-1].Time-frames[0].Time)/float64(6*time.Second))
	l.logged("packets are pinned")
	l.until("the case is sealed", func() bool {
		play(t, transaction(t, 54469), 0) // packets go on, and with them the time
		time.Sleep(200 * time.Millisecond)
		return strings.Contains(l.log.String(), "case is sealed")
	})
	l.stop()
	if code, stderr := fails(t, "evidence", "verify", "--dir", l.path("evidence")); code != 0 {
		t.Errorf("verify: exit status %d: %s", code, stderr)
	}
	if pages := mustGlob(t, l.path("evidence/cases/*/index.html")); len(pages) == 0 {
		t.Error("no case")
	}
}
