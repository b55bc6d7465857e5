package main

import (
	"encoding/binary"
	"math"
	"testing"
)

// conversations follows the sequence numbers of TCP frames.
type conversations struct {
	t    *testing.T
	next map[[12]byte]uint32
	open int // connections begun and not ended
}

// see checks a frame's headers and that it goes on where its side stopped.
func (c *conversations) see(frame []byte) {
	c.t.Helper()
	be := binary.BigEndian
	ip := frame[ethernet:]
	if sum(ip[:ipv4]) != 0xffff || int(be.Uint16(ip[2:])) > len(ip) {
		c.t.Fatalf("bad IP header % x", ip[:ipv4])
	}
	if ip[9] != 6 {
		return
	}
	side, seq, flags := [12]byte(ip[12:24]), be.Uint32(ip[24:]), ip[33]
	want, seen := c.next[side]
	if seen == (flags&syn != 0) || seen && seq != want {
		c.t.Fatalf("flags %#x, sequence number %d, want %d", flags, seq, want)
	}
	payload := uint32(be.Uint16(ip[2:])) - ipv4 - tcpHead
	c.next[side] = seq + payload
	if flags&(syn|fin) != 0 {
		c.next[side]++
	}
	switch flags {
	case syn:
		c.open++
	case fin | ack:
		if be.Uint16(ip[20:]) > be.Uint16(ip[22:]) { // the client's
			c.open--
		}
	}
}

func TestCrowd(t *testing.T) {
	c, err := newCrowd()
	if err != nil {
		t.Fatal(err)
	}
	talks := conversations{t: t, next: map[[12]byte]uint32{}}
	var frame [maxFrame]byte
	send := func(until int) (frames int) {
		for c.begun < until || len(c.due) > 0 {
			talks.see(frame[:c.next(frame[:])])
			frames++
		}
		return frames
	}
	send(crowdLasting)
	if want := crowdLasting * 8 / 10; talks.open != want {
		t.Errorf("%d connections are open, want %d", talks.open, want)
	}
	frames := send(2 * crowdLasting)
	if got := float64(frames) / crowdLasting; math.Abs(got-crowdFrames) > 0.05 {
		t.Errorf("%.2f frames for each flow that begins, crowdFrames says %v", got, crowdFrames)
	}
	if want := crowdLasting * 8 / 10; talks.open != want {
		t.Errorf("%d connections are open, want %d", talks.open, want)
	}
}

func TestBulk(t *testing.T) {
	b, err := newBulk(newFlows(700))
	if err != nil {
		t.Fatal(err)
	}
	var frame [maxFrame]byte
	var octets [2]uint64
	talks := conversations{t: t, next: map[[12]byte]uint32{}}
	for range 20_000 {
		n := b.next(frame[:])
		if binary.BigEndian.Uint16(frame[ethernet+ipv4:]) == 443 || binary.BigEndian.Uint16(frame[ethernet+ipv4+2:]) == 443 {
			talks.see(frame[:n])
			octets[1] += uint64(n)
		} else {
			octets[0] += uint64(n)
		}
	}
	if share := float64(octets[1]) / float64(octets[0]+octets[1]); math.Abs(share-bulkShare/100.0) > 0.005 {
		t.Errorf("the bulk flow has %.1f %% of the octets, want %d", 100*share, bulkShare)
	}
	if len(talks.next) != 2 {
		t.Errorf("%d sides, want one connection", len(talks.next))
	}
}

func TestFloodIsOfDistinctTuples(t *testing.T) {
	const n = 1_000_000
	seen := make(map[[6]byte]bool, n)
	var f flood
	var frame [maxFrame]byte
	for range n {
		f.next(frame[:])
		ip := frame[ethernet:]
		seen[[6]byte(append(append([]byte{}, ip[12:16]...), ip[20:22]...))] = true
	}
	if len(seen) != n {
		t.Errorf("%d tuples of %d", len(seen), n)
	}
}
