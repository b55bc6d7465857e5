package filter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd     tokenKind = iota
	tokOp                // ( ) [ ] : = & and the other operators; && || ! as and, or, not
	tokWord              // keyword, port name or unknown name
	tokEscaped           // \name: never a keyword; text is without the backslash
	tokNumber            // num
	tokIPv4              // two to four dotted numbers: num holds them, bits how many bits were given
	tokIPv6              // addr
	tokMAC               // mac
)

type token struct {
	kind tokenKind
	text string
	pos  int // byte offset in the expression
	num  uint32
	bits int // 8 for each dotted part of tokIPv4
	addr netip.Addr
	mac  [6]byte
}

// is reports whether t is the operator or unescaped word s.
func (t token) is(s string) bool {
	return (t.kind == tokOp || t.kind == tokWord) && t.text == s
}

// errorAt makes an Error at byte offset pos of text.
func errorAt(text string, pos int, format string, args ...any) *Error {
	return &Error{Col: utf8.RuneCountInString(text[:pos]) + 1, Msg: fmt.Sprintf(format, args...)}
}

// operators in the order to try them: longest first.
var operators = [...]string{
	"<<", ">>", "<=", ">=", "==", "!=", "&&", "||",
	"(", ")", "[", "]", ":", "!", "=", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^",
}

// lex splits text into tokens; the last one is tokEnd.
func lex(text string) ([]token, error) {
	var toks []token
	for pos := 0; ; {
		for pos < len(text) && strings.IndexByte(" \t\r\n", text[pos]) >= 0 {
			pos++
		}
		if pos == len(text) {
			return append(toks, token{kind: tokEnd, pos: pos}), nil
		}
		t, n, err := lexToken(text, pos)
		if err != nil {
			return nil, err
		}
		t.pos = pos
		toks = append(toks, t)
		pos += n
	}
}

// lexToken reads the token at pos and says how many bytes it took.
func lexToken(text string, pos int) (token, int, error) {
	rest := text[pos:]
	if t, n := lexAddress(rest); n > 0 {
		if t.kind == tokEnd {
			return t, n, errorAt(text, pos, "bad IPv6 or Ethernet address %q; want for example 2001:db8::1 or 00:00:5e:00:53:01", rest[:n])
		}
		return t, n, nil
	}
	if n := wordLen(rest); n > 0 {
		t, err := classifyWord(text, pos, rest[:n])
		return t, n, err
	}
	if rest[0] == '\\' {
		n := strings.IndexAny(rest, " !()\t\r\n")
		if n < 0 {
			n = len(rest)
		}
		if n == 1 {
			return token{}, 0, errorAt(text, pos, "nothing after the backslash")
		}
		return token{kind: tokEscaped, text: rest[1:n]}, n, nil
	}
	wordFor := map[string]string{"&&": "and", "||": "or", "!": "not"}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			if word, ok := wordFor[op]; ok {
				return token{kind: tokOp, text: word}, len(op), nil
			}
			return token{kind: tokOp, text: op}, len(op), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, 0, errorAt(text, pos, "unexpected character %q", r)
}

// lexAddress reads an address written with colons: IPv6, or MAC as
// aa:bb:cc:dd:ee:ff. It takes 0 bytes if there is none (a slice such as [0:2]
// has too few colons) and returns kind tokEnd if it is malformed.
func lexAddress(rest string) (token, int) {
	n := 0
	for n < len(rest) && (isHex(rest[n]) || rest[n] == ':' || rest[n] == '.') {
		n++
	}
	s := rest[:n]
	if strings.Count(s, ":") < 5 && !strings.Contains(s, "::") {
		return token{}, 0
	}
	if mac, ok := parseMAC(s, ":"); ok {
		return token{kind: tokMAC, text: s, mac: mac}, n
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
		return token{kind: tokIPv6, text: s, addr: a}, n
	}
	return token{}, n
}

// wordLen measures a word: letters and digits, with - _ . inside.
func wordLen(s string) int {
	n, end := 0, 0
	for ; n < len(s); n++ {
		switch c := s[n]; {
		case isAlnum(c), c == '.' && n > 0:
			end = n + 1
		case (c == '-' || c == '_') && n > 0:
		default:
			return end
		}
	}
	return end
}

// classifyWord decides what a word made of letters, digits, - _ and . is.
func classifyWord(text string, pos int, w string) (token, error) {
	t := token{kind: tokWord, text: w}
	for _, sep := range [...]string{"-", ".", ""} {
		if mac, ok := parseMAC(w, sep); ok {
			t.kind, t.mac = tokMAC, mac
			return t, nil
		}
	}
	if w[0] < '0' || w[0] > '9' || strings.ContainsAny(w, "-_") {
		return t, nil
	}
	if strings.Trim(w, "0123456789.") == "" && strings.Contains(w, ".") {
		var ok bool
		if t.num, t.bits, ok = parseDotted(w); !ok {
			return t, errorAt(text, pos, "bad IPv4 address %q; want numbers from 0 to 255, as in 192.0.2.1", w)
		}
		t.kind = tokIPv4
		return t, nil
	}
	n, err := parseNumber(w)
	if err != nil {
		if strings.Trim(w, "0123456789abcdefABCDEFxX") != "" {
			return t, nil // a name that starts with a digit
		}
		return t, errorAt(text, pos, "bad number %q; want a decimal, 0x hexadecimal or 0 octal number below 4294967296", w)
	}
	t.kind, t.num = tokNumber, n
	return t, nil
}

// parseNumber reads a C integer constant.
func parseNumber(s string) (uint32, error) {
	base := 10
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X"):
		base, s = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(s, base, 32)
	return uint32(n), err
}

// parseDotted reads two to four dotted decimal numbers: "10.1" gives 0x0a01
// and 16 bits.
func parseDotted(s string) (num uint32, bits int, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return 0, 0, false
	}
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil || len(p) > 3 {
			return 0, 0, false
		}
		num = num<<8 | uint32(n)
	}
	return num, 8 * len(parts), true
}

// parseMAC reads six hexadecimal bytes of one or two digits separated by ":" or
// "-", three groups of four digits separated by ".", or with "" twelve digits.
func parseMAC(s, sep string) (mac [6]byte, ok bool) {
	parts, digits := strings.Split(s, sep), 2
	switch sep {
	case ".":
		digits = 4
	case "":
		parts, digits = []string{s}, 12
	}
	if len(parts)*digits != 12 {
		return mac, false
	}
	n := 0
	for _, p := range parts {
		v, err := strconv.ParseUint(p, 16, 48)
		if err != nil || len(p) > digits || len(p) < digits && digits != 2 {
			return mac, false
		}
		for shift := 4*digits - 8; shift >= 0; shift -= 8 {
			mac[n] = byte(v >> shift)
			n++
		}
	}
	return mac, true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
