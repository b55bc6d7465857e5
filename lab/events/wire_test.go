package events_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kagami/capture"
	"kagami/configs"
	"kagami/decoders"
	"kagami/detectors"
	"kagami/lab/events"
	"kagami/records"
	"kagami/sensor"
	"kagami/site"
)

// scaled is an office at a twentieth of its size, with one attack of each kind.
func scaled() *events.World {
	cells := []events.Cell{
		{Kind: "beacon", Sleep: 5 * time.Minute, Jitter: 10, Beats: 60, Transport: events.Connect},
		{Kind: "beacon", Sleep: 2 * time.Minute, Jitter: 20, Beats: 80, Transport: events.AbsoluteURI},
		{Kind: "beacon", Sleep: 3 * time.Minute, Jitter: 10, Beats: 60, Transport: events.ConnectPulses},
		{Kind: "egress", Transport: events.HTTPS, Port: 443, Targets: 2},
		{Kind: "egress", Transport: events.RawTCP, Port: 8443, Targets: 5, Blocked: events.Dropped, Beats: 12},
		{Kind: "scan", Shape: events.Horizontal, Port: 445, Spacing: 20 * time.Second, Targets: 14, Random: true},
	}
	var specs []events.Spec
	for _, c := range cells {
		specs = append(specs, events.Spec{Cell: c, Count: 1, From: 33 * time.Hour, To: 34 * time.Hour})
	}
	return events.New(events.Office().Scaled(20), events.Options{Seed: 3, Days: 2, Attacks: specs, Pace: 50, NoRare: true})
}

// told collects alerts by what they are about, and records by kind.
type told struct {
	alerts  map[string]int
	records map[string]int
}

func newTold() *told { return &told{make(map[string]int), make(map[string]int)} }

func (x *told) add(r records.Record) {
	if a, ok := r.(*records.Alert); ok {
		x.alerts[fmt.Sprint(a.Rule, " ", a.Source, " ", a.Destination)] = 1
		return
	}
	m := r.Meta()
	who := fmt.Sprint(m.Client().Addr(), " > ", m.Server().Addr(), ":", m.Server().Port())
	switch r := r.(type) {
	case *records.Flow:
		x.records[fmt.Sprint("flow ", who, " ", r.ConnState, " ", r.Service, " ", r.ServerName, " ", r.Tunnel, " ", r.Action)]++
	case *records.HTTP:
		x.records[fmt.Sprint("http ", who, " ", r.Method, " ", r.URL, " ", r.Host, " ", r.Proxied, r.Status)]++
	case *records.TLS:
		x.records[fmt.Sprint("tls ", who, " ", r.ServerName, " ", r.Via, " ", r.Established, " ", r.Version)]++
	case *records.DNS:
		x.records[fmt.Sprint("dns ", who, " ", r.Name, " ", r.Type, " ", r.Response, " ", r.RCode, " ", r.RegisteredDomain)]++
	case *records.Pulse:
		x.records[fmt.Sprint("pulse ", who, " ", r.Authority, " ", r.ServerName, " ", r.Service)]++
	case *records.ARP:
		x.records[fmt.Sprint("arp ", r.Op, " ", r.Sender, " ", r.Target)]++
	}
}

// sniff reads a capture as kagami read does.
func sniff(t *testing.T, path string) *told {
	c := configs.Default()
	networks, errs := sensor.NewNetworks(c.Network.Zones, c.Network.Outside)
	if errs != nil {
		t.Fatal(errs)
	}
	c.Sensor.MaxFlows, c.Sensor.Workers = 1<<18, 1
	out := newTold()
	tap := &tap{out}
	engine := sensor.New(sensor.Options{
		Config: c.Sensor, Networks: networks, Protocols: decoders.All(c.Decode), Stage: site.New(c.Site, networks),
		Detectors: []sensor.Detector{tap, detectors.New(c.Detect, nil)},
		Output: func(list []records.Record) {
			for _, r := range list {
				if _, ok := r.(*records.Alert); ok {
					out.add(r)
				}
			}
		},
	})
	if err := engine.Read(context.Background(), capture.OpenFiles([]string{path}, capture.FileOptions{})); err != nil {
		t.Fatal(err)
	}
	return out
}

// tap sees what detectors see.
type tap struct{ *told }

func (x *tap) Observe(r records.Record, _ sensor.Emit) { x.add(r) }
func (x *tap) Advance(int64, sensor.Emit)              {}

// direct gives the events of the same world to the same detectors.
func direct(w *events.World) *told {
	out := newTold()
	all := detectors.New(configs.Default().Detect, nil)
	tick := int64(0)
	for e := range w.Events() {
		if _, ok := e.Record.(*records.Stats); ok {
			continue // a capture has none
		}
		at := e.Record.Meta().At
		if grid := at - at%1e9; grid > tick {
			tick = grid
			all.Advance(grid, out.add)
		}
		out.add(e.Record)
		all.Observe(e.Record, out.add)
	}
	return out
}

// TestWireTellsTheSame plays one world both ways: as records, and as frames that
// the sensor makes records of. Detectors must tell of the same sources and
// destinations.
func TestWireTellsTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a capture of two days")
	}
	w := scaled()
	path := filepath.Join(t.TempDir(), "world.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.WritePcap(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	want, got := direct(w), sniff(t, path)
	if len(want.alerts) < 3 {
		t.Errorf("only %d alerts: there is nothing to compare", len(want.alerts))
	}
	differ(t, "alert", want.alerts, got.alerts, 0)
	// What is under way when the capture ends is written by its end, and the lab's
	// multicasts have records of their own.
	differ(t, "record", want.records, got.records, 100)
}

// differ complains when more than one in few are on one side only; few 0: any.
func differ(t *testing.T, what string, want, got map[string]int, few int) {
	t.Helper()
	total, off := 0, 0
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for _, k := range slices.SortedFunc(maps.Keys(keys), cmp.Compare[string]) {
		total += max(want[k], got[k])
		if want[k] != got[k] {
			off += max(want[k]-got[k], got[k]-want[k])
			t.Logf("%s %s: %d direct, %d from frames", what, k, want[k], got[k])
		}
	}
	if off > 0 && (few == 0 || off > total/few) {
		t.Errorf("%ss: %d of %d differ", what, off, total)
	}
}
