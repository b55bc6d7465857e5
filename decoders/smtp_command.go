package decoders

import (
	"bytes"
	"strconv"
	"strings"

	"kagami/records"
	"kagami/sensor"
)

// smtpVerb is a command, or the end of a message, which has an answer too.
type smtpVerb uint8

const (
	verbOther smtpVerb = iota
	verbHello
	verbMail
	verbRcpt
	verbData
	verbMessage // the end of the message
	verbChunk   // BDAT that is not the last
	verbReset
	verbQuit
	verbAuth
	verbTLS
	verbVerify
)

// smtpVerbs are the commands of RFC 5321 and its extensions.
var smtpVerbs = [...]struct {
	name string
	verb smtpVerb
}{
	{"rcpt", verbRcpt}, {"mail", verbMail}, {"data", verbData}, {"bdat", verbChunk}, {"ehlo", verbHello}, {"helo", verbHello},
	{"lhlo", verbHello}, {"rset", verbReset}, {"quit", verbQuit}, {"auth", verbAuth}, {"starttls", verbTLS}, {"noop", verbOther},
	{"vrfy", verbVerify}, {"expn", verbVerify}, {"help", verbOther}, {"etrn", verbOther}, {"turn", verbOther}, {"atrn", verbOther},
	{"send", verbMail}, {"soml", verbMail}, {"saml", verbMail}, {"xclient", verbOther}, {"xforward", verbOther},
	{"x-exps", verbAuth}, {"burl", verbOther}, {"x-anonymoustls", verbOther}, {"xexch50", verbOther},
}

// smtpVerbOf is the command that line begins with, and what follows it.
func smtpVerbOf(line []byte) (verb smtpVerb, name string, rest []byte, ok bool) {
	line = bytes.TrimRight(line, " \t")
	word := line
	if i := bytes.IndexAny(line, " \t:"); i >= 0 {
		word = line[:i]
	}
	for i := range smtpVerbs {
		if v := &smtpVerbs[i]; equalFold(word, v.name) {
			return v.verb, v.name, trimBlank(line[len(word):]), true
		}
	}
	return verbOther, "", nil, false
}

// clientOctets reads some of what the client sent and returns how many octets.
func (d *smtpDecoder) clientOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	switch d.mode {
	case smtpAwait:
		return d.awaitOctets(f, data, emit)
	case smtpData:
		return d.dataOctets(f, data, emit)
	case smtpChunk:
		return d.chunkOctets(f, data, emit)
	}
	// The answer to STARTTLS was not seen, or a client of SMTP within TLS met a server without.
	if len(d.up.held) == 0 && isTLSRecord(data) && (d.asked == verbTLS || d.asked == verbOther && !d.unsure && d.depth == 0) {
		d.enterTLS(f, emit)
		return 0
	}
	line, n, ok := d.up.next(data)
	if d.lost += n; d.up.long {
		d.note(oddMailLine)
	}
	if !ok {
		return n
	}
	if d.mode == smtpAuth && d.authLine(f, line, emit) {
		d.lost = 0
		return n
	}
	d.command(f, line, emit)
	return n
}

// isTLSRecord tells whether b begins a TLS handshake: no command begins with that
// octet.
func isTLSRecord(b []byte) bool { return b[0] == recordHandshake }

// command heeds one line of the client's.
func (d *smtpDecoder) command(f *sensor.Flow, line []byte, emit sensor.Emit) {
	verb, name, rest, ok := smtpVerbOf(line)
	if !ok && (d.unsure || len(line) == 0) {
		return
	}
	if ok {
		d.lost, d.unsure, d.asked = 0, false, verb
	}
	switch verb {
	case verbHello:
		d.end()
		s := &d.session
		s.hello, s.helo = strings.ToUpper(name), clipText(decodeText(rest, ""))
		if name == "lhlo" {
			s.protocol = "lmtp"
		}
	case verbMail:
		d.mailFrom(f, rest)
	case verbRcpt:
		d.rcptTo(f, rest)
		return
	case verbData:
		d.current(f)
		d.mode = smtpAwait
	case verbChunk:
		d.bdat(f, rest, emit)
		return
	case verbReset, verbQuit:
		d.end()
	case verbAuth:
		d.beginAuth(f, rest, emit)
	case verbVerify:
		d.verify(rest)
	}
	d.push(f, verb, -1)
}

// mailFrom begins a transaction: FROM:<path> and its parameters.
func (d *smtpDecoder) mailFrom(f *sensor.Flow, rest []byte) {
	x := d.newMail(f)
	e := &x.r.Envelope
	e.Seen = true
	path, params := smtpPath(rest)
	e.From = clipText(decodeText(path, ""))
	for _, p := range bytes.Fields(params) {
		name, value, _ := bytes.Cut(p, []byte{'='})
		switch {
		case equalFold(name, "size"):
			e.Size, _ = strconv.ParseInt(string(value), 10, 64)
			e.Size = max(0, e.Size)
		case equalFold(name, "body"):
			e.Body = strings.ToUpper(clipWord(clipText(string(value))))
		case equalFold(name, "smtputf8"):
			e.UTF8 = true
		case equalFold(name, "auth"):
			e.Auth = clipText(decodeText(xtext(value), ""))
		}
	}
}

// rcptTo adds a recipient.
func (d *smtpDecoder) rcptTo(f *sensor.Flow, rest []byte) {
	x := d.current(f)
	r := x.r
	if len(r.Envelope.Recipients) >= maxRecipients || x.kept > maxEnvelope {
		r.Dropped++
		d.note(oddRecipients)
		d.push(f, verbOther, -1)
		return
	}
	path, _ := smtpPath(rest)
	to := records.Recipient{Address: clipText(decodeText(path, ""))}
	r.Envelope.Recipients = append(r.Envelope.Recipients, to)
	x.kept += recipientCost + len(to.Address)
	d.push(f, verbRcpt, len(r.Envelope.Recipients)-1)
}

// smtpPath takes the path from "FROM:<path> parameters" or "TO:<path> ...", with or
// without angle brackets, and without a source route (RFC 5321 appendix C).
func smtpPath(rest []byte) (path, params []byte) {
	if i := bytes.IndexByte(rest, ':'); i >= 0 {
		rest = trimBlank(rest[i+1:])
	}
	if len(rest) == 0 || rest[0] != '<' {
		path, params, _ = bytes.Cut(rest, []byte{' '})
		return path, params
	}
	end, quoted := len(rest), false
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			end = i
		}
		if end < len(rest) {
			break
		}
	}
	path = rest[1:end]
	if end < len(rest) {
		params = rest[end+1:]
	}
	if len(path) > 0 && path[0] == '@' {
		if i := bytes.IndexByte(path, ':'); i >= 0 {
			path = path[i+1:]
		}
	}
	return path, params
}

// xtext decodes RFC 3461 section 4.
func xtext(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '+' && i+2 < len(b) {
			high, ok := hexDigit(b[i+1])
			low, also := hexDigit(b[i+2])
			if ok && also {
				out = append(out, high<<4|low)
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

func (d *smtpDecoder) verify(rest []byte) {
	list := &d.session.verified
	if d.cur != nil {
		list = &d.cur.r.Envelope.Verified
	}
	if len(*list) < maxVerified {
		*list = append(*list, clipText(decodeText(rest, "")))
	}
}
