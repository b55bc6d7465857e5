package replay

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// cause is a transaction that may have led to another, and why.
type cause struct {
	from  *Node
	total float64 // in nats
	edges []Edge
}

// causes gathers what speaks for one node being led to by others.
type causes struct {
	to      *Node
	v       *visitor
	loc     location
	referer location
	refers  bool  // there is a Referer
	page    *Node // whose URL it is, nil = not recorded
	cut     bool  // the Referer may be cut to its origin
	all     []cause
}

// weight is what a kind of link says for itself, in nats: how much more often it is
// followed at once than that the URL was asked for otherwise.
func weight(k EdgeKind) float64 {
	switch k {
	case EdgeLocation:
		return 12
	case EdgeRefresh:
		return 8
	case EdgeMetaRefresh, EdgeIframe, EdgeFrame, EdgeScript, EdgeEmbed, EdgeObject, EdgeApplet, EdgeWrite:
		return 7
	case EdgeImage, EdgeStyle, EdgeMedia, EdgeReferer:
		return 6
	case EdgeLink, EdgeVector, EdgeShellcode:
		return 5
	case EdgeForm, EdgeLiteral:
		return 4
	case EdgeAnchor, EdgeString:
		return 3
	}
	return 2
}

// decay is what time takes of it: after a minute a guess is worth a nat less.
func decay(from, to *Node) float64 {
	dt := max(0, float64(to.begin()-from.answered())/1e9)
	return math.Log1p(dt/10) / 2
}

// causes are the edges to n, of the most probable causes.
func (v *visitor) causes(n *Node) []Edge {
	c := &causes{to: n, v: v}
	var ok bool
	if c.loc, ok = keyOf(n.Transaction); !ok {
		return nil
	}
	c.readReferer()
	c.byLinks()
	c.byReferer()
	c.weigh()
	if c.best() < 4 {
		c.infer()
	}
	slices.SortStableFunc(c.all, func(a, b cause) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(b.from.order, a.from.order))
	})
	return c.edges()
}

func (c *causes) best() float64 {
	most := math.Inf(-1)
	for i := range c.all {
		most = max(most, c.all[i].total)
	}
	return most
}

// edges are those of the best causes. What speaks against a cause as much as for it
// is none.
func (c *causes) edges() (all []Edge) {
	const least = 0.5
	for i := range c.all {
		x := &c.all[i]
		if i == maxParents || x.total < least {
			break
		}
		if was, is := x.from.agent(), c.to.agent(); was != is && was != "" && !slices.ContainsFunc(x.edges, func(e Edge) bool { return e.Kind == EdgeUserAgent }) {
			x.edges = append(x.edges, c.edge(x.from, EdgeUserAgent, changed(was, is), 0.5, true))
		}
		slices.SortStableFunc(x.edges, func(a, b Edge) int {
			return cmp.Or(cmp.Compare(rank(&a), rank(&b)), cmp.Compare(b.Weight, a.Weight))
		})
		all = append(all, x.edges...)
	}
	return all
}

// rank puts what shows how one thing led to another before what shows only that it did,
// and that before guesses.
func rank(e *Edge) int {
	switch {
	case e.Inferred:
		return 2
	case e.Kind == EdgeReferer || e.Kind == EdgeRefererOrigin:
		return 1
	}
	return 0
}

func changed(was, is string) string {
	if is == "" {
		return "no User-Agent any more, it was " + quoted(was)
	}
	return "User-Agent changes from " + quoted(was) + " to " + quoted(is)
}

func (c *causes) edge(from *Node, k EdgeKind, reason string, w float64, inferred bool) Edge {
	return Edge{From: from.Transaction, To: c.to.Transaction, Kind: k, Reason: reason, Frames: framesOf(from, c.to), Inferred: inferred, Weight: w}
}

// add notes evidence for a cause. Of links of one kind the best counts.
func (c *causes) add(from *Node, e Edge) *cause {
	if from.answered() > c.to.begin() && e.Kind != EdgeReferer {
		return nil // it was asked for before there was an answer
	}
	i := slices.IndexFunc(c.all, func(x cause) bool { return x.from == from })
	if i < 0 {
		c.all = append(c.all, cause{from: from, total: -decay(from, c.to)})
		i = len(c.all) - 1
	}
	x := &c.all[i]
	for j := range x.edges {
		if old := &x.edges[j]; old.Kind == e.Kind {
			if e.Weight > old.Weight {
				*old = e
			}
			return nil
		}
	}
	x.edges = append(x.edges, e)
	return x
}

// byLinks finds what names the URL, and what names its beginning.
func (c *causes) byLinks() {
	for _, r := range c.v.named[c.loc.key] {
		c.addLink(r, 1)
	}
	if c.loc.path == "" {
		return
	}
	for _, dir := range directories(c.loc) {
		for _, r := range c.v.prefixes[dir] {
			if strings.HasPrefix(c.loc.key, r.key) {
				c.addLink(r, 0.6)
			}
		}
	}
}

func (c *causes) addLink(r ref, part float64) {
	w := weight(r.kind) * part
	reason := r.reason
	tunnel := c.loc.path == "" // nobody links to a tunnel
	switch {
	case tunnel:
		w *= 0.8
		reason += ", https of that host"
	case r.prefix:
		reason += ", the beginning of the URL"
	case r.scheme != c.loc.scheme && !strings.HasPrefix(r.scheme, "ws"):
		w *= 0.9
		reason += fmt.Sprintf(", %s became %s", r.scheme, c.loc.scheme)
	}
	if r.inferred && r.kind != EdgeString {
		w /= 2
	}
	if r.kind == EdgeLocation && (!r.from.redirects() || r.from.followed || c.to.begin()-r.from.answered() > int64(time.Minute)) {
		w /= 3 // a redirection is followed once, and at once
	}
	if r.kind == EdgeForm && !tunnel && (r.method == "" || strings.EqualFold(r.method, "get")) != (c.to.Transaction.Request.Method == "GET") {
		w /= 2
	}
	e := c.edge(r.from, r.kind, reason, w, r.inferred || r.prefix || tunnel)
	e.Offset, e.hidden = r.offset, r.hidden
	c.add(r.from, e)
}

func (c *causes) readReferer() {
	raw := c.to.Transaction.Request.Get("Referer")
	if raw == "" {
		return
	}
	if c.referer, c.refers = locate(raw); !c.refers {
		return
	}
	c.cut = c.referer.path == "/" && c.referer.host != c.loc.host
	for _, n := range slices.Backward(c.v.asked[c.referer.key]) {
		if !n.redirects() && (c.page == nil || c.page.answered() > c.to.begin()) {
			c.page = n
		}
	}
}

// byReferer adds the page that the request says it comes from.
func (c *causes) byReferer() {
	switch {
	case !c.refers:
		return
	case c.page != nil && c.cut:
		c.add(c.page, c.edge(c.page, EdgeReferer, "Referer", weight(EdgeReferer)-2, false))
	case c.page != nil:
		c.add(c.page, c.edge(c.page, EdgeReferer, "Referer", weight(EdgeReferer), false))
	case c.byShortReferer():
		return
	}
	const w = 2.5
	reason := "Referer names the origin " + printable(c.referer.host, maxReason)
	if c.cut || c.page == nil && c.referer.path == "/" {
		for i := range c.all {
			if x := &c.all[i]; originOf(x.from) == c.referer.host && x.from != c.page {
				x.edges = append(x.edges, c.edge(x.from, EdgeRefererOrigin, reason, w, false))
			}
		}
	}
	c.byDark()
	ps := c.v.pages[hostOnly(c.referer.host)]
	if len(ps) == 0 {
		return
	}
	switch p := outermost(ps[len(ps)-1]); {
	case c.page != nil && c.cut && p.order > c.page.order: // as likely as the page "/" itself, and nearer
		c.add(p, c.edge(p, EdgeRefererOrigin, reason+"; this is the latest page from there", weight(EdgeReferer)-2, true))
	case len(c.all) == 0:
		if c.referer.path != "/" {
			reason = "Referer names a page of that host that was not captured"
		}
		c.add(p, c.edge(p, EdgeRefererOrigin, reason+"; this is the latest page from there", w, true))
	}
}

// outermost is the page that a frame or fragment of the same host is part of: what came
// soon after it, and not by a click.
func outermost(n *Node) *Node {
	const soon = int64(10 * time.Second)
	for p := n.Parent; p != nil && p.host == n.host && p.document() && n.begin()-p.answered() < soon; p = n.Parent {
		switch n.In[0].Kind {
		case EdgeAnchor, EdgeForm, EdgeLocation, EdgeRefresh, EdgeMetaRefresh:
			return n
		}
		n = p
	}
	return n
}

// byShortReferer finds what the Referer is the beginning of: plug-ins cut it.
func (c *causes) byShortReferer() bool {
	const least = 32 // octets that are no accident
	for _, n := range slices.Backward(c.v.hosts[hostOnly(c.referer.host)]) {
		if len(c.referer.path) >= least && strings.HasPrefix(n.key, c.referer.key) {
			c.page = n
			c.add(n, c.edge(n, EdgeReferer, "Referer, which is cut short", weight(EdgeReferer)-1, false))
			return true
		}
	}
	return false
}

// byDark bridges a page that was fetched encrypted.
func (c *causes) byDark() {
	f := c.v.dark[hostOnly(c.referer.host)]
	if f == nil || c.page != nil || c.referer.scheme != "https" {
		return
	}
	for _, r := range c.v.named[tunnelKey(c.referer.host)] {
		e := c.edge(r.from, EdgeRefererOrigin, fmt.Sprintf("Referer names https://%s, which was fetched encrypted (frame %d); %s led there",
			printable(c.referer.host, maxReason), f.Frame, r.reason), 3, true)
		e.Offset = r.offset
		c.add(r.from, e)
	}
}

// originOf is the host of a node's URL, with the port unless it is the usual one.
func originOf(n *Node) string {
	host, _, _ := strings.Cut(n.key, "/")
	return host
}

func hostOnly(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}

// weigh sums up the evidence, and what the Referer says against it.
func (c *causes) weigh() {
	for i := range c.all {
		x := &c.all[i]
		link := 0.0 // the best of the links counts
		for _, e := range x.edges {
			if e.Kind == EdgeReferer || e.Kind == EdgeRefererOrigin {
				x.total += e.Weight
				continue
			}
			link = max(link, e.Weight)
		}
		x.total += link + c.agrees(x, link)
	}
}

// agrees tells what the Referer says of a link that is not in the page it names.
func (c *causes) agrees(x *cause, link float64) float64 {
	kind := EdgeKind("")
	for _, e := range x.edges {
		if e.Weight == link {
			kind = e.Kind
		}
	}
	switch {
	case link == 0 || x.from == c.page:
		return 0
	case kind == EdgeLocation: // browsers keep what they came from
		if x.from.Transaction.Request.Get("Referer") == c.to.Transaction.Request.Get("Referer") {
			return 1
		}
		return -2
	case !c.refers && (kind == EdgeAnchor || kind == EdgeForm):
		return -1
	case !c.refers:
		return 0
	case c.within(x.from): // the page's own script or style sheet has it
		return 4
	case c.referer.key == x.from.key || originOf(x.from) == c.referer.host && c.referer.path == "/":
		return 0
	case c.page != nil:
		return -5
	}
	return -3
}

// within tells whether a node belongs to the page that the Referer names.
func (c *causes) within(n *Node) bool {
	if c.page != nil {
		for range 3 {
			if n = n.Parent; n == nil {
				return false
			}
			if n == c.page {
				return true
			}
		}
		return false
	}
	l, ok := locate(n.Transaction.Request.Get("Referer"))
	return ok && l.key == c.referer.key
}
