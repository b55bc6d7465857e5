package download

import (
	"fmt"
	"strings"
	"time"

	"kagami/detectors/incident"
)

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

// String is the reason as it stands in Alert.Chain.
func (h hop) String() string {
	return [...]string{"", "Location", "Referer", "host of Referer", "inferred: exploit, same host", "inferred: same host", "inferred: soon after"}[h]
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
	steps    [maxSteps]*visit
	hops     [maxSteps]hop // hops[i] led to steps[i]
	n        int
	domains  int  // distinct registered domains
	attacked risk // the worst object that can attack a browser from one of them
}

// trace follows a request back.
func (v *visits) trace(x *visit, since int64) trail {
	t := trail{n: 1, domains: 1}
	t.steps[0] = x
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
	y, h := v.before(t.first(), since)
	if y == nil || t.has(y) {
		return false
	}
	fresh := !t.knows(y.domain)
	if !t.lead(y, h) {
		return false
	}
	if fresh {
		t.domains++
	}
	return true
}

// lead puts a request before the first step, if there is room.
func (t *trail) lead(y *visit, h hop) bool {
	if t.n == maxSteps {
		return false
	}
	t.hops[t.n-1], t.steps[t.n] = h, y
	t.n++
	return true
}

// prelude puts the attack before a payload that nothing on record led to.
func (v *visits) prelude(t *trail, since int64) {
	x := t.first()
	if x.referrer != 0 || !t.steps[0].risk.payload() {
		return
	}
	v.recent(since, func(y *visit) bool {
		if y.at >= x.at || !y.risk.attack() && !y.risk.payload() || t.has(y) {
			return true
		}
		for ok := t.lead(y, hopAfter); ok; {
			ok = v.extend(t, since)
		}
		return false
	})
}

func (t *trail) first() *visit { return t.steps[t.n-1] }

func (t *trail) has(y *visit) bool {
	for _, s := range t.steps[:t.n] {
		if s == y {
			return true
		}
	}
	return false
}

func (t *trail) knows(domain uint64) bool {
	for _, s := range t.steps[:t.n] {
		if s.domain == domain {
			return true
		}
	}
	return false
}

// page is the last page of another site on the way, nil if there is none.
func (t *trail) page() *visit {
	for _, y := range t.steps[1:t.n] {
		if y.page && y.domain != t.steps[0].domain {
			return y
		}
	}
	return nil
}

// redirected tells whether a Location led to another site.
func (t *trail) redirected() bool {
	for i := range t.n - 1 {
		if t.hops[i] == hopLocation && t.steps[i].domain != t.steps[i+1].domain {
			return true
		}
	}
	return false
}

// hosts writes the hosts passed, in order of time.
func (t *trail) hosts() string {
	var b strings.Builder
	last := uint64(0)
	for i := t.n - 1; i >= 0; i-- {
		s := t.steps[i]
		if s.host == last {
			continue
		}
		if last = s.host; b.Len() > 0 {
			b.WriteString(" -> ")
		}
		b.WriteString(incident.Quote(s.hostName()))
	}
	return b.String()
}

// chain are the steps in order of time: when, from where, to what, and why it is
// thought so.
func (t *trail) chain() []string {
	out := make([]string, 0, t.n+1)
	for i := t.n - 1; i >= 0; i-- {
		s := t.steps[i]
		if i == t.n-1 {
			out = append(out, s.step(nil, hopNone))
			continue
		}
		out = append(out, s.step(t.steps[i+1], t.hops[i]))
	}
	return out
}

// step is one line of a chain.
func (v *visit) step(from *visit, h hop) string {
	at := time.Unix(0, v.at).UTC().Format("2006-01-02 15:04:05.000Z")
	method := ""
	if v.post {
		method = "POST "
	}
	if from == nil {
		return fmt.Sprintf("%s %s%s", at, method, v.where())
	}
	const host = 40 // octets of the host that led there
	name := from.hostName()
	return fmt.Sprintf("%s %s -> %s%s (%s)", at, incident.Quote(name[max(0, len(name)-host):]), method, v.where(), h)
}

// where is the URL as far as it is remembered.
func (v *visit) where() string {
	s := string(v.text[:v.textLen])
	if v.textLen == maxShown {
		s += "..."
	}
	return incident.Quote(s)
}
