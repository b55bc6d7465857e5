package search

import (
	"net/netip"
	"slices"
	"strings"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/segment"
	"kagami/packet"
)

// How far from its note a name reaches, in ns.
const (
	// lookupLife is how long a looked-up name stands for an address: hardly an answer is
	// kept for longer than a day.
	lookupLife = 24 * 60 * 60 * 1e9
	// hostLife is how long before and behind a note a host bears its own name.
	hostLife = 12 * 60 * 60 * 1e9
	// reachLife is how long before the window a flow may have been named, or an alert
	// been told of it, that reaches into it.
	reachLife = 2 * 60 * 60 * 1e9
)

// maxBindings bounds what one name or alert stands for.
const maxBindings = 1 << 17

// binder gathers what the query's names and alerts stand for.
type binder struct {
	run   *run
	names map[string][]query.Binding
	alert map[string][]query.Binding
	asks  map[string]string // by alert: the query that finds its packets, as its note says
	crowd bool
	told  func(*segment.Note) // gets the notes of alerts that were found, unless nil
}

// bind finds out what the names and alerts of the query stand for.
func (r *run) bind() error {
	b := binder{run: r, names: map[string][]query.Binding{}, alert: map[string][]query.Binding{}, asks: map[string]string{}}
	if err := b.findAlerts(r.q.Alerts()); err != nil {
		return err
	}
	for _, id := range r.q.Alerts() {
		b.bindAlert(id)
	}
	if err := b.findNames(r.q.Names()); err != nil {
		return err
	}
	for _, n := range r.q.Names() {
		r.q.Bind(query.Name, n, b.names[n])
		r.sayAddresses(n, b.names[n])
	}
	if b.crowd {
		r.say("a name or alert stands for more than %d flows and addresses: the rest was not looked for", maxBindings)
	}
	return nil
}

// bindAlert binds an alert to the query of its note, or to its pair of addresses.
func (b *binder) bindAlert(id string) {
	q := b.run.q
	if text := b.asks[id]; text != "" {
		sub, err := query.Parse(text, query.Options{})
		if err == nil && len(sub.Alerts()) == 0 && len(sub.Cases()) == 0 && q.BindQuery(query.Alert, id, sub) == nil {
			if q.String() == "alert "+id { // nothing outside its window is asked for
				q.From, q.To = sub.From, sub.To
				b.run.since = q.From
			}
			return
		}
		b.run.say("the note of alert %s has a query that makes no sense: its two addresses are looked for", id)
	}
	q.Bind(query.Alert, id, b.alert[id])
}

// sayAddresses tells what addresses a name was looked up for: only flows of those who
// asked are found by it. Where a resolver asked for others, who did not ask within
// sight, they are to be looked for by address.
func (r *run) sayAddresses(name string, bs []query.Binding) {
	const most = 8
	var addrs, clients []string
	note := func(list []string, a [16]byte) []string {
		s := netip.AddrFrom16(a).Unmap().String()
		if len(list) > most || slices.Contains(list, s) {
			return list
		}
		if len(list) == most {
			s = "…"
		}
		return append(list, s)
	}
	for i := range bs {
		if b := &bs[i]; !b.Exact && b.Client != ([16]byte{}) {
			addrs, clients = note(addrs, b.Addr), note(clients, b.Client)
		}
	}
	if len(addrs) > 0 {
		r.say("%s was looked up by %s and is %s: flows of others to these are found by address", name, strings.Join(clients, ", "), strings.Join(addrs, ", "))
	}
}

// findAlerts looks the alerts up, whatever the window: an alert may be told of later
// than it was. Segments without an index come last, and only if one was not found.
func (b *binder) findAlerts(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	ask := func(has func(index.Hash) bool, _ query.Range) bool {
		for _, id := range ids {
			if has(index.NameHash(id)) {
				return true
			}
		}
		return false
	}
	whenever := func(int64, int64) bool { return true }
	var unread []*view
	for _, v := range b.run.views {
		switch {
		case b.run.prune(v, whenever, ask) != mayMatch:
		case !v.known:
			unread = append(unread, v)
		default:
			if err := b.read(v, ids, nil); err != nil {
				return err
			}
		}
	}
	for i := len(unread) - 1; i >= 0 && len(b.alert) < len(ids); i-- {
		if err := b.read(unread[i], ids, nil); err != nil {
			return err
		}
	}
	return nil
}

// findNames looks the names up, in the window and as far from it as names reach.
func (b *binder) findNames(names []string) error {
	if len(names) == 0 {
		return nil
	}
	q := b.run.q
	within := func(first, last int64) bool {
		return (q.From == 0 || last >= q.From-lookupLife) && (q.To == 0 || first < q.To+hostLife)
	}
	ask := func(has func(index.Hash) bool, _ query.Range) bool {
		for _, n := range names {
			// Filters have the domains of two labels and more.
			if !strings.Contains(n, ".") || has(index.NameHash(n)) {
				return true
			}
		}
		return false
	}
	for _, v := range b.run.views {
		if b.run.prune(v, within, ask) != mayMatch {
			continue
		}
		if err := b.read(v, nil, names); err != nil {
			return err
		}
	}
	return nil
}

// read takes the notes of a segment.
func (b *binder) read(v *view, ids, names []string) error {
	pieces, err := b.run.load(v, wantNotes)
	if err != nil {
		return err
	}
	take := func(n *segment.Note) bool {
		b.take(n, ids, names)
		return true
	}
	for _, p := range pieces {
		if p.info.NotesLost > 0 {
			return b.readPackets(v, take)
		}
		for i := range p.notes {
			take(&p.notes[i])
		}
	}
	return nil
}

// readPackets reads the notes that stand between the packets: there are more than
// the index keeps.
func (b *binder) readPackets(v *view, take func(*segment.Note) bool) error {
	f, err := v.open()
	if err != nil {
		b.run.missing(v, err)
		return nil
	}
	defer f.Close()
	size := max(v.size, v.info.Size)
	_, err = segment.Scan(&reader{run: b.run, file: f}, size, segment.Visitor{Note: take})
	if stop := b.run.stopped(); stop != nil {
		return stop
	}
	if err != nil {
		b.run.gap(Gap{From: v.info.First, To: v.info.Last, Kind: Damaged, Text: v.name + ": " + err.Error()})
	}
	return nil
}

// take takes a note, if it is about one of the alerts or names.
func (b *binder) take(n *segment.Note, ids, names []string) {
	if n.Kind == segment.Alert {
		for _, id := range ids {
			if !strings.EqualFold(id, n.Name) {
				continue
			}
			b.add(b.alert, id, alertBinding(n))
			if _, ask, ok := strings.Cut(n.Text, "\n"); ok && b.asks != nil {
				b.asks[id] = ask
			}
			b.run.reachBack(n.From, n.To)
			if b.told != nil {
				b.told(n)
			}
		}
		return
	}
	name := strings.ToLower(strings.TrimSuffix(n.Name, "."))
	for _, domain := range names {
		if !query.Covers(domain, name) {
			continue
		}
		switch n.Kind {
		case segment.Named:
			b.named(domain, n)
		case segment.Resolved:
			for _, a := range n.Addrs {
				b.add(b.names, domain, query.Binding{Addr: a.As16(), Client: n.Key.Addr(n.Client), From: n.At, To: n.At + lookupLife})
			}
		case segment.Host:
			for _, a := range n.Addrs[:min(len(n.Addrs), 1)] {
				b.add(b.names, domain, query.Binding{Addr: a.As16(), From: n.At - hostLife, To: n.At + hostLife})
			}
		}
	}
}

// named binds a flow that bore a name. One named before the window may reach into it.
func (b *binder) named(domain string, n *segment.Note) {
	x := query.Binding{Key: n.Key, Exact: true, From: n.At - joinGap, To: n.At + joinGap}
	b.run.reachBack(x.From, x.To)
	b.add(b.names, domain, x)
}

// reachBack has rows read from the time on in which a flow was meant that may reach
// into the window.
func (r *run) reachBack(from, to int64) {
	if r.q.From != 0 && to < r.q.From && to >= r.q.From-reachLife {
		r.since = min(r.since, from)
	}
}

// alertBinding is the flows that an alert is about.
func alertBinding(n *segment.Note) query.Binding {
	server := n.Client.Other()
	return query.Binding{
		Client: given(n.Key.Addr(n.Client)), Addr: given(n.Key.Addr(server)),
		Port: n.Key.Port(server), From: n.From, To: n.To,
	}
}

// given is an address as a binding has it: none given is any.
func given(a [16]byte) [16]byte {
	if packet.IsV4(&a) && netip.AddrFrom16(a).Unmap().IsUnspecified() {
		return [16]byte{}
	}
	return a
}

func (b *binder) add(to map[string][]query.Binding, name string, x query.Binding) {
	if len(to[name]) >= maxBindings {
		b.crowd = true
		return
	}
	to[name] = append(to[name], x)
}
