package replay

import (
	"bytes"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"

	"kagami/evidence/replay/links"
)

func (n *Node) client() netip.Addr { return n.Transaction.Flow.Client.Addr() }
func (n *Node) agent() string      { return n.Transaction.Request.Get("User-Agent") }
func (n *Node) begin() int64       { return n.Transaction.begin() }

// answered is when the client could first act on the answer.
func (n *Node) answered() int64 {
	if a := n.Transaction.Response; a != nil {
		return a.Time
	}
	return n.begin()
}

func (n *Node) url() *url.URL { return n.Transaction.Request.URL }

// hostOf is the name, or the address, that was asked, in lower case.
func hostOf(t *Transaction) string {
	if u := t.Request.URL; u != nil {
		return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	}
	if host, _, ok := strings.Cut(t.Request.Target, ":"); ok && t.Request.Method == "CONNECT" {
		return strings.ToLower(host)
	}
	return t.Flow.Server.Addr().String()
}

// siteOf is the registered domain of a host, or the host itself.
func siteOf(host string) string {
	if isAddress(host) {
		return host
	}
	if d, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return d
	}
	return host
}

// isAddress tells whether a host is no name.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// sameServer tells whether two transactions were with the same host, or the same address.
func (n *Node) sameServer(o *Node) bool {
	return n.host == o.host || n.Transaction.Flow.Server.Addr() == o.Transaction.Flow.Server.Addr() && !n.proxied() && !o.proxied()
}

// proxied tells whether the flow's server is a proxy, whose address says nothing.
func (n *Node) proxied() bool {
	t := n.Transaction
	return t.Flow.Via != nil || t.Request.Method == "CONNECT" || strings.Contains(t.Request.Target[:min(len(t.Request.Target), 10)], "://")
}

func (n *Node) status() int {
	if a := n.Transaction.Response; a != nil {
		return a.Status
	}
	return 0
}

// types are what a response declares to be, and is by content.
func (n *Node) types() (declares, magic string) {
	if a := n.Transaction.Response; a != nil {
		return a.Body.Declares, a.Body.Magic
	}
	return "", ""
}

// redirects tells whether the answer sends the client elsewhere.
func (n *Node) redirects() bool { return n.status()/100 == 3 && n.status() != 304 }

// document tells whether the answer is what a browser shows as a page. Scripts are often
// declared as HTML, too.
func (n *Node) document() bool {
	declares, magic := n.types()
	if magic == "text/html" {
		return strings.Contains(declares, "html") || declares == "" || strings.HasPrefix(declares, "text/")
	}
	if !strings.Contains(declares, "html") || len(n.In) > 0 && n.In[0].Kind == EdgeScript {
		return false
	}
	head := n.Transaction.Response.Body.Data
	return bytes.IndexByte(head[:min(len(head), 512)], '<') >= 0
}

func (n *Node) script() bool {
	declares, magic := n.types()
	return strings.Contains(declares, "script") || strings.Contains(magic, "javascript")
}

// text tells whether the answer is read as text.
func (n *Node) text() bool {
	declares, magic := n.types()
	return strings.HasPrefix(magic, "text/") || strings.HasPrefix(declares, "text/") || strings.Contains(declares, "script") ||
		strings.Contains(declares, "json") || strings.Contains(declares, "xml") || strings.Contains(magic, "json")
}

// active tells whether the answer can make a browser ask for more.
func (n *Node) active() bool {
	return n.document() || n.script() || n.redirects() || n.Content.Kind == ContentExploit
}

// ordinary tells whether the answer is of the kinds that fill every page.
func (n *Node) ordinary() bool {
	return n.Content.Kind == ContentPlain || n.Content.Kind == ContentScript
}

// attacks tells whether the answer can attack the browser or what it starts.
func (n *Node) attacks() bool {
	return n.Content.Kind == ContentExploit || n.Content.Kind == ContentScript
}

// location is a URL in the form in which browsers ask for it.
type location struct {
	key    string // without its scheme: http and https of a host on their usual ports are the same
	scheme string
	host   string // with the port, unless it is the usual one
	path   string // and query
}

// locate brings a URL into the form that links have.
func locate(raw string) (location, bool) {
	if raw == "" {
		return location{}, false
	}
	ls := links.FromHeaders(map[string][]string{"Location": {raw}}, nil)
	if len(ls) != 1 {
		return location{}, false
	}
	return cutURL(ls[0].URL)
}

// cutURL takes a URL as links writes it apart.
func cutURL(u string) (location, bool) {
	scheme, key, ok := strings.Cut(u, "://")
	if !ok {
		return location{}, false
	}
	host, _, _ := strings.Cut(key, "/")
	return location{key, scheme, host, key[len(host):]}, true
}

// tunnelKey stands for all of a host that is reached encrypted.
func tunnelKey(host string) string { return "tunnel " + strings.TrimSuffix(host, ":443") }

// keyOf is what links to a transaction are filed under.
func keyOf(t *Transaction) (location, bool) {
	if t.Request.Method == "CONNECT" {
		host := strings.ToLower(t.Request.Target)
		return location{key: tunnelKey(host), scheme: "https", host: strings.TrimSuffix(host, ":443")}, host != ""
	}
	if t.Request.URL == nil {
		return location{}, false
	}
	return locate(t.Request.URL.String())
}
