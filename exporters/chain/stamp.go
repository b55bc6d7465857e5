package chain

import (
	"bytes"
	"encoding/hex"
	"strconv"
)

// Stamp is what a line says of its place in the chain.
type Stamp struct {
	Stream
	Seq uint64
	Tag Tag
}

// Stamper writes a stream's stamps.
type Stamper struct {
	chain      *Chain
	json, eve  []byte // up to the number
	pairs      []byte // the same for key=value formats; the separator stands in front
	structured []byte // the same as structured data of RFC 5424
	pairsTag   []byte // between number and tag
}

// Parts of a stamp. Names are short because every line bears them; numbers and
// tag come last, so that what stands before them is one constant.
const (
	jsonOpen       = `,"kagami.export":{"sensor":"`
	jsonSeq        = `","seq":`
	jsonTag        = `,"tag":"`
	jsonEnd        = `"}}`
	eveOpen        = `,"metadata":{"flowvars":[{"kagami.export":{"sensor":"` // where EVE's schema lets anything stand
	eveEnd         = `"}}]}}`
	pairsOpen      = "kagamiSensor="
	pairsSeq       = "kagamiSeq="
	pairsTag       = "kagamiTag="
	structuredOpen = `[kagami@32473 sensor="`
	structuredSeq  = `" seq="`
	structuredTag  = `" tag="`
	structuredEnd  = `"] `
)

// NewStamper writes the stamps of c; sep is what separates the pairs of a
// key=value format.
func NewStamper(c *Chain, sep byte) *Stamper {
	t := c.stream
	s := string(sep)
	return &Stamper{
		chain:      c,
		json:       []byte(jsonOpen + t.Sensor + `","boot":"` + t.Boot + `","name":"` + t.Name + jsonSeq),
		eve:        []byte(eveOpen + t.Sensor + `","boot":"` + t.Boot + `","name":"` + t.Name + jsonSeq),
		pairs:      []byte(s + pairsOpen + t.Sensor + s + "kagamiBoot=" + t.Boot + s + "kagamiExport=" + t.Name + s + pairsSeq),
		pairsTag:   []byte(s + pairsTag),
		structured: []byte(structuredOpen + t.Sensor + `" boot="` + t.Boot + `" name="` + t.Name + structuredSeq),
	}
}

// JSON stamps the JSON object that line ends with, from at on: the stamp becomes
// its last member. An empty object stays as it is, and is not counted.
func (s *Stamper) JSON(line []byte, at int) []byte { return s.object(line, at, s.json, jsonEnd) }

// EVE is JSON for an event of Suricata's, whose schema knows no members but its own:
// the stamp stands among the variables of the flow.
func (s *Stamper) EVE(line []byte, at int) []byte { return s.object(line, at, s.eve, eveEnd) }

func (s *Stamper) object(line []byte, at int, open []byte, end string) []byte {
	n := len(line)
	if n-at < 3 || line[n-1] != '}' {
		return line
	}
	seq, tag := s.chain.Add(line[at:])
	line = append(line[:n-1], open...)
	line = strconv.AppendUint(line, seq, 10)
	line = append(line, jsonTag...)
	line = hex.AppendEncode(line, tag[:])
	return append(line, end...)
}

// Pairs stamps the line of a key=value format, from at on: pairs at its end.
func (s *Stamper) Pairs(line []byte, at int) []byte {
	seq, tag := s.chain.Add(line[at:])
	line = append(line, s.pairs...)
	line = strconv.AppendUint(line, seq, 10)
	line = append(line, s.pairsTag...)
	return hex.AppendEncode(line, tag[:])
}

// Structured puts the stamp of a line that has no room in itself before it, as
// structured data of RFC 5424 and a blank. The line begins at at.
func (s *Stamper) Structured(line []byte, at int) []byte {
	seq, tag := s.chain.Add(line[at:])
	var number [20]byte
	digits := strconv.AppendUint(number[:0], seq, 10)
	n := len(s.structured) + len(digits) + len(structuredTag) + 2*len(tag) + len(structuredEnd)
	end := len(line)
	line = append(line, make([]byte, n)...)
	copy(line[at+n:], line[at:end])
	b := append(line[at:at], s.structured...)
	b = append(append(b, digits...), structuredTag...)
	b = hex.AppendEncode(b, tag[:])
	copy(line[at+len(b):], structuredEnd)
	return line
}

// HasStructured tells whether a line bears its stamp in front: a syslog message
// then needs no structured data of its own.
func HasStructured(line []byte) bool { return bytes.HasPrefix(line, []byte(structuredOpen)) }

// WithoutStructured is such a line without it, for RFC 3164, which has no place
// for it.
func WithoutStructured(line []byte) []byte {
	if !HasStructured(line) {
		return line
	}
	_, rest, _ := bytes.Cut(line, []byte(structuredEnd))
	return rest
}
