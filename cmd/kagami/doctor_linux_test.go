package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"kagami/lab"
	"kagami/packet"
	"kagami/sensor"
)

// doctored are the frames that a mirror port with the fault delivers of the
// bundled scenario; "" is none.
func doctored(t *testing.T, fault string) (frames []sensor.Frame) {
	t.Helper()
	s, err := lab.Load("../../lab/scenarios/office.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := s.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range lab.Mirrors() {
		if m.Name == fault {
			c = m.Apply(c)
		}
	}
	for _, f := range c.Frames {
		frames = append(frames, sensor.Frame{Time: c.Start.Add(f.Time).UnixNano(), Data: f.Data, WireLen: uint32(len(f.Data)), Link: packet.LinkEthernet})
	}
	return frames
}

// TestLiveDoctor watches an interface to which a day comes within seconds. What
// it says of clocks is left out: time servers answered on the scenario's day, and
// this machine's clock is its own affair.
func TestLiveDoctor(t *testing.T) {
	ownNetwork(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		fault string
		want  string // the finding, "" for none
	}{{"", ""}, {"one-way", "one-way"}, {"loss", "missed"}, {"broadcast", "no-mirror"}, {"nothing", "nothing-seen"}} {
		var frames []sensor.Frame
		if tt.fault != "nothing" {
			frames = doctored(t, tt.fault)
		}
		var out, log bytes.Buffer
		cmd := exec.Command(self, "doctor", "-i", "k0", "--for", "4s", "--json", "--set", "capture.ring_mib=32")
		cmd.Args[0], cmd.Stdout, cmd.Stderr = "kagami", &out, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // until the rings are open
		play(t, frames, 0)
		_ = cmd.Wait() // the status is the verdict
		var r struct {
			Verdict  string
			Findings []struct{ ID, Severity, Found string }
		}
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v: %s", tt.fault, err, log.String())
		}
		var got []string
		for _, f := range r.Findings {
			if f.Severity != "ok" && !strings.HasPrefix(f.ID, "clock-") {
				got = append(got, f.ID)
				t.Log(tt.fault, f.ID, f.Found)
			}
		}
		if want := strings.Fields(tt.want); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", tt.fault, got, want)
		}
		if status := map[string]int{"usable": 0, "not_usable": 2, "usable_with_gaps": 3}[r.Verdict]; cmd.ProcessState.ExitCode() != status {
			t.Errorf("%s: exit status %d, verdict %q", tt.fault, cmd.ProcessState.ExitCode(), r.Verdict)
		}
	}
}
