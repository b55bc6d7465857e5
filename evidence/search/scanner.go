package search

import (
	"fmt"
	"io"
	"os"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

// scanner makes indexes of packets: one, or several one behind the other where one
// would get too large.
type scanner struct {
	num     uint64
	size    int64    // octets that are read
	stretch *stretch // what is read, if not all
	live    bool     // what is not whole at the end may be being written
	modTime int64
	names   *nameSource // of a capture file; nil: there are notes between the packets, or none

	builder *index.Builder // an empty one
	images  [][]byte
	info    index.Info // of all images together
	tail    int64      // octets at the end that are no whole packets

	cur    index.Info // of the image under way
	stored uint64     // octets of packets so far
	marked bool       // a mark was seen
}

// maxDamage bounds the damaged spans of a segment that are told apart.
const maxDamage = 1024

// scan reads the packets. An error means that not all could be read; the images are
// of what could.
func (s *scanner) scan(r io.ReaderAt) error {
	visitor := segment.Visitor{Packet: s.packet, Note: s.note, Mark: s.mark, Damage: s.damage}
	var res segment.Result
	var err error
	if t := s.stretch; t != nil {
		res, err = t.layout.Scan(r, t.from, t.to, visitor)
	} else {
		res, err = segment.Scan(r, s.size, visitor)
	}
	if m := res.LastMark; m != nil {
		s.info.End = m.Counters
		behind := s.info.Packets - min(m.Packets, s.info.Packets)
		s.info.End.Seen, s.info.End.Stored = m.Counters.Seen+behind, m.Counters.Stored+behind
	}
	s.info.Layout, s.cur.Layout = res.Layout, res.Layout
	s.info.Size = s.size
	s.image(s.size)
	return err
}

func (s *scanner) packet(p *segment.Packet) bool {
	if s.cur.Packets > 0 && s.builder.Full() {
		s.image(p.Pos)
	}
	if s.names != nil {
		s.names.before(p.Time, s.builder)
	}
	took(&s.cur, p)
	took(&s.info, p)
	s.stored += uint64(len(p.Data))
	s.builder.Packet(p)
	return true
}

// took counts a packet.
func took(i *index.Info, p *segment.Packet) {
	if i.Packets == 0 {
		i.From, i.First, i.Last = p.Pos, p.Time, p.Time
	}
	i.First, i.Last = min(i.First, p.Time), max(i.Last, p.Time)
	i.Packets++
}

func (s *scanner) note(n *segment.Note) bool {
	s.builder.Note(n)
	return true
}

// mark learns who wrote the segment, and what his counters were when it began.
func (s *scanner) mark(m *segment.Mark, good bool) bool {
	if !good {
		s.damage(m.From, m.Pos-m.From, "checksum")
	}
	if s.marked {
		return true
	}
	s.marked = true
	s.info.Session, s.info.Worker = m.Session, m.Worker
	start := m.Counters
	start.Seen -= min(start.Seen, s.info.Packets)
	start.Stored -= min(start.Stored, s.info.Packets)
	start.StoredBytes -= min(start.StoredBytes, s.stored)
	s.info.Start = start
	return true
}

func (s *scanner) damage(pos, length int64, _ string) bool {
	if s.live && pos+length >= s.size {
		s.tail += length
		return true
	}
	for _, i := range []*index.Info{&s.cur, &s.info} {
		if len(i.Damage) < maxDamage {
			i.Damage = append(i.Damage, index.Span{Pos: pos, Len: length})
		} else {
			i.Damage[maxDamage-1].Len += length
		}
	}
	return true
}

// image ends the index under way, which is of the octets up to end.
func (s *scanner) image(end int64) {
	i := s.cur
	if s.names != nil {
		s.names.before(i.Last, s.builder)
		i.Session = namesSought
	}
	i.Segment, i.Worker, i.Start, i.End = s.num, s.info.Worker, s.info.Start, s.info.End
	i.Size, i.ModTime = end, s.modTime
	s.images = append(s.images, s.builder.Encode(nil, i))
	s.builder.Reset()
	s.cur = index.Info{From: end}
}

func damageText(name string, d index.Span) string {
	return fmt.Sprintf("%s at octet %d", name, d.Pos)
}

// reader reads packets for a search, and counts.
type reader struct {
	run  *run
	file *os.File
}

func (r *reader) ReadAt(b []byte, at int64) (int, error) {
	if err := r.run.stopped(); err != nil {
		return 0, err
	}
	n, err := r.file.ReadAt(b, at)
	r.run.read(int64(n))
	return n, err
}
