package decoders

import (
	"encoding/base64"
	"strings"
)

// maxCharsetName bounds in octets a charset's name with its language.
const maxCharsetName = 64

// encodedWord is one =?charset?Q?text?= (RFC 2047 section 2).
type encodedWord struct {
	charset string
	octets  []byte
	length  int // in the text
}

// decodeWords decodes the encoded words of s, wherever they stand. White space
// between two of them is not shown; octets of neighbours in one charset are
// decoded together, since careless programs cut characters in two.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	var out strings.Builder
	var run encodedWord // words not decoded yet
	flush := func() {
		if run.charset != "" {
			out.WriteString(decodeText(run.octets, run.charset))
			run = encodedWord{}
		}
	}
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		word, ok := readWord(s[i:])
		if !ok {
			flush()
			out.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		if between := s[:i]; run.charset == "" || strings.Trim(between, " \t\r\n") != "" {
			flush()
			out.WriteString(between)
		}
		if run.charset != "" && !strings.EqualFold(run.charset, word.charset) {
			flush()
		}
		run.charset = word.charset
		run.octets = append(run.octets, word.octets...)
		s = s[i+word.length:]
	}
	flush()
	out.WriteString(s)
	return out.String()
}

// readWord reads the encoded word that s begins with.
func readWord(s string) (w encodedWord, ok bool) {
	charset, rest, ok := strings.Cut(s[len("=?"):], "?")
	if !ok || charset == "" || len(charset) > maxCharsetName || strings.ContainsAny(charset, " \t=") || len(rest) < 2 || rest[1] != '?' {
		return w, false
	}
	text, _, ok := strings.Cut(rest[2:], "?=")
	if !ok {
		return w, false
	}
	w.charset, _, _ = strings.Cut(charset, "*") // RFC 2231 section 5: a language
	w.length = len("=?") + len(charset) + len("?B?") + len(text) + len("?=")
	switch rest[0] {
	case 'B', 'b':
		w.octets = looseBase64(text)
	case 'Q', 'q':
		w.octets = wordQ(text)
	default:
		return w, false
	}
	return w, w.charset != ""
}

// wordQ decodes RFC 2047 section 4.2.
func wordQ(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			b = append(b, ' ')
		case c == '=' && i+2 < len(s):
			high, ok := hexDigit(s[i+1])
			low, also := hexDigit(s[i+2])
			if !ok || !also {
				b = append(b, c)
				continue
			}
			b = append(b, high<<4|low)
			i += 2
		default:
			b = append(b, c)
		}
	}
	return b
}

// looseBase64 decodes base64 without regard to padding and foreign octets.
func looseBase64(s string) []byte {
	if b, err := base64.StdEncoding.DecodeString(s); err == nil {
		return b
	}
	var d transferDecoder
	d.begin("base64")
	var b []byte
	for in := []byte(s); len(in) > 0; {
		n, out := d.decode(in)
		b, in = append(b, out...), in[n:]
	}
	return append(b, d.end()...)
}
