package main

import (
	"encoding/binary"
	"testing"
)

// pseudo is the sum over a TCP or UDP segment and its pseudo-header: 0xffff when
// the checksum is right (RFC 9293 section 3.1).
func pseudo(ip []byte) uint16 {
	l4 := ip[int(ip[0]&15)*4 : binary.BigEndian.Uint16(ip[2:])]
	b := append([]byte{}, ip[12:20]...)
	b = append(b, 0, ip[9])
	b = binary.BigEndian.AppendUint16(b, uint16(len(l4)))
	b = append(b, l4...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	return sum(b)
}

// TestReplayMovesAddresses: in the second round the machines have other
// addresses, and every checksum that was right still is.
func TestReplayMovesAddresses(t *testing.T) {
	r, err := newReplay("../../../testdata/office/in.pcap.zst")
	if err != nil {
		t.Fatal(err)
	}
	var before, after [maxFrame]byte
	moved, segments := 0, 0
	for i := range r.frames {
		n := copy(before[:], r.frames[i])
		copy(after[:], r.frames[i])
		move(after[:n], 7)
		if binary.BigEndian.Uint16(before[12:]) != 0x0800 {
			continue
		}
		was, is := before[14:n], after[14:n]
		if is[12] == 10 && is[13] != was[13]+7 || is[16] == 10 && is[17] != was[17]+7 {
			t.Fatalf("frame %d: addresses % x, were % x", i, is[12:20], was[12:20])
		}
		if was[12] != 10 && was[16] != 10 {
			continue
		}
		moved++
		if sum(was[:20]) == 0xffff && sum(is[:20]) != 0xffff {
			t.Fatalf("frame %d: wrong checksum of the IP header", i)
		}
		if fragment := binary.BigEndian.Uint16(was[6:])&0x3fff != 0; !fragment && (was[9] == 6 || was[9] == 17) && pseudo(was) == 0xffff {
			segments++
			if pseudo(is) != 0xffff {
				t.Fatalf("frame %d: wrong checksum of the segment", i)
			}
		}
	}
	if moved < 20_000 || segments < 20_000 {
		t.Errorf("%d frames moved, %d segments checked: too few to mean anything", moved, segments)
	}
}

// TestFlowsAreConnections: sequence numbers go on where the last segment of the
// side ended, and all frames have the size asked for.
func TestFlowsAreConnections(t *testing.T) {
	const size = 100
	f := newFlows(size)
	type side struct {
		src, dst [4]byte
		ports    uint32
	}
	next, frames := map[side]uint32{}, 0
	var frame [maxFrame]byte
	for range 6 * flowCount {
		if n := f.next(frame[:]); n != size {
			t.Fatalf("%d octets, want %d", n, size)
		}
		ip := frame[14:]
		if sum(ip[:20]) != 0xffff || binary.BigEndian.Uint16(ip[2:]) != size-14 {
			t.Fatalf("bad IP header % x", ip[:20])
		}
		if ip[9] != 6 {
			continue
		}
		frames++
		s := side{[4]byte(ip[12:16]), [4]byte(ip[16:20]), binary.BigEndian.Uint32(ip[20:])}
		seq, flags := binary.BigEndian.Uint32(ip[24:]), ip[33]
		want, seen := next[s]
		if seen == (flags&syn != 0) || seen && seq != want {
			t.Fatalf("flags %#x, sequence number %d, want %d", flags, seq, want)
		}
		next[s] = seq + size - 14 - 20 - 20
		if flags&syn != 0 {
			next[s]++
		}
	}
	if len(next) != flowCount || frames != 3*flowCount {
		t.Errorf("%d sides of TCP connections in %d frames, want %d in %d", len(next), frames, flowCount, 3*flowCount)
	}
}

func TestSpread(t *testing.T) {
	if got, want := spread([]float64{5, 1, 3}), (stats{1, 3, 5}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
