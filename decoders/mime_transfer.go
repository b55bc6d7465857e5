package decoders

import "strings"

// transferDecoder undoes a Content-Transfer-Encoding (RFC 2045 section 6), as
// lenient as mail programs are. Its output does not depend on how the input
// comes in pieces.
type transferDecoder struct {
	kind transferKind
	lost bool // octets are missing: what follows may be out of step

	bits    uint32 // base64: up to three characters' bits
	nbits   uint8
	quoted  [2]byte // quoted-printable: "=" and what followed it
	nquoted uint8
	blanks  int // quoted-printable: blanks that may end a line
	blank   [mimeBlanks]byte
	uu      uuDecoder

	out [transferRoom]byte
}

const (
	transferRoom = 1536 // octets put out at a time
	mimeBlanks   = 80   // blanks before a line's end that are taken away (RFC 2045 section 6.7: a line has 76)
)

type transferKind uint8

const (
	transferNone transferKind = iota // 7bit, 8bit, binary and what is not known
	transferBase64
	transferQuoted
	transferUU
)

func (d *transferDecoder) begin(encoding string) {
	d.lost = false
	d.reset()
	switch encoding {
	case "base64":
		d.kind = transferBase64
	case "quoted-printable":
		d.kind = transferQuoted
	case "x-uuencode", "uuencode", "x-uue", "uue":
		d.kind = transferUU
		d.uu = uuDecoder{}
	default:
		d.kind = transferNone
	}
}

// reset forgets what a gap has made worthless.
func (d *transferDecoder) reset() {
	d.bits, d.nbits, d.nquoted, d.blanks = 0, 0, 0, 0
	d.uu.line = d.uu.line[:0]
}

// decode takes n octets of b and returns what they mean, valid until the next
// call. n is 0 only if b is empty.
func (d *transferDecoder) decode(b []byte) (n int, out []byte) {
	switch d.kind {
	case transferBase64:
		return d.base64(b)
	case transferQuoted:
		return d.quotedPrintable(b)
	case transferUU:
		return d.uu.decode(b, d.out[:0])
	}
	return len(b), b
}

// end returns what was held back.
func (d *transferDecoder) end() []byte {
	out := d.out[:0]
	switch d.kind {
	case transferBase64:
		out = d.quantum(out)
	case transferQuoted:
		out = append(out, d.quoted[:d.nquoted]...) // blanks end the last line: they go
	case transferUU:
		_, out = d.uu.decode([]byte{'\n'}, out)
	}
	d.reset()
	return out
}

// base64 decodes RFC 2045 section 6.8; octets outside the alphabet are passed over.
func (d *transferDecoder) base64(b []byte) (int, []byte) {
	b = b[:min(len(b), transferRoom)]
	out := d.out[:0]
	for _, c := range b {
		v := base64Value(c)
		if v >= 64 {
			if c == '=' {
				out = d.quantum(out)
			}
			continue
		}
		d.bits = d.bits<<6 | uint32(v)
		if d.nbits += 6; d.nbits == 24 {
			out = append(out, byte(d.bits>>16), byte(d.bits>>8), byte(d.bits))
			d.bits, d.nbits = 0, 0
		}
	}
	return len(b), out
}

// quantum puts out what a padded last quantum holds.
func (d *transferDecoder) quantum(out []byte) []byte {
	switch d.nbits {
	case 12:
		out = append(out, byte(d.bits>>4))
	case 18:
		out = append(out, byte(d.bits>>10), byte(d.bits>>2))
	}
	d.bits, d.nbits = 0, 0
	return out
}

// base64Value is a character's value, 64 or more if it has none.
func base64Value(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26
	case '0' <= c && c <= '9':
		return c - '0' + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return 0xff
}

// quotedPrintable decodes RFC 2045 section 6.7.
func (d *transferDecoder) quotedPrintable(b []byte) (int, []byte) {
	const most = (transferRoom - mimeBlanks) / 3 // an octet may release two others
	b = b[:min(len(b), most)]
	out := d.out[:0]
	for _, c := range b {
		if d.nquoted > 0 {
			out = d.afterEquals(out, c)
			continue
		}
		out = d.plain(out, c)
	}
	return len(b), out
}

// plain takes an octet that stands for itself, or begins something.
func (d *transferDecoder) plain(out []byte, c byte) []byte {
	switch {
	case isBlank(c) && d.blanks < mimeBlanks:
		d.blank[d.blanks] = c
		d.blanks++
		return out
	case c == '\r' || c == '\n':
		d.blanks = 0
		return append(out, c)
	}
	out = append(out, d.blank[:d.blanks]...)
	d.blanks = 0
	if c == '=' {
		d.quoted[0], d.nquoted = c, 1
		return out
	}
	return append(out, c)
}

// afterEquals takes an octet after "=": two hexadecimal digits, or a line end
// with blanks before it.
func (d *transferDecoder) afterEquals(out []byte, c byte) []byte {
	if d.nquoted == 1 {
		if _, ok := hexDigit(c); ok || c == '\r' || isBlank(c) {
			d.quoted[1], d.nquoted = c, 2
			return out
		}
		d.nquoted = 0
		if c == '\n' {
			return out
		}
		return d.plain(append(out, '='), c)
	}
	second := d.quoted[1]
	high, isHex := hexDigit(second)
	low, ok := hexDigit(c)
	switch {
	case isHex && ok:
		d.nquoted = 0
		return append(out, high<<4|low)
	case c == '\n' && !isHex:
		d.nquoted = 0
		return out
	case isBlank(second) && (isBlank(c) || c == '\r'):
		d.quoted[1] = c
		return out
	}
	d.nquoted = 0
	return d.plain(append(out, '=', second), c)
}

// uuDecoder decodes what uuencode makes (POSIX.1-2017, uuencode).
type uuDecoder struct {
	begun, over bool
	line        []byte
}

// maxUULine bounds in octets a line: 61 characters and what careless programs add.
const maxUULine = 128

// decode takes octets up to the end of a line and appends to out what it means.
func (u *uuDecoder) decode(b, out []byte) (int, []byte) {
	for i, c := range b {
		if c != '\n' {
			if len(u.line) < maxUULine {
				u.line = append(u.line, c)
			}
			continue
		}
		line := strings.TrimRight(string(u.line), "\r")
		u.line = u.line[:0]
		switch {
		case u.over:
		case !u.begun:
			_, u.begun = uuBegin(line)
		case line == "end":
			u.over = true
		default:
			out = uuLine(out, line)
		}
		return i + 1, out
	}
	return len(b), out
}

// uuBegin reads "begin 644 name".
func uuBegin(line string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(line, "begin ")
	if !ok {
		return "", false
	}
	mode, name, ok := strings.Cut(rest, " ")
	if !ok || len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" || name == "" {
		return "", false
	}
	return name, true
}

// uuLine decodes a line: its length in octets, then four characters for three.
func uuLine(out []byte, line string) []byte {
	if line == "" || line[0] < ' ' || line[0] > '`' {
		return out
	}
	n := int(line[0]-' ') & 63
	for i := 1; n > 0 && i+1 < len(line); i += 4 {
		var q [4]byte
		for k := range q {
			if i+k < len(line) {
				q[k] = (line[i+k] - ' ') & 63
			}
		}
		three := [3]byte{q[0]<<2 | q[1]>>4, q[1]<<4 | q[2]>>2, q[2]<<6 | q[3]}
		take := min(n, 3)
		out = append(out, three[:take]...)
		n -= take
	}
	return out
}
