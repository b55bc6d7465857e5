package links

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// attribute handles one attribute of the element.
func (d *document) attribute(element string, a *attr) {
	name := lowerName(a.name)
	switch {
	case name == "":
	case len(name) > 2 && name[:2] == "on" && d.z.dialect == markupHTML:
		d.f.read(d.inner(a, StepHandler), formatScript)
	case name == "style":
		d.f.read(d.inner(a, StepStyle), formatCSS)
	case name == "srcdoc":
		d.f.read(d.t.derived(a.at, a.text(), StepSrcdoc), formatHTML)
	case name == "srcset" || name == "imagesrcset":
		d.srcset(element, a)
	case name == "archive" && element != "":
		for _, ref := range bytes.FieldsFunc(a.text(), func(r rune) bool { return r == ',' || r == ' ' }) {
			d.add(element, name, found{ref: ref, kind: KindApplet, at: a.at})
		}
	case name == "code" && element == "applet":
		d.class(a)
	default:
		if kind := linkKind(element, name); kind != "" {
			d.reference(element, name, kind, a)
		}
	}
}

// inner is the attribute's value as a text of its own, in place where it can be.
func (d *document) inner(a *attr, step Step) text {
	if bytes.IndexByte(a.value, '&') < 0 {
		return d.t.part(a.at, a.at+len(a.value), step)
	}
	return d.t.derived(a.at, a.text(), step)
}

func (d *document) reference(element, name string, kind Kind, a *attr) {
	r := found{ref: a.text(), kind: kind, at: a.at}
	switch {
	case kind == KindBase:
		d.base(r)
		return
	case element == "relationship" && !equalFold(d.z.tag.value("targetmode"), "external"):
		return
	case kind == KindForm:
		r.method = "GET"
		if m := d.z.tag.value("method"); equalFold(bytes.TrimSpace(m), "post") {
			r.method = "POST"
		}
	case name == "ping":
		for _, ref := range bytes.Fields(r.ref) {
			d.add(element, name, found{ref: ref, kind: kind, at: a.at})
		}
		return
	}
	d.add(element, name, r)
}

// add resolves against the element's codebase where it has one.
func (d *document) add(element, attribute string, r found) {
	r.where = element + " " + attribute
	base := d.t.base
	if d.codebase != nil && usesCodebase(element, attribute) {
		d.t.base = d.codebase
	}
	d.f.add(d.t, r)
	d.t.base = base
}

// usesCodebase leaves out what a plug-in other than Java takes: Flash resolves its
// movie against the page.
func usesCodebase(element, attribute string) bool {
	switch element {
	case "applet", "object", "jnlp", "jar", "nativelib", "extension":
		return attribute != "codebase"
	case "param":
		return strings.HasSuffix(attribute, "archive") || strings.HasSuffix(attribute, "code") || attribute == "object"
	}
	return false
}

// base sets what the rest of the document is relative to. The text is this
// document's own copy; it was handed over by value.
func (d *document) base(r found) {
	r.where = "base href"
	d.f.add(d.t, r)
	if a, ok := d.f.page.parse(r.ref, d.t.base); ok && !d.based {
		d.t.base, d.based = a, true
	}
}

// class names the file that a Java plug-in asks for when there is no archive.
func (d *document) class(a *attr) {
	if d.z.tag.get("archive") != nil {
		return
	}
	name := strings.TrimSuffix(string(bytes.TrimSpace(a.text())), ".class")
	if name == "" {
		return
	}
	d.add("applet", "code", found{ref: []byte(strings.ReplaceAll(name, ".", "/") + ".class"), kind: KindApplet, at: a.at})
}

// srcset holds "url descriptor, url descriptor".
func (d *document) srcset(element string, a *attr) {
	rest := a.text()
	for len(rest) > 0 {
		rest = bytes.TrimLeft(rest, ", \t\r\n\f")
		end := bytes.IndexAny(rest, " \t\r\n\f")
		if end < 0 {
			end = len(rest)
		}
		ref := rest[:end]
		rest = rest[end:]
		if bytes.HasSuffix(ref, []byte(",")) {
			ref = bytes.TrimRight(ref, ",")
		} else if i := bytes.IndexByte(rest, ','); i >= 0 {
			rest = rest[i+1:]
		} else {
			rest = nil
		}
		if len(ref) > 0 {
			d.add(element, "srcset", found{ref: ref, kind: KindImage, at: a.at})
		}
	}
}

// param handles what plug-ins are told: a URL in any value, a path in those
// whose name says so, and the JNLP file that Java takes in base64.
func (d *document) param() {
	a := d.z.tag.get("value")
	if a == nil {
		return
	}
	v := a.text()
	switch name := lowerName(bytes.TrimSpace(d.z.tag.value("name"))); name {
	case "archive", "cache_archive", "java_archive", "code", "java_code", "movie", "src", "url", "filename", "jnlp_href", "launchjnlp", "codebase", "java_codebase", "object":
		if strings.HasSuffix(name, "code") {
			v = append(bytes.ReplaceAll(bytes.TrimSuffix(v, []byte(".class")), []byte("."), []byte("/")), ".class"...)
		}
		for _, ref := range bytes.FieldsFunc(v, func(r rune) bool { return r == ',' }) {
			d.add("param", name, found{ref: ref, kind: KindObject, at: a.at, inferred: strings.HasSuffix(name, "code")})
		}
	case "jnlp_embedded":
		if b, err := base64.StdEncoding.DecodeString(string(v)); err == nil {
			d.f.read(d.t.derived(a.at, b, StepData), formatXML)
		}
	default: // a program that is told a URL may append to it
		d.f.eachURL(v, func(i, n int) {
			d.f.add(d.t, found{ref: v[i : i+n], kind: KindObject, where: "param value", at: a.at, inferred: true, prefix: true})
		})
	}
}

// linkKind says what an attribute of an element leads to; empty if nothing.
func linkKind(element, name string) Kind {
	switch name {
	case "href", "xlink:href":
		return hrefKind(element)
	case "src":
		return srcKind(element)
	case "action":
		if element == "form" {
			return KindForm
		}
	case "formaction":
		return KindForm
	case "data":
		if element == "object" {
			return KindObject
		}
	case "classid", "codebase":
		return codeKind(element)
	case "object":
		if element == "applet" {
			return KindApplet
		}
	case "background", "poster", "lowsrc", "dynsrc", "data-src", "data-original", "icon":
		return KindImage
	case "ping", "cite", "longdesc":
		return KindAnchor
	case "manifest":
		if element == "html" {
			return KindLink
		}
	case "url":
		return KindLink // RSS <enclosure url>, <media:content url>
	case "target":
		if element == "relationship" {
			return KindLink // Office Open XML parts lead to templates on the net
		}
	}
	return ""
}

func hrefKind(element string) Kind {
	switch element {
	case "a", "area":
		return KindAnchor
	case "base":
		return KindBase
	case "link", "atom:link", "xml-stylesheet":
		return KindLink
	case "script":
		return KindScript
	case "jnlp", "jar", "nativelib", "extension":
		return KindApplet
	case "image", "use", "feimage", "foreignobject", "animate", "set", "tref", "textpath", "pattern", "lineargradient", "radialgradient", "mpath", "filter":
		return KindVector
	}
	return KindLink
}

func srcKind(element string) Kind {
	switch element {
	case "iframe":
		return KindIframe
	case "frame", "layer", "ilayer":
		return KindFrame
	case "script":
		return KindScript
	case "embed":
		return KindEmbed
	case "img", "image", "input", "bgsound":
		return KindImage
	case "video", "audio", "source", "track":
		return KindMedia
	}
	return KindLink
}

func codeKind(element string) Kind {
	switch element {
	case "object":
		return KindObject
	case "applet", "jnlp":
		return KindApplet
	}
	return ""
}
