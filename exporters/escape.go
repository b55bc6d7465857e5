package exporters

import "unicode/utf8"

// charset is a set of octets.
type charset [256]bool

// printableExcept is printable ASCII without the blank and without s.
func printableExcept(s string) (c charset) {
	for b := byte('!'); b < 0x7f; b++ {
		c[b] = true
	}
	for i := range len(s) {
		c[s[i]] = false
	}
	return c
}

func charsOf(s string) (c charset) {
	for i := range len(s) {
		c[s[i]] = true
	}
	return c
}

const (
	alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	upperHex     = "0123456789ABCDEF"
)

var (
	// urlChars are what Squid 5 leaves as it is in a URL: all that is printable,
	// unless there is something that is not.
	urlChars = printableExcept("")
	// quotedChars are those that may stand between quotation marks: readers end
	// the field at the first one, escaped or not.
	quotedChars = printableExcept("\"\\")
	// safeChars are printable ASCII without RFC 1738's unsafe characters; "%" stays.
	safeChars = printableExcept("\"<>|{}^`\\~#[]'")
	// plainChars are printable ASCII and the blank.
	plainChars = charsOf(" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" + alphanumeric)
	// hostChars are those of a host name.
	hostChars = charsOf(alphanumeric + "-._")
	// methodChars are those of every method in use: a method may be any token
	// (RFC 9110 section 5.6.2), but readers know no others.
	methodChars = charsOf(alphanumeric + "-_")
	// wordChars are \w of regular expressions.
	wordChars = charsOf(alphanumeric + "_")
	// nameChars are those of a presentation-format domain name that needs no \DDD.
	nameChars = printableExcept("")
)

func (c *charset) all(s string) bool {
	for i := range len(s) {
		if !c[s[i]] {
			return false
		}
	}
	return true
}

// appendEscaped appends s with every octet outside c as %XX, at most limit
// octets and no part of an escape.
func (c *charset) appendEscaped(dst []byte, s string, limit int) []byte {
	end := len(dst) + limit
	for i := range len(s) {
		b := s[i]
		switch {
		case c[b] && len(dst) < end:
			dst = append(dst, b)
		case !c[b] && len(dst)+3 <= end:
			dst = append(dst, '%', upperHex[b>>4], upperHex[b&15])
		default:
			return dst
		}
	}
	return dst
}

// appendReplaced appends s, at most limit octets, with "_" for octets outside c,
// or instead if s is empty.
func (c *charset) appendReplaced(dst []byte, s, instead string, limit int) []byte {
	if s == "" {
		return append(dst, instead...)
	}
	for i := range min(len(s), limit) {
		b := s[i]
		if !c[b] {
			b = '_'
		}
		dst = append(dst, b)
	}
	return dst
}

// appendHeader appends a header's value for a place between double quotes:
// UTF-8 stays, but quotes, backslashes, controls, the line and paragraph
// separators and what is not UTF-8 become %XX octet by octet. At most limit octets.
func appendHeader(dst []byte, s string, limit int) []byte {
	end := len(dst) + limit
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		bad := r < ' ' || r == '"' || r == '\\' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == utf8.RuneError && n == 1
		if need := n + 2*n*one(bad); len(dst)+need > end {
			return dst
		}
		for _, b := range []byte(s[i : i+n]) {
			if bad {
				dst = append(dst, '%', upperHex[b>>4], upperHex[b&15])
			} else {
				dst = append(dst, b)
			}
		}
		i += n
	}
	return dst
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
