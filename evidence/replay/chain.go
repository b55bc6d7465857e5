package replay

import (
	"cmp"
	"slices"

	"kagami/evidence/replay/links"
)

// EdgeKind says by what one transaction led to another.
type EdgeKind string

// The kinds of edges. Those that a body names have the name of the element or
// construct; a frame that a script writes is "js-write", its Reason names the element.
const (
	EdgeLocation      EdgeKind = "location" // Location header field
	EdgeRefresh       EdgeKind = "refresh"  // Refresh header field
	EdgeMetaRefresh   EdgeKind = "meta-refresh"
	EdgeIframe        EdgeKind = "iframe"
	EdgeFrame         EdgeKind = "frame"
	EdgeScript        EdgeKind = "script"
	EdgeImage         EdgeKind = "img"
	EdgeEmbed         EdgeKind = "embed"
	EdgeObject        EdgeKind = "object"
	EdgeApplet        EdgeKind = "applet"
	EdgeLink          EdgeKind = "link" // <link>, Link and Content-Location header fields, what browsers fetch by themselves
	EdgeForm          EdgeKind = "form"
	EdgeAnchor        EdgeKind = "a"
	EdgeMedia         EdgeKind = "media"
	EdgeVector        EdgeKind = "svg"
	EdgeStyle         EdgeKind = "css"
	EdgeLiteral       EdgeKind = "js-literal"
	EdgeWrite         EdgeKind = "js-write"
	EdgeString        EdgeKind = "string"    // text in a program, SWF, JAR, PDF
	EdgeShellcode     EdgeKind = "shellcode" // text in an exploit's machine code
	EdgeReferer       EdgeKind = "referer"
	EdgeRefererOrigin EdgeKind = "referer-origin" // Referer cut to the origin, or to a page that was fetched encrypted
	EdgeDNS           EdgeKind = "dns-then-connect"
	EdgeAfterExploit  EdgeKind = "time-after-exploit"
	EdgeAfterPayload  EdgeKind = "time-after-payload"
	EdgeUserAgent     EdgeKind = "user-agent-change"
	EdgeConfirmed     EdgeKind = "replay-confirmed" // the browser did it again
)

// Edge is one reason to think that a transaction led to another of the same client.
type Edge struct {
	From, To *Transaction
	Kind     EdgeKind
	Reason   string  // in one line, printable
	Offset   int     // in From's decoded body, of what names To; 0 when that is in a header field or inferred
	Frames   [2]int  // where From's response and To's request begin
	Inferred bool    // nothing that was transferred shows it: it is a guess
	Weight   float64 // of this evidence alone, in nats

	hidden bool // what names To had to be decoded, or a script writes it
}

// Node is a transaction in the chain.
type Node struct {
	Transaction *Transaction
	Content     Content
	In          []Edge // the most probable cause first; In[0].From is the parent in the tree
	Parent      *Node
	Children    []*Node // in order of time
	Role        Role    // a guess
	Why         string  // of Role

	order    int
	host     string // that was asked
	site     string // its registered domain
	key      string // of its URL, "" = none
	followed bool   // its redirection was
	signs    []links.Sign
}

// Chain is who led to whom. Every edge goes from an earlier transaction to a later one
// of the same client, so there are no cycles.
type Chain struct {
	Nodes []*Node // in order of time
	Edges []Edge  // by To in order of time, the most probable first
	Roots []*Node // nodes without a known cause
	Notes []Hole  // limits that were hit

	nodes map[*Transaction]*Node
	holes map[*Transaction][]HoleKind
}

// maxParents bounds the causes that are kept of one transaction.
const maxParents = 3

// Build finds out which transactions led to which.
func Build(r *Reading) *Chain {
	c := &Chain{nodes: make(map[*Transaction]*Node, len(r.Transactions)), holes: map[*Transaction][]HoleKind{}}
	all := slices.Clone(r.Transactions)
	slices.SortStableFunc(all, func(a, b *Transaction) int { return cmp.Compare(a.Number, b.Number) })
	for i, t := range all {
		n := &Node{Transaction: t, order: i, host: hostOf(t), Content: contentOf(t)}
		n.site = siteOf(n.host)
		c.Nodes = append(c.Nodes, n)
		c.nodes[t] = n
	}
	for _, o := range r.Objects { // what was transferred in ranges is one thing, its beginning tells which
		if n := c.objectNode(o); n != nil {
			n.Content = classify(o.Data, o.Magic, o.Declares)
		}
	}
	for _, h := range r.Holes {
		if h.Transaction != nil && !slices.Contains(c.holes[h.Transaction], h.Kind) {
			c.holes[h.Transaction] = append(c.holes[h.Transaction], h.Kind)
		}
	}
	b := newBuilder(r, c)
	for _, n := range c.Nodes {
		b.visit(n)
	}
	c.finish()
	b.tellLimits()
	return c
}

// objectNode is the node that bears an object's first octets.
func (c *Chain) objectNode(o *Object) *Node {
	for _, p := range o.Pieces {
		if p.Offset == 0 {
			return c.nodes[p.Transaction]
		}
	}
	return nil
}

// Node is the one of a transaction, nil when it is not in the chain.
func (c *Chain) Node(t *Transaction) *Node { return c.nodes[t] }

// Confirm notes that a browser that was given from's answer again went on to to. It
// refuses what cannot be: other clients, steps back in time.
func (c *Chain) Confirm(from, to *Transaction) bool {
	f, t := c.nodes[from], c.nodes[to]
	if f == nil || t == nil || f.order >= t.order || f.client() != t.client() {
		return false
	}
	const weight = 20 // nothing outweighs it
	var first, same, other []Edge
	for _, e := range t.In {
		switch {
		case e.Kind == EdgeConfirmed && e.From == from:
			return true
		case e.From == from:
			same = append(same, e)
		default:
			other = append(other, e)
		}
	}
	first = append(first, Edge{From: from, To: to, Kind: EdgeConfirmed, Reason: "a browser that was given the answer again asked for it", Frames: framesOf(f, t), Weight: weight})
	t.In = slices.Concat(first, same, other)
	if t.Parent == f { // the tree stays
		c.gather()
	} else {
		c.finish()
	}
	return true
}

// gather lists the edges of all nodes.
func (c *Chain) gather() {
	c.Edges = c.Edges[:0]
	for _, n := range c.Nodes {
		c.Edges = append(c.Edges, n.In...)
	}
}

// finish makes the tree and what is guessed from it.
func (c *Chain) finish() {
	c.Roots = nil
	c.gather()
	for _, n := range c.Nodes {
		n.Parent, n.Children, n.Role, n.Why = nil, nil, "", ""
	}
	for _, n := range c.Nodes {
		if len(n.In) == 0 {
			c.Roots = append(c.Roots, n)
			continue
		}
		n.Parent = c.nodes[n.In[0].From]
		n.Parent.Children = append(n.Parent.Children, n)
	}
	c.guess()
}

// framesOf are where the cause and its effect are in the capture.
func framesOf(from, to *Node) [2]int {
	f := from.Transaction
	frame := f.Request.Frame
	if f.Response != nil {
		frame = f.Response.Frame
	}
	return [2]int{frame, to.Transaction.beginFrame()}
}
