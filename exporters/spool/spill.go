package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// spill writes the chunks with lines up to due, and more when memory gets scarce.
func (k *keeper) spill(now time.Time, due uint64) {
	if k.failing != nil && now.Before(k.retryAt) && !(full(k.failing) && k.s.urgent()) {
		return
	}
	for {
		k.synchronized(now, false)
		k.reserve(now)
		cs := k.s.pick(due, k.rooms())
		if len(cs) == 0 {
			return
		}
		if err := k.write(cs); err != nil {
			k.check(fmt.Errorf("write segment: %w", err), now)
			return
		}
		k.works()
	}
}

// maxWrite is how many chunks are written at a time: the fewer calls, the less a
// busy machine delays them.
const maxWrite = 8

// rooms is how many octets the segments that are written to have room for.
func (k *keeper) rooms() (rooms [NumClasses]int64) {
	for i, g := range k.segments {
		rooms[i] = k.segmentBytes - headerBytes - trailerBytes
		if g != nil && g.size+chunkBytes+trailerBytes <= k.segmentBytes {
			rooms[i] = k.segmentBytes - g.size - trailerBytes
		}
	}
	return rooms
}

// pick is the chunks of a class to write next, as far as there is room for them in
// a segment, or none. Nothing is added to them any more, and they stay where they are.
func (s *Spool) pick(due uint64, rooms [NumClasses]int64) (cs []*chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, oldest := -1, ^uint64(0)
	for i := range s.lanes {
		seq, ok := s.lanes[i].oldest()
		if !ok {
			continue
		}
		if seq <= due {
			best = i
			break
		}
		if s.crowded() && s.lanes[i].chunks[0].frozen && seq < oldest {
			best, oldest = i, seq
		}
	}
	if best < 0 {
		return nil
	}
	surplus, room := s.used-s.chunks/2, rooms[best]
	for n, c := range s.lanes[best].chunks {
		waits := c.doneAt < c.size
		wanted := waits && seqOf(c.data[c.doneAt:]) <= due || c.frozen && n < surplus
		if room -= int64(len(c.data)); n > 0 && (n == maxWrite || !waits || !wanted || room < 0) {
			break
		}
		c.busy, c.frozen = true, true
		if s.open[best] == c {
			s.open[best] = nil
		}
		cs = append(cs, c)
	}
	return cs
}

// putBack leaves chunks in memory.
func (s *Spool) putBack(cs []*chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cs {
		c.busy = false
	}
	if len(cs) > 0 {
		s.freeChunks(&s.lanes[cs[0].class])
	}
}

// batch is chunks as they were when writing them began: as far as they were
// acknowledged, they are not written.
type batch struct {
	chunks []*chunk
	from   []span
	parts  [][]byte
	size   int64
}

// batch leaves in memory what needs no writing any more, and what is behind it.
func (s *Spool) batch(cs []*chunk) (b batch) {
	s.mu.Lock()
	for _, c := range cs {
		part := c.data[c.doneAt:]
		if len(part) == 0 {
			break
		}
		b.chunks, b.from, b.parts = append(b.chunks, c), append(b.from, c.span), append(b.parts, part)
		b.size += int64(len(part))
	}
	s.mu.Unlock()
	s.putBack(cs[len(b.chunks):])
	return b
}

// write moves what is not acknowledged of chunks of a class to the disk, or drops
// them if the budget has no room for them. On a full disk lower classes make way
// before memory is used up.
func (k *keeper) write(cs []*chunk) error {
	s := k.s
	b := s.batch(cs)
	if len(b.chunks) == 0 {
		return nil
	}
	class := cs[0].class
	for try := 0; ; try++ {
		if !k.budget(class, b.size) {
			s.putBack(b.chunks[1:])
			s.dropBusy(b.chunks[0])
			return nil
		}
		g, err := k.target(class, b.size, seqOf(b.parts[0]))
		if err == nil {
			err = k.put(g, b.size, b.parts...)
		}
		if err == nil {
			for i, c := range b.chunks {
				s.moved(c, b.from[i], g)
			}
			return nil
		}
		if !full(err) || try == maxRoomTry || !s.scarce() || class == 0 || !k.dropSegment(class-1, noDiskLeft) {
			s.putBack(b.chunks)
			return err
		}
	}
}

// scarce tells whether memory will be used up soon.
func (s *Spool) scarce() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scant()
}

func (s *Spool) scant() bool { return 4*s.used > 3*s.chunks }

// urgent tells whether memory will be used up by higher classes than there are on
// disk: these can make way, and need not wait until the disk is tried again.
func (s *Spool) urgent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.lanes {
		l := &s.lanes[i]
		if len(l.chunks) > 0 || len(l.segments) > 0 {
			return len(l.chunks) == 0 && s.scant()
		}
	}
	return false
}

// put appends to a segment's file. After an error the segment ends where it did.
func (k *keeper) put(g *segment, n int64, parts ...[]byte) error {
	f := k.files[g.class]
	if err := writeParts(f, parts, g.size); err != nil {
		if cut := f.Truncate(g.size); cut != nil || !full(err) {
			k.endFile(g.class, true) // the next attempt is in a new one
		}
		return err
	}
	k.dirty[g.class] = true
	k.wrote(int(n))
	return nil
}

// moved tells that what was not acknowledged of a chunk, when it was as in from,
// stands at the end of a segment now.
func (s *Spool) moved(c *chunk, from span, g *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.lanes[c.class]
	if n := len(l.segments); n == 0 || l.segments[n-1] != g {
		l.segments = append(l.segments, g)
	}
	if !g.unread() {
		g.first, g.at = seqOf(c.data[from.doneAt:]), timeOf(c.data[from.doneAt:])
	}
	if c.readAt > from.doneAt { // then all that was in the segment was read
		g.readAt = g.size + c.readAt - from.doneAt
	}
	n := c.size - from.doneAt
	g.size += n
	g.lines += c.lines - from.done
	g.read += c.read - from.done
	g.done += c.done - from.done
	g.last = c.last
	s.disk += n
	s.flights.move(&c.span, &g.span)
	s.drop(l, 0)
}

// dropBusy drops the chunk that was to be written.
func (s *Spool) dropBusy(c *chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loseSpan(c.class, &c.span, noDiskBytes)
	s.drop(&s.lanes[c.class], 0)
}

// budget makes room for n octets of a class within MaxBytes; false: what is on
// disk is of higher classes.
func (k *keeper) budget(class uint8, n int64) bool {
	for {
		k.s.mu.Lock()
		over := k.s.disk+n+headerBytes+trailerBytes > k.s.c.MaxBytes || k.s.files >= maxSegments
		k.s.mu.Unlock()
		if !over {
			return true
		}
		if !k.dropSegment(class, noDiskBytes) {
			return false
		}
	}
}

// dropSegment deletes the oldest segment of the lowest class, but none above class.
func (k *keeper) dropSegment(class uint8, why limit) bool {
	s := k.s
	s.mu.Lock()
	var g *segment
	for i := range class + 1 {
		if l := &s.lanes[i]; len(l.segments) > 0 {
			g = l.segments[0]
			s.loseSpan(i, &g.span, why)
			l.segments = l.segments[1:]
			break
		}
	}
	s.mu.Unlock()
	if g == nil {
		return false
	}
	k.remove(g)
	return true
}

// removeFinished deletes the segments of which everything is acknowledged.
func (k *keeper) removeFinished() {
	s := k.s
	for i := range s.lanes {
		for {
			s.mu.Lock()
			l := &s.lanes[i]
			if len(l.segments) == 0 || !l.segments[0].finished() {
				s.mu.Unlock()
				break
			}
			g := l.segments[0]
			l.segments = l.segments[1:]
			s.mu.Unlock()
			k.remove(g)
		}
	}
}

// remove deletes a segment's file. It may be gone already.
func (k *keeper) remove(g *segment) {
	if k.segments[g.class] == g {
		k.endFile(g.class, false)
	}
	k.forgo(g)
	err := k.fs.remove(k.path(g.name()))
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.s.disk -= g.size
	k.s.files--
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.s.stats.Errors++
		k.s.log.Error("queue on disk: cannot delete a segment"+hint(err), "file", g.name(), "err", err)
	}
}

// target is the segment that the next n octets of a class go to.
func (k *keeper) target(class uint8, n int64, first uint64) (*segment, error) {
	g := k.segments[class]
	if g != nil && g.size+n+trailerBytes > k.segmentBytes {
		if err := k.seal(g); err != nil {
			return nil, err
		}
		g = nil
	}
	if g != nil {
		return g, nil
	}
	l := &k.s.lanes[class]
	g = &segment{class: class, num: l.next, key: k.s.key}
	f, err := k.fs.create(k.path(g.name()))
	if errors.Is(err, fs.ErrExist) {
		l.next++
	}
	if err != nil {
		return nil, err
	}
	b := header{key: g.key, class: class, num: g.num, first: first}.encode()
	if _, err := f.WriteAt(b, 0); err != nil {
		f.Close()
		k.fs.remove(k.path(g.name()))
		return nil, err
	}
	l.next++
	g.size, g.readAt = headerBytes, headerBytes
	k.segments[class], k.files[class], k.named = g, f, true
	k.wrote(len(b))
	k.s.mu.Lock()
	k.s.disk += headerBytes
	k.s.files++
	k.s.mu.Unlock()
	return g, nil
}

// seal ends a segment that is full: what follows goes to another one.
func (k *keeper) seal(g *segment) error {
	k.s.mu.Lock()
	b := trailer{uint64(g.lines), g.last}.encode(g.key)
	k.s.mu.Unlock()
	if err := k.put(g, trailerBytes, b); err != nil {
		return err
	}
	k.s.mu.Lock()
	g.sealed = true
	if g.readAt == g.size {
		g.readAt += trailerBytes
	}
	g.size += trailerBytes
	k.s.disk += trailerBytes
	k.s.mu.Unlock()
	k.endFile(g.class, true)
	if k.sync(time.Now()); len(k.ending) >= maxEnding {
		k.synchronized(time.Now(), true)
	}
	return nil
}
