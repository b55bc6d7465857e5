package doctor

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sysClassNet is where the kernel lists receive queues (sysfs).
const sysClassNet = "/sys/class/net"

// ReadMachine asks the kernel about an interface and the clock. Offloads and
// Driver are for the caller to fill in.
func ReadMachine(iface string) (Machine, error) {
	links, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return Machine{}, fmt.Errorf("list interfaces: %w", err)
	}
	m, err := findLink(links, iface)
	if err != nil {
		return m, err
	}
	queues, err := filepath.Glob(filepath.Join(sysClassNet, filepath.Base(iface), "queues", "rx-*"))
	if err != nil {
		return m, fmt.Errorf("list receive queues of %s: %w", iface, err)
	}
	m.RXQueues = len(queues)
	m.Clock, err = readClock()
	return m, err
}

// findLink looks for an interface in the answer to RTM_GETLINK (rtnetlink(7)):
// unlike sysfs, it is always about the network namespace of the asker.
func findLink(links []byte, iface string) (Machine, error) {
	messages, err := syscall.ParseNetlinkMessage(links)
	if err != nil {
		return Machine{}, fmt.Errorf("read list of interfaces: %w", err)
	}
	for i := range messages {
		if messages[i].Header.Type != unix.RTM_NEWLINK {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(&messages[i])
		if err != nil {
			return Machine{}, fmt.Errorf("read list of interfaces: %w", err)
		}
		if m := readLink(attrs); m.Interface == iface {
			return m, nil
		}
	}
	return Machine{}, fmt.Errorf("read statistics of %s: %w", iface, unix.ENODEV)
}

func readLink(attrs []syscall.NetlinkRouteAttr) (m Machine) {
	for _, a := range attrs {
		switch v := a.Value; a.Attr.Type {
		case unix.IFLA_IFNAME:
			m.Interface = unix.ByteSliceToString(v)
		case unix.IFLA_MTU:
			if len(v) >= 4 {
				m.MTU = int(binary.NativeEndian.Uint32(v))
			}
		case unix.IFLA_OPERSTATE: // RFC 2863 section 3.1.14
			if len(v) >= 1 {
				m.State = [...]string{"unknown", "not present", "down", "lower layer down", "testing", "dormant", "up"}[min(v[0], 6)]
			}
		case unix.IFLA_STATS64:
			m.NIC.read(v)
		}
	}
	return m
}

// read takes counters from struct rtnl_link_stats64 (linux/if_link.h): numbers
// of 64 bits. Older kernels send fewer; those that are absent stay 0.
func (n *NIC) read(v []byte) {
	for _, c := range []struct {
		to *uint64
		at int
	}{{&n.Packets, 0}, {&n.Dropped, 6}, {&n.Length, 10}, {&n.CRC, 12}, {&n.Frame, 13}, {&n.FIFO, 14}, {&n.Missed, 15}} {
		if len(v) >= c.at*8+8 {
			*c.to = binary.NativeEndian.Uint64(v[c.at*8:])
		}
	}
}

// readClock asks for the state of the kernel's clock and changes nothing.
func readClock() (Clock, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return Clock{}, fmt.Errorf("read state of the clock: %w", err)
	}
	unit := time.Microsecond
	if t.Status&unix.STA_NANO != 0 {
		unit = time.Nanosecond
	}
	return Clock{
		Synchronised: state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		Offset:       time.Duration(t.Offset) * unit,
		MaxError:     time.Duration(t.Maxerror) * time.Microsecond,
	}, nil
}

// Since is m with the counters' growth since an earlier reading. A counter that
// shrank (the driver was reset) counts from zero.
func (m Machine) Since(before Machine) Machine {
	n, b := &m.NIC, &before.NIC
	for _, c := range []struct {
		now *uint64
		was uint64
	}{{&n.Packets, b.Packets}, {&n.Dropped, b.Dropped}, {&n.Missed, b.Missed}, {&n.FIFO, b.FIFO}, {&n.CRC, b.CRC},
		{&n.Frame, b.Frame}, {&n.Length, b.Length}} {
		*c.now = growth(*c.now, c.was)
	}
	was := make(map[string]uint64, len(before.Driver))
	for _, c := range before.Driver {
		was[c.Name] = c.Value
	}
	var grown []Counter
	for _, c := range m.Driver {
		if n := growth(c.Value, was[c.Name]); n > 0 && tellsOfLoss(c.Name) {
			grown = append(grown, Counter{c.Name, n})
		}
	}
	m.Driver = grown
	return m
}

func growth(now, was uint64) uint64 {
	if now < was {
		return now
	}
	return now - was
}

// tellsOfLoss tells a driver's counters of received frames that were lost from
// the many others. Drivers name them as they please.
func tellsOfLoss(name string) bool {
	name = strings.ToLower(name)
	if strings.Contains(name, "tx") {
		return false
	}
	for _, word := range []string{"drop", "discard", "miss", "no_buf", "nobuf", "no_desc", "fifo", "overrun", "crc", "out_of_buffer"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
