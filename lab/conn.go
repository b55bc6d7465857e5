package lab

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Side is one end of a TCP conversation.
type Side uint8

// The client sends the first SYN.
const (
	Client Side = iota
	Server
)

const (
	delayedAck = 40 * time.Millisecond // RFC 1122 section 4.2.3.2 allows 500 ms; stacks use 40
	minRTO     = 200 * time.Millisecond
	firstBurst = 10 // segments before the first ACK (RFC 6928)
)

// Conn is one TCP conversation, built as the mirror port sees it: segments
// cut at the MSS, an ACK for every second one, delayed and piggybacked ACKs,
// round trips, and the wire's deliberate faults. Times are given by the
// caller; an action starts no earlier than the side can know of what it
// answers.
type Conn struct {
	w     *Wire
	ends  [2]*Endpoint
	ports [2]uint16
	ts    bool             // both sides use the timestamps option
	base  [2]uint32        // timestamp clock at the start of the capture, ms
	echo  [2]uint32        // last timestamp heard from the peer
	seq   [2]uint32        // next byte to send
	got   [2]uint32        // next byte expected from the peer
	ready [2]time.Duration // earliest next action
	last  [2]time.Duration // time of the last frame sent
	owed  [2]int           // segments received and not yet acknowledged
	due   [2]time.Duration // when the delayed ACK leaves, if owed > 0
	done  bool
}

// Dial makes the three-way handshake. A zero port takes a fresh one.
func (w *Wire) Dial(at time.Duration, client *Endpoint, cport uint16, server *Endpoint, sport uint16) *Conn {
	c := w.conn(client, cport, server, sport)
	w.Counts.Answered++
	c.seq = [2]uint32{w.rng.Uint32(), w.rng.Uint32()}
	c.segment(Client, at, flags{syn: true}, nil)
	c.seq[Client]++
	c.got[Server] = c.seq[Client]
	t := at + server.RTT
	c.segment(Server, t, flags{syn: true, ack: true}, nil)
	c.seq[Server]++
	c.got[Client] = c.seq[Server]
	t += client.RTT
	c.segment(Client, t, flags{ack: true}, nil)
	c.ready = [2]time.Duration{t + 20*time.Microsecond, t + server.RTT}
	return c
}

// Refuse makes a connection attempt that the server answers with a reset.
func (w *Wire) Refuse(at time.Duration, client, server *Endpoint, sport uint16) *Conn {
	c := w.conn(client, 0, server, sport)
	w.Counts.Refused++
	c.seq[Client] = w.rng.Uint32()
	c.segment(Client, at, flags{syn: true}, nil)
	c.got[Server] = c.seq[Client] + 1
	c.segment(Server, at+server.RTT, flags{rst: true, ack: true}, nil)
	c.done = true
	return c
}

// Ignore makes a connection attempt that nobody answers: a SYN and its repeats
// after the given gaps.
func (w *Wire) Ignore(at time.Duration, client, server *Endpoint, sport uint16, repeats ...time.Duration) *Conn {
	c := w.conn(client, 0, server, sport)
	w.Counts.Unanswered++
	c.seq[Client] = w.rng.Uint32()
	c.segment(Client, at, flags{syn: true}, nil)
	for _, gap := range repeats {
		at += gap
		w.Counts.SYNRetries++
		c.segment(Client, at, flags{syn: true}, nil)
	}
	c.done = true
	return c
}

func (w *Wire) conn(client *Endpoint, cport uint16, server *Endpoint, sport uint16) *Conn {
	if cport == 0 {
		cport = w.Port(client)
	}
	w.Counts.TCPFlows++
	return &Conn{
		w: w, ends: [2]*Endpoint{client, server}, ports: [2]uint16{cport, sport},
		ts:   client.Stack == Unix && server.Stack == Unix,
		base: [2]uint32{w.rng.Uint32() >> 1, w.rng.Uint32() >> 1},
	}
}

// Ready is the earliest time at which the side can act on all it was sent.
func (c *Conn) Ready(s Side) time.Duration { return c.ready[s] }

// Flow names the conversation, client first.
func (c *Conn) Flow() Flow {
	return Flow{c.ends[Client].Addr, c.ports[Client], c.ends[Server].Addr, c.ports[Server], "tcp"}
}

// Send sends data from one side, not before at, and returns when its last
// segment passed the mirror. data may be empty: nothing is sent.
func (c *Conn) Send(s Side, at time.Duration, data []byte) time.Duration {
	if len(data) == 0 {
		return max(at, c.ready[s])
	}
	t, peer := max(at, c.ready[s]), 1-s
	c.settle(t)
	c.owed[s] = 0 // the data carries the acknowledgement
	pieces := slices.Collect(slices.Chunk(data, c.mss()))
	swap := -1
	if len(pieces) >= 4 && c.w.rng.Chance(c.w.faults.Reorder, 10_000) {
		swap = c.w.rng.Below(len(pieces) - 2)
	}
	resend := c.w.rng.Chance(c.w.faults.Retransmit, 10_000)
	burst, left := firstBurst, firstBurst
	for i := 0; i < len(pieces); i++ {
		if left == 0 { // the window opens when the first ACK of the burst is back
			t += c.ends[s].RTT + c.ends[peer].RTT
			burst *= 2
			left = burst
		}
		left--
		switch {
		case i == swap:
			t = c.swapped(s, t, pieces[i], pieces[i+1])
			i++
		case resend && i == len(pieces)-1:
			t = c.twice(s, t, pieces[i])
		default:
			t = c.data(s, t, pieces[i], i == len(pieces)-1)
		}
		if i < len(pieces)-1 {
			t += c.w.rng.Span(12*time.Microsecond, 60*time.Microsecond)
		}
	}
	t = c.last[s]
	c.ready[s] = max(c.ready[s], t+20*time.Microsecond)
	c.ready[peer] = max(c.ready[peer], t+c.ends[peer].RTT)
	return t
}

// data sends one segment in order and lets the peer acknowledge.
func (c *Conn) data(s Side, t time.Duration, b []byte, push bool) time.Duration {
	t = c.segment(s, t, flags{ack: true, psh: push}, b)
	c.seq[s] += uint32(len(b))
	c.received(1-s, t, len(b))
	return t
}

// received notes a segment's arrival: every second one is acknowledged at
// once, a single one after delayedAck.
func (c *Conn) received(s Side, t time.Duration, n int) {
	c.got[s] += uint32(n)
	c.owed[s]++
	c.due[s] = t + c.ends[s].RTT + delayedAck
	if c.owed[s] >= 2 {
		c.ack(s, t+c.ends[s].RTT)
	}
}

func (c *Conn) ack(s Side, t time.Duration) {
	c.owed[s] = 0
	c.segment(s, t, flags{ack: true}, nil)
}

// settle sends the delayed ACKs that were due by t.
func (c *Conn) settle(t time.Duration) {
	for s := Client; s <= Server; s++ {
		if c.owed[s] > 0 && c.due[s] <= t {
			c.ack(s, c.due[s])
		}
	}
}

// swapped sends two segments in the wrong order. The first to arrive leaves a
// hole, so the peer repeats its ACK and names the block it holds (RFC 2018).
func (c *Conn) swapped(s Side, t time.Duration, first, second []byte) time.Duration {
	c.w.Counts.Reordered++
	peer := 1 - s
	if c.owed[peer] > 0 {
		c.ack(peer, t)
	}
	hole := uint32(len(first))
	c.seq[s] += hole
	t = c.segment(s, t, flags{ack: true}, second)
	c.segment(peer, t+c.ends[peer].RTT, flags{ack: true, sack: [2]uint32{c.seq[s], c.seq[s] + uint32(len(second))}}, nil)
	c.seq[s] -= hole
	t = c.segment(s, t+c.w.rng.Span(20*time.Microsecond, 90*time.Microsecond), flags{ack: true}, first)
	c.seq[s] += hole + uint32(len(second))
	c.got[peer] += hole + uint32(len(second))
	c.ack(peer, t+c.ends[peer].RTT)
	return t
}

// twice sends a segment that is lost behind the mirror, and again after the
// retransmission timeout.
func (c *Conn) twice(s Side, t time.Duration, b []byte) time.Duration {
	c.w.Counts.Retransmissions++
	peer := 1 - s
	if c.owed[peer] > 0 {
		c.ack(peer, t)
	}
	t = c.segment(s, t, flags{ack: true, psh: true}, b)
	return c.data(s, t+minRTO+c.ends[s].RTT+c.ends[peer].RTT, b, true)
}

// Close ends the conversation in good order, begun by side s, and returns the
// time of the last frame.
func (c *Conn) Close(s Side, at time.Duration) time.Duration {
	if c.done {
		return c.last[s]
	}
	t, peer := max(at, c.ready[s]), 1-s
	c.settle(t)
	t = c.fin(s, t)
	t = c.fin(peer, max(c.ready[peer], t+c.ends[peer].RTT))
	c.done = true
	return c.segment(s, t+c.ends[s].RTT, flags{ack: true}, nil)
}

func (c *Conn) fin(s Side, t time.Duration) time.Duration {
	c.owed[s] = 0
	t = c.segment(s, t, flags{fin: true, ack: true}, nil)
	c.seq[s]++
	c.got[1-s]++
	return t
}

// Reset ends the conversation with a reset from side s.
func (c *Conn) Reset(s Side, at time.Duration) time.Duration {
	if c.done {
		return c.last[s]
	}
	c.done = true
	t := max(at, c.ready[s])
	c.settle(t)
	return c.segment(s, t, flags{rst: true, ack: true}, nil)
}

// mss is the payload of a full segment on Ethernet.
func (c *Conn) mss() int {
	n := 1460
	if c.ends[Client].Addr.Is6() {
		n = 1440
	}
	if c.ts {
		n -= 12
	}
	return n
}

type flags struct {
	syn, ack, psh, fin, rst bool
	sack                    [2]uint32 // a block to report; zero: none
}

// segment puts one TCP segment on the wire. A side's frames never go back in
// time. It returns the time used.
func (c *Conn) segment(s Side, t time.Duration, f flags, data []byte) time.Duration {
	if c.last[s] != 0 {
		t = max(t, c.last[s]+2*time.Microsecond)
	}
	t = t.Truncate(time.Microsecond)
	c.last[s] = t
	src, dst := c.ends[s], c.ends[1-s]
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(c.ports[s]), DstPort: layers.TCPPort(c.ports[1-s]), Seq: c.seq[s],
		SYN: f.syn, ACK: f.ack, PSH: f.psh, FIN: f.fin, RST: f.rst,
		Window: src.Stack.window(f), Options: c.options(s, t, f),
	}
	if f.ack {
		tcp.Ack = c.got[s]
	}
	ip, et := c.w.header(src, dst.Addr, layers.IPProtocolTCP)
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		c.w.fail(fmt.Errorf("build tcp header: %w", err))
	}
	c.w.put(t, src, dst.MAC, et, ip, tcp, gopacket.Payload(data))
	return t
}

func (s Stack) window(f flags) uint16 {
	switch {
	case f.rst:
		return 0
	case f.syn:
		return 64240
	case s == Windows:
		return 1026 // scale 8
	default:
		return 2002 // scale 7
	}
}

// options returns the TCP options in the stack's own order.
func (c *Conn) options(s Side, t time.Duration, f flags) []layers.TCPOption {
	nop := layers.TCPOption{OptionType: layers.TCPOptionKindNop}
	var stamp []layers.TCPOption
	offer := f.syn && !f.ack && c.ends[s].Stack == Unix
	if (c.ts || offer) && !f.rst {
		b := binary.BigEndian.AppendUint32(nil, c.base[s]+uint32(t/time.Millisecond))
		stamp = []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: binary.BigEndian.AppendUint32(b, c.echo[s])}}
		c.echo[1-s] = binary.BigEndian.Uint32(b)
	}
	if f.syn {
		mss := uint16(1460)
		if c.ends[s].Addr.Is6() {
			mss = 1440
		}
		size := layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: binary.BigEndian.AppendUint16(nil, mss)}
		sackOK := layers.TCPOption{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2}
		scale := layers.TCPOption{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}}
		if c.ends[s].Stack == Windows {
			scale.OptionData[0] = 8
			return []layers.TCPOption{size, nop, scale, nop, nop, sackOK}
		}
		if stamp == nil { // the peer does not offer timestamps
			return []layers.TCPOption{size, nop, nop, sackOK, nop, scale}
		}
		return append([]layers.TCPOption{size, sackOK}, append(stamp, nop, scale)...)
	}
	var out []layers.TCPOption
	if stamp != nil {
		out = append([]layers.TCPOption{nop, nop}, stamp...)
	}
	if f.sack != [2]uint32{} {
		b := binary.BigEndian.AppendUint32(nil, f.sack[0])
		out = append(out, nop, nop, layers.TCPOption{OptionType: layers.TCPOptionKindSACK, OptionLength: 10, OptionData: binary.BigEndian.AppendUint32(b, f.sack[1])})
	}
	return out
}
