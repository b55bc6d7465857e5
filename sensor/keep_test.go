package sensor_test

import (
	"context"
	"slices"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// hoarder keeps all octets it is given, and tells who was closed, in order.
type hoarder struct {
	kept   int
	closed *[]uint16
}

func (h *hoarder) Data(_ *sensor.Flow, _ packet.Side, b []byte, _ sensor.Emit) sensor.Verdict {
	h.kept += len(b)
	return sensor.More
}
func (h *hoarder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }
func (h *hoarder) Close(f *sensor.Flow, _ sensor.Emit) {
	*h.closed = append(*h.closed, max(f.Key.APort, f.Key.BPort))
}
func (h *hoarder) Keeps() int { return h.kept }

func hoarding(closed *[]uint16) sensor.Protocol {
	return sensor.Protocol{Name: "hoard", Transport: packet.ProtoUDP,
		Match: func(*sensor.Flow, packet.Side, []byte) sensor.Match { return sensor.FromClient },
		New:   func() sensor.Decoder { return &hoarder{closed: closed} }}
}

// hoard runs datagrams of 1000 octets, one of each port, through an engine that
// lets decoders keep 64 KiB.
func hoard(t *testing.T, ports ...int) (closed []uint16, givenUp []uint16, s sensor.WorkerStats) {
	t.Helper()
	tr := newTraffic(t)
	for _, p := range ports {
		tr.udp("10.0.0.2", "192.0.2.1", p, 53, string(make([]byte, 1000)))
	}
	c := sensor.DefaultConfig()
	c.Workers, c.MaxKept = 1, 64<<10
	n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	e := sensor.New(sensor.Options{Config: c, Networks: n, Protocols: []sensor.Protocol{hoarding(&closed)}, Output: func(rs []records.Record) {
		for _, r := range rs {
			if f, ok := r.(*records.Flow); ok && f.GivenUp {
				givenUp = append(givenUp, max(f.Meta().Key.APort, f.Meta().Key.BPort))
			}
		}
	}})
	if err := e.Read(context.Background(), &memory{frames: tr.frames, size: 7}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(givenUp)
	return closed, givenUp, e.Stats()
}

// span is n ports from the first on.
func span(first, n int) (ports []int) {
	for i := range n {
		ports = append(ports, first+i)
	}
	return ports
}

// Decoders keep no more than is allowed together: the flow that has stood still for
// longest goes first.
func TestKeptIsBounded(t *testing.T) {
	const room = 65 // datagrams of 1000 octets in 64 KiB
	closed, givenUp, s := hoard(t, span(1001, room)...)
	if s.GivenUp != 0 || len(givenUp) != 0 || len(closed) != room {
		t.Errorf("within the limit: %d flows given up, %d closed", s.GivenUp, len(closed))
	}
	// 1001 is heard of again before the limit is reached, so 1002 and 1003 go.
	closed, givenUp, s = hoard(t, append(append(span(1001, room-1), 1001), 2001, 2002)...)
	if want := []uint16{1002, 1003}; s.GivenUp != 2 || !slices.Equal(givenUp, want) || !slices.Equal(closed[:2], want) {
		t.Errorf("%d flows given up: %v; closed first: %v; want %v", s.GivenUp, givenUp, closed[:2], want)
	}
	if len(closed) != room-1+2 {
		t.Errorf("%d decoders closed, want each once", len(closed))
	}
}

// One flow that keeps very much does not push out the others.
func TestKeptShare(t *testing.T) {
	ports := span(1001, 10)
	for range 60 {
		ports = append(ports, 3001)
	}
	closed, givenUp, s := hoard(t, ports...)
	if want := []uint16{3001}; s.GivenUp != 1 || !slices.Equal(givenUp, want) || closed[0] != 3001 {
		t.Errorf("%d flows given up: %v, want %v", s.GivenUp, givenUp, want)
	}
}

// What a flow kept is free when it is over.
func TestKeptIsGivenBack(t *testing.T) {
	tr := newTraffic(t)
	for i := range 500 {
		tr.udp("10.0.0.2", "192.0.2.1", 1001+i, 53, string(make([]byte, 1000))).wait(2 * second)
	}
	var closed []uint16
	c := sensor.DefaultConfig()
	c.Workers, c.MaxKept = 1, 64<<10
	n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	e := sensor.New(sensor.Options{Config: c, Networks: n, Protocols: []sensor.Protocol{hoarding(&closed)}, Output: func([]records.Record) {}})
	if err := e.Read(context.Background(), &memory{frames: tr.frames, size: 7}); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.GivenUp != 0 || len(closed) != 500 {
		t.Errorf("%d flows given up of %d, though most were over", s.GivenUp, len(closed))
	}
}
