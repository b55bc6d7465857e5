package decoders

import (
	"bytes"
	"slices"
	"strings"

	"kagami/records"
)

const (
	maxURLs     = 64      // of a message
	maxURL      = 1 << 10 // octets of one
	maxTextLine = 4 << 10 // octets of a text part that are looked at together
)

// textReader looks through the text parts of a message for URLs and for what
// uuencode put between the lines.
type textReader struct {
	m    *mimeReader
	leaf *mimeLeaf
	html bool
	line []byte
}

func (t *textReader) begin(m *mimeReader, l *mimeLeaf) {
	t.m, t.leaf = nil, l
	if m.mail == nil || l.part.Disposition == "attachment" {
		return
	}
	switch l.part.Type {
	case "text/html":
		t.m, t.html = m, true
	case "", "text/plain":
		t.m, t.html = m, false
	}
}

// write takes decoded octets.
func (t *textReader) write(b []byte) {
	if t.m == nil {
		return
	}
	for len(b) > 0 {
		n := min(len(b), maxTextLine-len(t.line))
		end := bytes.IndexByte(b[:n], '\n')
		if end >= 0 {
			n = end + 1
		}
		t.line = append(t.line, b[:n]...)
		b = b[n:]
		switch {
		case end >= 0:
			t.read(t.line)
			t.line = t.line[:0]
		case len(t.line) == maxTextLine:
			t.split()
		}
	}
}

// split reads a line that is too long to be gathered, up to where no URL can
// stand across.
func (t *textReader) split() {
	const keep = maxURL + len("https://")
	i := len(t.line) - 1
	for i > len(t.line)-keep && !endsURL(t.line[i]) {
		i--
	}
	t.read(t.line[:i])
	t.line = append(t.line[:0], t.line[i:]...)
}

func (t *textReader) reset() { t.line = t.line[:0] }

func (t *textReader) end() {
	if t.m != nil {
		t.read(t.line)
	}
	t.line, t.m = t.line[:0], nil
}

func (t *textReader) read(line []byte) {
	if len(line) > 0 && line[0] == 'b' && !t.html {
		t.uuencoded(line)
	}
	for {
		i := bytes.Index(line, []byte("://"))
		if i < 0 {
			return
		}
		end := i + len("://")
		for end < len(line) && !endsURL(line[end]) {
			end++
		}
		if n := schemeLen(line[:i]); n > 0 {
			t.url(string(bytes.TrimRight(line[i-n:end], ".,;:!?'*_")))
		}
		line = line[end:]
	}
}

// url keeps a URL once.
func (t *textReader) url(s string) {
	if t.html {
		s = strings.ReplaceAll(s, "&amp;", "&")
	}
	if s = s[:min(len(s), maxURL)]; strings.HasSuffix(s, "://") || slices.Contains(t.m.mail.URLs, s) {
		return
	}
	if len(t.m.mail.URLs) >= maxURLs {
		t.m.dropped++
		return
	}
	t.m.told += len(s)
	t.m.mail.URLs = append(t.m.mail.URLs, s)
}

// schemeLen is the length of the scheme that b ends with, 0 if it is none that a
// mail program opens.
func schemeLen(b []byte) int {
	for _, s := range [...]string{"https", "http", "ftp"} {
		if n := len(s); len(b) >= n && equalFold(b[len(b)-n:], s) {
			return n
		}
	}
	return 0
}

// endsURL tells whether no URL goes on with c. Octets of other alphabets end it:
// text without blanks between words often follows.
func endsURL(c byte) bool {
	return c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>()[]{}|\^`+"`", c) >= 0
}

// uuencoded tells of a file in the text of a part.
func (t *textReader) uuencoded(line []byte) {
	name, ok := uuBegin(string(trimEOL(line)))
	if !ok || len(t.m.parts) >= maxMIMEParts {
		return
	}
	t.m.parts = append(t.m.parts, records.MailPart{
		Path: t.leaf.part.Path, Encoding: "x-uuencode", Name: clipText(decodeText([]byte(name), t.leaf.part.Charset)),
	})
}
