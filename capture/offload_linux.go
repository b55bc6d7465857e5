package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// offload is a feature by which a card or the kernel merges or splits TCP
// segments, so that frames on the interface are not those on the wire.
type offload struct {
	name     string // as ethtool -K has it
	get, set uint32 // commands of linux/ethtool.h
	flag     uint32 // the bit among the interface's flags, 0 = the value is 0 or 1
}

// flagLRO is ETH_FLAG_LRO of linux/ethtool.h.
const flagLRO = 1 << 15

func offloads() []offload {
	return []offload{
		{"gro", unix.ETHTOOL_GGRO, unix.ETHTOOL_SGRO, 0},
		{"lro", unix.ETHTOOL_GFLAGS, unix.ETHTOOL_SFLAGS, flagLRO},
		{"tso", unix.ETHTOOL_GTSO, unix.ETHTOOL_STSO, 0},
		{"gso", unix.ETHTOOL_GGSO, unix.ETHTOOL_SGSO, 0},
	}
}

// Offloads are the names, as ethtool -K has them, of those of gro, lro, tso and
// gso that are on.
func Offloads(iface string) (on []string, err error) {
	for _, o := range offloads() {
		v, err := ethtoolValue(iface, o.get, 0)
		if err != nil && unsupported(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read offloads of %s: %w", iface, err)
		}
		if o.flag != 0 && v&o.flag != 0 || o.flag == 0 && v != 0 {
			on = append(on, o.name)
		}
	}
	return on, nil
}

// TurnOffloadsOff turns all of them off and returns those that were on and now
// are off, for TurnOffloadsOn. What a driver refuses is an error that names it
// and the command to try; the others are off all the same.
func TurnOffloadsOff(iface string) (were []string, err error) {
	on, err := Offloads(iface)
	if err != nil {
		return nil, err
	}
	if err := setOffloads(iface, on, 0); err != nil {
		left, readErr := Offloads(iface)
		if readErr != nil {
			return nil, errors.Join(err, readErr)
		}
		return without(on, left), err
	}
	return on, nil
}

// TurnOffloadsOn turns on what TurnOffloadsOff turned off.
func TurnOffloadsOn(iface string, names []string) error { return setOffloads(iface, names, 1) }

// setOffloads sets the named ones to 0 or 1.
func setOffloads(iface string, names []string, to uint32) error {
	var errs []error
	for _, o := range offloads() {
		if !slices.Contains(names, o.name) {
			continue
		}
		value := to
		if o.flag != 0 {
			flags, err := ethtoolValue(iface, o.get, 0)
			if err != nil {
				errs = append(errs, fmt.Errorf("read %s of %s: %w", o.name, iface, err))
				continue
			}
			if value = flags &^ o.flag; to != 0 {
				value |= o.flag
			}
		}
		if _, err := ethtoolValue(iface, o.set, value); err != nil {
			word := "off"
			if to != 0 {
				word = "on"
			}
			errs = append(errs, fmt.Errorf("turn %s of %s %s: %w; as root try: ethtool -K %s %s %s", o.name, iface, word, err, iface, o.name, word))
		}
	}
	return errors.Join(errs...)
}

// without is a less b.
func without(a, b []string) (out []string) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// Counter is one of a driver's own counters.
type Counter struct {
	Name  string // as the driver calls it
	Value uint64
}

const (
	statsSet    = 1       // ETH_SS_STATS
	nameLen     = 32      // ETH_GSTRING_LEN
	maxCounters = 1 << 16 // what is believed of a driver

	// spareCounters is room for those that appear between two commands (someone
	// adds queues): the kernel fills in all there are, whatever was asked for.
	spareCounters = 4096
)

// DriverCounters are what ethtool -S shows; none if the driver keeps none.
func DriverCounters(iface string) ([]Counter, error) {
	n, err := countCounters(iface)
	if err != nil || n == 0 {
		return nil, err
	}
	ne := binary.NativeEndian
	const namesAt, valuesAt = 12, 8                          // behind cmd, set, len; behind cmd, n_stats
	names := make([]byte, namesAt+(n+spareCounters)*nameLen) // struct ethtool_gstrings
	ne.PutUint32(names, unix.ETHTOOL_GSTRINGS)
	ne.PutUint32(names[4:], statsSet)
	ne.PutUint32(names[8:], uint32(n))
	values := make([]byte, valuesAt+(n+spareCounters)*8) // struct ethtool_stats
	ne.PutUint32(values, unix.ETHTOOL_GSTATS)
	ne.PutUint32(values[4:], uint32(n))
	if err := errors.Join(ethtool(iface, names), ethtool(iface, values)); err != nil {
		return nil, fmt.Errorf("read counters of %s: %w", iface, err)
	}
	out := make([]Counter, n)
	for i := range out {
		name, _, _ := strings.Cut(string(names[namesAt+i*nameLen:namesAt+(i+1)*nameLen]), "\x00")
		out[i] = Counter{Name: name, Value: ne.Uint64(values[valuesAt+i*8:])}
	}
	return out, nil
}

// countCounters asks how many there are.
func countCounters(iface string) (int, error) {
	ne := binary.NativeEndian
	info := make([]byte, 16+4) // struct ethtool_sset_info: cmd, reserved, mask u64, a count for each bit set
	ne.PutUint32(info, unix.ETHTOOL_GSSET_INFO)
	ne.PutUint64(info[8:], 1<<statsSet)
	if err := ethtool(iface, info); err != nil {
		if unsupported(err) {
			return 0, nil
		}
		return 0, fmt.Errorf("read counters of %s: %w", iface, err)
	}
	n := ne.Uint32(info[16:])
	if ne.Uint64(info[8:]) == 0 || n > maxCounters {
		return 0, nil
	}
	return int(n), nil
}
