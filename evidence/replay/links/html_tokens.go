package links

import "bytes"

// dialect of markup.
type markup uint8

const (
	markupHTML markup = iota
	markupXML
)

// tag is a start or end tag; its slices point into the text and are valid until
// the next call.
type tag struct {
	name  []byte
	attrs []attr
	end   bool // </name>
	at    int  // of its <
	after int  // behind its >
}

type attr struct {
	name, value []byte // value as written, with its character references
	at          int    // of the value
}

// get gives the value of an attribute; the first of several counts, as in
// browsers.
func (t *tag) get(name string) *attr {
	for i := range t.attrs {
		if equalFold(t.attrs[i].name, name) {
			return &t.attrs[i]
		}
	}
	return nil
}

// value is that of an attribute, decoded, or empty.
func (t *tag) value(name string) []byte {
	if a := t.get(name); a != nil {
		return a.text()
	}
	return nil
}

func (a *attr) text() []byte { return unescapeHTML(a.value) }

// tokens walks over markup as the WHATWG tokenizer does, in what matters here.
type tokens struct {
	b       []byte
	pos     int
	dialect markup
	tag     tag
	dropped int // attributes beyond maxAttributes
	noClose bool
}

const maxAttributes = 512

// next gives the next tag and where the text before it begins.
func (z *tokens) next() (textStart int, ok bool) {
	textStart = z.pos
	for {
		i := bytes.IndexByte(z.b[z.pos:], '<')
		if i < 0 || z.pos+i+1 >= len(z.b) {
			return textStart, false
		}
		at := z.pos + i
		switch c := z.b[at+1]; {
		case isLetter(c):
			z.readTag(at, at+1)
			return textStart, true
		case c == '/' && at+2 < len(z.b) && isLetter(z.b[at+2]):
			z.readTag(at, at+2)
			z.tag.end = true
			return textStart, true
		case c == '!' || c == '?' || c == '/':
			if c == '?' && z.dialect == markupXML {
				z.readTag(at, at+2)
				return textStart, true
			}
			z.skipDeclaration(at)
		default:
			z.pos = at + 1
		}
	}
}

// skipDeclaration moves behind a comment, a declaration or the like. What
// Internet Explorer's conditional comments hold is not skipped: it rendered it.
func (z *tokens) skipDeclaration(at int) {
	rest := z.b[at:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		z.skipComment(at)
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		z.pos = at + len("<![CDATA[")
	default:
		z.pos = at + 2
		if i := bytes.IndexByte(z.b[z.pos:], '>'); i >= 0 {
			z.pos += i + 1
		}
	}
}

func (z *tokens) skipComment(at int) {
	body := z.b[at+4:]
	z.pos = at + 4
	if word := bytes.TrimLeft(body[:min(len(body), 8)], " "); len(word) > 2 && equalFold(word[:3], "[if") {
		return
	}
	if bytes.HasPrefix(body, []byte(">")) || bytes.HasPrefix(body, []byte("->")) {
		return
	}
	if z.noClose {
		z.pos = len(z.b)
		return
	}
	end := bytes.Index(body, []byte("-->"))
	if end < 0 {
		z.noClose, z.pos = true, len(z.b)
		return
	}
	// "--!>" ends a comment as well, but only if it comes first.
	if other := bytes.Index(body[:end], []byte("--!>")); other >= 0 {
		end = other + 1
	}
	z.pos += end + 3
}

// readTag reads name and attributes. A tag cut off by the end of the body counts.
func (z *tokens) readTag(at, name int) {
	i := name
	for i < len(z.b) && !isTagBreak(z.b[i]) {
		i++
	}
	z.tag = tag{name: z.b[name:i], attrs: z.tag.attrs[:0], at: at}
	for i < len(z.b) {
		switch c := z.b[i]; {
		case c == '>':
			z.pos, z.tag.after = i+1, i+1
			return
		case c == '/' || isSpace(c) || c == '?' && z.dialect == markupXML:
			i++
		default:
			i = z.readAttribute(i)
		}
	}
	z.pos, z.tag.after = len(z.b), len(z.b)
}

func (z *tokens) readAttribute(i int) int {
	name := i
	i++ // a name may begin with "="
	for i < len(z.b) && !isTagBreak(z.b[i]) && z.b[i] != '=' {
		i++
	}
	a := attr{name: z.b[name:i], at: i}
	i = skipSpace(z.b, i)
	if i < len(z.b) && z.b[i] == '=' {
		i = skipSpace(z.b, i+1)
		start, end := i, i
		if i < len(z.b) && (z.b[i] == '"' || z.b[i] == '\'') {
			start++
			end = len(z.b)
			if n := bytes.IndexByte(z.b[start:], z.b[i]); n >= 0 {
				end = start + n
			}
			i = min(end+1, len(z.b))
		} else {
			for end < len(z.b) && !isSpace(z.b[end]) && z.b[end] != '>' {
				end++
			}
			i = end
		}
		a.value, a.at = z.b[start:end], start
	}
	if len(z.tag.attrs) < maxAttributes {
		z.tag.attrs = append(z.tag.attrs, a)
	} else {
		z.dropped++
	}
	return i
}

// rawText gives the end of the text of an element whose content is no markup, at
// </name or the end of the body.
func (z *tokens) rawText(name []byte) int {
	for pos := z.pos; ; pos++ {
		i := bytes.IndexByte(z.b[pos:], '<')
		if i < 0 {
			return len(z.b)
		}
		pos += i
		end := pos + 2 + len(name)
		if end <= len(z.b) && z.b[pos+1] == '/' && bytes.EqualFold(z.b[pos+2:end], name) &&
			(end == len(z.b) || isTagBreak(z.b[end])) {
			return pos
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func isTagBreak(c byte) bool { return isSpace(c) || c == '/' || c == '>' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}
