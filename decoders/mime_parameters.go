package decoders

import (
	"slices"
	"strconv"
	"strings"
)

const (
	maxParameters = 32 // of one header field
	maxPieces     = 32 // pieces of one parameter (RFC 2231 section 3)
)

// parameter is one name and value, as sent but for quotes.
type parameter struct{ name, value string }

type parameterList []parameter

// parameters divides the value of Content-Type, Content-Disposition and their
// like. Blanks in an unquoted value, which no standard allows, are part of it.
func parameters(s string) (value string, list parameterList) {
	value, s, _ = strings.Cut(s, ";")
	for s != "" && len(list) < maxParameters {
		s = strings.TrimLeft(s, " \t;")
		i := strings.IndexAny(s, "=;")
		if i < 0 {
			break
		}
		if s[i] == ';' {
			s = s[i+1:]
			continue
		}
		p := parameter{name: strings.ToLower(strings.TrimSpace(s[:i]))}
		p.value, s = parameterValue(strings.TrimLeft(s[i+1:], " \t"))
		list = append(list, p)
	}
	return strings.TrimSpace(value), list
}

// parameterValue takes a token or a quoted string from s.
func parameterValue(s string) (value, rest string) {
	if s == "" || s[0] != '"' {
		value, rest, _ = strings.Cut(s, ";")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '"':
			_, rest, _ = strings.Cut(s[i+1:], ";")
			return b.String(), rest
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "" // never closed
}

// plain is a parameter's value as sent; the first of several counts.
func (l parameterList) plain(name string) string {
	for i := range l {
		if l[i].name == name {
			return l[i].value
		}
	}
	return ""
}

// decoded is a parameter's value in UTF-8: extended (RFC 2231), else with encoded
// words decoded, which mail programs put where RFC 2047 section 5 forbids them.
func (l parameterList) decoded(name string) string {
	if v, ok := l.extended(name); ok {
		return v
	}
	return decodeWords(l.plain(name))
}

// piece is a part of a parameter's value: name*0, name*1*.
type piece struct {
	number  int
	percent bool
	value   string
}

// extended puts together name*, and name*0, name*1* and so on.
func (l parameterList) extended(name string) (string, bool) {
	var pieces []piece
	for i := range l {
		suffix, ok := strings.CutPrefix(l[i].name, name+"*")
		if !ok {
			continue
		}
		p := piece{value: l[i].value}
		if number, ok := strings.CutSuffix(suffix, "*"); ok || suffix == "" {
			p.percent, suffix = true, number
		}
		if suffix != "" {
			n, err := strconv.Atoi(suffix)
			if err != nil || n < 0 || n >= maxPieces {
				continue
			}
			p.number = n
		}
		pieces = append(pieces, p)
	}
	if len(pieces) == 0 {
		return "", false
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return a.number - b.number })
	charset, raw := "", []byte(nil)
	for i, p := range pieces {
		switch {
		case i > 0 && p.number == pieces[i-1].number:
			continue
		case i == 0 && p.percent:
			if label, rest, ok := strings.Cut(p.value, "'"); ok {
				_, p.value, _ = strings.Cut(rest, "'")
				charset = label
			}
		}
		if p.percent {
			raw = appendUnescaped(raw, p.value)
		} else {
			raw = append(raw, p.value...)
		}
	}
	if charset == "" && !pieces[0].percent {
		return decodeWords(string(raw)), true
	}
	return decodeText(raw, charset), true
}

// appendUnescaped appends s with %XX replaced by the octet.
func appendUnescaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, ok := hexDigit(s[i+1])
			low, also := hexDigit(s[i+2])
			if ok && also {
				b = append(b, high<<4|low)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return b
}
