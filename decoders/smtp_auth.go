package decoders

import (
	"bytes"

	"kagami/records"
	"kagami/sensor"
)

// beginAuth reads "AUTH mechanism [initial response]" (RFC 4954).
func (d *smtpDecoder) beginAuth(f *sensor.Flow, rest []byte, emit sensor.Emit) {
	d.endAuth(f, records.AuthUnknown, "", emit)
	mechanism, initial, _ := bytes.Cut(rest, []byte{' '})
	if len(mechanism) == 0 {
		return
	}
	d.login.begin(mechanism, trimBlank(initial), f.Now)
	d.mode = smtpAuth
}

// authLine heeds a line of the client's in an authentication; false: it is a
// command, since the authentication is over.
func (d *smtpDecoder) authLine(f *sensor.Flow, line []byte, emit sensor.Emit) bool {
	n := len(d.pending) // the server has not decided, as far as can be seen, if AUTH is the last there
	if waiting := n > 0 && d.pending[n-1].verb == verbAuth; !waiting && d.login.left <= 0 {
		d.endAuth(f, records.AuthUnknown, "", emit)
		return false
	}
	d.login.answer(line)
	return true
}

// endAuth ends the authentication under way, if there is one.
func (d *smtpDecoder) endAuth(f *sensor.Flow, result records.AuthResult, reply string, emit sensor.Emit) {
	if d.mode == smtpAuth {
		d.mode = smtpCommand
	}
	d.login.end(f, &d.session, result, reply, emit)
}
