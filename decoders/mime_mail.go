package decoders

import (
	"net/mail"
	"strings"

	"kagami/records"
)

const (
	maxMailFields = 128      // fields of one name of a message's own header section that are kept
	maxMailKept   = 16 << 10 // octets of them
	maxAddresses  = 1024     // of one message's header section
	maxReceived   = 32       // Received and References that are told
)

// mailField is a header field that matters.
type mailField uint8

const (
	fieldOther mailField = iota
	fieldContentType
	fieldDisposition
	fieldEncoding
	fieldContentID
	fieldFrom
	fieldSender
	fieldReplyTo
	fieldTo
	fieldCc
	fieldBcc
	fieldSubject
	fieldDate
	fieldMessageID
	fieldInReplyTo
	fieldReferences
	fieldReceived
	fieldXMailer
	fieldUserAgent
	fieldOriginatingIP
	fieldReturnPath
	fieldUnsubscribe
)

var mailFieldNames = [...]string{
	fieldContentType: "content-type", fieldDisposition: "content-disposition",
	fieldEncoding: "content-transfer-encoding", fieldContentID: "content-id",
	fieldFrom: "from", fieldSender: "sender", fieldReplyTo: "reply-to", fieldTo: "to", fieldCc: "cc", fieldBcc: "bcc",
	fieldSubject: "subject", fieldDate: "date", fieldMessageID: "message-id", fieldInReplyTo: "in-reply-to",
	fieldReferences: "references", fieldReceived: "received", fieldXMailer: "x-mailer", fieldUserAgent: "user-agent",
	fieldOriginatingIP: "x-originating-ip", fieldReturnPath: "return-path", fieldUnsubscribe: "list-unsubscribe",
}

func fieldKind(name []byte) mailField {
	for k := fieldContentType; int(k) < len(mailFieldNames); k++ {
		if equalFold(name, mailFieldNames[k]) {
			return k
		}
	}
	return fieldOther
}

// mailFields are the fields of a message's own header section. They are decoded
// when all are there: Content-Type may tell of which charset raw octets are.
type mailFields struct {
	octets  []byte
	fields  []keptField
	count   [len(mailFieldNames)]int // fields of each name
	size    [len(mailFieldNames)]int // their octets
	charset string
}

type keptField struct {
	kind     mailField
	from, to int // in octets
}

// keep copies a field; false: there are too many of its name. Others' fields take
// no room from it.
func (k *mailFields) keep(kind mailField, value []byte) bool {
	if k.count[kind] >= maxMailFields || k.size[kind]+len(value) > maxMailKept {
		return false
	}
	k.count[kind]++
	k.size[kind] += len(value)
	from := len(k.octets)
	k.octets = append(k.octets, value...)
	k.fields = append(k.fields, keptField{kind, from, len(k.octets)})
	return true
}

// fill says in the record what the fields say, and forgets them.
func (k *mailFields) fill(m *mimeReader, charset string) {
	k.charset = charset
	h := &m.mail.Header
	addresses := 0
	for _, f := range k.fields {
		text := decodeText(unfoldField(k.octets[f.from:f.to]), charset)
		if list := addressField(h, f.kind); list != nil {
			k.addresses(m, list, text, &addresses)
			continue
		}
		if dst := textField(h, f.kind); dst != nil {
			if *dst != "" { // of the trace fields the topmost counts
				if f.kind == fieldSubject || f.kind == fieldDate || f.kind == fieldMessageID || f.kind == fieldInReplyTo {
					m.note(oddMailRepeated)
				}
				continue
			}
			*dst = clipText(decodeWords(text))
			continue
		}
		switch f.kind {
		case fieldReceived:
			if len(h.Received) >= maxReceived {
				m.dropped++
				continue
			}
			h.Received = append(h.Received, clipText(text))
		case fieldReferences:
			for _, id := range strings.Fields(text) {
				if len(h.References) >= maxReceived {
					m.dropped++
					continue
				}
				h.References = append(h.References, clipText(id))
			}
		}
	}
	h.Sent = mailDate(h.Date)
	m.told += 2 * len(k.octets)
	k.octets, k.fields = nil, nil
}

// addresses appends what an address field holds.
func (k *mailFields) addresses(m *mimeReader, list *[]records.MailAddress, text string, count *int) {
	if len(*list) > 0 {
		m.note(oddMailRepeated)
	}
	for text != "" {
		var a records.MailAddress
		if a, text = nextAddress(text); a.Text == "" {
			continue
		}
		if *count++; *count > maxAddresses {
			m.dropped++
			continue
		}
		*list = append(*list, a)
	}
}

func addressField(h *records.MailHeader, kind mailField) *[]records.MailAddress {
	switch kind {
	case fieldFrom:
		return &h.From
	case fieldSender:
		return &h.Sender
	case fieldReplyTo:
		return &h.ReplyTo
	case fieldTo:
		return &h.To
	case fieldCc:
		return &h.Cc
	case fieldBcc:
		return &h.Bcc
	}
	return nil
}

func textField(h *records.MailHeader, kind mailField) *string {
	switch kind {
	case fieldSubject:
		return &h.Subject
	case fieldDate:
		return &h.Date
	case fieldMessageID:
		return &h.MessageID
	case fieldInReplyTo:
		return &h.InReplyTo
	case fieldXMailer:
		return &h.XMailer
	case fieldUserAgent:
		return &h.UserAgent
	case fieldOriginatingIP:
		return &h.XOriginatingIP
	case fieldReturnPath:
		return &h.ReturnPath
	case fieldUnsubscribe:
		return &h.ListUnsubscribe
	case fieldContentType:
		return &h.ContentType
	}
	return nil
}

// mailDate is a Date in nanoseconds since the epoch, 0 if it cannot be read or is
// out of range.
func mailDate(s string) int64 {
	if s == "" {
		return 0
	}
	t, err := mail.ParseDate(s)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return 0
	}
	return t.UnixNano()
}

// nextAddress takes the first address from a list (RFC 5322 section 3.4), as
// lenient as mail programs are; encoded words may hold commas.
func nextAddress(s string) (a records.MailAddress, rest string) {
	end, colon := addressEnd(s)
	entry := s[:end]
	if end < len(s) {
		rest = s[end+1:]
	}
	if colon >= 0 {
		entry = entry[colon+1:] // a group's name
	}
	entry = strings.TrimSpace(entry)
	a.Text = clipText(decodeWords(entry))
	a.Addr = bareAddress(entry)
	if a.Addr != "" && !strings.Contains(a.Addr, "@") && a.Text != entry {
		a.Addr = bareAddress(a.Text) // the whole was encoded
	}
	a.Addr = clipText(a.Addr)
	return a, rest
}

// addressEnd is where the first address of a list ends, and where the name of its
// group ends, -1 if there is none.
func addressEnd(s string) (end, colon int) {
	colon = -1
	quoted, angle, depth := false, false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0):
			i++
		case quoted:
			quoted = c != '"'
		case depth > 0 && c == ')':
			depth--
		case c == '(':
			depth++
		case depth > 0:
		case c == '"':
			quoted = true
		case c == '=' && strings.HasPrefix(s[i:], "=?"):
			if w, ok := readWord(s[i:]); ok {
				i += w.length - 1
			}
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case angle:
		case c == ':' && colon < 0 && !strings.Contains(s[:i], "@"):
			colon = i
		case c == ',' || c == ';':
			return i, colon
		}
	}
	return len(s), colon
}

// bareAddress is the address in an entry of a list: what stands between the last
// angle brackets, else the entry without comments.
func bareAddress(s string) string {
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		addr, _, _ := strings.Cut(s[i+1:], ">")
		return strings.TrimSpace(addr)
	}
	if i := strings.IndexByte(s, '('); i >= 0 {
		if j := strings.LastIndexByte(s, ')'); j > i {
			s = s[:i] + s[j+1:]
		}
	}
	return strings.TrimSpace(s)
}
