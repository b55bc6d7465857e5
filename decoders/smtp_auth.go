package decoders

import (
	"bytes"

	"kagami/records"
	"kagami/sensor"
)

// smtpLogin is an authentication under way (RFC 4954).
type smtpLogin struct {
	on    bool
	sasl  saslExchange
	start int64
	left  int // answers that the client has still to give, where no challenge shows it
}

// beginAuth reads "AUTH mechanism [initial response]".
func (d *smtpDecoder) beginAuth(f *sensor.Flow, rest []byte, emit sensor.Emit) {
	d.endAuth(f, records.AuthUnknown, "", emit)
	mechanism, initial, _ := bytes.Cut(rest, []byte{' '})
	if len(mechanism) == 0 {
		return
	}
	l := &d.login
	*l = smtpLogin{on: true, start: f.Now}
	l.sasl.begin(mechanism)
	l.left = l.sasl.answers()
	if initial = trimBlank(initial); len(initial) > 0 {
		l.sasl.answer(initial)
		l.left--
	}
	d.mode = smtpAuth
}

// authLine heeds a line of the client's in an authentication; false: it is a
// command, since the authentication is over.
func (d *smtpDecoder) authLine(f *sensor.Flow, line []byte, emit sensor.Emit) bool {
	l := &d.login
	waiting := false // the server has not decided, as far as can be seen
	for i := range d.pending {
		waiting = waiting || d.pending[i].verb == verbAuth
	}
	if !waiting && l.left <= 0 {
		d.mode = smtpCommand
		d.endAuth(f, records.AuthUnknown, "", emit)
		return false
	}
	l.left--
	l.sasl.answer(line)
	return true
}

// endAuth writes the authentication's record.
func (d *smtpDecoder) endAuth(f *sensor.Flow, result records.AuthResult, reply string, emit sensor.Emit) {
	l := &d.login
	if !l.on {
		return
	}
	l.on = false
	if d.mode == smtpAuth {
		d.mode = smtpCommand
	}
	if result == records.AuthSuccess {
		d.session.user = l.sasl.user
	}
	r := l.sasl.record(d.session.protocol, l.start)
	r.Result, r.Reply = result, reply
	if result != records.AuthUnknown {
		r.End = f.Now
	}
	r.Stamp(f.Meta())
	emit(r)
}
