package lab

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Poll is a program that asks the same thing again and again through the
// proxy: telemetry, revocation lists, a weather widget, a television.
type Poll struct {
	ID     string        `toml:"id"`
	Hosts  []string      `toml:"hosts"`
	URL    string        `toml:"url"` // https: a tunnel
	Period time.Duration `toml:"period"`
	Jitter int           `toml:"jitter_percent"` // of the period, either way
	Method string        `toml:"method"`
	Agent  string        `toml:"user_agent"` // empty: the host's browser
	TLS    string        `toml:"tls"`        // ClientHello profile
	Kind   string        `toml:"kind"`       // of the answer: json, crl, text, empty
	Up     [2]int        `toml:"up"`         // bytes of the request body, least and most
	Down   [2]int        `toml:"down"`       // bytes of the answer, least and most
	Note   string        `toml:"note"`
}

func planPolls(d *day, r *Rand) {
	for _, p := range d.s.Polls {
		u, _ := url.Parse(p.URL) // Validate has parsed it
		port := ":80"
		if u.Scheme == "https" {
			port = ":443"
		}
		series := d.benign(BenignSeries{ID: p.ID, Destination: u.Host + port, Period: p.Period, Jitter: p.Jitter, Via: "proxy", Note: p.Note})
		for _, h := range d.s.hosts(p.Hosts) {
			series.Hosts = append(series.Hosts, h.Name)
			from, to := d.s.present(h)
			own := NewRand(d.s.Seed, "poll "+p.ID+" "+h.Name)
			met := false
			d.every(from+time.Minute+r.Span(0, p.Period/2), to, steady(own, p.Period, p.Jitter), func(t time.Duration) {
				series.Events++
				if u.Scheme == "https" {
					d.pollTLS(t, own, h, p, u.Host, met)
				} else {
					d.pollHTTP(t, own, h, p, u)
				}
				met = true
			})
		}
	}
}

func (d *day) pollTLS(t time.Duration, r *Rand, h *Host, p Poll, host string, met bool) {
	d.tunnel(t, h, p.Agent, host, d.turns(r, session{
		profile: p.TLS, name: host, version: d.s.site(host).TLS, resumed: met,
		pairs: []pair{{220 + r.Int(p.Up[0], p.Up[1]), 160 + r.Int(p.Down[0], p.Down[1]), time.Millisecond}},
	}))
}

func (d *day) pollHTTP(t time.Duration, r *Rand, h *Host, p Poll, u *url.URL) {
	q := request{from: h, method: p.Method, site: u.Host, path: u.RequestURI(), agent: p.Agent, program: p.ID, headers: []header{{"Accept", "*/*"}}}
	if p.Method == http.MethodPost {
		q.headers = append(q.headers, header{"Content-Type", "application/json"})
		q.body = jsonOfSize(r, r.Int(p.Up[0], p.Up[1]))
	}
	d.fetch(t, q, d.pollAnswer(r, p, u))
}

func (d *day) pollAnswer(r *Rand, p Poll, u *url.URL) response {
	size := r.Int(p.Down[0], p.Down[1])
	switch p.Kind {
	case "empty":
		return response{status: http.StatusNoContent}
	case "crl":
		return response{kind: "application/pkix-crl", body: d.pki.revocations(size / 36), maxAge: time.Hour,
			headers: []header{{"Cache-Control", "max-age=3600"}, {"ETag", `"` + strings.TrimPrefix(u.Path, "/") + `-77"`}}}
	case "text":
		return response{kind: "text/plain", body: []byte(strings.Repeat("ok ", size/3) + "\n")}
	default:
		return response{kind: "application/json", body: jsonOfSize(r, size), headers: []header{{"Cache-Control", "no-store"}}}
	}
}

// jsonOfSize writes an object of about size bytes.
func jsonOfSize(r *Rand, size int) []byte {
	const letters = "0123456789abcdef"
	b := []byte(`{"v":2,"data":"`)
	for len(b) < size-3 {
		b = append(b, letters[r.Below(16)])
	}
	return append(b, "\"}\n"...)
}

// Update is a file fetched by many hosts at about the same time of day.
type Update struct {
	ID    string        `toml:"id"`
	Hosts []string      `toml:"hosts"`
	URL   string        `toml:"url"`
	Kind  string        `toml:"kind"` // cab or exe
	Size  int           `toml:"size"` // bytes
	At    Clock         `toml:"at"`
	Span  time.Duration `toml:"span"` // over which the hosts are spread
	Agent string        `toml:"user_agent"`
}

// planUpdates has each host ask whether the file is new (HEAD) and fetch it.
func planUpdates(d *day, r *Rand) {
	for _, up := range d.s.Updates {
		u, _ := url.Parse(up.URL)
		body := NewRand(d.s.Seed, "body "+up.URL)
		a := response{kind: "application/octet-stream", body: program(body, up.Size), maxAge: 12 * time.Hour}
		if up.Kind == "cab" {
			a.kind, a.body = "application/vnd.ms-cab-compressed", cabinet(body, up.Size)
		}
		a.headers = []header{{"Last-Modified", d.httpDate(-6 * time.Hour)}, {"Accept-Ranges", "bytes"}, {"Cache-Control", "max-age=43200"}}
		for _, h := range d.s.hosts(up.Hosts) {
			d.at(d.s.offset(up.At)+r.Span(0, up.Span), func(t time.Duration) {
				q := request{from: h, method: http.MethodHead, site: u.Host, path: u.RequestURI(), agent: up.Agent, program: up.ID, headers: []header{{"Accept", "*/*"}}}
				got := d.fetch(t, q, response{kind: a.kind, headers: a.headers, body: a.body})
				q.method = http.MethodGet
				d.fetch(got.done+80*time.Millisecond, q, a)
			})
		}
	}
}
