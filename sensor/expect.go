package sensor

import "kagami/packet"

const (
	// maxExpected bounds the connections a worker waits for; the oldest is
	// forgotten for a new one.
	maxExpected = 1024
	// expectedFor is how long an announced connection is waited for, in
	// nanoseconds of logical time.
	expectedFor = 60e9
)

// announced is where a connection is expected: between two addresses, to a port
// of one of them. Announcements stay between the addresses of the flow that made
// them, so that they are the same worker's.
type announced struct {
	a, b [16]byte
	to   packet.Side
	port uint16
}

// expected is what a worker waits for.
type expected struct {
	of    map[announced]announcement
	order [maxExpected]announced // ring of the keys, oldest at next when it is full
	next  int
}

type announcement struct {
	until  int64
	slot   int
	decode func() Decoder
}

// Expect says that the next TCP connection between this flow's addresses to port
// of side carries something that its first octets cannot tell: FTP's data. The
// decoder that decode makes reads it. The announcement serves one connection and
// is void after a minute.
func (f *Flow) Expect(side packet.Side, port uint16, decode func() Decoder) {
	w := f.worker
	if w.expected.add(announced{f.Key.A, f.Key.B, side, port}, f.clock, decode) {
		w.stats.Forgotten++
	}
}

// add waits for a connection. It tells whether another one, still due, was forgotten
// for it.
func (e *expected) add(k announced, now int64, decode func() Decoder) (forgot bool) {
	if e.of == nil {
		e.of = make(map[announced]announcement)
	}
	if old, ok := e.of[k]; ok {
		e.of[k] = announcement{now + expectedFor, old.slot, decode}
		return false
	}
	if old, ok := e.of[e.order[e.next]]; ok && old.slot == e.next {
		delete(e.of, e.order[e.next])
		forgot = now <= old.until
	}
	e.order[e.next] = k
	e.of[k] = announcement{now + expectedFor, e.next, decode}
	e.next = (e.next + 1) % maxExpected
	return forgot
}

// take is the decoder of a flow that begins now, if it was announced.
func (e *expected) take(key *packet.Key, now int64) Decoder {
	if len(e.of) == 0 || key.Proto != packet.ProtoTCP {
		return nil
	}
	for _, side := range [...]packet.Side{0, 1} {
		k := announced{key.A, key.B, side, key.Port(side)}
		if found, ok := e.of[k]; ok {
			delete(e.of, k)
			if now <= found.until {
				return found.decode()
			}
		}
	}
	return nil
}
