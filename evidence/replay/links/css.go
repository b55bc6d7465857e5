package links

import "bytes"

// readCSS keeps url(), @import and the src of Internet Explorer's filters, and
// reads the script in expression().
func (f *finder) readCSS(t *text) {
	b := t.b
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '/' && i+1 < len(b) && b[i+1] == '*':
			end := bytes.Index(b[i+2:], []byte("*/"))
			if end < 0 {
				return
			}
			i += end + 4
		case c == '"' || c == '\'':
			_, i = cssString(b, i)
		case c == '@' && len(b)-i > 8 && equalFold(b[i+1:i+7], "import"):
			i = f.cssImport(t, i)
		case c == '(':
			i = f.cssFunction(t, i)
		default:
			i++
		}
	}
}

// cssImport reads @import "x"; the form with url() is a function like others.
func (f *finder) cssImport(t *text, i int) int {
	at := skipSpace(t.b, i+len("@import"))
	if at >= len(t.b) || t.b[at] != '"' && t.b[at] != '\'' {
		return at
	}
	ref, end := cssString(t.b, at)
	f.add(t, found{ref: ref, kind: KindStyle, where: "@import", at: at})
	return end
}

// cssFunction reads the arguments of a function whose parenthesis is at open.
func (f *finder) cssFunction(t *text, open int) int {
	b, at := t.b, skipSpace(t.b, open+1)
	switch name := cssName(b[:open]); {
	case equalFold(name, "url"):
		if at < len(b) && (b[at] == '"' || b[at] == '\'') {
			ref, end := cssString(b, at)
			f.add(t, found{ref: ref, kind: KindStyle, where: "url()", at: at})
			return end
		}
		end := at
		for end < len(b) && b[end] != ')' && b[end] != '"' && b[end] != '\'' && b[end] != '\n' {
			if b[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(b))
		f.add(t, found{ref: cssUnescape(b[at:end]), kind: KindStyle, where: "url()", at: at})
		return end
	case equalFold(name, "expression"):
		end := closingParen(b, open)
		f.read(t.part(open+1, end, StepScript), formatScript)
		return end
	case len(name) > 5 && equalFold(name[len(name)-6:], "loader"): // AlphaImageLoader(src='…')
		if len(b)-at > 5 && equalFold(b[at:at+3], "src") {
			if at = skipSpace(b, at+3); at < len(b) && b[at] == '=' {
				if at = skipSpace(b, at+1); at < len(b) && (b[at] == '"' || b[at] == '\'') {
					ref, end := cssString(b, at)
					f.add(t, found{ref: ref, kind: KindStyle, where: "filter src", at: at})
					return end
				}
			}
		}
	case len(name) > 8 && equalFold(name[len(name)-9:], "image-set"):
		if at < len(b) && (b[at] == '"' || b[at] == '\'') {
			ref, end := cssString(b, at)
			f.add(t, found{ref: ref, kind: KindStyle, where: "image-set()", at: at})
			return end
		}
	}
	return open + 1
}

// cssName is the identifier that b ends with.
func cssName(b []byte) []byte {
	i := len(b)
	for i > 0 && len(b)-i < maxCSSName && (isLetter(b[i-1]) || b[i-1] == '-') {
		i--
	}
	return b[i:]
}

const maxCSSName = 64

// closingParen finds the end of an expression(): its parenthesis, or that of the
// declaration where the parentheses do not match.
func closingParen(b []byte, open int) int {
	depth := 0
	for i := open; i < len(b); i++ {
		switch b[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// cssString reads a quoted string and gives the index behind it. It ends at a line
// end at the latest (CSS Syntax Level 3, section 4.3.5).
func cssString(b []byte, i int) ([]byte, int) {
	quote, start := b[i], i+1
	for i = start; i < len(b); i++ {
		switch b[i] {
		case quote:
			return cssUnescape(b[start:i]), i + 1
		case '\n':
			return cssUnescape(b[start:i]), i
		case '\\':
			i++
		}
	}
	return cssUnescape(b[start:]), len(b)
}

// cssUnescape decodes \68 and \" (CSS Syntax Level 3, section 4.3.7).
func cssUnescape(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		n, v := 0, 0
		for n < 6 && i+1+n < len(b) && hexValue(b[i+1+n]) >= 0 {
			v = v<<4 | hexValue(b[i+1+n])
			n++
		}
		switch {
		case n == 0 && b[i+1] == '\n':
			i++
		case n == 0:
			i++
			out = append(out, b[i])
		default:
			out = appendUnit(out, v)
			if i += n; i+1 < len(b) && isSpace(b[i+1]) {
				i++
			}
		}
	}
	return out
}
