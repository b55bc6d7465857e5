package spool

import (
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const maxToldNames = 5

// start finds what an earlier process left, and reserves numbers.
func (k *keeper) start() (err error) {
	s := k.s
	if err := os.MkdirAll(s.c.Dir, 0o700); err != nil {
		return err
	}
	if k.dir, err = lock(s.c.Dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			k.giveUp()
		}
	}()
	if k.stateF, err = k.fs.resume(k.path(stateName)); err != nil {
		return err
	}
	known, err := k.readState()
	if err != nil {
		return err
	}
	if err = k.findSegments(); err != nil {
		return err
	}
	found := s.seq
	if s.seq = max(found, k.state.reserved); found > k.state.reserved {
		s.seq += reserveMost // numbers above were given, perhaps
		if !known {
			s.log.Warn("queue on disk: the file \"state\" is missing or damaged: everything that is there is sent again, and numbers make a jump", "next", s.seq+1)
		}
	}
	for i := range s.lanes {
		s.lanes[i].lost = k.state.holes[i]
	}
	now := time.Now()
	k.ahead, k.renewed, k.synced, k.stated, k.trimmed = reserveLeast, now, now, now, now
	for i := range k.marks {
		k.marks[i] = s.seq
	}
	if err = k.reserveNext(); err != nil {
		return err
	}
	k.named = true
	return k.syncAll()
}

// giveUp frees what start took.
func (k *keeper) giveUp() {
	for i := range k.files {
		if k.files[i] != nil {
			k.files[i].Close()
		}
	}
	for _, e := range k.ending {
		e.f.Close()
	}
	if k.stateF != nil {
		k.stateF.Close()
	}
	k.dir.Close()
}

func (k *keeper) readState() (known bool, err error) {
	s := k.s
	st, known, damaged, err := readState(k.stateF)
	if err != nil {
		return false, err
	}
	if damaged {
		s.stats.Corrupt++
	}
	if !known {
		var b [8]byte
		rand.Read(b[:])
		st = state{id: le.Uint64(b[:])}
	}
	k.state = st
	s.id, s.key, s.acked, s.out = st.id, uint32(st.id), st.acked, st.acked
	return known, nil
}

// findSegments makes the lanes of what is in the directory.
func (k *keeper) findSegments() error {
	s := k.s
	files, err := os.ReadDir(s.c.Dir)
	if err != nil {
		return err
	}
	var foreign []string
	var found []*segment
	for _, e := range files {
		class, num, ok := parseName(e.Name())
		switch {
		case e.Name() == stateName:
		case !ok || !e.Type().IsRegular():
			foreign = append(foreign, e.Name())
		default:
			found = append(found, &segment{class: class, num: num})
		}
	}
	slices.SortFunc(found, func(a, b *segment) int { return strings.Compare(a.name(), b.name()) })
	for _, g := range found {
		l := &s.lanes[g.class]
		l.next = g.num + 1
		ours, err := k.inspect(g)
		if err != nil {
			s.stats.Corrupt++
			s.log.Error("queue on disk: a segment is left out", "file", g.name(), "err", err)
		} else if !ours {
			foreign = append(foreign, g.name())
		}
	}
	if s.stats.Foreign = uint64(len(foreign)); len(foreign) > 0 {
		s.log.Warn("queue on disk: the directory holds files that are not its own; they are left alone", "files", len(foreign), "names", fmt.Sprintf("%.60q", foreign[:min(len(foreign), maxToldNames)]))
	}
	for i := range s.lanes {
		if err := k.resume(&s.lanes[i]); err != nil {
			return err
		}
	}
	if s.stats.Resumed > 0 {
		s.log.Info("queue on disk: lines of an earlier run wait", "lines", s.stats.Resumed, "bytes", s.disk)
	}
	return nil
}

// inspect takes over a segment, as far as it was not acknowledged; false: the file
// is not what its name says.
func (k *keeper) inspect(g *segment) (ours bool, err error) {
	s := k.s
	f, err := k.fs.open(k.path(g.name()))
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := os.Stat(k.path(g.name()))
	if err != nil {
		return false, err
	}
	size := info.Size()
	if size <= headerBytes { // killed before the first record
		return true, k.fs.remove(k.path(g.name()))
	}
	b := make([]byte, headerBytes)
	if _, err := f.ReadAt(b, 0); err != nil {
		return false, err
	}
	h, ok := parseHeader(b)
	if ok && (h.class != g.class || h.num != g.num) {
		return false, nil
	}
	if g.key = h.key; !ok {
		g.key = s.key
	}
	g.size, g.readAt, g.first = size, headerBytes, h.first
	end := make([]byte, trailerBytes)
	if _, err := f.ReadAt(end, max(headerBytes, size-trailerBytes)); err == nil {
		if t, ok := parseTrailer(end, g.key); ok && (t.last <= s.acked || h.first > s.acked) && t.lines <= uint64(size/recordHeader) {
			g.lines, g.last, g.sealed = int(t.lines), t.last, true
		}
	}
	if ok && g.sealed {
		return true, k.adopt(g)
	}
	if ours, err := k.scan(g, f, !ok); ours || err != nil || !ok || g.key != s.key {
		return ours, err
	}
	return true, k.fs.remove(k.path(g.name())) // the power was cut before a record was whole
}

// scan counts what is in a segment. What is behind its last record is cut off.
func (k *keeper) scan(g *segment, f file, headless bool) (ours bool, err error) {
	s := k.s
	records := 0
	end, places, err := scan(f, headerBytes, g.size, g.key, g.class, func(at int64, _ int, r record) {
		records++
		if g.last = r.seq; r.seq <= s.acked {
			return
		}
		if g.lines++; g.lines == 1 {
			g.readAt, g.first, g.at = at, r.seq, r.at
		}
	})
	if err != nil {
		return false, err
	}
	if headless {
		if places++; records == 0 { // somebody else's
			return false, nil
		}
	}
	s.stats.Corrupt += uint64(places)
	g.scanned = true
	if places > 0 {
		s.log.Warn("queue on disk: a segment is damaged, as after a power cut; its whole records are kept",
			"file", g.name(), "places", places, "records", records, "cut_off", g.size-end)
	}
	if records == 0 {
		return false, nil
	}
	if g.lines == 0 {
		g.readAt = end
	}
	if end < g.size && !headless {
		w, err := k.fs.resume(k.path(g.name()))
		if err != nil {
			return false, err
		}
		err = w.Truncate(end)
		if w.Close(); err != nil {
			return false, err
		}
	}
	g.size = end
	return true, k.adopt(g)
}

// adopt puts a segment at the end of its lane.
func (k *keeper) adopt(g *segment) error {
	s := k.s
	s.seq = max(s.seq, g.last)
	if g.last <= s.acked {
		return k.fs.remove(k.path(g.name()))
	}
	l := &s.lanes[g.class]
	if n := len(l.segments); n > 0 && g.num > l.segments[n-1].num+1 {
		s.stats.Corrupt += g.num - l.segments[n-1].num - 1
		s.log.Error("queue on disk: segments are missing; their lines are lost", "between", l.segments[n-1].name(), "and", g.name())
	}
	if g.at == 0 {
		g.at = k.firstTime(g)
	}
	l.segments = append(l.segments, g)
	s.disk += g.size
	s.files++
	s.stats.Resumed += uint64(g.lines)
	return nil
}

// firstTime is the time of a segment's first record, 0 when it cannot be read.
func (k *keeper) firstTime(g *segment) int64 {
	f, err := k.fs.open(k.path(g.name()))
	if err != nil {
		return 0
	}
	defer f.Close()
	b := make([]byte, recordHeader)
	if _, err := f.ReadAt(b, g.readAt); err != nil || string(b[:len(recordMark)]) != recordMark {
		return 0
	}
	return timeOf(b)
}

// resume goes on writing to the newest segment of a lane, so that a process that
// is killed often does not leave a file each time.
func (k *keeper) resume(l *lane) error {
	if len(l.segments) == 0 {
		return nil
	}
	g := l.segments[len(l.segments)-1]
	if g.sealed || g.key != k.s.key || g.num+1 != l.next || g.size+chunkBytes > k.segmentBytes {
		return nil
	}
	f, err := k.fs.resume(k.path(g.name()))
	if err != nil {
		return err
	}
	k.segments[g.class], k.files[g.class], k.dirty[g.class] = g, f, true
	return nil
}
