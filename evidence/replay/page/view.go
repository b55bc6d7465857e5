package page

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/wiretext"
)

// view is what a page tells, in texts that are ready to be shown.
type view struct {
	Options
	r *replay.Reading
	c *replay.Chain
	t *texts

	holes   []replay.Hole
	broken  map[*replay.Transaction][]replay.HoleKind
	attacks []attack                     // the worst first
	path    map[*replay.Transaction]bool // on suspicious ways
	told    map[*replay.Transaction]bool // of these what is not told as another one
	hosts   map[string]bool              // of suspicious ways
	shown   map[*replay.Transaction]bool

	Lang         string
	Source       string
	Stories      []story
	StoriesLeft  int
	Weak         []weak
	Box          []tile
	Missing      []tile
	Chain        []row
	Whole        []row
	WholeLeft    int
	Timeline     timeline
	Transactions []line
	Total        int
	Objects      []object
	ObjectsTotal int
	Lookups      []lookup
	LookupsTotal int
	Dark         []dark
	DarkTotal    int
	Holes        []hole
	HolesTotal   int
	Excerpts     []excerpt
	Excerptable  int
	Filters      []filter
}

func newView(r *replay.Reading, c *replay.Chain, t *texts, o Options) *view {
	v := &view{Options: o, r: r, c: c, t: t, Lang: t.language, Total: len(r.Transactions),
		broken: map[*replay.Transaction][]replay.HoleKind{}, path: map[*replay.Transaction]bool{}, told: map[*replay.Transaction]bool{}, hosts: map[string]bool{}, shown: map[*replay.Transaction]bool{}}
	v.Source = v.text(r.Source, textShown)
	v.holes = append(missing(r), c.Notes...)
	for i := range v.holes {
		if h := &v.holes[i]; h.Transaction != nil && !slices.Contains(v.broken[h.Transaction], h.Kind) {
			v.broken[h.Transaction] = append(v.broken[h.Transaction], h.Kind)
		}
	}
	for _, s := range c.Suspects() {
		if s.Score < replay.SuspectScore {
			v.addWeak(&s)
			continue
		}
		v.addAttack(s)
	}
	v.fillTransactions()
	v.fillStories()
	v.fillBox()
	v.fillChain()
	v.fillTimeline()
	v.fillObjects()
	v.fillLookups()
	v.fillDark()
	v.fillHoles()
	v.fillExcerpts()
	v.fillFilters()
	return v
}

func (v *view) mark(n *replay.Node, told bool) {
	v.path[n.Transaction] = true
	if told {
		v.told[n.Transaction] = true
	}
	if h := hostOf(n.Transaction); h != "" {
		v.hosts[h] = true
	}
}

// Headline says what happened, in one line.
func (v *view) Headline() string {
	if len(v.attacks) == 0 {
		return v.t.say("headline.none", number(int64(v.Total)))
	}
	end := v.attacks[0].End()
	text := v.t.say("headline", clientOf(end.Transaction), v.content(end.Content), v.host(end.Transaction))
	if n := len(v.attacks); n > 1 {
		text = v.t.say("headline.more", text, n)
	}
	return text
}

// Complete tells that nothing is known to be missing.
func (v *view) Complete() bool { return len(v.holes) == 0 }

// State says whether everything is there.
func (v *view) State() string {
	if v.Complete() {
		return v.t.say("state.complete")
	}
	return v.t.say("state.holes", number(int64(len(v.holes))))
}

// Sound tells that nothing of the ways that are told is missing.
func (v *view) Sound() bool {
	for t := range v.told {
		if len(v.broken[t]) > 0 {
			return false
		}
	}
	return true
}

// Notes are what a reader must know of all the page.
func (v *view) Notes() string {
	if v.Live {
		return v.t.say("times", v.t.say("live"))
	}
	return v.t.say("times", v.t.say("defanged"))
}

// Made says what of this page is.
func (v *view) Made() string {
	if v.Version == "" {
		return v.t.say("made.anonymous", "", v.Source)
	}
	return v.t.say("made", short(v.Version, 40), v.Source)
}

// content names what a body is.
func (v *view) content(c replay.Content) string {
	m := v.t.kind("content.", string(c.Kind))
	if strings.Contains(m, "%") {
		return fmt.Sprintf(m, v.text(c.Name, 40))
	}
	return m
}

// link is a web address as it is to be shown.
func (v *view) link(s string) string { return v.text(s, urlShown) }

// bounded leaves out the middle of what nobody reads, before work is done on it.
func bounded(s string) string {
	const most = 8192
	if len(s) <= most {
		return s
	}
	return s[:most/2] + "…" + s[len(s)-most/2:]
}

func (v *view) url(t *replay.Transaction) string {
	if t.Request != nil && t.Request.Method == "CONNECT" { // a host and a port
		return v.name(address(t))
	}
	return v.link(address(t))
}

// text is any other text from the wire: a type, a method.
func (v *view) text(s string, n int) string {
	s = bounded(s)
	if !v.Live {
		s = defang(s)
	}
	return short(s, n)
}

// name is a host's name as it is to be shown.
func (v *view) name(s string) string {
	if s = bounded(s); !v.Live && !strings.Contains(s, "://") {
		s = defangHost(s)
	}
	return v.text(s, 120)
}

func (v *view) host(t *replay.Transaction) string {
	if t.Request != nil && t.Request.URL != nil && t.Request.URL.Hostname() != "" {
		return v.name(t.Request.URL.Hostname())
	}
	return v.name(t.Flow.Server.Addr().String())
}

// reason is a sentence of the chain or the reader.
type reason struct {
	Text    string
	English bool // in a page of another language
}

func (v *view) reason(s string) reason {
	s, ok := v.t.reason(bounded(s))
	return reason{v.text(s, textShown), !ok}
}

func (v *view) role(n *replay.Node) string {
	if n == nil {
		return ""
	}
	if n.Role == "" && v.isStart(n) {
		return v.t.say("role.start")
	}
	return v.t.kind("role.", string(n.Role))
}

// isStart tells whether a suspicious way begins here.
func (v *view) isStart(n *replay.Node) bool {
	return n.Parent == nil && v.path[n.Transaction] && len(n.Children) > 0
}

// class is the role as the style sheet knows it.
func (v *view) class(n *replay.Node) string {
	switch {
	case n == nil:
		return ""
	case n.Role == "" && v.isStart(n):
		return "start"
	}
	return string(n.Role)
}

// address is what a transaction asked for, as far as is known.
func address(t *replay.Transaction) string {
	switch {
	case t.Request != nil && t.Request.URL != nil:
		return t.Request.URL.String()
	case t.Request != nil && t.Request.Target != "":
		return t.Request.Target
	case t.Flow != nil:
		return t.Flow.Server.String()
	}
	return ""
}

// hostOf is a host as it is compared; octets that are not UTF-8 are lost in it.
func hostOf(t *replay.Transaction) string {
	if t.Request != nil && t.Request.URL != nil {
		return strings.ToLower(strings.TrimSuffix(t.Request.URL.Hostname(), "."))
	}
	return ""
}

func clientOf(t *replay.Transaction) string { return wiretext.Visible(addr(t.Flow.Client.Addr())) }

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

func begin(t *replay.Transaction) int64 {
	if t.Request != nil && t.Request.Time != 0 {
		return t.Request.Time
	}
	if t.Response != nil {
		return t.Response.Time
	}
	return 0
}

func end(t *replay.Transaction) int64 {
	e := begin(t)
	if t.Request != nil {
		e = max(e, t.Request.End)
	}
	if t.Response != nil {
		e = max(e, t.Response.Time, t.Response.End)
	}
	return e
}

// framesOf are the first and the last frame of a transaction.
func framesOf(t *replay.Transaction) (f [2]int) {
	add := func(m *replay.Message) {
		if m.Frame > 0 && (f[0] == 0 || m.Frame < f[0]) {
			f[0] = m.Frame
		}
		f[1] = max(f[1], m.Frame, m.Till)
	}
	if t.Request != nil {
		add(&t.Request.Message)
	}
	if t.Response != nil {
		add(&t.Response.Message)
	}
	return f
}

func frames(f [2]int) string {
	if f[0] == f[1] {
		return fmt.Sprint(f[0])
	}
	return fmt.Sprintf("%d–%d", f[0], f[1])
}

func fullTime(ns int64) string {
	if ns == 0 {
		return "-"
	}
	return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05.000 UTC")
}

func clock(ns int64) string {
	if ns == 0 {
		return "-"
	}
	return time.Unix(0, ns).UTC().Format("01-02 15:04:05.000")
}

// seconds writes a stretch of time.
func seconds(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d < 0:
		return "-" + seconds(-ns)
	case d < 2*time.Minute:
		return fmt.Sprintf("%.3f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.1f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
