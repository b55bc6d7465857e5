package query

import (
	"fmt"
	"strings"
	"time"
)

// Explain says in English what the query asks for, one line per step, without a
// line feed at the end. Times are in the location of Options.
func (q *Query) Explain() string {
	var b strings.Builder
	b.WriteString(q.span())
	if _, ok := q.root.(all); !ok {
		b.WriteString(", for which")
		steps(&b, q.root, 1)
	}
	return b.String()
}

// span says which time the query is about.
func (q *Query) span() string {
	at := func(ns int64) string { return time.Unix(0, ns).In(q.loc).Format(time.RFC3339Nano) }
	switch {
	case q.From != 0 && q.To != 0:
		return fmt.Sprintf("flows from %s until before %s (%s)", at(q.From), at(q.To), time.Duration(q.To-q.From))
	case q.From != 0:
		return "flows since " + at(q.From)
	case q.To != 0:
		return "flows before " + at(q.To)
	}
	return "flows of any time"
}

// steps writes one line for each atom and for each operator above it.
func steps(b *strings.Builder, e expr, depth int) {
	line := func(s string) {
		b.WriteByte('\n')
		b.WriteString(strings.Repeat("  ", depth))
		b.WriteString(s)
	}
	list := func(title string, xs []expr) {
		line(title)
		for _, x := range xs {
			steps(b, x, depth+1)
		}
	}
	switch e := e.(type) {
	case and:
		if depth == 1 { // the first chain needs no title
			for _, x := range e {
				steps(b, x, depth)
			}
			return
		}
		list("all of these hold:", e)
	case or:
		list("at least one of these holds:", e)
	case not:
		list("this does not hold:", []expr{e.x})
	case atom:
		line(e.explain())
	}
}

// found says what a name, alert or case was bound to.
func (s *set) found() string {
	if !s.bound {
		return " (not looked up yet)"
	}
	exact := 0
	for _, b := range s.list {
		if b.Exact {
			exact++
		}
	}
	var parts []string
	for _, c := range []struct {
		n         int
		one, many string
	}{{exact, "flow", "flows"}, {len(s.list) - exact, "address", "addresses"}} {
		switch c.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+c.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.many))
		}
	}
	for _, sub := range s.subs {
		parts = append(parts, "the query "+sub.String())
	}
	if len(parts) == 0 {
		return " (nothing was found)"
	}
	return " (found: " + strings.Join(parts, ", ") + ")"
}
