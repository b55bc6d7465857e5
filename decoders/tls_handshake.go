package decoders

import (
	"bytes"
	"encoding/binary"
	"strings"

	"kagami/records"
	"kagami/sensor"
)

const (
	// tlsMaxChain bounds the certificates of one side that are read.
	tlsMaxChain = 16
	// tlsMaxHistory is where Zeek stops too.
	tlsMaxHistory = 100
	// tlsMaxAlerts bounds the alerts that are waited for once there was a fatal one.
	tlsMaxAlerts = 8
)

// tlsHandshake is what all that carry the handshake share (TLS over TCP, DTLS,
// QUIC): messages go in, in order, and the record comes out.
type tlsHandshake struct {
	r       *records.TLS
	version uint16 // negotiated, 0 = not known yet
	flight  tlsFlight
	history [tlsMaxHistory]byte
	noted   int
	over    bool // nothing more to learn
	limited bool // a limit was met: to be told though no hello was read
	written bool
}

// tlsFlight is what the messages say of the kind of handshake.
type tlsFlight struct {
	offer       tlsOffer
	certificate bool
	helloDone   bool
	alerts      int
	closed      [2]bool // by client and server: sent a fatal alert or close_notify
}

// client and server index what is kept for each side.
const (
	client = 0
	server = 1
)

// peerName is a side as records name it.
func peerName(who int) string {
	if who == client {
		return "client"
	}
	return "server"
}

// note adds a letter to the history, the client's in upper case.
func (h *tlsHandshake) note(who int, letter byte) {
	if h.noted == len(h.history) {
		return
	}
	if who == client {
		letter -= 'a' - 'A'
	}
	h.history[h.noted] = letter
	h.noted++
}

// messageLetters are Zeek's letters for the handshake's message types.
var messageLetters = [...]byte{0: 'h', helloClient: 'c', helloServer: 's', helloVerify: 'v', sessionTicket: 't', 5: 'e', helloRetryOld: 'j',
	8: 'o', certificateMessage: 'x', serverKeyExchange: 'k', 13: 'r', serverHelloDone: 'n', 15: 'y', 16: 'g', 20: 'f', 21: 'w', 22: 'u', 23: 'a',
	24: 'p', 254: 'm', 255: 0}

func messageLetter(typ byte) byte {
	if c := messageLetters[typ]; c != 0 {
		return c
	}
	return 'z'
}

// message reads one handshake message. Of types that are not wanted, body is nil.
func (h *tlsHandshake) message(who int, typ byte, body []byte, now int64) {
	r, letter := h.r, messageLetter(typ)
	r.End = now
	switch typ {
	case helloClient:
		if who == client && !r.ClientHello {
			h.flight.offer = readClientHello(body, r)
		}
	case helloServer:
		if isHelloRetry(body) {
			letter = 'j'
		}
		if who == server && !r.ServerHello {
			h.version = readServerHello(body, r)
		}
	case helloRetryOld:
		if who == server {
			r.HelloRetry, h.version = true, versionTLS13
		}
	case helloVerify:
		r.HelloVerify = r.HelloVerify || who == server
	case certificateMessage:
		h.certificates(who, body)
	case serverKeyExchange:
		h.keyExchange(body)
	case sessionTicket: // RFC 5077 section 3.3
		if who == server && len(body) >= 4 {
			r.TicketLifetime = binary.BigEndian.Uint32(body)
		}
	case serverHelloDone:
		h.flight.helloDone = true
	}
	h.note(who, letter)
}

// wanted tells whether a message's body is read.
func wanted(typ byte) bool {
	switch typ {
	case helloClient, helloServer, sessionTicket, certificateMessage, serverKeyExchange:
		return true
	}
	return false
}

// keyExchange reads what a ServerKeyExchange says of the key's size: a named
// curve (RFC 8422 section 5.4) or a prime (RFC 5246 section 7.4.3), by the kind
// of the cipher suite.
func (h *tlsHandshake) keyExchange(body []byte) {
	const namedCurve = 3
	r := h.r
	switch suite := r.Cipher; {
	case strings.HasPrefix(suite, "TLS_ECDHE_"), strings.HasPrefix(suite, "TLS_ECDH_anon_"):
		if len(body) > 3 && body[0] == namedCurve && r.Curve == "" {
			r.Curve = groupName(binary.BigEndian.Uint16(body[1:]))
		}
	case strings.HasPrefix(suite, "TLS_DHE_"), strings.HasPrefix(suite, "TLS_DH_anon_"):
		w := wire{b: body}
		r.DHBits = bitLen(w.vector16())
	}
}

// certificates reads a Certificate message of TLS 1.2 and below (RFC 5246
// section 7.4.2): the sender's own certificate first.
func (h *tlsHandshake) certificates(who int, body []byte) {
	w := wire{b: body}
	list := wire{b: w.take(w.uint8()<<16 | int(w.uint16()))}
	var chain []*records.Certificate
	n, octets := 0, 0
	for len(list.b) > 0 {
		b := list.take(list.uint8()<<16 | int(list.uint16()))
		if list.bad {
			break
		}
		if n++; n <= tlsMaxChain {
			chain = append(chain, readCertificate(b))
		}
		octets += len(b)
	}
	if w.bad || list.bad {
		odd(h.r, "malformed certificate message")
	}
	if n > tlsMaxChain {
		odd(h.r, "certificate chain too long")
	}
	h.keep(who, chain, n, octets)
}

// keep enters a chain into the record, unless there is one: a handshake may be
// repeated within a connection.
func (h *tlsHandshake) keep(who int, chain []*records.Certificate, n, octets int) {
	r := h.r
	var own *records.Certificate
	if len(chain) > 0 {
		own, chain = chain[0], chain[1:]
	}
	switch {
	case who == server:
		h.flight.certificate = true
		if r.Certificate == nil {
			r.Certificate, r.Intermediates, r.Chain, r.ChainBytes = own, chain, n, octets
		}
	case r.ClientCertificate == nil:
		r.ClientCertificate, r.ClientIntermediates, r.ClientChain = own, chain, n
	}
}

// cipherChanged: in TLS 1.2 and below this side goes on encrypted.
func (h *tlsHandshake) cipherChanged(who int) {
	// A server that goes on without ServerHelloDone takes up an old session,
	// by session id or by ticket (RFC 5246 section 7.3, RFC 5077 section 3.1).
	r := h.r
	if who != server || !r.ServerHello || h.flight.helloDone || h.flight.certificate || r.Gap || r.Resumed {
		return
	}
	r.Resumed = true
	switch {
	case h.flight.offer.ticket:
		r.Resumption = "ticket"
	case h.flight.offer.session > 0:
		r.Resumption = "session_id"
	}
}

// alert in clear (RFC 8446 section 6). The other side may send one as well, or
// the same side a last one.
func (h *tlsHandshake) alert(who int, level, code byte) {
	r := h.r
	h.note(who, 'l')
	r.LastAlert, r.LastAlertFrom = alertName(code), peerName(who)
	if r.Alert == "" {
		r.Alert, r.AlertFrom = r.LastAlert, r.LastAlertFrom
	}
	const warning, closeNotify = 1, 0
	f := &h.flight
	f.alerts++
	f.closed[who] = f.closed[who] || level != warning || code == closeNotify
	h.over = h.over || f.closed[client] && f.closed[server] || f.alerts == tlsMaxAlerts
}

// establish: both sides went on to encrypted records.
func (h *tlsHandshake) establish() {
	h.r.Established = h.r.ServerHello && !h.flight.closed[client] && !h.flight.closed[server]
	h.over = true
}

// finish writes the record once, if there was a handshake.
func (h *tlsHandshake) finish(f *sensor.Flow, emit sensor.Emit) {
	r := h.r
	if h.written || !r.ClientHello && !r.ServerHello && !r.HelloRetry && !h.limited {
		return
	}
	h.written = true
	r.History = string(h.history[:h.noted])
	if !r.ServerHello { // how far early data went is not known
		r.EarlyDataBytes = 0
	}
	if f.InTunnel() {
		r.Via = tunnelKind(f.Service)
	}
	f.Label(r.Protocol, r.ServerName)
	m := r.Meta()
	*m = f.Meta()
	m.Kind = records.KindTLS
	emit(r)
}

// tunnelKind says by what protocol service a handshake came to be inside of it.
func tunnelKind(service string) string {
	switch service {
	case "http":
		return "CONNECT"
	case "socks":
		return "SOCKS"
	}
	return "STARTTLS"
}

func isHelloRetry(body []byte) bool {
	return len(body) >= 2+len(helloRetry) && bytes.Equal(body[2:2+len(helloRetry)], []byte(helloRetry))
}

// odd notes the first violation.
// limit notes that a limit was met.
func (h *tlsHandshake) limit(what string) {
	odd(h.r, what)
	h.limited = true
}

func odd(r *records.TLS, what string) {
	if r.Odd == "" {
		r.Odd = what
	}
}
