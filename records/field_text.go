package records

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AppendText appends the value of a string, number or address as text, without
// quotation marks or escapes.
func (f *Field) AppendText(dst []byte) []byte {
	switch f.Type {
	case String:
		return append(dst, f.Str...)
	case Int, Digits:
		return strconv.AppendInt(dst, f.Num, 10)
	case HexNum:
		return appendHex(dst, uint64(f.Num), int(f.Width))
	case HexOctets:
		return appendOctets(appendOctets(dst, f.Octets, lowerDigits), f.Str, lowerDigits)
	case HexUpper:
		return appendOctets(dst, f.Octets, upperDigits)
	case Text:
		return append(dst, f.Octets...)
	case EUI48:
		return appendMAC(dst, f.Num)
	case Lower:
		return appendLower(dst, f.Str)
	case URL:
		return appendURL(dst, f.Str)
	case IP:
		return f.Addr.Unmap().WithZone("").AppendTo(dst)
	}
	return dst
}

// Plain gathers what lists and joined strings are made of, and makes all strings:
// the fields without the types that have to be put together. It is for readers who
// have time.
func Plain(fields []Field) []Field {
	var out []Field
	for i := 0; i < len(fields); i++ {
		f := fields[i]
		switch f.Type {
		case List:
			f, i = plainList(fields, i)
		case Join:
			f, i = plainJoin(fields, i)
		case Digits, HexNum, HexOctets, HexUpper, Text, EUI48, Lower, URL:
			f = Field{Name: f.Name, Str: string(f.AppendText(nil))}
		}
		out = append(out, f)
	}
	return out
}

// plainList is the list that opens at fields[i], and where it ends.
func plainList(fields []Field, i int) (Field, int) {
	out := Field{Name: fields[i].Name, Type: Strings}
	for i++; fields[i].Type != End; i++ {
		switch f := fields[i]; f.Type {
		case IP:
			out.Type, out.Addrs = IPs, append(out.Addrs, f.Addr)
		case Join:
			f, i = plainJoin(fields, i)
			out.Strs = append(out.Strs, f.Str)
		default:
			out.Strs = append(out.Strs, string(f.AppendText(nil)))
		}
	}
	return out, i
}

func plainJoin(fields []Field, i int) (Field, int) {
	var b []byte
	out := Field{Name: fields[i].Name}
	for i++; fields[i].Type != End; i++ {
		b = fields[i].AppendText(b)
	}
	out.Str = string(b)
	return out, i
}

const (
	lowerDigits = "0123456789abcdef"
	upperDigits = "0123456789ABCDEF"
	flowDigits  = 16 // of a flow's id
)

// appendHex appends v, width digits at least.
func appendHex(b []byte, v uint64, width int) []byte {
	n := 1
	for x := v >> 4; x != 0; x >>= 4 {
		n++
	}
	for i := max(n, width) - 1; i >= 0; i-- {
		b = append(b, lowerDigits[v>>(4*uint(i))&15])
	}
	return b
}

func appendOctets[T string | []byte](b []byte, v T, digits string) []byte {
	for i := range len(v) {
		b = append(b, digits[v[i]>>4], digits[v[i]&15])
	}
	return b
}

// Hex is a byte string in lower-case hexadecimal.
func Hex(b []byte) string { return string(appendOctets(make([]byte, 0, 2*len(b)), b, lowerDigits)) }

// MAC is an EUI-48 as ECS writes it (RFC 7042): upper case, hyphens.
func MAC(a [6]byte) string { return string(appendMAC(make([]byte, 0, 17), macNumber(a))) }

// isMAC tells whether s is the address as MAC writes it.
func isMAC(s string, a [6]byte) bool {
	var b [17]byte
	return s == string(appendMAC(b[:0], macNumber(a)))
}

func macNumber(a [6]byte) int64 {
	return int64(a[0])<<40 | int64(a[1])<<32 | int64(a[2])<<24 | int64(a[3])<<16 | int64(a[4])<<8 | int64(a[5])
}

func appendMAC(b []byte, n int64) []byte {
	for shift := 40; shift >= 0; shift -= 8 {
		x := byte(n >> shift)
		b = append(b, upperDigits[x>>4], upperDigits[x&15])
		if shift > 0 {
			b = append(b, '-')
		}
	}
	return b
}

func appendLower(b []byte, s string) []byte {
	for _, r := range s {
		b = utf8.AppendRune(b, unicode.ToLower(r))
	}
	return b
}

func appendURL(b []byte, s string) []byte {
	if utf8.ValidString(s) {
		return append(b, s...)
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, '%', upperDigits[s[i]>>4], upperDigits[s[i]&15])
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return b
}

// mediaType is a Content-Type without its parameters.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.TrimSpace(s)
}

// splitPort divides "host:port"; brackets of an IPv6 address stay.
func splitPort(authority string) (host, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.IndexByte(authority[i:], ']') >= 0 {
		return authority, ""
	}
	return authority[:i], authority[i+1:]
}

// number reads a number of digits only; false: it is none, or more than most.
// Most URLs have no port, and of an empty string strconv makes an error, which costs
// memory.
func number(s string, most int64) (n int64, ok bool) {
	for i := range len(s) {
		d := int64(s[i]) - '0'
		if d < 0 || d > 9 || n > (most-d)/10 {
			return 0, false
		}
		n = 10*n + d
	}
	return n, s != ""
}

// address reads an address. Only what may be one is parsed: an error costs memory.
func address(s string) (a netip.Addr, ok bool) {
	if s == "" {
		return a, false
	}
	first, last := s[0], s[len(s)-1]
	if strings.IndexByte(s, ':') < 0 && (first < '0' || first > '9' || last < '0' || last > '9') {
		return a, false
	}
	a, err := netip.ParseAddr(s)
	return a, err == nil
}
