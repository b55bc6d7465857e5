package sensor_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const second = int64(1e9)

// start is when test traffic begins: 2026-01-05 00:00:00 UTC.
const start = int64(1767571200) * second

// traffic builds frames between two hosts, in the order in which a sensor would
// see them.
type traffic struct {
	t      testing.TB
	now    int64
	frames []sensor.Frame
}

func newTraffic(t testing.TB) *traffic { return &traffic{t: t, now: start} }

func (tr *traffic) wait(ns int64) *traffic { tr.now += ns; return tr }

func (tr *traffic) add(ls ...gopacket.SerializableLayer) *traffic {
	tr.t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		tr.t.Fatal(err)
	}
	data := append([]byte(nil), b.Bytes()...)
	tr.frames = append(tr.frames, sensor.Frame{Time: tr.now, Data: data, WireLen: uint32(len(data)), Link: packet.LinkEthernet})
	tr.now += 1e6
	return tr
}

// last is the frame added last.
func (tr *traffic) last() *sensor.Frame { return &tr.frames[len(tr.frames)-1] }

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func ether(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: t}
}

func ipv4(src, dst string, p layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: p, SrcIP: net.ParseIP(src).To4(), DstIP: net.ParseIP(dst).To4()}
}

func (tr *traffic) udp(src, dst string, sport, dport int, payload string) *traffic {
	ip := ipv4(src, dst, layers.IPProtocolUDP)
	u := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	u.SetNetworkLayerForChecksum(ip)
	return tr.add(ether(0x800), ip, u, gopacket.Payload(payload))
}

// conn is a TCP connection whose segments a test writes one by one. Positions
// are relative: 0 is the first octet of payload.
type conn struct {
	*traffic
	client, server string
	cport, sport   int
	cisn, sisn     uint32
}

func (tr *traffic) conn() *conn {
	return &conn{tr, "10.0.0.2", "192.0.2.80", 40000, 80, 1000, 0xfffffff0} // the server's numbers wrap
}

// seg sends a segment: from 'c' or 's'; flags in tcpdump's letters, "." is ACK;
// pos and ack are relative to the first octet of payload of each side.
func (c *conn) seg(from byte, flags string, pos, ack int, payload string) *conn {
	c.t.Helper()
	src, dst, sp, dp, isn, pisn := c.client, c.server, c.cport, c.sport, c.cisn, c.sisn
	if from == 's' {
		src, dst, sp, dp, isn, pisn = dst, src, dp, sp, pisn, isn
	}
	t := &layers.TCP{SrcPort: layers.TCPPort(sp), DstPort: layers.TCPPort(dp), Window: 1000}
	t.SYN, t.FIN, t.RST, t.ACK = strings.Contains(flags, "S"), strings.Contains(flags, "F"), strings.Contains(flags, "R"), strings.Contains(flags, ".")
	t.Seq = isn + 1 + uint32(pos)
	if t.SYN {
		t.Seq = isn
	}
	if t.ACK {
		t.Ack = pisn + 1 + uint32(ack)
	}
	ip := ipv4(src, dst, layers.IPProtocolTCP)
	t.SetNetworkLayerForChecksum(ip)
	c.add(ether(0x800), ip, t, gopacket.Payload(payload))
	return c
}

func (c *conn) open() *conn {
	return c.seg('c', "S", 0, 0, "").seg('s', "S.", 0, 0, "").seg('c', ".", 0, 0, "")
}

func (c *conn) pause(ns int64) *conn { c.wait(ns); return c }

// transcript is a Decoder that writes down what it is given.
type transcript struct{ log *strings.Builder }

func (tr *transcript) Data(f *sensor.Flow, s packet.Side, b []byte, _ sensor.Emit) sensor.Verdict {
	fmt.Fprintf(tr.log, "%s(%s) ", who(f, s), b)
	if string(b) == "quit" {
		return sensor.Done
	}
	return sensor.More
}

func (tr *transcript) Gap(f *sensor.Flow, s packet.Side, n int) sensor.Verdict {
	fmt.Fprintf(tr.log, "%s[gap %d] ", who(f, s), n)
	return sensor.More
}

func (tr *transcript) Close(*sensor.Flow, sensor.Emit) { tr.log.WriteString("close") }

func who(f *sensor.Flow, s packet.Side) string {
	if s == f.Orig {
		return "c"
	}
	return "s"
}

// script is a protocol that takes every stream and datagram.
func script(log *strings.Builder, transport uint8) sensor.Protocol {
	return sensor.Protocol{Name: "script", Transport: transport,
		Match: func(f *sensor.Flow, s packet.Side, _ []byte) sensor.Match {
			if s == f.Orig {
				return sensor.FromClient
			}
			return sensor.FromServer
		},
		New: func() sensor.Decoder { return &transcript{log: log} }}
}

// run sends frames through one worker and returns the flow records.
func run(t testing.TB, frames []sensor.Frame, ps ...sensor.Protocol) []*records.Flow {
	t.Helper()
	var flows []*records.Flow
	e := newEngine(1, func(rs []records.Record) {
		for _, r := range rs {
			if f, ok := r.(*records.Flow); ok {
				flows = append(flows, f)
			}
		}
	}, ps)
	if err := e.Read(context.Background(), &memory{frames: frames, size: 7}); err != nil {
		t.Fatal(err)
	}
	return flows
}
