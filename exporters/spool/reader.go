package spool

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"time"
)

const (
	readPause  = time.Second // between two attempts to read what cannot be read
	maxPause   = 15 * time.Second
	readTries  = 7         // for the first segment; after that every segment has one
	skipTries  = 2         // before a place within a segment is left out
	damageStep = 4096      // octets left out at a time
	maxSkip    = 256 << 10 // octets left out in one place; for more, the segment is given up
)

// reader reads the segments of one lane for Next.
type reader struct {
	open func(path string) (file, error)

	seg   *segment // that f and buf belong to
	f     file
	buf   []byte
	n     int   // octets in buf
	off   int64 // where they stand in the segment
	rec   record
	size  int  // of rec
	have  bool // rec is the record at seg.readAt
	tries int  // attempts that failed in a row
	lost  bool // the last attempts failed for good: seg is given up
	short bool // the file ends before the segment does

	broken bool  // the octets end at a place that cannot be read
	skipTo int64 // where to go on behind such a place; 0: there is none
}

// head finds the next record of g, in what was loaded: stopDisk when there is
// more to load, stopEmpty when the segment has no further one. The caller holds mu.
func (r *reader) head(s *Spool, g *segment) stop {
	if r.seg != g {
		return stopDisk
	}
	if r.lost || r.short && g.readAt >= r.off+int64(r.n) {
		s.damage(g, "the rest of the file cannot be read")
		g.readAt = g.size
	}
	if r.skipTo > g.readAt {
		s.damage(g, "a place cannot be read")
		g.readAt = r.skipTo
	}
	r.skipTo = 0
	for g.readAt < g.size {
		if r.have {
			return goOn
		}
		pos := g.readAt - r.off
		if pos < 0 || pos >= int64(r.n) {
			return stopDisk
		}
		b := r.buf[pos:r.n]
		last := r.off+int64(r.n) >= g.size || r.short
		rec, n, v := parse(b, g.key)
		if v == whole && (rec.class != g.class || rec.seq > s.seq) {
			v = bad
		}
		switch {
		case v == whole && rec.seq <= s.out: // acknowledged before
			g.readAt += int64(n)
			if !g.scanned {
				g.lines--
			}
		case v == whole:
			r.rec, r.size, r.have, g.bad = rec, n, true, false
			g.first, g.at = rec.seq, rec.at
		case v == ended:
			g.readAt = g.size
		case v == short && !last && !r.broken && len(b) < maxRecord:
			return stopDisk
		default:
			s.damage(g, "octets are damaged")
			g.readAt += int64(resync(b, last))
		}
	}
	s.read(g)
	return stopEmpty
}

// damage counts a place that is damaged, once.
func (s *Spool) damage(g *segment, what string) {
	if g.bad {
		return
	}
	g.bad = true
	if !g.scanned {
		s.stats.Corrupt++
	}
	if !g.told {
		g.told = true
		s.log.Warn("queue on disk: lines are left out", "file", g.name(), "at", g.readAt, "why", what)
	}
}

// read ends the reading of a segment: what was not found in it is lost.
func (s *Spool) read(g *segment) {
	if n := g.lines - g.read; n > 0 {
		s.stats.Unreadable += uint64(n)
		s.lanes[g.class].lost.add(hole{s.out, g.last, uint64(n)})
	}
	g.lines, g.bad = g.read, false
}

// load reads what follows in the segment that is next. False: nothing was read.
func (r *reader) load(ctx context.Context, s *Spool) bool {
	s.mu.Lock()
	g := s.laneOf(r).segment()
	if g == nil { // it was dropped
		s.mu.Unlock()
		return false
	}
	at, size, name := g.readAt, g.size, g.name()
	s.mu.Unlock()
	if r.seg != g {
		r.close()
		r.seg = g
	}
	if r.f == nil {
		f, err := r.open(filepath.Join(s.c.Dir, name))
		if err != nil {
			return r.failed(ctx, s, name, err)
		}
		r.f = f
	}
	if r.buf == nil {
		r.buf = make([]byte, maxRecord)
	}
	want := min(int64(len(r.buf)), size-at)
	n, err := r.f.ReadAt(r.buf[:want], at)
	eof := errors.Is(err, io.EOF)
	if err != nil && !eof && (n == 0 || at == r.off && n <= r.n) && !r.pass(at, n, size) {
		return r.failed(ctx, s, name, err)
	}
	r.off, r.n, r.have = at, n, false
	if err == nil || eof {
		r.tries, r.broken = 0, false
	}
	r.short = int64(n) < want && eof
	return true
}

// pass decides, after several attempts, to go on behind a place that cannot be
// read: n octets before it can be, and so can what follows.
func (r *reader) pass(at int64, n int, size int64) bool {
	if r.tries < skipTries {
		return false
	}
	if n > 0 {
		r.broken = true
		return true
	}
	next := (at/damageStep + 1) * damageStep
	for range maxSkip / damageStep {
		if next >= size {
			return false
		}
		if _, err := r.f.ReadAt(r.buf[:1], next); err == nil {
			r.skipTo = next
			return true
		}
		next += damageStep
	}
	return false
}

// failed waits before the next attempt, or gives the segment up. A file that is
// gone is not waited for.
func (r *reader) failed(ctx context.Context, s *Spool, name string, err error) bool {
	s.mu.Lock()
	s.stats.Errors++
	s.mu.Unlock()
	r.tries++
	if r.tries == 1 {
		s.log.Error("queue on disk: cannot read", "file", name, "err", err)
	}
	if errors.Is(err, fs.ErrNotExist) || r.tries >= readTries {
		r.lost = true // tries stay: when the disk is gone, the next segment need not wait as long
		return false
	}
	t := time.NewTimer(min(readPause<<(r.tries-1), maxPause))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.finish:
	}
	return false
}

func (s *Spool) laneOf(r *reader) *lane {
	for i := range s.lanes {
		if &s.lanes[i].reader == r {
			return &s.lanes[i]
		}
	}
	return nil
}

// close lets go of the segment.
func (r *reader) close() {
	if r.f != nil {
		r.f.Close()
	}
	r.f, r.seg, r.n, r.have, r.lost, r.short, r.broken, r.skipTo = nil, nil, 0, false, false, false, false, 0
}
