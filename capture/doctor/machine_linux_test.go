package doctor

import (
	"encoding/binary"
	"errors"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadLink(t *testing.T) {
	stats := make([]byte, 25*8)
	for i := range 25 {
		binary.NativeEndian.PutUint64(stats[i*8:], uint64(i+100))
	}
	attr := func(typ uint16, v []byte) syscall.NetlinkRouteAttr {
		return syscall.NetlinkRouteAttr{Attr: syscall.RtAttr{Type: typ}, Value: v}
	}
	mtu := binary.NativeEndian.AppendUint32(nil, 1500)
	all := []syscall.NetlinkRouteAttr{attr(unix.IFLA_IFNAME, []byte("eth1\x00")), attr(unix.IFLA_MTU, mtu), attr(unix.IFLA_OPERSTATE, []byte{2}), attr(unix.IFLA_STATS64, stats)}
	want := NIC{Packets: 100, Dropped: 106, Length: 110, CRC: 112, Frame: 113, FIFO: 114, Missed: 115}
	if m := readLink(all); m.Interface != "eth1" || m.MTU != 1500 || m.State != "down" || m.NIC != want {
		t.Errorf("got %+v, want %+v", m, want)
	}
	for _, a := range all {
		a.Value = nil
		readLink([]syscall.NetlinkRouteAttr{a}) // must not fail
	}
}

func TestReadMachine(t *testing.T) {
	m, err := ReadMachine("lo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMachine("nosuch0"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("got %v, want no such device", err)
	}
	if m.Interface != "lo" || m.MTU < 1280 || m.RXQueues < 1 || m.Clock.MaxError < 0 {
		t.Errorf("got %+v of the loopback interface", m)
	}
}

func TestSince(t *testing.T) {
	before := Machine{NIC: NIC{Packets: 100, Missed: 7, CRC: 9}, Driver: []Counter{{"rx_missed", 5}, {"rx_bytes", 5}}}
	now := Machine{NIC: NIC{Packets: 150, Missed: 7, CRC: 2}, Driver: []Counter{{"rx_missed", 8}, {"rx_bytes", 500}, {"tx_dropped", 9}, {"rx_crc_errors", 1}, {"rx_fifo", 0}}}
	got := now.Since(before)
	if got.NIC != (NIC{Packets: 50, CRC: 2}) {
		t.Errorf("got %+v, want 50 packets, and 2 since the card was reset", got.NIC)
	}
	if want := []Counter{{"rx_missed", 3}, {"rx_crc_errors", 1}}; !slices.Equal(got.Driver, want) {
		t.Errorf("got %v, want %v", got.Driver, want)
	}
}
