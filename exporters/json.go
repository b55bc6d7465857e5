package exporters

import (
	"math"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendJSONString appends s quoted (RFC 8259 section 7). Octets that are not
// UTF-8 become U+FFFD each. Escaped besides what must be: DEL and the C1 controls,
// and U+2028/U+2029, which some readers take for the end of a line.
func appendJSONString(dst []byte, s string) []byte {
	return append(appendJSONText(append(dst, '"'), s), '"')
}

// appendJSONText is appendJSONString without the quotation marks.
func appendJSONText[T string | []byte](dst []byte, s T) []byte {
	clean := 0 // s[clean:i] can be copied as it is
	for i := 0; i < len(s); {
		c := s[i]
		if jsonPlain[c] {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if (n > 1 && r >= 0xa0) && r != '\u2028' && r != '\u2029' {
				i += n
				continue
			}
		}
		dst = append(dst, s[clean:i]...)
		dst = appendJSONEscape(dst, r)
		i += n
		clean = i
	}
	return append(dst, s[clean:]...)
}

// jsonPlain are the octets that stand for themselves in a JSON string.
var jsonPlain = func() charset {
	c := printableExcept(`"\\`)
	c[' '] = true
	return c
}()

// appendJSONEscape escapes a rune of the basic multilingual plane.
func appendJSONEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

func appendJSONStrings(dst []byte, v []string) []byte {
	dst = append(dst, '[')
	for i, s := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, s)
	}
	return append(dst, ']')
}

// appendJSONFloat appends a number; JSON has none for NaN and infinity: null.
func appendJSONFloat(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// timeText writes times. It keeps the text of the last day, since records that
// follow each other mostly bear the same one.
type timeText struct {
	day   int64 // since the epoch
	text  [len(time.DateOnly)]byte
	valid bool
}

const (
	secondLayout = "2006-01-02T15:04:05"
	dayNanos     = 24 * int64(time.Hour)
	clockText    = "T00:00:00.000000000Z"
)

// append appends RFC 3339 in UTC with nine decimals, quoted. Times are those of
// records: years 1678 to 2262.
func (t *timeText) append(dst []byte, ns int64) []byte {
	day, rest := ns/dayNanos, ns%dayNanos
	if rest < 0 {
		day, rest = day-1, rest+dayNanos
	}
	if day != t.day || !t.valid {
		t.day, t.valid = day, true
		time.Unix(day*86400, 0).UTC().AppendFormat(t.text[:0], time.DateOnly)
	}
	dst = append(append(dst, '"'), t.text[:]...)
	n := len(dst)
	dst = append(dst, clockText...)
	b := dst[n:]
	seconds, nanos := uint32(rest/1e9), uint32(rest%1e9)
	putDigits(b[1:3], seconds/3600)
	putDigits(b[4:6], seconds/60%60)
	putDigits(b[7:9], seconds%60)
	putDigits(b[10:19], nanos)
	return append(dst, '"')
}

// putDigits writes a number in as many digits as b has.
func putDigits(b []byte, v uint32) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
}

func appendJSONAddr(dst []byte, a netip.Addr) []byte {
	dst = append(dst, '"')
	dst = a.Unmap().WithZone("").AppendTo(dst)
	return append(dst, '"')
}

func appendJSONAddrs(dst []byte, v []netip.Addr) []byte {
	dst = append(dst, '[')
	for i, a := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONAddr(dst, a)
	}
	return append(dst, ']')
}
