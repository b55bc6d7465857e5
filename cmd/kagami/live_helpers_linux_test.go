package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kagami/capture"
	"kagami/sensor"
)

// waitLimit is how long a live test waits for anything.
const waitLimit = 10 * time.Second

// ownNetwork puts the test, and the children that it starts itself, in a new
// network namespace with the veth pair k0 - k1. The namespace ends with them.
// Namespaces are the thread's: nothing here may run in a subtest.
func ownNetwork(t *testing.T) {
	t.Helper()
	if os.Getenv("KAGAMI_LIVE") != "1" {
		t.Skip("live capture needs root: run `make live-test` (KAGAMI_LIVE=1)")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make network namespace: %v", err)
	}
	ip(t, "link set lo up")
	addPair(t)
}

func addPair(t *testing.T) {
	t.Helper()
	ip(t, "link add k0 type veth peer name k1")
	for _, dev := range []string{"k0", "k1"} {
		ip(t, "link set "+dev+" addrgenmode none") // no IPv6 chatter
		ip(t, "link set "+dev+" up")
	}
}

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// live is a running kagami run -i k0.
type live struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string // of configuration and output
	config string
	stdout bytes.Buffer
	log    lockedLog
	read   chan struct{} // closed when the log is at its end
}

type lockedLog struct {
	mu   sync.Mutex
	text []byte
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	return len(b), nil
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// recordsOnly is a configuration; DIR is where kagami writes.
const recordsOnly = `
[capture]
workers = 2
[[export]]
format = "ecs"
to = "file://DIR/records.jsonl"
`

// startLive runs kagami until it captures.
func startLive(t *testing.T, dir, config string, env ...string) *live {
	t.Helper()
	l := &live{t: t, dir: dir, config: filepath.Join(dir, "kagami.toml"), read: make(chan struct{})}
	l.configure(config)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l.cmd = exec.Command(self, "run", "-i", "k0", "-c", l.config, "--set", "detect.state="+filepath.Join(dir, "state", "learned"),
		"--set", "account.dir="+filepath.Join(dir, "account"))
	l.cmd.Args[0] = "kagami"
	l.cmd.Env = append(append(os.Environ(), "TZ=UTC"), env...)
	l.cmd.Stdout = &l.stdout
	pipe, err := l.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		io.Copy(&l.log, pipe)
		close(l.read)
	}()
	t.Cleanup(func() {
		if l.cmd.ProcessState == nil {
			l.cmd.Process.Kill()
			<-l.read
			l.cmd.Wait()
		}
	})
	l.logged("msg=capturing")
	return l
}

func (l *live) configure(text string) {
	l.t.Helper()
	if err := os.WriteFile(l.config, []byte(strings.ReplaceAll(text, "DIR", l.dir)), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) path(name string) string { return filepath.Join(l.dir, name) }

// until waits for something to become true.
func (l *live) until(what string, ok func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(waitLimit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("not within %v: %s; the log: %s", waitLimit, what, l.log.String())
		}
	}
}

// logged waits for a message.
func (l *live) logged(pattern string) {
	l.t.Helper()
	re := regexp.MustCompile(pattern)
	l.until("log "+pattern, func() bool { return re.MatchString(l.log.String()) })
}

// written waits for text in a file.
func (l *live) written(name, text string) {
	l.t.Helper()
	l.until(name+" holds "+text, func() bool { return strings.Contains(l.file(name), text) })
}

func (l *live) file(name string) string {
	text, err := os.ReadFile(l.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return string(text)
}

func (l *live) signal(s os.Signal) {
	l.t.Helper()
	if err := l.cmd.Process.Signal(s); err != nil {
		l.t.Fatal(err)
	}
}

// ends waits for the process's end and returns its exit status.
func (l *live) ends() int {
	l.t.Helper()
	select {
	case <-l.read:
	case <-time.After(waitLimit):
		l.t.Fatalf("it does not end: %s", l.log.String())
	}
	l.cmd.Wait()
	return l.cmd.ProcessState.ExitCode()
}

// stop ends kagami as systemd does, and expects it to be content.
func (l *live) stop() {
	l.t.Helper()
	l.signal(unix.SIGTERM)
	if code := l.ends(); code != 0 {
		l.t.Errorf("exit status %d after SIGTERM: %s", code, l.log.String())
	}
}

// office are the frames of the bundled capture that a filter takes.
func office(t *testing.T, expr string) (frames []sensor.Frame) {
	t.Helper()
	return framesOf(t, []string{officeCapture}, expr)
}

func framesOf(t *testing.T, paths []string, expr string) (frames []sensor.Frame) {
	t.Helper()
	src := capture.OpenFiles(paths, capture.FileOptions{Filter: fileFilter(expr), Frames: 1024})
	defer src.Close()
	for b := (sensor.Batch{}); ; {
		err := src.Next(&b)
		for _, f := range b.Frames {
			f.Data = bytes.Clone(f.Data)
			frames = append(frames, f)
		}
		if errors.Is(err, io.EOF) {
			return frames
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// transaction is a whole HTTP connection of the bundled capture, by client port;
// transactionMark is in its records alone.
func transaction(t *testing.T, port uint16) []sensor.Frame {
	t.Helper()
	frames := office(t, fmt.Sprintf("host 10.0.0.13 and host 10.0.0.12 and tcp port %d", port))
	if len(frames) != 8 {
		t.Fatalf("%d frames with port %d, want 8", len(frames), port)
	}
	return frames
}

func transactionMark(port uint16) string {
	return fmt.Sprintf(`"ip":"10.0.0.13","mac":"02-4B-00-00-00-13","port":%d}`, port)
}

// play puts frames on the wire at k1 in order, so that k0 receives them, in the
// time they took when captured, divided by speed; 0 is at once.
func play(t *testing.T, frames []sensor.Frame, speed float64) {
	t.Helper()
	dev, err := net.InterfaceByName("k1")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	began := time.Now()
	for _, f := range frames {
		if speed > 0 {
			due := time.Duration(float64(f.Time-frames[0].Time) / speed)
			time.Sleep(due - time.Since(began))
		}
		if err := unix.Sendto(fd, f.Data, 0, &unix.SockaddrLinklayer{Ifindex: dev.Index}); err != nil {
			t.Fatalf("send: %v", err)
		}
	}
}

// scrape reads the metrics endpoint from inside the namespace.
func scrape(t *testing.T, addr string) map[string]string {
	t.Helper()
	conn, err := net.Dial("tcp", addr) // on the test's own thread
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /metrics HTTP/1.0\r\n\r\n")
	values := map[string]string{}
	for s := bufio.NewScanner(conn); s.Scan(); {
		if i := strings.LastIndexByte(s.Text(), ' '); i > 0 {
			values[s.Text()[:i]] = s.Text()[i+1:]
		}
	}
	return values
}

// fails runs kagami and returns its exit status and what it says.
func fails(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "kagami"
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	return cmd.ProcessState.ExitCode(), said.String()
}
