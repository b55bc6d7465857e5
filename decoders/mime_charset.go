package decoders

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
)

// clipText is s in valid UTF-8, at most maxMailValue octets of it.
func clipText(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= maxMailValue {
		return s
	}
	n := maxMailValue
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// decodeText is b in UTF-8. The label is a charset's name, "" if none is given;
// what it cannot explain is guessed.
func decodeText(b []byte, label string) string {
	if isPlainASCII(b) {
		return string(b)
	}
	enc := charsetOf(label)
	if enc == nil {
		if isUTF8Label(label) && utf8.Valid(b) {
			return string(b)
		}
		return guessText(b, nil)
	}
	if s, bad := decodeWith(enc, b); bad == 0 {
		return s
	}
	return guessText(b, enc)
}

// isPlainASCII tells that b needs no decoding: no 8-bit octet, no ISO-2022 escape.
func isPlainASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c == 0x1b || c == 0x0e {
			return false
		}
	}
	return true
}

func isUTF8Label(label string) bool {
	return strings.EqualFold(label, "utf-8") || strings.EqualFold(label, "utf8")
}

// charsetOf is the encoding of a charset's name: those of the WHATWG Encoding
// Standard and what Japanese mail programs call theirs. nil: unknown, or one that
// needs no decoder.
func charsetOf(label string) encoding.Encoding {
	label = strings.ToLower(strings.Trim(label, ` "'`))
	switch label {
	case "", "us-ascii", "ascii", "utf-8", "utf8", "unknown-8bit", "x-unknown", "binary", "8bit", "7bit":
		return nil
	case "cp932", "ms932", "shift_jis-2004", "shift_jisx0213", "x-ms-cp932", "cswindows31j":
		return japanese.ShiftJIS
	case "cp51932", "eucjp", "euc_jp", "eucjp-ms", "eucjp-win", "euc-jis-2004":
		return japanese.EUCJP
	case "cp50220", "cp50221", "cp50222", "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-3", "iso-2022-jp-2004", "iso-2022-jp-ms", "jis", "iso2022jp":
		return japanese.ISO2022JP
	}
	enc, err := htmlindex.Get(label)
	if err != nil || enc == encoding.Replacement {
		return nil
	}
	return enc
}

// decodeWith decodes b and counts what could not be.
func decodeWith(enc encoding.Encoding, b []byte) (s string, bad int) {
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return string(b), len(b)
	}
	s = string(out)
	return s, strings.Count(s, "\ufffd")
}

// guessText finds the charset of b: valid UTF-8 is that; an ISO-2022 escape
// sequence means ISO-2022-JP; octets from A0 on that stand alone between ASCII
// are Latin; for the rest, Shift_JIS, EUC-JP and the declared charset are tried,
// and the one with the least that is wrong or rare wins, the declared one first.
func guessText(b []byte, declared encoding.Encoding) string {
	if utf8.Valid(b) && bytes.IndexByte(b, 0x1b) < 0 {
		return string(b)
	}
	if bytes.Contains(b, []byte("\x1b$")) || bytes.Contains(b, []byte("\x1b(")) {
		if s, bad := decodeWith(japanese.ISO2022JP, b); bad == 0 {
			return s
		}
	}
	if declared == nil && isLatin(b) {
		s, _ := decodeWith(charmap.Windows1252, b)
		return s
	}
	best, least := "", -1
	for _, enc := range [...]encoding.Encoding{declared, japanese.ShiftJIS, japanese.EUCJP} {
		if enc == nil {
			continue
		}
		s, bad := decodeWith(enc, b)
		if odd := bad*rarityInvalid + rarity(s); least < 0 || odd < least {
			best, least = s, odd
		}
	}
	return best
}

// isLatin tells that every 8-bit octet of b is A0 or more and has ASCII, or
// nothing, on both sides.
func isLatin(b []byte) bool {
	for i, c := range b {
		if c < 0x80 {
			continue
		}
		if c < 0xa0 || i > 0 && b[i-1] >= 0x80 || i+1 < len(b) && b[i+1] >= 0x80 {
			return false
		}
	}
	return true
}

// rarityInvalid is how much a character that could not be decoded weighs.
const rarityInvalid = 100

// rarity adds up how unusual s is as Japanese text. EUC-JP that is read as
// Shift_JIS is full of half-width katakana, and both misreadings of rare kanji.
func rarity(s string) (sum int) {
	for _, r := range s {
		switch {
		case r < 0x80, 0x3000 <= r && r <= 0x30ff, 0xff00 <= r && r <= 0xff60: // ASCII, kana, full-width forms
		case 0x4e00 <= r && r <= 0x9fff:
			sum++
		case 0xff61 <= r && r <= 0xff9f: // half-width katakana
			sum += 3
		default:
			sum += 4
		}
	}
	return sum
}
