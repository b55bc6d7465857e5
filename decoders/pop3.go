package decoders

import (
	"bytes"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// maxPOP3Pending bounds the commands without an answer; more, and the oldest is
// forgotten.
const maxPOP3Pending = 256

// pop3Protocol is POP3 (RFC 1939, with AUTH of RFC 5034 and STLS of RFC 2595)
// over TCP on any port.
func pop3Protocol(files *files) sensor.Protocol {
	return sensor.Protocol{
		Name:      "pop3",
		Transport: packet.ProtoTCP,
		Match:     matchPOP3,
		New:       func() sensor.Decoder { return &pop3Decoder{files: files} },
	}
}

// pop3Decoder reads one connection: logins, and the messages that RETR and TOP
// fetch.
type pop3Decoder struct {
	files    *files
	began    bool
	client   packet.Side
	up, down mailLines
	session  mailSession
	login    loginAttempt
	pending  []pop3Pending // commands without an answer, oldest first
	asked    pop3Verb      // the client's last command
	lost     int           // octets since something was understood
	depth    int

	listing bool // the answer under way has several lines
	dots    dotReader
	x       *pop3Mail // the message under way
	inner   sensor.Decoder
	opaque  bool
}

type pop3Verb uint8

const (
	pop3Other pop3Verb = iota
	pop3User
	pop3Pass
	pop3APOP
	pop3Auth
	pop3TLS
	pop3Retr
	pop3Top
	pop3List // LIST, UIDL and CAPA: an answer of several lines if there is no argument
)

var pop3Verbs = [...]struct {
	name string
	verb pop3Verb
}{
	{"retr", pop3Retr}, {"dele", pop3Other}, {"list", pop3List}, {"uidl", pop3List}, {"user", pop3User}, {"pass", pop3Pass},
	{"top", pop3Top}, {"stat", pop3Other}, {"capa", pop3List}, {"apop", pop3APOP}, {"auth", pop3Auth}, {"stls", pop3TLS},
	{"noop", pop3Other}, {"rset", pop3Other}, {"quit", pop3Other}, {"utf8", pop3Other}, {"lang", pop3Other},
}

type pop3Pending struct {
	verb  pop3Verb
	bare  bool // without argument
	since int64
}

// pop3Mail is a message that the server is sending.
type pop3Mail struct {
	r    *records.Mail
	mime *mimeReader
	top  bool // only its beginning was asked for
}

// Data implements sensor.Decoder.
func (d *pop3Decoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	d.begin(f)
	for len(data) > 0 && !d.opaque {
		switch {
		case d.inner != nil:
			return d.inner.Data(f, side, data, emit)
		case side == d.client:
			data = data[d.clientOctets(f, data, emit):]
		case d.listing:
			data = data[d.listOctets(f, data, emit):]
		default:
			data = data[d.serverOctets(f, data, emit):]
		}
	}
	if d.opaque || d.lost > maxMailLost {
		return sensor.Done
	}
	return sensor.More
}

func (d *pop3Decoder) begin(f *sensor.Flow) {
	if d.began {
		return
	}
	d.began, d.client = true, f.Orig
	d.session.protocol, d.session.start = "pop3", f.Now
	f.Label("pop3", "")
}

// Gap implements sensor.Decoder.
func (d *pop3Decoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	d.begin(f)
	switch {
	case d.inner != nil:
		return d.inner.Gap(f, side, n)
	case side == d.client:
		d.up.lose()
	case d.listing:
		d.dots.gap()
		if x := d.x; x != nil {
			x.mime.gap(f, int64(n))
			x.r.Gap = true
			x.r.Missing += int64(n)
		}
	default:
		d.down.lose()
		d.pending = d.pending[:0]
	}
	return sensor.More
}

// Close implements sensor.Decoder.
func (d *pop3Decoder) Close(f *sensor.Flow, emit sensor.Emit) {
	if !d.began {
		return
	}
	if d.inner != nil {
		d.inner.Close(f, emit)
	}
	d.endMail(f, false, emit)
	d.login.end(f, &d.session, records.AuthUnknown, "", emit)
	if d.session.leftOut() {
		d.session.tellAlone(f, 1, emit)
	}
}

// clientOctets reads some of what the client sent.
func (d *pop3Decoder) clientOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	if len(d.up.held) == 0 && isTLSRecord(data) && d.asked == pop3TLS { // the answer was not seen
		d.enterTLS(f, emit)
		return 0
	}
	if d.x != nil && d.x.r.Gap { // a client asks again when it has the answer: its end was lost
		d.endMail(f, false, emit)
	}
	line, n, ok := d.up.next(data)
	if d.lost += n; d.up.long {
		d.session.note(oddMailLine)
	}
	if !ok {
		return n
	}
	if d.answersChallenge() {
		d.lost = 0
		d.login.answer(line)
		return n
	}
	d.command(f, line, emit)
	return n
}

// answersChallenge tells that the client's line belongs to an authentication.
func (d *pop3Decoder) answersChallenge() bool {
	if !d.login.on || d.asked != pop3Auth {
		return false
	}
	n := len(d.pending)
	return n > 0 && d.pending[n-1].verb == pop3Auth || d.login.left > 0
}

func (d *pop3Decoder) command(f *sensor.Flow, line []byte, emit sensor.Emit) {
	word, rest, _ := bytes.Cut(bytes.TrimRight(line, " \t"), []byte{' '})
	verb, known := pop3Other, false
	for i := range pop3Verbs {
		if equalFold(word, pop3Verbs[i].name) {
			verb, known = pop3Verbs[i].verb, true
			d.lost = 0
		}
	}
	if !known && len(line) == 0 {
		return
	}
	rest = trimBlank(rest)
	d.asked = verb
	switch verb {
	case pop3User:
		d.login.end(f, &d.session, records.AuthUnknown, "", emit)
		d.login.named("USER", loginName(rest), records.AuthPassword, f.Now)
	case pop3APOP:
		name, _, _ := bytes.Cut(rest, []byte{' '})
		d.login.end(f, &d.session, records.AuthUnknown, "", emit)
		d.login.named("APOP", loginName(name), records.AuthChallenge, f.Now)
	case pop3Auth:
		d.login.end(f, &d.session, records.AuthUnknown, "", emit)
		if mechanism, initial, _ := bytes.Cut(rest, []byte{' '}); len(mechanism) > 0 {
			d.login.begin(mechanism, trimBlank(initial), f.Now)
		} else {
			verb = pop3List // lists the mechanisms
		}
	}
	if f.LastFrom(d.client.Other()) == 0 {
		return // no answer will come
	}
	if len(d.pending) >= maxPOP3Pending {
		d.session.note(oddPending)
		d.pending = append(d.pending[:0], d.pending[1:]...)
	}
	d.pending = append(d.pending, pop3Pending{verb, len(rest) == 0, f.Now})
}
