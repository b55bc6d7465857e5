package lab_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"kagami/lab"
)

// two is a capture of a download and a broadcast, as a faithful mirror shows it.
func two(t *testing.T) *lab.Capture {
	t.Helper()
	client := &lab.Endpoint{Name: "client", Addr: netip.MustParseAddr("10.0.0.21"), MAC: lab.MAC{2, 0, 0, 0, 0, 1}, TTL: 128, RTT: 250 * time.Microsecond, Stack: lab.Windows}
	server := &lab.Endpoint{Name: "server", Addr: netip.MustParseAddr("192.0.2.80"), MAC: lab.MAC{2, 0, 0, 0, 0, 2}, TTL: 52, RTT: 12 * time.Millisecond}
	w := lab.NewWire(lab.NewRand(1, "fault"), lab.Faults{})
	c := w.Dial(2*time.Hour, client, 50000, server, 80)
	c.Send(lab.Client, 0, []byte("GET / HTTP/1.0\r\n\r\n"))
	c.Send(lab.Server, c.Ready(lab.Server), bytes.Repeat([]byte("octets"), 5000))
	c.Close(lab.Server, 0)
	w.WhoHas(time.Hour, client, netip.MustParseAddr("10.0.0.22"), nil)
	capture, err := w.Capture(time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

// read decodes a frame and checks lengths and checksums with gopacket.
func read(t *testing.T, f lab.Frame) gopacket.Packet {
	t.Helper()
	p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil && f.Wire == 0 {
		t.Fatalf("frame of %d octets: %v", len(f.Data), e.Error())
	}
	if f.Wire == 0 {
		var inner gopacket.NetworkLayer
		for _, m := range p.Layers() {
			if ip, ok := m.(*layers.IPv4); ok {
				inner = ip
				if checksum(ip.Contents) != 0 {
					t.Errorf("IPv4 checksum is wrong in a frame of %d octets", len(f.Data))
				}
			}
		}
		if tcp, ok := p.TransportLayer().(*layers.TCP); ok {
			tcp.SetNetworkLayerForChecksum(inner)
			if sum, err := tcp.ComputeChecksum(); err != nil || sum != 0 {
				t.Errorf("TCP checksum of a frame of %d octets is off by %#x (%v)", len(f.Data), sum, err)
			}
		}
	}
	return p
}

func checksum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

func stream(t *testing.T, c *lab.Capture) (octets []byte, longest int) {
	t.Helper()
	for _, f := range c.Frames {
		tcp, ok := read(t, f).TransportLayer().(*layers.TCP)
		longest = max(longest, len(f.Data))
		if ok && tcp.SrcPort == 80 {
			octets = append(octets, tcp.Payload...)
		}
	}
	return octets, longest
}

func TestMirrors(t *testing.T) {
	before := two(t)
	content, _ := stream(t, before)
	frames := len(before.Frames)
	same := func(c *lab.Capture) bool { got, _ := stream(t, c); return bytes.Equal(got, content) }
	want := map[string]func(t *testing.T, c *lab.Capture) bool{
		"duplicates": func(t *testing.T, c *lab.Capture) bool {
			tagged := 0
			for _, f := range c.Frames {
				p := read(t, f)
				if tag, ok := p.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok && tag.VLANIdentifier == 20 {
					tagged++
					if ttl := p.NetworkLayer().(*layers.IPv4).TTL; ttl != 127 && ttl != 51 {
						t.Errorf("a copy's TTL is %d", ttl)
					}
				}
			}
			return len(c.Frames) == 2*frames-1 && tagged == frames-1 // the ARP request is not routed
		},
		"one-way": func(t *testing.T, c *lab.Capture) bool {
			got, _ := stream(t, c)
			return len(got) == 0 && len(c.Frames) > 10
		},
		"gro": func(t *testing.T, c *lab.Capture) bool {
			_, longest := stream(t, c)
			return same(c) && longest > 9000 && len(c.Frames) < frames
		},
		"erspan": func(t *testing.T, c *lab.Capture) bool {
			for i, f := range c.Frames {
				if p := read(t, f); p.Layer(layers.LayerTypeERSPANII) == nil || !bytes.HasSuffix(f.Data, before.Frames[i].Data) {
					return false
				}
			}
			return len(c.Frames) == frames
		},
		"truncated": func(t *testing.T, c *lab.Capture) bool {
			for i, f := range c.Frames {
				if len(f.Data) > 128 || max(f.Wire, len(f.Data)) != len(before.Frames[i].Data) {
					return false
				}
			}
			return len(c.Frames) == frames
		},
		"shortened": func(t *testing.T, c *lab.Capture) bool {
			for i, f := range c.Frames {
				if f.Wire != 0 || !bytes.Equal(f.Data, before.Frames[i].Data[:min(len(before.Frames[i].Data), 128)]) {
					return false
				}
			}
			return len(c.Frames) == frames
		},
		"queues": func(t *testing.T, c *lab.Capture) bool {
			late := 0
			for _, f := range c.Frames {
				at := slices.IndexFunc(before.Frames, func(b lab.Frame) bool { return bytes.Equal(b.Data, f.Data) && b.Time != f.Time })
				if at >= 0 && f.Time == before.Frames[at].Time+time.Millisecond {
					late++
				}
			}
			return same(c) && late > 5 && slices.IsSortedFunc(c.Frames, func(a, b lab.Frame) int { return int(a.Time - b.Time) })
		},
		"loss": func(t *testing.T, c *lab.Capture) bool { return len(c.Frames) < frames && len(c.Frames) > frames*8/10 },
		"clock-step": func(t *testing.T, c *lab.Capture) bool {
			back := 0
			for i := range c.Frames[1:] {
				if c.Frames[i+1].Time < c.Frames[i].Time-59*time.Minute {
					back++
				}
			}
			return back == 1 && same(c)
		},
		"broadcast": func(t *testing.T, c *lab.Capture) bool { return len(c.Frames) == 1 },
	}
	for _, m := range lab.Mirrors() {
		t.Run(m.Name, func(t *testing.T) {
			if check := want[m.Name]; check == nil || !check(t, m.Apply(before)) {
				t.Errorf("not: %s", m.Title)
			}
			a, b := m.Apply(before), m.Apply(before)
			if !slices.EqualFunc(a.Frames, b.Frames, func(x, y lab.Frame) bool { return x.Time == y.Time && bytes.Equal(x.Data, y.Data) }) {
				t.Error("differs between two runs")
			}
		})
	}
	if got, _ := stream(t, before); len(before.Frames) != frames || !bytes.Equal(got, content) {
		t.Error("the capture was changed")
	}
}
