package tlskeys

const (
	// maxBadRecords is how many records in a row may fail before a direction is given
	// up. More than one: octets of a capture may be damaged where the stream was not.
	maxBadRecords = 16
	// maxRefused is the same where 0-RTT data may stand that the server refused, which
	// it passes over just so (RFC 8446 section 4.2.10).
	maxRefused = 1024
)

// record takes a whole record. It answers false if the record must wait for the
// other direction.
func (h *half) record(r record) bool {
	if len(h.line) == 0 {
		return h.clearRecord(r)
	}
	return h.sealedRecord(r)
}

// clearRecord is a record before any keys.
func (h *half) clearRecord(r record) bool {
	hs := h.s.hs
	switch r.typ {
	case typeHandshake:
		if hs == nil && !h.helloed && len(r.body) > 0 && r.body[0] == msgServerHello {
			return h.wait() // for the ClientHello, whose Random names the keys
		}
		h.drift.slack++
		h.gather(r.body)
	case typeAlert:
		h.alert(r.body)
	case typeSwitch, typeData:
		switch {
		case hs == nil:
			h.fail(MidStream)
		case hs.retry && !hs.negotiated && (r.typ == typeSwitch || h.side == h.s.client && !hs.again):
			// RFC 8446 appendix D.4, or 0-RTT data that a HelloRetryRequest refused.
			if r.typ == typeData {
				h.s.report.EarlyDropped += int64(len(r.body))
			}
		case !hs.negotiated:
			return h.wait()
		case hs.inner && r.typ == typeData:
			return h.findInner(r)
		case hs.version == version13: // appendix D.4 again
		case r.typ == typeSwitch:
			return h.switchKeys()
		case h.drift.loose: // the change_cipher_spec was in a gap
			return h.switchKeys() && (h.report.Dark != None || h.sealedRecord(r))
		default:
			h.fail(Malformed)
		}
	}
	return true
}

// sealedRecord is a record under keys.
func (h *half) sealedRecord(r record) bool {
	if h.s.tls13() {
		switch r.typ {
		case typeData:
		case typeAlert:
			h.alert(r.body)
			return true
		default: // RFC 8446 section 5: a change_cipher_spec means nothing
			return true
		}
	} else if r.typ == typeSwitch && !h.canSwitch() {
		return h.wait()
	}
	e := h.line[0]
	plain, _, ok := e.opener.open(h.s.scratch(), r, e.seq, e.seq)
	if ok {
		h.opened(r, plain)
	} else {
		h.fault(r)
	}
	return true
}

// scratch is where records are decrypted to.
func (s *Session) scratch() []byte {
	if s.plain == nil {
		s.plain = make([]byte, 0, maxBody)
	}
	return s.plain
}

// opened takes the plaintext of a record that line[0] opened.
func (h *half) opened(r record, plain []byte) {
	e := h.line[0]
	e.seq++
	h.report.Records++
	h.bad = 0
	h.drift = drift{}
	typ := r.typ
	switch {
	case e.stage != stageLegacy:
		typ, plain = innerType(plain)
	case !e.opened:
		h.s.learn()
	}
	e.opened = true
	switch typ {
	case typeData:
		if e.stage == stageEarly {
			h.s.earlyData(plain)
		} else {
			h.give(plain)
		}
	case typeHandshake:
		h.gather(plain)
	case typeAlert:
		h.alert(plain)
	case typeSwitch:
		if e.stage == stageLegacy {
			h.switchKeys()
		}
	}
}

// innerType is RFC 8446 section 5.4: the type stands before the padding.
func innerType(plain []byte) (uint8, []byte) {
	n := len(plain)
	for n > 0 && plain[n-1] == 0 {
		n--
	}
	if n == 0 {
		return 0, nil
	}
	return plain[n-1], plain[:n-1]
}

// fault is a record that the keys in use do not open.
func (h *half) fault(r record) {
	e := h.line[0]
	if h.drift.loose || len(h.line) > 1 {
		low := e.seq - min(e.seq, uint64(h.drift.slack))
		if plain, ok := h.reopen(r, low, e.seq+uint64(h.drift.slack)); ok {
			h.opened(r, plain)
			return
		}
	}
	if h.bad == 0 {
		h.badAt = h.at
	}
	h.bad++
	limit := maxBadRecords
	if !e.opened && (e.stage == stageHandshake || e.stage == stageTraffic) {
		// Records of keys before these that the log does not hold, or refused 0-RTT data.
		if h.side == h.s.client && (h.s.hs.early || e.stage == stageHandshake) {
			extra, _ := e.opener.overhead()
			h.s.report.EarlyDropped += int64(max(len(r.body)-extra, 0))
		}
		if h.s.hs.early {
			limit = maxRefused
		}
	} else {
		h.passed(r.typ, len(r.body), r.body, BadRecord)
	}
	if h.bad > limit {
		h.fail(BadRecord)
	}
}

// alert is RFC 8446 section 6.
func (h *half) alert(b []byte) {
	if len(b) != 2 {
		return
	}
	const closeNotify = 0
	if b[1] == closeNotify {
		h.report.Closed = true
		return
	}
	h.report.Alert, h.report.Alerted = b[1], true
}
