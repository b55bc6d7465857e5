package tlskeys

// maxInner bounds the secrets that are tried on a connection with ECH.
const maxInner = 1024

// begin13 sets up the keys of both directions, as far as the log has them: all of
// TLS 1.3 behind the ServerHello is sealed.
func (s *Session) begin13() {
	hs := s.hs
	s.report.Resumed = hs.psk
	client, server := s.half(s.client), s.half(s.client.Other())
	if !hs.early || !hs.psk {
		s.refuseEarly()
	} else {
		client.line = s.enqueue(client.line, stageEarly, clientEarly)
	}
	client.line = s.enqueue(client.line, stageHandshake, clientHandshake)
	client.line = s.enqueue(client.line, stageTraffic, clientTraffic)
	server.line = s.enqueue(server.line, stageHandshake, serverHandshake)
	server.line = s.enqueue(server.line, stageTraffic, serverTraffic)
	hs.inner = hs.ech && len(client.line)+len(server.line) == 0
	if hs.inner {
		return
	}
	for i := range s.halves {
		h := &s.halves[i]
		h.msgs = gather{broken: h.drift.lost}
		if len(h.line) == 0 {
			h.fail(NoKey)
		}
	}
}

// findInner looks for the keys of a connection whose ClientHello was encrypted: the
// log names them by the inner hello's Random (RFC 9850 section 2.1), so each is tried
// on the server's first record. It answers as record does.
func (h *half) findInner(r record) bool {
	s := h.s
	if h.side == s.client {
		return h.wait()
	}
	for _, inner := range s.log.unclaimed(maxInner) {
		e := s.epoch13(stageHandshake, s.log.secret(serverHandshake, inner))
		if e == nil {
			continue
		}
		if _, _, ok := e.opener.open(s.scratch(), r, 0, 0); !ok {
			continue
		}
		s.log.claim(inner)
		s.hs.client, s.report.ECH = inner, true
		s.begin13()
		s.turn++
		return h.report.Dark != None || h.sealedRecord(r)
	}
	s.failBoth(NoKey)
	return true
}

func (s *Session) enqueue(line []*epoch, at stage, id label) []*epoch {
	e := s.epoch13(at, s.log.secret(id, s.hs.client))
	if e == nil {
		return line
	}
	return append(line, e)
}

// epoch13 is nil without a secret, or with one that is not as long as the suite's
// hash.
func (s *Session) epoch13(at stage, secret []byte) *epoch {
	b := s.hs.bulk
	if len(secret) != b.prf().Size() {
		return nil
	}
	o, err := b.trafficOpener(secret)
	if err != nil {
		return nil
	}
	return &epoch{stage: at, opener: o, secret: secret}
}

// successor is what a KeyUpdate leads to.
func (s *Session) successor(e *epoch) *epoch {
	secret, err := s.hs.bulk.nextTraffic(e.secret)
	if err != nil {
		return nil
	}
	return s.epoch13(stageTraffic, secret)
}

// message13 is a message behind the ServerHello (RFC 8446 section 4).
func (h *half) message13(typ uint8, body []byte) {
	s, e := h.s, h.line[0]
	switch {
	case typ == msgEncryptedExts && e.stage == stageHandshake && h.side != s.client:
		ext, ok := parseEncryptedExtensions(body)
		if !ok {
			return
		}
		if ext.alpn != "" {
			s.report.ALPN = ext.alpn
		}
		if ext.early {
			s.takeEarly()
		} else {
			s.refuseEarly()
		}
	case typ == msgEndOfEarlyData && e.stage == stageEarly:
		s.takeEarly()
		h.advance()
	case typ == msgFinished && e.stage == stageHandshake:
		h.advance()
	case typ == msgKeyUpdate && e.stage == stageTraffic:
		if next := s.successor(e); next != nil {
			h.line = []*epoch{next}
		}
	}
}

// advance changes to the keys that follow.
func (h *half) advance() {
	h.line = h.line[1:]
	h.bad = 0
	if len(h.line) == 0 {
		h.fail(NoKey)
	}
}
