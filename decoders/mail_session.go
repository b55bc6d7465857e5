package decoders

import (
	"kagami/records"
	"kagami/sensor"
)

// mailSession is what all records of a mail connection share.
type mailSession struct {
	protocol   string // "smtp", "lmtp", "pop3", "imap"
	start      int64
	banner     string
	hello      string // SMTP: the command
	helo       string
	offersTLS  bool
	tls        bool
	compressed bool
	user       string
	reply      string   // the server's last
	verified   []string // by VRFY and EXPN, before a transaction
	odd        string   // met since the last record
	told       bool     // a record was written
}

// tell writes a record.
func (s *mailSession) tell(f *sensor.Flow, r *records.Mail, emit sensor.Emit) {
	r.Protocol, r.Banner, r.Hello, r.Helo = s.protocol, s.banner, s.hello, s.helo
	r.OffersTLS, r.TLS, r.User = s.offersTLS, s.tls, s.user
	if r.Odd == "" {
		r.Odd, s.odd = s.odd, ""
	}
	switch {
	case s.tls:
		r.Encryption = "tls"
	case s.compressed:
		r.Encryption = "deflate"
	}
	s.told = true
	r.Stamp(f.Meta())
	emit(r)
}

// leftOut tells that something is to be told still, though no transaction is.
func (s *mailSession) leftOut() bool { return !s.told || s.odd != "" }

// tellAlone writes the record of a connection that shows no transaction.
func (s *mailSession) tellAlone(f *sensor.Flow, depth int, emit sensor.Emit) {
	r := &records.Mail{Start: s.start, End: f.Now, Depth: depth, Reply: s.reply}
	r.Envelope.Verified = s.verified
	s.tell(f, r, emit)
}

// enterTLS tells of the connection until now, and returns what reads the rest: nil
// in a tunnel, since one within another is not looked into.
func (s *mailSession) enterTLS(f *sensor.Flow, depth int, emit sensor.Emit) sensor.Decoder {
	s.tls = true
	s.tellAlone(f, depth, emit)
	if f.InTunnel() {
		return nil
	}
	return f.EnterTunnel()
}

// note keeps the first violation for the next record.
func (s *mailSession) note(odd string) {
	if s.odd == "" {
		s.odd = odd
	}
}

// loginAttempt is an authentication under way.
type loginAttempt struct {
	on    bool
	sasl  saslExchange
	start int64
	left  int // answers that the client has still to give, where no challenge shows it
}

// begin reads "mechanism [initial response]".
func (l *loginAttempt) begin(mechanism, initial []byte, now int64) {
	*l = loginAttempt{on: true, start: now}
	l.sasl.begin(mechanism)
	l.left = l.sasl.answers()
	if len(initial) > 0 {
		l.answer(initial)
	}
}

func (l *loginAttempt) answer(line []byte) {
	l.left--
	l.sasl.answer(line)
}

// named begins an attempt of a protocol's own kind: POP3's USER, IMAP's LOGIN.
func (l *loginAttempt) named(mechanism, user string, method records.AuthMethod, now int64) {
	*l = loginAttempt{on: true, start: now}
	l.sasl = saslExchange{mechanism: mechanism, method: method, user: user}
}

// end writes the record of the attempt, if there is one.
func (l *loginAttempt) end(f *sensor.Flow, s *mailSession, result records.AuthResult, reply string, emit sensor.Emit) {
	if !l.on {
		return
	}
	l.on = false
	if result == records.AuthSuccess {
		s.user = l.sasl.user
	}
	r := l.sasl.record(s.protocol, l.start)
	r.Result, r.Reply = result, reply
	if result != records.AuthUnknown {
		r.End = f.Now
	}
	s.told = true
	r.Stamp(f.Meta())
	emit(r)
}
