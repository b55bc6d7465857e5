package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

const officeCapture = "../../testdata/office/in.pcap.zst"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kagami": main})
}

// TestScripts runs testdata/*.txtar: what a user types and what comes of it.
func TestScripts(t *testing.T) {
	office, err := filepath.Abs(officeCapture)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("OFFICE", office) // the bundled capture, packed with zstd
			e.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"unpack": scriptUnpack,
			"gzip":   scriptGzip,
			"head":   scriptHead,
			"lines":  scriptLines,
			"has":    scriptHas,
			"flip":   scriptFlip,
		},
	})
}

// scriptUnpack: unpack FROM TO, a zstd file.
func scriptUnpack(ts *testscript.TestScript, _ bool, args []string) {
	d, err := zstd.NewReader(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	defer d.Close()
	plain, err := io.ReadAll(d)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), plain, 0o600))
}

// scriptGzip: gzip FROM TO.
func scriptGzip(ts *testscript.TestScript, _ bool, args []string) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, ts.ReadFile(args[0]))
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), packed.Bytes(), 0o600))
}

// scriptHead: head N FROM TO, the first N octets.
func scriptHead(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(ts.ReadFile(args[1])[:n]), 0o600))
}

// scriptLines: lines N FILE, the file has so many.
func scriptLines(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); (got == n) == neg {
		ts.Fatalf("%s has %d lines", args[1], got)
	}
}

// scriptHas: has REGEXP FILE; grep would print the whole file when it fails.
func scriptHas(ts *testscript.TestScript, neg bool, args []string) {
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	if re.MatchString(ts.ReadFile(args[1])) == neg {
		ts.Fatalf("has %q %s: %v", args[0], args[1], neg)
	}
}

// scriptFlip: flip N FILE, the lowest bit of the octet at offset N is another.
func scriptFlip(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text := []byte(ts.ReadFile(args[1]))
	text[n] ^= 1
	path := ts.MkAbs(args[1])
	ts.Check(os.Chmod(path, 0o600))
	ts.Check(os.WriteFile(path, text, 0o600))
}

// TestRunWithoutPrivilege runs the live verb in a user namespace of its own, in
// which even root may not open packet sockets of this network.
func TestRunWithoutPrivilege(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(self, "run", "-i", "lo")
	cmd.Args[0] = "kagami"
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	if err := cmd.Start(); err != nil {
		t.Skipf("this machine allows no user namespaces: %v", err)
	}
	cmd.Wait()
	want := "kagami: capture lo: operation not permitted; run as root or: setcap cap_net_raw+ep bin/kagami\n"
	if cmd.ProcessState.ExitCode() != 1 || !strings.HasSuffix(stderr.String(), want) {
		t.Errorf("%v: %q, want exit status 1: %q", cmd.ProcessState, stderr.String(), want)
	}
}
