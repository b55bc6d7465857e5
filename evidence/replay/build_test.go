package replay_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"kagami/evidence/replay"
	"kagami/packet"
	"kagami/sensor"
)

const (
	second = int64(1e9)
	start  = int64(1767571200) * second // 2026-01-05 00:00:00 UTC
)

// traffic builds frames in the order in which a sensor would see them.
type traffic struct {
	now    int64
	frames []sensor.Frame
	mss    int // octets in a segment, 0 = as many as there are
}

func newTraffic() *traffic { return &traffic{now: start} }

func (tr *traffic) add(ip []byte) {
	frame := append(make([]byte, 12, 14+len(ip)), 0x08, 0x00)
	frame = append(frame, ip...)
	tr.frames = append(tr.frames, sensor.Frame{Time: tr.now, Data: frame, WireLen: uint32(len(frame)), Link: packet.LinkEthernet})
	tr.now += 1e6
}

// ipv4 is a datagram from one address to another.
func ipv4(src, dst netip.Addr, proto uint8, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	return append(b, payload...)
}

func (tr *traffic) udp(src, dst string, payload []byte) {
	a, b := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	u := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(u, a.Port())
	binary.BigEndian.PutUint16(u[2:], b.Port())
	binary.BigEndian.PutUint16(u[4:], uint16(8+len(payload)))
	tr.add(ipv4(a.Addr(), b.Addr(), packet.ProtoUDP, append(u, payload...)))
}

// conn is a TCP connection.
type conn struct {
	*traffic
	peers [2]netip.AddrPort // client, server
	next  [2]uint32
}

func (tr *traffic) conn(client, server string) *conn {
	return &conn{traffic: tr, peers: [2]netip.AddrPort{netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)},
		next: [2]uint32{1000, 0xfffffff0}} // the server's numbers wrap
}

const (
	client = 0
	server = 1
)

func (c *conn) segment(from int, flags packet.TCPFlags, seq uint32, payload []byte) {
	t := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(t, c.peers[from].Port())
	binary.BigEndian.PutUint16(t[2:], c.peers[1-from].Port())
	binary.BigEndian.PutUint32(t[4:], seq)
	binary.BigEndian.PutUint32(t[8:], c.next[1-from])
	t[12], t[13] = 5<<4, byte(flags)
	binary.BigEndian.PutUint16(t[14:], 0xffff)
	c.add(ipv4(c.peers[from].Addr(), c.peers[1-from].Addr(), packet.ProtoTCP, append(t, payload...)))
}

func (c *conn) open() *conn {
	c.next[client]++
	c.segment(client, packet.SYN, c.next[client]-1, nil)
	c.frames[len(c.frames)-1].Data[14+20+13] = byte(packet.SYN)
	c.next[server]++
	c.segment(server, packet.SYN|packet.ACK, c.next[server]-1, nil)
	c.segment(client, packet.ACK, c.next[client], nil)
	return c
}

// send sends octets, in segments of the traffic's size.
func (c *conn) send(from int, text string) {
	n := len(text)
	if c.mss > 0 {
		n = c.mss
	}
	n = min(n, 1460)
	for b := []byte(text); len(b) > 0; b = b[min(n, len(b)):] {
		part := b[:min(n, len(b))]
		c.segment(from, packet.ACK|packet.PSH, c.next[from], part)
		c.next[from] += uint32(len(part))
	}
}

// lose is n octets that the other side gets and the sensor does not.
func (c *conn) lose(from, n int) {
	c.next[from] += uint32(n)
	c.segment(1-from, packet.ACK, c.next[1-from], nil)
}

func (c *conn) close() {
	for from := range 2 {
		c.segment(from, packet.FIN|packet.ACK, c.next[from], nil)
		c.next[from]++
	}
}

func (c *conn) reset() { c.segment(server, packet.RST|packet.ACK, c.next[server], nil) }

// memory is a sensor.Source of frames.
type memory struct {
	frames []sensor.Frame
	size   int // of a batch
	err    error
}

func (m *memory) Next(b *sensor.Batch) error {
	n := min(m.size, len(m.frames))
	b.Frames = append(b.Frames[:0], m.frames[:n]...)
	if m.frames = m.frames[n:]; n > 0 {
		b.Now = b.Frames[n-1].Time
		return nil
	}
	if m.err != nil {
		return m.err
	}
	return io.EOF
}

func (m *memory) Stats() sensor.SourceStats { return sensor.SourceStats{} }
func (m *memory) Close() error              { return nil }

func read(t testing.TB, frames []sensor.Frame, o replay.Options) *replay.Reading {
	t.Helper()
	r, err := replay.Read(context.Background(), &memory{frames: frames, size: 7}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// step is one thing that happens on a connection.
type step func(*conn)

func says(from int, parts ...string) step {
	return func(c *conn) { c.send(from, strings.Join(parts, "")) }
}
func up(parts ...string) step   { return says(client, parts...) }
func down(parts ...string) step { return says(server, parts...) }
func lostUp(n int) step         { return func(c *conn) { c.lose(client, n) } }
func lostDown(n int) step       { return func(c *conn) { c.lose(server, n) } }
func fin(c *conn)               { c.close() }
func rst(c *conn)               { c.reset() }

// play is the frames of a connection from 10.0.0.2:40000 to 192.0.2.80:80.
func play(mss int, handshake bool, steps ...step) []sensor.Frame {
	tr := newTraffic()
	tr.mss = mss
	c := tr.conn("10.0.0.2:40000", "192.0.2.80:80")
	if handshake {
		c.open()
	}
	for _, s := range steps {
		s(c)
	}
	return tr.frames
}

// told is a Reading as text: its transactions and its holes.
func told(r *replay.Reading) string {
	var b strings.Builder
	for _, t := range r.Transactions {
		fmt.Fprintf(&b, "%d", t.Number)
		if t.Stream > 0 {
			fmt.Fprintf(&b, " stream %d", t.Stream)
		}
		if t.Request.Method != "" {
			fmt.Fprintf(&b, " %s %v%s", t.Request.Method, t.Request.URL, body(&t.Request.Body))
		}
		for _, e := range t.Early {
			fmt.Fprintf(&b, " > %d", e.Status)
		}
		if a := t.Response; a != nil {
			fmt.Fprintf(&b, " > %d%s", a.Status, body(&a.Body))
			for _, f := range a.Trailer {
				fmt.Fprintf(&b, " (%s: %s)", f.Name, f.Value)
			}
		}
		if t.Switched != "" {
			fmt.Fprintf(&b, " | %s %d %d", t.Switched, t.Carried[0], t.Carried[1])
		}
		b.WriteByte('\n')
	}
	for _, o := range r.Objects {
		fmt.Fprintf(&b, "object %s %d %q missing %v\n", o.URL, o.Size, o.Data, o.Missing)
	}
	for _, h := range r.Holes {
		fmt.Fprintf(&b, "- %s", h.Kind)
		if h.Transaction != nil {
			fmt.Fprintf(&b, " %d", h.Transaction.Number)
		}
		fmt.Fprintf(&b, ": %s\n", h.Text)
	}
	return b.String()
}

func body(b *replay.Body) string {
	s := ""
	if len(b.Data) > 40 {
		s = fmt.Sprintf(" %d octets", len(b.Data))
	} else if len(b.Data) > 0 {
		s = fmt.Sprintf(" %q", b.Data)
	}
	if len(b.Holes) > 0 {
		s += fmt.Sprintf(" holes %v", b.Holes)
	}
	if !b.Complete {
		s += " incomplete"
	}
	return s
}
