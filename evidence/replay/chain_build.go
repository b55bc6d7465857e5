package replay

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Bounds of what is remembered. Every list is of one key, so that the work for a
// transaction does not grow with the number of transactions.
const (
	maxRecent   = 8         // the latest of a kind: requests of a URL, links to it, exploits ...
	maxPrefixes = 6         // directories of a URL in which links that are only its beginning are sought
	maxAgents   = 4096      // User-Agents of a client
	maxSearched = 16 << 20  // octets of one body that are searched for links
	maxTotal    = 128 << 20 // octets of all bodies that are searched; of those that are no text an eighth counts
	maxKnown    = 1 << 16   // bodies whose links are remembered, as the same often come again
)

// builder goes through the transactions in order of time.
type builder struct {
	c        *Chain
	clients  map[netip.Addr]*visitor
	known    map[bodyKey]searched
	searched int64
	skipped  int   // bodies that were not searched
	first    int64 // when that was first so
	told     map[string]bool
}

// visitor is what is known of one client so far.
type visitor struct {
	wanted   map[string]bool    // keys that the client asks for at any time: links to others lead nowhere
	within   map[string]bool    // directories of those
	asked    map[string][]*Node // by key, the latest
	named    map[string][]ref   // links to a key
	prefixes map[string][]ref   // links that are the beginning of a URL, by the directory where they end
	pages    map[string][]*Node // documents by host
	hosts    map[string][]*Node // what was asked for, by host
	bodies   map[string][]found // links of the latest answer for a key, for when it is not sent again
	recent   []*Node            // what can make a browser ask for more
	exploits []*Node
	payloads []*Node
	agents   map[string]int64 // when each was first seen
	lookups  map[string][]*Lookup
	dark     map[string]*Flow // flows that were not decrypted, by the name of the server
}

// ref is a link in what a node answered.
type ref struct {
	from *Node
	found
}

func newBuilder(r *Reading, c *Chain) *builder {
	b := &builder{c: c, clients: map[netip.Addr]*visitor{}, known: map[bodyKey]searched{}, told: map[string]bool{}}
	for _, n := range c.Nodes {
		v := b.visitor(n.client())
		if l, ok := keyOf(n.Transaction); ok {
			n.key = l.key
			v.wanted[l.key] = true
			if l.path != "" {
				for _, dir := range directories(l) {
					v.within[dir] = true
				}
			}
		}
	}
	for _, f := range r.Flows {
		if v := b.clients[f.Client.Addr()]; v != nil && f.TLS != nil && f.TLS.Dark != "" && f.TLS.ServerName != "" && v.dark[f.TLS.ServerName] == nil {
			v.dark[f.TLS.ServerName] = f
			v.wanted[tunnelKey(f.TLS.ServerName)] = true
		}
	}
	for i := range r.Lookups {
		l := &r.Lookups[i]
		if v := b.clients[l.Client]; v != nil {
			v.lookups[l.Name] = append(v.lookups[l.Name], l)
		}
	}
	for _, v := range b.clients {
		for _, ls := range v.lookups { // no order between hosts matters
			slices.SortStableFunc(ls, func(a, b *Lookup) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Frame, b.Frame)) })
		}
	}
	return b
}

func (b *builder) visitor(client netip.Addr) *visitor {
	v := b.clients[client]
	if v == nil {
		v = &visitor{wanted: map[string]bool{}, within: map[string]bool{}, asked: map[string][]*Node{}, named: map[string][]ref{}, prefixes: map[string][]ref{}, pages: map[string][]*Node{}, hosts: map[string][]*Node{}, bodies: map[string][]found{},
			agents: map[string]int64{}, lookups: map[string][]*Lookup{}, dark: map[string]*Flow{}}
		b.clients[client] = v
	}
	return v
}

// visit finds the causes of a transaction, and remembers what it can cause.
func (b *builder) visit(n *Node) {
	v := b.visitor(n.client())
	if n.Transaction.Request.Method != "" {
		n.In = v.causes(n)
	}
	if len(n.In) > 0 {
		n.Parent = b.c.nodes[n.In[0].From]
		if n.In[0].Kind == EdgeLocation {
			n.Parent.followed = true
		}
	}
	b.remember(v, n)
}

func (b *builder) remember(v *visitor, n *Node) {
	if n.key != "" {
		v.asked[n.key] = latest(v.asked[n.key], n)
		v.hosts[n.host] = latest(v.hosts[n.host], n)
	}
	if _, ok := v.agents[n.agent()]; !ok && n.Transaction.Request.Method != "" && len(v.agents) < maxAgents {
		v.agents[n.agent()] = n.begin()
	}
	if n.Transaction.Response == nil {
		return
	}
	for _, f := range b.links(n, v) {
		r := ref{n, f}
		if f.prefix {
			v.prefixes[directory(f.location)] = latest(v.prefixes[directory(f.location)], r)
			continue
		}
		if v.wanted[f.key] {
			v.named[f.key] = latest(v.named[f.key], r)
		}
		if t := tunnelKey(f.host); f.scheme == "https" && v.wanted[t] {
			v.named[t] = latest(v.named[t], r)
		}
	}
	if n.active() {
		v.recent = latest(v.recent, n)
	}
	if n.document() && n.status()/100 == 2 { // the error page of a picture is none
		v.pages[n.host] = latest(v.pages[n.host], n)
	}
	switch n.Content.Kind {
	case ContentExploit, ContentScript:
		v.exploits = latest(v.exploits, n)
	case ContentProgram:
		v.payloads = latest(v.payloads, n)
	case ContentOpaque:
		if n.Parent != nil && (n.Parent.attacks() || n.In[0].Kind == EdgeAfterExploit) {
			v.payloads = latest(v.payloads, n)
		}
	}
}

// latest appends, and forgets the oldest when there are many.
func latest[T any](all []T, x T) []T {
	if len(all) == maxRecent {
		copy(all, all[1:])
		all[maxRecent-1] = x
		return all
	}
	return append(all, x)
}

// tell notes a limit once, however often it was hit.
func (b *builder) tell(n *Node, what string) {
	if !b.told[what] {
		b.told[what] = true
		b.c.Notes = append(b.c.Notes, Hole{Kind: HoleLimit, Transaction: n.Transaction, Flow: n.Transaction.Flow, Time: n.answered(), Text: what})
	}
}

func (b *builder) tellLimits() {
	if b.skipped > 0 {
		b.c.Notes = append(b.c.Notes, Hole{Kind: HoleLimit, Time: b.first,
			Text: fmt.Sprintf("bodies that were not searched for links: %d, as there are more than %d octets of text in all", b.skipped, maxTotal)})
	}
	ends := 0
	for _, n := range b.c.Nodes {
		if ends += count(b.c.ends(n)); ends > maxEnds {
			b.tell(n, fmt.Sprintf("more than %d programs and objects that can attack: only the first are judged", maxEnds))
			return
		}
	}
}
