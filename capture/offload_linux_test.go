package capture

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOffloadsOfNoInterface(t *testing.T) {
	for _, name := range []string{"nosuch0", "a-name-that-is-too-long", ""} {
		if _, err := Offloads(name); !errors.Is(err, unix.ENODEV) {
			t.Errorf("Offloads(%q): got %v, want no such device", name, err)
		}
		if _, err := DriverCounters(name); !errors.Is(err, unix.ENODEV) {
			t.Errorf("DriverCounters(%q): got %v, want no such device", name, err)
		}
		if were, err := TurnOffloadsOff(name); err == nil || were != nil {
			t.Errorf("TurnOffloadsOff(%q): got %v, %v, want an error", name, were, err)
		}
	}
}

// TestLiveOffloads turns a veth's offloads off and on and asks ethtool, if there
// is one, whether it is so.
func TestLiveOffloads(t *testing.T) {
	ownNetwork(t)
	ethtoolSays := func() (on []string) {
		out, err := exec.Command("ethtool", "-k", "k0").Output()
		if err != nil {
			t.Logf("no second opinion: %v", err)
			on, _ = Offloads("k0")
			return on
		}
		for _, f := range [][2]string{{"gro", "generic-receive-offload"}, {"lro", "large-receive-offload"},
			{"tso", "\ttx-tcp-segmentation"}, {"gso", "generic-segmentation-offload"}} {
			if strings.Contains(string(out), "\n"+f[1]+": on") {
				on = append(on, f[0])
			}
		}
		return on
	}
	before, err := Offloads("k0")
	if err != nil || !slices.Equal(before, ethtoolSays()) || !slices.Contains(before, "tso") {
		t.Fatalf("on are %v (%v), ethtool says %v; a veth has tso", before, err, ethtoolSays())
	}
	were, err := TurnOffloadsOff("k0")
	if err != nil || !slices.Equal(were, before) || ethtoolSays() != nil {
		t.Fatalf("turned off %v (%v), left on %v", were, err, ethtoolSays())
	}
	if again, err := TurnOffloadsOff("k0"); err != nil || len(again) != 0 {
		t.Errorf("a second time: %v (%v), want nothing to do", again, err)
	}
	if err := TurnOffloadsOn("k0", were); err != nil || !slices.Equal(ethtoolSays(), before) {
		t.Errorf("back on: %v (%v), want %v", ethtoolSays(), err, before)
	}
	if _, err := exec.Command("ethtool", "-S", "k0").Output(); err == nil {
		cs, err := DriverCounters("k0")
		if err != nil || len(cs) == 0 || !slices.ContainsFunc(cs, func(c Counter) bool { return c.Name == "peer_ifindex" && c.Value > 0 }) {
			t.Errorf("counters of a veth: %v (%v), want its peer_ifindex", cs, err)
		}
	}
}
