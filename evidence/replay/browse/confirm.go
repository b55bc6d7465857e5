package browse

import (
	"net/netip"
	"net/url"
	"strings"

	"kagami/evidence/replay"
	"kagami/evidence/replay/server"
)

// request is one that the browser made, and by what, as far as it says.
type request struct {
	URL    string
	Causes []string // URLs, the nearest first: what redirected to it, else scripts, else the document
}

// confirm finds what the browser did by itself in what it was answered, and notes it
// in the chain. The browser itself says what made it ask: that one answer came after
// another confirms nothing.
func (w *walk) confirm(o Options, asked []request) {
	c := o.Chain
	below := descendants(c.Node(w.Start))
	w.Edges = len(below)
	known := map[[2]*replay.Transaction]bool{}
	for _, e := range c.Edges {
		known[[2]*replay.Transaction{e.From, e.To}] = true
	}
	done := map[[2]*replay.Transaction]bool{}
	counted := map[*replay.Transaction]bool{}
	for _, p := range pairs(w.Answered, asked, newOwn(o.Reading, w.Start)) {
		if done[p] || !c.Confirm(p[0], p[1]) {
			continue
		}
		done[p] = true
		w.Steps = append(w.Steps, Step{From: p[0], To: p[1], New: !known[p]})
		if below[p[1]] && !counted[p[1]] {
			counted[p[1]] = true
			w.Confirmed++
		}
	}
}

// descendants are the transactions that one led to.
func descendants(n *replay.Node) map[*replay.Transaction]bool {
	all := map[*replay.Transaction]bool{}
	if n == nil {
		return all
	}
	for queue := n.Children; len(queue) > 0; queue = queue[1:] {
		all[queue[0].Transaction] = true
		queue = append(queue[:len(queue):len(queue)], queue[0].Children...)
	}
	return all
}

// own finds what one client asked for. What it had in its cache the server may give
// from what others were answered.
type own struct {
	client netip.Addr
	byURL  map[string][]*replay.Transaction // in order
}

func newOwn(r *replay.Reading, start *replay.Transaction) own {
	o := own{client: start.Flow.Client.Addr(), byURL: map[string][]*replay.Transaction{}}
	for _, t := range r.Transactions {
		if t.Request != nil && t.Request.URL != nil && o.is(t) {
			k := plain(t.Request.URL.String())
			o.byURL[k] = append(o.byURL[k], t)
		}
	}
	return o
}

func (o own) is(t *replay.Transaction) bool { return t.Flow != nil && t.Flow.Client.Addr() == o.client }

// after is the client's own transaction that a hit stands for: not before a cause,
// which may be nil.
func (o own) after(h server.Hit, cause *replay.Transaction) *replay.Transaction {
	fits := func(t *replay.Transaction) bool { return cause == nil || t.Number > cause.Number }
	if o.is(h.Transaction) && fits(h.Transaction) {
		return h.Transaction
	}
	for _, t := range o.byURL[plain(h.URL)] {
		if fits(t) {
			return t
		}
	}
	return nil
}

// pairs are cause and effect: what was answered, and what the browser then asked for
// because of it. An answer to the n-th request for a URL belongs to the n-th that the
// browser speaks of.
func pairs(hits []server.Hit, asked []request, o own) (ps [][2]*replay.Transaction) {
	requests := map[string][]request{}
	for _, r := range asked {
		k := plain(r.URL)
		requests[k] = append(requests[k], r)
	}
	turn := map[string]int{}
	last := map[string]*replay.Transaction{} // by URL: what was answered last
	for _, h := range hits {
		k := plain(h.URL)
		is := o.after(h, nil)
		if rs := requests[k]; len(rs) > 0 {
			for _, cause := range rs[min(turn[k], len(rs)-1)].Causes {
				from := last[plain(cause)]
				if from == nil || plain(cause) == k {
					continue
				}
				if to := o.after(h, from); to != nil {
					ps = append(ps, [2]*replay.Transaction{from, to})
					is = to
				}
				break
			}
		}
		turn[k]++
		if is != nil {
			last[k] = is
		}
	}
	return ps
}

// plain is a URL in a form that is the same for all ways to write it. The scheme is
// left out: browsers ask by https for what was recorded by http.
func plain(s string) string {
	s, _, _ = strings.Cut(s, "#")
	_, s, _ = strings.Cut(s, "://")
	i := strings.IndexAny(s, "/?")
	if i < 0 {
		i = len(s)
	}
	host, rest := strings.ToLower(s[:i]), s[i:]
	host = strings.TrimSuffix(strings.TrimSuffix(host, ":80"), ":443")
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	if u, err := url.PathUnescape(rest); err == nil {
		rest = u
	}
	return host + rest
}
