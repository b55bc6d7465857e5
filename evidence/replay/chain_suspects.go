package replay

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"kagami/evidence/replay/links"
)

// Role is what a transaction seems to be in an attack: a guess.
type Role string

// The roles. What an attack begins with, such as the page of a site that was broken
// into, has none: it is the root.
const (
	RoleGate    Role = "gate"     // leads from the page that was visited to the landing page
	RoleLanding Role = "landing"  // the page that starts the exploits
	RoleExploit Role = "exploit"  // the object that attacks the browser or its plug-ins
	RolePayload Role = "payload"  // the program that comes in the end
	RoleCheckIn Role = "check-in" // what that program does first
)

// Suspect is a way that ends in a program, or in an object that can attack.
type Suspect struct {
	Path    []*Node // from the root to the end
	Score   float64 // in nats: how much more this looks like a drive-by download than like a user's own
	Reasons []Weighed
}

// End is what the way ends in.
func (s *Suspect) End() *Node { return s.Path[len(s.Path)-1] }

// Weighed is a reason and its worth in nats.
type Weighed struct {
	Text string
	Nats float64
}

const (
	// SuspectScore is from where on a Suspect is an attack rather than not. How rare the
	// servers are is not in the score: a Chain knows one capture only.
	SuspectScore = 6
	maxSuspects  = 256
	maxEnds      = 1 << 14
	maxPath      = 64 // nodes of a way, counted from its end
)

// Suspects are the ways that end in a program or in an object that can attack, the
// worst first. An object that is on the way to another end is none of its own.
func (c *Chain) Suspects() []Suspect {
	var all []Suspect
	for _, n := range c.Nodes {
		if len(all) == maxEnds {
			break
		}
		if c.ends(n) {
			all = append(all, judge(n))
		}
	}
	slices.SortStableFunc(all, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.End().order, b.End().order))
	})
	return all[:min(len(all), maxSuspects)]
}

// ends tells whether a way ends here. Data without a type ends one only when an exploit
// led to it.
func (c *Chain) ends(n *Node) bool {
	switch n.Content.Kind {
	case ContentProgram, ContentContainer:
		return true
	case ContentExploit:
		return !slices.ContainsFunc(n.Children, func(x *Node) bool { return x.Content.Kind == ContentProgram || x.payload() })
	case ContentScript: // else what it led to ends the way
		return !slices.ContainsFunc(n.Children, func(x *Node) bool { return x.Content.Kind != ContentPlain })
	}
	return n.payload()
}

// payload tells whether it is a program, or data that an exploit fetched.
func (n *Node) payload() bool {
	if n.Content.Kind != ContentOpaque {
		return n.Content.Kind == ContentProgram
	}
	return n.Parent != nil && (n.Parent.Content.Kind == ContentExploit || n.In[0].Kind == EdgeAfterExploit)
}

// pathTo is the way to a node.
func pathTo(n *Node) (path []*Node) {
	for ; n != nil && len(path) < maxPath; n = n.Parent {
		path = append(path, n)
	}
	slices.Reverse(path)
	return path
}

// judge scores a way.
func judge(end *Node) Suspect {
	s := Suspect{Path: pathTo(end)}
	s.judgeEnd(end)
	s.judgeWay()
	s.judgeAfter(end)
	for _, r := range s.Reasons {
		s.Score += r.Nats
	}
	return s
}

func (s *Suspect) say(nats float64, format string, args ...any) {
	s.Reasons = append(s.Reasons, Weighed{fmt.Sprintf(format, args...), nats})
}

// judgeEnd looks at what came.
func (s *Suspect) judgeEnd(n *Node) {
	switch n.Content.Kind {
	case ContentProgram:
		s.say(3, "%s: a program", n.Content.Name)
	case ContentExploit:
		s.say(1, "%s: such objects can attack", n.Content.Name)
	case ContentContainer:
		s.say(0.5, "%s: can hold programs", n.Content.Name)
	case ContentOpaque:
		s.say(1.5, "data of no known type")
	case ContentScript:
		s.judgeScript(n)
	}
	if n.Content.Disguise != "" {
		s.say(2, "it claims to be %s", printable(n.Content.Disguise, maxReason))
	}
	if n.payload() && harmlessName(n) {
		s.say(1, "its name is not one of a program")
	}
	if isAddress(n.host) {
		s.say(0.5, "from an address without a name")
	}
	if u := n.url(); u != nil && u.Port() != "" && u.Port() != "80" && u.Port() != "443" {
		s.say(0.5, "from port %s", printable(u.Port(), 8))
	}
}

// judgeScript looks at a page that attacks by itself.
func (s *Suspect) judgeScript(n *Node) {
	if octets := n.sign(links.SignCode); octets > 0 {
		s.say(4, "a script in it holds %d octets that look like machine code", octets)
	}
	if n.sign(links.SignPacked) > 0 {
		s.say(1.5, "most of it is one encoded text")
	}
	if n.sign(links.SignFill) > 0 {
		s.say(1, "a script in it has what memory is filled with in attacks")
	}
	if n.sign(links.SignObject) > 0 {
		s.say(1, "it starts an ActiveX object")
	}
}

// harmlessName tells whether a program's URL has no name of a program, and no field
// names it either.
func harmlessName(n *Node) bool {
	u := n.url()
	if u == nil || n.Transaction.Response.Get("Content-Disposition") != "" {
		return false
	}
	path := strings.ToLower(u.Path)
	for _, x := range []string{".exe", ".msi", ".dll", ".scr", ".com", ".cab", ".bin", ".dmg", ".pkg", ".deb", ".rpm", ".apk", ".msu", ".esd", ".dat", ".hta", ".lnk", ".sys"} {
		if strings.HasSuffix(path, x) {
			return false
		}
	}
	return true
}

// judgeWay looks at what led there.
func (s *Suspect) judgeWay() {
	sites, redirects, hidden, last := map[string]bool{}, 0, false, ""
	var exploit *Node
	for i, n := range s.Path {
		if site := n.site; site != last {
			sites[site], last = true, site
		}
		if n.redirects() {
			redirects++
		}
		hidden = hidden || i > 0 && slices.ContainsFunc(n.In, func(e Edge) bool { return e.hidden && e.From == n.In[0].From })
		if i < len(s.Path)-1 && (n.Content.Kind == ContentExploit || n.sign(links.SignCode) > 0) {
			exploit = n
		}
	}
	end, root := s.End(), s.Path[0]
	if r, ok := locate(root.Transaction.Request.Get("Referer")); ok && siteOf(hostOnly(r.host)) != root.site && (len(s.Path) == 1 || root.redirects()) {
		s.say(1, "led there by a page of another site, which was not captured")
	}
	if exploit != nil {
		s.say(3, "after %s, which can attack", exploit.Content.Name)
	}
	if n := len(sites) - 1; n > 0 {
		s.say(math.Min(float64(n), 3), "by way of %s", plural(n, "other site"))
	}
	if redirects > 0 {
		s.say(0.5, "%s on the way", plural(redirects, "redirection"))
	}
	if hidden {
		s.say(1, "what leads there is encoded, or a script writes it")
	}
	if len(end.In) == 0 {
		return
	}
	switch e := end.In[0]; {
	case e.Kind == EdgeAnchor || e.Kind == EdgeForm:
		s.say(-2, "by a link that users click")
	case end.agent() != root.agent():
		s.say(1, "the browser did not fetch it")
	}
	if p := end.Parent; p != nil && len(s.Path) > 1 && end.Content.Kind == ContentProgram && time.Duration(end.begin()-p.answered()) < 10*time.Second && end.In[0].Kind != EdgeAnchor && !p.redirects() {
		s.say(1, "%s after what led there", seconds(time.Duration(end.begin()-p.answered())))
	}
}

// judgeAfter looks at what the program did.
func (s *Suspect) judgeAfter(end *Node) {
	if end.payload() && slices.ContainsFunc(end.Children, func(n *Node) bool { return n.In[0].Kind == EdgeUserAgent }) {
		s.say(1.5, "requests with a User-Agent follow that was not seen before")
	}
}

// guess gives the nodes of attacks their roles.
func (c *Chain) guess() {
	for _, s := range c.Suspects() {
		if s.Score >= SuspectScore {
			s.assign()
		}
	}
}

func (n *Node) is(r Role, format string, args ...any) {
	if n.Role == "" {
		n.Role, n.Why = r, fmt.Sprintf(format, args...)
	}
}

func (s *Suspect) assign() {
	end := s.End()
	at := len(s.Path) - 1
	if end.payload() || end.Content.Kind == ContentContainer {
		end.is(RolePayload, "%s in the end of a suspicious way", end.Content.Name)
		for _, n := range end.Children {
			switch k := n.In[0].Kind; {
			case n.payload():
			case k == EdgeUserAgent:
				n.is(RoleCheckIn, "the first requests after %s with a User-Agent that was not seen before", end.Content.Name)
			case k == EdgeAfterPayload:
				n.is(RoleCheckIn, "sent to an address without a name after %s", end.Content.Name)
			}
		}
		at--
	}
	if end.Content.Kind == ContentScript {
		end.is(RoleExploit, "%s that seems to attack the browser by itself", end.Content.Name)
	}
	for ; at >= 0 && !s.Path[at].ordinary(); at-- {
		if n := s.Path[at]; n.payload() {
			n.is(RolePayload, "%s that fetches another program", n.Content.Name)
		} else {
			n.is(RoleExploit, "%s, which can attack, on the way", n.Content.Name)
		}
	}
	for at >= 0 && !s.Path[at].document() {
		at--
	}
	if at < 0 {
		return
	}
	landing := s.Path[at]
	landing.is(RoleLanding, "the page before the exploit or program")
	for _, n := range landing.Children {
		if n.Content.Kind == ContentExploit {
			n.is(RoleExploit, "%s, which can attack, of the landing page", n.Content.Name)
		}
	}
	root := s.Path[0]
	for _, n := range s.Path[:at] {
		if n.redirects() || n.site != root.site {
			n.is(RoleGate, "between the page that was visited and the landing page")
		}
	}
}
