package decoders

import (
	"bytes"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// serverOctets reads some of a status line.
func (d *pop3Decoder) serverOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	line, n, ok := d.down.next(data)
	if d.lost += n; d.down.long {
		d.session.note(oddMailLine)
	}
	if !ok {
		return n
	}
	good := bytes.HasPrefix(line, []byte("+OK"))
	switch {
	case good || bytes.HasPrefix(line, []byte("-ERR")):
		d.lost = 0
		d.status(f, line, good, emit)
	case bytes.HasPrefix(line, []byte("+ ")): // a challenge
		d.lost = 0
	}
	return n
}

// status heeds "+OK text" or "-ERR text".
func (d *pop3Decoder) status(f *sensor.Flow, line []byte, good bool, emit sensor.Emit) {
	text := clipText(decodeText(line, ""))
	first := d.session.reply == ""
	d.session.reply = text
	if len(d.pending) == 0 {
		switch {
		case good && first && !bytes.Contains(line, []byte(" octets")):
			d.session.banner = clipText(decodeText(trimBlank(line[len("+OK"):]), ""))
		case good && f.LastFrom(d.client) == 0 && bytes.Contains(line, []byte(" octets")):
			d.beginMail(f, pop3Pending{verb: pop3Retr, since: f.Now}, text) // the client is not visible
		}
		return
	}
	p := d.pending[0]
	d.pending = append(d.pending[:0], d.pending[1:]...)
	switch p.verb {
	case pop3User:
		if !good {
			d.login.end(f, &d.session, records.AuthFailure, text, emit)
		}
	case pop3Pass, pop3APOP, pop3Auth:
		result := records.AuthFailure
		if good {
			result = records.AuthSuccess
		}
		d.login.end(f, &d.session, result, text, emit)
	case pop3TLS:
		if good {
			d.enterTLS(f, emit)
		}
	case pop3Retr, pop3Top:
		if good {
			d.beginMail(f, p, text)
		}
	case pop3List:
		if good && p.bare {
			d.listing, d.dots = true, newDotReader()
		}
	}
}

func (d *pop3Decoder) beginMail(f *sensor.Flow, p pop3Pending, text string) {
	d.depth++
	d.listing, d.dots = true, newDotReader()
	r := &records.Mail{State: records.MailMessage, Depth: d.depth, Start: p.since, End: f.Now, Reply: text}
	d.x = &pop3Mail{r: r, top: p.verb == pop3Top}
	d.x.mime = newMIMEReader(d.files, fileOf{Source: "pop3", Depth: d.depth, Part: d.x.top}, d.client.Other())
	d.x.mime.message(r)
}

// listOctets reads some of an answer of several lines.
func (d *pop3Decoder) listOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	out, n, end := d.dots.next(data)
	if x := d.x; x != nil && len(out) > 0 {
		if x.r.Content == 0 {
			x.r.Content = f.Now
		}
		x.r.Size += int64(len(out))
		x.r.End = f.Now
		x.mime.write(f, out, emit)
	}
	if end {
		d.endMail(f, true, emit)
	}
	return n
}

// endMail ends the answer under way, and the message that it is.
func (d *pop3Decoder) endMail(f *sensor.Flow, whole bool, emit sensor.Emit) {
	d.listing = false
	x := d.x
	if x == nil {
		return
	}
	d.x = nil
	if whole && d.dots.odd && x.r.Odd == "" {
		x.r.Odd = oddDotLineEnd
	}
	x.r.Complete = whole && !x.r.Gap && !x.top
	x.mime.close(f, x.r.Complete, emit)
	d.session.tell(f, x.r, emit)
}

// enterTLS follows STLS: what comes now is read by another decoder.
func (d *pop3Decoder) enterTLS(f *sensor.Flow, emit sensor.Emit) {
	d.inner = d.session.enterTLS(f, d.depth+1, emit)
	d.opaque = d.inner == nil
}

// matchPOP3 recognises POP3 by a greeting with text, or a command that no other
// protocol has; on its own port any status line or command will do.
func matchPOP3(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	if first[0] == '+' || first[0] == '-' {
		return matchPOP3Status(first, isPOP3Port(f.Key.Port(side)))
	}
	port := isPOP3Port(f.Key.Port(side.Other()))
	line, _, whole := bytes.Cut(first, []byte{'\n'})
	word, rest, blank := bytes.Cut(trimEOL(line), []byte{' '})
	if !whole && !blank && len(first) > len("retr\r") || !isMailText(first) {
		return sensor.No
	}
	known := false
	for i := range pop3Verbs {
		name := pop3Verbs[i].name
		known = known || equalFold(word, name)
		if !whole && !blank && len(word) <= len(name) && equalFold(word, name[:len(word)]) {
			return sensor.Maybe
		}
	}
	switch {
	case !known:
		return sensor.No
	case !whole:
		return sensor.Maybe
	case port, isPOP3Own(word, rest):
		return sensor.FromClient
	}
	return sensor.Maybe
}

// isPOP3Own tells of commands that FTP and SMTP do not have.
func isPOP3Own(word, rest []byte) bool {
	switch {
	case equalFold(word, "capa"), equalFold(word, "stls"), equalFold(word, "uidl"):
		return len(rest) == 0
	case equalFold(word, "apop"):
		return len(rest) > 32 && bytes.IndexByte(rest, ' ') > 0
	}
	return false
}

// matchPOP3Status wants a status line with text: Redis has "+OK" too, and nothing
// behind it.
func matchPOP3Status(b []byte, port bool) sensor.Match {
	for _, word := range [...]string{"+OK", "-ERR"} {
		n := min(len(b), len(word))
		if string(b[:n]) != word[:n] {
			continue
		}
		line, _, whole := bytes.Cut(b, []byte{'\n'})
		switch {
		case n < len(word):
			return sensor.Maybe
		case !isMailText(b):
			return sensor.No
		case port && len(b) > n:
			return sensor.FromServer
		case !whole && len(b) < sensor.MatchLimit:
			return sensor.Maybe
		case word == "+OK" && len(trimEOL(line)) > len("+OK "):
			return sensor.FromServer
		case word == "+OK":
			return sensor.Maybe
		}
	}
	return sensor.No
}

func isPOP3Port(port uint16) bool { return port == 110 || port == 1110 || port == 8110 }
