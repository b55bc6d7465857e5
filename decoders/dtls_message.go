package decoders

import "encoding/binary"

const (
	// dtlsWindow bounds the messages of one side that wait for one before them.
	dtlsWindow = 8
	// dtlsMaxHeld bounds the octets of both sides' messages that are not whole.
	dtlsMaxHeld = 64 << 10
)

// dtlsSide is one direction: messages are read in the order of their sequence
// numbers, whatever the order of the datagrams.
type dtlsSide struct {
	next      int // sequence number of the next message
	held      [dtlsWindow]dtlsMessage
	encrypted bool
}

// dtlsMessage is a message that is not whole, or waits for its turn.
type dtlsMessage struct {
	begun bool
	typ   byte
	size  int
	parts gather
}

func (m *dtlsMessage) whole() bool { return m.begun && len(m.parts.ready()) == m.size }

// dtlsFragment is the header of a fragment (RFC 6347 section 4.2.2).
type dtlsFragment struct {
	typ      byte
	sequence int
	size     int // of the message
	at, n    int
}

// fragments reads the handshake messages and fragments of one record.
func (d *dtlsDecoder) fragments(who int, b []byte, now int64) {
	for len(b) > 0 && !d.over {
		if len(b) < dtlsMessageHead {
			odd(d.r, "malformed fragment")
			return
		}
		f := dtlsFragment{typ: b[0], sequence: int(binary.BigEndian.Uint16(b[4:])), size: uint24(b[1:]), at: uint24(b[6:]), n: uint24(b[9:])}
		b = b[dtlsMessageHead:]
		if f.at+f.n > f.size || f.n > len(b) || f.size > tlsMaxMessage {
			odd(d.r, "malformed fragment")
			return
		}
		d.fragment(who, f, b[:f.n], now)
		b = b[f.n:]
	}
}

func (d *dtlsDecoder) fragment(who int, f dtlsFragment, b []byte, now int64) {
	s := &d.sides[who]
	switch whole := f.n == f.size; {
	case f.sequence < s.next:
		if whole { // sent again: the history shows it, as Zeek's
			d.note(who, messageLetter(f.typ))
		}
		return
	case f.sequence >= s.next+dtlsWindow:
		d.r.Gap = true
		d.limit("too many messages ahead")
		return
	case whole && f.sequence == s.next:
		d.forget(&s.held[f.sequence%dtlsWindow])
		s.next++
		d.message(who, f.typ, b, now)
	case !d.hold(&s.held[f.sequence%dtlsWindow], f, b):
		return
	}
	for d.ready(who, now) {
	}
}

// hold keeps a fragment; false says that it does not fit.
func (d *dtlsDecoder) hold(m *dtlsMessage, f dtlsFragment, b []byte) bool {
	if !m.begun {
		if d.held+f.size > dtlsMaxHeld {
			d.limit("too many octets held")
			return false
		}
		d.held += f.size
		m.begun, m.typ, m.size = true, f.typ, f.size
	}
	if m.typ != f.typ || m.size != f.size {
		odd(d.r, "fragments do not fit together")
		return false
	}
	return f.n == 0 || m.parts.put(f.at, b, f.size)
}

// ready reads the next message if it is whole.
func (d *dtlsDecoder) ready(who int, now int64) bool {
	s := &d.sides[who]
	m := &s.held[s.next%dtlsWindow]
	if d.over || !m.whole() {
		return false
	}
	s.next++
	d.message(who, m.typ, m.parts.ready(), now)
	d.forget(m)
	return true
}

func (d *dtlsDecoder) forget(m *dtlsMessage) {
	if m.begun {
		d.held -= m.size
	}
	*m = dtlsMessage{}
}

// flush gives up waiting for what is missing: reads what is whole, in order.
func (d *dtlsDecoder) flush(who int, now int64) {
	s := &d.sides[who]
	first := s.next
	for sequence := first; sequence < first+dtlsWindow; sequence++ {
		m := &s.held[sequence%dtlsWindow]
		if !m.begun {
			continue
		}
		d.r.Gap = true
		if m.whole() {
			d.message(who, m.typ, m.parts.ready(), now)
		}
		s.next = sequence + 1
		d.forget(m)
	}
}
