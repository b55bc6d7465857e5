package links

import (
	"bytes"
	"net/url"
	"unicode/utf8"
)

// Sign is something that attacks on a browser are made of, and other pages hardly
// ever. It is a hint, no proof.
type Sign struct {
	What   string // one of the Sign… constants
	Offset int    // in the body, of where it stands or what it was decoded from
	Octets int    // how long it is
}

// What a Sign can say.
const (
	SignCode   = "machine code in a script"             // a string of %u escapes that spells no text
	SignFill   = "a string that memory is filled with"  // such as %u0c0c%u0c0c, the seed of a heap spray
	SignPacked = "one encoded text that is decoded"     // most of the body is one literal that spells nothing
	SignObject = "an object that is named by its class" // ActiveX, those that play media left out
)

// Result is what Examine finds in a body.
type Result struct {
	Links []Link
	Notes []Note
	Signs []Sign
}

// Examine is Find that tells of Signs, too.
func Examine(body []byte, mediaType, charset string, base *url.URL, l Limits) Result {
	f := newFinder(l)
	if len(body) > f.lim.Input {
		f.note(NoteInput, f.lim.Input, f.lim.Input)
		body = body[:f.lim.Input]
	}
	t := text{b: body, base: addressOf(base)}
	format := formatOf(body, mediaType)
	if format.textual() {
		t.b = f.decodeCharset(body, charset, format)
	}
	script := mayBeScript(t.b, format)
	if script {
		f.read(t, formatScript)
	}
	f.read(t, format)
	if script || format == formatHTML || format == formatScript {
		f.packed(t.b)
		f.objects(t.b)
	}
	ls, notes := f.result()
	return Result{ls, notes, f.signs}
}

// sign notes a sign; of each kind the longest counts.
func (f *finder) sign(what string, off, n int) {
	for i := range f.signs {
		if s := &f.signs[i]; s.What == what {
			if n > s.Octets {
				s.Offset, s.Octets = off, n
			}
			return
		}
	}
	f.signs = append(f.signs, Sign{what, off, n})
}

const (
	minCode   = 24   // UTF-16 units that are too many to be no text by accident
	minPacked = 1000 // octets of an encoded literal
)

// code looks at a string that is about to be unescaped: machine code is written as
// %u escapes, and so is text of other scripts by old sites.
func (m *machine) code(b []byte, at int) {
	units, fill, foreign := 0, true, 0
	first := -1
	for i := 0; i+6 <= len(b); {
		if b[i] != '%' || b[i+1]|0x20 != 'u' {
			i++
			continue
		}
		u := hexNumber(b[i+2:], 4)
		if i += 6; u < 0 {
			continue
		}
		if first < 0 {
			first = u
		}
		units++
		fill = fill && u == first
		foreign += count(!spellsText(u))
	}
	switch {
	case units >= 2 && fill && isFill(first):
		m.f.sign(SignFill, m.t.at(at), 2*units)
	case units >= minCode && !fill && foreign*8 >= units:
		m.f.sign(SignCode, m.t.at(at), 2*units)
	}
}

// isFill says whether a unit is one that heaps are sprayed with: an address made of one
// octet again and again that is easily reached, or the instruction that does nothing.
func isFill(u int) bool { return u == 0x9090 || u&0xFF == u>>8 && 0x0404 <= u && u <= 0x2020 }

// spellsText says whether a unit is of the blocks that living scripts write with. Of
// octets without order about half are.
func spellsText(u int) bool {
	switch {
	case u < 0x0700, 0x0900 <= u && u < 0x1200, 0x1E00 <= u && u < 0x2700, 0x3000 <= u && u < 0x3200:
		return true // alphabets, punctuation, kana
	case 0x4E00 <= u && u < 0x9FA6, 0xAC00 <= u && u < 0xD7A4, 0xFF00 <= u && u < 0xFFF0:
		return true // ideographs, Hangul, full-width forms
	}
	return false
}

// packed looks for bodies that are one encoded literal and what decodes it. Advertising
// is sent so, too, but in a coding that everybody knows.
func (f *finder) packed(b []byte) {
	n := len(f.literal)
	if n < minPacked || n < len(b)/5*2 || isOpen(f.literal) {
		return
	}
	for _, word := range [...]string{"fromCharCode", "charCodeAt", "eval", "unescape", "atob", "parseInt", "execScript"} {
		if bytes.Contains(b, []byte(word)) {
			f.sign(SignPacked, f.literalAt, n)
			return
		}
	}
}

// measure keeps the longest literal of the body itself that spells nothing.
func (m *machine) measure(tok token) {
	if m.t.moved || len(tok.text) < minPacked || len(tok.text) <= len(m.f.literal) || bytes.HasPrefix(tok.text, []byte("data:")) {
		return
	}
	for _, c := range tok.text {
		if !isLetter(c) && !isDigit(c) && bytes.IndexByte([]byte("+/=%\\-_.,!*~|"), c) < 0 {
			return
		}
	}
	m.f.literal, m.f.literalAt = tok.text, m.t.at(tok.at)
}

// isOpen says whether a literal reads as text in one of the usual codings.
func isOpen(b []byte) bool {
	b = b[:min(len(b), minPacked)]
	switch {
	case bytes.Count(b, []byte("%"))*6 > len(b):
		b = unescapeScript(b)
	case isHex(b):
		b = decodeHex(b)
	default:
		b = decodeBase64(b)
	}
	odd := 0
	for _, c := range b {
		odd += count(c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7F)
	}
	for range utf8.UTFMax - 1 { // the last character may be cut
		if len(b) > 0 && !utf8.Valid(b) {
			b = b[:len(b)-1]
		}
	}
	return len(b) > 0 && odd*50 < len(b) && utf8.Valid(b)
}

// objects looks for ActiveX objects by their class, but for those that every page had.
func (f *finder) objects(b []byte) {
	const mark = "clsid:"
	for i := 0; ; i++ {
		n := bytes.IndexByte(b[i:], mark[len(mark)-1])
		if n < 0 {
			return
		}
		i += n
		from := i + 1 - len(mark)
		if from < 0 || !equalFold(b[from:i+1], mark) {
			continue
		}
		class := bytes.TrimLeft(b[i+1:min(i+12, len(b))], "{ ")
		if len(class) >= 8 && hexNumber(class, 8) >= 0 && !knownClass(class[:8]) {
			f.sign(SignObject, from, len(mark)+36)
			return
		}
	}
}

// knownClass says whether a class is of a player: Flash, Windows Media, QuickTime, Real,
// Shockwave, Java, the browser itself, PDF.
func knownClass(b []byte) bool {
	for _, c := range [...]string{"d27cdb6e", "6bf52a52", "22d6f312", "02bf25d5", "cfcdaa03", "166b1bca", "233c1507", "8ad9c840", "cafeefac", "8856f961", "ca8a9780", "05589fa1"} {
		if equalFold(b, c) {
			return true
		}
	}
	return false
}

// keyed undoes XOR with the query of the page's own address, by which some kits bind an
// exploit to the redirection that led to it. nil unless a text comes out.
func (m *machine) keyed(b []byte) []byte {
	const least = 4 // octets of a key
	if m.t.base == nil || len(m.t.base.query) <= least || len(b) < minScript {
		return nil
	}
	key := m.t.base.query[1:] // without its question mark
	out := make([]byte, len(b))
	for i, c := range b {
		if c ^= key[i%len(key)]; c >= 0x7F || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return nil
		}
		out[i] = c
	}
	return out
}
