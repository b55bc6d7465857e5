package decoders

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// udpFlow is a flow of datagrams between two ports, at the time given.
func udpFlow(clientPort, serverPort uint16, now int64) *sensor.Flow {
	f := sensor.NewTestFlow(packet.ProtoUDP)
	f.Key.APort, f.Key.BPort, f.Now = clientPort, serverPort, now
	return f
}

// broadcastTo makes the flow's server everybody.
func broadcastTo(f *sensor.Flow) *sensor.Flow {
	f.Key.B = [16]byte{10: 0xff, 11: 0xff, 12: 255, 13: 255, 14: 255, 15: 255}
	return f
}

// datagrams gives each datagram to a decoder of its own, as it was sent by side,
// and returns the records.
func datagrams[R records.Record](p sensor.Protocol, f *sensor.Flow, side packet.Side, data ...[]byte) (out []R) {
	d := p.New()
	emit := func(r records.Record) { out = append(out, r.(R)) }
	for _, b := range data {
		piece := append([]byte(nil), b...)
		d.Data(f, side, piece, emit)
		clear(piece) // it was only borrowed
	}
	d.Close(f, emit)
	return out
}

func first(b []byte) []byte { return b[:min(len(b), sensor.MatchLimit)] }

// A flow of random octets is offered to every protocol eight times, on any port.
func TestRandomDatagramsAreNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() []byte {
		b := make([]byte, r.IntN(600))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for _, p := range []sensor.Protocol{nbnsUDP(), dhcpProtocol(), dhcpv6Protocol(), ssdpProtocol(), ntpProtocol()} {
		for _, port := range []uint16{40001, 67, 123, 137, 547, 1900} {
			f := udpFlow(40000, port, 1.7e18)
			hits := 0
			for range 20000 {
				if p.Match(f, packet.FromA, first(random())) != sensor.No {
					hits++
				}
			}
			// NTP's control messages have 30 bits that must fit, all others more.
			if hits > 1 || hits > 0 && port != 123 {
				t.Errorf("%s on port %d: %d of 20000 random datagrams taken for it", p.Name, port, hits)
			}
		}
	}
}

// addrs is a list of addresses.
func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// What a flow that is none of the protocols costs at its first datagrams.
func BenchmarkUnknownDatagram(b *testing.B) {
	f, msg := udpFlow(40000, 40001, 1.7e18), make([]byte, sensor.MatchLimit)
	for i := range msg {
		msg[i] = byte(37*i + 5)
	}
	protocols := []sensor.Protocol{nbnsUDP(), dnsUDP(), dhcpProtocol(), dhcpv6Protocol(), ssdpProtocol(), ntpProtocol()}
	b.ReportAllocs()
	for b.Loop() {
		for i := range protocols {
			if protocols[i].Match(f, packet.FromA, msg) != sensor.No {
				b.Fatal(protocols[i].Name)
			}
		}
	}
}
