package tlskeys

import "kagami/packet"

// Sink takes what a Session decrypts.
type Sink interface {
	// Plain gives application data of one direction, in order. The octets are valid
	// until it returns.
	Plain(side packet.Side, b []byte)
	// Lost tells that application data are missing before those that Plain gives next,
	// or before the end.
	Lost(side packet.Side, l Loss)
}

// Session decrypts one connection.
type Session struct {
	log    *Log
	out    Sink
	hs     *handshake // the handshake in progress or done last; nil before any
	client packet.Side
	halves [2]half
	// turn counts what a direction may wait for: hellos, keys, the other side's end.
	turn   int
	early  early
	plain  []byte
	report Report
}

// NewSession starts on a connection of which nothing was fed yet.
func NewSession(log *Log, out Sink) *Session {
	s := &Session{log: log, out: out}
	for i := range s.halves {
		s.halves[i] = half{s: s, side: packet.Side(i), need: headerLen, trial: maxTrial}
	}
	return s
}

// Data takes the next octets of one direction's stream. They are borrowed.
func (s *Session) Data(side packet.Side, b []byte) {
	s.halves[side&1].data(b)
	s.settle()
}

// Gap says that the next n octets of a direction are missing.
func (s *Session) Gap(side packet.Side, n int) {
	if n <= 0 {
		return
	}
	s.halves[side&1].gap(n)
	s.settle()
}

// Close ends both directions: what is still held is told as lost.
func (s *Session) Close() {
	for i := range s.halves {
		h := &s.halves[i]
		if h.waiting {
			h.fail(MidStream)
		}
	}
	for i := range s.halves {
		h := &s.halves[i]
		h.close()
	}
	s.refuseEarly()
}

// Dark is why a direction cannot be decrypted any more, None while it can.
func (s *Session) Dark(side packet.Side) Reason { return s.halves[side&1].report.Dark }

// Report is what is known so far. It is complete after Close.
func (s *Session) Report() Report {
	r := s.report
	r.Client = s.client
	for i := range s.halves {
		r.Sides[i] = s.halves[i].report
	}
	return r
}

// settle lets a direction go on that waited for something the other one brought.
func (s *Session) settle() {
	for again := true; again; {
		again = false
		for i := range s.halves {
			if h := &s.halves[i]; h.waiting && h.waitedAt != s.turn {
				h.resume()
				again = true
			}
		}
	}
}

func (s *Session) tls13() bool { return s.hs != nil && s.hs.negotiated && s.hs.version == version13 }
