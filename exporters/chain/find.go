package chain

import (
	"bytes"
	"encoding/hex"
	"strconv"
)

// found is a stamped line as it was received.
type found struct {
	Stamp
	text   []byte // what was stamped; borrowed
	raw    []byte // the stamp's own text up to its number, for a reader that knows it
	number bool   // its hash covers its number
	line   []byte // JSON: all that came, and
	end    int    // where in it the stamp began
}

// again is the text where braces stand before the record: in a syslog header, say.
func (s *found) again() []byte {
	if s.line == nil {
		return nil
	}
	begin, _ := opening(s.line, s.end)
	if begin < 0 || s.end+1-begin == len(s.text) {
		return nil
	}
	return s.line[begin : s.end+1]
}

// untimed is the text without the time that was put in front of it for a place
// that wants one there, as data streams do: {"@timestamp":"...",
func (s *found) untimed() []byte {
	const head = `{"@timestamp":"`
	if !bytes.HasPrefix(s.text, []byte(head)) {
		return nil
	}
	end := bytes.Index(s.text[len(head):min(len(s.text), len(head)+maxTime)], []byte(`",`))
	if end < 0 {
		return nil
	}
	rest := s.text[len(head)+end+1:]
	rest[0] = '{' // instead of the comma
	return rest
}

// maxTime bounds the text of a time, octets.
const maxTime = 40

// maxSeq is more lines than any stream has.
const maxSeq = 1 << 60

// maxStamp bounds the text of a stamp, octets.
const maxStamp = 448

// unwraps is how often a line may have been put into a string of another.
const unwraps = 3

// finder looks for stamps in lines as they arrive: bare, behind a syslog header,
// or within a string of JSON or CSV that somebody exported.
type finder struct {
	scratch [unwraps][]byte
	last    []byte // stamp up to its number as it was found last time, and
	stream  Stream // what it says
}

// find may write into line. ok: there is a stamp, well formed.
func (f *finder) find(line []byte) (s found, ok bool) { return f.at(line, 0) }

func (f *finder) at(line []byte, depth int) (s found, ok bool) {
	line = bytes.TrimRight(line, "\r\n \t")
	if s, ok = f.own(line); ok {
		return s, true
	}
	return f.within(line, depth)
}

// within finds the stamp of a line that is a string of this one.
func (f *finder) within(line []byte, depth int) (s found, ok bool) {
	if depth == unwraps {
		return s, false
	}
	for _, inner := range [...]func([]byte, []byte) []byte{jsonString, csvField} {
		if text := inner(f.scratch[depth][:0], line); text != nil {
			f.scratch[depth] = text
			if s, ok = f.at(text, depth+1); ok {
				return s, true
			}
		}
	}
	return s, false
}

// own finds the stamp of the line itself. What the line tells of, a URL, say, may
// hold something like a stamp of another form; but the line's own form begins
// before its content does, and JSON escapes what would look like one.
func (f *finder) own(line []byte) (s found, ok bool) {
	header, event := bytes.Index(line, []byte(structuredOpen)), eventAt(line)
	if header >= 0 && (event < 0 || header < event) {
		if s, ok = f.structured(line, header); ok {
			return s, true
		}
	}
	if event >= 0 {
		if s, ok = f.pairs(line, event); ok {
			return s, true
		}
	}
	if s, ok = f.json(line); ok || header < 0 {
		return s, ok
	}
	return f.structured(line, header)
}

// eventAt is where a CEF or LEEF event begins; -1 if there is none.
func eventAt(line []byte) int {
	for i := 0; ; i++ {
		k := bytes.Index(line[i:], []byte("EF:"))
		if k < 0 {
			return -1
		}
		i += k
		if i > 0 && line[i-1] == 'C' {
			return i - 1
		}
		if i > 1 && line[i-1] == 'E' && line[i-2] == 'L' {
			return i - 2
		}
	}
}

// json finds a stamp that ends an object. What stands before it is the line: from
// the brace that the object begins with.
func (f *finder) json(line []byte) (s found, ok bool) {
	if s, ok = f.object(line, jsonOpen, jsonEnd); ok {
		return s, true
	}
	return f.object(line, eveOpen, eveEnd)
}

// object is json for a stamp that begins with open and ends with end.
func (f *finder) object(line []byte, open, end string) (s found, ok bool) {
	from := max(0, len(line)-maxStamp)
	i := bytes.Index(line[from:], []byte(open))
	if i >= 0 {
		i += from
	} else if i = bytes.LastIndex(line[:from], []byte(open)); i < 0 { // within another object
		return s, false
	}
	n, ok := f.jsonStamp(line[i:], open, end, &s)
	if !ok {
		return s, false
	}
	begin := bytes.IndexByte(line, '{')
	if rest := line[i+n:]; len(rest) > 0 || begin < 0 || begin > i {
		var depth int
		begin, depth = opening(line, i)
		if begin < 0 || depth == 1 && len(bytes.Trim(rest, ",]")) > 0 { // only an object around it may go on
			return s, false
		}
	}
	line[i] = '}' // instead of the comma: the object as it was
	s.text, s.number, s.line, s.end = line[begin:i+1], true, line, i
	return s, true
}

// jsonStamp reads a stamp and tells how long it is.
func (f *finder) jsonStamp(b []byte, open, end string, s *found) (n int, ok bool) {
	if n, ok = f.names(b, s, open, `","boot":"`, `","name":"`, jsonSeq); !ok {
		return 0, false
	}
	n, ok = numberAndTag(b, n, jsonTag, s)
	return n + len(end), ok && bytes.HasPrefix(b[n:], []byte(end))
}

// names reads a stamp up to its number: b begins with open; boot, name and seq
// stand between its parts.
func (f *finder) names(b []byte, s *found, open, boot, name, seq string) (n int, ok bool) {
	if len(b) < len(open) {
		return 0, false
	}
	i := bytes.Index(b[len(open):min(len(b), maxStamp)], []byte(seq))
	if i < 0 {
		return 0, false
	}
	i += len(open)
	n = i + len(seq)
	if s.raw = b[:n]; !bytes.Equal(s.raw, f.last) {
		first, rest, ok1 := bytes.Cut(b[len(open):i], []byte(boot))
		second, third, ok2 := bytes.Cut(rest, []byte(name))
		if !ok1 || !ok2 || !f.know(s.raw, first, second, third) {
			return 0, false
		}
	}
	s.Stream = f.stream
	return n, true
}

// know keeps what the last stamp said: the next one mostly says the same.
func (f *finder) know(raw, sensor, boot, name []byte) bool {
	s := Stream{string(sensor), string(boot), string(name)}
	if !isName(s.Sensor) || !isName(s.Boot) || !isName(s.Name) {
		return false
	}
	f.last, f.stream = append(f.last[:0], raw...), s
	return true
}

// numberAndTag reads "SEQ" between "TAG" from at on.
func numberAndTag(b []byte, at int, between string, s *found) (end int, ok bool) {
	digits := at
	for digits < len(b) && b[digits]-'0' <= 9 {
		digits++
	}
	seq, err := strconv.ParseUint(string(b[at:digits]), 10, 64)
	tag := digits + len(between)
	end = tag + 2*len(s.Tag)
	if err != nil || seq == 0 || seq > maxSeq || end > len(b) || string(b[digits:tag]) != between {
		return 0, false
	}
	s.Seq = seq
	return end, lowerHex(s.Tag[:], b[tag:end])
}

// lowerHex decodes what hex.Encode wrote: capitals would be a change unseen.
func lowerHex(dst, src []byte) bool {
	for _, c := range src {
		if c >= 'A' && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}

// opening is where the innermost object begins that is open at i, -1 if none is,
// and how many are.
func opening(line []byte, i int) (at, depth int) {
	var open []int
	for k := 0; k < i; k++ {
		switch line[k] {
		case '{':
			open = append(open, k)
		case '}':
			open = open[:max(0, len(open)-1)]
		case '"':
			for k++; k < i && line[k] != '"'; k++ {
				if line[k] == '\\' {
					k++
				}
			}
		}
	}
	if len(open) == 0 {
		return -1, 0
	}
	return open[len(open)-1], len(open)
}

// pairs finds a stamp of key=value pairs at the end of a line whose event begins at
// begin.
func (f *finder) pairs(line []byte, begin int) (s found, ok bool) {
	from := max(0, len(line)-maxStamp)
	open := bytes.LastIndex(line[from:], []byte(pairsOpen))
	if open += from; open <= begin || open < from {
		return s, false
	}
	sep := separator(line[:open])
	if sep == "" {
		return s, false
	}
	b := line[open:]
	n, ok := f.names(b, &s, pairsOpen, sep+"kagamiBoot=", sep+"kagamiExport=", sep+pairsSeq)
	if !ok {
		return s, false
	}
	end, ok := numberAndTag(b, n, sep+pairsTag, &s)
	s.text, s.number = line[begin:open-len(sep)], true
	return s, ok && end == len(b)
}

// separator is what stands between the pairs before b's end. A tab may have become
// something else on its way through a syslog daemon; then the line is not what it was.
func separator(b []byte) string {
	for _, sep := range [...]string{" ", "^", "\t"} {
		if bytes.HasSuffix(b, []byte(sep)) {
			return sep
		}
	}
	return ""
}

// structured finds the stamp at i of a syslog header; the line follows the header.
func (f *finder) structured(line []byte, i int) (s found, ok bool) {
	b := line[i:]
	n, ok := f.names(b, &s, structuredOpen, `" boot="`, `" name="`, structuredSeq)
	if !ok {
		return s, false
	}
	end, ok := numberAndTag(b, n, structuredTag, &s)
	if !ok || !bytes.HasPrefix(b[end:], []byte(`"]`)) {
		return s, false
	}
	b = b[end+2:]
	for len(b) > 0 && b[0] == '[' { // what a relay added
		_, rest, more := bytes.Cut(b, []byte(`]`))
		if !more {
			return s, false
		}
		b = rest
	}
	s.text, s.number = bytes.TrimPrefix(b, []byte(" ")), true
	return s, true
}

var stampMarks = [...][]byte{[]byte("kagami.export"), []byte(pairsTag), []byte("[kagami@32473 "), []byte(claimOpen)}

func hasMark(b []byte) bool {
	for _, m := range stampMarks {
		if bytes.Contains(b, m) {
			return true
		}
	}
	return false
}

// stampParts are what stamps consist of; two in a line that has none make one that
// was damaged. One alone may be what another program's line tells of.
var stampParts = [...][]byte{[]byte(jsonOpen), []byte(structuredOpen), []byte(pairsTag), []byte(claimOpen), []byte(claimSeal), []byte(jsonSeq), []byte(jsonTag), []byte(`","boot":"`), []byte(`","name":"`), []byte(structuredSeq), []byte(structuredTag),
	[]byte(`" boot="`), []byte(pairsOpen), []byte("kagamiBoot="), []byte("kagamiExport="), []byte(pairsSeq)}

func isDamaged(line []byte) bool {
	n := 0
	for _, p := range stampParts {
		if bytes.Contains(line, p) {
			n++
		}
	}
	return n > 1
}

// shedMarks stand, in front of the stamp, in a line that was shortened for a
// syslog message.
var shedMarks = [...][]byte{[]byte(`"shed":["`), []byte(`"kagami.shed":["`), []byte("KagamiKagamiShed="), []byte("kagamiShed=")}

func isShed(line []byte) bool {
	line = line[max(0, len(line)-maxStamp):]
	for _, m := range shedMarks {
		if bytes.Contains(line, m) {
			return true
		}
	}
	return false
}
