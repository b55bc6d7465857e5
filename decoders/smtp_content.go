package decoders

import (
	"bytes"
	"strconv"

	"kagami/records"
	"kagami/sensor"
)

// awaitOctets reads what follows DATA before its answer is seen. A client whose
// server is not visible may have been refused: then a command follows.
func (d *smtpDecoder) awaitOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	if f.LastFrom(d.client.Other()) != 0 {
		d.beginContent(f)
		return 0
	}
	line, n, ok := d.up.next(data)
	if !ok {
		return n
	}
	if verb, _, rest, ok := smtpVerbOf(line); ok && isBareCommand(verb, rest) {
		d.mode = smtpCommand
		d.command(f, line, emit)
		return n
	}
	line = append([]byte(nil), line...)
	d.beginContent(f)
	for line = append(line, "\r\n"...); len(line) > 0; {
		line = line[d.clientOctets(f, line, emit):]
	}
	return n
}

// isBareCommand tells whether a line can hardly be a message's first.
func isBareCommand(verb smtpVerb, rest []byte) bool {
	switch verb {
	case verbReset, verbQuit:
		return len(rest) == 0
	case verbMail:
		return len(rest) > 5 && equalFold(rest[:5], "from:")
	}
	return false
}

// beginContent follows the go-ahead for DATA, or the first BDAT.
func (d *smtpDecoder) beginContent(f *sensor.Flow) {
	x := d.current(f)
	if d.mode != smtpChunk {
		d.mode, d.dots, d.up.held = smtpData, newDotReader(), d.up.held[:0]
	}
	if x.mime != nil {
		return
	}
	x.r.State = records.MailMessage
	if !x.r.Envelope.Seen && !d.unsure && f.LastFrom(d.client) != 0 {
		d.note(oddNoEnvelope)
	}
	x.mime = newMIMEReader(d.files, fileOf{Source: d.session.protocol, Depth: x.r.Depth}, d.client)
	x.mime.message(x.r)
}

// dataOctets reads a message that a dot ends.
func (d *smtpDecoder) dataOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	out, n, end := d.dots.next(data)
	d.content(f, out, emit)
	if end {
		if d.dots.odd {
			d.note(oddDotLineEnd)
		}
		d.endContent(f, true, emit)
		d.expectMessage(f)
	}
	return n
}

// content gives octets of a message to its reader.
func (d *smtpDecoder) content(f *sensor.Flow, b []byte, emit sensor.Emit) {
	if len(b) == 0 {
		return
	}
	x := d.cur
	if x.r.Content == 0 {
		x.r.Content = f.Now
	}
	x.r.Size += int64(len(b))
	x.r.End = f.Now
	x.mime.write(f, b, emit)
}

// endContent ends the message; whole says that its end was seen.
func (d *smtpDecoder) endContent(f *sensor.Flow, whole bool, emit sensor.Emit) {
	d.mode = smtpCommand
	x := d.cur
	if x == nil || x.mime == nil {
		return
	}
	x.r.End = f.Now
	x.r.Complete = whole && !x.gap
	x.mime.close(f, x.r.Complete, emit)
	x.kept += x.mime.told
	x.mime = nil
}

// expectMessage waits for the answer to a message: LMTP has one for each recipient
// that was accepted (RFC 2033 section 4.2).
func (d *smtpDecoder) expectMessage(f *sensor.Flow) {
	n := 1
	if d.session.protocol == "lmtp" {
		n = max(1, len(d.cur.r.Accepted()))
	}
	for range n {
		d.push(f, verbMessage, -1)
	}
	d.end()
}

// bdat reads "BDAT size [LAST]" (RFC 3030 section 2). A size that no server takes
// is refused, and no octets follow.
func (d *smtpDecoder) bdat(f *sensor.Flow, rest []byte, emit sensor.Emit) {
	x := d.current(f)
	word := bytes.Fields(rest)
	var size int64
	err := strconv.ErrSyntax
	if len(word) == 1 || len(word) == 2 && equalFold(word[1], "last") {
		size, err = strconv.ParseInt(string(word[0]), 10, 64)
	}
	if err != nil || size < 0 || word[0][0] == '+' {
		d.note(oddSMTPBDAT)
		d.push(f, verbOther, -1)
		return
	}
	d.mode, d.left, d.last = smtpChunk, size, len(word) == 2
	x.r.Chunked = true
	d.beginContent(f)
	if size == 0 {
		d.endChunk(f, emit)
	}
}

func (d *smtpDecoder) chunkOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	n := int(min(int64(len(data)), d.left))
	d.content(f, data[:n], emit)
	if d.left -= int64(n); d.left == 0 {
		d.endChunk(f, emit)
	}
	return n
}

func (d *smtpDecoder) endChunk(f *sensor.Flow, emit sensor.Emit) {
	d.mode = smtpCommand
	if !d.last {
		d.push(f, verbChunk, -1)
		return
	}
	d.endContent(f, true, emit)
	d.expectMessage(f)
}
