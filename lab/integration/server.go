package integration

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Times that a server may take: slow machines are tested on, too.
const (
	startWithin = 2 * time.Minute
	stopWithin  = 30 * time.Second
)

// Server is a server's process, which a test starts, kills and starts again.
type Server struct {
	t       testing.TB
	dir     string
	ready   string // URL, or host:port, that answers once it is up; "" = it says nothing
	command func() *exec.Cmd
	cmd     *exec.Cmd
	ended   chan struct{}
}

// Start starts a server; ready is a URL or host:port that answers once it is up.
// It ends with the test.
func Start(t testing.TB, ready string, command func() *exec.Cmd) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), ready: ready, command: command}
	t.Cleanup(s.Kill)
	s.Run()
	return s
}

// Address is where it listens, as host:port.
func (s *Server) Address() string {
	a := s.ready
	if _, rest, ok := strings.Cut(a, "://"); ok {
		a, _, _ = strings.Cut(rest, "/")
	}
	return a
}

// Run starts it again and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd, s.ended = s.command(), make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func(c *exec.Cmd, ended chan struct{}) { c.Wait(); close(ended) }(s.cmd, s.ended)
	for until := time.Now().Add(startWithin); time.Now().Before(until); {
		select {
		case <-s.ended:
			s.t.Fatalf("%s ends at once:\n%s", s.cmd.Path, s.Log())
		case <-time.After(50 * time.Millisecond):
			if s.answers() {
				return
			}
		}
	}
	s.t.Fatalf("%s does not start:\n%s", s.cmd.Path, s.Log())
}

func (s *Server) answers() bool {
	switch {
	case s.ready == "": // a daemon that listens for datagrams tells nobody
		time.Sleep(1500 * time.Millisecond)
		return true
	case strings.HasPrefix(s.ready, "http"):
		r, err := http.Get(s.ready)
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	}
	c, err := net.Dial("tcp", s.ready)
	if err == nil {
		c.Close()
	}
	return err == nil
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "server.log") }

// Log is what it said, the end of it.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.logFile())
	return string(b[max(0, len(b)-4000):])
}

// Kill ends it as a power cut does.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Hang stops it where it is: its sockets are open, and nobody reads them.
func (s *Server) Hang() { s.cmd.Process.Signal(syscall.SIGSTOP) }

// Stop asks it to end, and waits.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(with syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	s.cmd.Process.Signal(with)
	select {
	case <-s.ended:
	case <-time.After(stopWithin):
		s.cmd.Process.Kill()
		<-s.ended
	}
}

// FreeAddress is a port on loopback that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// FreePort is its port.
func FreePort(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func save(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
