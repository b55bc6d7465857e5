package query

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokQuoted
	tokOp // ( ) ! && || , < <= > >=
)

// token is one word or operator of the text.
type token struct {
	kind tokenKind
	text string // of tokQuoted: what the quotes hold, unescaped
	pos  int    // octet offset
}

// word is the lower-case keyword that t may be, "" if it cannot be one.
func (t token) word() string {
	if t.kind != tokWord {
		return ""
	}
	return strings.ToLower(t.text)
}

func (t token) is(op string) bool { return t.kind == tokOp && t.text == op }

// String quotes the token for an error, cut short if long.
func (t token) String() string {
	if t.kind == tokEnd {
		return "the end"
	}
	return quoted(t.text)
}

func quoted(s string) string {
	if utf8.RuneCountInString(s) > 40 {
		s = string([]rune(s)[:37]) + "..."
	}
	return strconv.Quote(s)
}

// opSize is the length of the operator that s begins with, 0 if none.
func opSize(s string) int {
	switch {
	case strings.HasPrefix(s, "&&"), strings.HasPrefix(s, "||"), strings.HasPrefix(s, "<="), strings.HasPrefix(s, ">="):
		return 2
	case strings.IndexByte("()!,<>", s[0]) >= 0:
		return 1
	}
	return 0
}

// lex splits the text; the last token is tokEnd.
func lex(text string) ([]token, error) {
	if len(text) > maxText {
		return nil, &Error{1, fmt.Sprintf("the query is longer than %d octets", maxText)}
	}
	var toks []token
	for at := 0; at < len(text); {
		r, n := utf8.DecodeRuneInString(text[at:])
		switch op := opSize(text[at:]); {
		case unicode.IsSpace(r):
			at += n
		case op > 0:
			toks = append(toks, token{tokOp, text[at : at+op], at})
			at += op
		case r == '&' || r == '|':
			return nil, errorAt(text, at, "unexpected %q; and is also written &&, or ||; tcpdump filters go behind --bpf", r)
		case r == '"':
			t, end, err := lexQuoted(text, at)
			if err != nil {
				return nil, err
			}
			toks, at = append(toks, t), end
		default:
			end, err := wordEnd(text, at)
			if err != nil {
				return nil, err
			}
			toks, at = append(toks, token{tokWord, text[at:end], at}), end
		}
	}
	return append(toks, token{tokEnd, "", len(text)}), nil
}

// wordEnd is the offset behind the word that begins at.
func wordEnd(text string, at int) (int, error) {
	for i, r := range text[at:] {
		switch {
		case r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r):
			return 0, errorAt(text, at+i, "unexpected character %s", quoted(string(r)))
		case unicode.IsSpace(r), strings.ContainsRune(`()!,<>&|"`, r):
			return at + i, nil
		}
	}
	return len(text), nil
}

// lexQuoted reads "…" in which \" and \\ stand for the character.
func lexQuoted(text string, at int) (token, int, error) {
	var b strings.Builder
	escaped := false
	for i, r := range text[at+1:] {
		here := at + 1 + i
		switch {
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return token{}, 0, errorAt(text, here, "unexpected character %s inside quotes", quoted(string(r)))
		case escaped && r != '"' && r != '\\':
			return token{}, 0, errorAt(text, here, "unexpected %q behind a backslash; want \\\" or \\\\", r)
		case !escaped && r == '\\':
			escaped = true
			continue
		case !escaped && r == '"':
			return token{tokQuoted, b.String(), at}, here + 1, nil
		}
		escaped = false
		b.WriteRune(r)
	}
	return token{}, 0, errorAt(text, at, "the quote is not closed; want \"")
}

func errorAt(text string, pos int, format string, args ...any) *Error {
	return &Error{Col: utf8.RuneCountInString(text[:pos]) + 1, Msg: fmt.Sprintf(format, args...)}
}

// quote writes a value so that lexQuoted reads it.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
