package events

import (
	"slices"
	"strconv"
)

// How people use the web: sessions of pages with what belongs to them, on sites
// that everybody has for favourites and on others, while they are at work.

const (
	keptOpen = 75 * second // how long a browser keeps an idle connection
	shared   = 300         // services that pages of many sites load from
	// wandering is how many sessions a day go to none of the favourites, in
	// thousandths.
	wandering = 5000
)

// reader is one person.
type reader struct {
	h         *host
	d         draw
	label     *Label
	favourite []favourite
	site      *dest
	pages     int // left of the session
	open      []*session
	page      int // since the session began
	last      string
}

// favourite is a site that a person goes to again and again.
type favourite struct {
	site   *dest
	weight int // sessions a day, in thousandths
}

// beginPeople puts everybody who works at a machine into the queue.
func (r *run) beginPeople() {
	for n := range shared {
		kind := [...]string{"cdn", "static", "metrics", "ads", "fonts"}[n%5]
		r.widely = append(r.widely, r.service(kind+strconv.Itoa(n)+"."+word(uint64(n))+"-"+word(uint64(n/32))+".example", 443))
	}
	for _, h := range r.all(of(workstation)) {
		p := &reader{h: h, d: stream(h.seed, "browse", 0), label: benign("browse")}
		for range p.d.Int(5, 9) {
			p.favourite = append(p.favourite, favourite{r.siteAt(r.fame.rank(p.d)), 300 + int(p.d.exp(2500))})
		}
		r.add(r.present(h, r.start), p)
		if p.d.percent(20) {
			sd := [...]int64{5, 10, 20, 60}[p.d.Below(4)] * minute
			r.add(r.start, &morning{h: h, d: stream(h.seed, "morning", 0), label: benign("morning"), site: r.siteAt(2000 + p.d.Below(sites-2000)), sd: sd})
		}
	}
}

// step loads one page.
func (p *reader) step(r *run, t int64) int64 {
	if at := r.present(p.h, t); at > t {
		p.leave(r, t)
		return at + p.d.between(second, 20*minute)
	}
	if p.pages == 0 {
		p.choose(r)
	}
	p.load(r, t)
	p.pages--
	gap := p.pause(r)
	if p.pages == 0 || gap > keptOpen {
		p.leave(r, t)
	}
	return t + gap
}

// choose begins a session: on a favourite site, or on one of the many.
func (p *reader) choose(r *run) {
	total := wandering
	for _, f := range p.favourite {
		total += f.weight
	}
	n := p.d.Below(total)
	p.site = nil
	for _, f := range p.favourite {
		if n -= f.weight; n < 0 && p.site == nil {
			p.site = f.site
		}
	}
	if p.site == nil {
		p.site = r.siteAt(r.fame.rank(p.d))
	}
	p.pages = 1 + int(p.d.exp(6*1024)>>10)
	p.page, p.last = 0, ""
}

// pause is the time until the next page: reading within a session, and between
// sessions whatever else people do.
func (p *reader) pause(r *run) int64 {
	if p.pages > 0 {
		if p.d.percent(6) { // a think pause: Pareto, exponent 1.2
			return min(p.d.pareto(20*second), 3*hour)
		}
		median := int64(8+p.h.dice(-1, 17, 60)) * second
		return max(500*millisecond, min(p.d.logNormal(median, 110+int(p.h.dice(-1, 18, 60))), 4*hour))
	}
	// The day's sessions, on the mean as many as the favourites' weights say.
	perDay := wandering
	for _, f := range p.favourite {
		perDay += f.weight
	}
	between := 10 * hour * 1000 / int64(perDay) * 100 / int64(r.opt.Pace)
	return p.d.exp(between) + second
}

// load shows a page: the site's own connection, and some of the services that
// its pages load from.
func (p *reader) load(r *run, t int64) {
	p.page++
	main := p.connection(r, p.site, t)
	if p.site.plain {
		p.plainPage(r, main, t)
	} else {
		r.fetch(main, max(t, main.opened), p.d.logUp(600), p.d.logDown(60000))
	}
	for range p.d.Below(4) {
		third := p.third(r)
		s := p.connection(r, third, t+p.d.between(80*millisecond, 2800*millisecond))
		r.fetch(s, max(s.opened, t+100*millisecond), p.d.logUp(500), p.d.logDown(20000))
	}
}

// plainPage is a page of a site without TLS, with its pictures and scripts.
func (p *reader) plainPage(r *run, s *session, t int64) {
	path := pagePath(p.page % 8)
	q := request{method: "GET", path: path, kind: "text/html", referrer: p.last, status: 200, took: s.dest.rtt, up: int64(p.d.Int(60, 240)), down: p.d.logDown(14000)}
	at := max(t, s.opened) + 2*s.dest.rtt
	r.ask(s, at, q)
	p.last = s.dest.url + path[1:]
	for i := range p.d.Int(1, 8) {
		at += p.d.between(5*millisecond, 300*millisecond)
		asset := request{method: "GET", path: assetPath(i), kind: assetKind(i), referrer: p.last, status: 200, took: s.dest.rtt, up: int64(p.d.Int(60, 240)), down: p.d.logDown(9000)}
		r.ask(s, at, asset)
	}
}

func pagePath(n int) string {
	return [...]string{"/", "/news", "/list?p=2", "/article/17", "/search?q=x", "/help", "/item/4", "/about"}[n]
}

func assetPath(n int) string {
	return [...]string{"/css/site.css", "/js/app.js", "/img/logo.png", "/img/1.png", "/img/2.png", "/js/part.js", "/api/list.json", "/img/3.png"}[n]
}

func assetKind(n int) string {
	return [...]string{"text/css", "application/javascript", "image/png", "image/png", "image/png", "application/javascript", "application/json", "image/png"}[n]
}

// third is a service that the site's pages load from: most sites use the big
// ones, each also has some of its own.
func (p *reader) third(r *run) *dest {
	if p.d.percent(75) {
		n := min(p.d.Below(shared), p.d.Below(shared), p.d.Below(shared))
		return r.widely[n]
	}
	return r.siteAt((p.site.id*31 + p.d.Below(3)*977) % sites)
}

// connection is the open one to a destination, or a new one.
func (p *reader) connection(r *run, d *dest, t int64) *session {
	for _, s := range p.open {
		if s.dest == d {
			return s
		}
	}
	s := r.open(r.dial(p.h, d, t, p.label, p.h.proxied))
	p.open = append(p.open, s)
	return s
}

// leave closes what is open: browsers do when nothing is going on for a while.
func (p *reader) leave(r *run, t int64) {
	for _, s := range p.open {
		r.close(s, max(t, s.spoke)+p.d.between(20*second, keptOpen))
	}
	p.open = slices.Delete(p.open, 0, len(p.open))
}

// morning is the first thing that somebody does at work, more or less at the
// same time every day: a benign beacon of one day.
type morning struct {
	h     *host
	d     draw
	label *Label
	site  *dest
	sd    int64
}

func (m *morning) step(r *run, t int64) int64 {
	if at := r.powered(m.h, t); at > t {
		return at + m.d.between(second, 5*minute)
	}
	n := r.dayOf(t)
	midnight := r.start + n*day
	if _, _, _, _, ok := r.shift(m.h, n); ok && t > midnight {
		s := r.open(r.dial(m.h, m.site, t, m.label, m.h.proxied))
		r.fetch(s, s.opened+m.site.rtt, m.d.logUp(700), m.d.logDown(40000))
		r.close(s, s.spoke+m.d.between(5*second, keptOpen))
	}
	next := midnight + day + 9*hour + 20*minute + m.d.normal(0, m.sd)
	return max(next, t+hour)
}

// logUp and logDown are sizes of requests and answers: log-normal.
func (d draw) logUp(median int64) int64   { return d.logNormal(median*1000000, 60) / 1000000 }
func (d draw) logDown(median int64) int64 { return d.logNormal(median*1000000, 130) / 1000000 }
