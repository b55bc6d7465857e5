package exporters

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledgedFor is how long sent octets may stay unacknowledged before the
// kernel gives a TCP connection up: else it would try for a quarter of an hour.
const unacknowledgedFor = 30 * time.Second

// giveUpUnacknowledged sets TCP_USER_TIMEOUT (RFC 5482). Without it the sink
// still notices by itself, but only while lines come.
func giveUpUnacknowledged(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) {
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledgedFor.Milliseconds()))
			})
		}
	}
}

// unacknowledged is how many octets of a TCP connection the peer's kernel has not
// acknowledged (SIOCOUTQ), also after it broke; false: it cannot be told, and is 0.
func unacknowledged(c net.Conn) (int64, bool) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return 0, false
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0, false
	}
	n := 0
	if e := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); e != nil || err != nil {
		return 0, false
	}
	return int64(n), true
}

// bounced is what the network said of datagrams that were sent (SO_ERROR): mostly
// that nobody listens.
func bounced(c net.Conn) (err error) {
	u, ok := c.(*net.UDPConn)
	if !ok {
		return nil
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nil
	}
	raw.Control(func(fd uintptr) {
		if n, e := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); e == nil && n != 0 {
			err = unix.Errno(n)
		}
	})
	return err
}
