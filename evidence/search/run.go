package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"kagami/evidence/index"
	"kagami/evidence/query"
)

// Options are those of Find, Get and Explain.
type Options struct {
	// Case tells what the atom case NAME stands for: the query of that case. nil:
	// such queries are refused.
	Case func(name string) (*query.Query, error)
}

// run is one search. Its views are in order of number.
type run struct {
	store *Store
	ctx   context.Context
	q     *query.Query
	views []*view
	books map[uint64]*chapter
	began time.Time

	// since is from when on rows are read: the window's beginning, or earlier where
	// a flow was named before that reaches into the window.
	since int64

	builders sync.Pool  // of *index.Builder
	mu       sync.Mutex // loads go on in several goroutines
	rep      Report
	images   int64 // octets of indexes made by this search that are kept
}

func (s *Store) newRun(ctx context.Context, q *query.Query, o Options) (*run, error) {
	own := *q // its window may get narrower
	q = &own
	r := &run{store: s, ctx: ctx, q: q, since: q.From, books: map[uint64]*chapter{}, began: time.Now()}
	r.builders.New = func() any { return index.NewBuilder() }
	r.rep.Segments = len(s.entries)
	for _, t := range s.said {
		r.rep.say("%s", t)
	}
	for i, e := range s.entries {
		v := &view{entry: e, at: int32(i)}
		if e.stretch != nil {
			v.learn(&e.stretch.info)
		}
		r.views = append(r.views, v)
	}
	for _, name := range q.Cases() {
		if o.Case == nil {
			return nil, fmt.Errorf("search for case %q: there are no cases here", name)
		}
		sub, err := o.Case(name)
		if err == nil {
			err = q.BindQuery(query.Case, name, sub)
		}
		if err != nil {
			return nil, fmt.Errorf("search for case %q: %w", name, err)
		}
	}
	return r, nil
}

// report completes the report.
func (r *run) report() *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.views {
		switch {
		case v.gone:
			r.rep.Vanished++
		case v.opened:
			r.rep.Opened++
		default:
			r.rep.Pruned++
		}
		if v.scanned {
			r.rep.Scanned++
		}
	}
	for _, g := range r.known() {
		r.rep.gap(g)
	}
	r.rep.sortGaps()
	slices.Sort(r.rep.Said)
	r.rep.Took = time.Since(r.began)
	return &r.rep
}

// known are the gaps that the segments' own counters tell.
func (r *run) known() []Gap {
	var infos []named
	for _, v := range r.views {
		if v.known && v.info.Packets > 0 {
			infos = append(infos, named{&v.info, v.name, v.num})
		}
	}
	if r.store.foreign {
		return damaged(infos, r.q.From, r.q.To)
	}
	return gaps(infos, r.q.From, r.q.To)
}

// say and gap may be called by several goroutines at once.
func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rep.say(format, args...)
}

func (r *run) gap(g Gap) {
	if !r.within(g.From, g.To) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rep.gap(g)
}

func (r *run) read(octets int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rep.BytesRead += octets
}

// within tells whether a span of time touches the window.
func (r *run) within(first, last int64) bool {
	return last >= r.q.From && (r.q.To == 0 || first < r.q.To)
}

// inTime are the views that may have packets from since on.
func (r *run) inTime() []*view {
	var in []*view
	for _, v := range r.views {
		if first, last := v.span(); last >= r.since && (r.q.To == 0 || first < r.q.To) && !v.gone && !v.empty() {
			in = append(in, v)
		}
	}
	return in
}

// bySpan brings views into the order in which their packets may begin.
func bySpan(views []*view) []*view {
	slices.SortStableFunc(views, func(a, b *view) int {
		x, _ := a.span()
		y, _ := b.span()
		return compare(x, y)
	})
	return views
}

// hash is what a filter is asked for a term of a query.
func hash(t query.Term) index.Hash {
	switch t.Kind {
	case query.TermAddr:
		return index.AddrHash(t.Addr)
	case query.TermPort:
		return index.PortHash(t.Port)
	case query.TermFlow:
		return index.FlowHash(&t.Key)
	}
	return index.FlowIDHash(t.ID)
}

// always is the time of a flow of which not all parts are known.
func always() query.Range { return query.Range{First: math.MinInt64, Last: math.MaxInt64} }

// stopped tells why a search should not go on, nil if it should.
func (r *run) stopped() error { return r.ctx.Err() }

// fail is the error of a search, if err is one: a search that was told to stop is
// none, and its report says so.
func (r *run) fail(err error) error {
	if err == nil || errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends a search because nobody wants more.
var errEnough = errors.New("enough")
