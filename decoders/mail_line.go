package decoders

import (
	"bytes"

	"kagami/sensor"
)

// Violations of the mail protocols: records.Mail.Odd.
const (
	oddMailLine   = "line too long"
	oddDotLineEnd = "line feed alone around the final dot" // RFC 5321 section 2.3.8; servers differ about where such a message ends
)

// maxMailCommand bounds in octets a command or reply line that is gathered. RFC
// 4954 section 4 asks for 12288.
const maxMailCommand = 12288 + 2

// mailLines divides one direction into lines.
type mailLines struct {
	held []byte // start of a line
	skip bool   // the line is too long: its rest is passed over
	gap  bool   // octets were lost before the line under way
	long bool   // the last line, or the one under way, is too long and cut
	torn bool   // the last line may lack its beginning
}

// next takes n octets of data: up to the end of a line. The line is without its
// end and valid until the next call; ok says that there is one.
func (l *mailLines) next(data []byte) (line []byte, n int, ok bool) {
	l.long, l.torn = false, false
	end := bytes.IndexByte(data, '\n')
	if n = end + 1; end < 0 {
		n = len(data)
	}
	if end >= 0 && len(l.held) == 0 && n <= maxMailCommand {
		l.torn, l.gap = l.gap, false
		return trimEOL(data[:n]), n, true
	}
	room := maxMailCommand - len(l.held)
	l.held = append(l.held, data[:min(n, room)]...)
	if n > room {
		l.skip = true
	}
	if end < 0 {
		l.long = l.skip
		return nil, n, false
	}
	line, l.long, l.torn = trimEOL(l.held), l.skip, l.gap
	l.held, l.skip, l.gap = l.held[:0], false, false
	if cap(l.held) > heldRoom {
		l.held = nil
	}
	return line, n, true
}

// lose follows a gap.
func (l *mailLines) lose() { l.held, l.skip, l.gap = l.held[:0], false, true }

// dotReader undoes the transparency of SMTP's DATA (RFC 5321 section 4.5.2) and
// of POP3's multi-line answers (RFC 1939 section 3), and finds the final dot.
type dotReader struct {
	state  dotState
	wasCR  bool // the last octet was CR
	crlf   bool // the last line ended in CRLF; the command before the first did
	strict bool // a line ended in CRLF: LF alone does not end this message
	odd    bool // LF alone stood around a dot
}

type dotState uint8

const (
	dotStart dotState = iota // of a line
	dotSeen                  // "." at the start of a line
	dotCR                    // ".\r"
	dotInside
)

func newDotReader() dotReader { return dotReader{crlf: true} }

// next takes n octets of data. out is content, valid as long as data; end says
// that the final dot's line is read.
func (d *dotReader) next(data []byte) (out []byte, n int, end bool) {
	switch d.state {
	case dotStart:
		if data[0] == '.' {
			d.state = dotSeen
			return nil, 1, false
		}
	case dotSeen:
		switch data[0] {
		case '\r':
			d.state = dotCR
			return nil, 1, false
		case '\n':
			if !d.strict {
				return nil, 1, true
			}
			d.odd = true
		}
	case dotCR:
		if data[0] == '\n' {
			if d.crlf || !d.strict {
				return nil, 1, true
			}
			d.odd, d.wasCR = true, true
			d.state = dotInside
		} else {
			d.state, d.wasCR = dotInside, true
		}
		return []byte{'\r'}, 0, false
	}
	d.state = dotInside
	return d.content(data)
}

// content takes octets up to a line that begins with a dot.
func (d *dotReader) content(data []byte) ([]byte, int, bool) {
	n := bytes.Index(data, []byte("\n.")) + 1
	if n == 0 {
		n = len(data)
	}
	out := data[:n]
	d.strict = d.strict || d.wasCR && out[0] == '\n' || bytes.Contains(out, []byte("\r\n"))
	if out[n-1] == '\n' {
		d.state = dotStart
		d.crlf = n > 1 && out[n-2] == '\r' || n == 1 && d.wasCR
	}
	d.wasCR = out[n-1] == '\r'
	return out, n, false
}

// gap follows lost octets.
func (d *dotReader) gap() { d.state, d.wasCR = dotInside, false }

// opens tells whether b begins like a command that is one protocol's alone: openings
// are in lower case.
func opens(b []byte, openings []string) sensor.Match {
	best := sensor.No
	for _, s := range openings {
		n := min(len(b), len(s))
		if !equalFold(b[:n], s[:n]) {
			continue
		}
		if n == len(s) {
			return sensor.FromClient
		}
		best = sensor.Maybe
	}
	return best
}
