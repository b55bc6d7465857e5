package search

import (
	"context"
	"slices"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/segment"
)

// Find tells the flows that match, in the order in which they end, without touching
// their packets. What yield is given is its own; when it returns false the search
// ends. The query is bound to this store by it: parse it anew for another.
//
// The Report comes with an error, too, as far as the search came.
func (s *Store) Find(ctx context.Context, q *query.Query, o Options, yield func(*Flow) bool) (*Report, error) {
	r, err := s.newRun(ctx, q, o)
	if err != nil {
		return nil, err
	}
	defer r.closeChapters()
	if err := r.bind(); err != nil {
		return r.report(), err
	}
	err = r.flows(newJoiner(false), wantRows|wantNotes, func(u *underWay) error {
		r.rep.Flows++
		if !yield(&u.Flow) {
			r.rep.Ended = "no more flows were wanted"
			return errEnough
		}
		return nil
	})
	return r.report(), r.fail(err)
}

// maxFollowed bounds the flows that are looked for in segments that could be left out
// otherwise; with more, these are read.
const maxFollowed = 64

// flows joins the rows of the segments, and hands out the flows that match as they
// end.
func (r *run) flows(j *joiner, w wants, each func(*underWay) error) error {
	views := r.candidates()
	walk := r.walker(j, each)
	within, _ := r.asking()
	loads := r.ahead(views, w)
	defer loads.stop()
	for i, v := range views {
		j.before(v.begins)
		if err := walk.hand(); err != nil {
			return err
		}
		var pieces []piece
		var err error
		switch {
		case v.picked:
			pieces, err = loads.take(i)
		case walk.follows(v):
			pieces, err = r.load(v.view, w)
		default:
			continue
		}
		if first, last := v.span(); err == nil && within(first, last) { // more may be known of it now
			err = walk.add(v, pieces)
		}
		if err != nil {
			return err
		}
	}
	j.all()
	return walk.hand()
}

// candidates are the views in time, in order of it; picked are those that may hold
// what matches.
func (r *run) candidates() []*candidate {
	within, ask := r.asking()
	picked := map[*view]bool{}
	for _, v := range r.views {
		switch r.prune(v, within, ask) {
		case mayMatch:
			picked[v] = true
		case byTime:
			continue
		}
	}
	var all []*candidate
	for _, v := range r.inTime() {
		c := &candidate{view: v, picked: picked[v], begins: v.start}
		if v.known {
			c.begins = v.info.First
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b *candidate) int { return compare(a.begins, b.begins) })
	return all
}

// candidate is a view in time.
type candidate struct {
	*view
	picked bool
	begins int64 // the time of its first packet, as known before it is loaded
}

// walker takes rows from segment to segment.
type walker struct {
	run      *run
	joiner   *joiner
	whenever query.Query // the query without its beginning: names before the window count
	each     func(*underWay) error
}

func (r *run) walker(j *joiner, each func(*underWay) error) *walker {
	w := &walker{run: r, joiner: j, each: each, whenever: *r.q}
	w.whenever.From = 0
	return w
}

// hand hands out the flows that ended, if they match.
func (w *walker) hand() error {
	for _, u := range w.joiner.take() {
		if ask := u.ask(); w.run.q.Match(&ask) {
			if err := w.each(u); err != nil {
				return err
			}
		}
	}
	if w.joiner.crowded > 0 {
		w.run.say("more than %d flows were under way at once: %s", maxUnderWay, "those silent for longest were told as they were, and what follows of them as flows of their own")
	}
	return w.run.stopped()
}

// follows tells whether a segment that may hold nothing that matches holds more of a
// flow that does: one that bore its name earlier.
func (w *walker) follows(v *candidate) bool {
	var open []*underWay
	for _, u := range w.joiner.open {
		if ask := u.ask(); u.Flags&index.Closed == 0 && w.whenever.Match(&ask) {
			open = append(open, u)
		}
	}
	if len(open) == 0 || len(open) > maxFollowed {
		return len(open) > 0
	}
	return w.run.prune(v.view, func(int64, int64) bool { return true }, func(has func(index.Hash) bool, _ query.Range) bool {
		for _, u := range open {
			if has(index.FlowHash(&u.Key)) {
				return true
			}
		}
		return false
	}) == mayMatch
}

// add joins a segment's rows. Of rows that cannot match whatever else their flow
// does, nothing is kept.
func (w *walker) add(v *candidate, pieces []piece) error {
	err := w.rows(v.view, pieces, func(at part, row *index.Row) {
		w.joiner.add(at, row)
	})
	if err != nil {
		return err
	}
	for i := range pieces {
		for n := range pieces[i].notes {
			if note := &pieces[i].notes[n]; note.Kind == segment.Named {
				w.joiner.name(&note.Key, note.Name)
			}
		}
	}
	return nil
}

// rows visits the rows of a segment that may match, then those of its folded flows.
// Their numbers are the same at each call with the same query.
func (w *walker) rows(v *view, pieces []piece, each func(part, *index.Row)) error {
	at := part{v.at, -1}
	for i := range pieces {
		p := &pieces[i]
		for n := range p.rows {
			at.row++
			if row := &p.rows[n]; w.whenever.MayKey(&row.Key) {
				each(at, row)
			}
		}
		var chosen []*index.Fold
		for n := range p.folds {
			f := &p.folds[n]
			if w.whenever.May(func(t query.Term) bool { return foldHas(f, &t) }, always()) {
				chosen = append(chosen, f)
			}
		}
		err := w.run.unfold(v, p, chosen, func(folded *index.Row) {
			at.row++
			if w.whenever.MayKey(&folded.Key) {
				each(at, folded)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
