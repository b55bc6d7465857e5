package browse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	loopback  = "lo"
	stageName = "KAGAMI_BROWSE" // environment variable that says which step a process is
	prepare   = "prepare"
	visit     = "visit"
	control   = 3        // file descriptor of the socket to the first process
	maxOutput = 64 << 20 // octets of an outcome
	maxSaid   = 64 << 10 // octets of what went wrong
	nobody    = 65534
)

// isolate runs the second process and gives serve the socket that it listens on.
func isolate(ctx context.Context, j job, serve func(net.Listener)) (*outcome, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args[0] = "kagami-browse"
	cmd.Dir = "/"
	cmd.Env = []string{stageName + "=" + prepare, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.ExtraFiles = []*os.File{theirs}
	stdout, stderr := &bounded{most: maxOutput}, &bounded{most: maxSaid}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = isolated()
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("isolate browser (user namespaces must be allowed): %w", err)
	}
	handed := hand(ctx, ours, j, serve)
	if handed != nil {
		cmd.Process.Kill()
	}
	ran := cmd.Wait()
	var out outcome
	switch err := json.Unmarshal(stdout.kept.Bytes(), &out); {
	case err == nil && out.Error != "":
		return nil, errors.New(out.Error)
	case err == nil && handed == nil:
		return &out, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("run browser: %w", ctx.Err())
	}
	return nil, fmt.Errorf("isolate browser: %w: %s", errors.Join(handed, ran), strings.TrimSpace(stderr.kept.String()))
}

// isolated are namespaces of its own, a user without rights outside of them, and the
// two rights inside that setting them up takes.
func isolated() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN},
		Setsid:      true,
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = nobody, nobody
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		a.GidMappingsEnableSetgroups = true // to leave root's groups
	}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	return a
}

func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	f, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return c.(*net.UnixConn), theirs, nil
}

// hand gives the job to the second process and takes the socket that it listens on.
func hand(ctx context.Context, c *net.UnixConn, j job, serve func(net.Listener)) error {
	if end, ok := ctx.Deadline(); ok {
		c.SetDeadline(end)
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := json.NewEncoder(c).Encode(j); err != nil {
		return fmt.Errorf("hand over job: %w", err)
	}
	var octet [1]byte
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := c.ReadMsgUnix(octet[:], rights)
	if err != nil {
		return fmt.Errorf("take listener: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return errors.New("take listener: none was handed over")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return errors.New("take listener: none was handed over")
	}
	f := os.NewFile(uintptr(fds[0]), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("take listener: %w", err)
	}
	serve(l)
	return nil
}

// bounded keeps what is written up to a limit.
type bounded struct {
	kept bytes.Buffer
	most int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	b.kept.Write(p[:min(len(p), b.most-b.kept.Len())])
	return len(p), nil
}

// interfaces reads the counters of this network namespace.
func interfaces() ([]Interface, error) {
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return nil, fmt.Errorf("read interfaces: %w", err)
	}
	var all []Interface
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(line, ":")
		counters := strings.Fields(rest)
		if !ok || len(counters) < 12 {
			continue // a heading
		}
		i := Interface{Name: strings.TrimSpace(name)}
		for column, to := range map[int]*uint64{1: &i.Received, 9: &i.Sent, 10: &i.SentErrors, 11: &i.Dropped} {
			if *to, err = strconv.ParseUint(counters[column], 10, 64); err != nil {
				return nil, fmt.Errorf("read interfaces: %w", err)
			}
		}
		all = append(all, i)
	}
	if len(all) == 0 {
		return nil, errors.New("read interfaces: there is not even a loopback")
	}
	return all, nil
}
