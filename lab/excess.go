package lab

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"time"
)

// Excess is hostile traffic: more of something than any honest peer sends.
type Excess struct {
	Name  string
	Write func(*Flood) // puts the traffic on the wire
}

// Excesses are all of them, by what they abuse.
func Excesses() []Excess {
	var all []Excess
	for _, group := range [][]Excess{
		webExcesses(), bodyExcesses(), http2Excesses(), mailExcesses(), mimeExcesses(), fileTransferExcesses(),
		nameExcesses(), siteExcesses(), tlsExcesses(), quicExcesses(), openExcesses(),
	} {
		all = append(all, group...)
	}
	return all
}

// Frames yields the excess's frames in batches, made while they are asked for: an
// excess may be longer than memory. A batch and its octets are valid until the
// next one.
func (x Excess) Frames() iter.Seq[[]Frame] {
	return func(yield func([]Frame) bool) {
		f := &Flood{yield: yield, buf: make([]byte, 0, floodOctets)}
		x.Write(f)
		f.flush()
	}
}

const (
	floodFrames = 512                    // in a batch
	floodOctets = floodFrames * 1536     // in a batch
	floodGap    = 20 * time.Microsecond  // between two frames
	floodMSS    = 1460                   // octets of payload in a frame
	floodTrip   = 300 * time.Microsecond // from the client to the server
)

// Flood is a wire that keeps nothing: frames leave it in batches, in the order in
// which they are written, at a steady pace. Unlike a Wire it is written by hostile
// hands: nothing has to make sense, and nothing repeats what was lost. Checksums of
// TCP and UDP are left out, as a capture with checksum offload shows them.
type Flood struct {
	yield  func([]Frame) bool
	ended  bool // nobody reads on
	now    time.Duration
	buf    []byte
	frames []Frame
	id     uint16
}

// Wait lets time pass.
func (f *Flood) Wait(d time.Duration) { f.now += d }

func (f *Flood) flush() {
	if len(f.frames) > 0 && !f.ended {
		f.ended = !f.yield(f.frames)
	}
	f.frames, f.buf = f.frames[:0], f.buf[:0]
}

// Datagram puts one UDP datagram on the wire.
func (f *Flood) Datagram(src, dst netip.AddrPort, payload []byte) {
	if f.ended {
		return
	}
	b := f.header(src.Addr(), dst.Addr(), 17, 8+len(payload))
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	f.put(append(append(b, 0, 0), payload...))
}

// header begins a frame with its Ethernet and IP headers.
func (f *Flood) header(src, dst netip.Addr, proto byte, n int) []byte {
	if len(f.frames) == floodFrames || cap(f.buf)-len(f.buf) < 54+n {
		f.flush()
	}
	f.id++
	b := append(f.buf[len(f.buf):], 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1)
	if src.Is6() {
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
		b = append(binary.BigEndian.AppendUint16(b, uint16(n)), proto, 64)
		return append(append(b, src.AsSlice()...), dst.AsSlice()...)
	}
	b = append(b, 8, 0, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+n))
	b = binary.BigEndian.AppendUint16(b, f.id)
	b = append(b, 0x40, 0, 64, proto, 0, 0)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[24:], checksum(b[14:34]))
	return b
}

// checksum is that of an IPv4 header (RFC 1071).
func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// put ends a frame that header began.
func (f *Flood) put(b []byte) {
	f.frames = append(f.frames, Frame{Time: f.now, Data: b[:len(b):len(b)]})
	if used := len(f.buf) + len(b); used <= cap(f.buf) {
		f.buf = f.buf[:used]
	}
	f.now += floodGap
}

// Talk is a TCP connection in a flood. Each side acknowledges, with what it sends,
// all that the other has sent.
type Talk struct {
	f    *Flood
	ends [2]netip.AddrPort
	seq  [2]uint32 // next octet to send
	mss  int
}

// Dial makes the three-way handshake.
func (f *Flood) Dial(client, server netip.AddrPort) *Talk {
	t := f.Join(client, server)
	t.segment(Client, tcpSYN, nil)
	t.seq[Client]++
	f.Wait(floodTrip)
	t.segment(Server, tcpSYN|tcpACK, nil)
	t.seq[Server]++
	t.segment(Client, tcpACK, nil)
	return t
}

// Join begins in the middle of a connection.
func (f *Flood) Join(client, server netip.AddrPort) *Talk {
	return &Talk{f: f, ends: [2]netip.AddrPort{client, server}, seq: [2]uint32{1000, 2000}, mss: floodMSS}
}

// Say sends octets of one side, cut at the MSS.
func (t *Talk) Say(s Side, octets ...[]byte) {
	for _, b := range octets {
		for len(b) > 0 && !t.f.ended {
			n := min(len(b), t.mss)
			t.segment(s, tcpACK|tcpPSH, b[:n])
			t.seq[s] += uint32(n)
			b = b[n:]
		}
	}
}

// Tell is Say for text.
func (t *Talk) Tell(s Side, text string) { t.Say(s, []byte(text)) }

// Repeat says n times the same, in full segments.
func (t *Talk) Repeat(s Side, n int, unit string) {
	t.Endless(s, n, func(b []byte, _ int) []byte { return append(b, unit...) })
}

// Endless says n units, in full segments: unit appends the ith.
func (t *Talk) Endless(s Side, n int, unit func(b []byte, i int) []byte) {
	var b []byte
	for i := 0; i < n && !t.f.ended; i++ {
		if b = unit(b, i); len(b) >= 16*floodMSS {
			whole := len(b) - len(b)%t.mss
			t.Say(s, b[:whole])
			b = b[:copy(b, b[whole:])]
		}
	}
	t.Say(s, b)
}

// Skip passes over n octets that never come.
func (t *Talk) Skip(s Side, n int) { t.seq[s] += uint32(n) }

// Ack acknowledges what the other side sent, as a receiver would do.
func (t *Talk) Ack(s Side) { t.segment(s, tcpACK, nil) }

// Close ends the connection in good order.
func (t *Talk) Close() {
	for s := Client; s <= Server; s++ {
		t.segment(s, tcpFIN|tcpACK, nil)
		t.seq[s]++
	}
	t.segment(Client, tcpACK, nil)
}

// TCP flags (RFC 9293 section 3.1).
const (
	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpPSH = 0x08
	tcpACK = 0x10
)

func (t *Talk) segment(s Side, flags byte, payload []byte) {
	b := t.f.header(t.ends[s].Addr(), t.ends[1-s].Addr(), 6, 20+len(payload))
	b = binary.BigEndian.AppendUint16(b, t.ends[s].Port())
	b = binary.BigEndian.AppendUint16(b, t.ends[1-s].Port())
	b = binary.BigEndian.AppendUint32(b, t.seq[s])
	ack := uint32(0)
	if flags&tcpACK != 0 {
		ack = t.seq[1-s]
	}
	b = binary.BigEndian.AppendUint32(b, ack)
	t.f.put(append(append(b, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0), payload...))
}

// floodServer and floodClients are who talks in an excess.
var floodServer = netip.MustParseAddr("198.51.100.7")

// floodClient is the ith client: 10.0.0.0/8 has room for 16 million.
func floodClient(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// peers are the ends of the ith connection to a port of the server.
func peers(i int, port uint16) (client, server netip.AddrPort) {
	return netip.AddrPortFrom(floodClient(1+i), 40000), netip.AddrPortFrom(floodServer, port)
}
