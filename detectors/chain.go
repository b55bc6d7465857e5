package detectors

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"kagami/records"
)

// visits are the last requests of one client, by which a download is traced back
// through referrers and redirections to where the user was.
type visits struct {
	ring   [remembered]visit
	n      int // ever
	agents [maxAgents]uint64
	spoken int // agents ever
	told   [4]tale
	last   raised
}

const (
	remembered = 32
	maxAgents  = 16
	maxSteps   = 8
)

// visit is one remembered request. It holds no pointers.
type visit struct {
	at, end  int64
	uid      uint64
	url      uint64 // hashes, 0 = none
	referrer uint64
	from     uint64 // host of the referrer
	origin   uint64 // registered domain of the referrer
	location uint64
	host     uint64
	domain   uint64 // registered domain, or the host where there is none
	agent    uint64
	risk     risk
	page     bool // a document that a person may look at
	post     bool
	textLen  uint8
	hostLen  uint8
	text     [88]byte // of the URL, without its scheme, cut
}

// tale is an incident told, by the domain that delivered.
type tale struct {
	domain uint64
	raised
}

func (v *visit) hostName() string { return string(v.text[:min(v.hostLen, v.textLen)]) }

// where is the URL as far as it is remembered.
func (v *visit) where() string {
	s := string(v.text[:v.textLen])
	if int(v.textLen) == len(v.text) {
		s += "..."
	}
	return quote(s)
}

// visitOf condenses a transaction.
func visitOf(r *records.HTTP, c *contact, k risk) visit {
	v := visit{at: r.Start, end: max(r.End, r.Start), uid: r.Meta().UID, risk: k, agent: textKey(r.UserAgent), host: c.destination()}
	name := c.name
	if name == "" {
		name = c.addr.String()
	}
	v.describe(strings.ToLower(name), r.URL)
	v.domain = c.domain()
	v.url = textKey(withoutFragment(r.URL))
	if r.Referrer != "" {
		v.referrer = textKey(withoutFragment(r.Referrer))
		v.from, v.origin = hostOf(r.Referrer)
	}
	if r.Location != "" {
		v.location = textKey(withoutFragment(resolve(r.URL, r.Location)))
	}
	v.page = r.Status == 200 && (r.Magic == "html" || mediaType(r.ContentType) == "text/html")
	v.post = r.Method == "POST"
	return v
}

// describe keeps the host and what follows it in the URL.
func (v *visit) describe(host, raw string) {
	v.hostLen = uint8(min(len(host), 255))
	n := copy(v.text[:], host)
	if _, rest, ok := strings.Cut(raw, "://"); ok {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			n += copy(v.text[n:], rest[i:])
		}
	}
	v.textLen = uint8(n)
}

// leaf tells what nothing follows from, so that it need not be remembered: a
// page's pictures would push out the page.
func leaf(r *records.HTTP, k risk) bool {
	if k != harmless || r.Location != "" || r.Method == "POST" {
		return false
	}
	t := mediaType(r.ContentType)
	kind, _, _ := strings.Cut(t, "/")
	switch kind {
	case "image", "font", "audio", "video":
		return true
	}
	return t == "text/css" || r.Status == 304
}

// textKey is a hash of a string as it is, 0 for none.
func textKey(s string) uint64 {
	if s == "" {
		return 0
	}
	h := uint64(fnvOffset)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return mix(h)
}

func withoutFragment(s string) string {
	s, _, _ = strings.Cut(s, "#")
	return s
}

// hostOf gives the keys of a URL's host and its domain, 0 if there is none.
func hostOf(raw string) (host, domain uint64) {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return 0, 0
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	c := contact{}
	if c.name, _ = splitAuthority(rest); c.name == "" {
		return 0, 0
	}
	c.literal()
	return c.destination(), c.domain()
}

// domain is a hash of the registered domain, or of the host where there is none.
func (c *contact) domain() uint64 {
	if d := registered(c.name); d != "" {
		return nameKey(d)
	}
	return c.destination()
}

// resolve makes a Location absolute (RFC 9110 section 10.2.2).
func resolve(base, location string) string {
	if strings.Contains(location, "://") {
		return location
	}
	b, err := url.Parse(base)
	if err != nil {
		return location
	}
	l, err := b.Parse(location)
	if err != nil {
		return location
	}
	return l.String()
}

// add remembers a request.
func (v *visits) add(x visit) *visit {
	at := &v.ring[v.n%remembered]
	*at = x
	v.n++
	return at
}

// speaks notes a User-Agent. It reports whether the machine did not use it before.
func (v *visits) speaks(agent uint64) bool {
	for i := 0; i < v.spoken && i < maxAgents; i++ {
		if v.agents[i] == agent {
			return false
		}
	}
	v.agents[v.spoken%maxAgents] = agent
	v.spoken++
	return true
}

// recent calls yield with the requests not older than since, youngest first,
// until it returns false.
func (v *visits) recent(since int64, yield func(*visit) bool) {
	for i := v.n - 1; i >= 0 && i >= v.n-remembered; i-- {
		if x := &v.ring[i%remembered]; x.at >= since && !yield(x) {
			return
		}
	}
}

// hop is why one request is taken to have led to another.
type hop uint8

const (
	hopNone     hop = iota
	hopLocation     // the answer's Location
	hopReferrer     // the Referer
	hopSite         // the Referer's host: browsers cut it to the origin
	hopAttack       // no Referer, an object that can attack came from the same host
	hopSame         // no Referer, the last page of the same host
	hopAfter        // no Referer, what came just before can attack
)

func (h hop) String() string {
	return [...]string{"", "Location", "Referer", "host of the Referer",
		"no Referer, after what can attack, same host [inferred]", "no Referer, same host [inferred]", "no Referer, soon after [inferred]"}[h]
}

// before finds the request that led to x: a redirection, the referrer, the
// referrer's site, or, for a program that gives no referrer, an attack or a page
// of the same host.
func (v *visits) before(x *visit, since int64) (*visit, hop) {
	var found [hopAfter]*visit
	v.recent(since, func(y *visit) bool {
		h := hopNone
		switch {
		case y == x || y.at > x.at:
		case x.url != 0 && y.location == x.url:
			h = hopLocation
		case x.referrer != 0 && y.url == x.referrer:
			h = hopReferrer
		case x.from != 0 && y.host == x.from:
			h = hopSite
		case x.referrer != 0 || y.host != x.host:
		case x.risk.payload() && y.risk.attack():
			h = hopAttack
		case y.page || y.risk != harmless || y.location != 0:
			h = hopSame
		}
		if found[h] == nil {
			found[h] = y
		}
		return h != hopLocation
	})
	for h := hopLocation; h < hopAfter; h++ {
		if found[h] != nil {
			return found[h], h
		}
	}
	return nil, hopNone
}

// trail is the way that led to a download, the download first.
type trail struct {
	steps    []*visit
	hops     []hop // hops[i] led to steps[i]
	domains  int   // distinct registered domains
	attacked risk  // an object that can attack a browser came from one of them
}

// trace follows a request back.
func (v *visits) trace(x *visit, since int64) trail {
	t := trail{steps: []*visit{x}, hops: []hop{hopNone}, domains: 1}
	for v.extend(&t, since) {
	}
	// The first step may have come from a page that was not seen, being encrypted.
	if from := t.first().origin; from != 0 && !t.knows(from) {
		t.domains++
	}
	return t
}

// extend adds the request before the first step.
func (v *visits) extend(t *trail, since int64) bool {
	if len(t.steps) == maxSteps {
		return false
	}
	y, h := v.before(t.first(), since)
	if y == nil || t.has(y) {
		return false
	}
	if !t.knows(y.domain) {
		t.domains++
	}
	t.lead(y, h)
	return true
}

// lead puts a request before the first step.
func (t *trail) lead(y *visit, h hop) {
	t.hops[len(t.hops)-1] = h
	t.steps, t.hops = append(t.steps, y), append(t.hops, hopNone)
}

func (t *trail) first() *visit { return t.steps[len(t.steps)-1] }

func (t *trail) has(y *visit) bool {
	for _, s := range t.steps {
		if s == y {
			return true
		}
	}
	return false
}

func (t *trail) knows(domain uint64) bool {
	for _, s := range t.steps {
		if s.domain == domain {
			return true
		}
	}
	return false
}

// String writes the hosts passed, in order of time.
func (t *trail) String() string {
	var b strings.Builder
	last := uint64(0)
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := t.steps[i]
		if s.host == last {
			continue
		}
		if last = s.host; b.Len() > 0 {
			b.WriteString(" -> ")
		}
		b.WriteString(quote(s.hostName()))
	}
	return b.String()
}

// sentences are the steps in order of time, one a line.
func (t *trail) sentences() []string {
	out := make([]string, 0, len(t.steps)+1)
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := t.steps[i]
		if i == len(t.steps)-1 {
			out = append(out, instant(s.at)+" "+s.where())
			continue
		}
		out = append(out, fmt.Sprintf("%s %s -> %s (%s)", instant(s.at), quote(t.steps[i+1].hostName()), s.where(), t.hops[i]))
	}
	return out
}

// instant is a time of day with milliseconds.
func instant(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05.000Z") }
