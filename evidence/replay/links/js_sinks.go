package links

import "bytes"

// sinkKind is what becomes of a string that goes somewhere.
type sinkKind uint8

const (
	sinkNone    sinkKind = iota
	sinkAddress          // fetched or visited
	sinkOption           // the same, if it looks like an address at all: "url" may name anything
	sinkMarkup           // parsed as HTML
	sinkScript           // run
	sinkText             // run, if it reads as script: a script element's text, a handler
	sinkStyle
)

// propertySink says what setting a property does; its name in any case, as
// ActiveX objects and VBScript take it.
func propertySink(name []byte) sinkKind {
	var buf [24]byte
	switch string(lowerInto(buf[:0], name)) {
	case "location", "href", "src", "movie", "codebase", "archive", "classid", "lowsrc", "dynsrc":
		return sinkAddress
	case "action", "url", "uri", "data", "poster", "filename", "link", "redirect", "background", "path", "file", "jnlp_href", "formaction":
		return sinkOption
	case "innerhtml", "outerhtml", "srcdoc":
		return sinkMarkup
	case "text", "textcontent", "innertext":
		return sinkText
	case "csstext", "backgroundimage", "behavior":
		return sinkStyle
	}
	if len(name) > 2 && len(name) < maxHandler && name[0] == 'o' && name[1] == 'n' && isLetter(name[2]) {
		return sinkText
	}
	return sinkNone
}

// maxHandler bounds the octets of a property's name that begins with "on".
const maxHandler = 32

func (m *machine) isSink(property []byte) bool { return propertySink(property) != sinkNone }

// sink hands a value to what setting a property does with it.
func (m *machine) sink(property []byte, v value) bool {
	kind := propertySink(property)
	if kind == sinkNone {
		return false
	}
	handled := false
	v.each(func(v value) value {
		if v.kind == valueString {
			handled = m.deliver(kind, string(property), v) || handled
		}
		return v
	})
	return handled
}

// callSink hands arguments to a function that fetches, writes or runs them.
func (m *machine) callSink(name []byte, callee, receiver value, args []value) bool {
	if len(args) == 0 {
		return false
	}
	kind, which := sinkNone, 0
	switch string(name) {
	case "write", "writeln":
		m.write(callee, args)
		return true
	case "eval", "execscript", "settimeout", "setinterval", "execute", "executeglobal", "globaleval":
		kind = sinkScript
	case "function":
		kind, which = sinkScript, len(args)-1
	case "insertadjacenthtml":
		kind, which = sinkMarkup, 1
	case "html", "append", "prepend", "parsehtml", "createcontextualfragment":
		kind = sinkMarkup
	case "open":
		kind = sinkAddress
		if isMethod(args[0]) {
			which = 1
		}
	case "assign", "replace":
		if !m.isLocation(receiver) {
			return false
		}
		kind = sinkAddress
	case "navigate", "navigate2", "importscripts", "fetch", "worker", "sharedworker", "eventsource", "websocket", "sendbeacon", "getscript", "shellexecute", "showmodaldialog":
		kind = sinkAddress
	case "load", "get", "post", "ajax", "getjson", "request", "register", "audio", "download", "run", "exec":
		kind = sinkOption
	case "setattribute", "attr", "prop", "setproperty", "addparam", "setvariable":
		if len(args) > 1 && args[0].kind == valueString {
			return m.sink(args[0].b, args[1])
		}
	}
	if kind == sinkNone || which >= len(args) {
		return false
	}
	handled := false
	for i, a := range args {
		if i != which {
			m.examine(a)
			continue
		}
		a.each(func(v value) value {
			handled = true
			if v.kind != valueString || !m.deliver(kind, string(name)+"()", v) {
				m.examine(v)
			}
			return v
		})
	}
	return handled
}

// isLocation says that a value is window.location: strings and objects have methods
// of the same names.
func (m *machine) isLocation(v value) bool {
	v = m.load(v)
	return v.kind == valueName && string(lastName(v.b)) == "location"
}

// isMethod says that open's first argument is a method, as of XMLHttpRequest.
func isMethod(v value) bool {
	if v.kind != valueString {
		return false
	}
	switch string(bytes.ToUpper(v.b[:min(len(v.b), 8)])) {
	case "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// deliver does what the sink does with a string; it says whether that was of use.
func (m *machine) deliver(kind sinkKind, where string, v value) bool {
	switch kind {
	case sinkAddress, sinkOption:
		return m.address(kind, where, v)
	case sinkMarkup:
		if !m.room(len(v.b), v.at) || bytes.IndexByte(v.b, '<') < 0 {
			return false
		}
		m.nested(v, StepWrite, formatHTML, inferredNo)
	case sinkStyle:
		m.nested(v, StepStyle, formatCSS, inferredNo)
	case sinkText:
		if !m.room(len(v.b), v.at) || !readsAsScript(v.b) {
			return false
		}
		m.nested(v, StepEval, formatScript, inferredNo)
	case sinkScript:
		m.nested(v, StepEval, formatScript, inferredNo)
	}
	return true
}

// address keeps a string that is visited or fetched.
func (m *machine) address(kind sinkKind, where string, v value) bool {
	if len(v.b) == 0 || len(v.b) > m.f.lim.URLLen && !(hasDataScheme(v.b) && m.room(len(v.b), v.at)) {
		return false
	}
	scheme, _ := cutScheme(bytes.TrimLeft(v.b, asciiSpace))
	if scheme == "" && !looksLikePath(v.b, kind) {
		return false
	}
	r := found{ref: v.b, kind: KindLiteral, where: where, at: v.at, depth: v.depth, inferred: kind == sinkOption}
	return m.f.add(m.t, r)
}

// looksLikePath tells a relative URL from any other string: it has an extension,
// a query or, where only addresses go, a slash.
func looksLikePath(b []byte, kind sinkKind) bool {
	b, _ = cutHole(b)
	if len(b) < 2 {
		return kind == sinkAddress && len(b) == 1 && b[0] == '/'
	}
	dot, query, slash := false, false, false
	for i, c := range b {
		switch {
		case c <= ' ' && i > 0 && i < len(b)-1, bytes.IndexByte([]byte(`"'<>{}()|^`+"`"), c) >= 0:
			if !query {
				return false
			}
		case c == '.' && i+1 < len(b) && (isNamePart(b[i+1]) || b[i+1] == '.' || b[i+1] == '/'):
			dot = true
		case c == '?':
			query = true
		case c == '/':
			slash = true
		}
	}
	if b[0] == '.' && !slash { // ".class" is a selector
		return false
	}
	if kind == sinkAddress {
		return dot || slash || query
	}
	return slash && (dot || query || b[0] == '/') || query && dot
}

type inferred bool

const (
	inferredNo  inferred = false
	inferredYes inferred = true
)

// nested reads a string as a text of its own.
func (m *machine) nested(v value, step Step, as format, guess inferred) {
	t := m.t.derived(v.at, v.b, step)
	if v.depth > 0 {
		t.via = append(m.t.via[:len(m.t.via):len(m.t.via)], StepUnescape, step)
	}
	t.depth += v.depth
	t.inferred = t.inferred || bool(guess)
	if t.depth > m.f.lim.Passes {
		m.f.note(NotePasses, m.f.lim.Passes, t.off)
		return
	}
	m.f.read(t, as)
}

// writes collects what document.write is given until its tags are whole: a tag may
// be written in pieces.
type writes struct {
	b      []byte
	first  value // where the first piece stands
	tag    bool  // a tag is open
	script bool  // a script element is open
}

func (m *machine) write(callee value, args []value) {
	w := &m.writes
	if len(w.b) == 0 {
		w.first = value{kind: valueString, at: callee.at}
	}
	for _, a := range args {
		if a.kind == valueChoice {
			for _, other := range a.list[1:] {
				if m.room(len(other.b), other.at) {
					m.deliver(sinkMarkup, "write()", other)
				}
			}
			a = a.list[0]
		}
		piece := a.text()
		if len(w.b)+len(piece) > m.f.lim.LiteralLen || !m.room(len(piece), a.at) {
			m.flushWrites()
			return
		}
		w.first.depth = max(w.first.depth, a.depth)
		w.b = append(w.b, piece...)
		w.follow(piece)
	}
	if !w.tag && !w.script {
		m.flushWrites()
	}
}

// follow keeps track of what a piece leaves open.
func (w *writes) follow(piece []byte) {
	if less, greater := bytes.LastIndexByte(piece, '<'), bytes.LastIndexByte(piece, '>'); less != greater {
		w.tag = less > greater
	}
	for i := 0; i < len(piece); {
		n := bytes.IndexByte(piece[i:], '<')
		if n < 0 {
			return
		}
		i += n + 1
		if hasFoldPrefix(piece[i:], "script") {
			w.script = true
		} else if hasFoldPrefix(piece[i:], "/script") {
			w.script = false
		}
	}
}

func (m *machine) flushWrites() {
	w := m.writes
	m.writes = writes{}
	if len(w.b) == 0 {
		return
	}
	w.first.b = w.b
	m.nested(w.first, StepWrite, formatHTML, inferredNo)
}

func hasFoldPrefix(b []byte, lower string) bool {
	return len(b) >= len(lower) && equalFold(b[:len(lower)], lower)
}
