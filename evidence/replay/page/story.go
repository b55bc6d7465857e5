package page

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"kagami/evidence/replay"
)

// story tells one suspicious way.
type story struct {
	Number    int
	Title     string
	URL       string
	Sentences []string
	Steps     []step
	Score     string
	Reasons   []weighed
}

type weighed struct {
	Why  reason
	Nats string
}

// step is a transaction of a way and how it came about.
type step struct {
	Skipped  string // instead of a step
	Offset   string // since the first
	Role     string
	Class    string
	Number   int
	Shown    bool // in the table of transactions
	Method   string
	URL      string
	Answer   string
	How      string
	Inferred bool
	Again    bool // a browser did it, too
	Reason   reason
	Frames   string
	At       string
	Excerpt  string
	Cut      []string // what is missing of it
}

// attack is a suspicious way, and the same one seen again: programs are often fetched
// more than once, and packets of a proxy's clients captured on both of its sides.
type attack struct {
	replay.Suspect
	key   string
	times int            // the same end of the same way
	also  []*replay.Node // ends, of other clients
}

// addAttack adds a way, or notes that it is told already.
func (v *view) addAttack(s replay.Suspect) {
	a := attack{Suspect: s, key: hashOf(s.End().Transaction), times: 1}
	for _, n := range s.Path {
		a.key += "\x00" + address(n.Transaction)
	}
	told := v.known(&a)
	if !told {
		v.attacks = append(v.attacks, a)
	}
	for _, n := range s.Path {
		v.mark(n, !told)
		for _, x := range n.Children {
			if x.Role != "" {
				v.mark(x, !told)
			}
		}
	}
}

// known tells whether a way is told as another one.
func (v *view) known(a *attack) bool {
	end := a.End()
	for i := range v.attacks {
		x := &v.attacks[i]
		switch {
		case x.key != a.key:
		case x.End().Transaction.Flow.Client.Addr() != end.Transaction.Flow.Client.Addr():
			x.also = append(x.also, end)
			return true
		case x.End().Parent == end.Parent && end.Parent != nil:
			x.times++
			return true
		}
	}
	return false
}

// weak is a suspicious way that is not told.
type weak struct {
	Client, What, URL, Score string
	Number                   int
	Shown                    bool
	t                        *replay.Transaction
}

func (v *view) addWeak(s *replay.Suspect) {
	if len(v.Weak) == maxWeak {
		return
	}
	t := s.End().Transaction
	v.Weak = append(v.Weak, weak{clientOf(t), v.content(s.End().Content), v.url(t), fmt.Sprintf("%.1f", s.Score), t.Number, false, t})
}

func (v *view) fillStories() {
	for i := range v.attacks[:min(len(v.attacks), maxStories)] {
		v.Stories = append(v.Stories, v.tell(i+1, &v.attacks[i]))
	}
	v.StoriesLeft = len(v.attacks) - len(v.Stories)
	for i := range v.Weak {
		v.Weak[i].Shown = v.shown[v.Weak[i].t]
	}
}

func (v *view) tell(n int, s *attack) story {
	last := s.End()
	t := last.Transaction
	st := story{Number: n, URL: v.url(t), Title: v.t.say("headline", clientOf(t), v.content(last.Content), v.host(t)), Score: fmt.Sprintf("%.1f", s.Score)}
	add := func(key string, args ...any) { st.Sentences = append(st.Sentences, v.t.say(key, args...)) }
	add("story.lead", fullTime(answered(t)), clientOf(t), v.content(last.Content))
	if d := last.Content.Disguise; d != "" {
		add("story.claims", v.text(d, 60))
	}
	if len(s.Path) > 1 {
		add("story.way", seconds(answered(t)-begin(s.Path[0].Transaction)), len(s.Path), countHosts(s.Path))
	} else {
		add("story.alone")
	}
	switch n := checkIns(last); {
	case n > 0:
		add("story.ran", n)
	case last.Content.Kind != replay.ContentExploit && last.Content.Kind != replay.ContentScript:
		add("story.ranNot")
	}
	holed := 0
	for _, n := range s.Path {
		if len(v.broken[n.Transaction]) > 0 {
			holed++
		}
	}
	if holed == 0 {
		add("story.sound", len(s.Path))
	} else {
		add("story.unsound", len(s.Path), holed)
	}
	if s.times > 1 {
		add("story.repeat", s.times)
	}
	if len(s.also) > 0 {
		var who []string
		for _, x := range s.also[:min(len(s.also), 8)] {
			who = append(who, clientOf(x.Transaction))
		}
		add("story.also", strings.Join(who, ", "))
	}
	for _, r := range s.Reasons {
		st.Reasons = append(st.Reasons, weighed{v.reason(r.Text), fmt.Sprintf("%+.1f", r.Nats)})
	}
	st.Steps = v.steps(s.Path)
	return st
}

// Threshold is from where on a way is an attack.
func (v *view) Threshold() string { return fmt.Sprintf("%.0f", float64(replay.SuspectScore)) }

// answered is when the answer began.
func answered(t *replay.Transaction) int64 {
	if t.Response != nil && t.Response.Time != 0 {
		return t.Response.Time
	}
	return begin(t)
}

func hashOf(t *replay.Transaction) string {
	if t.Response == nil {
		return ""
	}
	return t.Response.Body.SHA256
}

func countHosts(path []*replay.Node) int {
	hosts := map[string]bool{}
	for _, n := range path {
		hosts[hostOf(n.Transaction)] = true
	}
	return len(hosts)
}

func checkIns(n *replay.Node) (count int) {
	for _, x := range n.Children {
		if x.Role == replay.RoleCheckIn {
			count++
		}
	}
	return count
}

// steps tells a way; of a long one the middle is left out. What a program did first
// belongs to it.
func (v *view) steps(path []*replay.Node) (all []step) {
	nodes := path
	for _, x := range path[len(path)-1].Children {
		if x.Role == replay.RoleCheckIn && len(nodes) < len(path)+3 {
			nodes = append(nodes[:len(nodes):len(nodes)], x)
		}
	}
	from := begin(path[0].Transaction)
	const head = 8
	for i, n := range nodes {
		if skipped := len(nodes) - maxSteps; skipped > 0 && i >= head && i < head+skipped {
			if i == head {
				all = append(all, step{Skipped: v.t.say("story.skipped", skipped)})
			}
			continue
		}
		all = append(all, v.step(n, from))
	}
	return all
}

func (v *view) step(n *replay.Node, from int64) step {
	t := n.Transaction
	s := step{Offset: "+" + seconds(begin(t)-from), Role: v.role(n), Class: v.class(n), Number: t.Number, Shown: v.shown[t], Method: v.method(t), URL: v.url(t),
		Answer: v.answer(n), How: v.t.say("step.root"), Frames: v.t.say("step.own", frames(framesOf(t))), Cut: v.marks(t)}
	if len(n.In) == 0 {
		return s
	}
	e := &n.In[0]
	if e.Kind == replay.EdgeConfirmed && len(n.In) > 1 && n.In[1].From == e.From { // how it came about says more
		e, s.Again = &n.In[1], true
	}
	s.How = v.t.kind("edge.", string(e.Kind))
	s.Inferred = e.Inferred
	s.Reason = v.reason(e.Reason)
	s.Frames = v.t.say("step.frames", e.Frames[0], e.Frames[1])
	s.Excerpt = v.around(e)
	if s.Excerpt != "" {
		s.At = v.t.say("step.offset", number(int64(e.Offset)))
	}
	return s
}

// around is the place in a body that names where it led.
func (v *view) around(e *replay.Edge) string {
	const before, after = 100, 160
	if e.From.Response == nil || e.Offset <= 0 {
		return ""
	}
	b := e.From.Response.Body.Data
	if e.Offset >= len(b) {
		return ""
	}
	from, to := max(0, e.Offset-before), min(len(b), e.Offset+after)
	for from < e.Offset && !utf8.RuneStart(b[from]) {
		from++
	}
	for to < len(b) && to > e.Offset && !utf8.RuneStart(b[to]) {
		to--
	}
	b = b[from:to]
	if !isText(b) {
		return dump(b[:min(len(b), 128)], 128)
	}
	text := string(bytes.TrimSpace(b))
	if !v.Live {
		text = defang(text)
	}
	return short(text, 320)
}

func (v *view) method(t *replay.Transaction) string {
	if t.Request == nil || t.Request.Method == "" {
		return v.t.say("request.unseen")
	}
	return v.text(t.Request.Method, 20)
}

// answer is what came, in a few words.
func (v *view) answer(n *replay.Node) string {
	a := n.Transaction.Response
	if a == nil {
		return v.t.say("step.no")
	}
	parts := []string{v.t.say("step.partial")}
	if a.Status != 0 {
		parts[0] = v.t.say("step.answer", a.Status)
	}
	if len(a.Body.Data) == 0 {
		return parts[0]
	}
	switch {
	case n.Content.Kind != replay.ContentPlain:
		parts = append(parts, v.content(n.Content))
	case a.Body.Magic != "" || a.Body.Declares != "":
		parts = append(parts, v.text(cmp.Or(a.Body.Magic, a.Body.Declares), 60))
	}
	if d := n.Content.Disguise; d != "" {
		parts = append(parts, v.t.say("step.claims", v.text(d, 60)))
	}
	return strings.Join(append(parts, octets(int64(len(a.Body.Data)))), ", ")
}

// marks are the kinds of what is missing of a transaction.
func (v *view) marks(t *replay.Transaction) (all []string) {
	for _, k := range v.broken[t] {
		all = append(all, v.t.kind("hole.", string(k)))
	}
	return all
}
