package search

import (
	"fmt"
	"io"

	"kagami/evidence/segment"
)

// all reads a segment from end to end, for queries that no index can narrow. The
// checksums of its marks are verified on the way.
func (s *stream) all() error {
	v := s.view
	size := v.info.Size
	if !v.known {
		st, err := s.in.file.Stat()
		if err != nil {
			return s.unread(err)
		}
		size = st.Size()
	}
	visitor := segment.Visitor{
		Packet: func(p *segment.Packet) bool { return s.add(p, -1) },
		Mark:   s.mark,
		Damage: func(pos, length int64, what string) bool {
			if !v.known && pos+length >= size && v.stretch == nil {
				s.run.say("the last %d octets of %s are no whole packets: it is being written, or was interrupted", length, v.name)
				return true
			}
			s.damage(pos, length, what)
			return true
		},
	}
	in := passing(s.in, size)
	defer in.done()
	var err error
	if t := v.stretch; t != nil {
		_, err = t.layout.Scan(in, t.from, t.to, visitor)
	} else {
		_, err = segment.Scan(in, size, visitor)
	}
	return s.unread(err)
}

// mark looks at a checksum.
func (s *stream) mark(m *segment.Mark, good bool) bool {
	if !good {
		s.damage(m.From, m.Pos-m.From, fmt.Sprintf("checksum of %d octets", m.Pos-m.From))
	}
	return true
}

// sweep reads a file from end to end without keeping it in the page cache, unless it
// was there before: what others work with is not pushed out.
type sweep struct {
	*reader
	drop bool
	at   int64 // what is before was dropped
}

// dropEvery is how many octets are dropped at a time.
const dropEvery = 8 << 20

func passing(r *reader, size int64) *sweep {
	sequential(r.file)
	return &sweep{reader: r, drop: !cached(r.file, size)}
}

func (s *sweep) ReadAt(b []byte, at int64) (int, error) {
	n, err := s.reader.ReadAt(b, at)
	if s.drop && at-s.at >= dropEvery {
		forget(s.file, s.at, at-s.at)
		s.at = at
	}
	return n, err
}

func (s *sweep) done() {
	if s.drop {
		forget(s.file, s.at, 0)
	}
}

var _ io.ReaderAt = (*sweep)(nil)
