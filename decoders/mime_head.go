package decoders

import (
	"bytes"
	"strings"

	"kagami/sensor"
)

const (
	maxMailLines = 256     // raw header fields that are kept of a message
	maxMailLine  = 256     // octets of one
	maxBodyField = 4 << 10 // octets of a Content-Type or Content-Disposition that are read
	maxMediaType = 128     // octets of a media type, encoding or charset
)

// mimeHead is one header section (RFC 5322 section 2.2, RFC 2045 section 3).
type mimeHead struct {
	field []byte // the field under way, its lines joined by "\n"
	size  int    // octets of the section so far
	fresh bool   // no field came yet
	top   bool   // of the message itself
	mute  bool   // the field under way is not wanted: too long, or the section is

	typ, charset, encoding, contentID string // of the entity
	disposition, form                 string
	boundary                          string
	rawType, rawDisposition           []byte
}

// beginHead makes ready for a header section.
func (m *mimeReader) beginHead(top bool) {
	h := &m.head
	*h = mimeHead{field: h.field[:0], rawType: h.rawType[:0], rawDisposition: h.rawDisposition[:0], fresh: true, top: top}
	m.state, m.line, m.lost, m.fresh = mimeInHead, m.line[:0], false, false
}

// headOctets reads one line, or what there is of it.
func (m *mimeReader) headOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	n, line := len(data), data
	end := bytes.IndexByte(data, '\n')
	if end >= 0 {
		n, line = end+1, data[:end+1]
	}
	m.head.size += n
	if len(m.line) > 0 || end < 0 {
		room := maxMIMELine - len(m.line)
		if room < n {
			m.note(oddMIMELine)
		}
		if m.line = append(m.line, line[:min(n, room)]...); end < 0 {
			return n
		}
		line = m.line
	}
	m.line = m.line[:0]
	if m.lost {
		m.lost = false
		return n
	}
	m.headLine(f, line, emit)
	return n
}

// headLine heeds a line of a header section; raw may be m.line's memory.
func (m *mimeReader) headLine(f *sensor.Flow, raw []byte, emit sensor.Emit) {
	h, line := &m.head, trimEOL(raw)
	switch {
	case len(line) == 0:
		m.endHead(f, emit)
		return
	case isBlank(line[0]) && !h.fresh:
		m.fold(line)
		return
	case h.fresh && h.top && isMboxLine(line):
		return
	case fieldName(line) > 0 && !m.isOpenBoundary(line):
		m.endField()
		h.fresh, h.mute = false, h.size > maxMIMEHead
		if h.mute {
			m.note(oddMIMEHead)
			return
		}
		h.field = append(h.field, line...)
		return
	}
	// Not a header field: a mail program takes it for the body's first line.
	held := append([]byte(nil), raw...)
	m.endHead(f, emit)
	m.write(f, held, emit)
}

// fold adds a continuation line to the field under way.
func (m *mimeReader) fold(line []byte) {
	h := &m.head
	switch {
	case h.mute || len(h.field) == 0:
	case len(h.field)+len(line) >= maxMIMELine:
		h.mute = true
		m.note(oddMIMELine)
	default:
		h.field = append(append(h.field, '\n'), line...)
	}
}

// isOpenBoundary tells that a line which might be a header field is a boundary.
func (m *mimeReader) isOpenBoundary(line []byte) bool {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return false
	}
	for i := range m.inner {
		if is, _ := isBoundary(line[2:], m.inner[i].boundary); is {
			return true
		}
	}
	return false
}

// isMboxLine tells of the line that separates the messages of an mbox file.
func isMboxLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// fieldName is the length of the field name that line begins with, 0 if it is no
// header field. Blanks before the colon are obsolete and seen (RFC 5322 section 4.5).
func fieldName(line []byte) int {
	for i, c := range line {
		switch {
		case c == ':':
			return len(bytes.TrimRight(line[:i], " \t"))
		case isBlank(c):
			if rest := bytes.TrimLeft(line[i:], " \t"); i > 0 && len(rest) > 0 && rest[0] == ':' {
				return i
			}
			return 0
		case c <= ' ' || c >= 0x7f:
			return 0
		}
	}
	return 0
}

// endField heeds the field that is complete.
func (m *mimeReader) endField() {
	h := &m.head
	if len(h.field) == 0 {
		return
	}
	n := fieldName(h.field)
	value := h.field[n:]
	value = bytes.TrimSpace(value[bytes.IndexByte(value, ':')+1:])
	kind := fieldKind(h.field[:n])
	m.keepLine(kind, h.field)
	switch kind {
	case fieldContentType:
		if len(h.rawType) > 0 {
			m.note(oddMailRepeated)
			break
		}
		h.rawType = append(h.rawType, m.bodyField(value)...)
	case fieldDisposition:
		if len(h.rawDisposition) > 0 {
			m.note(oddMailRepeated)
			break
		}
		h.rawDisposition = append(h.rawDisposition, m.bodyField(value)...)
	case fieldEncoding:
		word, _, _ := bytes.Cut(value, []byte{';'})
		h.encoding = strings.ToLower(string(trimBlank(word[:min(len(word), maxMediaType)])))
	case fieldContentID:
		h.contentID = clipText(decodeText(unfoldField(value), ""))
	}
	if h.top && m.mail != nil && kind != fieldOther && !m.fields.keep(kind, value) {
		m.dropped++
		m.note(oddMailHeaders)
	}
	h.field = h.field[:0]
}

// bodyField is as much of a Content-Type or Content-Disposition as is read.
func (m *mimeReader) bodyField(value []byte) []byte {
	if len(value) > maxBodyField {
		m.note(oddMIMELine)
		value = value[:maxBodyField]
	}
	return value
}

// keepLine keeps a field as sent, if it is one of those that a mail server logs.
func (m *mimeReader) keepLine(kind mailField, field []byte) {
	if m.mail == nil {
		return
	}
	switch kind {
	case fieldFrom, fieldTo, fieldSubject, fieldContentType, fieldDisposition:
		lines := &m.mail.Header.Lines
		if len(*lines) >= maxMailLines {
			m.dropped++
			m.note(oddMailHeaders)
			return
		}
		*lines = append(*lines, string(field[:min(len(field), maxMailLine)]))
		m.told += maxMailLine
	}
}

// endHead ends a header section and decides what the body is.
func (m *mimeReader) endHead(f *sensor.Flow, emit sensor.Emit) {
	m.endField()
	h := &m.head
	h.settle()
	if h.top && m.mail != nil {
		m.fields.fill(m, h.charset)
	}
	m.state, m.fresh, m.ending = mimeBody, true, noEnd
	parent := &m.inner[len(m.inner)-1]
	if h.typ == "" && parent.digest {
		h.typ = "message/rfc822" // RFC 2046 section 5.1.5
	}
	composite := strings.HasPrefix(h.typ, "multipart/") || h.typ == "message/rfc822" || h.typ == "message/global"
	encoded := h.encoding == "base64" || h.encoding == "quoted-printable"
	switch {
	case !composite || parent.form:
	case len(m.inner) >= maxMIMEDepth:
		m.note(oddMIMEDepth)
	case h.typ[0] == 'm' && h.typ[1] == 'u': // multipart; an encoding is forbidden and ignored
		if h.boundary == "" {
			m.note(oddMIMEBoundary)
			break
		}
		if encoded {
			m.note(oddMIMEEncoded)
		}
		m.inner = append(m.inner, mimeEntity{boundary: h.boundary, digest: h.typ == "multipart/digest"})
		return
	case encoded:
		m.note(oddMIMEEncoded)
	default:
		m.inner = append(m.inner, mimeEntity{})
		m.beginHead(false)
		return
	}
	m.beginLeaf(f)
}

// settle reads Content-Type and Content-Disposition, as far as no charset matters.
func (h *mimeHead) settle() {
	if len(h.rawType) > 0 {
		typ, list := parameters(string(unfoldField(h.rawType)))
		h.typ = strings.ToLower(clipWord(typ))
		h.charset = strings.ToLower(clipWord(list.plain("charset")))
		h.boundary = list.plain("boundary")
		h.boundary = strings.TrimRight(h.boundary[:min(len(h.boundary), maxBoundary)], " \t")
	}
	if len(h.rawDisposition) > 0 {
		disposition, list := parameters(string(unfoldField(h.rawDisposition)))
		h.disposition = strings.ToLower(clipWord(disposition))
		h.form = clipText(decodeText([]byte(list.plain("name")), h.charset))
	}
}

// multipartType is a Content-Type's media type and boundary, "" if it is no multipart's.
func multipartType(contentType []byte) (typ, boundary string) {
	h := mimeHead{rawType: contentType[:min(len(contentType), maxBodyField)]}
	h.settle()
	if !strings.HasPrefix(h.typ, "multipart/") {
		return "", ""
	}
	return h.typ, h.boundary
}

// hint is the charset that raw octets in header fields may be of.
func (m *mimeReader) hint() string {
	if m.head.charset != "" {
		return m.head.charset
	}
	return m.fields.charset
}

// fileName is the name that the fields declare, and which of them.
func (h *mimeHead) fileName(hint string) (name, from string) {
	if len(h.rawDisposition) > 0 {
		_, list := parameters(decodeText(unfoldField(h.rawDisposition), hint))
		if name := list.decoded("filename"); name != "" {
			return clipText(name), "disposition"
		}
	}
	if len(h.rawType) > 0 {
		_, list := parameters(decodeText(unfoldField(h.rawType), hint))
		if name := list.decoded("name"); name != "" {
			return clipText(name), "mime"
		}
	}
	return "", ""
}

// unfoldField takes the line breaks out of a folded value (RFC 5322 section 2.2.3).
func unfoldField(b []byte) []byte {
	if bytes.IndexByte(b, '\n') < 0 {
		return b
	}
	return bytes.ReplaceAll(b, []byte{'\n'}, nil)
}

func clipWord(s string) string { return s[:min(len(s), maxMediaType)] }
