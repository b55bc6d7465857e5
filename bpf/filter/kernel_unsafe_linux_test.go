package filter

import (
	"errors"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestKernelAgrees attaches programs to a socket pair, which needs no
// privilege, and sends the test packets through: the kernel must accept each
// program and select what Matcher selects.
func TestKernelAgrees(t *testing.T) {
	frames := slices.DeleteFunc(ethernetFrames(t), func(f frame) bool { return f.wireLen != 0 })
	exprs := append(slices.Clone(ethernetExpressions), hosts(150)+" or icmp", "not ("+hosts(150)+") and udp")
	for _, expr := range exprs {
		p, err := Compile(expr, LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		got := selectWithKernel(t, p, expr, frames)
		if want := selectWithMatcher(t, expr, LinkEthernet, frames); !slices.Equal(got, want) {
			t.Errorf("%q: the kernel selects %q, Matcher %q", expr, got, want)
		}
	}
	for _, expr := range []string{"vlan", "vlan 10 and tcp", "vlan 10 and vlan 20", "inbound", "not vlan and port 80"} {
		p, err := CompileLive(expr, LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		selectWithKernel(t, p, expr, frames) // a socket pair has no tags: only that it is accepted
	}
}

func selectWithKernel(t *testing.T, p Program, expr string, frames []frame) []string {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	raw, err := p.Raw()
	if err != nil {
		t.Fatal(err)
	}
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	if err := unix.SetsockoptSockFprog(pair[1], unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		t.Fatalf("the kernel refuses %q (%d instructions): %v", expr, len(raw), err)
	}
	var names []string
	buf := make([]byte, 1<<16)
	for _, f := range frames {
		// A filtered datagram is dropped with EPERM on the sender's side.
		if err := unix.Send(pair[0], f.data, 0); err != nil && !errors.Is(err, unix.EPERM) {
			t.Fatal(err)
		}
		if n, _, err := unix.Recvfrom(pair[1], buf, 0); err == nil {
			if n != len(f.data) {
				t.Fatalf("%q cuts a packet of %d bytes to %d", expr, len(f.data), n)
			}
			names = append(names, f.name)
		}
	}
	return names
}
