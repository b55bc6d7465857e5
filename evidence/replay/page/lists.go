package page

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/wiretext"
)

// tile is a number in the box.
type tile struct {
	Label, Value string
	Bad          bool
}

func (v *view) fillBox() {
	add := func(key, value string, bad bool) { v.Box = append(v.Box, tile{v.t.say(key), value, bad}) }
	n := func(i int) string { return number(int64(i)) }
	whole, clients, sealed := 0, map[netip.Addr]bool{}, 0
	for _, t := range v.r.Transactions {
		if len(v.broken[t]) == 0 {
			whole++
		}
		clients[t.Flow.Client.Addr()] = true
	}
	for _, f := range v.r.Flows {
		if isDark(f) {
			sealed++
		}
	}
	add("box.frames", n(v.r.Frames), false)
	add("box.span", seconds(max(0, v.r.Last-v.r.First)), false)
	add("box.clients", n(len(clients)), false)
	add("box.transactions", n(v.Total), false)
	add("box.whole", n(whole), whole < v.Total)
	add("box.flows", n(len(v.r.Flows)), false)
	add("box.dark", n(sealed), sealed > 0)
	add("box.others", n(v.r.Others), false)
	for _, x := range tally(v.holes) {
		value := n(x.Count)
		if x.Octets > 0 {
			value += v.t.say("count.octets", octets(x.Octets))
		}
		v.Missing = append(v.Missing, tile{v.t.kind("hole.", string(x.Kind)), value, true})
	}
}

func isDark(f *replay.Flow) bool { return f.TLS != nil && f.TLS.Dark != "" }

// line is a transaction in the table.
type line struct {
	Hit            bool
	Number         int
	Time           string
	Client, Server string
	Method, URL    string
	Extra          string // stream, pushed
	Status         string
	Types          []string
	Size           string
	Frames         string
	Role, Class    string
	Cut            string
}

// fillTransactions chooses the transactions that are shown: when they are too many,
// those that matter most.
func (v *view) fillTransactions() {
	rank := func(n *replay.Node) int {
		switch {
		case v.path[n.Transaction]:
			return 0
		case n.Content.Kind != replay.ContentPlain:
			return 1
		case v.near(n.Transaction):
			return 2
		}
		return 3
	}
	nodes := slices.Clone(v.c.Nodes)
	if len(nodes) > maxTransactions {
		slices.SortStableFunc(nodes, func(a, b *replay.Node) int { return cmp.Compare(rank(a), rank(b)) })
		nodes = nodes[:maxTransactions]
		slices.SortStableFunc(nodes, func(a, b *replay.Node) int { return cmp.Compare(a.Transaction.Number, b.Transaction.Number) })
	}
	for _, n := range nodes {
		v.shown[n.Transaction] = true
		v.Transactions = append(v.Transactions, v.line(n))
	}
}

// near tells whether a client asked for it around the time when it was attacked.
func (v *view) near(t *replay.Transaction) bool {
	const around = int64(5 * time.Minute)
	for i := range v.attacks[:min(len(v.attacks), maxStories)] {
		p := v.attacks[i].Path
		if p[0].Transaction.Flow.Client.Addr() == t.Flow.Client.Addr() && begin(t) >= begin(p[0].Transaction)-around && begin(t) <= end(p[len(p)-1].Transaction)+around {
			return true
		}
	}
	return false
}

func (v *view) line(n *replay.Node) line {
	t := n.Transaction
	l := line{Hit: v.path[t], Number: t.Number, Time: clock(begin(t)), Client: wiretext.Visible(t.Flow.Client.String()), Server: wiretext.Visible(t.Flow.Server.String()), Method: v.method(t), URL: v.url(t),
		Frames: frames(framesOf(t)), Role: v.role(n), Class: v.class(n), Cut: strings.Join(v.marks(t), v.t.say("list.separator")), Status: v.t.say("step.no")}
	if t.Stream != 0 {
		l.Extra = v.t.say("stream", t.Stream)
	}
	if t.Pushed {
		l.Extra += " " + v.t.say("pushed")
	}
	if t.Switched != "" {
		l.Extra += " → " + v.text(t.Switched, 40)
	}
	if a := t.Response; a != nil {
		l.Status = v.t.say("step.partial")
		if a.Status != 0 {
			l.Status = fmt.Sprint(a.Status)
		}
		if len(a.Body.Data) > 0 {
			l.Size = octets(int64(len(a.Body.Data)))
			l.Types = v.types(a.Body.Declares, found(n.Content, a.Body.Magic))
		}
	}
	return l
}

// types says what a body is declared to be and what it is, once when that is the same.
func (v *view) types(declared, found string) (all []string) {
	if strings.EqualFold(declared, found) && found != "" {
		return []string{v.text(found, 60)}
	}
	if declared != "" {
		all = append(all, v.t.say("type.declared", v.text(declared, 60)))
	}
	if found == "" {
		return append(all, v.t.say("type.unknown"))
	}
	return append(all, v.t.say("type.found", v.text(found, 60)))
}

// found is what a body is by content.
func found(c replay.Content, magic string) string {
	if c.Name != "" {
		return c.Name
	}
	return magic
}

// object is a body in the table.
type object struct {
	Hit    bool
	URL    string
	Number int // of the first transaction
	Shown  bool
	Time   string
	Size   string
	Types  []string
	Clash  bool
	Notes  []string
	MD5    string
	SHA1   string
	SHA256 string

	rank, times, joined int
	partial             bool
}

// fillObjects shows every distinct body once. Empty ones are nothing.
func (v *view) fillObjects() {
	by := map[string]*object{}
	var all []*object
	for _, n := range v.c.Nodes {
		a := n.Transaction.Response
		if a == nil || a.Body.SHA256 == "" || len(a.Body.Data) == 0 {
			continue
		}
		if o := by[a.Body.SHA256]; o != nil {
			o.times++
			o.rank = min(o.rank, v.rank(n))
			continue
		}
		b := &a.Body
		o := v.object(n, b.MD5, b.SHA1, b.SHA256, b.Declares, found(n.Content, b.Magic), len(b.Data), !b.Complete)
		by[b.SHA256] = o
		all = append(all, o)
	}
	for _, x := range v.r.Objects {
		if len(x.Pieces) == 0 || x.SHA256 == "" || by[x.SHA256] != nil {
			continue
		}
		if n := v.c.Node(x.Pieces[0].Transaction); n != nil {
			o := v.object(n, x.MD5, x.SHA1, x.SHA256, x.Declares, found(n.Content, x.Magic), len(x.Data), !x.Complete)
			o.joined = len(x.Pieces)
			by[x.SHA256] = o
			all = append(all, o)
		}
	}
	v.ObjectsTotal = len(all)
	slices.SortStableFunc(all, func(a, b *object) int { return cmp.Compare(a.rank, b.rank) })
	for _, o := range all[:min(len(all), maxObjects)] {
		v.note(o)
		v.Objects = append(v.Objects, *o)
	}
}

func (v *view) rank(n *replay.Node) int {
	switch {
	case v.path[n.Transaction] && n.Content.Kind != replay.ContentPlain:
		return 0
	case n.Content.Kind == replay.ContentProgram, n.Content.Kind == replay.ContentExploit, n.Content.Kind == replay.ContentScript:
		return 1
	case n.Content.Kind != replay.ContentPlain:
		return 2
	case v.path[n.Transaction]:
		return 3
	}
	return 4
}

func (v *view) object(n *replay.Node, md5, sha1, sha256, declared, magic string, size int, partial bool) *object {
	t := n.Transaction
	return &object{Hit: v.path[t], URL: v.url(t), Number: t.Number, Shown: v.shown[t], Time: clock(answered(t)), Size: octets(int64(size)), Types: v.types(declared, magic),
		Clash: n.Content.Disguise != "", MD5: v.text(md5, 64), SHA1: v.text(sha1, 64), SHA256: v.text(sha256, 64), rank: v.rank(n), times: 1, partial: partial}
}

func (v *view) note(o *object) {
	if o.partial {
		o.Notes = append(o.Notes, v.t.say("objects.partial"))
	}
	if o.times > 1 {
		o.Notes = append(o.Notes, v.t.say("objects.times", o.times))
	}
	if o.joined > 0 {
		o.Notes = append(o.Notes, v.t.say("objects.joined", o.joined))
	}
}

// lookup is a DNS answer in the table.
type lookup struct {
	Hit                bool
	Time, Client, Name string
	Answer             string
	Frame              int
}

func (v *view) fillLookups() {
	v.LookupsTotal = len(v.r.Lookups)
	take := func(hit bool) {
		for i := range v.r.Lookups {
			if l := &v.r.Lookups[i]; v.isHit(l) == hit && len(v.Lookups) < maxLookups {
				v.Lookups = append(v.Lookups, lookup{hit, clock(l.Time), wiretext.Visible(addr(l.Client)), v.name(l.Name), v.resolved(l), l.Frame})
			}
		}
	}
	take(true)
	take(false)
}

func (v *view) isHit(l *replay.Lookup) bool {
	return v.hosts[strings.ToLower(strings.TrimSuffix(l.Name, "."))]
}

func (v *view) resolved(l *replay.Lookup) string {
	if l.Failed != "" {
		return v.t.say("lookup.failed", v.text(l.Failed, 40))
	}
	if len(l.Addrs) == 0 {
		return v.t.say("lookup.empty")
	}
	var all []string
	for _, a := range l.Addrs[:min(len(l.Addrs), 8)] {
		all = append(all, a.String())
	}
	if len(l.Addrs) > 8 {
		all = append(all, "…")
	}
	return wiretext.Visible(strings.Join(all, ", "))
}

// dark is a flow that was not decrypted.
type dark struct {
	Time, Client, Server, Name, Version string
	Why                                 reason
	Frame                               int
}

func (v *view) fillDark() {
	for _, f := range v.r.Flows {
		if !isDark(f) {
			continue
		}
		v.DarkTotal++
		if len(v.Dark) < maxDark {
			v.Dark = append(v.Dark, dark{clock(f.First), wiretext.Visible(f.Client.String()), wiretext.Visible(f.Server.String()), v.name(f.TLS.ServerName), v.text(f.TLS.Version, 20), v.reason(f.TLS.Dark), f.Frame})
		}
	}
}

// hole is something that is missing.
type hole struct {
	Time, Kind string
	Text       reason
	Where      string
	Number     int
	Shown      bool
	Size       string
}

func (v *view) fillHoles() {
	v.HolesTotal = len(v.holes)
	for i := range v.holes[:min(len(v.holes), maxHoles)] {
		h := &v.holes[i]
		x := hole{Time: clock(h.Time), Kind: v.t.kind("hole.", string(h.Kind)), Text: v.reason(h.Text)}
		if h.Length > 0 {
			x.Size = v.t.say("length", octets(h.Length))
		}
		switch {
		case h.Transaction != nil:
			x.Where, x.Number, x.Shown = v.t.say("in.transaction", h.Transaction.Number), h.Transaction.Number, v.shown[h.Transaction]
		case h.Flow != nil:
			x.Where = v.t.say("in.flow", h.Flow.Number) + fmt.Sprintf(" %s → %s", wiretext.Visible(h.Flow.Client.String()), wiretext.Visible(h.Flow.Server.String()))
		}
		v.Holes = append(v.Holes, x)
	}
}
