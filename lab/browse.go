package lab

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Browsing is how people use the web, through the proxy.
type Browsing struct {
	Pages     int           `toml:"pages"` // mean per session
	Gap       time.Duration `toml:"gap"`   // median between pages
	LunchFrom Clock         `toml:"lunch_from"`
	LunchTo   Clock         `toml:"lunch_to"`
	Pixel     string        `toml:"pixel"`    // site of the visit counter on http pages
	Typos     []string      `toml:"typos"`    // names that do not exist
	Intranet  string        `toml:"intranet"` // host with a web page for all
}

const (
	maxPages   = 12
	pixelEvery = 4 // one page in so many carries the visit counter
	assetAge   = time.Hour
	gapSigma   = 130 // hundredths of a nat
)

// surfer is one person at a browser.
type surfer struct {
	d    *day
	r    *Rand
	h    *Host
	seen map[string]bool // browser cache: URLs held
}

func planBrowsing(d *day, _ *Rand) {
	b := d.s.Browsing
	noon, one := d.s.offset(b.LunchFrom), d.s.offset(b.LunchTo)
	for i := range d.s.Hosts {
		h := &d.s.Hosts[i]
		s := &surfer{d, NewRand(d.s.Seed, "browsing "+h.Name), h, make(map[string]bool)}
		from, to := d.s.present(h)
		for range h.Sessions {
			t := s.r.Span(from+4*time.Minute, to-20*time.Minute)
			if t > noon && t < one && s.r.Chance(2, 3) {
				t = one + (t-noon)/4
			}
			d.at(t, s.session)
		}
		if h.Sessions > 0 && b.Intranet != "" {
			d.at(from+s.r.Span(2*time.Minute, 9*time.Minute), s.intranet)
		}
	}
}

// intranet is the morning look at the company's own page, not through the
// proxy.
func (s *surfer) intranet(t time.Duration) {
	server := s.d.s.Browsing.Intranet
	name := server + "." + s.d.s.Network.Domain
	me := s.d.end(s.h.Name)
	t = s.d.lookup(t, me, name)
	r := NewRand(s.d.s.Seed, "body intranet")
	t, _ = s.d.direct(t, me, s.d.end(server), request{from: s.h, site: name, path: "/"},
		response{kind: "text/html; charset=utf-8", body: htmlPage(r, "Office", nil, 6), headers: []header{{"Server", "nginx"}}})
	s.d.direct(t, me, s.d.end(server), request{from: s.h, site: name, path: "/logo.png", headers: []header{{"Referer", "http://" + name + "/"}}},
		response{kind: "image/png", body: picture(r, 48, 24), headers: []header{{"Server", "nginx"}}})
}

// session visits one site, page after page.
func (s *surfer) session(t time.Duration) {
	site := s.choose()
	pages := 1
	for pages < maxPages && s.r.Below(s.d.s.Browsing.Pages) != 0 {
		pages++
	}
	if typos := s.d.s.Browsing.Typos; len(typos) > 0 && s.r.Chance(1, 16) {
		t = s.typo(t, Pick(s.r, typos)) + s.r.LogNormal(4*time.Second, 40)
	}
	if site.Scheme == "https" {
		s.secure(t, site, pages)
		return
	}
	s.page(t, site, pages, "")
}

// choose picks a site by weight.
func (s *surfer) choose() *Site {
	sum := 0
	for i := range s.d.s.Sites {
		sum += s.d.s.Sites[i].Weight
	}
	n := s.r.Below(sum)
	for i := range s.d.s.Sites {
		site := &s.d.s.Sites[i]
		if n < site.Weight {
			return site
		}
		n -= site.Weight
	}
	return &s.d.s.Sites[0] // not reached: Validate asks for a site with weight
}

// typo asks for a name that does not exist: the proxy says so.
func (s *surfer) typo(t time.Duration, name string) time.Duration {
	return s.d.fetch(t, s.get(name, "/", "", "text/html"), response{
		status: http.StatusServiceUnavailable, kind: "text/html;charset=utf-8", local: true, body: errorPage("Unable to determine IP address from host name"),
	}).done
}

// secure is a session with an https site: one tunnel to it, one to its CDN.
func (s *surfer) secure(t time.Duration, site *Site, pages int) {
	var pairs []pair
	for range min(pages, 4) {
		pairs = append(pairs, pair{s.r.Int(380, 640), s.r.Int(700, 2200), s.r.LogNormal(s.d.s.Browsing.Gap/8, gapSigma/2)})
		for range s.r.Below(2) {
			pairs = append(pairs, pair{s.r.Int(80, 220), s.r.Int(250, 1500), s.r.Span(2*time.Millisecond, 60*time.Millisecond)})
		}
	}
	pairs[0].gap = 2 * time.Millisecond
	s.d.tunnel(t, s.h, "", site.Name, s.d.turns(s.r, session{
		profile: s.h.TLS, name: site.Name, version: site.TLS, resumed: s.visited("tls " + site.Name), pairs: pairs,
	}))
	if site.CDN != "" {
		s.d.tunnel(t+s.r.Span(200*time.Millisecond, 500*time.Millisecond), s.h, "", site.CDN, s.d.turns(s.r, session{
			profile: s.h.TLS, name: site.CDN, version: "1.3", resumed: s.visited("tls " + site.CDN),
			pairs: []pair{{300, s.r.Int(900, 2600), time.Millisecond}},
		}))
	}
}

// visited reports whether the browser has been there, and notes that it has.
func (s *surfer) visited(what string) bool {
	was := s.seen[what]
	s.seen[what] = true
	return was
}

// page loads one page with its assets and schedules the next.
func (s *surfer) page(t time.Duration, site *Site, left int, referer string) {
	if left == 0 {
		return
	}
	number := s.r.Below(site.Pages)
	path := "/"
	if referer != "" {
		path = fmt.Sprintf("/article/%d.html", 1000+number)
	}
	if referer != "" && s.r.Chance(1, 14) {
		path = s.form(t, site, referer)
		t += 400 * time.Millisecond
	}
	url := "http://" + site.Name + path
	got := s.d.fetch(t, s.get(site.Name, path, referer, "text/html"), s.d.document(site, path))
	s.assets(got.done, site, path, url)
	s.d.at(got.done+s.r.LogNormal(s.d.s.Browsing.Gap, gapSigma), func(t time.Duration) { s.page(t, site, left-1, url) })
}

// form posts a search; the site redirects to the result, whose path is
// returned.
func (s *surfer) form(t time.Duration, site *Site, referer string) string {
	q := s.get(site.Name, "/search", referer, "text/html")
	q.method = http.MethodPost
	q.body = fmt.Appendf(nil, "q=%s&page=1&lang=ja", strings.ToLower(words()[s.r.Below(40)]))
	q.headers = append(q.headers, header{"Content-Type", "application/x-www-form-urlencoded"}, header{"Origin", "http://" + site.Name})
	result := fmt.Sprintf("/search/result?id=%d", s.r.Int(100, 999))
	s.d.fetch(t, q, response{status: http.StatusFound, headers: []header{{"Location", result}}})
	return result
}

// assets loads what the page refers to, several at a time.
func (s *surfer) assets(t time.Duration, site *Site, path, page string) {
	from := site
	if site.CDN != "" {
		from = s.d.s.site(site.CDN)
	}
	for _, asset := range s.d.assetPaths(site, path) {
		t += s.r.Span(2*time.Millisecond, 30*time.Millisecond)
		q := s.get(from.Name, asset, crossOrigin(from, site, page), "*/*")
		a := s.d.asset(from, asset)
		if s.visited("asset " + from.Name + asset) {
			if s.r.Chance(7, 10) {
				continue // fresh in the browser's cache
			}
			q.headers = append(q.headers, header{"If-None-Match", etag(from.Name + asset)})
			a = response{status: http.StatusNotModified, headers: []header{{"ETag", etag(from.Name + asset)}}}
		}
		s.d.fetch(t, q, a)
	}
	if !s.visited("icon "+site.Name) && s.r.Chance(1, 2) {
		s.d.fetch(t+time.Second/4, s.get(site.Name, "/favicon.ico", page, "image/*"),
			response{status: http.StatusNotFound, kind: "text/html", body: errorPage("Not Found")})
	}
	if pixel := s.d.s.Browsing.Pixel; pixel != "" && s.r.Chance(1, pixelEvery) {
		q := s.get(pixel, fmt.Sprintf("/p.gif?u=%08x", s.r.Uint32()), crossOrigin(s.d.s.site(pixel), site, page), "image/*")
		a := response{kind: "image/gif", body: pixelGIF(), headers: []header{{"Cache-Control", "no-store"}}}
		if s.r.Chance(1, 3) {
			q.path = strings.Replace(q.path, "p.gif", "collect", 1)
			a = response{status: http.StatusNoContent}
		}
		s.d.fetch(t+s.r.Span(time.Second/10, time.Second), q, a)
	}
}

// crossOrigin cuts a Referer to its origin when it goes to another site, as
// browsers do since 2021 (strict-origin-when-cross-origin).
func crossOrigin(to, from *Site, page string) string {
	if to == from {
		return page
	}
	return "http://" + from.Name + "/"
}

// get is a browser's request.
func (s *surfer) get(site, path, referer, accept string) request {
	return browserRequest(s.d, s.h, site, path, referer, accept)
}

func browserRequest(d *day, h *Host, site, path, referer, accept string) request {
	hs := []header{{"Accept", accept}, {"Accept-Encoding", "gzip, deflate"}, {"Accept-Language", "ja,en;q=0.8"}}
	if referer != "" {
		hs = append(hs, header{"Referer", referer})
	}
	if at := d.s.site(site); at != nil && at.Weight > 0 {
		hs = append(hs, header{"Cookie", fmt.Sprintf("sid=%08x", NewRand(d.s.Seed, "cookie "+h.Name+site).Uint32())})
	}
	return request{from: h, site: site, path: path, headers: hs}
}
