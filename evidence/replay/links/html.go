package links

import (
	"bytes"
	"html"
)

// document is one HTML or XML text while it is read.
type document struct {
	f        *finder
	t        *text
	z        tokens
	based    bool     // a <base href> was met: the first one counts
	codebase *address // of the applet, object or JNLP file around
	element  []byte   // the last start tag, whose text may be a URL in XML
}

// readMarkup reads HTML, SVG, RSS, JNLP and other XML.
func (f *finder) readMarkup(t *text, dialect markup) {
	d := &document{f: f, t: t, z: tokens{b: t.b, dialect: dialect}}
	for {
		start, ok := d.z.next()
		end := len(t.b)
		if ok {
			end = d.z.tag.at
		}
		if dialect == markupXML {
			d.readText(start, end)
		}
		if !ok {
			break
		}
		d.element = d.z.tag.name
		if d.z.tag.end {
			d.endTag()
			continue
		}
		d.startTag()
	}
	if d.z.dropped > 0 {
		f.note(NoteAttributes, maxAttributes, t.off)
	}
}

func (d *document) endTag() {
	if equalFold(d.element, "applet") || equalFold(d.element, "object") {
		d.codebase = nil
	}
	d.element = nil
}

// readText keeps the URLs in the text of XML: RSS <link>, sitemap <loc>, Atom.
func (d *document) readText(start, end int) {
	b := d.t.b[start:end]
	if bytes.IndexByte(b, ':') < 0 {
		return
	}
	text := unescapeHTML(b)
	if isMarkup(text) && len(text) != len(b) { // RSS descriptions hold escaped HTML
		d.f.read(d.t.derived(start, text, StepMarkup), formatHTML)
		return
	}
	where := "text"
	listed := equalFold(d.element, "link") || equalFold(d.element, "loc") || equalFold(d.element, "url") || equalFold(d.element, "guid")
	if listed {
		where = string(d.element)
	}
	d.f.eachURL(text, func(i, n int) {
		d.f.add(d.t, found{ref: text[i : i+n], kind: KindLink, where: where, at: start + i, inferred: !listed})
	})
}

// startTag handles one element: its attributes, then its raw text.
func (d *document) startTag() {
	tag := &d.z.tag
	name := lowerName(tag.name)
	switch name {
	case "applet", "object", "embed", "jnlp":
		d.setCodebase()
	case "meta":
		d.meta()
	case "param":
		d.param()
	}
	for i := range tag.attrs {
		if len(tag.attrs[i].value) > 0 || name == "form" {
			d.attribute(name, &tag.attrs[i])
		}
	}
	switch name {
	case "script":
		d.script()
	case "style":
		end := d.z.rawText(tag.name)
		d.f.read(d.t.part(d.z.pos, end, StepStyle), formatCSS)
		d.z.pos = end
	case "textarea", "title", "xmp":
		if d.z.dialect == markupHTML {
			d.plainText()
		}
	}
}

// plainText reads an element whose text is not rendered as markup. Exploit kits
// keep encoded scripts there.
func (d *document) plainText() {
	end := d.z.rawText(d.z.tag.name)
	d.f.eachURL(d.t.b[d.z.pos:end], func(i, n int) {
		d.f.add(d.t, found{
			ref: unescapeHTML(d.t.b[d.z.pos+i : d.z.pos+i+n]), kind: KindString,
			where: lowerName(d.z.tag.name) + " text", at: d.z.pos + i, inferred: true,
		})
	})
	d.z.pos = end
}

func (d *document) script() {
	tag := &d.z.tag
	if d.z.dialect == markupXML && d.z.tag.after >= 2 && d.t.b[d.z.tag.after-2] == '/' {
		return // <script href="…"/>
	}
	end := d.z.rawText(tag.name)
	as := scriptFormat(tag.value("type"), tag.value("language"))
	if d.z.dialect == markupXML && bytes.Contains(d.t.b[d.z.pos:min(d.z.pos+64, end)], []byte("<![CDATA[")) {
		d.z.pos += bytes.Index(d.t.b[d.z.pos:end], []byte("<![CDATA[")) + len("<![CDATA[")
	}
	d.f.read(d.t.part(d.z.pos, end, StepScript), as)
	d.z.pos = end
}

// scriptFormat knows a script's language; what no browser runs may be a template.
func scriptFormat(kind, language []byte) format {
	if bytes.Contains(bytes.ToLower(language), []byte("vbs")) && len(kind) == 0 {
		return formatVBScript
	}
	if len(kind) == 0 || equalFold(kind, "module") {
		return formatScript
	}
	switch as := declaredFormat(string(kind)); as {
	case formatScript, formatVBScript:
		return as
	case formatHTML, formatText:
		return formatHTML
	}
	return formatScript
}

// setCodebase resolves the directory that the rest of the element is relative to.
func (d *document) setCodebase() {
	d.codebase = nil
	if c := bytes.TrimSpace(d.z.tag.value("codebase")); len(c) > 0 {
		if c[len(c)-1] != '/' && bytes.IndexByte(c, '#') < 0 && !bytes.HasSuffix(c, []byte(".cab")) {
			c = append(bytes.Clone(c), '/')
		}
		if a, ok := d.f.page.parse(c, d.t.base); ok {
			d.codebase = a
		}
	}
}

// meta handles http-equiv=refresh.
func (d *document) meta() {
	if !equalFold(bytes.TrimSpace(d.z.tag.value("http-equiv")), "refresh") {
		return
	}
	if a := d.z.tag.get("content"); a != nil {
		if ref := refreshURL(a.text()); len(ref) > 0 {
			d.f.add(d.t, found{ref: ref, kind: KindRefresh, where: "meta refresh", at: a.at})
		}
	}
}

// refreshURL reads "5; url='x'" as the WHATWG's shared declarative refresh steps.
func refreshURL(v []byte) []byte {
	v = bytes.TrimSpace(v)
	rest := bytes.TrimLeft(v, "0123456789.")
	if len(rest) == len(v) {
		return nil
	}
	rest = bytes.TrimLeft(rest, ";, \t\r\n")
	if len(rest) > 3 && equalFold(rest[:3], "url") {
		if value := bytes.TrimLeft(rest[3:], asciiSpace); len(value) > 0 && value[0] == '=' {
			rest = bytes.TrimLeft(value[1:], asciiSpace)
		}
	}
	if len(rest) > 0 && (rest[0] == '"' || rest[0] == '\'') {
		quote := rest[0]
		rest = rest[1:]
		if i := bytes.IndexByte(rest, quote); i >= 0 {
			rest = rest[:i]
		}
	}
	return rest
}

// lowerName gives an element's or attribute's name without allocating for the
// usual ones.
func lowerName(b []byte) string {
	var buf [24]byte
	if len(b) > len(buf) {
		return ""
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	return string(buf[:len(b)])
}

// unescapeHTML decodes character references as in attributes: "&copy=1" in a
// query stays what it is (WHATWG, named character reference state).
func unescapeHTML(b []byte) []byte {
	if bytes.IndexByte(b, '&') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '&' {
			out = append(out, b[i])
			i++
			continue
		}
		end := i + 1
		for end < len(b) && end-i < maxReference && (isLetter(b[end]) || isDigit(b[end]) || b[end] == '#') {
			end++
		}
		if end < len(b) && b[end] == ';' {
			end++
		} else if name := b[i+1 : end]; len(name) == 0 || name[0] != '#' && (len(name) < 2 || len(name) > maxLegacy || end < len(b) && b[end] == '=') {
			out = append(out, b[i:end]...)
			i = end
			continue
		}
		out = appendReference(out, b[i:end])
		i = end
	}
	return out
}

const (
	maxReference = 40 // octets; the longest name has 31
	maxLegacy    = 6  // octets of a name that needs no semicolon
)

// appendReference decodes one reference. A name without its semicolon counts only
// if nothing is left over: "&copyright" is no ©.
func appendReference(dst, ref []byte) []byte {
	s := html.UnescapeString(string(ref))
	numeric := len(ref) > 1 && ref[1] == '#'
	if !numeric && ref[len(ref)-1] != ';' && len(s) > 0 && len(html.UnescapeString(string(ref)+";")) != len(s) {
		return append(dst, ref...)
	}
	return append(dst, s...)
}
