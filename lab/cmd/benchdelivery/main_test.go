package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestMain lets the test binary be the program's other processes.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestBench measures a little of everything and looks at the table.
func TestBench(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	b := &bench{out: &out, dir: dir, capture: "../../../testdata/office/in.pcap.zst", mail: "../../../testdata/smtp/in.pcap.zst",
		runs: 1, lines: 512, backlog: 2000, slow: time.Second, only: "^(file|syslog/TCP|NATS JetStream)$"}
	if err := b.run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		`(?m)^squid +\d+ +0\.00 +\d+ +0\.00 `,
		`(?m)^postfix +\d+ `,
		`(?m)^file +\d+ +\d+ +\d+ +\d+ `,
		`(?m)^NATS JetStream +\d+ +\d+ +\d+ +\d+$`,
		`(?m)^takes connections, never reads +disk +\d`,
		`(?m)^syslog/TCP +20\d\d +\d+\.\d +\d+\.\d +\d+\.\d +\d+\.\d +0 `, // of 2,000 lines none is lost
		`(?m)^the place keeps up +\d+ +0 +0\.0 `,                          // nothing is written
		`(?m)^nobody is there +\d+ +\d\d+ `,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no line like %s", want)
		}
	}
	if left, _ := filepath.Glob(dir + "/*"); left != nil {
		t.Errorf("%v was left behind", left)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// TestBenchWithoutCapture: what is missing is told.
func TestBenchWithoutCapture(t *testing.T) {
	b := &bench{out: new(bytes.Buffer), dir: t.TempDir(), capture: "missing"}
	if err := b.run(); err == nil {
		t.Error("want an error")
	}
}
