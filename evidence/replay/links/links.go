package links

import (
	"bytes"
	"net/url"
	"sort"
	"strings"
)

// Kind says what in the body names the URL.
type Kind string

// The kinds of links. A link in HTML that a script writes has the kind of its
// element; its Via says that it was written.
const (
	KindLocation        Kind = "location"         // Location header field (RFC 9110 section 10.2.2)
	KindRefresh         Kind = "refresh"          // Refresh header field and <meta http-equiv=refresh>
	KindContentLocation Kind = "content-location" // Content-Location header field
	KindIframe          Kind = "iframe"
	KindFrame           Kind = "frame"
	KindScript          Kind = "script"
	KindImage           Kind = "img" // also backgrounds, posters, icons of inputs
	KindEmbed           Kind = "embed"
	KindObject          Kind = "object" // also <param>
	KindApplet          Kind = "applet" // also JNLP and what a JAR's manifest names
	KindLink            Kind = "link"   // <link>, Link header field (RFC 8288), XML references
	KindForm            Kind = "form"
	KindBase            Kind = "base"
	KindAnchor          Kind = "a"
	KindMedia           Kind = "media" // video, audio, source, track
	KindStyle           Kind = "css"   // url() and @import
	KindVector          Kind = "svg"
	KindLiteral         Kind = "js-literal"
	KindShellcode       Kind = "shellcode" // string in the octets of an exploit's machine code
	KindString          Kind = "string"    // printable string in a SWF, JAR, PDF, program or text
)

// Step is one way from the body into a text within it.
type Step string

// The steps.
const (
	StepScript     Step = "script"     // <script>, javascript: URL, PDF action
	StepHandler    Step = "handler"    // onload= and its kind
	StepStyle      Step = "style"      // <style>, style=
	StepWrite      Step = "js-write"   // document.write, innerHTML
	StepEval       Step = "js-eval"    // eval, setTimeout with a string
	StepUnescape   Step = "unescape"   // a decoding the script itself does
	StepGuess      Step = "guess"      // a decoding tried because the literal looks encoded
	StepMarkup     Step = "js-markup"  // a literal that reads as HTML, not seen to be written
	StepCode       Step = "js-code"    // a literal that reads as script, not seen to be run
	StepSrcdoc     Step = "srcdoc"     // <iframe srcdoc>
	StepData       Step = "data"       // data: URL
	StepDecompress Step = "decompress" // SWF, JAR member, PDF stream
)

// Link is one URL that the body leads to.
type Link struct {
	URL      string // absolute, without user and fragment, as it would be asked for
	Raw      string // as it is written where it was found, at most 2048 octets
	Kind     Kind
	Where    string // element and attribute, property, function or field
	Via      []Step // from the body inwards; shared between links, do not change
	Method   string // of a form; empty otherwise
	Offset   int    // in the body, of the outermost construct that holds the link
	Depth    int    // how often the text was unescaped before the URL could be read
	Inferred bool   // it stands in the body, but nothing shows that it is fetched
	Prefix   bool   // a script or program appends something not known here: URL is its beginning
}

// Reason tells in one line where the link was found.
func (l Link) Reason() string {
	var b strings.Builder
	for _, s := range l.Via {
		b.WriteString(string(s))
		b.WriteString(" › ")
	}
	b.WriteString(l.Where)
	return b.String()
}

// Note says that something was left undone.
type Note struct {
	What   string // which limit or which format, one of the Note… constants
	Limit  int    // its value; 0 if it is no limit
	Offset int    // where in the body it was first met
	Times  int
}

// What a Note can say.
const (
	NoteInput      = "input octets"
	NoteDecoded    = "decoded octets"
	NoteRatio      = "decompression ratio"
	NoteNesting    = "nesting"
	NotePasses     = "unescape passes"
	NoteLiterals   = "script literals"
	NoteLiteralLen = "script literal octets"
	NoteLinks      = "links"
	NoteURLLen     = "URL octets"
	NoteMembers    = "archive members and streams"
	NoteAttributes = "attributes of a tag"
	NoteDamaged    = "damaged container"
	NoteFilter     = "PDF filter not decoded"
	NoteEncrypted  = "encrypted container"
	NoteCharset    = "unknown charset"
)

// Find returns the links of one body, in the order of their offsets, each URL
// once per kind. mediaType and charset are what the message declares; either may
// be empty, and the body's first octets may know better. base is what relative
// references are resolved against, and may be nil: the URL of the request, or, of a
// script, that of the page that includes it. Links do not alias body.
func Find(body []byte, mediaType, charset string, base *url.URL, l Limits) ([]Link, []Note) {
	r := Examine(body, mediaType, charset, base, l)
	return r.Links, r.Notes
}

// finder is the state of one Find.
type finder struct {
	lim       Limits
	budget    int // octets that may still be decoded or read a second time
	literals  int
	regexps   int
	links     []Link
	minor     int // of them
	index     map[linkKey]int
	notes     []Note
	signs     []Sign
	literal   []byte // the longest one of the body that spells nothing
	literalAt int    // where it stands
	page      page
	vars      map[string]value // of all scripts of the body
	idle      []*machine
}

type linkKey struct {
	url  string
	kind Kind
}

func newFinder(l Limits) *finder {
	l = l.withDefaults()
	return &finder{lim: l, budget: l.Decoded, index: map[linkKey]int{}, vars: map[string]value{}}
}

// text is something being read: the body, or what was found within it.
type text struct {
	b        []byte
	off      int  // of b[0] in the body
	moved    bool // b is not a piece of the body: all of it stands at off
	base     *address
	via      []Step
	depth    int
	inferred bool
}

// at gives the offset in the body of b[i].
func (t *text) at(i int) int {
	if t.moved {
		return t.off
	}
	return t.off + min(i, len(t.b))
}

// part is a piece of t, reached by step.
func (t *text) part(start, end int, step Step) text {
	p := *t
	p.b, p.off = t.b[start:end], t.at(start)
	p.via = append(t.via[:len(t.via):len(t.via)], step)
	return p
}

// derived is a text that was made from what stands at t.b[i].
func (t *text) derived(i int, b []byte, step Step) text {
	d := *t
	d.b, d.off, d.moved = b, t.at(i), true
	d.via = append(t.via[:len(t.via):len(t.via)], step)
	return d
}

// enter says whether t may be read, and takes its octets from the budget if they
// are not read for the first time.
func (f *finder) enter(t *text) bool {
	if len(t.via) > f.lim.Nesting {
		f.note(NoteNesting, f.lim.Nesting, t.off)
		return false
	}
	return !t.moved || f.spend(len(t.b), t.off)
}

// spend takes n octets from the budget.
func (f *finder) spend(n, off int) bool {
	if n > f.budget {
		f.note(NoteDecoded, f.lim.Decoded, off)
		return false
	}
	f.budget -= n
	return true
}

func (f *finder) note(what string, limit, off int) {
	for i := range f.notes {
		if f.notes[i].What == what {
			f.notes[i].Times++
			f.notes[i].Offset = min(f.notes[i].Offset, off)
			return
		}
	}
	f.notes = append(f.notes, Note{What: what, Limit: limit, Offset: off, Times: 1})
}

// found is a reference before it is resolved.
type found struct {
	ref      []byte
	kind     Kind
	where    string
	method   string
	at       int // index in the text
	depth    int // passes beyond the text's own
	inferred bool
	prefix   bool
}

// add resolves a reference found in t and keeps it, or reads on in what it holds
// itself: data: and javascript: URLs. It says whether ref was any of these.
func (f *finder) add(t *text, r found) bool {
	ref, cut := cutHole(bytes.Trim(r.ref, asciiSpace))
	if len(ref) == 0 && r.kind != KindForm {
		return false
	}
	if f.readScheme(t, r, ref) {
		return true
	}
	if len(ref) > f.lim.URLLen {
		f.note(NoteURLLen, f.lim.URLLen, t.at(r.at))
		return false
	}
	if n := t.base.long(ref); n > 0 && !f.spend(n, t.at(r.at)) {
		return false
	}
	u, ok := f.page.resolve(ref, t.base)
	if !ok {
		return false
	}
	f.keep(Link{
		URL: u, Raw: string(bytes.ToValidUTF8(ref[:min(len(ref), maxRaw)], []byte("\uFFFD"))), Kind: r.kind, Where: r.where,
		Via: t.via, Method: r.method, Offset: t.at(r.at), Depth: t.depth + r.depth,
		Inferred: t.inferred || r.inferred, Prefix: cut || r.prefix,
	})
	return true
}

// maxRaw bounds Link.Raw.
const maxRaw = 2048

// keep adds a link once per URL and kind: a second finding that is more certain
// takes the place of the first.
func (f *finder) keep(l Link) {
	key := linkKey{l.URL, l.Kind}
	if i, ok := f.index[key]; ok {
		if old := &f.links[i]; old.Inferred && !l.Inferred || old.Prefix && !l.Prefix && old.Inferred == l.Inferred {
			*old = l
		}
		return
	}
	if len(f.links) >= f.lim.Links || l.minor() && f.minor >= f.lim.Links/2 {
		f.note(NoteLinks, f.lim.Links, l.Offset)
		return
	}
	f.minor += count(l.minor())
	f.index[key] = len(f.links)
	f.links = append(f.links, l)
}

// minor links may fill half of the limit only: a thousand anchors before it shall
// not hide a frame.
func (l *Link) minor() bool {
	return l.Inferred || l.Kind == KindAnchor || l.Kind == KindImage
}

func (f *finder) result() ([]Link, []Note) {
	for i := range f.links {
		f.links[i].Offset = f.page.original(f.links[i].Offset)
	}
	for i := range f.notes {
		f.notes[i].Offset = f.page.original(f.notes[i].Offset)
	}
	for i := range f.signs {
		f.signs[i].Offset = f.page.original(f.signs[i].Offset)
	}
	sort.SliceStable(f.links, func(i, j int) bool { return f.links[i].Offset < f.links[j].Offset })
	return f.links, f.notes
}
