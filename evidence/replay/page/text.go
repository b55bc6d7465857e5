package page

import (
	"encoding/hex"
	"fmt"
	"strings"

	"kagami/evidence/wiretext"
)

// short is a text from the wire of at most n characters; of a longer one the middle is
// left out, as both ends of a URL tell something.
func short(s string, n int) string {
	rs := []rune(wiretext.Visible(clip(s, 4*n)))
	if len(rs) <= n && len(s) <= 4*n {
		return string(rs)
	}
	if len(s) > 4*n { // the end is in what was clipped
		end := []rune(wiretext.Visible(s[len(s)-n:]))
		rs = append(rs[:min(len(rs), 4*n)], end...)
	}
	tail := n / 4
	return string(rs[:min(n-tail, len(rs))]) + "…" + string(rs[max(0, len(rs)-tail):])
}

func clip(s string, n int) string { return s[:min(n, len(s))] }

// defang writes every web address in a text so that no program makes a link of it.
func defang(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(scheme(s[:i]))
		b.WriteString("://")
		s = s[i+3:]
		end := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/?#\"'<>(){},;", r) })
		if end < 0 {
			end = len(s)
		}
		b.WriteString(defangHost(s[:end]))
		s = s[end:]
	}
}

// scheme writes the scheme at the end of a text another way.
func scheme(s string) string {
	lower := strings.ToLower(s)
	switch {
	case strings.HasSuffix(lower, "https"):
		return s[:len(s)-4] + "xxps"
	case strings.HasSuffix(lower, "http"):
		return s[:len(s)-3] + "xxp"
	case strings.HasSuffix(lower, "ftp"):
		return s[:len(s)-2] + "xp"
	case strings.HasSuffix(lower, "ws"), strings.HasSuffix(lower, "wss"):
		return s + "[x]"
	}
	return s
}

func defangHost(s string) string { return strings.ReplaceAll(s, ".", "[.]") }

// dump shows octets as hexadecimal numbers and characters.
func dump(b []byte, most int) string { return hex.Dump(b[:min(most, len(b))]) }

// lines shows a text of several lines, such as a message's head.
func lines(b []byte, most int) string {
	cut := len(b) > most
	text := string(b[:min(most, len(b))])
	var out strings.Builder
	for l := range strings.SplitAfterSeq(text, "\n") {
		body := strings.TrimSuffix(l, "\n")
		out.WriteString(wiretext.Visible(strings.TrimSuffix(body, "\r")))
		if len(body) < len(l) {
			out.WriteByte('\n')
		}
	}
	if cut {
		out.WriteString("…")
	}
	return out.String()
}

// isText tells whether octets are better read than counted.
func isText(b []byte) bool {
	odd := 0
	b = b[:min(len(b), 512)]
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			odd++
		}
	}
	return odd == 0
}

// number writes a count in groups of three digits.
func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// octets writes a size.
func octets(n int64) string {
	switch f := float64(n); {
	case n < 10_000:
		return number(n) + " B"
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", f/1e3)
	case n < 10_000_000_000:
		return fmt.Sprintf("%.1f MB", f/1e6)
	default:
		return fmt.Sprintf("%.1f GB", f/1e9)
	}
}
