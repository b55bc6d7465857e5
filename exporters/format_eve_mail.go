package exporters

import (
	"strings"

	"kagami/records"
)

// mail is an SMTP or LMTP transaction, or a message that POP3 or IMAP delivered:
// Suricata has the message's header section in "email" next to the protocol's own
// object.
func (f *eve) mail(r *records.Mail) bool {
	smtp := r.Protocol == "smtp" || r.Protocol == "lmtp"
	if !smtp && r.Protocol != "pop3" {
		return false
	}
	if smtp {
		f.head(r.Meta(), "smtp")
	} else {
		f.head(r.Meta(), "pop3")
	}
	if r.Depth > 0 {
		f.int("tx_id", int64(r.Depth-1))
	}
	if smtp {
		f.envelope(r)
	}
	f.email(r)
	return true
}

func (f *eve) envelope(r *records.Mail) {
	n := f.begin("smtp")
	f.str("helo", r.Helo)
	e := &r.Envelope
	if e.Seen {
		f.key("mail_from")
		f.b = append(f.b, `"<`...)
		f.b = appendJSONText(f.b, e.From)
		f.b = append(f.b, `>"`...)
	}
	to := f.array("rcpt_to")
	for i := range e.Recipients {
		f.next()
		f.b = append(f.b, `"<`...)
		f.b = appendJSONText(f.b, e.Recipients[i].Address)
		f.b = append(f.b, `>"`...)
	}
	f.end(to)
	f.end(n)
}

func (f *eve) email(r *records.Mail) {
	if r.State != records.MailMessage {
		return
	}
	h := &r.Header
	n := f.begin("email")
	if r.Complete {
		f.word("status", "PARSE_DONE")
	} else {
		f.word("status", "PARSE_ERROR")
	}
	if len(h.From) > 0 {
		f.str("from", h.From[0].Text)
	}
	f.entries("to", h.To)
	f.entries("cc", h.Cc)
	f.str("subject", h.Subject)
	f.str("date", h.Date)
	f.str("message_id", h.MessageID)
	f.str("x_mailer", h.XMailer)
	f.strs("received", h.Received)
	f.strs("url", r.URLs)
	names := f.array("attachment")
	for i := range r.Parts {
		if p := &r.Parts[i]; p.Attached() && p.Name != "" {
			f.next()
			f.b = appendJSONString(f.b, p.Name)
		}
	}
	f.end(names)
	f.end(n)
}

// entries writes the entries of an address field as a person reads them.
func (f *eve) entries(name string, list []records.MailAddress) {
	n := f.array(name)
	for i := range list {
		f.next()
		f.b = appendJSONString(f.b, list[i].Text)
	}
	f.end(n)
}

// file is a file in transit; its sender is the source.
func (f *eve) file(r *records.File) {
	f.headFrom(r.Meta(), "fileinfo", !r.FromClient)
	f.str("app_proto", r.Source)
	if r.Source == "http" {
		n := f.begin("http")
		f.str("hostname", r.Host)
		f.str("url", r.URL)
		f.end(n)
	}
	n := f.begin("fileinfo")
	f.str("filename", eveFileName(r))
	f.str("magic", r.Magic)
	f.bool("gaps", r.Missing > 0)
	if r.Complete {
		f.word("state", "CLOSED")
	} else {
		f.word("state", "TRUNCATED")
	}
	f.str("md5", r.MD5)
	f.str("sha1", r.SHA1)
	f.str("sha256", r.SHA256)
	f.bool("stored", false)
	f.int("size", max(r.Seen, 0)+max(r.Missing, 0))
	if r.Depth > 0 {
		f.int("tx_id", int64(r.Depth-1))
	}
	f.end(n)
}

// fileName is the name of a file, or else the place it came from.
func fileName(r *records.File) string {
	switch {
	case r.Name != "":
		return r.Name
	case r.Path != "":
		return r.Path
	}
	return r.URL
}

// eveFileName is the name that was declared, or else the whole path of the URL.
func eveFileName(r *records.File) string {
	if r.Name != "" && r.NameFrom != "url" || r.Source != "http" || r.URL == "" {
		return fileName(r)
	}
	_, rest, _ := strings.Cut(r.URL, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest = rest[i:]
	} else {
		rest = "/"
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}
