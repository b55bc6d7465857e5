package replay

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// How long after a cause an effect is still guessed to be one.
const (
	afterExploit = 2 * time.Minute
	afterPayload = 5 * time.Minute
	afterPage    = time.Minute
	afterLookup  = 10 * time.Second
	beforeLookup = 2 * time.Second
)

// infer guesses where nothing that was transferred names the URL. A request that says
// where it comes from comes from nowhere else.
func (c *causes) infer() {
	if c.byBrowser() || c.refers || c.to.Transaction.Request.Method == "CONNECT" {
		return
	}
	c.afterExploit()
	c.afterPayload()
	c.afterPage()
	if len(c.all) == 0 {
		c.afterLookup()
	}
}

// guess adds a guess.
func (c *causes) guess(from *Node, k EdgeKind, reason string, w float64) {
	if x := c.add(from, c.edge(from, k, reason, w, true)); x != nil {
		x.total += w
	}
}

// byBrowser knows what browsers ask for by themselves.
func (c *causes) byBrowser() bool {
	path, _, _ := strings.Cut(c.loc.path, "?")
	if path != "/favicon.ico" && !strings.HasPrefix(path, "/apple-touch-icon") {
		return false
	}
	if ps := c.v.pages[c.to.host]; len(ps) > 0 {
		c.guess(ps[len(ps)-1], EdgeLink, "browsers ask for it by themselves", 4)
	}
	return true
}

// since tells how long before the request a node was answered, and whether less than d.
func (c *causes) since(from *Node, d time.Duration) (time.Duration, bool) {
	dt := time.Duration(c.to.begin() - from.answered())
	return dt, dt >= 0 && dt <= d
}

// afterExploit: what the code that an exploit starts fetches bears no Referer.
func (c *causes) afterExploit() {
	for _, x := range c.v.exploits {
		dt, near := c.since(x, afterExploit)
		same := x.agent() == c.to.agent()
		if !near || !x.sameServer(c.to) || c.to.ordinary() && (same || c.to.document()) {
			continue
		}
		w := 2.0
		if k := c.to.Content.Kind; k == ContentProgram || k == ContentOpaque {
			w += 1.5
		}
		if same && !strings.HasPrefix(c.to.agent(), "Mozilla/5") {
			w++ // the plug-in's own
		}
		c.guess(x, EdgeAfterExploit, fmt.Sprintf("no Referer, same server, %s after %s", seconds(dt), x.Content.Name), w)
	}
}

// afterPayload: a User-Agent that was not seen before the program came.
func (c *causes) afterPayload() {
	agent := c.to.agent()
	seen, known := c.v.agents[agent]
	for _, x := range c.v.payloads {
		dt, near := c.since(x, afterPayload)
		browser := rootOf(x).agent()
		if near && agent == browser && c.to.Transaction.Request.Method == "POST" && isAddress(c.to.host) {
			c.guess(x, EdgeAfterPayload, fmt.Sprintf("no Referer, to an address without a name, %s after %s", seconds(dt), x.Content.Name), 1.5)
			continue
		}
		if !near || agent == browser || known && seen < x.begin() && agent != x.agent() || c.houseKeeping() {
			continue
		}
		w := 1.5
		if c.to.Transaction.Request.Method == "POST" || x.sameServer(c.to) {
			w += 0.5
		}
		c.guess(x, EdgeUserAgent, fmt.Sprintf("no Referer, %s after %s, %s", seconds(dt), x.Content.Name, changed(browser, agent)), w)
	}
}

// houseKeeping is what operating systems fetch whatever happens: certificates, lists of
// revoked ones. The declared type must say so as well as the User-Agent.
func (c *causes) houseKeeping() bool {
	agent := c.to.agent()
	if !strings.HasPrefix(agent, "Microsoft-CryptoAPI/") && !strings.HasPrefix(agent, "Microsoft NCSI") {
		return false
	}
	declares, _ := c.to.types()
	path, _, _ := strings.Cut(c.loc.path, "?")
	return strings.Contains(declares, "ocsp") || strings.Contains(declares, "pkix") || strings.Contains(declares, "x509") || declares == "text/plain" ||
		strings.HasSuffix(path, ".crl") || strings.HasSuffix(path, ".crt") || strings.HasSuffix(path, ".cab") || c.to.Transaction.Response == nil
}

// afterPage: a program or an object that can attack comes from the server of a page
// without a Referer, as when code fetches it that the page starts.
func (c *causes) afterPage() {
	ps := c.v.pages[c.to.host]
	if len(ps) == 0 || c.to.ordinary() {
		return
	}
	p := ps[len(ps)-1]
	dt, near := c.since(p, afterPage)
	if !near {
		return
	}
	reason := fmt.Sprintf("no Referer, %s after a page of the same server", seconds(dt))
	if p.agent() == c.to.agent() {
		c.guess(p, EdgeAfterExploit, reason, 1.2)
		return
	}
	c.guess(p, EdgeUserAgent, reason+", "+changed(p.agent(), c.to.agent()), 1.5)
}

// afterLookup: the name was looked up right after something came that can make a
// browser do so.
func (c *causes) afterLookup() {
	host := c.to.host
	all := c.v.lookups[host]
	i := sort.Search(len(all), func(i int) bool { return all[i].Time > c.to.begin() }) - 1
	if i < 0 || c.to.begin()-all[i].Time > int64(afterLookup) {
		return
	}
	lookup := all[i]
	for _, x := range slices.Backward(c.v.recent) {
		before := lookup.Time - x.answered()
		if before < 0 {
			continue
		}
		if before <= int64(beforeLookup) && x.agent() == c.to.agent() {
			c.guess(x, EdgeDNS, fmt.Sprintf("%s was looked up (frame %d) %s after this answer began, and asked %s later",
				printable(host, maxReason), lookup.Frame, seconds(time.Duration(before)), seconds(time.Duration(c.to.begin()-lookup.Time))), 1.2)
		}
		return
	}
}

func rootOf(n *Node) *Node {
	for n.Parent != nil {
		n = n.Parent
	}
	return n
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
