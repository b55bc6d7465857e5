package replay

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable is text from the wire that no terminal obeys: what is not printable ASCII
// is escaped, and what is longer than most octets is cut.
func printable(s string, most int) string {
	cut := len(s) > most
	if cut {
		s = s[:most]
	}
	if plain(s) && !cut {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r >= ' ' && r < 0x7f && r != '\\':
			b.WriteByte(byte(r))
		default:
			q := strconv.QuoteToASCII(s[:n])
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[n:]
	}
	if cut {
		b.WriteString("...")
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// quoted is text from the wire in quotation marks.
func quoted(s string) string { return `"` + printable(s, 60) + `"` }

// were is the verb of a number of things.
func were[T int | int64 | uint64](n T) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// plural is a number of things: "1 redirection", "2 redirections".
func plural[T int | int64 | uint64](n T, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
