package main

import "encoding/binary"

// talk composes the frames of one conversation. Side 0 is the client.
type talk struct {
	head  [2][ethernet + ipv4 + tcpHead]byte
	proto byte
	seq   [2]uint32
	id    [2]uint16 // of the datagram sent last
}

func newTalk(client, server [4]byte, cport, sport uint16, proto byte) *talk {
	t := &talk{proto: proto, seq: [2]uint32{1000, 5000}}
	header(t.head[0][:], client, server, cport, sport, proto, 0)
	header(t.head[1][:], server, client, sport, cport, proto, 0)
	return t
}

// frame is one packet of a side.
func (t *talk) frame(side int, flags byte, payload []byte) []byte {
	f := make([]byte, ethernet+ipv4+tcpHead+len(payload))
	n := t.write(f, side, flags, len(payload))
	copy(f[n-len(payload):n], payload)
	return f[:n]
}

// write puts the headers of a packet with n octets of payload, which the caller
// fills in at the end, and returns the frame's length.
func (t *talk) write(frame []byte, side int, flags byte, n int) int {
	be := binary.BigEndian
	copy(frame, t.head[side][:])
	l4 := tcpHead
	if t.proto == 17 {
		l4 = udpHead
	}
	ip := frame[ethernet:]
	be.PutUint16(ip[2:], uint16(ipv4+l4+n))
	t.id[side]++
	be.PutUint16(ip[4:], t.id[side])
	be.PutUint16(ip[10:], 0)
	be.PutUint16(ip[10:], ^sum(ip[:ipv4]))
	if t.proto == 17 {
		be.PutUint16(ip[ipv4+4:], uint16(l4+n))
	} else {
		t.tcp(ip[ipv4:], side, flags, n)
	}
	return ethernet + ipv4 + l4 + n
}

// tcp completes the header of a segment with n octets.
func (t *talk) tcp(h []byte, side int, flags byte, n int) {
	binary.BigEndian.PutUint32(h[4:], t.seq[side])
	if flags != syn {
		binary.BigEndian.PutUint32(h[8:], t.seq[1-side])
	}
	h[13] = flags
	t.seq[side] += uint32(n)
	if flags&(syn|fin) != 0 {
		t.seq[side]++
	}
}

// connect is TCP's handshake.
func (t *talk) connect() [][]byte {
	return [][]byte{t.frame(0, syn, nil), t.frame(1, syn|ack, nil), t.frame(0, ack, nil)}
}

// say are the segments that carry data.
func (t *talk) say(side int, data []byte) (frames [][]byte) {
	for len(data) > 0 {
		n := min(len(data), segmentSize)
		frames = append(frames, t.frame(side, psh|ack, data[:n]))
		data = data[n:]
	}
	return frames
}

// dnsMessages are a question for the address of label.zone.example and its answer.
func dnsMessages(label, zone string) (query, answer []byte) {
	question := append([]byte{byte(len(label))}, label...)
	question = append(append(question, byte(len(zone))), zone...)
	question = append(question, "\x07example\x00\x00\x01\x00\x01"...)
	query = append([]byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
	answer = append([]byte{0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}, question...)
	return query, append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7)
}
