package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cutting keeps packets, of encrypted flows 4 KiB a direction. Alerts would keep
// more of them live than from a file.
const cutting = evidenceToo + "cutoff_kib = 4\n[metrics]\nlisten = \"127.0.0.1:9779\"\n" +
	"[detect.download]\nenable = false\n[detect.beacon]\nenable = false\n"

// kept are the packets in a directory of evidence, without their times, sorted.
func kept(t *testing.T, dir string) (out []string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.pcapng"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments in %s: %v", dir, err)
	}
	for _, f := range framesOf(t, segments, "") {
		out = append(out, fmt.Sprintf("%d of %d octets: %x", len(f.Data), f.WireLen, f.Data))
	}
	slices.Sort(out)
	return out
}

// TestLiveCutoff: packets behind the cutoff come from the kernel as headers, and
// what is on disk is what reading the capture would have kept.
func TestLiveCutoff(t *testing.T) {
	ownNetwork(t)
	const filter = "host 10.0.0.22 or host 10.0.0.25 or host 10.0.0.6" // two machines' IMAPS and HTTPS through the proxy, both legs
	frames := office(t, filter)
	l := startLive(t, t.TempDir(), cutting)
	// The kernel is asked once a flow is past its cutoff: what is in the ring by then came whole.
	play(t, frames, float64(frames[len(frames)-1].Time-frames[0].Time)/float64(6*time.Second))
	time.Sleep(evidenceFlush)
	m := scrape(t, "127.0.0.1:9779")
	kernel, _ := strconv.Atoi(m[`kagami_evidence_cut_packets_total{by="kernel"}`])
	worker, _ := strconv.Atoi(m[`kagami_evidence_cut_packets_total{by="worker"}`])
	l.stop()

	dir := t.TempDir()
	config := filepath.Join(dir, "kagami.toml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(cutting, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stderr := fails(t, "read", "-q", "-c", config, officeCapture, filter); code != 0 {
		t.Fatalf("read: exit status %d: %s", code, stderr)
	}
	want, got := kept(t, filepath.Join(dir, "evidence")), kept(t, l.path("evidence"))
	if len(want) != len(frames) || !slices.Equal(got, want) {
		t.Errorf("%d packets on disk live, %d from the file, of %d; they differ", len(got), len(want), len(frames))
	}
	cut := 0
	for _, f := range framesOf(t, mustGlob(t, l.path("evidence/*.pcapng")), "") {
		if int(f.WireLen) > len(f.Data) {
			cut++
		}
	}
	if cut < 200 || cut != kernel+worker {
		t.Errorf("%d packets are cut on disk; counted: %d by the kernel, %d by workers", cut, kernel, worker)
	}
	if strings.Contains(l.log.String(), "eBPF is off") {
		t.Skip("this machine may not load eBPF programs")
	}
	if kernel == 0 {
		t.Error("the kernel cut nothing")
	}
	t.Logf("%d of %d packets cut, %d by the kernel", cut, len(frames), kernel)
}

func mustGlob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestLiveShuntingAfterReload: the programs were loaded with rights that are given
// up; a reload goes on with them.
func TestLiveShuntingAfterReload(t *testing.T) {
	ownNetwork(t)
	withoutCgo(t)
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // or nobody gets there
		t.Fatal(err)
	}
	const config = "[capture]\nworkers = 2\n[security]\nuser = \"nobody\"\n[metrics]\nlisten = \"127.0.0.1:9779\"\n" +
		"[[export]]\nformat = \"ecs\"\nto = \"file://DIR/made/records.jsonl\"\n"
	l := startLive(t, dir, config)
	if strings.Contains(l.log.String(), "eBPF is off") {
		t.Skip("this machine may not load eBPF programs")
	}
	mail := office(t, "tcp port 54310") // 335 packets of IMAPS
	shunted := func() int {
		play(t, mail[:60], 0)
		var n int
		l.until("packets are shunted", func() bool {
			play(t, mail[60:100], 0)
			time.Sleep(100 * time.Millisecond)
			n, _ = strconv.Atoi(scrape(t, "127.0.0.1:9779")["kagami_shunted_packets_total"])
			return n > 0
		})
		return n
	}
	before := shunted()
	l.configure(config + "[[export]]\nformat = \"squid\"\nto = \"file://DIR/made/access.log\"\n")
	l.signal(unix.SIGHUP)
	l.until("capturing again", func() bool { return strings.Count(l.log.String(), "msg=capturing") == 2 })
	unprivileged(t, l.cmd.Process.Pid)
	l.until("more packets are shunted", func() bool {
		return shunted() > before+100
	})
	if strings.Contains(l.log.String(), "eBPF is off") {
		t.Errorf("log: %s", l.log.String())
	}
	l.stop()
}
