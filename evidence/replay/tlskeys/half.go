package tlskeys

import (
	"encoding/binary"

	"kagami/packet"
)

// Content types (RFC 8446 appendix B.1).
const (
	typeSwitch    = 20 // change_cipher_spec
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
	typeHeartbeat = 24
)

const (
	// maxQueue bounds the octets, and maxPieces the parts, that one direction holds
	// while it waits for the other's hello.
	maxQueue  = 1 << 20
	maxPieces = 4096
	// maxTail is what a chained CBC cipher may want to know of the octets before a
	// record: a block.
	maxTail = 16
)

// half is one direction: octets in, records out.
type half struct {
	s      *Session
	side   packet.Side
	report SideReport

	at   int64  // offset in the stream of the first octet not used
	buf  []byte // octets not used: part of a record
	need int    // how many octets there must be before it is worth looking again

	waiting  bool // for the other direction
	waitedAt int  // Session.turn then
	queue    []piece
	queued   int

	helloed bool     // the direction's hello has been seen
	line    []*epoch // the keys in use, then those that follow; none: in clear
	msgs    gather

	drift drift
	trial int   // octets left of maxTrial
	bad   int   // records in a row that did not open
	badAt int64 // where the first of them begins
	loss  Loss
}

// piece is input that waits: data, or a gap.
type piece struct {
	data []byte
	gap  int
}

// epoch is a set of keys and the number of the next record.
type epoch struct {
	stage  stage
	opener opener
	seq    uint64
	opened bool // a record has opened: the keys are right
	secret []byte
}

type stage uint8

const (
	stageLegacy    stage = iota // TLS 1.2 and before
	stageEarly                  // TLS 1.3: 0-RTT
	stageHandshake              // TLS 1.3: from ServerHello to Finished
	stageTraffic                // TLS 1.3: from Finished on
)

func (h *half) other() *half { return &h.s.halves[h.side.Other()] }

func (h *half) data(b []byte) {
	for len(b) > 0 {
		switch {
		case h.report.Dark != None:
			h.at += int64(len(b))
			h.report.Unread += int64(len(b))
			return
		case h.waiting:
			h.hold(piece{data: b})
			return
		case len(h.buf) == 0:
			b = b[h.consume(b):]
			if h.report.Dark == None && !h.waiting {
				h.buf = append(h.buf, b...)
				return
			}
		default:
			n := min(h.need-len(h.buf), len(b))
			h.buf = append(h.buf, b[:n]...)
			b = b[n:]
			if len(h.buf) >= h.need {
				h.drain()
			}
		}
	}
}

func (h *half) gap(n int) {
	switch {
	case h.report.Dark != None:
		h.at += int64(n)
	case h.waiting:
		h.hold(piece{gap: n})
	default:
		h.lostOctets(n)
	}
}

// drain uses up what it can of buf.
func (h *half) drain() {
	n := h.consume(h.buf)
	h.buf = append(h.buf[:0], h.buf[n:]...)
	if h.report.Dark != None {
		h.forget()
	}
}

// consume uses the records of b that are whole, and says how many octets that were.
// If it stops before the end, need tells how many octets the rest must have, unless
// the direction waits or is dark.
func (h *half) consume(b []byte) (used int) {
	for h.report.Dark == None && !h.waiting {
		n := h.step(b[used:])
		if n == 0 {
			break
		}
		used += n
		h.at += int64(n)
		if h.report.Dark != None {
			h.report.Unread += int64(n)
		}
	}
	return used
}

// step uses the next record, or octets that belong to none; 0 if there are too few.
func (h *half) step(b []byte) int {
	if h.drift.skip > 0 {
		return h.skip(b)
	}
	if h.drift.lost {
		return h.seek(b)
	}
	if len(b) < headerLen {
		h.need = headerLen
		return 0
	}
	if !h.helloed && b[0]&0x80 != 0 {
		return h.helloV2(b)
	}
	if !isHeader(b) {
		if !h.helloed {
			h.fail(NotTLS)
			return 0
		}
		h.derail(0)
		return h.seek(b)
	}
	total := headerLen + int(binary.BigEndian.Uint16(b[3:]))
	if len(b) < total {
		h.need = total
		return 0
	}
	if !h.record(record{typ: b[0], version: binary.BigEndian.Uint16(b[1:]), body: b[headerLen:total]}) {
		return 0
	}
	return total
}

// isHeader says whether b starts like a record.
func isHeader(b []byte) bool {
	return b[0] >= typeSwitch && b[0] <= typeHeartbeat && b[1] == 3 && b[2] <= 4 && binary.BigEndian.Uint16(b[3:]) <= maxBody
}

// wait stops the direction until the other one has brought something new. It
// answers false, the answer of a record that was not used; true when there is
// nothing to wait for any more.
func (h *half) wait() bool {
	if dark := h.other().report.Dark; dark != None {
		h.fail(dark)
		return true
	}
	h.waiting, h.waitedAt = true, h.s.turn
	return false
}

// hold keeps input that comes while the direction waits.
func (h *half) hold(p piece) {
	h.queued += len(p.data)
	if h.queued > maxQueue || len(h.queue) == maxPieces {
		h.waiting = false
		h.fail(Limit)
		h.report.Unread += int64(len(p.data))
		h.at += int64(len(p.data) + p.gap)
		return
	}
	if last := len(h.queue) - 1; last >= 0 && p.gap == 0 && h.queue[last].gap == 0 {
		h.queue[last].data = append(h.queue[last].data, p.data...)
		return
	}
	p.data = append([]byte(nil), p.data...)
	h.queue = append(h.queue, p)
}

// resume goes on with what was held.
func (h *half) resume() {
	queue := h.queue
	h.waiting, h.queue, h.queued = false, nil, 0
	h.drain()
	for _, p := range queue {
		if p.gap > 0 {
			h.gap(p.gap)
		} else {
			h.data(p.data)
		}
	}
}

// fail ends the decryption of this direction.
func (h *half) fail(why Reason) {
	if h.report.Dark != None {
		return
	}
	h.endDrift()
	h.report.Dark, h.report.DarkAt = why, h.at
	if why == BadRecord { // from the first of them on
		h.report.DarkAt = h.badAt
		h.report.Unread = h.at - h.badAt
		if h.loss.Reason == BadRecord {
			h.loss = Loss{}
		}
	}
	h.s.turn++
	h.line, h.msgs = nil, gather{}
}

// forget gives up the octets held by a direction that went dark.
func (h *half) forget() {
	n := len(h.buf)
	for _, p := range h.queue {
		n += len(p.data)
		h.at += int64(p.gap)
	}
	h.at += int64(n)
	h.report.Unread += int64(n)
	h.buf, h.queue, h.queued, h.waiting = nil, nil, 0, false
}

func (h *half) close() {
	if e := h.keys(); e != nil && !e.opened && h.bad > 0 {
		h.fail(BadRecord)
	}
	if h.report.Dark != None {
		h.forget()
	}
	h.report.Cut = len(h.buf)
	h.endDrift()
	h.tellLoss()
}

// give hands out application data, after the losses before it.
func (h *half) give(b []byte) {
	if len(b) == 0 {
		return
	}
	h.tellLoss()
	h.report.Plain += int64(len(b))
	h.s.out.Plain(h.side, b)
}

// lose notes application data as missing; what follows each other is told as one.
func (h *half) lose(l Loss) { h.loss.add(l) }

// loseUnder is lose for what was sealed under keys of a stage.
func (h *half) loseUnder(at stage, l Loss) {
	switch at {
	case stageEarly:
		h.s.earlyLost(l)
	case stageLegacy, stageTraffic:
		h.lose(l)
	}
}

func (h *half) tellLoss() {
	if h.loss.Octets == 0 {
		return
	}
	l := h.loss
	h.loss = Loss{}
	h.report.LostOctets += int64(l.Octets)
	h.report.LostRecords += int64(l.Records)
	h.s.out.Lost(h.side, l)
}
