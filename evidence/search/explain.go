package search

import (
	"context"
	"fmt"
	"strings"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/segment"
)

// Plan is what a search would do.
type Plan struct {
	Query    string // what it asks for, in English, a line a step
	Segments int
	Bytes    int64 // of all segments, as far as known

	Time, Chapter, Filter int // segments left out by their time, by a chapter's filter, by their own
	Read                  int // segments of which the index is read
	ReadBytes             int64
	Scan                  int      // segments without an index: they are read from end to end
	BindBytes             int64    // read already to learn what names and alerts stand for
	Whole                 bool     // the query is about the time only: get reads the segments from end to end
	Direct                bool     // get begins at once; else it looks at all flows first
	First                 []string // names of the first segments that are read
}

// maxListed bounds Plan.First.
const maxListed = 8

// Explain tells what Find and Get would read. What names and alerts stand for is
// looked up.
func (s *Store) Explain(ctx context.Context, q *query.Query, o Options) (*Plan, error) {
	r, err := s.newRun(ctx, q, o)
	if err != nil {
		return nil, err
	}
	defer r.closeChapters()
	if err := r.bind(); err != nil {
		return nil, err
	}
	p := &Plan{Segments: len(r.views), BindBytes: r.rep.BytesRead, Whole: q.Everything(), Direct: q.ByKey()}
	within, ask := r.asking()
	for _, v := range r.views {
		w := r.prune(v, within, ask)
		p.Bytes += v.info.Size
		switch {
		case w == byTime:
			p.Time++
		case w == byChapter:
			p.Chapter++
		case w == byFilter:
			p.Filter++
		case !v.known:
			p.Scan++
			p.list(v)
		default:
			p.Read++
			p.ReadBytes += v.info.Size
			p.list(v)
		}
	}
	p.Query = q.Explain()
	return p, nil
}

func (p *Plan) list(v *view) {
	if len(p.First) < maxListed {
		p.First = append(p.First, v.name)
	}
}

func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", p.Query)
	fmt.Fprintf(&b, "%d segments, %d octets: left out %d by time, %d by chapter, %d by filter\n", p.Segments, p.Bytes, p.Time, p.Chapter, p.Filter)
	fmt.Fprintf(&b, "to be read: the indexes of %d segments (of %d octets of packets), %d segments without an index from end to end\n", p.Read, p.ReadBytes, p.Scan)
	if p.BindBytes > 0 {
		fmt.Fprintf(&b, "read to look names up: %d octets of packets without a good index\n", p.BindBytes)
	}
	switch {
	case p.Whole:
		b.WriteString("get reads the segments of the window from end to end\n")
	case p.Direct:
		b.WriteString("get begins at once: addresses and ports tell each packet's flow\n")
	default:
		b.WriteString("get looks at all flows first, then reads the packets of those that match\n")
	}
	for _, name := range p.First {
		fmt.Fprintf(&b, "  %s\n", name)
	}
	if n := p.Read + p.Scan - len(p.First); n > 0 {
		fmt.Fprintf(&b, "  and %d more\n", n)
	}
	return b.String()
}

// Alert finds the note of an alert; nil if there is none.
func (s *Store) Alert(ctx context.Context, id string) (*segment.Note, error) {
	r, err := s.newRun(ctx, new(query.Query), Options{})
	if err != nil {
		return nil, err
	}
	defer r.closeChapters()
	var found *segment.Note
	b := binder{run: r, alert: map[string][]query.Binding{}, told: func(n *segment.Note) { found = n }}
	if err := b.findAlerts([]string{id}); err != nil {
		return nil, err
	}
	return found, nil
}

// asking is how candidates are found.
func (r *run) asking() (within func(first, last int64) bool, ask asker) {
	within = func(first, last int64) bool { return last >= r.since && (r.q.To == 0 || first < r.q.To) }
	whenever := *r.q
	whenever.From = 0 // a flow before the window may reach into it
	ask = func(has func(index.Hash) bool, span query.Range) bool {
		return whenever.May(func(t query.Term) bool { return has(hash(t)) }, span)
	}
	return within, ask
}
