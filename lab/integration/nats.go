package integration

import (
	"net"
	"os/exec"
	"testing"
)

// NATS starts Debian's nats-server with JetStream.
func NATS(t testing.TB) *Server {
	t.Helper()
	Need(t, "nats-server")
	dir, at := t.TempDir(), FreeAddress(t)
	_, port, _ := net.SplitHostPort(at)
	return Start(t, at, func() *exec.Cmd { return Command("nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", dir) })
}
