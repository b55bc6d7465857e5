package decoders

import (
	"bytes"
	"strings"

	"kagami/records"
	"kagami/sensor"
)

// smtpPending is a command that waits for its answer.
type smtpPending struct {
	verb smtpVerb
	x    *smtpMail // nil: of no transaction
	rcpt int       // index of the recipient, -1 for other commands
}

// push says that an answer is due. Where the server's side is not visible, none is.
func (d *smtpDecoder) push(f *sensor.Flow, verb smtpVerb, rcpt int) {
	x := d.cur
	if f.LastFrom(d.client.Other()) == 0 {
		return
	}
	if x != nil {
		x.waiting++
		if n := len(d.pending); n > 0 && d.pending[n-1].x == x && verb != verbMessage && verb != verbChunk {
			x.r.Envelope.Pipelined = true
		}
	}
	if len(d.pending) >= maxMailPending {
		d.pending[0].answered()
		d.pending = append(d.pending[:0], d.pending[1:]...)
		d.note(oddPending)
	}
	d.pending = append(d.pending, smtpPending{verb, x, rcpt})
}

func (p *smtpPending) answered() {
	if p.x != nil {
		p.x.waiting--
	}
}

// serverOctets reads some of what the server sent and returns how many octets.
func (d *smtpDecoder) serverOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	line, n, ok := d.down.next(data)
	if d.down.long {
		d.note(oddMailLine)
	}
	if !ok {
		return n
	}
	code, more, ok := replyCode(line)
	if !ok {
		if len(line) > 0 && d.code == 0 && !d.down.torn {
			d.badReply()
			d.lost += n
		}
		return n
	}
	text := line[min(len(line), 4):]
	d.replyText(code, text)
	if d.code = 0; more {
		d.code = code
		return n
	}
	d.reply(f, code, line, emit)
	return n
}

// badReply notes a line that is no reply where the next reply belongs.
func (d *smtpDecoder) badReply() {
	if len(d.pending) > 0 && d.pending[0].x != nil {
		if r := d.pending[0].x.r; r.Odd == "" {
			r.Odd = oddSMTPReply
		}
		return
	}
	d.note(oddSMTPReply)
}

// replyCode reads "250-text", "250 text" or "250" (RFC 5321 section 4.2).
func replyCode(line []byte) (code int, more, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return 0, false, false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	switch {
	case len(line) == 3 || line[3] == ' ':
		return code, false, true
	case line[3] == '-':
		return code, true, true
	}
	return 0, false, false
}

// replyText heeds each line of a reply.
func (d *smtpDecoder) replyText(code int, text []byte) {
	s := &d.session
	switch {
	case code == 220 && s.banner == "" && len(d.pending) == 0 && s.hello == "" && s.reply == "":
		s.banner = clipText(decodeText(text, ""))
		if lmtp := bytes.Contains(text, []byte("LMTP")); lmtp {
			s.protocol = "lmtp"
		}
	case code == 250 && equalFold(trimBlank(text), "starttls"):
		s.offersTLS = true
	}
}

// reply heeds a complete reply: its last line.
func (d *smtpDecoder) reply(f *sensor.Flow, code int, line []byte, emit sensor.Emit) {
	d.lost = 0
	text := clipText(decodeText(line, ""))
	d.session.reply = text
	p := smtpPending{rcpt: -1}
	if len(d.pending) > 0 {
		p = d.pending[0]
		if p.verb == verbAuth && code/100 == 3 {
			return // a challenge: the answer is still due
		}
		d.pending = append(d.pending[:0], d.pending[1:]...)
		p.answered()
	} else {
		d.unasked(f, &p, code, emit)
	}
	if x := p.x; x != nil {
		x.r.Reply, x.r.End = text, max(x.r.End, f.Now)
	}
	d.heed(f, p, code, text, emit)
}

// unasked finds out what a reply without a command answers: the end of a message
// whose dot was lost, or what a client said whose side is not visible.
func (d *smtpDecoder) unasked(f *sensor.Flow, p *smtpPending, code int, emit sensor.Emit) {
	x := d.cur
	switch {
	case d.mode == smtpData && x != nil && (x.gap || f.LastFrom(d.client) == 0):
		d.endContent(f, false, emit)
		p.verb, p.x = verbMessage, x
		d.end()
	case d.mode == smtpData:
		p.x = x // before the message is over
		if code >= 400 && x != nil {
			x.r.Status = code
		}
	case code == 354:
		p.verb, p.x = verbData, d.current(f)
	case x != nil && f.LastFrom(d.client) != 0:
		p.x = x
	}
}

// heed does what the answer to p asks for.
func (d *smtpDecoder) heed(f *sensor.Flow, p smtpPending, code int, text string, emit sensor.Emit) {
	x := p.x
	switch p.verb {
	case verbRcpt:
		if to := x.r.Envelope.Recipients; p.rcpt < len(to) { // not written already
			to[p.rcpt].Code = code
		}
	case verbData:
		switch {
		case code/100 != 3:
			x.r.Status = code
			if d.mode == smtpAwait {
				d.mode = smtpCommand
			}
		case d.mode == smtpAwait || d.mode == smtpCommand && x == d.cur:
			d.beginContent(f)
		}
	case verbMessage:
		d.accepted(x, code, text)
	case verbMail, verbChunk:
		if code >= 400 {
			x.r.Status = code
		}
	case verbTLS:
		if code == 220 {
			d.enterTLS(f, emit)
		}
	case verbAuth:
		result := records.AuthFailure
		if code/100 == 2 {
			result = records.AuthSuccess
		}
		d.endAuth(f, result, text, emit)
	}
}

// accepted heeds the answer to a message.
func (d *smtpDecoder) accepted(x *smtpMail, code int, text string) {
	if d.session.protocol == "lmtp" {
		to := x.r.Envelope.Recipients
		for x.answers < len(to) && to[x.answers].Refused() {
			x.answers++
		}
		if x.answers < len(to) {
			to[x.answers].Code = code
			x.answers++
		}
	}
	if x.r.Status == 0 || x.r.Status >= 400 {
		x.r.Status = code
	}
	if id := queueID(text); id != "" && code/100 == 2 {
		x.r.QueueID = id
	}
}

// maxQueueID bounds in octets a server's name for a message.
const maxQueueID = 64

// queueID is the name under which the server says that it keeps a message, as
// Postfix ("queued as 5C3009A6062") and Exim ("id=1Mugho-0003Dg-Un") tell it.
func queueID(text string) string {
	for _, before := range [...]string{"queued as ", "id="} {
		_, rest, ok := strings.Cut(text, before)
		if !ok {
			continue
		}
		n := 0
		for n < len(rest) && n < maxQueueID && (rest[n] == '-' || rest[n] == '.' || isToken(rest[n]) && rest[n] < 0x7f) {
			n++
		}
		return strings.TrimRight(rest[:n], ".")
	}
	return ""
}

// enterTLS follows STARTTLS (RFC 3207): what comes now is read by another decoder.
// A tunnel within a tunnel is not looked into.
func (d *smtpDecoder) enterTLS(f *sensor.Flow, emit sensor.Emit) {
	d.session.tls = true
	d.end()
	d.flush(f, emit)
	d.session.tellAlone(f, d.depth+1, emit)
	if f.InTunnel() {
		d.mode = smtpOpaque
		return
	}
	d.mode, d.inner = smtpTLS, f.EnterTunnel()
}
