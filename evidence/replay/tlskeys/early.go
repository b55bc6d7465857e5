package tlskeys

import "bytes"

// maxEarly bounds the 0-RTT data that are held until the server has taken them.
const maxEarly = 1 << 20

// early is 0-RTT data (RFC 8446 section 2.3). Whether the server took them it says
// in EncryptedExtensions; the client confirms it by EndOfEarlyData.
type early struct {
	state  earlyState
	held   []earlyPiece
	octets int // of data in held
}

// earlyPiece is data, or what is missing.
type earlyPiece struct {
	data []byte
	loss Loss
}

type earlyState uint8

const (
	earlyOpen earlyState = iota // the server has not answered
	earlyTaken
	earlyRefused
)

// earlyData takes what opened under the early keys.
func (s *Session) earlyData(b []byte) {
	e := &s.early
	switch {
	case e.state == earlyTaken:
		s.report.Early += int64(len(b))
		s.half(s.client).give(b)
	case e.state == earlyRefused:
		s.report.EarlyDropped += int64(len(b))
	case e.octets+len(b) > maxEarly || len(e.held) >= maxPieces:
		s.earlyLost(Loss{Octets: len(b), Exact: true, Records: 1, Reason: Limit})
	default:
		e.octets += len(b)
		e.held = append(e.held, earlyPiece{data: bytes.Clone(b)})
	}
}

// earlyLost takes what is missing from the early data.
func (s *Session) earlyLost(l Loss) {
	e := &s.early
	switch {
	case e.state == earlyTaken:
		s.half(s.client).lose(l)
	case e.state == earlyRefused:
		s.report.EarlyDropped += int64(l.Octets)
	case len(e.held) > 0 && e.held[len(e.held)-1].loss.Octets > 0:
		e.held[len(e.held)-1].loss.add(l)
	default:
		e.held = append(e.held, earlyPiece{loss: l})
	}
}

// takeEarly gives the early data that were held.
func (s *Session) takeEarly() { s.endEarly(earlyTaken) }

// refuseEarly drops them.
func (s *Session) refuseEarly() { s.endEarly(earlyRefused) }

func (s *Session) endEarly(state earlyState) {
	if s.early.state != earlyOpen {
		return
	}
	held := s.early.held
	s.early = early{state: state}
	for _, p := range held {
		if p.data != nil {
			s.earlyData(p.data)
		} else {
			s.earlyLost(p.loss)
		}
	}
}
