package evidence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

const (
	maxTorn    = 1 << 20 // octets kept of what is cut off
	maxDamages = 1 << 10 // that an index lists
	headerRead = 512     // octets that a section header surely fits in
)

// repair closes a segment that its writer could not close, and makes its index.
//
// After the process alone has died, every whole block is what was written: the page
// cache survives. After a power cut, octets may be missing anywhere behind the last
// sync: only what a mark vouches for is kept. What is cut off the end is kept beside
// the segment for people to look at, up to 1 MiB; what is missing inside is covered
// by blocks that say nothing, so that every reader reads on behind it.
//
// Octets before the last sync are never touched: damage there is the disk's, and is
// listed in the index.
func (k *keeper) repair(e entry) error {
	path := k.s.path(e.name)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r := repair{s: k.s, e: e, f: f, size: info.Size()}
	if err := r.survey(); err != nil {
		return err
	}
	if r.own && (r.cut < r.size || r.sealed < r.cut || len(r.gaps) > 0) {
		if err := r.mend(); err != nil {
			return err
		}
	}
	if r.mended && r.left == 0 {
		return r.remove()
	}
	if k.builder == nil {
		k.builder = index.NewBuilder()
	}
	return r.reindex(k.builder)
}

// repair is one segment under repair.
type repair struct {
	s    *Store
	e    entry
	f    *os.File
	size int64

	own     bool         // it has marks, or should have; segments of earlier versions are left as they are
	vouched int64        // end of the last good mark
	sealed  int64        // end of the last good mark that a sync came before
	marks   int64        // end of the last mark of any kind
	cut     int64        // where the file is to end
	gaps    []index.Span // behind sealed: not vouched for, before octets that are
	last    segment.Mark
	mended  bool
	left    uint64 // packets and notes in it after that
	torn    int64
}

// survey finds out what is good.
func (r *repair) survey() error {
	head := make([]byte, headerRead)
	n, _ := r.f.ReadAt(head, 0)
	whole, ours, boot := r.s.header(head[:n])
	res, err := segment.Scan(r.f, r.size, segment.Visitor{Mark: r.mark})
	if err != nil && !errors.Is(err, segment.ErrFormat) {
		return err
	}
	empty := allZero(head[:n]) // the beginning was never written
	proven := len(r.gaps) == 0 || r.gaps[0].Pos > 0
	switch {
	case r.sealed > 0:
		r.own = ours
	case empty:
		r.own, r.gaps = true, nil // cut at 0: nobody can read it
		return nil
	default:
		r.own = ours && whole && proven
	}
	if r.cut = r.vouched; boot {
		r.cut, r.gaps = max(res.End, r.sealed), nil
	}
	return nil
}

func (r *repair) mark(m *segment.Mark, good bool) bool {
	end := m.Pos + segment.MarkLen
	if good {
		if m.From > r.vouched {
			r.gaps = append(r.gaps, index.Span{Pos: r.vouched, Len: m.From - r.vouched})
		}
		r.vouched = end
		if m.Synced {
			r.sealed, r.gaps = end, nil
		}
	}
	r.last, r.marks = *m, end
	return true
}

// mend makes the file whole: fills gaps, cuts the end, and vouches for the result.
func (r *repair) mend() error {
	r.mended = true
	for _, g := range r.gaps {
		if err := r.fill(g.Pos, g.Pos+g.Len-segment.MarkLen); err != nil { // a mark ends it, which the next one builds on
			return fmt.Errorf("fill a gap: %w", err)
		}
	}
	if r.torn = r.size - r.cut; r.torn > 0 {
		if err := r.keepTorn(); err != nil {
			return fmt.Errorf("keep the torn end: %w", err)
		}
		if err := r.f.Truncate(r.cut); err != nil {
			return fmt.Errorf("cut the torn end: %w", err)
		}
	}
	if err := r.f.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	r.s.recovered.Add(1)
	r.s.tornBytes.Add(uint64(r.torn))
	return r.vouch()
}

// fill covers octets that are lost.
func (r *repair) fill(from, to int64) error {
	for n := to - from; n >= segment.MinFiller; n = to - from {
		b := segment.AppendFiller(nil, int(min(n, segment.MaxFiller)))
		if rest := n - int64(len(b)); rest > 0 && rest < segment.MinFiller {
			b = segment.AppendFiller(b[:0], len(b)-segment.MinFiller)
		}
		if _, err := r.f.WriteAt(b, from); err != nil {
			return err
		}
		from += int64(len(b))
		r.s.filledBytes.Add(uint64(len(b)))
	}
	return nil
}

// keepTorn writes the beginning of what is cut off into a file of its own, unless
// it is zeros.
func (r *repair) keepTorn() error {
	b := make([]byte, min(r.torn, maxTorn))
	if _, err := io.ReadFull(io.NewSectionReader(r.f, r.cut, int64(len(b))), b); err != nil {
		return err
	}
	if r.cut == 0 || allZero(b) {
		return nil
	}
	return r.s.save(r.s.path(stem(r.e.name)+tornSuffix), b)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// reindex reads the segment as it is now, and makes its index.
func (r *repair) reindex(b *index.Builder) error {
	b.Reset()
	info := index.Info{Segment: r.e.num, Recovered: r.mended, Torn: r.torn}
	begun := false
	damaged := func(pos, length int64) {
		if len(info.Damage) < maxDamages {
			info.Damage = append(info.Damage, index.Span{Pos: pos, Len: length})
		}
	}
	res, err := segment.Scan(r.f, r.size, segment.Visitor{
		Packet: func(p *segment.Packet) bool { b.Packet(p); return true },
		Note:   func(n *segment.Note) bool { b.Note(n); return true },
		Mark: func(m *segment.Mark, good bool) bool {
			if !begun {
				begun, info.Start = true, before(m)
			}
			if !good {
				damaged(m.From, m.Pos-m.From)
			}
			return true
		},
		Damage: func(pos, length int64, _ string) bool { damaged(pos, length); return true },
	})
	if err != nil {
		return err
	}
	info.Session, info.Worker, info.End = r.last.Session, r.last.Worker, r.last.Counters
	info.First, info.Last, info.Packets, info.Layout, info.Size = res.First, res.Last, res.Packets, res.Layout, r.size
	return r.publish(b.Encode(nil, info), r.size)
}

// before are the counters from before a segment's first mark: less what it held.
func before(m *segment.Mark) segment.Counters {
	c := m.Counters
	c.Seen -= min(c.Seen, m.Packets)
	c.Stored -= min(c.Stored, m.Packets)
	return c
}

// vouch ends the file with a mark, so that nobody repairs it again.
func (r *repair) vouch() error {
	res, err := segment.Scan(r.f, r.cut, segment.Visitor{})
	if err != nil {
		return err
	}
	if r.left = res.Packets + res.Notes; r.left == 0 {
		return nil
	}
	m := r.last
	m.Segment, m.Pos, m.Packets, m.Last, m.Synced, m.CRC = r.e.num, r.cut, res.Packets, res.Last, true, 0
	if m.Session == 0 {
		m.Session = r.s.session
	}
	b := make([]byte, 64<<10)
	for at := min(r.marks, r.cut); at < r.cut; {
		n, err := r.f.ReadAt(b[:min(int64(len(b)), r.cut-at)], at)
		if n == 0 {
			return fmt.Errorf("read what the last mark vouches for: %w", err)
		}
		m.CRC = segment.Sum(m.CRC, b[:n])
		at += int64(n)
	}
	last := segment.AppendMark(nil, &m)
	if _, err := r.f.WriteAt(last, r.cut); err != nil {
		return fmt.Errorf("write the last mark: %w", err)
	}
	r.size = r.cut + int64(len(last))
	return nil
}

// remove deletes a segment in which nothing is left.
func (r *repair) remove() error {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.find(r.e.num)
	if !ok {
		return nil
	}
	if err := os.Remove(s.path(r.e.name)); err != nil {
		return err
	}
	os.Remove(s.path(stem(r.e.name) + tornSuffix))
	s.bytes -= s.sealed[i].size + s.sealed[i].side
	s.sealed = slices.Delete(s.sealed, i, i+1)
	return nil
}

// publish writes the index, unless the segment was deleted meanwhile.
func (r *repair) publish(encoded []byte, size int64) error {
	s := r.s
	path := s.path(stem(r.e.name) + indexSuffix)
	if err := s.save(path, encoded); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.find(r.e.num)
	if !ok {
		os.Remove(path)
		return nil
	}
	e := &s.sealed[i]
	s.bytes -= e.size + e.side
	e.size, e.side = size, int64(len(encoded))
	if st, err := os.Stat(s.path(stem(e.name) + tornSuffix)); err == nil {
		e.side += st.Size()
	}
	s.bytes += e.size + e.side
	s.out.Add(uint64(len(encoded)))
	s.reindexed.Add(1)
	return nil
}
