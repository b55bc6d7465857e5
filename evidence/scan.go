package evidence

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

// scan learns what is in the directory, by names and sizes alone, and returns what
// is to be looked at later: all segments, the newest first, those without an index
// before the others.
func (s *Store) scan() (todo []entry, err error) {
	files, err := os.ReadDir(s.c.Dir)
	if err != nil {
		return nil, err
	}
	side := map[string]int64{} // octets of indexes and torn tails by segment's name
	indexed := map[string]bool{}
	var rest []string // of these, and of files half made
	for _, f := range files {
		name := f.Name()
		if !f.Type().IsRegular() {
			continue
		}
		if start, num, ok := segment.ParseName(name); ok {
			if err := s.found(entry{num: num, name: name, start: start}, f); err != nil {
				return nil, err
			}
			continue
		}
		info, err := f.Info()
		if err != nil {
			continue // it went meanwhile
		}
		if n, ok := chapterNumber(name); ok {
			s.chapters[n] = info.Size()
			s.bytes += info.Size()
		} else if of, suffix, ok := belongs(name); ok {
			rest = append(rest, name)
			if suffix != tempSuffix {
				side[of] += info.Size()
				indexed[of] = indexed[of] || suffix == indexSuffix
			}
		}
	}
	slices.SortFunc(s.sealed, byNumber)
	for i := range s.sealed {
		e := &s.sealed[i]
		e.side = side[e.name]
		s.bytes += e.side
		delete(side, e.name)
		todo = append(todo, *e)
	}
	for _, name := range rest { // an index or torn tail without its segment, a file half made
		if of, suffix, _ := belongs(name); suffix == tempSuffix || side[of] > 0 || !s.has(of) {
			os.Remove(s.path(name))
		}
	}
	slices.Reverse(todo)
	slices.SortStableFunc(todo, func(a, b entry) int { return order(indexed[a.name]) - order(indexed[b.name]) })
	return todo, nil
}

func order(later bool) int {
	if later {
		return 1
	}
	return 0
}

// found takes a segment's file into the books.
func (s *Store) found(e entry, f os.DirEntry) error {
	info, err := f.Info()
	if err != nil {
		return err
	}
	s.next = max(s.next, e.num+1)
	if e.size = info.Size(); e.size == 0 {
		os.Remove(s.path(e.name)) // killed between its creation and its first block
		return nil
	}
	reclaim(s.path(e.name), info)
	s.sealed = append(s.sealed, e)
	s.bytes += e.size
	return nil
}

// has tells whether there is a segment of that name.
func (s *Store) has(name string) bool {
	_, num, ok := segment.ParseName(name)
	if !ok {
		return false
	}
	i, ok := s.find(num)
	return ok && s.sealed[i].name == name
}

// belongs tells of which segment a file is part, and what part: its index, its torn
// tail, or a file that was not finished.
func belongs(name string) (of, suffix string, ok bool) {
	suffix = ""
	if rest, temp := strings.CutSuffix(name, tempSuffix); temp {
		if _, ok := chapterNumber(rest); ok {
			return "", tempSuffix, true
		}
		name, suffix = rest, tempSuffix
	}
	for _, part := range [...]string{indexSuffix, tornSuffix} {
		if stem, found := strings.CutSuffix(name, part); found {
			if _, _, ok := segment.ParseName(stem + segmentSuffix); ok {
				if suffix == "" {
					suffix = part
				}
				return stem + segmentSuffix, suffix, true
			}
		}
	}
	return "", "", false
}

// chapterNumber reads a chapter's name; false for any other.
func chapterNumber(name string) (uint64, bool) {
	_, digits, _ := strings.Cut(name, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && index.ChapterName(n) == name
}

// What the comment of a segment's section header says: who has written it.
const (
	headerFormat  = "worker %d, session %d, boot "
	headerSession = ", session "
	headerBoot    = ", boot "
)

// header looks at the beginning of a segment: whether it is whole, whether it is of
// the version that writes marks, and whether the kernel that wrote it still runs.
func (s *Store) header(b []byte) (whole, ours, running bool) {
	const section = "\x0a\x0d\x0d\x0a"
	return bytes.HasPrefix(b, []byte(section)),
		bytes.Contains(b, []byte(headerSession)),
		s.boot != "" && bytes.Contains(b, []byte(headerBoot+s.boot))
}
