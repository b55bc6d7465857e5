package links

import (
	"bytes"
	"math"
	"regexp"
)

// methodCall folds the methods of strings and arrays.
func (m *machine) methodCall(name string, receiver value, args []value) (value, bool) {
	v := m.load(receiver)
	switch v.kind {
	case valueString:
		return m.stringMethod(name, v, args)
	case valueChoice:
		first := v.list[0]
		return m.stringMethod(name, first, args)
	case valueArray:
		return m.arrayMethod(name, v, args)
	case valueNumber:
		if name == "tostring" {
			if len(args) == 1 && args[0].kind == valueNumber && args[0].number != 10 {
				return value{}, false
			}
			return value{kind: valueString, at: v.at, b: formatNumber(v.number)}, true
		}
	}
	return value{}, false
}

func (m *machine) stringMethod(name string, v value, args []value) (value, bool) {
	switch name {
	case "tostring", "valueof":
		v.owned = false
		return v, true
	case "trim":
		return m.derive(v, len(v.b), func() []byte { return bytes.TrimSpace(v.b) }), true
	case "split":
		return m.split(v, args)
	case "replace", "replaceall":
		if len(args) == 2 {
			return m.replace(v, args[0], args[1], name == "replaceall")
		}
	case "concat":
		for _, a := range args {
			v = m.join(v, a)
		}
		return v, true
	case "tolowercase":
		return m.derive(v, len(v.b), func() []byte { return bytes.ToLower(v.b) }), true
	case "touppercase":
		return m.derive(v, len(v.b), func() []byte { return bytes.ToUpper(v.b) }), true
	case "charat":
		if i, ok := argument(args, 0, 0); ok {
			return slice(v, i, i+1), true
		}
	case "charcodeat", "codepointat":
		if i, ok := argument(args, 0, 0); ok && i >= 0 && i < len(v.b) && v.b[i] < 0x80 {
			return value{kind: valueNumber, at: v.at, depth: v.depth, number: float64(v.b[i])}, true
		}
	case "substr":
		start, ok1 := argument(args, 0, 0)
		n, ok2 := argument(args, 1, math.MaxInt32)
		if start < 0 {
			start = max(len(v.b)+start, 0)
		}
		return slice(v, start, start+n), ok1 && ok2
	case "substring", "slice":
		start, ok1 := argument(args, 0, 0)
		end, ok2 := argument(args, 1, len(v.b))
		if name == "slice" && start < 0 {
			start += len(v.b)
		}
		if name == "slice" && end < 0 {
			end += len(v.b)
		}
		if name == "substring" && start > end {
			start, end = end, start
		}
		return slice(v, start, end), ok1 && ok2
	}
	return value{}, false
}

// argument is an integer that may be left out.
func argument(args []value, i, otherwise int) (int, bool) {
	if i >= len(args) {
		return otherwise, true
	}
	if args[i].kind != valueNumber || math.Abs(args[i].number) > math.MaxInt32 {
		return 0, false
	}
	return int(args[i].number), true
}

// slice is a part of a string; the octets stand for its characters, which holds for
// ASCII.
func slice(v value, start, end int) value {
	start = min(max(start, 0), len(v.b))
	end = min(max(end, start), len(v.b))
	return value{kind: valueString, seen: v.seen, at: v.at, depth: v.depth, b: v.b[start:end:end]}
}

// split makes an array; with "" or nothing between, of single characters.
func (m *machine) split(v value, args []value) (value, bool) {
	if len(args) == 0 || args[0].kind != valueString && args[0].kind != valueRegexp {
		return value{}, false
	}
	separator := args[0].b
	if args[0].kind == valueRegexp {
		var plain bool
		if separator, plain = plainRegexp(args[0].b); !plain {
			return value{}, false
		}
	}
	if !m.room(len(v.b), v.at) {
		return value{at: v.at}, true
	}
	// An element of the list costs as much as some octets of text.
	if n := bytes.Count(v.b, separator) + 1; n > maxValues || !m.room(8*n, v.at) {
		m.f.note(NoteLiteralLen, maxValues, m.t.at(v.at))
		return value{at: v.at}, true
	}
	parts := bytes.Split(v.b, separator)
	list := make([]value, len(parts))
	for i, p := range parts {
		list[i] = value{kind: valueString, at: v.at, depth: v.depth, b: p[:len(p):len(p)]}
	}
	return value{kind: valueArray, at: v.at, depth: v.depth, list: list}, true
}

func (m *machine) arrayMethod(name string, v value, args []value) (value, bool) {
	if name != "join" && name != "reverse" && name != "tostring" && name != "concat" && name != "slice" || !m.room(8*len(v.list), v.at) {
		return value{}, false
	}
	switch name {
	case "reverse":
		list := make([]value, len(v.list))
		for i, e := range v.list {
			list[len(list)-1-i] = e
		}
		return value{kind: valueArray, seen: v.seen, at: v.at, depth: v.depth, list: list}, true
	case "concat":
		m.examine(v)
		v.seen = true
		for _, a := range args {
			m.examine(a)
			if a.kind != valueArray || !m.room(8*len(a.list), v.at) || len(v.list)+len(a.list) > maxValues {
				return value{}, false
			}
			v.list = append(v.list[:len(v.list):len(v.list)], a.list...)
		}
		return v, true
	case "slice":
		start, ok1 := argument(args, 0, 0)
		end, ok2 := argument(args, 1, len(v.list))
		if !ok1 || !ok2 || start < 0 || end < start || end > len(v.list) {
			return value{}, false
		}
		v.list = v.list[start:end:end]
		return v, true
	}
	separator := []byte(",")
	if name == "join" && len(args) > 0 {
		if args[0].kind != valueString {
			return value{}, false
		}
		separator = args[0].b
	}
	return m.joined(v, separator)
}

// joined is array.join(separator).
func (m *machine) joined(v value, separator []byte) (value, bool) {
	n, depth := 0, 0
	for i := range v.list {
		n += len(separator)
		if v.list[i].kind == valueString {
			n += len(v.list[i].b)
		} else {
			n += 24
		}
		depth = max(depth, v.list[i].depth)
	}
	return m.decode(value{at: v.at, depth: depth}, n, func() []byte {
		out := make([]byte, 0, n)
		for i := range v.list {
			if i > 0 {
				out = append(out, separator...)
			}
			out = append(out, v.list[i].text()...)
		}
		return out
	}), true
}

const (
	maxRegexp  = 64  // octets of a regular expression that is compiled
	maxRegexps = 256 // compiled for one body
)

// replace is text.replace(what, by) with a string or a regular expression.
func (m *machine) replace(v, what, by value, all bool) (value, bool) {
	if v.kind != valueString || by.kind != valueString {
		return value{}, false
	}
	pattern, plain := what.b, what.kind == valueString
	if what.kind == valueRegexp {
		all = bytes.IndexByte(flagsOf(what.b), 'g') >= 0
		pattern, plain = plainRegexp(what.b)
		plain = plain && bytes.IndexByte(flagsOf(what.b), 'i') < 0
	}
	n := 1
	if all {
		n = -1
	}
	switch {
	case bytes.IndexByte(by.b, '$') >= 0:
	case plain && len(pattern) > 0 && m.room(len(v.b), v.at):
		hits := bytes.Count(v.b, pattern)
		if !all {
			hits = min(hits, 1)
		}
		return m.derive(v, len(v.b)+hits*len(by.b), func() []byte { return bytes.Replace(v.b, pattern, by.b, n) }), true
	case what.kind == valueRegexp:
		return m.replaceRegexp(v, what.b, by.b, n)
	}
	return value{}, false
}

// replaceRegexp leaves counted repeats out: they make an automaton of any size.
func (m *machine) replaceRegexp(v value, literal, by []byte, n int) (value, bool) {
	end := bytes.LastIndexByte(literal, '/')
	if len(literal) > maxRegexp || end < 1 || bytes.IndexByte(literal, '{') >= 0 {
		return value{}, false
	}
	if m.f.regexps++; m.f.regexps > maxRegexps {
		m.f.note(NoteLiterals, maxRegexps, m.t.at(v.at))
		return value{}, false
	}
	flags := "(?s)"
	if bytes.IndexByte(literal[end:], 'i') >= 0 {
		flags = "(?si)"
	}
	re, err := regexp.Compile(flags + string(literal[1:end]))
	if err != nil || !m.room(len(v.b)*len(literal)/8, v.at) {
		return value{}, false
	}
	return m.derive(v, len(v.b)*(1+len(by)), func() []byte {
		if n < 0 {
			return re.ReplaceAllLiteral(v.b, by)
		}
		at := re.FindIndex(v.b)
		if at == nil {
			return v.b
		}
		return bytes.Join([][]byte{v.b[:at[0]], by, v.b[at[1]:]}, nil)
	}), true
}

// plainRegexp gives the text that a regular expression without operators stands for.
func plainRegexp(literal []byte) ([]byte, bool) {
	end := bytes.LastIndexByte(literal, '/')
	if end < 1 {
		return nil, false
	}
	var out []byte
	for i := 1; i < end; i++ {
		c := literal[i]
		if c == '\\' && i+1 < end && !isLetter(literal[i+1]) && !isDigit(literal[i+1]) {
			i++
			c = literal[i]
		} else if bytes.IndexByte([]byte(`\^$.|?*+()[]{}`), c) >= 0 {
			return nil, false
		}
		out = append(out, c)
	}
	return out, true
}

func flagsOf(literal []byte) []byte { return literal[bytes.LastIndexByte(literal, '/')+1:] }

// slashed writes new RegExp(text, flags) as a literal.
func slashed(b []byte, args []value) []byte {
	out := append(append([]byte{'/'}, b...), '/')
	if len(args) > 1 && args[1].kind == valueString && len(args[1].b) < 8 {
		out = append(out, args[1].b...)
	}
	return out
}
