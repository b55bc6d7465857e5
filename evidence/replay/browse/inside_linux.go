package browse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"kagami/evidence/replay/server"
)

// scratch becomes a tmpfs: the only place that the browser can write to.
const scratch = "/tmp"

// IsInside tells whether this process was started by Walk, to run the browser. A
// program that calls Walk asks it before anything else, and ends with Inside then.
func IsInside() bool { return os.Getenv(stageName) != "" }

// Inside does what such a process is for, and returns its exit status.
func Inside() int {
	var err error
	switch stage := os.Getenv(stageName); stage {
	case prepare:
		err = setUp()
	case visit:
		err = goAndSee()
	default:
		err = fmt.Errorf("%s=%q in the environment: no such step", stageName, stage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// setUp makes the place that nothing can leave, and executes the next step there
// without any capability. It checks that it is alone before it changes anything.
func setUp() error {
	runtime.LockOSThread()                     // capabilities are a thread's; the one that calls execve matters
	if os.Getpid() != 1 || os.Geteuid() == 0 { // of a container it is something else
		return errors.New("prepare namespaces: this is for a process that browse starts")
	}
	if err := raiseLoopback(); err != nil {
		return err
	}
	if err := closeFiles(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	env := []string{stageName + "=" + visit, "HOME=" + scratch, "TMPDIR=" + scratch, "XDG_RUNTIME_DIR=" + scratch, "PATH=" + os.Getenv("PATH"), "LANG=" + os.Getenv("LANG"),
		"DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"}
	if err := syscall.Exec("/proc/self/exe", os.Args[:1], env); err != nil {
		return fmt.Errorf("execute next step: %w", err)
	}
	return nil
}

func raiseLoopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq(loopback)
	if err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	if err := unix.IoctlIfreq(s, unix.SIOCGIFFLAGS, r); err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	r.SetUint16(r.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r); err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	return nil
}

// closeFiles leaves nothing to write to but a tmpfs, which also hides what else is
// in scratch. Chromium's sandbox writes to /proc, so there is a new one of the new
// process namespace, which shows none of the others' processes.
func closeFiles() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("part file systems: %w", err)
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make file systems read-only: %w", err)
	}
	const harmless = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("proc", "/proc", "proc", harmless, ""); err != nil {
		return fmt.Errorf("mount /proc of the browser's own (containers that mask it forbid this): %w", err)
	}
	if err := unix.Mount("tmpfs", scratch, "tmpfs", harmless, "size=512m,mode=0700"); err != nil {
		return fmt.Errorf("mount profile: %w", err)
	}
	return hideSockets(harmless)
}

// hideSockets puts empty directories in place of those where services listen: a socket
// with a path knows no network namespace, and a cache of names (nscd, systemd-resolved)
// would ask the world for whoever asks it.
func hideSockets(flags uintptr) error {
	for _, dir := range []string{"/run", "/var/run"} {
		if i, err := os.Lstat(dir); err != nil || !i.IsDir() { // not there, or a link to the other
			continue
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", flags|unix.MS_RDONLY, "size=4k,mode=0755"); err != nil {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
	}
	return nil
}

// goAndSee listens, hands the socket over, and lets the browser visit.
func goAndSee() error {
	unix.CloseOnExec(control) // the browser must not have it
	f := os.NewFile(control, "control")
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return fmt.Errorf("take job: %w", err)
	}
	var j job
	if err := json.NewDecoder(c).Decode(&j); err != nil {
		return fmt.Errorf("take job: %w", err)
	}
	proxy, err := handOver(c.(*net.UnixConn))
	if err != nil {
		return err
	}
	go func() { // nobody is to be served to when the first process is gone
		c.Read(make([]byte, 1))
		os.Exit(1)
	}()
	out := drive(j, proxy)
	if out.Interfaces, err = interfaces(); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return fmt.Errorf("write outcome: %w", err)
	}
	return nil
}

// handOver gives a listening socket to the first process.
func handOver(c *net.UnixConn) (address string, err error) {
	if err := server.Isolated(); err != nil {
		return "", fmt.Errorf("isolate browser: %w", err)
	}
	l, err := server.Listen("127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return "", fmt.Errorf("hand over listener: %w", err)
	}
	defer f.Close()
	if _, _, err := c.WriteMsgUnix([]byte{0}, unix.UnixRights(int(f.Fd())), nil); err != nil {
		return "", fmt.Errorf("hand over listener: %w", err)
	}
	return l.Addr().String(), nil
}

// drive runs the browser, without its own sandbox when it cannot have one here.
func drive(j job, proxy string) *outcome {
	ctx := context.Background()
	out, err := visitWith(ctx, j, proxy, true)
	if err != nil && (strings.Contains(err.Error(), "sandbox") || strings.Contains(err.Error(), "zygote")) {
		out, err = visitWith(ctx, j, proxy, false)
	}
	if err != nil {
		out = &outcome{Error: "run browser: " + oneLine(err.Error())}
	}
	return out
}

// oneLine makes one of what a browser says in many.
func oneLine(s string) string {
	const most = 500
	s = strings.Join(strings.Fields(s), " ")
	return s[:min(len(s), most)]
}
