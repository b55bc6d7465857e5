package decoders

import (
	"strconv"

	"kagami/records"
	"kagami/sensor"
)

// mimeLeaf is the part whose octets are being read.
type mimeLeaf struct {
	open    bool
	silent  bool // beyond the limit of parts: nothing is told of it
	part    records.MailPart
	body    *fileBody
	decoder transferDecoder
	text    textReader
}

// beginLeaf follows the header section of an entity that has no parts.
func (m *mimeReader) beginLeaf(f *sensor.Flow) {
	h, l := &m.head, &m.leaf
	l.open, l.silent = true, len(m.parts) >= maxMIMEParts || m.told > maxMIMETold
	if l.silent {
		m.dropped++
		m.note(oddMIMEParts)
		return
	}
	l.part = records.MailPart{
		Path: m.path(), Type: h.typ, Charset: h.charset, Encoding: h.encoding,
		Disposition: h.disposition, Field: h.form, ContentID: h.contentID,
	}
	from := ""
	l.part.Name, from = h.fileName(m.hint())
	l.decoder.begin(h.encoding)
	l.text.begin(m, l)
	if l.part.Disposition == "form-data" && l.part.Name == "" {
		return // a field of a form, which may be a password: no file
	}
	of := m.of
	of.Name, of.NameFrom, of.Type, of.Size = l.part.Name, from, h.typ, -1
	if m.files != nil {
		l.body = m.files.open(f, m.from, of)
	}
}

// path is the leaf's place in the tree as IMAP numbers it (RFC 3501 section 6.4.5).
func (m *mimeReader) path() string {
	var buf [maxMIMEDepth * 4]byte
	b := buf[:0]
	for i := range m.inner {
		n := m.inner[i].count
		if m.inner[i].boundary == "" { // a message: its only part has a number unless that is a multipart
			if i < len(m.inner)-1 {
				continue
			}
			n = 1
		}
		if len(b) > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}

// write takes octets of the leaf, transfer encoding in place.
func (l *mimeLeaf) write(now int64, b []byte) {
	if !l.open || l.silent || len(b) == 0 {
		return
	}
	for len(b) > 0 {
		var out []byte
		n := 0
		n, out = l.decoder.decode(b)
		l.decoded(now, out)
		b = b[n:]
	}
}

// decoded takes octets of the leaf as its reader gets them.
func (l *mimeLeaf) decoded(now int64, b []byte) {
	if len(b) == 0 {
		return
	}
	l.part.Size += int64(len(b))
	l.body.write(now, b)
	l.text.write(b)
}

func (l *mimeLeaf) gap(n int64) {
	if l.open && !l.silent {
		l.decoder.reset()
		l.text.reset()
		l.body.gap(n)
		l.part.Complete = false
		l.decoder.lost = true
	}
}

// endLeaf ends the part that is being read, if there is one.
func (m *mimeReader) endLeaf(f *sensor.Flow, whole bool, emit sensor.Emit) {
	l := &m.leaf
	if !l.open {
		return
	}
	l.open = false
	if l.silent {
		return
	}
	l.decoded(f.Now, l.decoder.end())
	l.text.end()
	p := &l.part
	p.Complete = whole && !l.decoder.lost
	if r := l.body.close(f, whole); r != nil {
		p.File = r.Ref()
		p.MD5, p.SHA1, p.SHA256 = r.MD5, r.SHA1, r.SHA256
		emit(r)
	}
	m.told += m.weight()
	m.parts = append(m.parts, *p)
	*p, l.body = records.MailPart{}, nil
}
