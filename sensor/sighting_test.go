package sensor_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"kagami/records"
	"kagami/sensor"
)

// witness keeps the sightings that detectors are given.
type witness struct{ seen []string }

func (w *witness) Observe(r records.Record, _ sensor.Emit) {
	switch r := r.(type) {
	case *records.Pulse:
		w.seen = append(w.seen, fmt.Sprintf("pulse at %d of %d after %d", (r.Start-start)/second, r.Bytes, r.Idle/second))
	case *records.ARP:
		w.seen = append(w.seen, fmt.Sprintf("arp %d %v %v %x", r.Op, r.Sender, r.Target, r.SenderMAC))
	}
}

func (w *witness) Advance(int64, sensor.Emit) {}

// sightings reads frames and returns what detectors saw besides records.
func sightings(t *testing.T, workers int, frames []sensor.Frame) []string {
	t.Helper()
	n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	w := &witness{}
	c := sensor.DefaultConfig()
	c.Workers = workers
	e := sensor.New(sensor.Options{Config: c, Networks: n, Detectors: []sensor.Detector{w}, Output: func(rs []records.Record) {
		for _, r := range rs {
			if r.Meta().Kind >= records.NumKinds {
				t.Errorf("%T is written", r)
			}
		}
	}})
	if err := e.Read(context.Background(), &memory{frames: slices.Clone(frames), size: 3}); err != nil {
		t.Fatal(err)
	}
	return w.seen
}

func TestPulses(t *testing.T) {
	tr := newTraffic(t)
	c := tr.conn()
	c.open()
	c.seg('c', ".", 0, 0, "hello") // the first payload is no pulse
	tr.wait(10 * second)
	c.seg('c', ".", 5, 0, "beat")
	c.seg('c', ".", 9, 0, "more of it")
	tr.wait(10 * second)
	c.seg('s', ".", 0, 19, "the server's are none")
	c.seg('c', ".", 18, 20, "t") // a keep-alive probe: an octet sent before
	tr.wait(10 * second)
	c.seg('c', ".", 19, 20, "beat")
	tr.udp("10.0.0.2", "192.0.2.7", 5000, 4000, "one")
	tr.wait(3 * second)
	tr.udp("10.0.0.2", "192.0.2.7", 5000, 4000, "two")
	tr.udp("192.0.2.9", "10.0.0.2", 5000, 4000, "from outside")
	tr.wait(3 * second)
	tr.udp("192.0.2.9", "10.0.0.2", 5000, 4000, "from outside")
	want := "pulse at 10 of 4 after 10\npulse at 30 of 4 after 20\npulse at 33 of 3 after 3"
	for workers := 1; workers < 4; workers++ {
		if got := strings.Join(sightings(t, workers, tr.frames), "\n"); got != want {
			t.Errorf("%d workers: got\n%s\nwant\n%s", workers, got, want)
		}
	}
}

func TestARPSightings(t *testing.T) {
	tr := newTraffic(t)
	arp := func(op uint16, sender, target string) {
		tr.add(ether(layers.EthernetTypeARP), &layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: op, SourceHwAddress: macA, SourceProtAddress: ipv4(sender, sender, 0).SrcIP, DstHwAddress: macB, DstProtAddress: ipv4(target, target, 0).SrcIP})
	}
	arp(1, "10.0.0.2", "10.0.0.9")
	arp(2, "10.0.0.9", "10.0.0.2")
	arp(1, "10.0.0.2", "10.0.0.10")
	f := tr.last()
	f.Data = f.Data[:40] // cut short by the snap length
	want := "arp 1 10.0.0.2 10.0.0.9 020000000001\narp 2 10.0.0.9 10.0.0.2 020000000001"
	for workers := 1; workers < 4; workers++ {
		if got := strings.Join(sightings(t, workers, tr.frames), "\n"); got != want {
			t.Errorf("%d workers: got\n%s\nwant\n%s", workers, got, want)
		}
	}
}
