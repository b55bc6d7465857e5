package server

import (
	"fmt"
	"net/netip"

	"kagami/evidence/replay"
)

// matcher finds answers. It is not safe for concurrent use.
type matcher struct {
	layers []*index // that of Options.Client, then that of others
	fuzzy  bool
	backed map[string]bool // hosts of which a browser was sent back to http
}

func newMatcher(r *replay.Reading, client netip.Addr, fuzzy bool) *matcher {
	m := &matcher{fuzzy: fuzzy, backed: map[string]bool{}}
	if !client.IsValid() {
		m.layers = []*index{newIndex(r, func(*replay.Transaction) bool { return true })}
		return m
	}
	is := func(t *replay.Transaction) bool {
		return t.Flow != nil && t.Flow.Client.Addr().Unmap() == client.Unmap()
	}
	m.layers = []*index{newIndex(r, is), newIndex(r, func(t *replay.Transaction) bool { return !is(t) })}
	return m
}

// found is an answer for a request, or why there is none.
type found struct {
	*answer                // nil = none
	object  *replay.Object // not nil: it is served whole or in ranges; answer bears its header
	match   Match
	why     string // there is no answer
}

// find looks for an answer: by URL among what the client got, then among what others
// got; then, if that is allowed, by what resembles the URL, in the same order.
func (m *matcher) find(q *request) found {
	why := ""
	for _, how := range m.ways() {
		for layer, x := range m.layers {
			for _, crossed := range []bool{false, true} {
				k := key{q.method, q.address}
				if crossed {
					k.address = k.crossed()
				}
				f := m.in(x, k, q, how, crossed)
				f.match.OtherClient, f.match.OtherScheme = layer > 0, f.match.OtherScheme || crossed
				if f.answer != nil {
					return f
				}
				if why == "" {
					why = f.why
				}
			}
		}
	}
	if why == "" {
		why = "it was not recorded"
	}
	return found{why: why}
}

// sendsBack tells whether a browser should open a page by http: it tries https first
// by itself (Chromium does since version 115), and would then refuse all frames and
// scripts that the page has from http, which is what attacks are made of. It is sent
// back once for each host: one that insists, because of HSTS, gets the page by https.
// Only browsers that say what they ask for are.
func (m *matcher) sendsBack(q *request) bool {
	if q.scheme != "https" || q.method != "GET" || q.get("Sec-Fetch-Dest") != "document" || m.backed[q.host] {
		return false
	}
	plain := false
	for _, x := range m.layers {
		if x.exact[key{q.method, q.address}] != nil {
			return false
		}
		plain = plain || x.exact[key{q.method, q.crossed()}] != nil
	}
	if plain {
		m.backed[q.host] = true
	}
	return plain
}

func (m *matcher) ways() []How {
	if m.fuzzy {
		return []How{Exact, BySteady, ByQuery}
	}
	return []How{Exact}
}

// in looks in one index, in one way.
func (m *matcher) in(x *index, k key, q *request, how How, crossed bool) found {
	r, score := x.resource(k, how)
	if r == nil && k.method == "HEAD" { // a GET's answer has the same header
		k.method = "GET"
		r, score = x.resource(k, how)
	}
	if r == nil {
		if how != Exact {
			return found{}
		}
		return found{why: x.why(k)}
	}
	from := r.answers
	if crossed {
		from = filter(from, func(a *answer) bool { return !a.leadsTo(q.address) })
	}
	a := r.next(q, from)
	if a == nil {
		return found{why: "it was recorded by " + k.scheme + " only, and does nothing there but lead to itself by " + q.scheme + ", which was not recorded or not decrypted"}
	}
	f := m.suit(x, k.address, a, r, q)
	f.match = Match{How: how, Score: score}
	return f
}

// why says why there is no answer for what was asked for, "" = it was not.
func (x *index) why(k key) string {
	if k.method == "GET" {
		if head := (key{"HEAD", k.address}); x.exact[head] != nil {
			return "only its header was asked for (HEAD), so its content was never sent"
		}
	}
	return x.no[k]
}

// resource finds what k has in one way. score is that of ByQuery.
func (x *index) resource(k key, how How) (r *resource, score float64) {
	switch how {
	case Exact:
		return x.exact[k], 0
	case BySteady:
		k.query = withoutBusters(k.query)
		return x.steady[k], 0
	}
	const most = 10_000 // queries that are compared
	all := x.byPath[path{k.method, k.host, k.path}]
	asked := parameters(k.query)
	for _, c := range all[:min(len(all), most)] {
		if n := overlap(asked, c.parameters); c.scheme == k.scheme && n >= minScore && n > score {
			r, score = c, n
		}
	}
	return r, score
}

// suit makes what was found fit the request. A recorded 304 is only for who asks
// whether something has changed, a recorded part only for who asks for that part:
// others get the content from where it was sent.
func (m *matcher) suit(x *index, at address, a *answer, r *resource, q *request) found {
	switch a.t.Response.Status {
	case 304:
		if q.conditional() {
			return found{answer: a}
		}
		if f := m.content(at, a, r); f.answer != nil {
			return f
		}
		return found{why: "the recorded answer is 304: the content was in the client's cache and never sent"}
	case 206, 416:
		if q.get("Range") == a.t.Request.Get("Range") {
			return found{answer: a}
		}
		if f := m.content(at, a, r); f.answer != nil {
			return f
		}
		if a.t.Response.Status == 416 {
			return found{answer: a}
		}
		return found{why: fmt.Sprintf("only parts of it were recorded (%s), not its beginning", a.t.Response.Get("Content-Range"))}
	}
	return found{answer: a}
}

// content looks for where content was sent: to the same client next to a, to others,
// by the other scheme, in ranges.
func (m *matcher) content(at address, a *answer, r *resource) found {
	if b := whole(r.answers, a); b != nil {
		return found{answer: b}
	}
	for _, x := range m.layers {
		for _, to := range []address{at, at.crossed()} {
			if o := x.exact[key{"GET", to}]; o != nil && o != r {
				if b := whole(o.answers, nil); b != nil {
					return found{answer: b}
				}
			}
			if o := best(x.objects[to]); o != nil {
				return found{answer: &answer{t: o.Pieces[0].Transaction}, object: o}
			}
		}
	}
	return found{}
}

// whole is the answer with content that is nearest before a, or else behind it.
func whole(as []*answer, a *answer) (b *answer) {
	seen := false
	for _, c := range as {
		seen = seen || c == a
		if c.t.Response.Status != 200 || c.t.Request.Method == "HEAD" {
			continue
		}
		if seen && b != nil {
			break
		}
		b = c
	}
	return b
}

// best is the object of which most is there.
func best(os []*replay.Object) (b *replay.Object) {
	for _, o := range os {
		if len(o.Data) > 0 && (b == nil || o.Complete && !b.Complete || o.Complete == b.Complete && len(o.Data) > len(b.Data)) {
			b = o
		}
	}
	return b
}

// nearest is the recorded URL that most resembles what was asked for.
func (m *matcher) nearest(q *request) string {
	for _, x := range m.layers {
		if url := x.nearest(key{q.method, q.address}); url != "" {
			return url
		}
	}
	return ""
}

// knows tells whether anything of a host was recorded, and whether by HTTP/2.
func (m *matcher) knows(host string) (known, http2 bool) {
	for _, x := range m.layers {
		two, ok := x.hosts[host]
		known, http2 = known || ok, http2 || two
	}
	return known, http2
}
