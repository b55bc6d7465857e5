package exporters

import (
	"time"
	"unicode/utf8"

	"kagami/records"
)

// postfix writes the lines that Postfix's cleanup logs for a message when its
// header_checks warn of From, To, Subject, Content-Type and Content-Disposition:
// one line a header field, those of MIME parts and attached messages too.
//
//	Mmm dd HH:MM:SS host postfix/cleanup[pid]: QUEUEID: warning: header Name: value from unknown[ip]; from=<S> to=<R> proto=ESMTP helo=<H>
//
// The queue id is the server's own if it told one like Postfix's, else made from
// the record's id; the pid is always 1. to is the last recipient that was accepted.
type postfix struct {
	zone *time.Location
	host string

	mail *records.Mail // the record whose lines are due
	line int           // the next of them
}

const (
	maxHeaderText  = 200 // octets: cleanup cuts there
	maxMailAddress = 512 // octets of a sender, recipient or helo
)

func newPostfix(e Env) Format {
	return &postfix{zone: e.Location, host: string(hostChars.appendReplaced(nil, e.HostName, "localhost", maxHost))}
}

// add implements joiner.
func (f *postfix) add(rec records.Record) {
	f.mail, f.line = nil, 0
	if r, ok := rec.(*records.Mail); ok && r.Protocol == "smtp" {
		f.mail = r
	}
}

// rest implements joiner: nothing waits for another record.
func (f *postfix) rest() {}

// next implements joiner.
func (f *postfix) next(dst []byte) ([]byte, Line, bool) {
	if f.mail == nil || f.line >= len(f.mail.Header.Lines) {
		return dst, Line{}, false
	}
	dst = f.append(dst, f.mail, f.mail.Header.Lines[f.line])
	f.line++
	m := f.mail.Meta()
	return dst, Line{At: m.At, Kind: records.KindMail, Severity: SeverityInfo, Client: originator(m)}, true
}

// Append implements Format: it appends the first line.
func (f *postfix) Append(dst []byte, rec records.Record) ([]byte, bool) {
	f.add(rec)
	dst, _, ok := f.next(dst)
	return dst, ok
}

func (f *postfix) append(dst []byte, r *records.Mail, header string) []byte {
	m, e := r.Meta(), &r.Envelope
	dst = time.Unix(0, r.Content).In(f.zone).AppendFormat(dst, "Jan _2 15:04:05 ")
	dst = append(dst, f.host...)
	dst = append(dst, " postfix/cleanup[1]: "...)
	dst = appendQueueID(dst, r)
	dst = append(dst, ": warning: header "...)
	dst = appendPrintable(dst, header[:min(len(header), maxHeaderText)])
	dst = append(dst, " from unknown["...)
	dst = m.Client().Addr().AppendTo(dst)
	dst = append(dst, "]; from=<"...)
	dst = appendPrintable(dst, e.From[:min(len(e.From), maxMailAddress)])
	dst = append(dst, "> to=<"...)
	to := lastAccepted(e.Recipients)
	dst = appendPrintable(dst, to[:min(len(to), maxMailAddress)])
	dst = append(dst, "> proto="...)
	if r.Hello != "HELO" {
		dst = append(dst, 'E')
	}
	dst = append(dst, "SMTP helo=<"...)
	from := len(dst)
	dst = appendPrintable(dst, r.Helo[:min(len(r.Helo), maxMailAddress)])
	for i, c := range dst[from:] {
		if neutered[c] {
			dst[from+i] = '?'
		}
	}
	return append(dst, '>')
}

// neutered is what Postfix's smtpd does not let through in a helo name.
var neutered = charsOf(` <>()\";@`)

func lastAccepted(v []records.Recipient) string {
	for i := len(v) - 1; i >= 0; i-- {
		if !v[i].Refused() {
			return v[i].Address
		}
	}
	return ""
}

// appendPrintable appends s with "?" for controls, what else may end a line, and
// octets that are not UTF-8.
func appendPrintable(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == utf8.RuneError && n == 1 {
			dst = append(dst, '?')
		} else {
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst
}

// shortQueueID is the length of the queue id that is made.
const shortQueueID = 11

// appendQueueID appends a short queue id: five hexadecimal digits and more
// (enable_long_queue_ids = no).
func appendQueueID(dst []byte, r *records.Mail) []byte {
	if id := r.QueueID; len(id) >= 6 && len(id) <= 12 && hexDigits.all(id) {
		return append(dst, id...)
	}
	m := r.Meta()
	id := m.UID ^ uint64(m.Seq)<<20
	for i := shortQueueID - 1; i >= 0; i-- {
		dst = append(dst, upperHex[id>>(4*i)&15])
	}
	return dst
}

var hexDigits = charsOf(upperHex)
