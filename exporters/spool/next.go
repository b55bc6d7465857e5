package spool

import (
	"context"
	"strings"
)

// Next waits for the first line and appends up to maxLines lines, and maxBytes
// octets of them but at least one line, to dst, in the order of their numbers.
// What it returned before need not be acknowledged yet; it is not returned again.
// Their Log and Text are valid until the next call.
func (s *Spool) Next(ctx context.Context, maxLines, maxBytes int, dst []Entry) ([]Entry, error) {
	t := take{s: s, dst: dst, base: len(dst), maxLines: max(1, maxLines), maxBytes: min(maxBytes, maxBatch)}
	s.text, s.ends = s.text[:0], s.ends[:0]
	for {
		s.mu.Lock()
		why, l := t.collect()
		if why == stopEmpty {
			s.waiting = true
		}
		s.mu.Unlock()
		if len(t.dst) > t.base && why != stopDisk || why == stopFull {
			return t.seal(), nil
		}
		switch why {
		case stopClosed:
			s.letGo()
			return dst, ErrClosed
		case stopFlights:
			return dst, ErrUnacknowledged
		case stopDisk:
			if len(t.dst) > t.base && (l.reader.tries > 0 || ctx.Err() != nil) {
				return t.seal(), nil
			}
			if !l.reader.load(ctx, s) && ctx.Err() != nil && len(t.dst) == t.base {
				return dst, ctx.Err()
			}
		case stopEmpty:
			s.letGo()
			select {
			case <-s.ready:
			case <-ctx.Done():
				return dst, ctx.Err()
			}
		}
	}
}

// letGo closes the segments that were read: they may be deleted.
func (s *Spool) letGo() {
	for i := range s.lanes {
		s.lanes[i].reader.close()
	}
}

// stop says why no more is collected.
type stop uint8

const (
	goOn        stop = iota
	stopFull         // the caller wants no more
	stopEmpty        // nothing waits
	stopDisk         // a lane must read its segment first
	stopFlights      // too much is not acknowledged
	stopClosed
)

// take is one call of Next.
type take struct {
	s        *Spool
	dst      []Entry
	base     int
	maxLines int
	maxBytes int
}

func (t *take) full() bool {
	return len(t.dst)-t.base >= t.maxLines || len(t.dst) > t.base && len(t.s.text) >= t.maxBytes
}

// seal gives the lines their text, which may have moved while it grew.
func (t *take) seal() []Entry {
	from := 0
	for i, end := range t.s.ends {
		e := &t.dst[t.base+i]
		if e.Lost == 0 {
			e.Text = t.s.text[from:end:end]
		}
		from = end
	}
	return t.dst
}

// collect takes lines, as long as that needs no disk. The caller holds mu.
func (t *take) collect() (stop, *lane) {
	s := t.s
	for {
		switch {
		case s.closed:
			return stopClosed, nil
		case t.full():
			return stopFull, nil
		case s.flights.full():
			return stopFlights, nil
		}
		best, limit := -1, ^uint64(0)
		var seqs [NumClasses]uint64
		for i := range s.lanes {
			seq, why := s.head(i)
			if why == stopDisk {
				return stopDisk, &s.lanes[i]
			}
			if seqs[i] = seq; why == stopEmpty {
				continue
			}
			switch {
			case best < 0 || seq < seqs[best]:
				if best >= 0 {
					limit = seqs[best]
				}
				best = i
			case seq < limit:
				limit = seq
			}
		}
		if t.tellLost(best, seqs) {
			continue
		}
		if best < 0 {
			return stopEmpty, nil
		}
		t.run(best, limit)
	}
}

// tellLost hands out a loss that lies before the next line.
func (t *take) tellLost(best int, seqs [NumClasses]uint64) bool {
	s := t.s
	upTo := s.seq // nothing waits: all others are done or lost, too
	if best >= 0 {
		upTo = seqs[best] - 1
	}
	for i := range s.lanes {
		l := &s.lanes[i]
		if l.lost.lines == 0 || l.lost.first > upTo+1 {
			continue
		}
		t.dst = append(t.dst, Entry{Seq: upTo, Class: uint8(i), Lost: l.lost.lines})
		s.ends = append(s.ends, len(s.text))
		s.flights.push(flight{seq: upTo, hole: true, lane: uint8(i)})
		s.out = max(s.out, upTo)
		l.told.add(l.lost)
		l.telling++
		l.lost = hole{}
		return true
	}
	return false
}

// run takes lines of one lane, as long as their numbers are below limit.
func (t *take) run(i int, limit uint64) {
	s := t.s
	for !t.full() && !s.flights.full() {
		seq, why := s.head(i)
		if why != goOn || seq >= limit {
			return
		}
		l := &s.lanes[i]
		if g := l.segment(); g != nil {
			t.add(l.reader.rec, l.reader.size, &g.span)
			if l.reader.have = false; !g.unread() {
				s.read(g)
			}
			continue
		}
		c := l.chunk()
		r := decode(c.data[c.readAt:])
		t.add(r, recordHeader+len(r.log)+len(r.text), &c.span)
	}
}

func (t *take) add(r record, size int, from *span) {
	s := t.s
	from.readAt += int64(size)
	from.read++
	s.out = r.seq
	s.text = append(s.text, r.text...)
	s.ends = append(s.ends, len(s.text))
	t.dst = append(t.dst, Entry{Seq: r.seq, At: r.at, Class: r.class, Kind: r.kind, Severity: r.severity, Client: r.client, Log: s.name(r.log), Firm: r.seq <= s.firm})
	s.flights.push(flight{seq: r.seq, at: r.at, size: size, from: from, lane: r.class})
}

// name is a string that is made once for all equal ones.
func (s *Spool) name(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if n, ok := s.names[string(b)]; ok {
		return n
	}
	n := strings.Clone(string(b))
	if len(s.names) < maxLogNames {
		s.names[n] = n
	}
	return n
}

// head is the number of a lane's next line. The caller holds mu.
func (s *Spool) head(i int) (uint64, stop) {
	l := &s.lanes[i]
	for {
		g := l.segment()
		if g == nil {
			break
		}
		switch l.reader.head(s, g) {
		case goOn:
			return l.reader.rec.seq, goOn
		case stopDisk:
			return 0, stopDisk
		}
	}
	if c := l.chunk(); c != nil {
		return seqOf(c.data[c.readAt:]), goOn
	}
	return 0, stopEmpty
}

// Ack tells that all lines up to seq, of those that Next returned, are done with:
// they do not come back, not after a crash either, but for those of the last second.
func (s *Spool) Ack(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	for s.flights.n > 0 && s.flights.get(0).seq <= seq {
		f := s.flights.pop()
		s.acked = max(s.acked, f.seq)
		switch {
		case f.hole:
			l := &s.lanes[f.lane]
			if l.telling--; l.telling == 0 {
				l.told = hole{}
			}
		case f.from != nil:
			f.from.done++
			f.from.doneAt += int64(f.size)
		}
	}
	for i := range s.lanes {
		s.freeChunks(&s.lanes[i])
	}
}

// freeChunks gives back what was acknowledged.
func (s *Spool) freeChunks(l *lane) {
	for len(l.chunks) > 0 {
		c := l.chunks[0]
		if c.busy || !c.finished() {
			return
		}
		if s.open[c.class] == c { // it can be used from its beginning
			c.span, c.data = span{}, c.data[:0]
			return
		}
		s.drop(l, 0)
	}
}
