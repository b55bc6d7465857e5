package search

import (
	"kagami/evidence/index"
	"kagami/evidence/query"
)

// chapter is a chapter that is open: what it says of 64 segments at once.
type chapter struct {
	*index.Chapter
	at map[uint64]int // of a segment's number, its place in the chapter
}

// chapter opens the chapter that a segment's number is in; nil if there is none that
// is good.
func (r *run) chapter(num uint64) *chapter {
	n := num / index.ChapterSegments
	if c, ok := r.books[n]; ok {
		return c
	}
	r.books[n] = nil
	path, ok := r.store.chapters[n]
	if !ok {
		return nil
	}
	book, err := index.OpenChapter(path)
	if err != nil {
		r.say("%s%d: %v; the indexes of its segments were asked one by one", chapterPrefix, n, err)
		return nil
	}
	c := &chapter{Chapter: book, at: map[uint64]int{}}
	for i, info := range book.Infos {
		c.at[info.Segment] = i
	}
	r.books[n] = c
	return c
}

func (r *run) closeChapters() {
	for _, c := range r.books {
		if c != nil {
			c.Chapter.Close()
		}
	}
}

// asker asks what may be in a segment: a filter, and its time.
type asker func(has func(index.Hash) bool, span query.Range) bool

// why tells what left a segment out.
type why uint8

const (
	mayMatch why = iota
	byTime
	byChapter
	byFilter
)

// prune tells whether a segment can be left out. Where nothing is known of it, it
// cannot.
func (r *run) prune(v *view, within func(first, last int64) bool, ask asker) why {
	c := r.chapter(v.num)
	place, ok := 0, false
	if c != nil {
		if place, ok = c.at[v.num]; ok {
			v.learn(&c.Infos[place])
		}
	}
	if v.known {
		if w := r.answer(v, within, ask, func(h index.Hash) bool { return !ok || c.May(h)>>place&1 != 0 }); w != mayMatch {
			if w == byFilter {
				w = byChapter
			}
			return w
		}
	}
	if v.empty() {
		return byTime
	}
	f, err := v.file()
	if err != nil {
		first, last := v.span()
		if !within(first, last) {
			return byTime
		}
		if !ask(func(index.Hash) bool { return true }, query.Range{First: first, Last: last}) {
			return byFilter
		}
		return mayMatch
	}
	defer f.close()
	v.learn(f.Info())
	w := r.answer(v, within, ask, f.May)
	if err := f.Err(); err != nil {
		r.say("%v; its segment was not left out", err)
	}
	return w
}

// answer asks about a segment of which the time is known.
func (r *run) answer(v *view, within func(first, last int64) bool, ask asker, has func(index.Hash) bool) why {
	first, last := v.span()
	switch {
	case !within(first, last):
		return byTime
	case !ask(has, query.Range{First: first, Last: last}):
		return byFilter
	}
	return mayMatch
}
