package segment

import (
	"fmt"
	"io"
)

// mark reads a mark at s.pos. One that is damaged, or that a stale sector has brought
// here from elsewhere, says nothing; what it was to vouch for is then the next one's
// matter.
func (s *scanner) mark(block []byte) (what string) {
	m, behind := &s.m, s.pos+int64(len(block))
	if !parseMark(m, block) || m.Pos != s.pos {
		s.res.BadMarks++
		s.unsure = behind
		return "mark is damaged, or from another place"
	}
	if s.blind {
		s.blind = false
		s.sum.start(behind)
		return ""
	}
	good := s.trusting || s.verify(m)
	s.sum.start(behind)
	if good {
		s.res.GoodMarks++
		s.res.Vouched = behind
	} else {
		s.res.BadMarks++
	}
	if s.res.LastMark == nil {
		s.res.LastMark = new(Mark)
	}
	*s.res.LastMark = *m
	if s.v.Mark != nil && !s.v.Mark(m, good) {
		s.stopped = true
	}
	return ""
}

// verify compares the octets that a mark vouches for: those since the last mark, or
// if that was not to be read, since where it stood.
func (s *scanner) verify(m *Mark) bool {
	m.From = s.sum.since
	crc, err := s.sumTo(s.pos)
	if err != nil || crc == m.CRC || s.unsure <= m.From {
		return err == nil && crc == m.CRC
	}
	if crc, err = s.reread(s.unsure, s.pos); err != nil || crc != m.CRC {
		return false
	}
	s.damage(m.From, s.unsure-m.From, "the mark that vouched for these octets is damaged")
	m.From = s.unsure
	return true
}

// sumTo is the CRC of the octets since the last mark up to pos, which is in the window.
func (s *scanner) sumTo(pos int64) (uint32, error) {
	if s.sum.on {
		s.sum.add(&s.window, pos)
		return s.sum.crc, nil
	}
	return s.reread(s.sum.since, pos)
}

// reread is the CRC of [from, to).
func (s *scanner) reread(from, to int64) (crc uint32, err error) {
	for from < to {
		b, err := s.look(from, int(min(aheadLen, to-from)))
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			return 0, fmt.Errorf("read at octet %d: %w", from, io.ErrUnexpectedEOF)
		}
		crc = Sum(crc, b)
		from += int64(len(b))
	}
	return crc, nil
}
