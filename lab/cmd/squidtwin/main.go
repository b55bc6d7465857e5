// Command squidtwin holds Kagami's access.log against the genuine one: it runs
// Squid in a network namespace of its own, sends it traffic of every kind,
// captures it, and compares the lines that kagami read makes of the capture with
// the lines that Squid wrote. It needs root, squid, tcpdump and ip.
//
//	go run ./lab/cmd/squidtwin -kagami bin/kagami
//
// Twice: once with both legs of the proxy in the capture, when the method, URL,
// status, octets, type, user and hierarchy must be the same, and once with the
// clients' leg only, when all but the hierarchy must.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// places say who is who in the namespace: all addresses are on its loopback
// interface.
type places struct {
	name               string
	clientA            string
	clientB            string // must authenticate
	proxyIP, proxyIP6  string
	originV4, originV6 string
	http, https, old   string // ports of the origin
}

// proxy is where Squid listens.
func (p *places) proxy() string { return net.JoinHostPort(p.proxyIP, "3128") }

// apart gives everyone an address of his own, as on a network.
func apart() *places {
	return &places{name: "an address each", clientA: "10.9.0.10", clientB: "10.9.0.11", proxyIP: "10.9.0.2", proxyIP6: "2001:db8::2",
		originV4: "198.51.100.80", originV6: "2001:db8::80", http: "80", https: "443", old: "81"}
}

// together has clients, proxy and origin on one address, as on a developer's machine.
func together() *places {
	return &places{name: "one address", clientA: "127.0.0.1", clientB: "127.0.0.11", proxyIP: "127.0.0.1", proxyIP6: "::1",
		originV4: "127.0.0.1", originV6: "::1", http: "8000", https: "8443", old: "8001"}
}

type options struct {
	kagami, squid, keep string
	verbose             bool
}

func main() {
	var o options
	flag.StringVar(&o.kagami, "kagami", "bin/kagami", "the `program`")
	flag.StringVar(&o.squid, "squid", "squid", "Squid's `program`")
	flag.StringVar(&o.keep, "keep", "", "keep the capture and the logs in this `directory`")
	flag.BoolVar(&o.verbose, "v", false, "print every pair of lines")
	flag.Parse()
	if os.Getenv(insideEnv) == "" {
		os.Exit(again())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "squidtwin:", err)
		os.Exit(1)
	}
}

// insideEnv says that the process is in its own network namespace.
const insideEnv = "KAGAMI_SQUIDTWIN_INSIDE"

// again runs this program a second time, in a new network namespace: all its
// threads must be in it. It returns the exit status.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "squidtwin: make network namespace (run as root):", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, o options, w io.Writer) error {
	for _, p := range []string{o.squid, "tcpdump", "ip"} {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("find %s (Debian: apt install squid tcpdump iproute2): %w", p, err)
		}
	}
	kagami, err := filepath.Abs(o.kagami)
	if err != nil {
		return err
	}
	dir, done, err := workDir(o.keep)
	if err != nil {
		return err
	}
	defer done()
	var failed []error
	for _, p := range []*places{apart(), together()} {
		if err := p.furnish(); err != nil {
			return err
		}
		sub := filepath.Join(dir, p.clientA)
		if err := os.MkdirAll(sub, 0o777); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		if err := os.Chmod(sub, 0o777); err != nil { // Squid gives up root
			return fmt.Errorf("make directory: %w", err)
		}
		if err := p.record(ctx, o.squid, sub); err != nil {
			return err
		}
		failed = append(failed, p.judge(ctx, o, kagami, sub, w))
	}
	return errors.Join(failed...)
}

// judge compares what kagami makes of both legs, and of one, with Squid's log.
func (p *places) judge(ctx context.Context, o options, kagami, dir string, w io.Writer) error {
	var failed []error
	for _, view := range []struct {
		name, filter string
		hierarchy    bool
	}{
		{"both legs of the proxy", "", true},
		{"the clients' leg only", "port 3128", false},
	} {
		out := filepath.Join(dir, "kagami")
		args := []string{"read", "-q", "-o", out, filepath.Join(dir, "capture.pcap")}
		if view.filter != "" {
			args = append(args, view.filter)
		}
		if text, err := exec.CommandContext(ctx, kagami, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("kagami read: %w: %s", err, text)
		}
		c, err := compare(filepath.Join(dir, "access.log"), filepath.Join(out, "access.log"), view.hierarchy)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s, %s: ", p.name, view.name)
		c.report(w, o.verbose)
		if c.differ() {
			failed = append(failed, fmt.Errorf("%s, %s: lines differ", p.name, view.name))
		}
	}
	return errors.Join(failed...)
}

// workDir is where everything is put; Squid gives up root and must be able to
// write there.
func workDir(keep string) (dir string, done func(), err error) {
	if keep != "" {
		dir, done = keep, func() {}
		err = os.MkdirAll(dir, 0o777)
	} else {
		dir, err = os.MkdirTemp("", "squidtwin-")
		done = func() { os.RemoveAll(dir) }
	}
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		return "", nil, fmt.Errorf("make directory: %w", err)
	}
	dir, err = filepath.Abs(dir)
	return dir, done, err
}

// furnish gives the namespace its addresses.
func (p *places) furnish() error {
	orders := []string{"link set lo mtu 1500 up"}
	for _, a := range []string{p.clientA, p.clientB, p.proxyIP, p.originV4, p.proxyIP6, p.originV6} {
		switch {
		case strings.HasPrefix(a, "127.") || a == "::1": // there already
		case strings.Contains(a, ":"):
			orders = append(orders, "addr replace "+a+"/128 dev lo nodad")
		default:
			orders = append(orders, "addr replace "+a+"/32 dev lo")
		}
	}
	for _, args := range orders {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return nil
}

// record makes the capture and Squid's own log.
func (p *places) record(ctx context.Context, squid, dir string) error {
	origin, err := p.serve()
	if err != nil {
		return err
	}
	defer origin.close()
	stopSquid, err := p.startSquid(ctx, squid, dir)
	if err != nil {
		return err
	}
	defer stopSquid()
	stopDump, err := startDump(ctx, dir)
	if err != nil {
		return err
	}
	if err := p.visit(ctx); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond) // let connections close
	stopSquid()
	return stopDump()
}
