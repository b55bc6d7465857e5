package links

import (
	"bytes"
	"sort"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// page is the character encoding of the body, which the query of a link is
// written in and the offsets of links lead back to.
type page struct {
	encoding encoding.Encoding // nil for UTF-8 and unknown
	queries  encoding.Encoding // nil where queries need no encoding
	inPlace  bool              // the text is the body's own octets: only URLs are decoded
	body     []byte
	marks    []mark
}

// mark says that octet out of the text stands at octet in of the body.
type mark struct{ in, out int }

// decodeCharset gives the body as a superset of ASCII. Encodings whose other
// characters never hold an ASCII octet are left as they are, so that offsets stay
// exact and nothing is copied.
func (f *finder) decodeCharset(body []byte, label string, format format) []byte {
	e, name := f.encodingOf(body, label, format)
	if e == nil || e == encoding.Nop || name == "utf-8" {
		return body
	}
	if name == "replacement" || name == "x-user-defined" {
		f.note(NoteCharset, 0, 0)
		return body
	}
	f.page.encoding = e
	switch name {
	case "shift_jis", "iso-2022-jp", "big5", "gbk", "gb18030":
		f.page.queries = e
		fallthrough
	case "utf-16le", "utf-16be":
		f.page.body = body
		return f.page.decodeAll(body)
	}
	f.page.inPlace = true
	return body
}

// encodingOf follows the order of the WHATWG standard: byte order mark, what the
// message declares, what the page itself declares in its first KiB.
func (f *finder) encodingOf(body []byte, label string, format format) (encoding.Encoding, string) {
	switch {
	case bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")):
		return nil, "utf-8"
	case bytes.HasPrefix(body, []byte("\xFF\xFE")):
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "utf-16le"
	case bytes.HasPrefix(body, []byte("\xFE\xFF")):
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "utf-16be"
	}
	if label != "" {
		if e, name := charset.Lookup(label); e != nil {
			return e, name
		}
		f.note(NoteCharset, 0, 0)
	}
	if len(body) >= 4 && bytes.IndexByte(body[:4], 0) >= 0 && body[0]|body[1] != 0 {
		if body[1] == 0 && body[3] == 0 {
			return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "utf-16le"
		}
		if body[0] == 0 && body[2] == 0 {
			return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "utf-16be"
		}
	}
	head := body[:min(len(body), sniffLen)]
	if format != formatHTML && !bytes.Contains(head, []byte("encoding=")) {
		return nil, ""
	}
	if e, name, certain := charset.DetermineEncoding(head, ""); certain {
		return e, name
	}
	if i := bytes.Index(head, []byte("encoding=")); i >= 0 && bytes.HasPrefix(head, []byte("<?xml")) {
		v := head[i+len("encoding="):]
		if n := bytes.IndexAny(v[min(1, len(v)):], `"'`); n >= 0 {
			return charset.Lookup(string(v[1 : n+1]))
		}
	}
	return nil, ""
}

// sniffLen is how far into a body its format and charset are looked for (WHATWG
// HTML: the first 1024 bytes).
const sniffLen = 1024

// markEvery is the distance of marks in octets of the body.
const markEvery = 256

func (p *page) decodeAll(body []byte) []byte {
	d := p.encoding.NewDecoder()
	out := make([]byte, 0, len(body)+len(body)/2)
	var buf [4 * markEvery]byte
	for in := 0; in < len(body); {
		chunk := body[in:min(in+markEvery, len(body))]
		nDst, nSrc, _ := d.Transform(buf[:], chunk, in+len(chunk) == len(body))
		if nDst == 0 && nSrc == 0 {
			break
		}
		p.marks = append(p.marks, mark{in, len(out)})
		out = append(out, buf[:nDst]...)
		in += nSrc
	}
	return out
}

// original gives the offset in the body of an offset in the decoded text. Within
// ISO-2022-JP, whose state is not kept at marks, it is that of the last mark.
func (p *page) original(off int) int {
	if len(p.marks) == 0 {
		return off
	}
	m := p.marks[max(sort.Search(len(p.marks), func(i int) bool { return p.marks[i].out > off })-1, 0)]
	rest := off - m.out
	d := p.encoding.NewDecoder()
	var buf [4 * markEvery]byte
	for in := m.in; in < min(m.in+markEvery, len(p.body)); {
		if rest <= 0 {
			return in
		}
		for n := 1; ; n++ {
			if in+n > len(p.body) {
				return m.in
			}
			nDst, nSrc, _ := d.Transform(buf[:], p.body[in:in+n], false)
			if nSrc > 0 || nDst > 0 {
				rest -= nDst
				in += nSrc
				break
			}
			if n > 4 {
				return m.in
			}
		}
	}
	return m.in
}

// utf8 decodes octets of the page for a host or a path.
func (p *page) utf8(b []byte) []byte {
	if !p.inPlace || isASCII(b) {
		return b
	}
	out, err := p.encoding.NewDecoder().Bytes(b)
	if err != nil {
		return b
	}
	return out
}

// appendQuery escapes a query, which goes over the wire in the page's encoding
// (of UTF-16 in UTF-8: WHATWG Encoding, "get an output encoding").
func (p *page) appendQuery(dst, b []byte) []byte {
	if p.queries != nil && !isASCII(b) {
		if e, err := p.queries.NewEncoder().Bytes(b); err == nil {
			b = e
		}
	}
	return appendEscaped(dst, b, "\"<>'")
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
