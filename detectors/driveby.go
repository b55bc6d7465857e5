package detectors

import (
	"fmt"
	"time"

	"kagami/records"
)

// A drive-by download is told from one that a person wanted by the way: foreign
// sites lead there, by themselves, past an object that attacks the browser; and
// by what comes after: a program that was not heard before calls a place that
// nobody knows.

const (
	// unattended is how soon nobody clicks.
	unattended = int64(4 * time.Second)
	// repeats is how long exploits that all work take to fetch the same program.
	repeats = int64(time.Minute)
	// driven is the evidence, in nats, from which on the way was not the user's.
	driven = 3
	// convicts is for how long a domain that attacked one machine is a sign
	// against it.
	convicts = int64(7 * 24 * time.Hour)
)

// way weighs how the client got there, and what it met.
func (p *past) way(x *visit, t *trail) (s []reason) {
	add := func(nats float64, format string, args ...any) {
		s = append(s, reason{nats, fmt.Sprintf(format, args...)})
	}
	switch {
	case t.domains >= 3:
		add(2.5, "the way there leads through %d domains: %s", t.domains, t)
	case t.domains == 2:
		add(1, "the way there leads through 2 domains: %s", t)
	}
	if x.risk.payload() {
		s = append(s, p.attacks()...)
		if p.repeated {
			add(1.5, "the same place sent one just before")
		}
		if y := t.page(); y != nil && x.at-y.end < unattended {
			add(2.5, "it came %s after a page of another site, without time to click", span(max(x.at-y.end, 0)))
		}
	}
	if t.redirected() {
		add(0.5, "a redirection leads from one site to another")
	}
	return s
}

// past is what the client did before a download.
type past struct {
	attacked  risk  // the worst object that can attack a browser, from the trail
	elsewhere risk  // the worst object that can attack a browser, from outside the trail
	visited   int64 // first request to the place, 0 = none
	changed   bool  // by another program
	repeated  bool  // the place sent a program just before
}

func (v *visits) past(x *visit, t *trail, since int64) (p past) {
	v.recent(since, func(y *visit) bool {
		if y == x || y.at > x.at {
			return true
		}
		if y.risk.attack() {
			p.elsewhere = max(p.elsewhere, y.risk)
			if t.knows(y.domain) {
				p.attacked = max(p.attacked, y.risk)
			}
		}
		if y.domain == x.domain && y.risk.payload() && x.at-y.at < repeats {
			p.repeated = true
		}
		if y.host == x.host {
			p.changed = p.changed || y.agent != x.agent && y.agent != 0
			p.visited = y.at
		}
		return true
	})
	return p
}

// attacks weighs the objects that came before a payload.
func (p *past) attacks() []reason {
	switch {
	case p.attacked == exploit:
		return []reason{{3, "an object that can attack the browser came the same way just before"}}
	case p.elsewhere == exploit:
		return []reason{{1.5, "an object that can attack the browser came from elsewhere just before"}}
	case p.attacked == document:
		return []reason{{1, "a document that can attack came the same way just before"}}
	}
	return nil
}

// manner weighs how it was fetched.
func (p *past) manner(x *visit) (s []reason) {
	if p.visited != 0 && x.at-p.visited < unattended {
		s = append(s, reason{1, "it came " + span(x.at-p.visited) + " after the first request to the place, without time to read"})
	}
	if p.changed {
		s = append(s, reason{1.5, "another program than the one that visited the place fetched it"})
	}
	return s
}

// page is the last page of another site on the way, nil if there is none.
func (t *trail) page() *visit {
	for _, y := range t.steps[1:] {
		if y.page && y.domain != t.steps[0].domain {
			return y
		}
	}
	return nil
}

// redirected tells whether a Location led to another site.
func (t *trail) redirected() bool {
	for i := range len(t.steps) - 1 {
		if t.hops[i] == hopLocation && t.steps[i].domain != t.steps[i+1].domain {
			return true
		}
	}
	return false
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
		t.lead(y, hopAfter)
		for v.extend(t, since) {
		}
		return false
	})
}

// suspect is a download that what follows may confirm.
type suspect struct {
	at        int64
	alert     *records.Alert
	reasons   []reason
	score     float64
	told      bool
	payload   bool             // not only an object that can attack
	confirmed bool             // by what followed
	domains   [maxSteps]uint64 // of the way
	n         int
}

// knows tells whether a domain was on the way.
func (s *suspect) knows(domain uint64) bool {
	for _, d := range s.domains[:s.n] {
		if d == domain {
			return true
		}
	}
	return false
}

// confirms weighs a request that follows a download: a program that the machine
// did not use before calls a place that nobody called before.
func (d *download) confirms(s *suspect, r *records.HTTP, c *contact, x *visit, fresh bool) (reason, bool) {
	known := d.site.familiar(c)
	switch {
	case x.referrer != 0 || c.status || houseKeeping(r.UserAgent) || s.knows(x.domain):
		return reason{}, false
	case known.since < s.at || known.hosts > 1:
		return reason{}, false
	}
	nats, text := 0.0, ""
	switch {
	case x.risk.payload():
		nats, text = 4.5, "another program"
	case fresh && x.post:
		nats, text = 5, "a POST by a program that was not heard before"
	case fresh:
		nats, text = 4.5, "a request by a program that was not heard before"
	case x.post && c.name == "":
		nats, text = 3, "a POST to an address without a name"
	default:
		return reason{}, false
	}
	if !s.payload { // an object that can attack is not yet an attack
		nats /= 2
	}
	return reason{nats, fmt.Sprintf("%s later came %s, and from a place that nobody contacted before: %s, User-Agent %s",
		span(x.at-s.at), text, x.where(), quote(r.UserAgent))}, true
}

// houseKeeping tells what operating systems send whatever happens: they check the
// signature of a program that has just come, and whether there is a network.
func houseKeeping(agent string) bool {
	const crypto, network = "Microsoft-CryptoAPI/", "Microsoft NCSI"
	return len(agent) >= len(crypto) && agent[:len(crypto)] == crypto || agent == network
}
