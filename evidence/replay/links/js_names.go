package links

import "bytes"

// name handles a word: a keyword that structures the script, or a variable.
func (m *machine) name(tok token) {
	switch string(tok.text) {
	case "var", "let", "const", "else", "do", "try", "finally", "case", "default", "throw", "break", "continue",
		"return", "export", "import", "from", "class", "extends",
		"Dim", "dim", "Set", "set", "Sub", "sub", "Then", "then", "Else", "End", "Next", "Call", "call":
		m.endStatement()
	case "if", "for", "while", "with", "switch", "catch":
		m.endStatement()
	case "new", "await", "async", "yield":
		// the value of what follows
	case "typeof", "void", "delete":
		m.push(opUnary)
	case "in", "instanceof", "of":
		m.push(opCompare)
	case "And", "Or", "Xor", "Mod":
		if m.lex.dialect == dialectVB {
			m.push(opCompare)
			return
		}
		m.operand(value{kind: valueName, at: tok.at, b: tok.text})
	case "function":
		m.functionHead()
	default:
		m.operand(value{kind: valueName, at: tok.at, b: tok.text})
	}
}

// functionHead reads the name and the parameters of a function, where they are
// plain; its body is read like any block.
func (m *machine) functionHead() {
	if m.have {
		m.endStatement()
	}
	b := m.lex.b
	i := skipSpace(b, m.lex.pos)
	for i < len(b) && isNamePart(b[i]) {
		i++
	}
	i = skipSpace(b, i)
	m.function = true
	if i >= len(b) || b[i] != '(' {
		return
	}
	window := b[i+1 : min(len(b), i+1+maxParameters)]
	end := bytes.IndexAny(window, "){('\"")
	if end < 0 || window[end] != ')' {
		return
	}
	m.isPacker = bytes.HasPrefix(bytes.ReplaceAll(window[:end], []byte(" "), nil), []byte("p,a,c,k,e"))
	m.lex.pos = i + 1 + end + 1
}

const maxParameters = 1024 // octets

// load gives the value of a variable; other values pass.
func (m *machine) load(v value) value {
	if v.kind != valueName && v.kind != valueMember {
		return v
	}
	if v.kind == valueMember {
		return m.property(v)
	}
	if known, ok := m.f.vars[string(v.b)]; ok && known.kind != valueName {
		known.at, known.owned, known.seen, known.grown = v.at, false, true, false
		return known
	}
	path := m.alias(v.b)
	if s := m.location(path); s != nil {
		return value{kind: valueString, at: v.at, b: s}
	}
	if i := bytes.LastIndexByte(v.b, '.'); i > 0 && string(v.b[i+1:]) == "length" {
		return m.property(value{kind: valueMember, at: v.at, b: v.b[i+1:], list: []value{{kind: valueName, at: v.at, b: v.b[:i]}}})
	}
	return value{kind: valueName, at: v.at, b: path}
}

// property is a member that is not called.
func (m *machine) property(v value) value {
	of := m.load(v.list[0])
	if string(v.b) == "length" {
		switch of.kind {
		case valueString:
			return value{kind: valueNumber, at: v.at, number: float64(len(of.b))}
		case valueArray:
			return value{kind: valueNumber, at: v.at, number: float64(len(of.list))}
		}
	}
	if v.list[0].kind != valueName {
		return m.lost(of)
	}
	return value{at: v.at}
}

// alias replaces the first name of a path by what it stands for: after
// "d=document", d.write is document.write.
func (m *machine) alias(path []byte) []byte {
	if len(m.f.vars) == 0 {
		return path
	}
	for range 4 {
		first, rest := path, []byte(nil)
		if i := bytes.IndexByte(path, '.'); i >= 0 {
			first, rest = path[:i], path[i:]
		}
		known, ok := m.f.vars[string(first)]
		if !ok || known.kind != valueName || len(known.b)+len(rest) > maxPath {
			return path
		}
		path = append(bytes.Clone(known.b), rest...)
	}
	return path
}

// store sets a variable to what is known of a value.
func (m *machine) store(name []byte, v value) {
	known := v.kind == valueString || v.kind == valueNumber || v.kind == valueArray || v.kind == valueChoice || v.kind == valueRegexp ||
		v.kind == valueName && isBuiltin(v.b)
	if !v.grown && len(m.f.vars) > 0 {
		if old := m.f.vars[string(name)]; old.grown {
			m.ripe(old)
		}
	}
	if !known || len(m.f.vars) >= maxVariables {
		if len(m.f.vars) > 0 {
			delete(m.f.vars, string(name))
		}
		return
	}
	m.f.vars[string(name)] = v
}

const maxVariables = 1 << 16

// isBuiltin says whether a path names something whose use matters here.
func isBuiltin(path []byte) bool {
	switch string(lastName(path)) {
	case "window", "document", "self", "top", "parent", "this", "location", "String", "eval", "unescape", "atob",
		"decodeURIComponent", "decodeURI", "fromCharCode", "write", "writeln", "setTimeout", "setInterval", "Function",
		"open", "fetch", "execScript", "createElement", "body", "parseInt", "Array":
		return true
	}
	return false
}

// lastName is the property that a path ends with.
func lastName(path []byte) []byte { return path[bytes.LastIndexByte(path, '.')+1:] }

// location gives what the script reads of the page's own address.
func (m *machine) location(path []byte) []byte {
	a := m.t.base
	if a == nil || len(path) < len("location") {
		return nil
	}
	for _, object := range [...]string{"window.", "self.", "top.", "parent.", "document."} {
		path = bytes.TrimPrefix(path, []byte(object))
	}
	switch string(path) {
	case "location.protocol":
		return []byte(a.scheme + ":")
	case "location.host":
		return []byte(a.host)
	case "location.hostname", "domain":
		return []byte(withoutPort(a.host))
	case "location.origin":
		return []byte(a.scheme + "://" + a.host)
	case "location.pathname":
		return []byte(a.path)
	case "location.search":
		return []byte(a.query)
	}
	return nil
}

func withoutPort(host string) string {
	b := []byte(host)
	if i := bytes.LastIndexByte(b, ':'); i >= 0 && bytes.IndexByte(b[i:], ']') < 0 {
		return host[:i]
	}
	return host
}
