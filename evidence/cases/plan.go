package cases

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/evidence/query"
	"kagami/evidence/search"
	"kagami/evidence/segment"
	"kagami/packet"
)

// plan is what a case takes of the store.
type plan struct {
	wide     string                // query without its times; "" = everything
	narrow   string                // the alerted flows alone; "" = there are none
	early    int64                 // when the first of these begins, if before the window; else 0
	comments map[packet.Key]string // for the first packet of each
	packets  uint64                // of these
	notes    []string              // what could not be asked for
}

// Limits of a query.
const (
	maxQuery = 3500 // octets of its text: the language allows 4096
	maxLegs  = 8    // names and proxies that legs are looked for by
	maxBack  = 24 * time.Hour
)

// newPlan asks the store about the alerted flows: when they began, the names they
// bore and whether a proxy stands in between.
func (e Env) newPlan(ctx context.Context, store *search.Store, c *Case) (*plan, error) {
	p := &plan{comments: map[packet.Key]string{}}
	if c.Query != "" {
		q, err := query.Parse(c.Query, query.Options{Now: e.Now()})
		if err != nil {
			return nil, fmt.Errorf("pin: %w", err)
		}
		q.From, q.To = 0, 0
		if p.wide = q.String(); p.wide == "all" {
			p.wide = ""
		}
	}
	p.narrow = p.flowsQuery(c)
	l := legs{proxies: map[netip.Addr]bool{}, names: map[string]bool{}}
	if p.narrow != "" {
		if err := p.findFlows(ctx, store, c, &l); err != nil {
			return nil, err
		}
	}
	for i := range c.Alerts {
		l.name(hostPart(c.Alerts[i].Destination))
		if q, err := query.Parse(c.Alerts[i].Query, query.Options{}); err == nil {
			for _, n := range q.Names() {
				l.name(n)
			}
		}
	}
	if c.Query == "" {
		p.wide = p.wideQuery(c, &l)
	}
	return p, nil
}

// flowsQuery is the query for the alerted flows; where an alert has none, for what
// its two machines said to each other.
func (p *plan) flowsQuery(c *Case) string {
	var ids, pairs []string
	for i := range c.Alerts {
		a := &c.Alerts[i]
		for _, id := range a.Communities {
			if t := "flow " + id; !slices.Contains(ids, t) {
				ids = append(ids, t)
			}
		}
		if t := a.pair(); len(a.Communities) == 0 && t != "" && !slices.Contains(pairs, t) {
			pairs = append(pairs, t)
		}
	}
	text, left := joinOr(append(ids, pairs...), maxQuery)
	if left > 0 {
		p.notes = append(p.notes, fmt.Sprintf("%d more alerted flows than a query can name are taken only as far as they are traffic of the host", left))
	}
	return text
}

// pair is a query for an alert of which no flow is known: what its note says, else
// what its two ends said to each other.
func (a *Alert) pair() string {
	name := hostPart(a.Destination)
	switch {
	case a.Query != "":
		return "(" + a.Query + ")"
	case !a.Source.IsValid():
		return ""
	case a.DestAddr.IsValid():
		return fmt.Sprintf("(host %s and host %s)", a.Source, a.DestAddr)
	case isHostName(name):
		return fmt.Sprintf("(host %s and host %q)", a.Source, name)
	}
	return ""
}

// findFlows looks the alerted flows up, from a day before the window on.
func (p *plan) findFlows(ctx context.Context, store *search.Store, c *Case, l *legs) error {
	q, err := query.Parse(p.narrow, query.Options{})
	if err != nil {
		return fmt.Errorf("pin alerted flows: %w", err)
	}
	since := c.From
	for i := range c.Alerts {
		if s := c.Alerts[i].Since; s > 0 {
			since = min(since, s)
		}
	}
	q.From, q.To = max(since-int64(maxBack), 0), c.To
	_, err = store.Find(ctx, q, search.Options{}, func(f *search.Flow) bool {
		p.packets += f.Packets[0] + f.Packets[1]
		if f.Last >= since && f.First < c.From && (p.early == 0 || f.First < p.early) {
			p.early = f.First
		}
		if len(p.comments) < maxAlerts*maxCommunities {
			p.comments[f.Key] = flowComment(c, &f.Key)
		}
		l.proxy(f.Key.Addr(f.Client))
		l.proxy(f.Key.Addr(f.Client.Other()))
		for _, n := range f.Names {
			l.name(n)
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("find alerted flows: %w", err)
	}
	return nil
}

// flowComment is what the first packet of an alerted flow bears.
func flowComment(c *Case, k *packet.Key) string {
	var lines []string
	for i := range c.Alerts {
		a := &c.Alerts[i]
		if len(a.Communities) == 0 || a.flowOf(k) {
			lines = append(lines, visible(fmt.Sprintf("Kagami alert %s (%s): %s", a.ID, a.Rule, a.Title)))
		}
	}
	return strings.Join(lines, "\n")
}

// comment gives the first packet of each alerted flow its comment.
func (p *plan) comment(_ *segment.Packet, f *search.Flow) string {
	if f == nil {
		return ""
	}
	text, ok := p.comments[f.Key]
	if ok {
		delete(p.comments, f.Key)
	}
	return text
}

// wideQuery is everything that an alert needs: all traffic of the host, its DNS
// with it, the alerted flows, and what a proxy between them and the origin did for
// the same name.
func (p *plan) wideQuery(c *Case, l *legs) string {
	var parts []string
	if c.Host.IsValid() {
		parts = append(parts, "host "+c.Host.String())
	}
	if p.narrow != "" {
		parts = append(parts, p.narrow)
	}
	room := maxQuery
	for _, t := range parts {
		room -= len(t) + len(" or ")
	}
	delete(l.proxies, c.Host) // all of its traffic is asked for already
	text, left := joinOr(l.queries(), max(room, 0))
	if left > 0 {
		p.notes = append(p.notes, "not every leg of the proxy could be asked for")
	}
	if text != "" {
		parts = append(parts, text)
	}
	all, _ := joinOr(parts, 2*maxQuery)
	return all
}

// legs are the ends of the alerted flows and the names these bore: one of the ends
// may be a proxy, whose other leg bears the same name.
type legs struct {
	proxies map[netip.Addr]bool
	names   map[string]bool
}

func (l *legs) proxy(a [16]byte) {
	if addr := netip.AddrFrom16(a).Unmap(); addr.IsValid() && !addr.IsUnspecified() && len(l.proxies) < maxLegs {
		l.proxies[addr] = true
	}
}

func (l *legs) name(n string) {
	if isHostName(n) && len(l.names) < maxLegs {
		l.names[n] = true
	}
}

// queries are "what this address did for that name", in order.
func (l *legs) queries() []string {
	if len(l.names) == 0 {
		return nil
	}
	var names, out []string
	for n := range l.names {
		names = append(names, `host "`+n+`"`)
	}
	slices.Sort(names)
	text := strings.Join(names, " or ")
	for a := range l.proxies {
		out = append(out, fmt.Sprintf("(host %s and (%s))", a, text))
	}
	slices.Sort(out)
	return out
}

// isHostName tells whether a name from the wire may become a part of a query.
func isHostName(s string) bool {
	if len(s) == 0 || len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return s[0] != '.' && s[0] != '-'
}

// hostPart is the name in "name:port".
func hostPart(s string) string {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		s = s[:i]
	}
	return strings.ToLower(s)
}

// joinOr joins terms as far as there is room, and tells how many were left out.
func joinOr(terms []string, room int) (string, int) {
	var b strings.Builder
	for i, t := range terms {
		if b.Len()+len(t)+len(" or ") > room {
			return b.String(), len(terms) - i
		}
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(t)
	}
	return b.String(), 0
}

// windowed parses a query text and gives it a window.
func windowed(text string, from, to int64) (*query.Query, error) {
	if text == "" {
		text = "all"
	}
	q, err := query.Parse(text, query.Options{})
	if err != nil {
		return nil, err
	}
	q.From, q.To = from, to
	return q, nil
}
