// Command genuine makes the captures of testdata from genuine programs: it runs
// servers of Debian's packages in network namespaces of their own behind a
// bridge, drives them with genuine clients (and with exact octets where no
// client would send them), and captures what crosses the bridge. It needs root,
// ip, ethtool, tcpdump and the packages that its cases name; a case whose
// programs are missing is skipped and says so.
//
//	go run ./lab/cmd/genuine -o testdata [-only smtp,ftp]
//
// Each case is a process in network, mount and process namespaces of its own:
// nothing of it reaches the machine's network, and nothing is left running.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// scene is one case: who is on the network and what happens there.
type scene struct {
	name  string
	needs []program
	hosts []host // each in a namespace of its own; the clients' is the process's
	// setting starts servers before the capture begins; nil = none.
	setting func(context.Context, *stage) error
	// play is what is captured.
	play func(context.Context, *stage) error
	also []string // what else the case's folder keeps: logs of the servers themselves
}

// program is one that a case runs, and the Debian package that has it.
type program struct{ file, pkg string }

// scenes are all cases, in the order in which they are made.
func scenes() []scene {
	return []scene{
		dhcpScene(), namesScene(), ntpScene(), ssdpScene(), smtpScene(), mailboxScene(), ftpScene(),
		httpScene(), h2cScene(), tlsScene(), quicScene(), socksScene(), proxyScene(),
	}
}

//go:embed readme/*.md
var stories embed.FS

// insideEnv says that the process is in its own namespaces.
const insideEnv = "KAGAMI_GENUINE_INSIDE"

func main() {
	out := flag.String("o", "testdata", "write each case into a folder of this `directory`")
	only := flag.String("only", "", "make these `cases` only, separated by commas")
	keep := flag.String("keep", "", "leave configurations, logs and the plain capture in this `directory`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed := false
	for _, s := range scenes() {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), s.name) {
			continue
		}
		var err error
		if os.Getenv(insideEnv) == s.name {
			err = s.perform(ctx, *out, *keep)
		} else {
			err = s.apart(*out, *keep)
		}
		var lack *missing
		switch {
		case errors.As(err, &lack):
			fmt.Printf("%-10s skipped: %v\n", s.name, err)
		case err != nil:
			fmt.Fprintf(os.Stderr, "genuine: %s: %v\n", s.name, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// missing is a program that is not on this machine.
type missing struct{ program }

func (m *missing) Error() string { return fmt.Sprintf("no %s: apt install %s", m.file, m.pkg) }

// bench is what every case needs.
func bench() []program {
	return []program{{"ip", "iproute2"}, {"ss", "iproute2"}, {"ethtool", "ethtool"}, {"tcpdump", "tcpdump"}, {"dpkg-query", "dpkg"}}
}

// apart makes the case in a process of its own, in new namespaces: all its
// threads must be in them, and whatever it starts ends with it.
func (s *scene) apart(out, keep string) error {
	for _, p := range append(bench(), s.needs...) {
		if _, err := exec.LookPath(p.file); err != nil {
			return &missing{p}
		}
	}
	cmd := exec.Command("/proc/self/exe", "-o", out, "-only", s.name, "-keep", keep)
	cmd.Env = append(os.Environ(), insideEnv+"="+s.name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make case (run as root): %w", err)
	}
	return nil
}

// perform makes the case, inside its namespaces.
func (s *scene) perform(ctx context.Context, out, keep string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	dir, done, err := workDir(keep, s.name)
	if err != nil {
		return err
	}
	defer done()
	st := &stage{dir: dir, hosts: s.hosts, running: map[string]*exec.Cmd{}}
	if err := st.furnish(); err != nil {
		return err
	}
	if s.setting != nil {
		if err := s.setting(ctx, st); err != nil {
			return fmt.Errorf("%w\n%s", err, st.logs())
		}
	}
	stop, err := st.capture(ctx)
	if err != nil {
		return err
	}
	if err := s.play(ctx, st); err != nil {
		return fmt.Errorf("%w\n%s", err, st.logs())
	}
	time.Sleep(500 * time.Millisecond) // let connections close
	if err := stop(); err != nil {
		return err
	}
	return s.keep(dir, filepath.Join(out, s.name))
}

// workDir is where a case keeps its files; servers give up root and must be able
// to read there.
func workDir(keep, name string) (dir string, done func(), err error) {
	if keep != "" {
		dir, done = filepath.Join(keep, name), func() {}
		if err = os.RemoveAll(dir); err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
	} else {
		dir, err = os.MkdirTemp("", "genuine-"+name+"-")
		done = func() { os.RemoveAll(dir) }
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		return "", nil, fmt.Errorf("make directory: %w", err)
	}
	dir, err = filepath.Abs(dir)
	return dir, done, err
}
