package links

import (
	"bytes"
	"encoding/base64"
)

// minExamined is the least length of a literal that may hold a URL: "//a.b/c".
const minExamined = 7

// examine looks at a value that went nowhere known: a URL in it, HTML or script
// that it reads as, and the same behind the usual encodings.
func (m *machine) examine(v value) {
	if v.seen {
		return
	}
	switch v.kind {
	case valueChoice:
		for _, alternative := range v.list {
			m.examine(alternative)
		}
	case valueArray:
		m.examineList(v)
	case valueMember:
		m.examine(v.list[0])
	case valueString:
		if len(v.b) >= minExamined {
			m.examineString(v)
		}
	}
}

// examineString reads a string as what it looks like; it says whether it looked
// like anything.
func (m *machine) examineString(v value) bool {
	switch {
	case holdsMarkup(v.b):
		m.nested(v, StepMarkup, formatHTML, inferredYes)
		return true
	case len(v.b) >= minScript && readsAsScript(v.b):
		m.nested(v, StepCode, formatScript, inferredYes)
		return true
	case bytes.Contains(v.b, []byte("://")):
		m.f.eachURL(v.b, func(i, n int) {
			m.f.add(m.t, found{ref: v.b[i : i+n], kind: KindLiteral, where: "literal", at: v.at, depth: v.depth, inferred: true})
		})
		return true
	}
	m.guess(v)
	return false
}

// examineList looks at the elements of an array, and at what its numbers spell.
func (m *machine) examineList(v value) {
	numbers := 0
	for i := range v.list {
		if _, ok := numeric(v.list[i]); ok {
			numbers++
			continue
		}
		m.examine(v.list[i])
	}
	if numbers < minCodes || numbers < len(v.list) {
		return
	}
	r, _ := m.fromCharCodes(v, v.list)
	m.try(r)
}

const (
	minCodes  = 8
	minScript = 24
	// A guess is tried on literals of this many octets and more.
	minGuess = 12
)

// guess tries the usual encodings on a literal that looks encoded. What comes out
// counts only if it holds a URL, HTML or script.
func (m *machine) guess(v value) {
	if len(v.b) < minGuess || v.depth >= m.f.lim.Passes {
		return
	}
	if code := machineOctets(v.b); code != nil && m.room(len(code), v.at) {
		m.f.readShellcode(m.t, code, v.at, v.depth)
	}
	percent := bytes.IndexByte(v.b, '%') >= 0
	if shift, ok := knownShift(v.b); ok {
		m.try(m.decode(v, len(v.b), func() []byte { return shifted(v.b, shift) }))
		return
	}
	switch {
	case percent && bytes.Count(v.b, []byte("%u"))*12 > len(v.b), percent && bytes.Count(v.b, []byte("%"))*6 > len(v.b):
		m.try(m.decode(v, len(v.b), func() []byte { m.code(v.b, v.at); return unescapeScript(v.b) }))
	case bytes.Count(v.b, []byte(`\x`))*8 > len(v.b), bytes.Count(v.b, []byte(`\u`))*12 > len(v.b):
		m.try(m.decode(v, len(v.b), func() []byte { return unescapeLiteral(v.b) }))
	case holdsReversed(v.b):
		m.try(m.decode(v, len(v.b), func() []byte { return reversed(v.b) }))
	case isCodeList(v.b):
		m.try(m.decode(v, len(v.b), func() []byte { return decodeCodes(v.b) }))
	case isHex(v.b):
		m.try(m.decode(v, len(v.b), func() []byte {
			b := decodeHex(v.b)
			if text := m.keyed(b); text != nil {
				return text
			}
			return b
		}))
	case isBase64(v.b):
		m.try(m.decode(v, len(v.b), func() []byte { return decodeBase64(v.b) }))
	}
}

// try examines the outcome of a guess.
func (m *machine) try(v value) {
	if v.kind != valueString || len(v.b) < minExamined {
		return
	}
	kept := m.t.inferred
	via := m.t.via
	m.t.inferred = true
	m.t.via = append(via[:len(via):len(via)], StepGuess)
	m.examineString(v)
	m.t.inferred, m.t.via = kept, via
}

// holdsMarkup says whether a tag that leads somewhere begins in the text.
func holdsMarkup(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '<')
		if i < 0 || len(b)-i < 4 {
			return false
		}
		b = b[i+1:]
		for _, tag := range [...]string{
			"iframe", "frame", "script", "img", "embed", "object", "applet", "a ", "meta", "form", "link", "body",
			"html", "svg", "style", "div", "base", "param", "video", "audio", "source", "input", "span", "jnlp",
		} {
			if b[0]|0x20 == tag[0] && hasFoldPrefix(b, tag) {
				return true
			}
		}
	}
}

// readsAsScript says whether the text has words that scripts act with.
func readsAsScript(b []byte) bool {
	if bytes.IndexByte(b, '(') < 0 && bytes.IndexByte(b, '=') < 0 {
		return false
	}
	for _, word := range [...]string{
		"document.", "window.", "location", "eval(", "unescape(", "fromCharCode", "function(", "function ",
		".src", "ActiveXObject", "CreateObject", "navigator.", ".createElement", "app.", "this.",
	} {
		if bytes.Contains(b, []byte(word)) {
			return true
		}
	}
	return false
}

func holdsReversed(b []byte) bool {
	return bytes.Contains(b, []byte("//:ptth")) || bytes.Contains(b, []byte("//:sptth")) ||
		bytes.Contains(b, []byte("emarfi<")) || bytes.Contains(b, []byte("tpircs<")) || bytes.Contains(b, []byte("tnemucod"))
}

// knownShift finds the constant that was added to every character of a text with
// "http://" or "iframe" in it: differences of neighbours stay the same.
func knownShift(b []byte) (shift byte, ok bool) {
	for _, word := range [...]string{"http://", "https://", "<iframe", "<script"} {
		for i := 0; i+len(word) <= len(b); i++ {
			n := 1
			for n < len(word) && b[i+n]-b[i] == word[n]-word[0] {
				n++
			}
			if n == len(word) {
				return b[i] - word[0], b[i] != word[0]
			}
		}
	}
	return 0, false
}

func shifted(b []byte, shift byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = c - shift
	}
	return out
}

// isCodeList knows "60,105,102" and "60 105 102".
func isCodeList(b []byte) bool {
	codes := 0
	for i, c := range b {
		if isDigit(c) {
			codes += count(i == 0 || !isDigit(b[i-1]))
		} else if c != ',' && c != ' ' && c != '|' && c != '-' && c != ';' && c != '.' {
			return false
		}
	}
	return codes >= minCodes
}

func decodeCodes(b []byte) []byte {
	out := make([]byte, 0, len(b)/3)
	for i := 0; i < len(b); {
		if !isDigit(b[i]) {
			i++
			continue
		}
		n := 0
		for ; i < len(b) && isDigit(b[i]); i++ {
			n = min(n*10+int(b[i]-'0'), 0x110000)
		}
		out = appendUnit(out, n)
	}
	return out
}

func isHex(b []byte) bool {
	if len(b)%2 != 0 {
		return false
	}
	for _, c := range b {
		if hexValue(c) < 0 {
			return false
		}
	}
	return true
}

func decodeHex(b []byte) []byte {
	out := make([]byte, len(b)/2)
	for i := range out {
		out[i] = byte(hexNumber(b[2*i:], 2))
	}
	return out
}

func isBase64(b []byte) bool {
	b = bytes.TrimRight(b, "=")
	if len(b)%4 == 1 {
		return false
	}
	for _, c := range b {
		if !isLetter(c) && !isDigit(c) && c != '+' && c != '/' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// decodeBase64 takes both alphabets and blanks, and stops at what is neither; nil
// if nothing comes out.
func decodeBase64(b []byte) []byte {
	if i := bytes.IndexByte(b, '='); i >= 0 {
		b = b[:i]
	}
	clean := make([]byte, 0, len(b))
	for _, c := range b {
		switch {
		case c == '-':
			clean = append(clean, '+')
		case c == '_':
			clean = append(clean, '/')
		case !isSpace(c):
			clean = append(clean, c)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, _ := base64.RawStdEncoding.Decode(out, clean)
	if n == 0 {
		return nil
	}
	return out[:n]
}
