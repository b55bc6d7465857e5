package exporters

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSyslogCountsWhatWasAcknowledged: what lay in this side's socket when the
// connection broke was not sent, whatever write said.
func TestSyslogCountsWhatWasAcknowledged(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	arrived := make(chan int, 1)
	go func() { // takes what its socket takes, reads nothing, and resets the connection
		c, err := l.Accept()
		if err != nil {
			return
		}
		time.Sleep(300 * time.Millisecond)
		raw, _ := c.(*net.TCPConn).SyscallConn()
		n := 0
		raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		arrived <- n
	}()
	s := openSink(t, "syslog+tcp://"+l.Addr().String(), syslogEnv)
	defer s.Close()
	const frame = 4000
	var many []string
	for range 8000 {
		many = append(many, strings.Repeat("y", frame-len("3995 ")-len(header)))
	}
	w, err := s.Write(context.Background(), linesOf(many...))
	if n := <-arrived; err == nil || n < frame || w.Sent != n/frame || w.Refused != 0 {
		t.Errorf("%+v, %v; %d octets arrived, %d frames", w, err, n, n/frame)
	}
}

// TestSyslogHangs: a peer whose window stays shut is given up,
// and what it has is not sent twice.
func TestSyslogHangs(t *testing.T) {
	l := listen(t, "127.0.0.1:0") // accepts, never reads
	s := openSink(t, "syslog+tcp://"+l.Addr().String(), syslogEnv)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	line := strings.Repeat("y", 1<<20)
	s.(*syslogSink).options.max = 2 << 20
	w, err := s.Write(ctx, linesOf("first", line, line, line, line, line, line, line, line, line, line))
	if err == nil || w.Sent < 1 || w.Sent > 8 {
		t.Errorf("%+v, %v", w, err)
	}
}
