package capture

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/sys/unix"
)

// findInterface finds an interface that is up.
func findInterface(name string) (*net.Interface, error) {
	if name == "" {
		return nil, fmt.Errorf("capture: no interface; name one with -i or capture.interface; this machine has: %s", interfaceNames())
	}
	dev, err := net.InterfaceByName(name)
	if errors.As(err, new(unix.Errno)) {
		return nil, fmt.Errorf("capture %s: look for the interface: %w", name, err)
	} else if err != nil {
		return nil, fmt.Errorf("capture %s: no such interface; this machine has: %s", name, interfaceNames())
	}
	if dev.Flags&net.FlagUp == 0 {
		return nil, fmt.Errorf("capture %s: interface is down; ip link set %s up", name, name)
	}
	return dev, nil
}

func interfaceNames() string {
	devs, err := net.Interfaces()
	if err != nil || len(devs) == 0 {
		return "none"
	}
	names := make([]string, len(devs))
	for i, d := range devs {
		names[i] = d.Name
	}
	return strings.Join(names, ", ")
}

// explain adds to a failed system call what the user can do about it.
func explain(o LiveOptions, doing string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("capture %s: %w; run as root or: setcap cap_net_raw+ep bin/kagami", o.Interface, err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("capture %s: %w for %d rings of %d MiB; lower capture.ring_mib or capture.workers",
			o.Interface, err, o.Rings, o.RingBytes>>20)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("capture %s: %w; this kernel has no packet sockets (CONFIG_PACKET)", o.Interface, err)
	}
	return fmt.Errorf("capture %s: %s: %w", o.Interface, doing, err)
}
