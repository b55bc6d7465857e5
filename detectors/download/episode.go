package download

import (
	"slices"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/table"
	"kagami/records"
	"kagami/sensor"
)

const (
	// worth is the evidence, in nats, from which a download is reported.
	worth = 6
	// driven is the evidence of the way, in nats, from which it was not the user's.
	driven = 3
)

// episode is what one visit brought, the worst of it: one incident. What follows
// may confirm it.
type episode struct {
	at        int64 // when the last download of the visit came, nanoseconds since the epoch
	key       uint64
	finding   incident.Finding
	flows     incident.Samples
	score     float64
	payload   bool // not only an object that can attack
	confirmed bool // by what followed
	domains   [maxSteps]uint64
	n         int
}

// knows tells whether a domain was on the way.
func (e *episode) knows(domain uint64) bool {
	for _, have := range e.domains[:e.n] {
		if have == domain {
			return true
		}
	}
	return false
}

// verdict is what speaks for and against a download.
type verdict struct {
	trail   trail
	reasons reasons
	led     float64 // nats of the way
	score   float64
}

// weigh judges one download.
func (d *Detector) weigh(r *records.HTTP, k *census.Contact, v *visits, x *visit, g *goods) (w verdict) {
	since := x.at - int64(d.config.Chain)
	w.trail = v.trace(x, since)
	p := v.past(x, &w.trail, since)
	w.trail.attacked = p.attacked
	guilt := d.convicted(x, k)
	way := append(p.way(x, &w.trail), guilt...)
	w.led = incident.Sum(way)
	w.reasons = append(g.disguise(), d.place(k, len(guilt) > 0)...)
	w.reasons = append(w.reasons, way...)
	w.reasons = append(w.reasons, p.manner(x, r.UserAgent)...)
	w.score = incident.Sum(w.reasons)
	return w
}

// judge reports a download, as the visit's incident if it is the worst of it.
func (d *Detector) judge(r *records.HTTP, k *census.Contact, v *visits, x *visit, g *goods, emit sensor.Emit) {
	w := d.weigh(r, k, v, x, g)
	if x.risk == opaque && w.trail.attacked != exploit || w.score < worth {
		return // data is mostly data
	}
	v.prelude(&w.trail, x.at-int64(d.config.Chain))
	e, fresh := d.episodes.At(k.Source)
	if fresh || !e.goes(x, int64(d.config.Chain)) {
		*e = episode{key: k.Key()}
	}
	if w.inherit(&e.finding); e.score < w.score {
		e.take(d.finding(r, k, g, &w), &w)
	}
	e.at = max(e.at, x.end)
	e.meet(&w.trail)
	e.flows.Add(k.Meta)
	for _, y := range w.trail.steps[1:w.trail.n] {
		e.flows.AddID(y.uid)
	}
	d.report(e, k, x, emit)
}

// goes tells whether a request is of the same visit.
func (e *episode) goes(x *visit, span int64) bool { return x.at-e.at < span && e.at-x.at < span }

// inherit adds what was found of the visit before, apart from what was found of
// the earlier download itself.
func (w *verdict) inherit(f *incident.Finding) {
	for _, r := range f.Reasons {
		switch r.Kind {
		case "redirect", "unclicked", "unread", "after":
			if !slices.ContainsFunc(w.reasons, func(x incident.Reason) bool { return x.Kind == r.Kind }) {
				w.reasons = append(w.reasons, r)
				w.score += r.Nats
			}
		}
	}
}

// take makes a download the visit's worst. What was led there once was not the
// user's doing.
func (e *episode) take(f incident.Finding, w *verdict) {
	if e.finding.Rule == ruleDriveBy {
		f.Rule = ruleDriveBy
	}
	if e.n > 0 {
		f.Since = min(f.Since, e.finding.Since)
	}
	e.finding, e.score = f, w.score
	e.payload = e.payload || w.trail.steps[0].risk.payload()
}

// meet notes the domains of a way.
func (e *episode) meet(t *trail) {
	for _, y := range t.steps[:t.n] {
		if e.n < len(e.domains) && !e.knows(y.domain) {
			e.domains[e.n] = y.domain
			e.n++
		}
	}
}

// report tells the book what the episode has come to. A domain that was told of
// is guilty.
func (d *Detector) report(e *episode, k *census.Contact, x *visit, emit sensor.Emit) {
	f := e.finding
	f.Meta, f.Key, f.Flows, f.Until = k.Meta, e.key, &e.flows, max(f.Until, x.end)
	e.finding.Until = f.Until
	if d.book.Report(&f, emit) >= incident.Alert && x.risk != harmless {
		d.convict(x, k)
	}
}

// follow looks whether a call confirms an earlier download, and reports it.
func (d *Detector) follow(c *call, emit sensor.Emit) bool {
	e, x := d.episodes.Get(c.k.Source), c.x
	switch {
	case e == nil || e.confirmed || x.at <= e.at:
		return false
	case x.at-e.at > int64(d.config.Chain):
		d.episodes.Remove(c.k.Source)
		return false
	}
	why := d.after(e, c)
	if len(why) == 0 {
		return false
	}
	d.confirmed++
	e.confirmed = true
	e.score += incident.Sum(why)
	e.finding.Reasons = append(e.finding.Reasons, why...)
	e.finding.Chain = append(e.finding.Chain, x.step(nil, hopNone)+" (inferred: afterwards)")
	e.flows.Add(c.k.Meta)
	d.report(e, c.k, x, emit)
	return true
}

// requested is follow for a request. A program that other machines have was only
// not started before.
func (d *Detector) requested(r *records.HTTP, k *census.Contact, x *visit, emit sensor.Emit) bool {
	heard, _ := d.voices.At(k.Source)
	unheard := heard.hear(census.AgentFamily(r.UserAgent))
	if unheard {
		unheard = d.census.AgentHosts(r.UserAgent) <= 1
	}
	return d.follow(&call{x: x, k: k, unheard: unheard, by: "User-Agent", program: r.UserAgent}, emit)
}

// shook is follow for a TLS handshake, direct or inside a tunnel. Fingerprints say
// something when those of a day are known.
func (d *Detector) shook(r *records.TLS, emit sensor.Emit) {
	m := r.Meta()
	if !m.ClientInternal || !r.ClientHello || r.JA4 == "" {
		return
	}
	source := d.census.Source(m)
	heard, _ := d.voices.At(source)
	if !heard.hear(table.Name(r.JA4)) || !d.census.Learned() || d.census.JA4Hosts(r.JA4) > 1 || d.episodes.Get(source) == nil {
		return
	}
	k, ok := d.census.ContactOf(r)
	if !ok { // inside a tunnel: its own record comes when it closes
		if r.Via != "CONNECT" || r.ServerName == "" {
			return
		}
		k = census.Contact{Meta: m, Start: r.Start, Source: source, Client: m.Client().Addr(), Name: r.ServerName, Port: 443, How: census.ByProxyConnect}
	}
	x := &d.leaf
	*x = visit{at: r.Start, end: max(r.End, r.Start), uid: m.UID, host: k.Destination(), domain: k.DomainKey()}
	x.show(&k, "")
	d.follow(&call{x: x, k: &k, unheard: true, tls: true, by: "JA4", program: r.JA4}, emit)
}
