package tlskeys

import "encoding/binary"

const (
	// maxSeek is how far behind a gap a record is looked for that opens. The next one
	// begins within one record's length.
	maxSeek = 64 << 10
	// maxTrial bounds the octets that are decrypted on trial behind all gaps of one
	// direction: a second of work at most.
	maxTrial = 256 << 20
	// maxTries is how many sequence numbers are tried with a record.
	maxTries = 8192
)

// drift is what is uncertain since the last record that opened.
type drift struct {
	// loose says that something was lost: the sequence number is within slack records of
	// the one expected, and keys may have changed unseen.
	loose bool
	slack int
	// skip is how many octets are left of a record that has a hole in it; typ, body and
	// total are that record's type and lengths.
	skip        int
	typ         uint8
	body, total int
	// lost says that it is not known where the next record begins. missing counts the
	// octets since the end of the last record that was whole, scanned those looked
	// through since the gap.
	lost    bool
	missing int
	scanned int
	tail    []byte // the last octets before the position, without a hole
	why     Reason
}

// lostOctets is a gap: within one record, whose end is known then, or beyond.
func (h *half) lostOctets(n int) {
	d := &h.drift
	d.tail = d.tail[:0]
	switch {
	case !h.helloed:
		why := Gap
		if h.at == 0 && len(h.buf) == 0 {
			why = MidStream
		}
		h.fail(why)
		h.forget()
		h.at += int64(n)
		return
	case d.skip > 0 && n <= d.skip:
		if d.skip -= n; d.skip == 0 {
			h.passed(d.typ, d.body, nil, Gap)
		}
	case d.skip > 0:
		h.derail(d.total - d.skip + n)
	case !d.lost && len(h.buf) >= headerLen && n <= h.need-len(h.buf):
		d.typ, d.body, d.total = h.buf[0], h.need-headerLen, h.need
		d.skip = h.need - len(h.buf) - n
		h.at += int64(len(h.buf))
		h.buf = h.buf[:0]
		d.loose = true
		d.slack++
		if d.skip == 0 {
			h.passed(d.typ, d.body, nil, Gap)
		}
	default:
		h.at += int64(len(h.buf))
		missing := len(h.buf) + n
		h.buf = h.buf[:0]
		h.derail(d.missing + missing)
	}
	h.at += int64(n)
	h.need = 1
	h.tear()
}

// derail says that the next record's begin is not known, missing octets behind the
// end of the last one.
func (h *half) derail(missing int) {
	d := &h.drift
	d.skip, d.lost, d.loose = 0, true, true
	d.missing, d.scanned, d.why = missing, 0, Gap
	if missing == 0 {
		d.why = Malformed
	}
	h.tear()
}

// tear gives up the handshake messages that a loss cut.
func (h *half) tear() {
	h.msgs = gather{}
	if hs := h.s.hs; hs != nil && (len(h.line) == 0 || h.line[0].stage == stageEarly || h.line[0].stage == stageHandshake) {
		h.msgs.broken = true
		hs.torn = true
		h.s.turn++
	}
}

// skip passes over the rest of a record with a hole.
func (h *half) skip(b []byte) int {
	d := &h.drift
	n := min(d.skip, len(b))
	d.tail = appendTail(d.tail, b[:n])
	d.skip -= n
	if d.skip == 0 {
		h.passed(d.typ, d.body, d.tail, Gap)
	}
	h.need = 1
	return n
}

func appendTail(tail, b []byte) []byte {
	if len(b) >= maxTail {
		return append(tail[:0], b[len(b)-maxTail:]...)
	}
	tail = append(tail, b...)
	if over := len(tail) - maxTail; over > 0 {
		tail = append(tail[:0], tail[over:]...)
	}
	return tail
}

// passed goes over a record of known length that did not open.
func (h *half) passed(typ uint8, body int, tail []byte, why Reason) {
	h.drift.loose = true
	h.drift.slack++
	if len(h.line) == 0 {
		return
	}
	e := h.line[0]
	if !e.opener.lost(body, tail) {
		h.fail(why)
		return
	}
	e.seq++
	extra, exact := e.opener.overhead()
	if typ == typeData {
		h.loseUnder(e.stage, Loss{Octets: max(body-extra, 0), Exact: exact, Records: 1, Reason: why})
	}
}

// seek looks for the next record behind a gap: a header, and a body that opens. It
// answers as step does.
func (h *half) seek(b []byte) int {
	d := &h.drift
	if len(b) == 0 {
		h.need = 1
		return 0
	}
	if len(h.line) == 0 && !h.seekKeys() {
		return 0
	}
	i := 0
	for i < len(b) && !h.mayStart(b[i:]) {
		i++
	}
	if i > 0 {
		return h.pass(b[:i])
	}
	if len(b) < headerLen {
		h.need = len(b) + 1 // the next octet may already say that it is none
		return 0
	}
	total := headerLen + int(binary.BigEndian.Uint16(b[3:]))
	if len(b) < total {
		h.need = total
		return 0
	}
	e, missing := h.line[0], d.missing
	before := e.seq
	extra, exact := e.opener.overhead()
	if !e.opener.lost(-1, d.tail) {
		h.fail(Gap)
		return 0
	}
	low := e.seq + uint64((missing+headerLen+maxBody-1)/(headerLen+maxBody))
	high := e.seq + uint64(missing/(headerLen+extra))
	r := record{typ: b[0], version: binary.BigEndian.Uint16(b[1:]), body: b[headerLen:total]}
	plain, ok := h.reopen(r, low, high)
	if !ok {
		return h.pass(b[:1])
	}
	h.found(e, before, missing, extra, exact)
	h.opened(r, plain)
	return total
}

// found tells what a gap took away, now that the records on both sides of it are
// known.
func (h *half) found(was *epoch, before uint64, missing, extra int, exact bool) {
	now := h.line[0]
	lost := int(now.seq) // records under these keys
	if now == was {
		lost -= int(before)
	}
	l := Loss{Octets: missing - lost*(headerLen+extra), Reason: Gap}
	switch {
	case now == was && now.stage == stageHandshake:
		return
	case now == was && now.stage == stageLegacy && before == 0:
		if lost <= 1 { // the Finished
			return
		}
	case now == was:
		l.Exact, l.Records = exact, lost
	case was.stage == stageHandshake:
		if lost == 0 {
			return
		}
	default: // the keys changed in the gap, which took a record at least
		l.Octets -= headerLen + extra
	}
	l.Octets = max(l.Octets, 0)
	if was.stage == stageEarly {
		h.loseUnder(stageEarly, l)
	} else {
		h.loseUnder(now.stage, l)
	}
}

// mayStart says whether a record's header may begin here, as far as b goes.
func (h *half) mayStart(b []byte) bool {
	version, least, most := h.s.report.Version, uint8(typeSwitch), uint8(typeHeartbeat)
	if version == version13 {
		version, least, most = version12, typeData, typeData
	}
	if b[0] < least || b[0] > most || len(b) > 1 && b[1] != byte(version>>8) || len(b) > 2 && b[2] != byte(version) {
		return false
	}
	if len(b) < headerLen {
		return true
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	extra, _ := h.line[0].opener.overhead()
	return n >= extra && n <= maxBody
}

// pass goes over octets that belong to the gap's last record, or are nobody's, as
// far as the limits allow.
func (h *half) pass(b []byte) int {
	d := &h.drift
	room := maxSeek - d.scanned
	switch {
	case h.trial <= 0:
		h.fail(Limit)
		return 0
	case room <= 0:
		h.fail(d.why)
		return 0
	}
	b = b[:min(len(b), room)]
	d.tail = appendTail(d.tail, b)
	d.missing += len(b)
	d.scanned += len(b)
	h.need = 1
	return len(b)
}

// seekKeys finds the keys for what follows a gap that lies before them. It is false
// when there are none yet, or none at all.
func (h *half) seekKeys() bool {
	hs := h.s.hs
	if hs == nil || !hs.negotiated {
		h.wait()
		return false
	}
	if hs.version == version13 {
		h.fail(NoKey)
		return false
	}
	return h.switchKeys() && h.report.Dark == None
}

// reopen tries a record with sequence numbers low to high of the keys in use, and
// with as many of the keys that follow. If one opens it, those keys become line[0],
// and that number its seq.
func (h *half) reopen(r record, low, high uint64) ([]byte, bool) {
	line := h.line
	if last := line[len(line)-1]; h.drift.loose && last.stage == stageTraffic {
		if next := h.s.successor(last); next != nil {
			line = append(line[:len(line):len(line)], next)
		}
	}
	for i, e := range line {
		first, last := low, high
		if i > 0 {
			first, last = 0, high-min(high, low)
		}
		plain, ok := h.try(e, r, first, last)
		if !ok {
			continue
		}
		if i > 0 {
			h.line, h.msgs = line[i:], gather{}
		}
		return plain, true
	}
	return nil, false
}

// try opens a record with the sequence number that its nonce suggests, or one from
// first to last, as far as the limits allow.
func (h *half) try(e *epoch, r record, first, last uint64) ([]byte, bool) {
	if a, ok := e.opener.(*aeadOpener); ok {
		if seq, ok := a.guess(r.body); ok && seq >= first && seq <= last {
			if plain, ok := h.tryFrom(e, r, seq, seq); ok {
				return plain, true
			}
		}
	}
	if first > last {
		return nil, false
	}
	return h.tryFrom(e, r, first, min(last, first+maxTries-1))
}

func (h *half) tryFrom(e *epoch, r record, first, last uint64) ([]byte, bool) {
	n := min(int(last-first)+1, h.trial/(len(r.body)+1))
	if n < 1 {
		h.trial = 0
		return nil, false
	}
	h.trial -= n * (len(r.body) + 1)
	plain, seq, ok := e.opener.open(h.s.scratch(), r, first, first+uint64(n)-1)
	if ok {
		e.seq = seq
	}
	return plain, ok
}

// endDrift tells what a gap took that no record followed.
func (h *half) endDrift() {
	d := &h.drift
	if len(h.line) == 0 {
		return
	}
	extra, exact := h.line[0].opener.overhead()
	switch {
	case d.skip > 0 && d.typ == typeData:
		h.loseUnder(h.line[0].stage, Loss{Octets: max(d.body-extra, 0), Exact: exact, Records: 1, Reason: Gap})
	case d.lost:
		h.loseUnder(h.line[0].stage, Loss{Octets: max(d.missing-headerLen-extra, 0), Reason: Gap})
	}
}
