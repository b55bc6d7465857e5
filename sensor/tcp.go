package sensor

import "kagami/packet"

// tcpState is what one endpoint of a TCP connection has done, in Zeek's terms
// (src/analyzer/protocol/tcp/TCP_Endpoint.h).
type tcpState uint8

const (
	inactive tcpState = iota
	synSent
	synAckSent
	partial // sent something, but its SYN was not seen
	established
	closed // sent FIN
	reset  // sent RST
)

// maxJump is how far ahead of the highest octet seen a segment may lie. RFC
// 7323 allows windows up to 1 GiB; what lies further is not of this connection.
const maxJump = 1 << 30

// tcpSide counts one direction's stream by sequence number, whether it is
// decoded or not. Positions are relative to the first payload octet.
type tcpSide struct {
	state  tcpState
	known  bool // base is set
	finned bool
	base   uint32 // sequence number of position 0
	top    uint64 // one past the highest position seen
	acked  uint64 // one past the highest position the peer acknowledged
	holes  uint64 // octets below top that were not seen (yet)
	again  uint64 // octets seen more than once
	wild   uint64 // segments whose sequence number lies outside any window
}

// rel is the position of a sequence number, near the given position.
func (s *tcpSide) rel(seq uint32, near uint64) int64 {
	return int64(near) + int64(int32(seq-(s.base+uint32(near))))
}

// start sets position 0 unless it is known.
func (s *tcpSide) start(seq uint32) {
	if !s.known {
		s.known, s.base = true, seq
	}
}

// segment counts n octets at seq. It returns their position; ok is false when
// they are outside any window and not to be used.
func (s *tcpSide) segment(seq uint32, n int) (pos int64, ok bool) {
	s.start(seq)
	pos = s.rel(seq, s.top)
	end := pos + int64(n)
	if pos > int64(s.top)+maxJump || pos < int64(s.top)-maxJump {
		s.wild++
		return pos, false
	}
	top := int64(s.top)
	if pos < top {
		seen := uint64(min(end, top) - max(pos, 0))
		if end <= 0 {
			seen = 0
		}
		fill := min(seen, s.holes)
		s.holes -= fill
		s.again += seen - fill
	} else {
		s.holes += uint64(pos - top)
	}
	if end > top {
		s.top = uint64(end)
	}
	return pos, true
}

// ack counts the peer's acknowledgement.
func (s *tcpSide) ack(ack uint32) {
	if !s.known {
		s.start(ack) // this side was not seen: count from here
		return
	}
	pos := s.rel(ack, s.top)
	if s.finned {
		pos = min(pos, int64(s.top)) // the FIN's own number
	}
	if pos > int64(s.acked) && pos <= int64(s.top)+maxJump {
		s.acked = uint64(pos)
	}
}

// missed is how many octets were on the wire and never seen.
func (s *tcpSide) missed() uint64 {
	m := s.holes
	// One octet beyond the top is a FIN that was not seen.
	if s.acked > s.top+1 {
		m += s.acked - s.top
	}
	return m
}

// size is the length of the stream (Zeek's orig_bytes, resp_bytes).
func (s *tcpSide) size() uint64 { return s.top }

// tcp updates the connection's state and history with one packet, and tells
// whether its payload may be used and where it lies in the stream.
func (f *Flow) tcp(p *packet.Packet) (pos int64, ok bool) {
	side := p.Side
	me, peer := &f.dir[side].tcp, &f.dir[side.Other()].tcp
	n := p.PayloadLen()
	again := me.again
	if p.Flags&packet.SYN != 0 {
		if me.known && me.top == 0 && f.dir[side].stream.next == 0 && p.Seq+1 != me.base && p.Flags&packet.ACK != 0 {
			me.base, me.acked = p.Seq+1, 0 // several numbers offered before any octet: the last counts
		}
		me.start(p.Seq + 1)
		if p.Flags&packet.ACK != 0 && peer.state == synSent && peer.top == 0 {
			peer.base = p.Ack // of several SYNs from one port, this is the one that counts
		}
	}
	switch {
	case p.Flags&packet.SYN != 0 && n > 0: // TCP Fast Open: data follow the SYN's number
		pos, ok = me.segment(p.Seq+1, n)
	case n == 1 && !me.known && p.Flags&packet.PSH == 0:
		me.start(p.Seq + 1) // a keep-alive probe repeats the octet before the stream goes on (RFC 9293 section 3.8.4)
	case n > 0:
		pos, ok = me.segment(p.Seq, n)
	case p.Flags&packet.RST == 0:
		me.start(p.Seq)
	}
	if p.Flags&packet.FIN != 0 {
		me.finned = true
	}
	if p.Flags&packet.ACK != 0 && p.Flags&packet.RST == 0 {
		peer.ack(p.Ack)
	}
	f.addHistory(p, n, me.again > again)
	f.transition(p.Flags, me, peer)
	return pos, ok
}

// transition follows Zeek's endpoint states as far as conn_state shows them.
func (f *Flow) transition(fl packet.TCPFlags, me, peer *tcpSide) {
	switch {
	case fl&packet.RST != 0:
		if me.state != closed || peer.state != closed { // else it is over already
			me.state = reset
		}
	case me.state == reset:
	case fl&packet.FIN != 0:
		me.state = closed
	case me.state == closed:
	case fl&packet.SYN != 0 && fl&packet.ACK == 0:
		if me.state == inactive {
			me.state = synSent
		}
	case fl&packet.SYN != 0:
		if peer.state == synSent {
			me.state, peer.state = established, established
		} else if me.state == inactive {
			me.state = synAckSent
		}
	case me.state == inactive:
		me.state = partial
	case me.state == synSent && peer.state == synSent || me.state == synSent && peer.state == synAckSent:
		me.state, peer.state = established, established
	}
}

// connState is Zeek's conn_state (scripts/base/protocols/conn/main.zeek).
func (f *Flow) connState() string {
	o, r := &f.dir[f.Orig], &f.dir[f.Orig.Other()]
	switch f.Key.Proto {
	case packet.ProtoTCP:
		return tcpConnState(o.tcp.state, r.tcp.state, o.tcp.size() == 0 && r.tcp.size() == 0)
	case packet.ProtoUDP:
		switch {
		case o.packets > 0 && r.packets > 0:
			return "SF"
		case o.packets > 0:
			return "S0"
		}
		return "SHR"
	}
	return "OTH"
}

func tcpConnState(o, r tcpState, empty bool) string {
	oQuiet, rQuiet := o == inactive || o == partial, r == inactive || r == partial
	switch {
	case r == reset && (o == synSent || o == synAckSent || o == reset && empty):
		return "REJ"
	case r == reset && oQuiet:
		return "RSTRH"
	case r == reset:
		return "RSTR"
	case o == reset && rQuiet:
		return "RSTOS0"
	case o == reset:
		return "RSTO"
	case r == closed && o == closed:
		return "SF"
	case o == closed && rQuiet:
		return "SH"
	case o == closed:
		return "S2"
	case r == closed && oQuiet:
		return "SHR"
	case r == closed:
		return "S3"
	case o == synSent && r == inactive:
		return "S0"
	case o == established && r == established:
		return "S1"
	}
	return "OTH"
}

// timeoutClass says how long the flow may be silent.
func (f *Flow) timeoutClass() class {
	switch f.Key.Proto {
	case packet.ProtoUDP:
		return udp
	case packet.ProtoICMP, packet.ProtoICMPv6:
		return icmp
	case packet.ProtoTCP:
	default:
		return otherIP
	}
	a, b := f.dir[0].tcp.state, f.dir[1].tcp.state
	switch {
	case a == reset || b == reset || a == closed && b == closed:
		return tcpClosed
	case a == closed || b == closed:
		return tcpHalf
	case a == synSent && b == inactive || a == inactive && b == synSent:
		return tcpAttempt
	}
	if f.Authority != "" {
		return tcpTunnel
	}
	return tcpOpen
}
