package main

import (
	"encoding/binary"
	"fmt"
)

const (
	// crowdLasting is for how many further beginnings a connection stays open: with
	// the DNS exchanges of the last minute, 100,000 flows are open at a time.
	crowdLasting = 52_000
	// crowdFrames is how many frames there are for each that begins, on average.
	crowdFrames = 9.4
	// crowdNames is how many server names there are in TLS.
	crowdNames = 16
)

// crowd is a network where connections begin all the time and stay open for 10
// seconds: of ten flows, four are TLS, two HTTP, two DNS, two of an unknown protocol.
type crowd struct {
	sessions [][]said // TLS, by name
	open     []*talk  // connections by beginning, modulo crowdLasting; nil for DNS
	begun    int
	due      [][]byte
}

func newCrowd() (*crowd, error) {
	c := &crowd{open: make([]*talk, crowdLasting)}
	for i := range crowdNames {
		s, err := tlsSession(fmt.Sprintf("www%d.example", i), 300)
		if err != nil {
			return nil, err
		}
		c.sessions = append(c.sessions, s)
	}
	return c, nil
}

func (c *crowd) next(frame []byte) int {
	for len(c.due) == 0 {
		c.advance()
	}
	n := copy(frame, c.due[0])
	c.due = c.due[1:]
	return n
}

// advance begins a flow, says something in one of middle age, and ends the oldest.
func (c *crowd) advance() {
	i := c.begun % crowdLasting
	c.due = c.due[:0]
	if t := c.open[i]; t != nil {
		c.due = append(c.due, t.frame(0, fin|ack, nil), t.frame(1, fin|ack, nil), t.frame(0, ack, nil))
	}
	if t := c.open[(i+crowdLasting/2)%crowdLasting]; t != nil {
		c.due = append(c.due, t.frame(1, psh|ack, make([]byte, 200)))
	}
	c.open[i] = c.begin(c.begun)
	c.begun++
}

// begin opens the k-th flow: its client and port are new.
func (c *crowd) begin(k int) *talk {
	const clients, servers = 4000, 2000
	client := [4]byte{10, 0, byte(k % clients >> 8), byte(k % clients)}
	server := [4]byte{198, 18, byte(k % servers >> 8), byte(k % servers)}
	port := uint16(20000 + k/clients%40000)
	kind := k * 7 % 10
	if kind < 2 {
		t := newTalk(client, server, port, 53, 17)
		query, answer := dnsMessages(fmt.Sprintf("host%d", k%10000), "crowd")
		c.due = append(c.due, t.frame(0, 0, query), t.frame(1, 0, answer))
		return nil
	}
	t := newTalk(client, server, port, [10]uint16{2: 443, 3: 443, 4: 443, 5: 443, 6: 80, 7: 80, 8: 9000, 9: 9000}[kind], 6)
	c.due = append(c.due, t.connect()...)
	switch {
	case kind <= 5:
		for _, s := range c.sessions[k%crowdNames] {
			c.due = append(c.due, t.say(s.side, s.data)...)
		}
	case kind <= 7:
		c.due = append(c.due, t.frame(0, psh|ack, fmt.Appendf(nil, "GET /%d HTTP/1.1\r\nHost: www%d.example\r\nUser-Agent: crowd/1.0\r\n\r\n", k, k%servers)))
		c.due = append(c.due, t.frame(1, psh|ack, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 300\r\n\r\n%300d", k)), t.frame(0, ack, nil))
	default:
		c.due = append(c.due, t.frame(0, psh|ack, binary.BigEndian.AppendUint64(nil, uint64(k))), t.frame(1, psh|ack, make([]byte, 100)))
	}
	return t
}

// flood is SYNs to one server, each from another address and port.
type flood struct{ sent uint32 }

func (f *flood) next(frame []byte) int {
	x := f.sent * 0x9e3779b1 // odd, so that all are different
	f.sent++
	t := newTalk([4]byte{11, byte(x >> 24), byte(x >> 16), byte(x >> 8)}, [4]byte{192, 0, 2, 80}, uint16(x)|1024, 443, 6)
	t.seq[0] = x
	n := t.write(frame, 0, syn, 0)
	clear(frame[n:minFrame])
	return minFrame
}
