package har

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
)

// stream writes JSON member by member. It keeps the first error.
type stream struct {
	w     *bufio.Writer
	comma bool // something is before
	err   error
}

func (s *stream) write(b string) {
	if s.err == nil {
		_, s.err = s.w.WriteString(b)
	}
}

// key begins a member, or an element when it has no name.
func (s *stream) key(name string) {
	if s.comma {
		s.write(",\n")
	}
	s.comma = true
	if name != "" {
		s.value(name)
		s.write(":")
	}
}

func (s *stream) value(v any) {
	b, err := json.Marshal(v)
	if s.err == nil {
		s.err = err
	}
	if s.err == nil {
		_, s.err = s.w.Write(b)
	}
}

// open begins an object or an array.
func (s *stream) open(name string, bracket byte) {
	s.key(name)
	s.write(string(bracket))
	s.comma = false
}

func (s *stream) close(bracket byte) {
	s.write(string(bracket))
	s.comma = true
}

func (s *stream) end() { s.write("\n") }

func (s *stream) field(name string, v any) {
	s.key(name)
	s.value(v)
}

func (s *stream) element(v any) { s.field("", v) }

// optional leaves out what is empty.
func (s *stream) optional(name, v string) {
	if v != "" {
		s.field(name, v)
	}
}

// textPiece is how much of a text is escaped at a time.
const textPiece = 16 << 10

// text writes UTF-8 of any length.
func (s *stream) text(name string, b []byte) {
	s.key(name)
	s.write(`"`)
	for len(b) > 0 && s.err == nil {
		n := min(len(b), textPiece)
		for n < len(b) && n > textPiece-utf8.UTFMax && !utf8.RuneStart(b[n]) {
			n--
		}
		var q []byte
		if q, s.err = json.Marshal(string(b[:n])); s.err == nil {
			_, s.err = s.w.Write(q[1 : len(q)-1])
		}
		b = b[n:]
	}
	s.write(`"`)
}

// base64 writes octets of any length.
func (s *stream) base64(name string, b []byte) {
	s.key(name)
	s.write(`"`)
	if s.err == nil {
		e := base64.NewEncoder(base64.StdEncoding, s.w)
		_, s.err = e.Write(b)
		if err := e.Close(); s.err == nil {
			s.err = err
		}
	}
	s.write(`"`)
}
