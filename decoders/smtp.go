package decoders

import (
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Limits of one SMTP connection. What they bound is attacker-controlled.
const (
	maxMailOpen    = 16        // transactions that wait for answers; more, and the oldest is written
	maxMailPending = 1024      // commands without an answer; more, and the oldest is forgotten
	maxRecipients  = 1024      // of one transaction that are told of
	maxEnvelope    = 256 << 10 // octets of them
	maxOpenOctets  = 1 << 20   // of what transactions tell that wait for answers; more, and the oldest is written
	maxVerified    = 64        // arguments of VRFY and EXPN that are told of
	maxMailLost    = 64 << 10  // octets without a command before the connection is given up
)

// Violations of RFC 5321: records.Mail.Odd.
const (
	oddSMTPReply  = "bad reply line"
	oddSMTPBDAT   = "bad chunk size"
	oddRecipients = "too many recipients"
	oddNoEnvelope = "message without envelope"
	oddPending    = "too many commands without an answer"
)

// smtpProtocol is SMTP (RFC 5321) and LMTP (RFC 2033) over TCP on any port.
func smtpProtocol(files *files) sensor.Protocol {
	return sensor.Protocol{
		Name:      "smtp",
		Transport: packet.ProtoTCP,
		Match:     matchSMTP,
		New:       func() sensor.Decoder { return &smtpDecoder{files: files} },
	}
}

// smtpDecoder reads one connection: the client's commands and messages, and the
// server's answers, which come in the order of the commands.
type smtpDecoder struct {
	files    *files
	began    bool
	client   packet.Side
	up, down mailLines
	mode     smtpMode
	unsure   bool     // commands were lost: what follows may not be one
	lost     int      // octets since the last command
	asked    smtpVerb // the client's last command

	session mailSession
	pending []smtpPending // commands without an answer, oldest first
	open    []*smtpMail   // transactions that are not written, oldest first
	cur     *smtpMail     // the one that commands add to, nil between transactions
	depth   int           // transactions begun

	dots  dotReader
	left  int64 // octets to come of a BDAT chunk
	last  bool  // the chunk is the message's last
	login loginAttempt
	code  int            // of a reply of several lines
	inner sensor.Decoder // reads what STARTTLS protects
}

// smtpMode is what the client's next octet belongs to.
type smtpMode uint8

const (
	smtpCommand smtpMode = iota
	smtpAuth             // answers of an authentication
	smtpAwait            // DATA was sent, its answer not seen yet
	smtpData             // message, ended by a dot
	smtpChunk            // message, of known length
	smtpTLS
	smtpOpaque // nothing more can be read
)

// smtpMail is a transaction that is not written yet.
type smtpMail struct {
	r       *records.Mail
	mime    *mimeReader
	waiting int  // commands without an answer
	ended   bool // nothing can be added but answers
	answers int  // LMTP: recipients whose answer to the message came
	kept    int  // octets of recipients, and of what the message told
	gap     bool // octets of the message were lost
}

// Data implements sensor.Decoder.
func (d *smtpDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	d.begin(f)
	if d.mode == smtpTLS {
		return d.inner.Data(f, side, data, emit)
	}
	if d.mode == smtpChunk && d.left == 0 { // a gap ended it
		d.endChunk(f, emit)
	}
	d.flush(f, emit)
	for len(data) > 0 && d.mode != smtpOpaque {
		if side != d.client {
			data = data[d.serverOctets(f, data, emit):]
		} else {
			data = data[d.clientOctets(f, data, emit):]
		}
		d.flush(f, emit) // at once, so that the order does not depend on segments
		if d.mode == smtpTLS && len(data) > 0 {
			return d.inner.Data(f, side, data, emit)
		}
	}
	if d.mode == smtpOpaque || d.lost > maxMailLost {
		return sensor.Done
	}
	return sensor.More
}

// begin settles who is the client by the first octets, before a tunnel's content
// may have another opinion.
func (d *smtpDecoder) begin(f *sensor.Flow) {
	if d.began {
		return
	}
	d.began, d.client = true, f.Orig
	d.session.protocol, d.session.start = "smtp", f.Now
	f.Label("smtp", "")
}

// Gap implements sensor.Decoder.
func (d *smtpDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	d.begin(f)
	switch {
	case d.mode == smtpTLS:
		return d.inner.Gap(f, side, n)
	case side != d.client:
		d.serverGap()
	default:
		d.clientGap(f, int64(n))
	}
	return sensor.More
}

// serverGap forgets what was asked: the answers are lost, or their order is.
func (d *smtpDecoder) serverGap() {
	d.down.lose()
	d.code = 0
	for _, p := range d.pending {
		p.answered()
	}
	d.pending = d.pending[:0]
	for _, x := range d.open {
		x.r.Gap = true
	}
}

func (d *smtpDecoder) clientGap(f *sensor.Flow, n int64) {
	if d.mode == smtpAwait {
		d.beginContent(f)
	}
	switch d.mode {
	case smtpData:
		d.contentGap(f, n)
		d.dots.gap()
	case smtpChunk:
		k := min(n, d.left)
		d.contentGap(f, k)
		if d.left -= k; n > k {
			d.up.lose()
			d.unsure = true
		}
	default:
		d.mode, d.unsure = smtpCommand, true
		d.up.lose()
		if d.cur != nil {
			d.cur.r.Gap = true
		}
	}
}

func (d *smtpDecoder) contentGap(f *sensor.Flow, n int64) {
	if x := d.cur; x != nil && x.mime != nil {
		x.mime.gap(f, n)
		x.gap, x.r.Gap = true, true
		x.r.Missing += n
	}
}

// Close implements sensor.Decoder.
func (d *smtpDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	if !d.began {
		return
	}
	if d.inner != nil {
		d.inner.Close(f, emit)
	}
	if d.mode == smtpData || d.mode == smtpChunk {
		d.endContent(f, false, emit)
	}
	d.endAuth(f, records.AuthUnknown, "", emit)
	d.end()
	for _, x := range d.open {
		x.waiting = 0
	}
	d.flush(f, emit)
	if d.depth == 0 && !d.session.tls || d.session.odd != "" {
		d.session.tellAlone(f, d.depth+1, emit)
	}
}

// newMail begins a transaction.
func (d *smtpDecoder) newMail(f *sensor.Flow) *smtpMail {
	d.end()
	d.depth++
	x := &smtpMail{r: &records.Mail{State: records.MailEnvelope, Depth: d.depth, Start: f.Now, End: f.Now}}
	x.r.Envelope.Verified, d.session.verified = d.session.verified, nil
	d.cur, d.open = x, append(d.open, x)
	return x
}

// current is the transaction that a command adds to; one begins with it where the
// MAIL was not seen.
func (d *smtpDecoder) current(f *sensor.Flow) *smtpMail {
	if d.cur == nil {
		return d.newMail(f)
	}
	return d.cur
}

// end ends the transaction under way: only answers to it can follow.
func (d *smtpDecoder) end() {
	if d.cur != nil {
		d.cur.ended = true
		d.cur = nil
	}
}

// flush writes what is complete, in order.
func (d *smtpDecoder) flush(f *sensor.Flow, emit sensor.Emit) {
	if len(d.open) == 0 || !d.open[0].ended {
		return
	}
	n, kept := 0, 0
	for _, x := range d.open {
		kept += x.kept
	}
	for _, x := range d.open {
		alone := f.LastFrom(d.client.Other()) == 0 // no answer will come
		if !x.ended || x.waiting > 0 && !alone && len(d.open)-n <= maxMailOpen && kept <= maxOpenOctets {
			break
		}
		kept -= x.kept
		d.session.tell(f, x.r, emit)
		x.r = &records.Mail{} // a late answer changes nothing that was written
		n++
	}
	d.open = append(d.open[:0], d.open[n:]...)
}

// note keeps the first violation, for the transaction under way or the next one.
func (d *smtpDecoder) note(odd string) {
	if d.cur == nil {
		d.session.note(odd)
	} else if d.cur.r.Odd == "" {
		d.cur.r.Odd = odd
	}
}
