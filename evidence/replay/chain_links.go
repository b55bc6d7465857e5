package replay

import (
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"

	"kagami/evidence/replay/links"
)

// found is a link in an answer, to something that the client asked for.
type found struct {
	location
	kind     EdgeKind
	reason   string
	method   string // of a form
	offset   int
	inferred bool
	prefix   bool // key is only the beginning
	hidden   bool // it had to be decoded, or a script writes it
}

// bodyKey is on what the links of a body depend, besides what the client asked for.
type bodyKey struct {
	client       *visitor
	sha256, base string
	declares     string
}

// links are those of an answer that the client asked for at any time.
func (b *builder) links(n *Node, v *visitor) []found {
	a := n.Transaction.Response
	all := v.headerLinks(n)
	body := &a.Body
	data := body.Data
	if a.Status == 304 {
		return append(all, v.bodies[n.key]...)
	}
	if len(data) == 0 || a.Status == 206 && n.Content.Kind == ContentPlain {
		return all
	}
	base := b.base(n)
	key := bodyKey{client: v, sha256: body.SHA256, declares: a.Get("Content-Type")}
	if base != nil {
		key.base = base.String()
	}
	s, known := b.known[key]
	if !known || key.sha256 == "" {
		cost := min(int64(len(data)), maxSearched)
		if !n.text() {
			cost /= 8
		}
		if b.searched+cost > maxTotal {
			if b.skipped++; b.skipped == 1 {
				b.first = n.answered()
			}
			return all
		}
		b.searched += cost
		s = b.search(n, v, base)
		if len(b.known) < maxKnown {
			b.known[key] = s
		}
	}
	fs := s.links
	n.judgeSigns(s.signs)
	if n.key != "" && (len(fs) > 0 || len(v.bodies[n.key]) > 0) && a.Status == 200 {
		v.bodies[n.key] = fromCache(fs, a.Frame)
	}
	return append(all, fs...)
}

// fromCache are the links of a body that the client still has.
func fromCache(fs []found, frame int) []found {
	all := slices.Clone(fs)
	for i := range all {
		all[i].reason += fmt.Sprintf(", in the body of frame %d, which the client still had", frame)
	}
	return all
}

// base is what relative references are relative to: of a script, the page that it is in.
func (b *builder) base(n *Node) *url.URL {
	if !n.script() {
		return n.url()
	}
	if u, err := url.Parse(n.Transaction.Request.Get("Referer")); err == nil && u.Host != "" {
		return u
	}
	if n.Parent != nil && n.Parent.url() != nil {
		return n.Parent.url()
	}
	return n.url()
}

// searched is what was found in a body.
type searched struct {
	links []found
	signs []links.Sign
}

// search reads a body.
func (b *builder) search(n *Node, v *visitor, base *url.URL) searched {
	a := n.Transaction.Response
	_, params, _ := mime.ParseMediaType(a.Get("Content-Type"))
	data := a.Body.Data
	r := links.Examine(data, a.Body.Declares, params["charset"], base, links.Limits{Input: maxSearched})
	for _, x := range r.Notes {
		if x.Limit > 0 {
			b.tell(n, fmt.Sprintf("links of a body: more than %d %s", x.Limit, x.What))
		}
	}
	var kept []found
	for i := range r.Links {
		if f, ok := v.keep(&r.Links[i]); ok {
			kept = append(kept, f)
		}
	}
	return searched{kept, r.Signs}
}

// judgeSigns tells a page that attacks by itself from others. An object that is named
// by its class is no sign alone: firms' own pages have such.
func (n *Node) judgeSigns(signs []links.Sign) {
	if n.Content.Kind != ContentPlain || !n.document() && !n.script() {
		return
	}
	for _, s := range signs {
		if s.What == links.SignCode || s.What == links.SignPacked {
			n.signs = signs
			n.Content.Kind, n.Content.Name = ContentScript, "HTML"
			if !n.document() {
				n.Content.Name = "JavaScript"
			}
		}
	}
}

// sign is how long a sign in the body is, 0 = there is none.
func (n *Node) sign(what string) int {
	for i := range n.signs {
		if n.signs[i].What == what {
			return n.signs[i].Octets
		}
	}
	return 0
}

// headerLinks are those of the header fields, 103 (Early Hints) included.
func (v *visitor) headerLinks(n *Node) (all []found) {
	a := n.Transaction.Response
	h := map[string][]string{}
	for _, m := range append(slices.Clip(n.Transaction.Early), a) {
		for _, f := range m.Header {
			switch strings.ToLower(f.Name) {
			case "location", "refresh", "link", "content-location":
				h[f.Name] = append(h[f.Name], f.Value)
			}
		}
	}
	if len(h) == 0 {
		return nil
	}
	for _, l := range links.FromHeaders(h, n.url()) {
		if f, ok := v.keep(&l); ok {
			f.reason = l.Where + " header field"
			if l.Kind == links.KindRefresh {
				f.kind = EdgeRefresh
			}
			all = append(all, f)
		}
	}
	return all
}

// keep forgets links to what the client never asked for.
func (v *visitor) keep(l *links.Link) (found, bool) {
	at, ok := cutURL(l.URL)
	if !ok || l.Kind == links.KindBase {
		return found{}, false
	}
	prefix := l.Prefix && at.path != "" && at.path != "/"
	switch {
	case prefix && !v.within[directory(at)], !prefix && !v.wanted[at.key] && !(at.scheme == "https" && v.wanted[tunnelKey(at.host)]):
		return found{}, false
	}
	f := found{location: at, kind: kindOfLink(l), reason: printable(strings.ReplaceAll(l.Reason(), "›", ">"), maxReason), method: l.Method, offset: l.Offset, inferred: l.Inferred, prefix: prefix}
	f.hidden = l.Depth > 0 || slices.Contains(l.Via, links.StepWrite) || slices.Contains(l.Via, links.StepUnescape) || slices.Contains(l.Via, links.StepEval)
	return f, true
}

// maxReason bounds the octets from the wire in one reason.
const maxReason = 120

func kindOfLink(l *links.Link) EdgeKind {
	if slices.Contains(l.Via, links.StepWrite) {
		return EdgeWrite
	}
	switch l.Kind {
	case links.KindRefresh:
		return EdgeMetaRefresh
	case links.KindContentLocation:
		return EdgeLink
	}
	return EdgeKind(l.Kind)
}

// directory is where links are filed that are only the beginning of a URL: all before
// the last slash of the path. It is a piece of the key.
func directory(l location) string {
	path, _, _ := strings.Cut(l.path, "?")
	return l.key[:len(l.host)+strings.LastIndexByte(path, '/')+1]
}

// directories are those in which a link that is the beginning of l may be filed, the
// deepest only if there are many.
func directories(l location) (all []string) {
	path, _, _ := strings.Cut(l.path, "?")
	for i := len(path) - 1; i >= 0 && len(all) < maxPrefixes; i-- {
		if path[i] == '/' {
			all = append(all, l.key[:len(l.host)+i+1])
		}
	}
	return all
}
