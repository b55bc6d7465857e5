package links

import (
	"bytes"
	"math"
	"strconv"
)

// dialect of script.
type dialect uint8

const (
	dialectJS dialect = iota
	dialectVB
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenString
	tokenNumber
	tokenRegexp
	tokenTemplate // text up to the closing ` or to ${
	tokenOperator
)

// token is one lexical element of a script.
type token struct {
	kind   tokenKind
	op     operator
	opened bool   // of a template: it ended with ${
	at     int    // index of its first octet
	text   []byte // name as written; string, decoded; regular expression with its flags
	number float64
}

// lexer cuts a script into tokens (ECMA-262 section 12). It never fails: what
// makes no sense is skipped.
type lexer struct {
	b       []byte
	pos     int
	dialect dialect
	// operand says that an operand may come next, so that a slash begins a regular
	// expression.
	operand  bool
	noRegexp int // no slash before this index closes a regular expression
}

func (x *lexer) next() token {
	for x.pos < len(x.b) {
		at := x.pos
		switch c := x.b[at]; {
		case c == '\n' && x.dialect == dialectVB:
			x.pos++
			return token{kind: tokenOperator, op: opSemicolon, at: at}
		case isSpace(c):
			x.pos++
		case isNameStart(c):
			if x.dialect == dialectVB && x.vbLineEnd() {
				continue
			}
			return x.name()
		case c == '"', c == '\'' && x.dialect == dialectJS:
			return x.quoted(c)
		case isDigit(c), c == '.' && at+1 < len(x.b) && isDigit(x.b[at+1]):
			return x.number()
		case c == '&' && x.dialect == dialectVB && x.operand && at+1 < len(x.b) && x.b[at+1]|0x20 == 'h':
			x.pos += 2
			return token{kind: tokenNumber, at: at, number: x.digits(16)}
		case c == '`' && x.dialect == dialectJS:
			x.pos++
			return x.template()
		case x.comment(c):
		case c == '/' && x.operand && x.regexpEnd() > 0:
			x.pos = x.regexpEnd()
			return token{kind: tokenRegexp, at: at, text: x.b[at:x.pos]}
		default:
			if op := x.readOperator(); op != opNone {
				return token{kind: tokenOperator, op: op, at: at}
			}
		}
	}
	return token{at: len(x.b)}
}

// comment skips a comment that begins here. What Internet Explorer compiles
// conditionally stands in a comment and is none.
func (x *lexer) comment(c byte) bool {
	rest := x.b[x.pos:]
	switch {
	case x.dialect == dialectVB:
		if c != '\'' {
			return false
		}
		x.skipLine()
	case c == '/' && bytes.HasPrefix(rest, []byte("//")):
		x.skipLine()
	case c == '/' && bytes.HasPrefix(rest, []byte("/*@")):
		x.pos += 3
		if bytes.HasPrefix(x.b[x.pos:], []byte("cc_on")) {
			x.pos += len("cc_on")
		}
	case c == '/' && bytes.HasPrefix(rest, []byte("/*")):
		n := bytes.Index(rest[2:], []byte("*/"))
		if n < 0 {
			x.pos = len(x.b)
			return true
		}
		x.pos += n + 4
	case c == '<' && bytes.HasPrefix(rest, []byte("<!--")):
		x.skipLine()
	case c == '-' && bytes.HasPrefix(rest, []byte("-->")) && x.lineBegins():
		x.skipLine()
	default:
		return false
	}
	return true
}

func (x *lexer) skipLine() {
	n := bytes.IndexAny(x.b[x.pos:], "\r\n")
	if n < 0 {
		x.pos = len(x.b)
		return
	}
	x.pos += n
}

// lineBegins says that only blanks stand before the position in its line.
func (x *lexer) lineBegins() bool {
	i := x.pos
	for i > 0 && (x.b[i-1] == ' ' || x.b[i-1] == '\t') {
		i--
	}
	return i == 0 || x.b[i-1] == '\n' || x.b[i-1] == '\r'
}

// vbLineEnd skips a Rem comment and a line's continuation.
func (x *lexer) vbLineEnd() bool {
	rest := x.b[x.pos:]
	if rest[0] == '_' && len(rest) > 1 && (rest[1] == '\r' || rest[1] == '\n') {
		x.pos += 2
		if rest[1] == '\r' && len(rest) > 2 && rest[2] == '\n' {
			x.pos++
		}
		return true
	}
	if len(rest) > 4 && equalFold(rest[:3], "rem") && isSpace(rest[3]) && x.lineBegins() {
		x.skipLine()
		return true
	}
	return false
}

func isNameStart(c byte) bool { return isLetter(c) || c == '_' || c == '$' || c >= 0x80 || c == '\\' }

func isNamePart(c byte) bool { return isNameStart(c) || isDigit(c) }

func (x *lexer) name() token {
	at := x.pos
	escaped := false
	for x.pos < len(x.b) && isNamePart(x.b[x.pos]) {
		escaped = escaped || x.b[x.pos] == '\\'
		x.pos++
	}
	t := token{kind: tokenName, at: at, text: x.b[at:x.pos]}
	if escaped {
		t.text = unescapeLiteral(t.text)
	}
	return t
}

// quoted reads a string, which ends at a line end at the latest.
func (x *lexer) quoted(quote byte) token {
	at := x.pos
	if x.dialect == dialectVB {
		return x.quotedVB()
	}
	escaped := false
	for x.pos = at + 1; x.pos < len(x.b); x.pos++ {
		switch c := x.b[x.pos]; c {
		case '\\':
			escaped = true
			if x.pos++; x.pos+1 < len(x.b) && x.b[x.pos] == '\r' && x.b[x.pos+1] == '\n' {
				x.pos++
			}
		case quote, '\n', '\r':
			t := token{kind: tokenString, at: at, text: x.b[at+1 : x.pos]}
			if escaped {
				t.text = unescapeLiteral(t.text)
			}
			if c == quote {
				x.pos++
			}
			return t
		}
	}
	x.pos = len(x.b)
	return token{kind: tokenString, at: at, text: unescapeLiteral(x.b[at+1:])}
}

// quotedVB reads a string of VBScript, where "" stands for a quotation mark.
func (x *lexer) quotedVB() token {
	at := x.pos
	doubled := false
	for x.pos = at + 1; x.pos < len(x.b) && x.b[x.pos] != '\n'; x.pos++ {
		if x.b[x.pos] != '"' {
			continue
		}
		if x.pos+1 < len(x.b) && x.b[x.pos+1] == '"' {
			doubled = true
			x.pos++
			continue
		}
		break
	}
	t := token{kind: tokenString, at: at, text: x.b[at+1 : min(x.pos, len(x.b))]}
	if doubled {
		t.text = bytes.ReplaceAll(t.text, []byte(`""`), []byte(`"`))
	}
	if x.pos < len(x.b) && x.b[x.pos] == '"' {
		x.pos++
	}
	return t
}

// template reads a template literal's text from behind ` or }.
func (x *lexer) template() token {
	at := x.pos
	for ; x.pos < len(x.b); x.pos++ {
		switch c := x.b[x.pos]; {
		case c == '\\':
			x.pos++
		case c == '`':
			x.pos++
			return token{kind: tokenTemplate, at: at, text: unescapeLiteral(x.b[at : x.pos-1])}
		case c == '$' && x.pos+1 < len(x.b) && x.b[x.pos+1] == '{':
			x.pos += 2
			return token{kind: tokenTemplate, at: at, text: unescapeLiteral(x.b[at : x.pos-2]), opened: true}
		}
	}
	x.pos = len(x.b)
	return token{kind: tokenTemplate, at: at, text: unescapeLiteral(x.b[at:])}
}

// regexpEnd gives the index behind the regular expression that begins here, or 0.
// A line without an end for one is looked through once.
func (x *lexer) regexpEnd() int {
	if x.dialect == dialectVB || x.pos < x.noRegexp {
		return 0
	}
	class := false
	i := x.pos + 1
	for ; i < len(x.b) && x.b[i] != '\n' && x.b[i] != '\r'; i++ {
		switch c := x.b[i]; {
		case c == '\\':
			i++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			for i++; i < len(x.b) && isLetter(x.b[i]); i++ {
			}
			return i
		}
	}
	x.noRegexp = i
	return 0
}

// number reads a numeric literal (ECMA-262 section 12.9.3).
func (x *lexer) number() token {
	at := x.pos
	t := token{kind: tokenNumber, at: at}
	if x.b[at] == '0' && at+1 < len(x.b) {
		if radix := radixOf(x.b[at+1]); radix != 0 {
			x.pos += 2
			t.number = x.digits(radix)
			return t
		}
		if isDigit(x.b[at+1]) {
			x.pos++
			t.number = x.digits(8)
			return t
		}
	}
	t.number = x.digits(10)
	fraction := x.pos < len(x.b) && x.b[x.pos] == '.'
	if fraction {
		for x.pos++; x.pos < len(x.b) && isDigit(x.b[x.pos]); x.pos++ {
		}
	}
	if x.pos+1 < len(x.b) && x.b[x.pos]|0x20 == 'e' && (isDigit(x.b[x.pos+1]) || x.b[x.pos+1] == '-' || x.b[x.pos+1] == '+') {
		fraction = true
		for x.pos += 2; x.pos < len(x.b) && isDigit(x.b[x.pos]); x.pos++ {
		}
	}
	if fraction && x.pos-at < 64 {
		t.number, _ = strconv.ParseFloat(string(x.b[at:x.pos]), 64)
	}
	return t
}

func radixOf(c byte) int {
	switch c | 0x20 {
	case 'x':
		return 16
	case 'o':
		return 8
	case 'b':
		return 2
	}
	return 0
}

func (x *lexer) digits(radix int) float64 {
	v := 0.0
	for ; x.pos < len(x.b); x.pos++ {
		d := hexValue(x.b[x.pos])
		if d < 0 || d >= radix {
			break
		}
		v = v*float64(radix) + float64(d)
	}
	return math.Min(v, math.MaxFloat64)
}
