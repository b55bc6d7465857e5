package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kagami/configs"
	"kagami/exporters"
	"kagami/lab/integration"
)

// TestIntegrationIPFIX: nfcapd takes every flow of the bundled capture, with its
// counts, and misses none.
func TestIntegrationIPFIX(t *testing.T) {
	integration.Need(t, "nfcapd", "nfdump")
	dir := t.TempDir()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.LocalAddr().String())
	l.Close()
	var log bytes.Buffer
	cmd := integration.Command("nfcapd", "-p", port, "-b", "127.0.0.1", "-l", dir, "-t", "3600", "-B", "4000000")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	c := configs.Default()
	c.Detect.State = ""
	truth := filepath.Join(t.TempDir(), "flows")
	readInto(t, c, []exporters.Config{{Format: "ipfix", To: "ipfix+udp://127.0.0.1:" + port}, {Format: "ecs", To: "file://" + truth, Records: []string{"flow"}}})
	time.Sleep(time.Second)
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	b, _ := os.ReadFile(truth)
	want := bytes.Count(b, []byte("\n"))
	out, err := integration.Command("nfdump", "-q", "-R", dir, "-o", "fmt:%sa %da %sp %dp %pr %pkt %byt %opkt %obyt", "-N", "-6").CombinedOutput()
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || want < 4000 || len(got) != want {
		t.Fatalf("%v: %d flows of %d: %.300s", err, len(got), want, out)
	}
	if !strings.Contains(log.String(), "Sequence Errors: 0, Bad Packets: 0") {
		t.Error(log.String())
	}
	type end struct{ Packets, Bytes int }
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		var r struct{ Source, Destination end }
		err := json.Unmarshal([]byte(line), &r)
		counts := fmt.Sprint(r.Source.Packets, r.Source.Bytes, r.Destination.Packets, r.Destination.Bytes)
		if f := strings.Fields(got[i]); err != nil || len(f) != 9 || strings.Join(f[5:], " ") != counts {
			t.Fatalf("flow %d: %s, want %s\n%s", i, got[i], counts, line)
		}
	}
	t.Logf("%d flows of %d", len(got), want)
}
