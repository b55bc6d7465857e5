package decoders

import (
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	maxIMAPPending = 64  // commands without an answer; more, and the oldest is forgotten
	maxIMAPTag     = 64  // octets of a tag that are compared
	maxIMAPString  = 512 // octets of a string that is kept from a literal
	maxIMAPArgs    = 2   // of a command that are read: no other is of use
	maxIMAPStored  = 64  // messages of one APPEND (RFC 3502) that are told of

	oddIMAPStored = "too many messages in a command"
)

// imapProtocol is IMAP4rev1 (RFC 3501) and rev2 (RFC 9051) over TCP on any port.
func imapProtocol(files *files) sensor.Protocol {
	return sensor.Protocol{
		Name:      "imap",
		Transport: packet.ProtoTCP,
		Match:     matchIMAP,
		New:       func() sensor.Decoder { return &imapDecoder{files: files} },
	}
}

// imapDecoder reads one connection: logins, the messages that FETCH brings and
// those that APPEND stores.
type imapDecoder struct {
	files    *files
	began    bool
	client   packet.Side
	up, down imapStream
	session  mailSession
	login    loginAttempt
	pending  []imapPending // commands without an answer, oldest first
	asked    imapVerb      // the client's last command
	lost     int           // octets since something was understood
	depth    int
	inner    sensor.Decoder
	opaque   bool
}

// imapStream is one direction: lines, with literals between their pieces.
type imapStream struct {
	lines   mailLines
	literal int64     // octets to come of a literal
	kept    []byte    // of the literal, if it is a string that matters
	keep    bool      // it is
	goes    bool      // the next line goes on with the one before the literal
	x       *imapMail // the message that the literal is, or a part of which it was
	sends   bool      // the literal is x's
	command imapCommand
}

// imapCommand is the client's command under way.
type imapCommand struct {
	verb   imapVerb
	tag    string
	args   []string
	stored int // APPEND: messages begun
}

type imapVerb uint8

const (
	imapOther imapVerb = iota
	imapLogin
	imapAuthenticate
	imapStartTLS
	imapAppend
	imapCompress
	imapFetch
)

var imapVerbs = [...]struct {
	name string
	verb imapVerb
}{
	{"fetch", imapFetch}, {"uid", imapFetch}, {"noop", imapOther}, {"login", imapLogin}, {"authenticate", imapAuthenticate},
	{"starttls", imapStartTLS}, {"append", imapAppend}, {"compress", imapCompress}, {"capability", imapOther}, {"logout", imapOther},
	{"select", imapOther}, {"examine", imapOther}, {"create", imapOther}, {"delete", imapOther}, {"rename", imapOther},
	{"subscribe", imapOther}, {"unsubscribe", imapOther}, {"list", imapOther}, {"lsub", imapOther}, {"xlist", imapOther},
	{"status", imapOther}, {"check", imapOther}, {"close", imapOther}, {"expunge", imapOther}, {"search", imapOther},
	{"store", imapOther}, {"copy", imapOther}, {"move", imapOther}, {"idle", imapOther}, {"namespace", imapOther}, {"id", imapOther},
	{"enable", imapOther}, {"unselect", imapOther}, {"getquotaroot", imapOther}, {"getquota", imapOther}, {"getacl", imapOther},
	{"myrights", imapOther}, {"sort", imapOther}, {"thread", imapOther}, {"notify", imapOther}, {"xapplepushservice", imapOther},
}

// imapPending is a command that waits for its answer.
type imapPending struct {
	tag  string
	verb imapVerb
	x    *imapMail // APPEND's message
}

// imapMail is a message under way.
type imapMail struct {
	r      *records.Mail
	mime   *mimeReader
	number string // FETCH of a piece: of which message
	next   int64  // and the octet that would follow
	split  bool   // it comes in pieces: where it ends is not said
	head   bool   // only its header section came so far
	done   bool   // its last octet came
}

// Data implements sensor.Decoder.
func (d *imapDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	d.begin(f)
	for len(data) > 0 && !d.opaque {
		if d.inner != nil {
			return d.inner.Data(f, side, data, emit)
		}
		s := d.stream(side)
		if s.literal > 0 {
			data = data[d.literalOctets(f, s, data, emit):]
			continue
		}
		if side == d.client && len(s.lines.held) == 0 && isTLSRecord(data) && d.asked == imapStartTLS {
			d.enterTLS(f, emit) // the answer was not seen
			continue
		}
		line, n, ok := s.lines.next(data)
		if d.lost += n; s.lines.long {
			d.session.note(oddMailLine)
		}
		data = data[n:]
		switch {
		case !ok:
		case side == d.client:
			d.clientLine(f, line, emit)
		default:
			d.serverLine(f, line, emit)
		}
	}
	if d.opaque || d.lost > maxMailLost {
		return sensor.Done
	}
	return sensor.More
}

func (d *imapDecoder) begin(f *sensor.Flow) {
	if d.began {
		return
	}
	d.began, d.client = true, f.Orig
	d.session.protocol, d.session.start = "imap", f.Now
	f.Label("imap", "")
}

func (d *imapDecoder) stream(side packet.Side) *imapStream {
	if side == d.client {
		return &d.up
	}
	return &d.down
}

// Gap implements sensor.Decoder.
func (d *imapDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	d.begin(f)
	if d.inner != nil {
		return d.inner.Gap(f, side, n)
	}
	s := d.stream(side)
	k := min(int64(n), s.literal)
	if k > 0 && s.sends {
		s.x.mime.gap(f, k)
		s.x.r.Gap = true
		s.x.r.Missing += k
	}
	if s.literal -= k; k > 0 && s.literal == 0 {
		s.keep = false
		if s.sends {
			s.sends, s.x.done = false, true // written with the next line
		}
	}
	if int64(n) > k {
		s.lines.lose()
		s.goes = false
	}
	return sensor.More
}

// Close implements sensor.Decoder.
func (d *imapDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	if !d.began {
		return
	}
	if d.inner != nil {
		d.inner.Close(f, emit)
	}
	d.endMail(f, &d.up, emit)
	for _, p := range d.pending {
		d.tell(f, p.x, emit)
	}
	d.endMail(f, &d.down, emit)
	d.login.end(f, &d.session, records.AuthUnknown, "", emit)
	if d.session.leftOut() {
		d.session.tellAlone(f, 1, emit)
	}
}

// literalOctets reads some of a literal (RFC 3501 section 4.3).
func (d *imapDecoder) literalOctets(f *sensor.Flow, s *imapStream, data []byte, emit sensor.Emit) int {
	n := int(min(int64(len(data)), s.literal))
	d.lost = 0
	if s.sends {
		x := s.x
		if x.r.Content == 0 {
			x.r.Content = f.Now
		}
		x.r.Size += int64(n)
		x.r.End = f.Now
		x.mime.write(f, data[:n], emit)
	} else if s.keep && len(s.kept) < maxIMAPString {
		s.kept = append(s.kept, data[:min(n, maxIMAPString-len(s.kept))]...)
	}
	if s.literal -= int64(n); s.literal > 0 {
		return n
	}
	if s.keep {
		s.command.args = append(s.command.args, string(s.kept))
		s.kept, s.keep = s.kept[:0], false
	}
	if s.sends {
		s.sends, s.x.done = false, true
		if s == &d.down && !s.x.split && !s.x.head {
			d.endMail(f, s, emit)
		}
	}
	return n
}

// newMail begins a message that s carries.
func (d *imapDecoder) newMail(f *sensor.Flow, s *imapStream) *imapMail {
	d.depth++
	from := d.client
	if s == &d.down {
		from = d.client.Other()
	}
	r := &records.Mail{State: records.MailMessage, Depth: d.depth, Start: f.Now, End: f.Now}
	x := &imapMail{r: r, mime: newMIMEReader(d.files, fileOf{Source: "imap", Depth: d.depth}, from)}
	x.mime.message(r)
	s.x = x
	return x
}

// endMail ends the message that s carries. A stored one is written when the server
// has answered.
func (d *imapDecoder) endMail(f *sensor.Flow, s *imapStream, emit sensor.Emit) {
	x := s.x
	if x == nil {
		return
	}
	s.x, s.sends = nil, false
	x.r.Complete = x.done && !x.r.Gap && !x.split && !x.head
	x.mime.close(f, x.r.Complete, emit)
	if s == &d.down || f.LastFrom(d.client.Other()) == 0 {
		d.tell(f, x, emit)
		return
	}
	for i := range d.pending {
		if d.pending[i].x == x {
			return
		}
	}
	d.tell(f, x, emit)
}

func (d *imapDecoder) tell(f *sensor.Flow, x *imapMail, emit sensor.Emit) {
	if x != nil {
		d.session.tell(f, x.r, emit)
	}
}

// enterTLS follows STARTTLS: what comes now is read by another decoder.
func (d *imapDecoder) enterTLS(f *sensor.Flow, emit sensor.Emit) {
	d.inner = d.session.enterTLS(f, d.depth+1, emit)
	d.opaque = d.inner == nil
}
