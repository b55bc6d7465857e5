package evidence

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync/atomic"

	"kagami/evidence/index"
)

// chapterLen is how many segment numbers a chapter sums up.
const chapterLen = 64

func chapterOf(num uint64) uint64 { return num / chapterLen }

// keeper puts in order, in the background, what earlier processes left, and makes
// the chapters. It works on one segment at a time, and ends between two.
type keeper struct {
	s       *Store
	stop    atomic.Bool
	wake    chan uint64 // chapters that may be complete
	done    chan struct{}
	pending map[uint64]bool // segments still to be looked at; the store's mutex guards it
	builder *index.Builder
}

// chaptersAhead is how many chapters may wait; the next start makes what is missed.
const chaptersAhead = 64

func newKeeper(s *Store, todo []entry) *keeper {
	k := &keeper{s: s, wake: make(chan uint64, chaptersAhead), done: make(chan struct{}), pending: map[uint64]bool{}}
	for _, e := range todo {
		k.pending[e.num] = true
	}
	s.recovering.Store(int64(len(todo)))
	return k
}

// notify tells that a segment of a chapter was sealed.
func (k *keeper) notify(chapter uint64) {
	select {
	case k.wake <- chapter:
	default:
	}
}

func (k *keeper) close() {
	k.stop.Store(true)
	k.notify(0)
	<-k.done
}

func (k *keeper) run(todo []entry) {
	defer close(k.done)
	runtime.LockOSThread() // and never unlocked: the thread ends with its priority
	background()
	for _, e := range todo {
		if k.stop.Load() {
			return
		}
		k.look(e)
		k.s.mu.Lock()
		delete(k.pending, e.num)
		k.s.mu.Unlock()
		k.s.recovering.Add(-1)
	}
	k.builder = nil // it may be large
	if st := k.s.Stats().Recovery; st.Reindexed+st.Segments > 0 {
		k.s.log.Info("evidence: what was left unfinished is in order", "segments_closed", st.Segments,
			"octets_cut", st.Torn, "octets_lost_inside", st.Filled, "indexes_made", st.Reindexed)
	}
	k.checkChapters()
	for _, n := range k.missing() {
		k.chapter(n)
	}
	for n := range k.wake {
		if k.stop.Load() {
			return
		}
		k.chapter(n)
	}
}

// look makes sure that a segment is closed and has its index.
func (k *keeper) look(e entry) {
	if f, err := k.index(e); err == nil {
		f.Close()
		return
	}
	if err := k.repair(e); err != nil && !errors.Is(err, os.ErrNotExist) {
		if k.s.indexErrors.Add(1) == 1 {
			k.s.log.Warn("evidence: put a segment in order; queries read it without an index", "segment", e.name, "err", err)
		}
	}
}

var errStale = errors.New("the index is of other octets")

// index opens a segment's index, if it is of the segment as it is.
func (k *keeper) index(e entry) (*index.File, error) {
	f, err := index.Open(k.s.path(stem(e.name) + indexSuffix))
	if err != nil {
		return nil, err
	}
	if i := f.Info(); i.Segment != e.num || i.Size != e.size || !endsWhole(k.s.path(e.name), e.size) {
		f.Close()
		return nil, errStale
	}
	return f, nil
}

// endsWhole tells whether a file ends with a block whose two lengths agree: the last
// mark of a segment is written after the last sync, and a power cut may have taken it.
func endsWhole(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var begin, end [4]byte
	if _, err := f.ReadAt(end[:], size-int64(len(end))); err != nil {
		return false
	}
	length := binary.LittleEndian.Uint32(end[:])
	_, err = f.ReadAt(begin[:], size-int64(length)+4)
	return err == nil && begin == end
}

// checkChapters deletes those that cannot be read.
func (k *keeper) checkChapters() {
	s := k.s
	s.mu.Lock()
	ns := slices.Sorted(maps.Keys(s.chapters))
	s.mu.Unlock()
	for _, n := range ns {
		path := s.path(index.ChapterName(n))
		if c, err := index.OpenChapter(path); err == nil {
			c.Close()
			continue
		}
		s.mu.Lock()
		os.Remove(path)
		s.bytes -= s.chapters[n]
		delete(s.chapters, n)
		s.mu.Unlock()
	}
}

// missing are the chapters of the segments on disk that are not there.
func (k *keeper) missing() (ns []uint64) {
	s := k.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.sealed {
		n := chapterOf(e.num)
		if _, ok := s.chapters[n]; !ok && (len(ns) == 0 || ns[len(ns)-1] != n) {
			ns = append(ns, n)
		}
	}
	return ns
}

// complete returns the segments of a chapter, if none of its numbers will ever be
// written again and it is not there yet.
func (k *keeper) complete(n uint64) (es []entry) {
	s := k.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.chapters[n]; ok || s.next < (n+1)*chapterLen {
		return nil
	}
	for _, num := range s.open {
		if chapterOf(num) == n {
			return nil
		}
	}
	for _, e := range s.sealed {
		if chapterOf(e.num) != n {
			continue
		}
		if k.pending[e.num] {
			return nil
		}
		es = append(es, e)
	}
	return es
}

// chapter makes a chapter, if it is time.
func (k *keeper) chapter(n uint64) {
	es := k.complete(n)
	if len(es) == 0 {
		return
	}
	var files []*index.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, e := range es {
		f, err := k.index(e)
		if err != nil { // it could not be written, or something has damaged it
			k.look(e)
			if f, err = k.index(k.fresh(e)); err != nil {
				continue
			}
		}
		files = append(files, f)
	}
	k.builder = nil
	if len(files) == 0 {
		return
	}
	if err := index.WriteChapter(k.s.c.Dir, n, files); err != nil {
		if k.s.indexErrors.Add(1) == 1 {
			k.s.log.Warn("evidence: write chapter: queries open more indexes until it is made at the next start", "err", err)
		}
		return
	}
	k.s.keepChapter(n)
}

// fresh is a segment's entry as it is now.
func (k *keeper) fresh(e entry) entry {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if i, ok := k.s.find(e.num); ok {
		return k.s.sealed[i]
	}
	return e
}

// keepChapter takes a new chapter into the books; if its segments were deleted
// meanwhile, it goes, too.
func (s *Store) keepChapter(n uint64) {
	info, err := os.Stat(s.path(index.ChapterName(n)))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chapters[n] = info.Size()
	s.bytes += info.Size()
	s.out.Add(uint64(info.Size()))
	s.dropChapter(n)
}

// dropChapter deletes a chapter that has no segments any more. The caller holds mu.
func (s *Store) dropChapter(n uint64) {
	size, ok := s.chapters[n]
	if !ok || len(s.sealed) > 0 && chapterOf(s.sealed[0].num) <= n {
		return
	}
	os.Remove(s.path(index.ChapterName(n)))
	delete(s.chapters, n)
	s.bytes -= size
}
