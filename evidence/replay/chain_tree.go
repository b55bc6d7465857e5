package replay

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// TreeOptions say how a tree is written.
type TreeOptions struct {
	URL      int  // columns of a URL, 0 = 72
	Suspects bool // only what belongs to ways that end in an attack
	Reasons  bool // a line below each transaction: why it stands there
	ASCII    bool // no lines of Unicode
}

// maxIndent bounds the levels that are drawn; deeper ones are numbered.
const maxIndent = 24

// Tree writes the chain for a terminal, a line for each transaction:
//
//	time  branch  method URL  status type size  role  <- cause [inferred]  sha256  holes
//
// All that comes from the wire is escaped.
func Tree(w io.Writer, c *Chain, o TreeOptions) error {
	if o.URL <= 0 {
		o.URL = 72
	}
	t := &tree{w: bufio.NewWriter(w), c: c, TreeOptions: o, wanted: c.wanted(o.Suspects)}
	for _, n := range c.Roots {
		if t.wanted == nil || t.wanted[n] {
			t.root(n)
		}
	}
	for _, h := range c.Notes {
		fmt.Fprintf(t.w, "! %s\n", printable(h.Text, 200))
	}
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("write tree: %w", err)
	}
	return nil
}

// wanted are the nodes of attacks, nil for all.
func (c *Chain) wanted(suspects bool) map[*Node]bool {
	if !suspects {
		return nil
	}
	m := map[*Node]bool{}
	for _, n := range c.Nodes {
		if n.Role != "" {
			for p := n; p != nil && !m[p]; p = p.Parent {
				m[p] = true
			}
		}
	}
	return m
}

type tree struct {
	TreeOptions
	w      *bufio.Writer
	c      *Chain
	wanted map[*Node]bool
	client string
	day    string
}

// level is a node whose children are being written.
type level struct {
	children []*Node
	next     int
}

// root writes a tree without recursion: an attacker decides how deep it is.
func (t *tree) root(n *Node) {
	at := time.Unix(0, n.begin()).UTC()
	if client, day := n.client().String(), at.Format(time.DateOnly); client != t.client || day != t.day {
		t.client, t.day = client, day
		fmt.Fprintf(t.w, "%s %s UTC\n", client, day)
	}
	t.line(n, "", "")
	levels := []level{{children: t.children(n)}}
	for len(levels) > 0 {
		top := &levels[len(levels)-1]
		if top.next == len(top.children) {
			levels = levels[:len(levels)-1]
			continue
		}
		n := top.children[top.next]
		top.next++
		branch, under := t.branches(levels)
		t.line(n, branch, under)
		levels = append(levels, level{children: t.children(n)})
	}
}

func (t *tree) children(n *Node) []*Node {
	if t.wanted == nil {
		return n.Children
	}
	var all []*Node
	for _, x := range n.Children {
		if t.wanted[x] {
			all = append(all, x)
		}
	}
	return all
}

// branches are the lines before a node, and those before what stands below it.
func (t *tree) branches(levels []level) (branch, under string) {
	parts := [4]string{"│  ", "   ", "├─ ", "└─ "}
	if t.ASCII {
		parts = [4]string{"|  ", "   ", "|- ", "`- "}
	}
	var b strings.Builder
	if n := len(levels) - maxIndent; n > 0 {
		fmt.Fprintf(&b, "(%d) ", n)
		levels = levels[n:]
	}
	for _, l := range levels[:len(levels)-1] {
		b.WriteString(parts[count(l.next == len(l.children))])
	}
	l := levels[len(levels)-1]
	last := count(l.next == len(l.children))
	return b.String() + parts[2+last], b.String() + parts[last]
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// line writes one transaction.
func (t *tree) line(n *Node, branch, under string) {
	x := n.Transaction
	fmt.Fprintf(t.w, "%s %s%s %s", time.Unix(0, n.begin()).UTC().Format("15:04:05.000"), branch, method(x), t.url(n))
	t.answer(n)
	if n.Role != "" {
		fmt.Fprintf(t.w, "  %s?", strings.ToUpper(string(n.Role)))
	}
	if len(n.In) > 0 {
		fmt.Fprintf(t.w, "  <- %s", n.In[0].Kind)
		if n.In[0].Inferred {
			t.w.WriteString(" [inferred]")
		}
	}
	if a := x.Response; a != nil && a.Body.SHA256 != "" {
		fmt.Fprintf(t.w, "  %.12s", a.Body.SHA256)
	}
	for _, h := range t.c.holes[x] {
		if h != HoleNoAnswer && h != HoleNoRequest { // the line says so
			fmt.Fprintf(t.w, "  !%s", h)
		}
	}
	t.w.WriteByte('\n')
	if !t.Reasons {
		return
	}
	blank := strings.Repeat(" ", len("15:04:05.000 "))
	if n.Why != "" {
		fmt.Fprintf(t.w, "%s%s   role: %s\n", blank, under, printable(n.Why, 200))
	}
	for _, e := range n.In {
		inferred := ""
		if e.Inferred {
			inferred = " [inferred]"
		}
		fmt.Fprintf(t.w, "%s%s   %s of frame %d%s, %.1f: %s\n", blank, under, e.Kind, e.Frames[0], inferred, e.Weight, printable(e.Reason, 300))
	}
}

func method(x *Transaction) string {
	if x.Request.Method == "" {
		return "(request not captured)"
	}
	return printable(x.Request.Method, 16)
}

// url is shortened in the middle: both the host and the end tell something.
func (t *tree) url(n *Node) string {
	s := n.Transaction.Request.Target
	if u := n.url(); u != nil {
		s = u.String()
	}
	if s == "" {
		s = n.Transaction.Flow.Server.String()
	}
	s = printable(s, 4*t.URL)
	if len(s) > t.URL {
		tail := t.URL / 3
		s = s[:t.URL-tail-3] + "..." + s[len(s)-tail:]
	}
	return s
}

func (t *tree) answer(n *Node) {
	a := n.Transaction.Response
	if a == nil {
		t.w.WriteString("  no answer")
		return
	}
	fmt.Fprintf(t.w, "  %d", a.Status)
	if len(a.Body.Data) == 0 {
		return
	}
	kind := a.Body.Magic
	if kind == "text/plain" && a.Body.Declares != "" { // what kind of text, only its sender says
		kind = a.Body.Declares
	}
	if n.Content.Name != "" {
		kind = n.Content.Name
	}
	fmt.Fprintf(t.w, " %s", printable(kind, 40))
	if n.Content.Disguise != "" {
		fmt.Fprintf(t.w, " (claims %s)", printable(n.Content.Disguise, 40))
	}
	fmt.Fprintf(t.w, " %d B", len(a.Body.Data))
}
