package decoders

import (
	"bytes"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Limits of one message. What they bound is the sender's choice.
const (
	maxMIMEDepth = 128       // entities within entities; what is deeper is one part
	maxMIMEParts = 256       // leaves that are told of and followed as files
	maxMIMETold  = 256 << 10 // octets of what is told of leaves
	maxBoundary  = 256       // octets of a boundary; RFC 2046 section 5.1.1 allows 70
	maxMIMEHead  = 100 << 10 // octets of one header section that are read, as many as Postfix takes
	maxMIMELine  = 16 << 10  // octets of one header field, folds included
	mimeHold     = 512       // octets of a line that is looked at for a boundary
	maxMailValue = 2 << 10   // octets of a decoded value
)

// Violations of RFC 5322 and MIME: records.Mail.Odd.
const (
	oddMIMEDepth      = "parts nested too deep"
	oddMIMEParts      = "too many parts"
	oddMIMEHead       = "header section too long"
	oddMIMELine       = "header field too long"
	oddMIMEBoundary   = "multipart without boundary"
	oddMIMEEnd        = "multipart without its end"
	oddMIMEEncoded    = "encoded composite part"
	oddMailRepeated   = "repeated header field"
	oddMailHeaders    = "too many header fields"
	oddMailParameters = "too many parameters"
)

// mimeReader reads the octets of one entity (RFC 2045): a message with its header
// section, or the body of an HTTP form, whose Content-Type came before. What it
// reads does not depend on how the octets come in pieces. Leaves go to files;
// what headers say goes to mail.
//
//	r := newMIMEReader(files, fileOf{Source: "smtp", Depth: 1}, side)
//	r.message(mail)             // or r.form(contentType)
//	r.write(f, octets, emit) ... r.gap(f, n)
//	r.close(f, whole, emit)     // then mail, or r.parts, has it all
type mimeReader struct {
	files *files
	of    fileOf // what all parts' files share
	from  packet.Side

	mail    *records.Mail // nil: a form
	parts   []records.MailPart
	dropped int
	odd     string
	told    int // octets of memory of what the record says so far, about

	state  mimeState
	inner  []mimeEntity // composite entities that are open, outermost first
	head   mimeHead
	fields mailFields
	leaf   mimeLeaf
	line   []byte // start of a header line, or of a line that may be a boundary
	fresh  bool   // body: the next octet begins a line
	lost   bool   // header: the rest of the line is unknown after a gap
	ending lineEnd
	begun  bool // octets came, or were lost
	done   bool
}

// mimeState is what the next octet belongs to.
type mimeState uint8

const (
	mimeInHead mimeState = iota
	mimeBody             // a leaf's, or what stands before, between and behind parts
)

// mimeEntity is a composite that is open.
type mimeEntity struct {
	boundary string // "" for a message
	digest   bool
	form     bool
	count    int // parts begun
}

// lineEnd is a line's end that was read and not yet given to the leaf: before a
// boundary it belongs to that (RFC 2046 section 5.1.1).
type lineEnd uint8

const (
	noEnd lineEnd = iota
	endCR
	endLF
	endCRLF
)

var lineEnds = [...]string{"", "\r", "\n", "\r\n"}

func newMIMEReader(files *files, of fileOf, from packet.Side) *mimeReader {
	return &mimeReader{files: files, of: of, from: from}
}

// message begins a message (RFC 5322); mail gets what it says.
func (m *mimeReader) message(mail *records.Mail) {
	m.mail = mail
	m.inner = append(m.inner, mimeEntity{})
	m.beginHead(true)
}

// form begins the body of a multipart/form-data entity (RFC 7578), or of a whole
// message that is sent otherwise than by mail. False: the Content-Type is of neither.
func (m *mimeReader) form(contentType []byte) bool {
	if isMessage(contentType) {
		m.inner = append(m.inner, mimeEntity{})
		m.beginHead(true)
		return true
	}
	typ, boundary := multipartType(contentType)
	if typ == "" || boundary == "" {
		return false
	}
	m.inner = append(m.inner, mimeEntity{boundary: boundary, form: true})
	m.state, m.fresh = mimeBody, true
	return true
}

// write takes the next octets.
func (m *mimeReader) write(f *sensor.Flow, data []byte, emit sensor.Emit) {
	m.begun = true
	for len(data) > 0 {
		if m.state == mimeInHead {
			data = data[m.headOctets(f, data, emit):]
		} else {
			data = data[m.bodyOctets(f, data, emit):]
		}
	}
}

// gap says that n octets are lost.
func (m *mimeReader) gap(f *sensor.Flow, n int64) {
	m.begun = true
	if m.state == mimeInHead {
		m.line, m.lost = m.line[:0], true
		m.endField()
		return
	}
	m.release(f, m.line)
	m.line, m.fresh = m.line[:0], false
	m.leaf.gap(n)
}

// close ends the entity; whole says that its last octet was seen.
func (m *mimeReader) close(f *sensor.Flow, whole bool, emit sensor.Emit) {
	if m.done || !m.begun {
		return
	}
	m.done = true
	if m.state == mimeInHead {
		if last := append([]byte(nil), m.line...); len(last) > 0 && !m.lost {
			m.line = m.line[:0]
			m.headLine(f, last, emit)
		}
		if m.state == mimeInHead {
			m.endHead(f, emit)
		}
	}
	if m.line = m.boundary(f, m.line, emit); len(m.line) > 0 || m.ending != noEnd {
		m.release(f, m.line)
	}
	m.endLeaf(f, whole, emit)
	if whole && m.unterminated(0) {
		m.note(oddMIMEEnd)
	}
	if m.mail != nil {
		m.mail.Parts = m.parts
		m.mail.Dropped += m.dropped
		if m.mail.Odd == "" {
			m.mail.Odd = m.odd
		}
	}
}

func (m *mimeReader) note(odd string) {
	if m.odd == "" {
		m.odd = odd
	}
}

// bodyOctets reads some of data and returns how many octets. Only a line that
// begins with "--" can be a boundary; everything between two such lines goes to
// the leaf at once.
func (m *mimeReader) bodyOctets(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	if len(m.inner) == 0 || len(m.inner) == 1 && m.inner[0].boundary == "" {
		m.leaf.write(f.Now, data)
		return len(data)
	}
	if m.ending == endCR {
		if data[0] == '\n' {
			m.ending, m.fresh = endCRLF, true
			return 1
		}
		m.release(f, nil)
	}
	if m.fresh {
		return m.lineStart(f, data, emit)
	}
	i := bytes.Index(data, []byte("\n--"))
	n := i + 1
	if i < 0 {
		n = len(data)
		if n > 1 && data[n-1] == '-' && data[n-2] == '\n' {
			n--
		}
	}
	end, ending := cutEOL(data[:n])
	m.leaf.write(f.Now, data[:end])
	m.ending, m.fresh = ending, ending == endLF || ending == endCRLF
	return n
}

// cutEOL tells where the line end begins that b ends with.
func cutEOL(b []byte) (int, lineEnd) {
	n := len(b)
	switch {
	case n > 1 && b[n-1] == '\n' && b[n-2] == '\r':
		return n - 2, endCRLF
	case n > 0 && b[n-1] == '\n':
		return n - 1, endLF
	case n > 0 && b[n-1] == '\r':
		return n - 1, endCR
	}
	return n, noEnd
}

// lineStart gathers a line that may be a boundary, until that is known.
func (m *mimeReader) lineStart(f *sensor.Flow, data []byte, emit sensor.Emit) int {
	old := len(m.line)
	for i, want := range []byte("--") {
		if i < old {
			continue
		}
		if i-old >= len(data) {
			m.line = append(m.line, data...)
			return len(data)
		}
		if data[i-old] != want {
			m.fresh = false
			m.release(f, m.line)
			m.line = m.line[:0]
			return 0
		}
	}
	n := min(len(data), mimeHold-old)
	end := bytes.IndexByte(data[:n], '\n')
	if end >= 0 {
		n = end + 1
	}
	m.line = append(m.line, data[:n]...)
	if end < 0 && len(m.line) < mimeHold {
		return n
	}
	held := m.line
	m.line = m.line[:0]
	if end >= 0 {
		if rest := m.boundary(f, held, emit); len(rest) == 0 {
			return n
		}
	}
	at, ending := cutEOL(held)
	m.release(f, held[:at])
	m.ending, m.fresh = ending, ending == endLF || ending == endCRLF
	return n
}

// release gives the leaf the line end that was held back, and then b.
func (m *mimeReader) release(f *sensor.Flow, b []byte) {
	if m.ending != noEnd {
		m.leaf.write(f.Now, []byte(lineEnds[m.ending]))
		m.ending = noEnd
	}
	if len(b) > 0 {
		m.leaf.write(f.Now, b)
	}
}

// boundary heeds a line that is the boundary of an open multipart, innermost
// first, and returns nothing; any other line is returned.
func (m *mimeReader) boundary(f *sensor.Flow, line []byte, emit sensor.Emit) []byte {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return line
	}
	for i := len(m.inner) - 1; i >= 0; i-- {
		e := &m.inner[i]
		is, last := isBoundary(line[2:], e.boundary)
		if !is {
			continue
		}
		m.ending = noEnd
		m.endLeaf(f, true, emit)
		if m.unterminated(i + 1) {
			m.note(oddMIMEEnd)
		}
		m.inner = m.inner[:i+1]
		if last {
			m.inner = m.inner[:i]
			m.state, m.fresh = mimeBody, true
			return nil
		}
		e.count++
		m.beginHead(false)
		return nil
	}
	return line
}

// isBoundary tells whether rest, a line behind its "--", is the delimiter b, and
// whether it is the closing one.
func isBoundary(rest []byte, b string) (is, last bool) {
	if b == "" || len(rest) < len(b) || string(rest[:len(b)]) != b {
		return false, false
	}
	rest = rest[len(b):]
	if bytes.HasPrefix(rest, []byte("--")) {
		return true, true
	}
	return len(bytes.TrimRight(rest, " \t\r\n")) == 0, false
}

// unterminated tells that a multipart from level on is still open.
func (m *mimeReader) unterminated(level int) bool {
	for _, e := range m.inner[min(level, len(m.inner)):] {
		if e.boundary != "" {
			return true
		}
	}
	return false
}

// trimEOL is a line without its end.
func trimEOL(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return b
}
