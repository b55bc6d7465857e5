package tlskeys

import (
	"bytes"
	"encoding/binary"

	"kagami/packet"
)

// Handshake types (RFC 8446 appendix B.3, RFC 5246 section 7.4).
const (
	msgClientHello       = 1
	msgServerHello       = 2
	msgNewTicket         = 4
	msgEndOfEarlyData    = 5
	msgEncryptedExts     = 8
	msgServerHelloDone   = 14
	msgClientKeyExchange = 16
	msgFinished          = 20
	msgKeyUpdate         = 24
)

const (
	msgHeader = 4 // type and length
	// maxMessage bounds a handshake message; longer ones are passed over.
	maxMessage = 128 << 10
	// maxFlight bounds what is kept of a handshake for its hash.
	maxFlight = 256 << 10
)

// gather joins handshake messages: one may take many records, and one record may
// hold many (RFC 8446 section 5.1).
type gather struct {
	buf    []byte
	skip   int
	broken bool // octets are missing: nothing is read until the keys change
}

// gather takes the body of a handshake record.
func (h *half) gather(b []byte) {
	keys := h.keys()
	for len(b) > 0 && !h.msgs.broken && h.report.Dark == None {
		g := &h.msgs
		if g.skip > 0 {
			n := min(g.skip, len(b))
			g.skip -= n
			b = b[n:]
			continue
		}
		want := msgHeader
		if len(g.buf) >= msgHeader {
			want += uint24(g.buf[1:])
		}
		n := min(want-len(g.buf), len(b))
		g.buf = append(g.buf, b[:n]...)
		b = b[n:]
		if len(g.buf) < msgHeader {
			return
		}
		want = msgHeader + uint24(g.buf[1:])
		if want > maxMessage {
			g.skip, g.buf = want-len(g.buf), g.buf[:0]
			if h.s.hs != nil {
				h.s.hs.torn = true
			}
			continue
		}
		if len(g.buf) < want {
			continue
		}
		raw := g.buf
		h.message(raw[0], raw)
		if h.keys() != keys { // no message goes on past a change of keys
			h.msgs = gather{}
			return
		}
		h.msgs.buf = raw[:0]
	}
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// keys are those in use, nil in clear.
func (h *half) keys() *epoch {
	if len(h.line) == 0 {
		return nil
	}
	return h.line[0]
}

// message takes one handshake message; raw is all of it.
func (h *half) message(typ uint8, raw []byte) {
	s, body := h.s, raw[msgHeader:]
	switch {
	case typ == msgClientHello:
		hello, ok := parseClientHello(body)
		if !ok {
			h.fail(Malformed)
			return
		}
		s.hello(h, hello, raw)
	case s.hs == nil && typ == 0: // HelloRequest
	case s.hs == nil:
		h.fail(MidStream)
	case typ == msgServerHello:
		s.answer(h, body, raw)
	case s.tls13():
		h.message13(typ, body)
	default:
		h.message12(typ, body, raw)
	}
}

// helloV2 takes a ClientHello in the form of SSL 2.0. It answers as step does.
func (h *half) helloV2(b []byte) int {
	total := 2 + int(binary.BigEndian.Uint16(b)&0x7fff)
	const typ, major = 2, 3
	if total <= major || h.s.hs != nil {
		h.fail(NotTLS)
		return 0
	}
	if len(b) < min(total, major+1) {
		h.need = major + 1
		return 0
	}
	if b[typ] != msgClientHello || b[major] != 3 {
		h.fail(NotTLS)
		return 0
	}
	if len(b) < total {
		h.need = total
		return 0
	}
	hello, ok := parseClientHelloV2(b[2:total])
	if !ok {
		h.fail(Malformed)
		return 0
	}
	h.s.hello(h, hello, nil)
	return total
}

// handshake is what a full or resumed handshake agrees on.
type handshake struct {
	client random
	server random
	// What the client offered.
	sessionID, ticket []byte
	early             bool // 0-RTT data may follow the ClientHello
	retry             bool // a HelloRetryRequest came
	again             bool // the second ClientHello came
	ech               bool // an encrypted ClientHello came with it
	// What the server chose.
	negotiated bool
	inner      bool // the keys are looked for by the Random of an encrypted ClientHello
	psk        bool
	version    uint16
	bulk       bulk
	etm, ems   bool
	newSession []byte // session id
	newTicket  []byte
	// What came since.
	done     bool    // ServerHelloDone: a full handshake
	switched [2]bool // change_cipher_spec, by side
	exchange []byte  // ClientKeyExchange
	torn     bool    // messages are missing
	master   []byte
	resumed  bool
	flights  [3][]byte // for the extended master secret: ClientHello, the server's, the client's
}

// hello is a ClientHello: the first, the second after a HelloRetryRequest, or that
// of a renegotiation.
func (s *Session) hello(h *half, c clientHello, raw []byte) {
	hs := s.hs
	switch {
	case hs == nil:
		s.client = h.side
		s.report.Random, s.report.Hello = c.random, true
	case h.side != s.client:
		h.fail(Malformed)
		return
	case hs.retry && !hs.negotiated && !hs.again && c.random == hs.client:
		hs.again, hs.early = true, false // RFC 8446 section 4.1.2
		s.turn++
		return
	case len(h.line) == 0 || s.tls13(): // twice, or not allowed
		return
	}
	s.hs = &handshake{client: c.random, sessionID: c.sessionID, ticket: c.ticket, early: c.early, ech: c.ech}
	s.log.claim(c.random)
	s.record(&s.hs.flights[0], raw)
	if s.report.ServerName == "" {
		s.report.ServerName = c.serverName
	}
	h.helloed = true
	s.turn++
}

// answer is a ServerHello or HelloRetryRequest.
func (s *Session) answer(h *half, body, raw []byte) {
	hs := s.hs
	c, ok := parseServerHello(body)
	switch {
	case !ok || h.side == s.client:
		h.fail(Malformed)
		return
	case hs.negotiated: // the ClientHello of a renegotiation is missing: keep to what is known
		return
	}
	h.helloed = true
	if c.version == version13 && c.random == retryRandom {
		hs.retry = true
		s.refuseEarly()
		s.turn++
		return
	}
	s.report.Version, s.report.Suite = c.version, c.suite
	if c.alpn != "" {
		s.report.ALPN = c.alpn
	}
	b, known := suiteBulk(c.suite)
	switch {
	case c.version < version10 || c.version > version13:
		s.failBoth(Version)
		return
	case !known || isSuite13(c.suite) != (c.version == version13):
		s.failBoth(Suite)
		return
	case c.compression != 0:
		s.failBoth(Compression)
		return
	}
	hs.version, hs.bulk, hs.server, hs.negotiated = c.version, b, c.random, true
	s.turn++
	if c.version == version13 {
		hs.psk = c.psk
		s.begin13()
		return
	}
	hs.etm, hs.ems = c.etm, c.ems
	hs.newSession = c.sessionID
	hs.resumed = len(c.sessionID) > 0 && bytes.Equal(c.sessionID, hs.sessionID)
	s.record(&hs.flights[1], raw)
}

func (s *Session) failBoth(why Reason) {
	for i := range s.halves {
		s.halves[i].fail(why)
	}
}

// record keeps a message for the handshake's hash, which is wanted only where a
// log has premaster secrets.
func (s *Session) record(flight *[]byte, raw []byte) {
	if len(s.log.premaster) == 0 {
		return
	}
	if len(*flight)+len(raw) > maxFlight {
		s.hs.torn = true
		return
	}
	*flight = append(*flight, raw...)
}

func (s *Session) half(side packet.Side) *half { return &s.halves[side] }
