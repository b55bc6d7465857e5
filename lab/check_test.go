package lab

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// half is one direction of a TCP conversation as a reader of the capture sees
// it.
type half struct {
	syn     bool
	isn     uint32
	next    uint32 // end of what arrived without a hole
	sent    uint32 // end of the furthest byte sent
	lastAck uint32
	holes   map[uint32][]byte // segments ahead of a hole
	data    []byte
	times   []time.Duration // of each segment with new data, with starts
	starts  []int
	fin     bool
}

// wireFlow is a conversation with what was wrong with it.
type wireFlow struct {
	flow                 Flow
	halves               [2]half // client, server
	syns, repeats, swaps int
	established, refused bool
	payload              int
}

// wireFlows follows every TCP conversation of a capture and reports what no
// real stack would do.
func wireFlows(t *testing.T, c *Capture) map[Flow]*wireFlow {
	t.Helper()
	flows := make(map[Flow]*wireFlow)
	for i, f := range c.Frames {
		p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
		tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok {
			continue
		}
		src, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
		dst, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Dst().Raw())
		key := Flow{src, uint16(tcp.SrcPort), dst, uint16(tcp.DstPort), "tcp"}
		side := Client
		x := flows[key]
		if x == nil {
			back := Flow{dst, key.DstPort, src, key.SrcPort, "tcp"}
			if x = flows[back]; x != nil {
				side = Server
			}
		}
		if x == nil {
			if !tcp.SYN || tcp.ACK {
				t.Fatalf("frame %d: conversation %v does not begin with a SYN", i+1, key)
			}
			x = &wireFlow{flow: key}
			flows[key] = x
		}
		x.segment(t, i+1, f.Time, side, tcp)
	}
	return flows
}

// segment checks one segment against all before it.
func (x *wireFlow) segment(t *testing.T, frame int, at time.Duration, side Side, tcp *layers.TCP) {
	t.Helper()
	h, peer := &x.halves[side], &x.halves[1-side]
	switch {
	case tcp.SYN && side == Client:
		x.syns++
		h.syn, h.isn, h.next, h.sent = true, tcp.Seq, tcp.Seq+1, tcp.Seq+1
		return
	case tcp.SYN:
		h.syn, h.isn, h.next, h.sent = true, tcp.Seq, tcp.Seq+1, tcp.Seq+1
		if tcp.Ack != peer.sent {
			t.Errorf("frame %d: SYN-ACK of %d, want %d", frame, tcp.Ack, peer.sent)
		}
		return
	case tcp.RST && !peer.syn || tcp.RST && side == Server && !h.syn:
		x.refused = true
		return
	}
	if side == Client && h.syn && peer.syn {
		x.established = true
	}
	if tcp.ACK {
		if int32(tcp.Ack-peer.sent) > 0 {
			t.Errorf("frame %d: %v acknowledges %d bytes that were not sent", frame, x.flow, tcp.Ack-peer.sent)
		}
		if h.lastAck != 0 && int32(tcp.Ack-h.lastAck) < 0 {
			t.Errorf("frame %d: %v acknowledges less than before", frame, x.flow)
		}
		h.lastAck = tcp.Ack
	}
	x.data(t, frame, at, side, tcp)
	if tcp.FIN {
		if tcp.Seq+uint32(len(tcp.Payload)) != h.next {
			t.Errorf("frame %d: %v: FIN at %d, want %d", frame, x.flow, tcp.Seq, h.next)
		}
		h.fin = true
		h.next++
		h.sent++
	}
}

func (x *wireFlow) data(t *testing.T, frame int, at time.Duration, side Side, tcp *layers.TCP) {
	t.Helper()
	h, n := &x.halves[side], uint32(len(tcp.Payload))
	if n == 0 {
		if !tcp.FIN && tcp.Seq != h.sent {
			t.Errorf("frame %d: %v: empty segment at %d, want %d", frame, x.flow, tcp.Seq, h.sent)
		}
		return
	}
	x.payload += int(n)
	switch {
	case tcp.Seq == h.next:
		for b := tcp.Payload; b != nil; b = h.holes[h.next] {
			delete(h.holes, h.next)
			h.times, h.starts = append(h.times, at), append(h.starts, len(h.data))
			h.data = append(h.data, b...)
			h.next += uint32(len(b))
		}
	case int32(tcp.Seq+n-h.next) <= 0:
		x.repeats++
	default:
		x.swaps++
		if h.holes == nil {
			h.holes = make(map[uint32][]byte)
		}
		h.holes[tcp.Seq] = tcp.Payload
	}
	if int32(tcp.Seq+n-h.sent) > 0 {
		h.sent = tcp.Seq + n
	}
}

// timeOf is when the byte at offset passed.
func (h *half) timeOf(offset int) time.Duration {
	var at time.Duration
	for i, start := range h.starts {
		if start <= offset {
			at = h.times[i]
		}
	}
	return at
}

// checkWire checks every frame and every conversation of a capture, and that
// the deliberate faults are exactly those the truth names.
func checkWire(t *testing.T, c *Capture, truth *Truth) {
	t.Helper()
	last := time.Duration(-1)
	pings := 0
	for i, f := range c.Frames {
		if f.Time < last || f.Time%time.Microsecond != 0 {
			t.Fatalf("frame %d at %s follows %s, want order and whole microseconds", i+1, f.Time, last)
		}
		last = f.Time
		p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
		if fail := p.ErrorLayer(); fail != nil && !tunnelled(p) {
			t.Errorf("frame %d: %v", i+1, fail.Error())
		}
		checkSums(t, i+1, p)
		if icmp, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok && icmp.TypeCode.Type() == layers.ICMPv4TypeEchoRequest {
			pings++
		}
	}
	var got Counts
	got.Pings = pings
	for _, x := range wireFlows(t, c) {
		got.TCPFlows++
		switch {
		case x.established:
			got.Answered++
		case x.refused:
			got.Refused++
		case x.halves[Server].syn:
			t.Errorf("%v: answered but not completed", x.flow)
		default:
			got.Unanswered++
		}
		got.SYNRetries += x.syns - 1
		got.Retransmissions += x.repeats
		got.Reordered += x.swaps
		for s := range x.halves {
			if len(x.halves[s].holes) > 0 {
				t.Errorf("%v: a hole was never filled", x.flow)
			}
		}
	}
	if got != truth.Counts.Counts {
		t.Errorf("on the wire %+v\ntruth %+v", got, truth.Counts.Counts)
	}
	if got.Retransmissions == 0 || got.Reordered == 0 {
		t.Error("want some deliberate faults")
	}
}

// tunnelled excuses gopacket's guesses above TCP and UDP by port number: only
// link to transport layer are its business here.
func tunnelled(p gopacket.Packet) bool { return p.TransportLayer() != nil }

// checkSums recomputes the checksums of a frame: over correct bytes the ones'
// complement sum is all ones (RFC 1071).
func checkSums(t *testing.T, frame int, p gopacket.Packet) {
	t.Helper()
	var pseudo []byte
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		if s := onesSum(ip.Contents); s != 0xffff {
			t.Errorf("frame %d: IPv4 header sum %#x", frame, s)
		}
		if int(ip.Length) != len(ip.Contents)+len(ip.Payload) {
			t.Errorf("frame %d: IPv4 length %d, has %d", frame, ip.Length, len(ip.Contents)+len(ip.Payload))
		}
		pseudo = append(append(append(pseudo, ip.SrcIP.To4()...), ip.DstIP.To4()...), 0, byte(ip.Protocol), byte(len(ip.Payload)>>8), byte(len(ip.Payload)))
		if ip.Protocol == layers.IPProtocolICMPv4 {
			pseudo = nil
		}
		if s := onesSum(append(pseudo, ip.Payload...)); s != 0xffff {
			t.Errorf("frame %d: transport sum %#x", frame, s)
		}
	case *layers.IPv6:
		pseudo = append(append(pseudo, ip.SrcIP...), ip.DstIP...)
		pseudo = append(pseudo, 0, 0, byte(len(ip.Payload)>>8), byte(len(ip.Payload)), 0, 0, 0, byte(ip.NextHeader))
		if s := onesSum(append(pseudo, ip.Payload...)); s != 0xffff {
			t.Errorf("frame %d: transport sum %#x", frame, s)
		}
	default:
		if p.Layer(layers.LayerTypeARP) == nil {
			t.Errorf("frame %d: neither IP nor ARP", frame)
		}
	}
}

func onesSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		v := uint32(b[i]) << 8
		if i+1 < len(b) {
			v |= uint32(b[i+1])
		}
		sum += v
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
