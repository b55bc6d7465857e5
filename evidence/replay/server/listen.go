package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// ErrAddress says that others could reach an address.
var ErrAddress = errors.New("attacks are served on loopback only, for example on 127.0.0.1:8899")

// Listen listens on a loopback address and a port, "127.0.0.1:8899". It refuses others,
// unless there is no way out of the network namespace that the process is in.
func Listen(addr string) (net.Listener, error) {
	if port, ok := strings.CutPrefix(addr, "localhost:"); ok {
		addr = "127.0.0.1:" + port // asking for the name could ask a name server
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: it is no address and port: %w", addr, ErrAddress)
	}
	ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	if err := mayListen(ap.Addr()); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	network := "tcp4"
	if ap.Addr().Is6() {
		network = "tcp6"
	}
	l, err := net.Listen(network, ap.String())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// mayListen is nil for an address that only those may reach who are meant to.
func mayListen(a netip.Addr) error {
	if a.Unmap().IsLoopback() {
		return nil
	}
	if err := Isolated(); err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return nil
}
