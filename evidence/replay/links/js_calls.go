package links

import "bytes"

// call folds a call, or hands its arguments to what they go to. args are valid
// until it returns.
func (m *machine) call(callee value, args []value) value {
	if callee.kind == valuePacker {
		if v, ok := m.unpack(callee, args); ok {
			return v
		}
	}
	receiver, name := m.method(callee)
	var buf [24]byte
	lower := lowerInto(buf[:0], name)
	if string(lower) == "apply" || string(lower) == "call" {
		args = m.spread(string(lower), callee.at, args)
		inner := receiver
		receiver, name = m.method(inner)
		lower = lowerInto(buf[:0], name)
	}
	if v, ok := m.globalCall(string(lower), callee, receiver, args); ok {
		return v
	}
	if v, ok := m.methodCall(string(lower), receiver, args); ok {
		return v
	}
	if m.callSink(lower, callee, receiver, args) {
		return value{at: callee.at}
	}
	for _, a := range args {
		m.examine(a)
	}
	if receiver = m.load(receiver); receiver.kind == valueString {
		m.examine(receiver)
	}
	return value{at: callee.at}
}

// method splits what is called into a receiver, not loaded, and a name.
func (m *machine) method(callee value) (receiver value, name []byte) {
	switch callee.kind {
	case valueName:
		if _, ok := m.f.vars[string(callee.b)]; ok || bytes.IndexByte(callee.b, '.') < 0 {
			callee.b = m.alias(callee.b)
		}
		i := bytes.LastIndexByte(callee.b, '.')
		if i < 0 {
			return value{at: callee.at}, callee.b
		}
		return value{kind: valueName, at: callee.at, b: callee.b[:i]}, callee.b[i+1:]
	case valueMember:
		return callee.list[0], callee.b
	}
	return callee, nil
}

// spread gives the arguments that apply or call hand on, all at the place of the
// call: an array may come from another script.
func (m *machine) spread(by string, at int, args []value) []value {
	switch {
	case len(args) < 2:
		return nil
	case by == "call":
		return args[1:]
	case args[1].kind != valueArray || !m.room(8*len(args[1].list), at):
		return nil
	}
	list := append([]value(nil), args[1].list...)
	for i := range list {
		list[i].at = at
		list[i].seen = list[i].seen || args[1].seen
	}
	return list
}

func lowerInto(dst, name []byte) []byte {
	if len(name) > cap(dst) {
		return dst
	}
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// globalCall folds the global functions, and those of objects that are no values.
func (m *machine) globalCall(name string, callee, receiver value, args []value) (value, bool) {
	first := value{at: callee.at}
	if len(args) > 0 {
		first = args[0]
	}
	switch name {
	case "unescape", "decodeuri", "decodeuricomponent":
		return first.each(func(v value) value { return m.percentDecoded(name, v) }), first.kind == valueString || first.kind == valueChoice
	case "atob":
		return m.base64(first)
	case "fromcharcode", "fromcodepoint", "chr", "chrw", "chrb":
		return m.fromCharCodes(callee, args)
	case "string", "cstr":
		return first, len(args) == 1 && first.kind == valueString
	case "number", "parseint", "cint", "clng":
		return number(first, args)
	case "array":
		if len(args) > 1 {
			return value{kind: valueArray, at: callee.at, list: append([]value(nil), args...)}, true
		}
	case "regexp":
		if first.kind == valueString && len(first.b) <= maxRegexp {
			return value{kind: valueRegexp, at: first.at, b: slashed(first.b, args)}, true
		}
	case "strreverse":
		if first.kind == valueString {
			return m.decode(first, len(first.b), func() []byte { return reversed(first.b) }), true
		}
	case "replace": // VBScript's: replace(text, what, by)
		if len(args) == 3 && m.lex.dialect == dialectVB && receiver.kind == valueUnknown {
			return m.replace(first, args[1], args[2], true)
		}
	case "eval":
		if first.kind == valueString && isPath(first.b) {
			return value{kind: valueName, at: first.at, b: first.b}, true
		}
	}
	return value{}, false
}

func isPath(b []byte) bool {
	if len(b) == 0 || len(b) > maxPath || !isNameStart(b[0]) {
		return false
	}
	for _, c := range b {
		if !isNamePart(c) && c != '.' || c == '\\' {
			return false
		}
	}
	return true
}

func (m *machine) percentDecoded(name string, v value) value {
	if v.kind != valueString {
		return m.lost(v)
	}
	return m.decode(v, len(v.b), func() []byte {
		if name == "unescape" {
			m.code(v.b, v.at)
			return unescapeScript(v.b)
		}
		return appendPercentDecoded(make([]byte, 0, len(v.b)), v.b)
	})
}

func (m *machine) base64(v value) (value, bool) {
	if v.kind != valueString {
		return value{}, false
	}
	var out []byte
	r := m.decode(v, len(v.b), func() []byte { out = decodeBase64(v.b); return out })
	if r.kind == valueString && out == nil {
		return value{}, false
	}
	return r, true
}

// fromCharCodes needs every number: one that is not known makes a hole.
func (m *machine) fromCharCodes(callee value, args []value) (value, bool) {
	if len(args) == 0 {
		return value{}, false
	}
	if len(args) == 1 && args[0].kind == valueArray {
		args = args[0].list
	}
	depth := 0
	for _, a := range args {
		depth = max(depth, a.depth)
	}
	return m.decode(value{at: callee.at, depth: depth}, 4*len(args), func() []byte {
		out := make([]byte, 0, len(args))
		for _, a := range args {
			if n, ok := numeric(a); ok && n >= 0 && n <= 0x10FFFF {
				out = appendUnit(out, int(n))
			} else {
				out = append(out, hole...)
			}
		}
		return out
	}), true
}

// numeric gives the number of a value, which may be written in a string.
func numeric(v value) (float64, bool) {
	if v.kind == valueNumber {
		return v.number, true
	}
	if v.kind != valueString || len(v.b) == 0 || len(v.b) > 20 {
		return 0, false
	}
	x := lexer{b: bytes.TrimSpace(v.b)}
	if len(x.b) == 0 || !isDigit(x.b[0]) {
		return 0, false
	}
	n := x.number().number
	return n, x.pos == len(x.b)
}

// number is parseInt(text, radix) and its kind.
func number(first value, args []value) (value, bool) {
	if first.kind == valueNumber {
		return first, true
	}
	if first.kind != valueString || len(first.b) > 20 {
		return value{}, false
	}
	radix := 10
	x := lexer{b: bytes.TrimSpace(first.b)}
	if len(x.b) > 2 && x.b[0] == '0' && x.b[1]|0x20 == 'x' {
		radix, x.pos = 16, 2
	}
	if len(args) > 1 && args[1].kind == valueNumber && args[1].number >= 2 && args[1].number <= 16 {
		radix = int(args[1].number)
	}
	start := x.pos
	n := x.digits(radix)
	return value{kind: valueNumber, at: first.at, depth: first.depth, number: n}, x.pos > start
}
