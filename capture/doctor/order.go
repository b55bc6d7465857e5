package doctor

import "kagami/packet"

const (
	// late is how long after its successor, or after its acknowledgement, a
	// segment may come to count as reordered. What comes later was sent again: a
	// retransmission takes a round trip at least, and those below 3 ms are rare
	// outside a rack.
	late = 3_000_000 // nanoseconds

	orderFlows = 4096 // flows followed at a time; a newer one takes an older one's place
)

// order measures how often segments come in another order than they were sent:
// after one that follows them, or after their own acknowledgement. Several
// receive queues do that, and so do links that share the load by packet.
type order struct {
	flows []tracked // made with the first segment
}

type tracked struct {
	hash uint64
	dir  [2]sequence // by packet.Side
}

// sequence is one direction of a TCP connection.
type sequence struct {
	known  bool
	next   uint32 // one past the highest sequence number seen
	lo, hi uint32 // numbers that must have been sent, were not seen yet, and
	since  int64  // since when that is known; 0 = there are none
}

// segment takes note of one segment. counted: it takes up sequence numbers.
func (o *order) segment(p *packet.Packet, t int64) (counted, reordered bool) {
	if o.flows == nil {
		o.flows = make([]tracked, orderFlows)
	}
	h := p.Key.Hash()
	f := &o.flows[h%orderFlows]
	if f.hash != h {
		*f = tracked{hash: h}
	}
	if p.Flags&packet.RST != 0 {
		*f = tracked{}
		return false, false
	}
	me, peer := &f.dir[p.Side], &f.dir[p.Side.Other()]
	n := uint32(p.PayloadLen())
	if p.Flags&packet.SYN != 0 {
		n++
	}
	if p.Flags&packet.FIN != 0 {
		n++
	}
	if n > 0 {
		reordered = me.sent(p.Seq, n, t)
	}
	if p.Flags&packet.ACK != 0 && p.Flags&packet.SYN == 0 {
		peer.acked(p.Ack, t)
	}
	return n > 0, reordered
}

// sent tells whether the n numbers from seq on came late.
func (s *sequence) sent(seq, n uint32, t int64) (reordered bool) {
	if !s.known {
		s.known, s.next = true, seq+n
		return false
	}
	if s.since != 0 && int32(seq-s.lo) >= 0 && int32(s.hi-seq) > 0 {
		reordered = t-s.since >= 0 && t-s.since <= late
		if s.lo = seq + n; int32(s.hi-s.lo) <= 0 {
			s.since = 0
		}
	}
	switch ahead := int32(seq - s.next); {
	case ahead > 0:
		s.lo, s.hi, s.since = s.next, seq, t
		s.next = seq + n
	case int32(seq+n-s.next) > 0:
		s.next = seq + n
	}
	return reordered
}

// acked notes that the peer has seen what the mirror has not yet shown.
func (s *sequence) acked(ack uint32, t int64) {
	if s.known && s.since == 0 && int32(ack-s.next) > 0 {
		s.lo, s.hi, s.since = s.next, ack, t
	}
}
