package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun gives a log with a beacon and a port scan to everything.
func TestRun(t *testing.T) {
	var log strings.Builder
	log.WriteString("#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tconn_state\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\n")
	for i := range 150 {
		fmt.Fprintf(&log, "%d.5\tB%d\t10.0.0.5\t4000\t192.0.2.7\t8443\ttcp\t1.0\t200\tSF\tShADadFf\t5\t500\t5\n", 1772409600+600*i, i)
	}
	for i := range 30 {
		fmt.Fprintf(&log, "%d.5\tS%d\t10.0.0.6\t5000\t10.0.0.9\t%d\ttcp\t0.1\t0\tREJ\tSr\t1\t60\t1\n", 1772409600+i, i, i+1)
	}
	name := filepath.Join(t.TempDir(), "conn.log")
	if err := os.WriteFile(name, []byte(log.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(&out, []string{name}, "198.51.100.0/24", 5); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"180 lines, 180 records", "beacon ", `10.0.0.5 contacts "192.0.2.7:8443"`, "port-scan", "10.0.0.5 -> 192.0.2.7", "RITA v5: 3", "Port_Scan"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := run(&out, []string{name}, "nonsense", 5); err == nil {
		t.Error("a network that is none was taken")
	}
}
