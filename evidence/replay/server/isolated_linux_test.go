package server

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestLeadsOut(t *testing.T) {
	const normal, local = 254, 255
	route := func(family, bits, table, kind byte, attributes ...[]byte) *syscall.NetlinkMessage {
		data := []byte{family, bits, 0, 0, table, 0, 0, kind, 0, 0, 0, 0}
		for _, a := range attributes {
			data = append(data, a...)
		}
		return &syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: syscall.RTM_NEWROUTE}, Data: data}
	}
	to := func(b ...byte) []byte {
		a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(b)))
		return append(binary.NativeEndian.AppendUint16(a, syscall.RTA_DST), b...)
	}
	table := append(binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, 8), syscall.RTA_TABLE), binary.NativeEndian.AppendUint32(nil, 1000)...)
	for _, c := range []struct {
		name string
		m    *syscall.NetlinkMessage
		want string // "" = it does not
	}{
		{"default", route(syscall.AF_INET, 0, normal, syscall.RTN_UNICAST), "there is a route to 0.0.0.0/0 in table 254"},
		{"default of IPv6", route(syscall.AF_INET6, 0, normal, syscall.RTN_UNICAST), "there is a route to ::/0 in table 254"},
		{"default of a VPN's table", route(syscall.AF_INET, 0, 0, syscall.RTN_UNICAST, table), "there is a route to 0.0.0.0/0 in table 1000"},
		{"half of it", route(syscall.AF_INET, 1, normal, syscall.RTN_UNICAST, to(128, 0, 0, 0)), "there is a route to 128.0.0.0/1 in table 254"},
		{"all of IPv6 in use", route(syscall.AF_INET6, 3, normal, syscall.RTN_UNICAST, to(append([]byte{0x20}, make([]byte, 15)...)...)), "there is a route to 2000::/3 in table 254"},
		{"a network", route(syscall.AF_INET, 24, normal, syscall.RTN_UNICAST, to(10, 0, 0, 0)), ""},
		{"its own addresses", route(syscall.AF_INET, 0, local, syscall.RTN_LOCAL), ""},
		{"unreachable", route(syscall.AF_INET6, 0, normal, 7), ""},
		{"something else", &syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: syscall.NLMSG_DONE}}, ""},
		{"less than a route", &syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: syscall.RTM_NEWROUTE}, Data: []byte{2}}, "read routes: the kernel sent less than a route"},
	} {
		got := ""
		if err := leadsOut(c.m); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestLiveIsolated runs itself in a network namespace of its own.
func TestLiveIsolated(t *testing.T) {
	const stage = "KAGAMI_SERVER_STAGE"
	switch os.Getenv(stage) {
	case "alone":
		if err := Isolated(); err != nil {
			t.Errorf("alone: %v", err)
		}
		l, err := Listen("0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		return
	case "routed":
		if err := Isolated(); err == nil {
			t.Error("a default route is not seen")
		}
		if l, err := Listen("0.0.0.0:0"); !errors.Is(err, ErrAddress) {
			t.Errorf("%v, %v", l, err)
		}
		return
	}
	if os.Getenv("KAGAMI_LIVE") != "1" {
		t.Skip("a network namespace needs root: run `make live-test` (KAGAMI_LIVE=1)")
	}
	for name, before := range map[string]string{
		"alone":  "true",
		"routed": "ip link set lo up && ip route add default dev lo table 77",
	} {
		cmd := exec.Command("unshare", "-n", "sh", "-c", before+` && exec "$0" -test.run='^TestLiveIsolated$' -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), stage+"="+name)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
