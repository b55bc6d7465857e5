package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// Isolated is nil when nothing leads out of the network namespace that the process
// is in: no routing table has a default route, or one that is nearly that.
func Isolated() error {
	b, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_UNSPEC)
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	ms, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	for i := range ms {
		if err := leadsOut(&ms[i]); err != nil {
			return err
		}
	}
	return nil
}

// leadsOut is an error when a route (rtnetlink(7)) is for so many addresses that it
// leads to strangers: 0.0.0.0/1 and 128.0.0.0/1 are a default route too.
func leadsOut(m *syscall.NetlinkMessage) error {
	const most = 8 // bits of a prefix that is that wide
	if m.Header.Type != syscall.RTM_NEWROUTE {
		return nil
	}
	if len(m.Data) < syscall.SizeofRtMsg {
		return errors.New("read routes: the kernel sent less than a route")
	}
	family, bits, table, kind := m.Data[0], m.Data[1], m.Data[4], m.Data[7]
	if bits >= most || table == syscall.RT_TABLE_LOCAL || kind != syscall.RTN_UNICAST {
		return nil
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	to := netip.IPv4Unspecified()
	if family == syscall.AF_INET6 {
		to = netip.IPv6Unspecified()
	}
	number := uint32(table)
	for _, a := range attributes {
		switch a.Attr.Type {
		case syscall.RTA_DST:
			if d, ok := netip.AddrFromSlice(a.Value); ok {
				to = d
			}
		case syscall.RTA_TABLE:
			if len(a.Value) == 4 {
				number = binary.NativeEndian.Uint32(a.Value)
			}
		}
	}
	return fmt.Errorf("there is a route to %s in table %d", netip.PrefixFrom(to, int(bits)), number)
}
