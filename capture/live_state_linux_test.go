package capture

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kagami/sensor"
)

func TestLiveErrors(t *testing.T) {
	ownNetwork(t)
	ip(t, "link set k1 down")
	open := func(name string) string {
		o := liveOptions(2)
		o.Interface = name
		_, err := OpenRings(o)
		return fmt.Sprint(err)
	}
	for name, want := range map[string]string{
		"":     "capture: no interface; name one with -i or capture.interface; this machine has: lo, k1, k0",
		"eth9": "capture eth9: no such interface; this machine has: lo, k1, k0",
		"k1":   "capture k1: interface is down; ip link set k1 up",
	} {
		if got := open(name); got != want {
			t.Errorf("open %q: %s\nwant %s", name, got, want)
		}
	}
	// Capabilities belong to the thread, and this thread ends with the test.
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&hdr, &none[0]); err != nil {
		t.Fatal(err)
	}
	if got, want := open("k0"), "capture k0: operation not permitted; run as root or: setcap cap_net_raw+ep bin/kagami"; got != want {
		t.Errorf("without privilege: %s\nwant %s", got, want)
	}
}

// until reads idle ticks until the ring says so.
func until(t *testing.T, r *Ring, what string, ok func(State) bool) {
	t.Helper()
	var b sensor.Batch
	for deadline := time.Now().Add(5 * time.Second); !ok(r.State()); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 5 s: %+v", what, r.State())
		}
		if err := r.Next(&b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLiveInterfaceGoesDownAndComesBack(t *testing.T) {
	ownNetwork(t)
	rings := openRings(t, liveOptions(2))
	down := func(s State) bool { return s.Down }
	up := func(s State) bool { return !s.Down }
	all := func(what string, ok func(State) bool) {
		for _, r := range rings {
			until(t, r, what, ok)
		}
	}
	received := func() (n uint64) {
		for _, r := range rings {
			n += r.Stats().Received
		}
		return n
	}
	var flows [][]byte
	for i := range uint16(50) {
		flows = append(flows, udp(1, 2, 1000+i, 80, "x"))
	}
	sendFlows := func() { send(t, flows...) }
	sendFlows()
	ip(t, "link set k0 down")
	all("down", down)
	ip(t, "link set k0 up")
	all("up again", up)
	sendFlows()
	ip(t, "link del k0")
	all("removed", down)
	addPair(t)
	// Rings open anew one by one, and the group forms when all let go of the old interface.
	for deadline := time.Now().Add(10 * time.Second); rings[0].State().Down || rings[1].State().Down; {
		if time.Now().After(deadline) {
			t.Fatalf("not reopened: %+v %+v", rings[0].State(), rings[1].State())
		}
		var b sensor.Batch
		for _, r := range rings {
			if err := r.Next(&b); err != nil {
				t.Fatal(err)
			}
		}
	}
	sendFlows()
	if n := received(); n != 150 {
		t.Errorf("%d packets counted over all three lives of the interface, want 150", n)
	}
	for i, r := range rings {
		if s := r.State(); s.Flaps != 2 {
			t.Errorf("ring %d: %d flaps, want 2", i, s.Flaps)
		}
	}
}
