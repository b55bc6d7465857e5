package search

import (
	"context"
	"io"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/segment"
)

// GetOptions are Get's.
type GetOptions struct {
	Options
	// Filter, if not nil, is what packets must pass besides.
	Filter Filter
	// Comment stands at the beginning of the file.
	Comment string
	// Comments, if not nil, gives packets comments of their own. The flow is what its
	// segment has of it, nil where the query is about nothing but the time. Both are
	// borrowed.
	Comments func(*segment.Packet, *Flow) string
	// MaxBytes ends the file before it gets longer, 0 = no limit.
	MaxBytes int64
}

// Get writes the packets of the flows that match, as far as they are in the window, as
// pcapng: in order of time over all segments, within a segment in the order in which
// they are stored. What is missing is named in the section's comment, in the comment
// of the first packet behind, and in the Report. Memory is bounded: some MiB for each
// of the segments that overlap in time.
//
// The Report comes with an error, too, as far as the search came. The query is bound
// to this store by it: parse it anew for another.
func (s *Store) Get(ctx context.Context, q *query.Query, o GetOptions, w io.Writer) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := s.newRun(ctx, q, o.Options)
	if err != nil {
		return nil, err
	}
	defer r.closeChapters()
	if err := r.bind(); err != nil {
		return r.report(), err
	}
	views, choose, err := r.chosen()
	if err != nil {
		return r.report(), err
	}
	out := newOutput(r, o, w)
	m := merger{run: r, views: views, cancel: cancel, open: func(v *view) *stream { return r.stream(v, o.Filter, choose) }}
	err = m.merge(out.packet)
	if r.rep.Flows == 0 {
		r.rep.Flows = m.parts
	}
	if err == nil || err == errEnough {
		err = out.close()
	}
	return r.report(), err
}

// chosen are the views to be read, in order of time, and what is chosen of each: nil
// is all.
func (r *run) chosen() ([]*view, func(*view) (pick, error), error) {
	switch {
	case r.q.Everything():
		return bySpan(r.whole()), nil, nil
	case r.q.ByKey():
		var views []*view
		for _, v := range r.candidates() {
			if v.picked {
				views = append(views, v.view)
			}
		}
		return bySpan(views), r.matching, nil
	}
	m, err := r.marked()
	if err != nil {
		return nil, nil, err
	}
	var views []*view
	for _, v := range r.inTime() {
		if m[v.at] != nil {
			views = append(views, v)
		}
	}
	return bySpan(views), func(v *view) (pick, error) { return r.marks(v, m[v.at]) }, nil
}

// whole are the views of the window.
func (r *run) whole() []*view {
	for _, v := range r.views {
		r.prune(v, r.within, func(func(index.Hash) bool, query.Range) bool { return true })
	}
	return r.inTime()
}

// matching picks the rows that match by themselves.
func (r *run) matching(v *view) (pick, error) {
	var p pick
	pieces, err := r.load(v, wantRows)
	if err != nil {
		return p, err
	}
	w := r.walker(nil, nil)
	err = w.rows(v, pieces, func(_ part, row *index.Row) {
		f := flowOf(row)
		if ask := f.ask(); r.q.Match(&ask) {
			p.add(row)
		}
	})
	return p, err
}

// bits is a set of the numbers of a segment's rows.
type bits []uint64

func (b *bits) set(n int32) {
	for int(n/64) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bits) has(n int32) bool { return int(n/64) < len(b) && b[n/64]>>(n%64)&1 != 0 }

// marked joins the rows of all segments, and tells which ones are of flows that match.
func (r *run) marked() (map[int32]*bits, error) {
	m := map[int32]*bits{}
	err := r.flows(newJoiner(true), wantRows, func(u *underWay) error {
		r.rep.Flows++
		for _, p := range u.parts {
			if m[p.view] == nil {
				m[p.view] = new(bits)
			}
			m[p.view].set(p.row)
		}
		return nil
	})
	return m, err
}

// marks picks the rows that are marked.
func (r *run) marks(v *view, b *bits) (pick, error) {
	var p pick
	pieces, err := r.load(v, wantRows)
	if err != nil {
		return p, err
	}
	w := r.walker(nil, nil)
	err = w.rows(v, pieces, func(at part, row *index.Row) {
		if b.has(at.row) {
			p.add(row)
		}
	})
	return p, err
}
