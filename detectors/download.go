package detectors

import (
	"fmt"
	"slices"
	"time"

	"kagami/records"
	"kagami/sensor"
)

// download finds programs that nobody asked for, or that come in disguise: the
// content is a program, the declared type or the name says otherwise, the place
// is known to nobody else, and the user was led there through foreign sites,
// perhaps past an object that attacks the browser. An honest update is a program
// as well; it says so, and other machines fetch it, too.
//
// One visit is one incident: of the rule drive-by where the way was not the
// user's, else of executable-download.
type download struct {
	config  DownloadConfig
	site    *site
	clients *table[visits]
	files   [filesAhead]*records.File // the last that matter: each is followed by its transaction
	filed   int
	open    *table[suspect] // by client
	guilty  *table[guilt]   // domains that attacked

	programs, risky, relayed, unfiled, confirmed uint64
}

const (
	// filesAhead is how many files may be under way to their transactions.
	filesAhead = 64
	// maxSuspects and maxGuilty are small: there are few.
	maxSuspects = 64
	maxGuilty   = 256
	// almost is how far under the threshold a download is watched, in nats.
	almost = 4
)

// guilt is when a domain attacked whom.
type guilt struct {
	at     int64
	client uint64
}

func newDownload(c DownloadConfig, s *site) *download {
	return &download{config: c, site: s, clients: newTable[visits](c.Clients), open: newTable[suspect](maxSuspects), guilty: newTable[guilt](maxGuilty)}
}

// Observe implements sensor.Detector.
func (d *download) Observe(r records.Record, emit sensor.Emit) {
	switch r := r.(type) {
	case *records.File:
		if r.Source == "http" && !r.FromClient && r.Class != "text" && r.Class != "image" {
			d.files[d.filed%filesAhead] = r
			d.filed++
		}
	case *records.HTTP:
		d.transaction(r, emit)
	}
}

// Advance implements sensor.Detector. A download is judged when it is complete.
func (d *download) Advance(int64, sensor.Emit) {}

// Name implements Counted.
func (d *download) Name() string { return "download" }

// Counters implements Counted.
func (d *download) Counters() []Counter {
	return []Counter{
		{"programs", d.programs}, {"risky_objects", d.risky}, {"relayed_by_proxy", d.relayed},
		{"clients", uint64(d.clients.len())}, {"clients_evicted", d.clients.evicted},
		{"suspects_evicted", d.open.evicted}, {"guilty_domains", uint64(d.guilty.len())}, {"guilty_domains_evicted", d.guilty.evicted},
		{"without_file", d.unfiled}, {"confirmed", d.confirmed},
	}
}

func (d *download) transaction(r *records.HTTP, emit sensor.Emit) {
	c, ok := fetched(r)
	if !ok || r.Method == "CONNECT" {
		return
	}
	if d.site.isProxy(c.client) {
		d.relayed++
		return
	}
	v, _ := d.clients.at(addrKey(c.client))
	g := goodsOf(r, d.fileOf(r))
	seen := visitOf(r, &c, g.risk)
	x := &seen
	if !leaf(r, g.risk) {
		x = v.add(seen)
	}
	d.follow(r, &c, v, x, emit)
	switch g.risk {
	case harmless:
		return
	case program:
		d.programs++
	default:
		d.risky++
	}
	if f := r.ResponseFiles; len(f) == 0 {
		d.unfiled++
	}
	d.judge(r, &c, v, x, &g, emit)
}

// fetched is contactOf for downloads: servers inside count, too. A machine of
// this network that has been broken into attacks its neighbours.
func fetched(r *records.HTTP) (contact, bool) {
	if c, ok := contactOf(r); ok {
		return c, true
	}
	m := r.Meta()
	if !m.ClientInternal || !m.ServerInternal || !r.RequestSeen || r.Start == 0 {
		return contact{}, false
	}
	server := m.Server()
	c := contact{meta: m, start: r.Start, client: m.Client().Addr(), addr: server.Addr(), port: server.Port(), how: overHTTP}
	if c.name, _ = splitAuthority(r.Host); c.name != "" {
		c.literal()
	}
	return c, true
}

// fileOf is the record of what a response carried, nil if there is none.
func (d *download) fileOf(r *records.HTTP) *records.File {
	if len(r.ResponseFiles) == 0 {
		return nil
	}
	for i := d.filed - 1; i >= 0 && i >= d.filed-filesAhead; i-- {
		if f := d.files[i%filesAhead]; f.ID == r.ResponseFiles[0].ID {
			return f
		}
	}
	return nil
}

// verdict is what speaks for and against a download.
type verdict struct {
	trail   trail
	reasons []reason
	led     float64 // nats of the way
	score   float64
}

// weigh judges one download.
func (d *download) weigh(r *records.HTTP, c *contact, v *visits, x *visit, g *goods) (w verdict) {
	since := x.at - int64(d.config.Chain)
	w.trail = v.trace(x, since)
	p := v.past(x, &w.trail, since)
	w.trail.attacked = p.attacked
	way := append(p.way(x, &w.trail), d.convicted(x, c)...)
	w.led = sum(way)
	w.reasons = append(g.disguise(), d.place(c)...)
	w.reasons = append(w.reasons, way...)
	w.reasons = append(w.reasons, p.manner(x)...)
	w.reasons = append(w.reasons, fetcher(r.UserAgent)...)
	w.score = sum(w.reasons)
	return w
}

// judge tells a download if it is to be told, and watches what follows if it
// nearly is.
func (d *download) judge(r *records.HTTP, c *contact, v *visits, x *visit, g *goods, emit sensor.Emit) {
	w := d.weigh(r, c, v, x, g)
	if x.risk == opaque && w.trail.attacked != exploit || w.score < d.config.Threshold-almost {
		return // data is mostly data
	}
	v.prelude(&w.trail, x.at-int64(d.config.Chain))
	a := d.alert(r, c, g, &w)
	told := w.score >= d.config.Threshold && v.due(x.domain, c.meta.At, int64(d.config.Chain), w.score)
	if told {
		d.convict(x, c)
		emit(a)
	}
	d.watch(c, a, &w, told)
}

// watch keeps a download for what follows it; the worst of a visit.
func (d *download) watch(c *contact, a *records.Alert, w *verdict, told bool) {
	s, fresh := d.open.at(addrKey(c.client))
	if !fresh && a.Meta().At-s.at < int64(d.config.Chain) {
		told = told || s.told
		if s.score >= w.score {
			s.told = told
			return
		}
	}
	*s = suspect{at: w.trail.steps[0].end, alert: a, reasons: w.reasons, score: w.score, told: told, payload: w.trail.steps[0].risk.payload()}
	for _, y := range w.trail.steps {
		s.domains[s.n] = y.domain
		s.n++
	}
}

// follow looks whether a request confirms an earlier download.
func (d *download) follow(r *records.HTTP, c *contact, v *visits, x *visit, emit sensor.Emit) {
	fresh := v.speaks(x.agent)
	key := addrKey(c.client)
	s := d.open.get(key)
	switch {
	case s == nil || x.at <= s.at || s.confirmed:
		return
	case x.at-s.at > int64(d.config.Chain):
		d.open.remove(key)
		return
	}
	why, ok := d.confirms(s, r, c, x, fresh)
	if !ok {
		return
	}
	d.confirmed++
	a, before := *s.alert, severity(s.score)
	s.score += why.nats
	if s.score >= d.config.Threshold && (!s.told || severity(s.score) > before) {
		*a.Meta() = *c.meta
		a.Meta().Kind = records.KindAlert
		a.Score, a.Severity, a.Until = s.score, severity(s.score), x.end
		a.Evidence = appendReasons(slices.Clone(a.Evidence[:1]), append(s.reasons, why))
		a.Chain = append(slices.Clone(a.Chain), fmt.Sprintf("%s %s (no Referer, afterwards [inferred])", instant(x.at), x.where()))
		m := records.Meta{UID: x.uid}
		if id := m.FlowID(); len(a.Flows) < maxSamples && !slices.Contains(a.Flows, id) {
			a.Flows = append(slices.Clone(a.Flows), id)
		}
		v.last, s.told = raised{c.meta.At, s.score}, true
		emit(&a)
	}
	s.confirmed = true
}

// due reports whether an incident is to be told: once for what one domain
// delivers, and once for what one visit brings.
func (v *visits) due(domain uint64, now, visit int64, score float64) bool {
	slot := &v.told[0]
	for i := range v.told {
		if v.told[i].domain == domain {
			slot = &v.told[i]
			break
		}
		if v.told[i].at < slot.at {
			slot = &v.told[i]
		}
	}
	if slot.domain != domain {
		*slot = tale{domain: domain}
	}
	if v.last.at != 0 && now-v.last.at < visit && score < v.last.score+regrowth || !slot.due(now, score) {
		return false
	}
	v.last = raised{now, score}
	return true
}

// place weighs where it came from.
func (d *download) place(c *contact) []reason {
	var s []reason
	add := func(nats float64, text string) {
		if nats != 0 {
			s = append(s, reason{nats, text})
		}
	}
	known := d.site.familiar(c)
	age := d.site.now - known.since
	if c.meta.ServerInternal && !c.how.proxied() {
		add(-1, "it is a machine inside")
		known.hosts = max(known.hosts, d.site.serves(c.addr, c.port))
	} else if c.name == "" {
		add(3, "it has no name, only an address")
	}
	add(rarity(known, age), fmt.Sprintf("%s of %d known machines contact the place", atLeast(known.hosts), known.total))
	switch {
	case age > int64(24*time.Hour):
		add(-1.5, "it is known for "+span(age))
	case age < int64(d.config.Chain) && d.site.now-d.site.start > int64(time.Hour):
		add(1, "it was first contacted "+span(age)+" ago")
	}
	return s
}

// rarity is that of familiarity, but for places that have been known for less
// than an hour: what attacks one machine attacks the next.
func rarity(k familiarity, age int64) float64 {
	switch {
	case age > int64(time.Hour) || k.hosts >= 10 || k.hosts <= 1:
		return k.rarity()
	case k.hosts == 2:
		return 2
	}
	return 0
}

// convicted weighs that the domain attacked another machine.
func (d *download) convicted(x *visit, c *contact) []reason {
	g := d.guilty.get(x.domain)
	if g == nil || g.client == addrKey(c.client) || c.meta.At-g.at > convicts {
		return nil
	}
	return []reason{{3, "another machine received what was alerted from the same domain " + span(max(c.meta.At-g.at, 0)) + " ago"}}
}

func (d *download) convict(x *visit, c *contact) {
	g, _ := d.guilty.at(x.domain)
	*g = guilt{c.meta.At, addrKey(c.client)}
}

// alert tells the incident.
func (d *download) alert(r *records.HTTP, c *contact, g *goods, w *verdict) *records.Alert {
	a := records.NewAlert(*c.meta)
	a.Source, a.Destination, a.DestAddr, a.DestPort = c.client, c.text(), c.addr, c.port
	a.Score, a.Severity = w.score, severity(w.score)
	a.Since, a.Until = w.trail.first().at, max(r.End, r.Start)
	a.Chain = w.trail.sentences()
	a.Evidence = appendReasons([]string{g.transaction(r)}, w.reasons)
	if w.led >= driven {
		a.Rule = "drive-by"
		a.Title = fmt.Sprintf("%s was led to %s and received %s", c.client, quote(a.Destination), g.describe())
		a.Benign = "A download that starts by itself behind a vendor's redirections, or an advertisement of an unusual kind. " +
			"Compare the file's hash and signature, and ask the user what was wanted."
	} else {
		a.Rule = "executable-download"
		a.Title = fmt.Sprintf("%s received %s in disguise from %s", c.client, g.describe(), quote(a.Destination))
		a.Benign = "A vendor's download page that sends a program through a script or with a wrong type. " +
			"Compare the file's hash and signature, and ask the user what was wanted."
	}
	a.Technique = techniques(a.Rule, g, &w.trail)
	var flows samples
	flows.add(c.meta)
	flows.into(a)
	for _, y := range w.trail.steps[1:] {
		m := records.Meta{UID: y.uid}
		if id := m.FlowID(); len(a.Flows) < maxSamples && !slices.Contains(a.Flows, id) {
			a.Flows = append(a.Flows, id)
		}
	}
	return a
}

// techniques names the MITRE ATT&CK techniques, the most telling first.
func techniques(rule string, g *goods, t *trail) []string {
	var ids []string
	if rule == "drive-by" {
		ids = append(ids, "T1189")
	} else {
		ids = append(ids, "T1204.002")
	}
	if t.attacked == exploit || g.risk.attack() {
		ids = append(ids, "T1203")
	}
	if g.risk.payload() {
		ids = append(ids, "T1105")
	}
	if g.pretends() {
		ids = append(ids, "T1036.008")
	}
	if g.risk == opaque || g.encrypted {
		ids = append(ids, "T1027")
	}
	return ids
}
