package page

import (
	"strings"

	"kagami/evidence/replay"
)

// row is a transaction in the tree.
type row struct {
	Rails    []string // how the lines before it run, from the root on
	Deep     string   // level, when there are more than are drawn
	Number   int
	Shown    bool
	Method   string
	URL      string
	Answer   string
	Role     string
	Class    string
	Kind     string // of the edge that leads to it
	Inferred bool
	Again    bool
	Reason   reason
	Frames   string
	Cut      string
	Time     string
}

// maxRails bounds the levels that are drawn.
const maxRails = 12

func (v *view) fillChain() {
	wanted := map[*replay.Node]bool{}
	for _, n := range v.c.Nodes {
		if v.told[n.Transaction] {
			for p := n; p != nil && !wanted[p]; p = p.Parent {
				wanted[p] = true
			}
		}
	}
	left := 0
	v.Chain, left = v.rows(func(n *replay.Node) bool { return wanted[n] }, maxChain)
	v.Whole, v.WholeLeft = v.rows(func(n *replay.Node) bool { return n.Parent != nil || len(n.Children) > 0 }, maxChain)
	if len(v.Chain) == len(v.Whole) && left == v.WholeLeft { // the same twice
		v.Whole = nil
	}
	if len(v.Chain) == 0 {
		v.Chain, v.Whole = v.Whole, nil
	}
	v.WholeLeft = max(v.WholeLeft, left)
}

// WholeTotal is how many rows the whole chain has.
func (v *view) WholeTotal() string { return number(int64(len(v.Whole) + v.WholeLeft)) }

// pending is a node that waits for its row.
type pending struct {
	n     *replay.Node
	rails []string // of its children's lines, without its own
	last  bool
	level int
}

// rows are the trees of the nodes that are wanted, without recursion: an attacker
// decides how deep they are.
func (v *view) rows(wanted func(*replay.Node) bool, most int) (all []row, left int) {
	var stack []pending
	for _, root := range v.c.Roots {
		if !wanted(root) {
			continue
		}
		stack = append(stack[:0], pending{n: root, last: true})
		for len(stack) > 0 {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if len(all) < most {
				all = append(all, v.row(&p))
			} else {
				left++
			}
			var under []string
			if p.level > 0 && len(all) < most {
				under = append(p.rails[:len(p.rails):len(p.rails)], []string{"v", "e"}[count(p.last)])
			}
			last := true
			for i := len(p.n.Children) - 1; i >= 0; i-- {
				if x := p.n.Children[i]; wanted(x) {
					stack = append(stack, pending{x, under, last, p.level + 1})
					last = false
				}
			}
		}
	}
	return all, left
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (v *view) row(p *pending) row {
	n, t := p.n, p.n.Transaction
	r := row{Number: t.Number, Shown: v.shown[t], Method: v.method(t), URL: v.url(t), Answer: v.answer(n), Role: v.role(n), Class: v.class(n),
		Frames: frames(framesOf(t)), Cut: strings.Join(v.marks(t), v.t.say("list.separator")), Time: clock(begin(t))}
	if p.level > 0 {
		r.Rails = append(p.rails[:len(p.rails):len(p.rails)], []string{"t", "l"}[count(p.last)])
	}
	if extra := len(r.Rails) - maxRails; extra > 0 {
		r.Rails = r.Rails[extra:]
		r.Deep = v.t.say("chain.deep", p.level)
	}
	if len(n.In) > 0 {
		e := &n.In[0]
		if e.Kind == replay.EdgeConfirmed && len(n.In) > 1 && n.In[1].From == e.From {
			e, r.Again = &n.In[1], true
		}
		r.Kind, r.Inferred, r.Reason = v.text(string(e.Kind), 40), e.Inferred, v.reason(e.Reason)
	}
	return r
}
