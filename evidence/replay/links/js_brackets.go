package links

import "bytes"

// open begins a bracket, whose role is told by what stands before it.
func (m *machine) open(op operator, at int) {
	if len(m.frames) >= maxFrames {
		m.f.note(NoteNesting, maxFrames, m.t.at(at))
		m.endStatement()
		m.over++
		return
	}
	fr := frame{role: roleGroup, callee: value{at: at}}
	switch {
	case op == opOpenBrace:
		fr = m.brace(at)
	case m.have && (op == opOpenParen || op == opOpenBracket):
		fr.role = roleCall
		if op == opOpenBracket {
			fr.role = roleIndex
		}
		fr.callee = m.pop()
	case op == opOpenBracket:
		fr.role = roleArray
	case m.control():
		fr.role = roleControl
	}
	fr.vals, fr.ops = len(m.vals), len(m.ops)
	m.frames = append(m.frames, fr)
	m.have = false
}

// brace tells a block from an object literal and the body of a function: it is an
// operand where an expression has begun.
func (m *machine) brace(at int) frame {
	fr := frame{role: roleBlock, callee: value{at: at}}
	if m.have {
		m.endStatement()
	}
	top := m.top()
	operand := len(m.ops) > top.ops || top.role == roleGroup || top.role == roleCall || top.role == roleArray || m.returns()
	switch {
	case m.function && operand:
		fr.role, fr.packer = roleFunction, m.isPacker
	case m.function:
	case operand:
		fr.role = roleObject
	}
	m.function, m.isPacker = false, false
	return fr
}

// returns says that "return" stands right before the position.
func (m *machine) returns() bool {
	return bytes.HasSuffix(bytes.TrimRight(m.lex.b[max(0, m.lex.pos-12):m.lex.pos-1], asciiSpace), []byte("return"))
}

// control says that a keyword with a condition stands right before the position.
func (m *machine) control() bool {
	before := bytes.TrimRight(m.lex.b[max(0, m.lex.pos-12):m.lex.pos-1], asciiSpace)
	for _, word := range [...]string{"if", "for", "while", "with", "switch", "catch"} {
		if n := len(before) - len(word); n >= 0 && string(before[n:]) == word && (n == 0 || !isNamePart(before[n-1])) {
			return true
		}
	}
	return false
}

// close ends the innermost bracket of one of the roles. One that does not match is
// dropped, unless it closes brackets just around.
func (m *machine) close(at int, roles ...role) {
	if m.over > 0 {
		m.endStatement()
		m.over--
		return
	}
	for back := 1; back <= 3 && back < len(m.frames); back++ {
		if !hasRole(m.frames[len(m.frames)-back].role, roles) {
			continue
		}
		for ; back > 1; back-- {
			m.endStatement()
			m.drop()
		}
		m.closeTop(at)
		return
	}
	m.endStatement()
}

func hasRole(r role, roles []role) bool {
	for _, other := range roles {
		if r == other {
			return true
		}
	}
	return false
}

// drop forgets the innermost bracket and its values.
func (m *machine) drop() frame {
	fr := *m.top()
	for _, v := range m.vals[fr.vals:] {
		m.examine(v)
	}
	m.vals, m.ops = m.vals[:fr.vals], m.ops[:fr.ops]
	m.frames = m.frames[:len(m.frames)-1]
	m.have = false
	return fr
}

func (m *machine) closeTop(at int) {
	switch m.top().role {
	case roleCall:
		m.endArgument()
		args := m.vals[m.top().vals:]
		result := m.call(m.top().callee, args)
		m.leave(result)
	case roleArray:
		m.endArgument()
		list := append([]value(nil), m.vals[m.top().vals:]...)
		m.leave(value{kind: valueArray, at: m.top().callee.at, list: list})
	case roleIndex:
		v, _ := m.endExpression()
		m.leave(m.index(m.top().callee, m.load(v)))
	case roleGroup:
		v, _ := m.endExpression()
		m.leave(v)
	case roleControl, roleBlock:
		m.endStatement()
		m.drop()
	case roleObject:
		m.endStatement()
		m.leave(value{at: at})
	case roleFunction:
		m.endStatement()
		kind := valueUnknown
		if m.top().packer {
			kind = valuePacker
		}
		m.leave(value{kind: kind, at: at})
	case roleTemplate:
		v, _ := m.endExpression()
		m.leave(m.join(m.top().callee, m.load(v)))
		m.template(m.lex.template())
	}
}

// leave closes the innermost bracket, which comes to v. Its values were used.
func (m *machine) leave(v value) {
	fr := m.top()
	clear(m.vals[fr.vals:])
	m.vals, m.ops = m.vals[:fr.vals], m.ops[:fr.ops]
	m.frames = m.frames[:len(m.frames)-1]
	m.vals = append(m.vals, v)
	m.have = true
}

// template handles a piece of a template literal. Behind ${…} the value so far is
// on the stack.
func (m *machine) template(tok token) {
	v := value{kind: valueString, at: tok.at, b: tok.text}
	if m.have && tok.at > 0 && m.lex.b[tok.at-1] == '}' {
		v = m.join(m.pop(), v)
		m.have = false
	} else if m.have {
		m.endStatement() // a tagged template
	}
	if !tok.opened {
		m.operand(v)
		return
	}
	if len(m.frames) >= maxFrames {
		m.f.note(NoteNesting, maxFrames, m.t.at(tok.at))
		m.over++
		m.operand(v)
		return
	}
	m.frames = append(m.frames, frame{role: roleTemplate, callee: v, vals: len(m.vals), ops: len(m.ops)})
	m.have = false
}

// maxPath bounds the octets of a path such as a.b.c.
const maxPath = 256

// dot reads the name of a property.
func (m *machine) dot() {
	m.lex.operand = false
	start := m.lex.pos
	tok := m.lex.next()
	if tok.kind != tokenName || !m.have {
		m.lex.pos = start
		m.have = false
		return
	}
	m.vals = append(m.vals, m.member(m.pop(), tok.text, tok.at))
}

// member is the property of a value: a longer path of a name, or waiting for what
// is done with it.
func (m *machine) member(v value, name []byte, at int) value {
	switch {
	case v.kind == valueName && len(v.b)+len(name) < maxPath:
		return value{kind: valueName, at: v.at, b: m.path(v, name, at)}
	case v.kind == valueMember: // what a property's property is told by is not known
		m.examine(v.list[0])
		fallthrough
	case v.kind == valueName, v.kind == valueUnknown:
		return value{kind: valueMember, at: v.at, b: name, list: []value{{at: v.at}}}
	}
	return value{kind: valueMember, at: v.at, b: name, list: []value{v}}
}

// path joins a path and a name, without copying where they stand so in the script.
func (m *machine) path(v value, name []byte, at int) []byte {
	if end := v.at + len(v.b); end+1 == at && m.lex.b[end] == '.' && at+len(name) <= len(m.lex.b) &&
		bytes.Equal(m.lex.b[v.at:end], v.b) && bytes.Equal(m.lex.b[at:at+len(name)], name) {
		return m.lex.b[v.at : at+len(name)]
	}
	out := make([]byte, 0, len(v.b)+1+len(name))
	return append(append(append(out, v.b...), '.'), name...)
}

// index is v[i]: an element, a character or a property.
func (m *machine) index(v, i value) value {
	if i.kind == valueString {
		return m.member(v, i.b, i.at)
	}
	v = m.load(v)
	n := int(i.number)
	switch {
	case i.kind != valueNumber || n < 0:
		return m.lost(v)
	case v.kind == valueArray && n < len(v.list):
		out := v.list[n]
		out.owned, out.seen, out.at = false, v.seen, v.at
		return out
	case v.kind == valueString && n < len(v.b):
		return value{kind: valueString, at: v.at, depth: v.depth, b: v.b[n : n+1]}
	}
	return m.lost(v)
}

// lost is a value that is not known, made of v, which is looked at last time here
// unless a variable keeps it.
func (m *machine) lost(v value) value {
	if v.kind != valueName && v.kind != valueUnknown {
		m.examine(v)
	}
	return value{at: v.at}
}
