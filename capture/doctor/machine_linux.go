package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sysClassNet is where the kernel describes interfaces (sysfs).
const sysClassNet = "/sys/class/net"

// ReadMachine asks the kernel about an interface and the clock. Offloads and
// Driver are for the caller to fill in.
func ReadMachine(iface string) (Machine, error) {
	m, err := readInterface(sysClassNet, iface)
	if err != nil {
		return m, err
	}
	m.Clock, err = readClock()
	return m, err
}

// readInterface reads an interface's directory under root.
func readInterface(root, iface string) (Machine, error) {
	m := Machine{Interface: iface}
	dir := filepath.Join(root, filepath.Base(iface))
	mtu, err := readNumber(filepath.Join(dir, "mtu"))
	if err != nil {
		return m, fmt.Errorf("read statistics of %s: %w", iface, err)
	}
	m.MTU = int(mtu)
	state, err := os.ReadFile(filepath.Join(dir, "operstate"))
	if err != nil {
		return m, fmt.Errorf("read statistics of %s: %w", iface, err)
	}
	m.State = strings.TrimSpace(string(state))
	queues, err := filepath.Glob(filepath.Join(dir, "queues", "rx-*"))
	m.RXQueues = len(queues)
	errs := []error{err}
	for _, c := range []struct {
		to   *uint64
		file string
	}{
		{&m.NIC.Packets, "rx_packets"}, {&m.NIC.Dropped, "rx_dropped"}, {&m.NIC.Missed, "rx_missed_errors"},
		{&m.NIC.FIFO, "rx_fifo_errors"}, {&m.NIC.CRC, "rx_crc_errors"}, {&m.NIC.Frame, "rx_frame_errors"},
		{&m.NIC.Length, "rx_length_errors"},
	} {
		*c.to, err = readNumber(filepath.Join(dir, "statistics", c.file))
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return m, fmt.Errorf("read statistics of %s: %w", iface, err)
	}
	return m, nil
}

func readNumber(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
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
