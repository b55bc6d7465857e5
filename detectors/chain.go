package detectors

import (
	"net/url"
	"strings"

	"kagami/records"
)

// visits are the last requests of one client, by which a download is traced back
// through referrers and redirections to where the user was.
type visits struct {
	ring [remembered]visit
	n    int // ever
	told [4]tale
	last raised
}

const (
	remembered = 32
	maxSteps   = 8
)

// visit is one remembered request. It holds no pointers.
type visit struct {
	at       int64
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
	nameLen  uint8
	name     [46]byte // of the host, cut
}

// tale is an incident told, by the domain that delivered.
type tale struct {
	domain uint64
	raised
}

func (v *visit) hostName() string { return string(v.name[:v.nameLen]) }

// visitOf condenses a transaction.
func visitOf(r *records.HTTP, c *contact) visit {
	v := visit{at: r.Start, uid: r.Meta().UID, risk: riskOf(r), agent: textKey(r.UserAgent), host: c.destination()}
	name := c.name
	if name == "" {
		name = c.addr.String()
	}
	v.nameLen = uint8(copy(v.name[:], strings.ToLower(name)))
	v.domain = c.domain()
	v.url = textKey(withoutFragment(r.URL))
	if r.Referrer != "" {
		v.referrer = textKey(withoutFragment(r.Referrer))
		v.from, v.origin = hostOf(r.Referrer)
	}
	if r.Location != "" {
		v.location = textKey(withoutFragment(resolve(r.URL, r.Location)))
	}
	return v
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
func (v *visits) add(x visit) {
	v.ring[v.n%remembered] = x
	v.n++
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

// before finds the request that led to x: a redirection, the referrer, the
// referrer's site, or the last request to the same host by a program that gives
// no referrer.
func (v *visits) before(x *visit, since int64) *visit {
	var redirect, page, site, same *visit
	v.recent(since, func(y *visit) bool {
		switch {
		case y == x || y.at > x.at:
		case redirect == nil && x.url != 0 && y.location == x.url:
			redirect = y
		case page == nil && x.referrer != 0 && y.url == x.referrer:
			page = y
		case site == nil && x.from != 0 && y.host == x.from:
			site = y
		case same == nil && x.referrer == 0 && y.host == x.host:
			same = y
		}
		return redirect == nil
	})
	for _, found := range [...]*visit{redirect, page, site, same} {
		if found != nil {
			return found
		}
	}
	return nil
}

// trail is the way that led to a download, the download first.
type trail struct {
	steps    []*visit
	domains  int  // distinct registered domains
	attacked bool // an object that can attack a browser came from one of them
}

// trace follows a request back.
func (v *visits) trace(x *visit, since int64) trail {
	t := trail{steps: []*visit{x}, domains: 1}
	for len(t.steps) < maxSteps {
		y := v.before(t.steps[len(t.steps)-1], since)
		if y == nil || t.has(y) {
			break
		}
		if !t.knows(y.domain) {
			t.domains++
		}
		t.steps = append(t.steps, y)
	}
	// The first step may have come from a page that was not seen, being encrypted.
	if from := t.steps[len(t.steps)-1].origin; from != 0 && !t.knows(from) {
		t.domains++
	}
	return t
}

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
