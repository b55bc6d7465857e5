package records

import (
	"net/netip"
	"strings"
)

// Mail is one mail transaction: an SMTP or LMTP envelope with the message that
// followed, or a message that POP3 or IMAP delivered. A connection on which
// no transaction began has one record too, which tells of the greeting.
//
// Header values are in UTF-8: encoded words (RFC 2047) and raw octets of other
// charsets are decoded.
type Mail struct {
	meta Meta

	Protocol string // "smtp", "lmtp", "pop3", "imap"
	State    MailState
	Depth    int   // 1-based number of the record on its connection
	Start    int64 // first octet of the transaction, nanoseconds since the epoch
	Content  int64 // first octet of the message, 0 = none seen
	End      int64 // last octet of the transaction

	// The session.
	Banner     string // the server's greeting, without its code
	Hello      string // "EHLO", "HELO" or "LHLO"
	Helo       string // what the client calls itself
	OffersTLS  bool   // the server offers STARTTLS
	TLS        bool   // STARTTLS was accepted: what follows is encrypted
	User       string // who logged in on this connection, "" if nobody did
	Encryption string // "" or what made the rest unreadable: "tls", "deflate"

	Envelope Envelope
	Reply    string // last line of the server's last answer, with its code
	Status   int    // code of the answer to the message, 0 = not seen
	QueueID  string // by which the server says that it keeps the message

	// The message.
	Size     int64 // octets of content that were seen, transparency removed
	Missing  int64 // octets of content lost to the sensor
	Complete bool  // every octet was seen
	Chunked  bool  // it came by BDAT (RFC 3030)
	Header   MailHeader
	Parts    []MailPart // leaves of the MIME tree, in order
	URLs     []string   // in the text parts, in order, each once

	Dropped int    // recipients, parts and headers beyond the limits
	Gap     bool   // octets were lost inside the transaction
	Odd     string // first violation of the protocol met, "" if none
}

// MailState tells how far a transaction came.
type MailState uint8

const (
	MailSession  MailState = iota // no transaction began
	MailEnvelope                  // no message followed
	MailMessage                   // a message, or the answer to one
)

func (s MailState) String() string {
	return [...]string{"mail-session", "mail-envelope", "mail-message"}[s]
}

// Envelope is what MAIL and RCPT say (RFC 5321 section 3.3).
type Envelope struct {
	Seen       bool   // MAIL was seen
	From       string // reverse-path without its brackets, "" is the null one
	Size       int64  // SIZE that the client declares (RFC 1870), 0 = none
	Body       string // BODY: "8BITMIME" ...
	UTF8       bool   // SMTPUTF8 (RFC 6531)
	Auth       string // AUTH: who submitted it (RFC 4954 section 5)
	Recipients []Recipient
	Verified   []string // arguments of VRFY and EXPN
	Pipelined  bool     // the client did not wait for answers (RFC 2920)
}

// Recipient is one RCPT.
type Recipient struct {
	Address string // forward-path without its brackets
	Code    int    // of the answer, 0 = not seen; LMTP: of the answer to the message
}

// Refused tells that the server did not take the recipient.
func (r *Recipient) Refused() bool { return r.Code >= 400 }

// MailHeader is what a message's header section says (RFC 5322).
type MailHeader struct {
	From, Sender, ReplyTo, To, Cc, Bcc []MailAddress

	Subject, Date, MessageID, InReplyTo string // ids as sent, brackets and all
	Sent                                int64  // Date, nanoseconds since the epoch, 0 = none or not readable
	References                          []string
	Received                            []string // topmost, that is the last hop's, first
	XMailer, UserAgent, XOriginatingIP  string
	ReturnPath, ListUnsubscribe         string
	ContentType                         string

	// Lines are fields of this and all inner header sections as sent, name and
	// all, folds as "\n": From, To, Subject, Content-Type, Content-Disposition.
	Lines []string
}

// MailAddress is one entry of a From, To or similar field.
type MailAddress struct {
	Text string // as a person reads it: "Aiko Mori <mori@example.jp>"
	Addr string // mori@example.jp
}

// MailPart is one leaf of the MIME tree (RFC 2045).
type MailPart struct {
	Path        string // position in the tree as IMAP numbers it: "2.1"
	Type        string // declared media type, lower case, "" if there is none
	Charset     string
	Encoding    string // Content-Transfer-Encoding in lower case
	Disposition string // "attachment", "inline", "form-data"
	Field       string // form-data: the field's name
	Name        string // file name as declared, in UTF-8
	ContentID   string
	Size        int64 // octets that were seen, transfer encoding removed
	Complete    bool

	File              FileRef
	MD5, SHA1, SHA256 string // lower-case hexadecimal, "" if not known
}

// Attached tells whether a reader of the mail is shown the part as a file.
func (p *MailPart) Attached() bool { return p.Name != "" || p.Disposition == "attachment" }

// NewMail returns a mail record that bears m.
func NewMail(m Meta) *Mail { m.Kind = KindMail; return &Mail{meta: m} }

// Stamp gives a record that was built up before it was due its header.
func (r *Mail) Stamp(m Meta) { m.Kind = KindMail; r.meta = m }

// Meta implements Record.
func (r *Mail) Meta() *Meta { return &r.meta }

// Origin is the address in X-Originating-IP, not valid if there is none.
func (h *MailHeader) Origin() netip.Addr {
	a, _ := address(strings.Trim(h.XOriginatingIP, "[] "))
	return a
}

// Accepted are the recipients that the server did not refuse.
func (r *Mail) Accepted() []string { return r.recipients(false) }

// Refused are the recipients that the server refused.
func (r *Mail) Refused() []string { return r.recipients(true) }

func (r *Mail) recipients(refused bool) (out []string) {
	for i := range r.Envelope.Recipients {
		if to := &r.Envelope.Recipients[i]; to.Refused() == refused {
			out = append(out, to.Address)
		}
	}
	return out
}

// AppendHops appends the addresses that the message came through: the server, the
// client and, from the last to the first, those that Received headers name as senders.
func (r *Mail) AppendHops(path []netip.Addr) []netip.Addr {
	path = append(path, r.meta.Server().Addr(), r.meta.Client().Addr())
	for _, line := range r.Header.Received {
		if a := receivedFrom(line); a.IsValid() && a != path[len(path)-1] {
			path = append(path, a)
		}
	}
	return path
}

func (e *Envelope) recipients(f *Fields, name string, refused bool) {
	at := f.open(List, name)
	for i := range e.Recipients {
		if to := &e.Recipients[i]; to.Refused() == refused {
			f.add("", String).Str = to.Address
		}
	}
	f.close(at)
}

// receivedFrom is the address in the from clause of a Received header: the last
// one in square brackets, else in parentheses (RFC 5321 section 4.4).
func receivedFrom(s string) netip.Addr {
	from, _, _ := strings.Cut(s, " by ")
	if !strings.HasPrefix(from, "from ") {
		return netip.Addr{}
	}
	for _, brackets := range [...]string{"[]", "()"} {
		open := strings.LastIndexByte(from, brackets[0])
		if open < 0 {
			continue
		}
		text, _, _ := strings.Cut(from[open+1:], brackets[1:])
		if a, ok := address(strings.TrimPrefix(text, "IPv6:")); ok {
			return a.Unmap()
		}
	}
	return netip.Addr{}
}

var categoryEmail = []string{"email"}

// AppendFields implements Record.
func (r *Mail) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	e := Event{Kind: "event", Category: categoryEmail, Type: typeInfo, Action: r.State.String(), Start: r.Start, End: r.End}
	switch {
	case r.Status >= 400:
		e.Outcome, e.Reason = "failure", r.Reply
	case r.Status != 0:
		e.Outcome = "success"
	}
	m.event(&f, e)
	if r.State != MailSession {
		r.email(&f)
	}
	m.network(&f, r.Protocol, 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	r.hashes(&f)
	m.related(&f)
	f.list("related.user", r.User)
	f.Str("user.name", r.User)
	f.Str("user_agent.original", r.Header.UserAgent)
	r.session(&f)
	r.message(&f)
	m.tail(&f)
	return f
}

// hashes appends those of what is attached.
func (r *Mail) hashes(f *Fields) {
	at := f.open(List, "related.hash")
	for i := range r.Parts {
		if p := &r.Parts[i]; p.Attached() {
			f.Str("", p.MD5)
			f.Str("", p.SHA1)
			f.Str("", p.SHA256)
		}
	}
	f.close(at)
}

// email appends email.*.
func (r *Mail) email(f *Fields) {
	h := &r.Header
	r.attachments(f)
	addresses(f, "email.bcc.address", h.Bcc)
	addresses(f, "email.cc.address", h.Cc)
	f.Str("email.content_type", mediaType(h.ContentType))
	f.Str("email.direction", r.meta.Direction())
	addresses(f, "email.from.address", h.From)
	f.Str("email.local_id", r.QueueID)
	f.Str("email.message_id", strings.Trim(h.MessageID, "<>"))
	f.Time("email.origination_timestamp", h.Sent)
	addresses(f, "email.reply_to.address", h.ReplyTo)
	if len(h.Sender) > 0 {
		f.Str("email.sender.address", h.Sender[0].Addr)
	}
	f.Str("email.subject", h.Subject)
	addresses(f, "email.to.address", h.To)
	f.Str("email.x_mailer", h.XMailer)
}

func addresses(f *Fields, name string, list []MailAddress) {
	at := f.open(List, name)
	for i := range list {
		f.Str("", list[i].Addr)
	}
	f.close(at)
}

func texts(f *Fields, name string, list []MailAddress) {
	at := f.open(List, name)
	for i := range list {
		f.add("", String).Str = list[i].Text
	}
	f.close(at)
}

// attachments appends email.attachments.
func (r *Mail) attachments(f *Fields) {
	mark := Begin
	for i := range r.Parts {
		p := &r.Parts[i]
		if !p.Attached() {
			continue
		}
		f.Mark(mark, "email.attachments")
		mark = Next
		f.Lower("file.extension", extension(p.Name))
		f.Str("file.hash.md5", p.MD5)
		f.Str("file.hash.sha1", p.SHA1)
		f.Str("file.hash.sha256", p.SHA256)
		f.Str("file.mime_type", p.mime())
		f.Str("file.name", p.Name)
		f.Int("file.size", p.Size)
	}
	if mark == Next {
		f.Mark(End, "email.attachments")
	}
}

// mime is the media type by content, else as declared.
func (p *MailPart) mime() string {
	if p.File.MIME != "" {
		return p.File.MIME
	}
	return p.Type
}

// session appends what ECS has no name for of the session and the envelope.
func (r *Mail) session(f *Fields) {
	e := &r.Envelope
	f.Str("kagami.mail.banner", r.Banner)
	f.Str("kagami.mail.body", e.Body)
	f.Int("kagami.mail.depth", int64(r.Depth))
	f.Count("kagami.mail.dropped", uint64(r.Dropped))
	f.Str("kagami.mail.encryption", r.Encryption)
	f.Flag("kagami.mail.gap", r.Gap)
	f.Str("kagami.mail.hello", r.Hello)
	f.Str("kagami.mail.helo", r.Helo)
	if e.Seen {
		at := f.open(Join, "kagami.mail.mail_from")
		f.Str("", "<")
		f.Str("", e.From)
		f.Str("", ">")
		f.close(at)
	}
	f.Str("kagami.mail.odd", r.Odd)
	f.Flag("kagami.mail.offers_tls", r.OffersTLS)
	f.Flag("kagami.mail.pipelined", e.Pipelined)
	e.recipients(f, "kagami.mail.rcpt_refused", true)
	e.recipients(f, "kagami.mail.rcpt_to", false)
	f.Str("kagami.mail.reply", r.Reply)
	f.Count("kagami.mail.size_declared", uint64(e.Size))
	f.Flag("kagami.mail.smtputf8", e.UTF8)
	f.Count("kagami.mail.status", uint64(r.Status))
	f.Str("kagami.mail.submitter", e.Auth)
	f.Flag("kagami.mail.tls", r.TLS)
	f.Strs("kagami.mail.verified", e.Verified)
}

// message appends what ECS has no name for of the message.
func (r *Mail) message(f *Fields) {
	if r.State != MailMessage {
		return
	}
	h := &r.Header
	f.Flag("kagami.mail.chunked", r.Chunked)
	f.Bool("kagami.mail.complete", r.Complete)
	f.Time("kagami.mail.content_start", r.Content)
	texts(f, "kagami.mail.header.bcc", h.Bcc)
	texts(f, "kagami.mail.header.cc", h.Cc)
	f.Str("kagami.mail.header.date", h.Date)
	texts(f, "kagami.mail.header.from", h.From)
	f.Str("kagami.mail.header.in_reply_to", h.InReplyTo)
	f.Str("kagami.mail.header.list_unsubscribe", h.ListUnsubscribe)
	f.Strs("kagami.mail.header.received", h.Received)
	f.Strs("kagami.mail.header.references", h.References)
	texts(f, "kagami.mail.header.reply_to", h.ReplyTo)
	f.Str("kagami.mail.header.return_path", h.ReturnPath)
	texts(f, "kagami.mail.header.sender", h.Sender)
	texts(f, "kagami.mail.header.to", h.To)
	f.Str("kagami.mail.header.x_originating_ip", h.XOriginatingIP)
	f.Count("kagami.mail.missing", uint64(r.Missing))
	r.parts(f)
	f.Int("kagami.mail.size", r.Size)
	f.Strs("kagami.mail.urls", r.URLs)
}

// parts appends every leaf of the MIME tree.
func (r *Mail) parts(f *Fields) {
	for i := range r.Parts {
		mark := Begin
		if i > 0 {
			mark = Next
		}
		f.Mark(mark, "kagami.mail.parts")
		p := &r.Parts[i]
		f.Str("charset", p.Charset)
		f.Bool("complete", p.Complete)
		f.Str("content_id", p.ContentID)
		f.Str("disposition", p.Disposition)
		f.Str("encoding", p.Encoding)
		f.Str("file_id", p.File.ID)
		f.Str("mime_type", p.File.MIME)
		f.Str("name", p.Name)
		f.Str("path", p.Path)
		f.Int("size", p.Size)
		f.Str("type", p.Type)
	}
	if len(r.Parts) > 0 {
		f.Mark(End, "kagami.mail.parts")
	}
}
