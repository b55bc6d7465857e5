package query

// Everything tells that the query is about nothing but the time.
func (q *Query) Everything() bool {
	_, ok := q.root.(all)
	return ok
}

// ByKey tells that the query is about addresses, ports and protocols only: a part of
// a flow then matches exactly like the whole flow, but for its time.
func (q *Query) ByKey() bool { return byKey(q.root) }

func byKey(e expr) bool {
	switch e := e.(type) {
	case and:
		return each(e, byKey)
	case or:
		return each(e, byKey)
	case not:
		return byKey(e.x)
	case *address:
		return e.role == either
	case *network:
		return e.role == either
	case all, ports, *proto, *flow:
		return true
	}
	return false
}

func each(list []expr, holds func(expr) bool) bool {
	for _, e := range list {
		if !holds(e) {
			return false
		}
	}
	return true
}
