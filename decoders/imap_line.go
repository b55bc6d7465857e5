package decoders

import (
	"bytes"
	"strconv"

	"kagami/records"
	"kagami/sensor"
)

// literalAt reads "{n}", "{n+}" or "~{n}" at the end of a line: where it begins,
// and the size.
func literalAt(line []byte) (at int, size int64, ok bool) {
	if len(line) < 3 || line[len(line)-1] != '}' {
		return 0, 0, false
	}
	at = bytes.LastIndexByte(line, '{')
	if at < 0 {
		return 0, 0, false
	}
	digits := bytes.TrimSuffix(line[at+1:len(line)-1], []byte{'+'})
	size, err := strconv.ParseInt(string(digits[:min(len(digits), 20)]), 10, 64)
	if err != nil || size < 0 || digits[0] == '+' {
		return 0, 0, false
	}
	return at, size, true
}

// clientLine heeds a line of the client's, or what follows a literal in it.
func (d *imapDecoder) clientLine(f *sensor.Flow, line []byte, emit sensor.Emit) {
	s := &d.up
	if !s.goes {
		if d.answersChallenge() {
			d.lost = 0
			d.login.answer(line)
			return
		}
		if !d.command(f, line, emit) {
			return
		}
		_, rest, _ := bytes.Cut(line, []byte{' '})
		_, line, _ = bytes.Cut(rest, []byte{' '})
	}
	s.goes = false
	if d.beginLiteral(f, s, line, emit) {
		return
	}
	c := &s.command
	if c.verb == imapLogin || c.verb == imapAuthenticate {
		c.add(line)
	}
	d.commandEnds(f, emit)
}

// beginLiteral heeds a line that a literal follows.
func (d *imapDecoder) beginLiteral(f *sensor.Flow, s *imapStream, line []byte, emit sensor.Emit) bool {
	at, size, ok := literalAt(line)
	if !ok {
		return false
	}
	c := &s.command
	s.goes, s.literal = true, size
	switch c.verb {
	case imapLogin:
		c.add(line[:at])
		s.keep, s.kept = len(c.args) < maxIMAPArgs, s.kept[:0]
		if size == 0 && s.keep {
			c.args, s.keep = append(c.args, ""), false
		}
	case imapAppend:
		if bytes.HasPrefix(line, []byte{'{'}) && len(c.args) == 0 {
			c.args = append(c.args, "") // the mailbox itself is a literal
			break
		}
		d.endMail(f, s, emit)
		switch {
		case size == 0:
		case c.stored == maxIMAPStored:
			d.session.note(oddIMAPStored)
		default:
			c.stored++
			d.newMail(f, s)
			s.sends = true
		}
		if len(c.args) < maxIMAPArgs {
			c.args = append(c.args, "")
		}
	}
	return true
}

// command begins a command; false: the line is none.
func (d *imapDecoder) command(f *sensor.Flow, line []byte, emit sensor.Emit) bool {
	d.endMail(f, &d.up, emit)
	tag, rest, ok := bytes.Cut(line, []byte{' '})
	word, _, _ := bytes.Cut(rest, []byte{' '})
	verb, known := imapVerbOf(word)
	if !ok || !known || len(tag) == 0 || len(tag) > maxIMAPTag {
		return false
	}
	d.lost, d.asked = 0, verb
	d.up.command = imapCommand{verb: verb, tag: string(tag)}
	return true
}

func imapVerbOf(word []byte) (imapVerb, bool) {
	for i := range imapVerbs {
		if equalFold(word, imapVerbs[i].name) {
			return imapVerbs[i].verb, true
		}
	}
	return imapOther, false
}

// commandEnds heeds a command that is complete.
func (d *imapDecoder) commandEnds(f *sensor.Flow, emit sensor.Emit) {
	c, x := &d.up.command, d.up.x
	switch c.verb {
	case imapLogin:
		d.login.end(f, &d.session, records.AuthUnknown, "", emit)
		user := ""
		if len(c.args) > 0 {
			user = loginName([]byte(c.args[0]))
		}
		d.login.named("LOGIN", user, records.AuthPassword, f.Now)
	case imapAuthenticate:
		d.login.end(f, &d.session, records.AuthUnknown, "", emit)
		if len(c.args) > 0 {
			initial := ""
			if len(c.args) > 1 {
				initial = c.args[1]
			}
			d.login.begin([]byte(c.args[0]), []byte(initial), f.Now)
		}
	}
	if f.LastFrom(d.client.Other()) != 0 {
		if len(d.pending) >= maxIMAPPending {
			d.session.note(oddPending)
			d.tell(f, d.pending[0].x, emit)
			d.pending = append(d.pending[:0], d.pending[1:]...)
		}
		d.pending = append(d.pending, imapPending{c.tag, c.verb, x})
	}
	c.args = nil
	d.endMail(f, &d.up, emit)
}

// answersChallenge tells that the client's line belongs to an authentication.
func (d *imapDecoder) answersChallenge() bool {
	if !d.login.on || d.asked != imapAuthenticate {
		return false
	}
	for i := range d.pending {
		if d.pending[i].verb == imapAuthenticate {
			return true
		}
	}
	return d.login.left > 0
}

// add takes the atoms and quoted strings of b (RFC 3501 section 9), as far as they
// are read.
func (c *imapCommand) add(b []byte) {
	for b = trimBlank(b); len(b) > 0 && len(c.args) < maxIMAPArgs; b = trimBlank(b) {
		if b[0] != '"' {
			word, rest, _ := bytes.Cut(b, []byte{' '})
			c.args, b = append(c.args, string(word)), rest
			continue
		}
		var value []byte
		i := 1
		for ; i < len(b) && b[i] != '"'; i++ {
			if b[i] == '\\' && i+1 < len(b) {
				i++
			}
			value = append(value, b[i])
		}
		c.args, b = append(c.args, string(value)), b[min(len(b), i+1):]
	}
}

// serverLine heeds a line of the server's, or what follows a literal in it.
func (d *imapDecoder) serverLine(f *sensor.Flow, line []byte, emit sensor.Emit) {
	s := &d.down
	if x := s.x; x != nil && x.done && !x.split && !x.head { // a gap ended it
		d.endMail(f, s, emit)
	}
	goes := s.goes
	s.goes = false
	if at, size, ok := literalAt(line); ok {
		s.goes, s.literal = true, size
		number, _, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("* ")), []byte{' '})
		if goes {
			number = []byte(s.command.tag)
		} else {
			s.command.tag = string(number[:min(len(number), maxIMAPTag)])
		}
		d.fetched(f, line[:at], string(number), size, emit)
		return
	}
	if goes {
		return
	}
	tag, rest, _ := bytes.Cut(line, []byte{' '})
	word, text, _ := bytes.Cut(rest, []byte{' '})
	ok, no := equalFold(word, "ok"), equalFold(word, "no") || equalFold(word, "bad")
	switch {
	case len(tag) == 1 && (tag[0] == '*' || tag[0] == '+'):
		d.lost = 0
		if d.session.reply == "" && (ok || equalFold(word, "preauth") || equalFold(word, "bye")) {
			d.session.reply = clipText(decodeText(line, ""))
			d.session.banner = clipText(decodeText(text, ""))
		}
		if bytes.Contains(line, []byte("STARTTLS")) {
			d.session.offersTLS = true
		}
	case ok || no:
		d.lost = 0
		d.tagged(f, string(tag[:min(len(tag), maxIMAPTag)]), line, ok, emit)
	}
}

// tagged heeds the answer that ends a command.
func (d *imapDecoder) tagged(f *sensor.Flow, tag string, line []byte, ok bool, emit sensor.Emit) {
	text := clipText(decodeText(line, ""))
	d.session.reply = text
	if x := d.down.x; x != nil && x.head { // no text follows
		d.endMail(f, &d.down, emit)
	}
	for i := range d.pending {
		p := d.pending[i]
		if p.tag != tag {
			continue
		}
		d.pending = append(d.pending[:i], d.pending[i+1:]...)
		switch {
		case p.x != nil:
			p.x.r.Reply, p.x.r.End = text, f.Now
			d.tell(f, p.x, emit)
		case p.verb == imapLogin || p.verb == imapAuthenticate:
			result := records.AuthFailure
			if ok {
				result = records.AuthSuccess
			}
			d.login.end(f, &d.session, result, text, emit)
		case p.verb == imapStartTLS && ok:
			d.enterTLS(f, emit)
		case p.verb == imapCompress && ok: // RFC 4978
			d.session.compressed, d.opaque = true, true
			d.session.tellAlone(f, d.depth+1, emit)
		}
		return
	}
}

// fetched heeds what stands before a literal of the server's. Read are whole
// messages, pieces of them that follow each other, and a header section with the
// text that follows it.
func (d *imapDecoder) fetched(f *sensor.Flow, before []byte, number string, size int64, emit sensor.Emit) {
	s := &d.down
	item, origin := fetchItem(before)
	if item == imapNothing {
		return
	}
	x := s.x
	goes := x != nil && x.number == number && (item == imapPiece && origin > 0 && x.next == origin || item == imapText && x.head)
	if !goes {
		d.endMail(f, s, emit)
		if item == imapText || origin > 0 || size == 0 {
			return
		}
		x = d.newMail(f, s)
		x.number = number
	}
	x.split, x.head = item == imapPiece, item == imapHead
	x.next += size
	x.done = false
	s.sends = size > 0
}

// imapItem is what of a message a FETCH item is.
type imapItem uint8

const (
	imapNothing imapItem = iota
	imapWhole
	imapPiece // from an octet on
	imapHead
	imapText // without the header section
)

var imapItems = [...]struct {
	name string
	item imapItem
}{
	{"body[]", imapWhole}, {"rfc822", imapWhole}, {"binary[]", imapWhole}, {"body[header]", imapHead},
	{"rfc822.header", imapHead}, {"body[text]", imapText}, {"rfc822.text", imapText},
}

// fetchItem reads the name of the FETCH item that before ends with (RFC 3501
// section 7.4.2). origin is -1 where there is none.
func fetchItem(before []byte) (item imapItem, origin int64) {
	name := bytes.TrimRight(before, " ~")
	origin = -1
	if n := len(name); n > 0 && name[n-1] == '>' {
		at := bytes.LastIndexByte(name, '<')
		if at < 0 {
			return imapNothing, 0
		}
		v, err := strconv.ParseInt(string(name[at+1:n-1]), 10, 64)
		if err != nil || v < 0 {
			return imapNothing, 0
		}
		origin, name = v, name[:at]
	}
	for _, i := range imapItems {
		n := len(name) - len(i.name)
		if n < 0 || !equalFold(name[n:], i.name) || n > 0 && name[n-1] != ' ' && name[n-1] != '(' {
			continue
		}
		switch {
		case origin < 0:
			return i.item, -1
		case i.item == imapWhole:
			return imapPiece, origin
		}
	}
	return imapNothing, 0
}
