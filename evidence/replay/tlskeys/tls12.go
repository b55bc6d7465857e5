package tlskeys

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
)

// message12 is a message of TLS 1.2 and before (RFC 5246 section 7.4).
func (h *half) message12(typ uint8, body, raw []byte) {
	s := h.s
	hs := s.hs
	server := h.side != s.client
	if hs.exchange == nil && !hs.switched[h.side] {
		flight := &hs.flights[2]
		if server {
			flight = &hs.flights[1]
		}
		s.record(flight, raw)
	}
	switch {
	case server && typ == msgServerHelloDone:
		hs.done = true
		s.turn++
	case server && typ == msgNewTicket && len(body) > 6:
		hs.newTicket = bytes.Clone(body[6:]) // lifetime hint and length (RFC 5077 section 3.3)
	case !server && typ == msgClientKeyExchange:
		hs.exchange = bytes.Clone(body)
		s.turn++
	}
}

// canSwitch says whether the keys can be told that this direction changes to.
func (h *half) canSwitch() bool {
	hs := h.s.hs
	if !hs.negotiated {
		return false
	}
	if h.s.log.secret(masterSecret, hs.client) != nil || hs.master != nil || hs.torn {
		return true
	}
	server := h.s.half(h.s.client.Other())
	if h != server {
		// Either the server has asked for a key exchange, or it has resumed a session.
		return hs.done || hs.switched[server.side] || server.report.Dark != None
	}
	return !hs.done || hs.exchange != nil || len(h.s.log.premaster) == 0 || h.other().report.Dark != None
}

// switchKeys is a change_cipher_spec (RFC 5246 section 7.1). It answers as record
// does.
func (h *half) switchKeys() bool {
	s := h.s
	hs := s.hs
	if !h.canSwitch() {
		return h.wait()
	}
	if hs.switched[h.side] {
		return true
	}
	if hs.master == nil {
		hs.master = s.findMaster()
	}
	if hs.master == nil {
		h.fail(NoKey)
		return true
	}
	role := 0
	if h.side != s.client {
		role = 1
	}
	keys := keyBlock(hs.version, hs.bulk, hs.master, hs.client, hs.server)
	o, err := hs.bulk.opener(hs.version, hs.etm, keys[role])
	if err != nil { // keys are as long as the suite wants them
		h.fail(Suite)
		return true
	}
	h.line = []*epoch{{stage: stageLegacy, opener: o}}
	h.msgs = gather{}
	hs.switched[h.side] = true
	s.turn++
	return true
}

// findMaster looks for the master secret: by the client's Random, by the session
// that the server resumes, by the key exchange.
func (s *Session) findMaster() []byte {
	hs := s.hs
	s.report.Resumed = s.report.Resumed || hs.resumed || !hs.done && !hs.torn
	if m := s.log.secret(masterSecret, hs.client); m != nil {
		return m
	}
	if len(hs.newSession) > 0 {
		if m := s.log.resumable[sessionKey(hs.newSession)]; m != nil {
			return m
		}
	}
	if len(hs.ticket) > 0 && !hs.done {
		if m := s.log.resumable[ticketKey(hs.ticket)]; m != nil {
			return m
		}
	}
	return s.fromPremaster()
}

// fromPremaster is RFC 5246 section 8.1 and RFC 7627 section 4, for RSA key
// exchange.
func (s *Session) fromPremaster() []byte {
	hs := s.hs
	const lengthLen, idLen = 2, 8
	if len(hs.exchange) < lengthLen+idLen {
		return nil
	}
	secret := s.log.premaster[[idLen]byte(hs.exchange[lengthLen:])]
	switch {
	case secret == nil || hs.ems && hs.torn:
		return nil
	case hs.ems:
		return prf(hs.version, hs.bulk.prf, secret, "extended master secret", hs.hash(), masterLen)
	}
	return prf(hs.version, hs.bulk.prf, secret, "master secret", append(hs.client[:], hs.server[:]...), masterLen)
}

// hash is the session hash (RFC 7627 section 3): of all messages up to the
// ClientKeyExchange.
func (hs *handshake) hash() []byte {
	all := bytes.Join(hs.flights[:], nil)
	if hs.version >= version12 {
		h := hs.bulk.prf()
		h.Write(all)
		return h.Sum(nil)
	}
	m, s := md5.Sum(all), sha1.Sum(all)
	return append(m[:], s[:]...)
}

// learn keeps the master secret for sessions that resume this one, now that a
// record has proved it.
func (s *Session) learn() {
	hs := s.hs
	if hs.master == nil { // a renegotiation has begun already
		return
	}
	if len(hs.newSession) > 0 {
		s.log.learn(sessionKey(hs.newSession), hs.master)
	}
	if len(hs.newTicket) > 0 {
		s.log.learn(ticketKey(hs.newTicket), hs.master)
	}
}
