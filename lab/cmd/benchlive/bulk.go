package main

import "fmt"

const (
	// segmentSize is the payload of a full Ethernet frame with TCP time stamps left out.
	segmentSize = 1460
	// recordSize is how much plain text a full TLS record holds (RFC 8446 section 5.1).
	recordSize = 1 << 14
	// bulkShare is the bulk flow's share of all octets, per cent.
	bulkShare = 95
)

// bulk is one TLS download that has bulkShare of the octets, both directions,
// acknowledged every second segment; what else there is takes the rest.
type bulk struct {
	talk    *talk
	opening [][]byte // frames of the handshakes
	stream  []byte   // records of application data, repeated for ever
	at      int
	step    int
	rest    traffic
	octets  [2]uint64 // of the rest, of the bulk flow
	frames  [2]uint64
}

func newBulk(rest traffic) (*bulk, error) {
	b := &bulk{talk: newTalk([4]byte{10, 0, 1, 9}, [4]byte{192, 0, 2, 54}, 50443, 443, 6), rest: rest}
	session, err := tlsSession("bulk.example", recordSize)
	if err != nil {
		return nil, err
	}
	b.opening = b.talk.connect()
	for _, s := range session[:len(session)-1] {
		b.opening = append(b.opening, b.talk.say(s.side, s.data)...)
	}
	b.stream = session[len(session)-1].data
	if len(b.stream) < recordSize {
		return nil, fmt.Errorf("make bulk flow: record of %d octets", len(b.stream))
	}
	return b, nil
}

func (b *bulk) next(frame []byte) (n int) {
	whose := 1
	switch {
	case len(b.opening) > 0:
		n = copy(frame, b.opening[0])
		b.opening = b.opening[1:]
	case b.octets[0]*bulkShare < b.octets[1]*(100-bulkShare):
		whose, n = 0, b.rest.next(frame)
	case b.step%3 == 2:
		b.step++
		n = b.talk.write(frame, 0, ack, 0)
	default:
		b.step++
		n = b.segment(frame)
	}
	b.octets[whose] += uint64(n)
	b.frames[whose]++
	return n
}

// segment writes the next full segment of the server's.
func (b *bulk) segment(frame []byte) int {
	n := b.talk.write(frame, 1, ack, segmentSize)
	for to := frame[n-segmentSize : n]; len(to) > 0; {
		k := copy(to, b.stream[b.at:])
		to, b.at = to[k:], (b.at+k)%len(b.stream)
	}
	return n
}
