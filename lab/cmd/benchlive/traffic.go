package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"kagami/capture"
	"kagami/sensor"
)

// traffic makes frames one after another.
type traffic interface {
	next(frame []byte) int // writes the next frame and returns its length
}

func newTraffic(kind, file string) (traffic, error) {
	switch kind {
	case "replay":
		return newReplay(file)
	case "bulk":
		rest, err := newReplay(file)
		if err != nil {
			return nil, err
		}
		return newBulk(rest)
	case "bulk-flows":
		return newBulk(newFlows(700))
	case "crowd":
		return newCrowd()
	case "flood":
		return new(flood), nil
	}
	size, err := strconv.Atoi(kind)
	if err != nil || size < minFrame || size > 1514 {
		return nil, fmt.Errorf("traffic %q: want replay, bulk, bulk-flows, crowd, flood, or a frame size of %d to 1514 octets", kind, minFrame)
	}
	return newFlows(size), nil
}

const (
	minFrame  = 60 // Ethernet's 64 without the frame check sequence
	flowCount = 2000
	ethernet  = 14
	ipv4      = 20
	tcpHead   = 20
	udpHead   = 8
)

// TCP flags (RFC 9293 section 3.1).
const fin, syn, psh, ack = 0x01, 0x02, 0x08, 0x10

// flows is the same number of TCP and UDP flows by turns, both directions,
// sequence numbers right, of content that no decoder knows.
type flows struct {
	size  int
	flows []flow
	at    int
}

type flow struct {
	head [2][ethernet + ipv4 + tcpHead]byte // by side
	tcp  bool
	step uint64 // packets so far
	seq  [2]uint32
}

func newFlows(size int) *flows {
	f := &flows{size: size, flows: make([]flow, flowCount)}
	for i := range f.flows {
		f.flows[i] = newFlow(i, size)
	}
	return f
}

func newFlow(i, size int) flow {
	f := flow{tcp: i%2 == 0, seq: [2]uint32{uint32(i) * 7919, uint32(i) * 104729}}
	client, server := [4]byte{10, 0, byte(i >> 6), byte(i&63 + 1)}, [4]byte{192, 0, 2, byte(i%200 + 1)}
	cport, sport := uint16(20000+i), uint16(7000+i%50)
	proto := byte(17)
	if f.tcp {
		proto = 6
	}
	header(f.head[0][:], client, server, cport, sport, proto, size)
	header(f.head[1][:], server, client, sport, cport, proto, size)
	return f
}

func header(h []byte, src, dst [4]byte, sport, dport uint16, proto byte, size int) {
	be := binary.BigEndian
	copy(h, []byte{2, 0, 0, 0, 1, dst[3], 2, 0, 0, 0, 1, src[3], 8, 0})
	ip := h[ethernet:]
	ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, proto
	be.PutUint16(ip[2:], uint16(size-ethernet))
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	be.PutUint16(ip[10:], ^sum(ip[:ipv4]))
	l4 := ip[ipv4:]
	be.PutUint16(l4, sport)
	be.PutUint16(l4[2:], dport)
	if proto == 17 {
		be.PutUint16(l4[4:], uint16(size-ethernet-ipv4))
		return
	}
	l4[12] = tcpHead / 4 << 4
	be.PutUint16(l4[14:], 65535)
}

// sum is the Internet checksum before its complement (RFC 1071).
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func (f *flows) next(frame []byte) int {
	fl := &f.flows[f.at]
	f.at = (f.at + 1) % len(f.flows)
	side := fl.step & 1
	copy(frame, fl.head[side][:])
	if fl.tcp {
		fl.fill(frame[ethernet+ipv4:], side, f.size-ethernet-ipv4-tcpHead)
	}
	fl.step++
	return f.size
}

// fill completes a TCP header. The first two packets are SYN and SYN-ACK, which
// here carry data as TCP Fast Open does (RFC 7413), so that all frames are alike.
func (fl *flow) fill(tcp []byte, side uint64, payload int) {
	flags := byte(psh | ack)
	switch fl.step {
	case 0:
		flags = syn
	case 1:
		flags = syn | ack
	}
	binary.BigEndian.PutUint32(tcp[4:], fl.seq[side])
	if flags&ack != 0 {
		binary.BigEndian.PutUint32(tcp[8:], fl.seq[1-side])
	}
	tcp[13] = flags
	fl.seq[side] += uint32(payload)
	if flags&syn != 0 {
		fl.seq[side]++
	}
}

// replay sends the frames of a capture in a loop. Each time the machines in
// 10.0.0.0/8 get other addresses, checksums included, so that connections are
// new and not repeats.
type replay struct {
	frames [][]byte
	at     int
	round  byte
}

func newReplay(file string) (*replay, error) {
	src := capture.OpenFiles([]string{file}, capture.FileOptions{Frames: 1024})
	defer src.Close()
	r := &replay{}
	var b sensor.Batch
	for {
		err := src.Next(&b)
		for _, f := range b.Frames {
			if len(f.Data) <= maxFrame && len(f.Data) >= ethernet {
				r.frames = append(r.frames, bytes.Clone(f.Data))
			}
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if len(r.frames) == 0 {
		return nil, fmt.Errorf("replay %q: no frames of %d to %d octets", file, ethernet, maxFrame)
	}
	return r, nil
}

func (r *replay) next(frame []byte) int {
	n := copy(frame, r.frames[r.at])
	move(frame[:n], r.round)
	if r.at++; r.at == len(r.frames) {
		r.at = 0
		r.round++
	}
	return n
}

// move puts by into the second octet of addresses in 10.0.0.0/8.
func move(frame []byte, by byte) {
	be := binary.BigEndian
	l3 := 12
	for l3+6 <= len(frame) && be.Uint16(frame[l3:]) == 0x8100 {
		l3 += 4
	}
	if be.Uint16(frame[l3:]) != 0x0800 || len(frame) < l3+2+ipv4 {
		return
	}
	ip := frame[l3+2:]
	var sums [][]byte // the checksums that the addresses are part of
	l4 := int(ip[0]&15) * 4
	switch first := be.Uint16(ip[6:])&0x1fff == 0; {
	case first && ip[9] == 6 && len(ip) >= l4+tcpHead:
		sums = append(sums, ip[l4+16:l4+18])
	case first && ip[9] == 17 && len(ip) >= l4+udpHead && be.Uint16(ip[l4+6:]) != 0:
		sums = append(sums, ip[l4+6:l4+8])
	}
	sums = append(sums, ip[10:12])
	for _, addr := range [][]byte{ip[12:14], ip[16:18]} {
		if addr[0] != 10 {
			continue
		}
		old := be.Uint16(addr)
		addr[1] += by
		for _, c := range sums {
			adjust(c, old, be.Uint16(addr))
		}
	}
}

// adjust changes a checksum for one word (RFC 1624 section 3, equation 3).
func adjust(check []byte, old, now uint16) {
	s := uint32(^binary.BigEndian.Uint16(check)) + uint32(^old) + uint32(now)
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	binary.BigEndian.PutUint16(check, ^uint16(s))
}
