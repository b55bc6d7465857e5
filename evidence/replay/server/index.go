package server

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"

	"kagami/evidence/replay"
)

// key is what an answer is found by.
type key struct {
	method string
	address
}

// path is what the answers that queries are compared with have in common; the scheme
// is not part of it.
type path struct{ method, host, path string }

// resource is what was answered to one key, in order.
type resource struct {
	key
	parameters []parameter
	answers    []*answer
	turns      map[string]int // by selection: how many were given
}

// answer is one that was recorded.
type answer struct {
	t    *replay.Transaction
	body [sha256.Size]byte // of the request's
	once sync.Once
	wire []byte // what content() found
	bare bool   // wire has no content coding left
}

// index holds the answers that some clients got.
type index struct {
	exact   map[key]*resource
	steady  map[key]*resource // by the query without its busters: answers of several URLs, in order
	byPath  map[path][]*resource
	objects map[address][]*replay.Object
	order   []*resource     // of exact, in order of their first answers
	no      map[key]string  // why what was asked for has no answer
	hosts   map[string]bool // that are in order, and whether any of it was HTTP/2
}

func newIndex(r *replay.Reading, want func(*replay.Transaction) bool) *index {
	x := &index{exact: map[key]*resource{}, steady: map[key]*resource{}, byPath: map[path][]*resource{},
		objects: map[address][]*replay.Object{}, no: map[key]string{}, hosts: map[string]bool{}}
	for _, t := range r.Transactions {
		if t.Request != nil && t.Request.URL != nil && t.Request.Method != "" && want(t) {
			x.add(t)
		}
	}
	for _, o := range r.Objects {
		if len(o.Pieces) > 0 && o.Pieces[0].Transaction.Request.URL != nil && want(o.Pieces[0].Transaction) {
			a := recorded(o.Pieces[0].Transaction.Request)
			x.objects[a] = append(x.objects[a], o)
		}
	}
	return x
}

// add takes a transaction.
func (x *index) add(t *replay.Transaction) {
	k := key{t.Request.Method, recorded(t.Request)}
	if why := unusable(t); why != "" {
		x.no[k] = why
		return
	}
	x.hosts[hostOf(k.host)] = x.hosts[hostOf(k.host)] || t.Request.Version == "HTTP/2"
	a := &answer{t: t, body: sha256.Sum256(t.Request.Body.Data)}
	r := x.exact[k]
	if r == nil {
		r = &resource{key: k, parameters: parameters(k.query), turns: map[string]int{}}
		x.exact[k] = r
		x.order = append(x.order, r)
		p := path{k.method, k.host, k.path}
		x.byPath[p] = append(x.byPath[p], r)
	}
	r.answers = append(r.answers, a)
	k.query = withoutBusters(k.query)
	if r = x.steady[k]; r == nil {
		r = &resource{key: k, turns: map[string]int{}}
		x.steady[k] = r
	}
	r.answers = append(r.answers, a)
}

// unusable says why nothing can be answered like that again, "" = it can.
func unusable(t *replay.Transaction) string {
	a := t.Response
	switch {
	case a == nil:
		return "it was asked for, but no answer was captured"
	case t.Switched != "" && t.Switched != "h2c" || a.Status == 101:
		return fmt.Sprintf("the connection went on with %q, which is not replayed", t.Switched)
	case a.Status == 407:
		return "the recorded answer is a proxy's that wants a password"
	case a.Status < 200 || a.Status > 999:
		return "the head of the recorded answer was not captured"
	}
	return ""
}

// candidates are the answers of a resource that a request may get, and the name of that
// selection: those to the same body, and to the same range, if there are any.
func (r *resource) candidates(q *request, from []*answer) ([]*answer, string) {
	name := ""
	sum := sha256.Sum256(q.body)
	if same := filter(from, func(a *answer) bool { return a.body == sum }); len(same) > 0 && len(same) < len(from) {
		from, name = same, "body "+string(sum[:])
	}
	if part := q.get("Range"); part != "" {
		if same := filter(from, func(a *answer) bool { return a.t.Request.Get("Range") == part }); len(same) > 0 {
			return same, name + " range " + part
		}
	}
	if whole := filter(from, func(a *answer) bool { return a.t.Request.Get("Range") == "" }); len(whole) > 0 && len(whole) < len(from) {
		return whole, name + " whole"
	}
	return from, name
}

func filter(as []*answer, keep func(*answer) bool) (kept []*answer) {
	for _, a := range as {
		if keep(a) {
			kept = append(kept, a)
		}
	}
	return kept
}

// next is the answer whose turn it is, the last one from then on; nil when from has
// none. It counts.
func (r *resource) next(q *request, from []*answer) *answer {
	from, name := r.candidates(q, from)
	if len(from) == 0 {
		return nil
	}
	n := min(r.turns[name], len(from)-1)
	if q.method == r.method {
		r.turns[name] = n + 1
	}
	return from[n]
}

// leadsTo tells a redirection to an address.
func (a *answer) leadsTo(to address) bool {
	where := a.t.Response.Get("Location")
	if a.t.Response.Status/100 != 3 || where == "" {
		return false
	}
	from := recorded(a.t.Request)
	next, ok := from.resolve(where)
	return ok && next == to
}

// nearest is the recorded URL that most resembles one, "" = none does.
func (x *index) nearest(k key) string {
	const most = 50_000 // URLs that are looked at
	best, url := 0.0, ""
	asked := parameters(k.query)
	for _, r := range x.order[:min(len(x.order), most)] {
		if n := r.likeness(k, asked); n > best {
			best, url = n, r.address.String()
		}
	}
	return url
}

// likeness grows from the path's beginning over the host to path and query. It is 0
// when neither host nor path is the same.
func (r *resource) likeness(k key, asked []parameter) float64 {
	n := 0.0
	switch {
	case r.host == k.host && r.path == k.path:
		n = 8 + overlap(r.parameters, asked)
	case r.host == k.host:
		n = 4 + prefix(r.path, k.path)
	case hostOf(r.host) == hostOf(k.host):
		n = 2 + prefix(r.path, k.path)
	case r.path == k.path && len(k.path) > 1:
		n = 1
	default:
		return 0
	}
	if r.method == k.method {
		n += 0.5
	}
	return n
}

// prefix is the part of two paths that begins them both.
func prefix(a, b string) float64 {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return float64(strings.Count(a[:n], "/")) / float64(1+max(strings.Count(a, "/"), strings.Count(b, "/")))
}
