package cases

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

// A hold is a hard link of a segment, and one of its index: rotation takes the
// segment's own name away, not its octets.

const (
	segmentSuffix = ".pcapng"
	indexSuffix   = ".idx"
)

// maxSegment is how long a segment may last: a day (evidence.segment_age_s), and an
// hour for clocks that are set.
const maxSegment = int64(25 * time.Hour)

// errNoLinks says that the file system has no hard links.
var errNoLinks = errors.New("the file system has no hard links")

// ring is what the directory of segments holds.
type ring struct {
	segments []ringSegment // in order of number
}

type ringSegment struct {
	name  string
	start int64 // of the name, ns
	num   uint64
	index bool // its index is there: it is sealed
}

// readRing lists the segments that rotation has not taken yet.
func readRing(dir string) (ring, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ring{}, fmt.Errorf("list segments: %w", err)
	}
	indexes := map[string]bool{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), indexSuffix) {
			indexes[e.Name()] = true
		}
	}
	var r ring
	for _, e := range entries {
		start, num, ok := segment.ParseName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		r.segments = append(r.segments, ringSegment{name: e.Name(), start: start, num: num, index: indexes[indexName(e.Name())]})
	}
	slices.SortFunc(r.segments, func(a, b ringSegment) int { return cmp.Compare(a.num, b.num) })
	return r, nil
}

func indexName(segmentName string) string {
	return strings.TrimSuffix(segmentName, segmentSuffix) + indexSuffix
}

// holder keeps the segments of one case from rotating away.
type holder struct {
	env     Env
	c       *Case
	decided map[string]bool // segments whose index was seen: nothing about them changes any more
}

func newHolder(env Env, c *Case) *holder { return &holder{env: env, c: c, decided: map[string]bool{}} }

// hold links every segment that overlaps the window and is not held yet. It is
// called again while the window is open: segments come, and get their indexes.
func (h *holder) hold() error {
	r, err := readRing(h.env.Dir)
	if err != nil {
		return err
	}
	for _, s := range slices.Backward(r.segments) { // the newest ones are surely wanted
		if h.decided[s.name] || h.c.To != 0 && s.start >= h.c.To || s.start < h.c.From-maxSegment {
			continue
		}
		if s.index {
			// A missing or damaged index decides nothing: better a segment too many.
			if last, ok := lastPacket(filepath.Join(h.env.Dir, indexName(s.name))); ok && last < h.c.From {
				h.decided[s.name] = true
				continue
			}
		}
		if err := h.link(s.name); err != nil {
			return err
		}
		if s.index {
			if err := h.link(indexName(s.name)); err != nil {
				return err
			}
			h.decided[s.name] = true
		}
	}
	if !h.c.Held {
		h.c.Held, h.c.Whole = true, reachesBack(h.env.Dir, r, h.c.From, h.c.To)
	}
	return nil
}

// reachesBack tells whether nothing of the window has rotated away yet: of each
// writer that has a segment in it there is one before it, too, or its recording
// began within. What a segment's successor lacks can only be told by its writer:
// a quiet one's segment may be older by number than a busy one's by time.
func reachesBack(dir string, r ring, from, to int64) bool {
	type writer struct {
		session int64
		worker  uint16
	}
	before, open := map[writer]bool{}, map[writer]bool{} // open: one before it is still to be found
	for _, s := range slices.Backward(r.segments) {
		if to != 0 && s.start >= to {
			continue
		}
		if s.start < from && len(open) == 0 && len(before) > 0 {
			break
		}
		info, err := headInfo(filepath.Join(dir, s.name), s.index)
		if err != nil {
			return false
		}
		w := writer{info.Session, info.Worker}
		switch {
		case info.Session == 0:
			return false
		case info.First <= from || info.Start.Stored == 0:
			before[w] = true
			delete(open, w)
		case !before[w]:
			open[w] = true
		}
	}
	return len(open) == 0 && len(before) > 0
}

// headInfo is what the beginning of a segment tells: writer, first packet, and the
// writer's counters then.
func headInfo(path string, sealed bool) (i index.Info, err error) {
	if sealed {
		if f, err := index.Open(strings.TrimSuffix(path, segmentSuffix) + indexSuffix); err == nil {
			defer f.Close()
			return *f.Info(), nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return i, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return i, err
	}
	_, err = segment.Scan(f, st.Size(), segment.Visitor{
		Packet: func(p *segment.Packet) bool {
			if i.First == 0 {
				i.First = p.Time
			}
			return i.Session == 0
		},
		Mark: func(m *segment.Mark, _ bool) bool {
			i.Session, i.Worker, i.Start = m.Session, m.Worker, m.Counters
			return i.First == 0
		},
	})
	return i, err
}

// lastPacket is the time of a segment's last packet.
func lastPacket(path string) (int64, bool) {
	f, err := index.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	return f.Info().Last, true
}

// link makes one hold. A segment that rotated away in between is no error: the
// manifest will name the gap.
func (h *holder) link(name string) error {
	from := filepath.Join(h.env.Dir, name)
	link := h.env.link
	if link == nil {
		link = os.Link
	}
	err := link(from, from+holdInfix+h.c.Name)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EMLINK):
		return fmt.Errorf("hold %q: %w: %w", name, errNoLinks, err)
	}
	return fmt.Errorf("hold segment: %w", err)
}

// holds lists the holds of a case.
func holds(dir, name string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	var out []string
	for _, e := range entries {
		if _, of, ok := strings.Cut(e.Name(), holdInfix); ok && of == name {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// unhold gives the segments of a case back to rotation.
func (e Env) unhold(name string) error {
	list, err := holds(e.Dir, name)
	if err != nil {
		return err
	}
	for _, h := range list {
		if err := os.Remove(filepath.Join(e.Dir, h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("release segment: %w", err)
		}
	}
	return nil
}

// strayHolds are the cases that have holds, but no state that needs them.
func (e Env) strayHolds() ([]string, error) {
	entries, err := os.ReadDir(e.Dir)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	seen := map[string]bool{}
	var out []string
	for _, d := range entries {
		_, of, ok := strings.Cut(d.Name(), holdInfix)
		if !ok || seen[of] || !validName(of) {
			continue
		}
		seen[of] = true
		if c, err := e.load(of); absent(err) || err == nil && c.State != Waiting && c.State != Copying {
			out = append(out, of)
		}
	}
	return out, nil
}
