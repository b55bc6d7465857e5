package lab

import (
	"fmt"
	"net/http"
	"time"
)

// Beacon is an implant that calls home through the proxy.
type Beacon struct {
	ID     string        `toml:"id"`
	Host   string        `toml:"host"`
	Site   string        `toml:"site"`
	Path   string        `toml:"path"`
	From   Clock         `toml:"from"`
	To     Clock         `toml:"to"`
	Sleep  time.Duration `toml:"sleep"`
	Jitter int           `toml:"jitter_percent"` // gap = sleep * (1 - U(0, jitter))
	Up     [2]int        `toml:"up"`             // bytes of the request body
	Down   [2]int        `toml:"down"`           // bytes of the answer
	Agent  string        `toml:"user_agent"`
}

func planBeacons(d *day, _ *Rand) {
	for _, b := range d.s.Beacons {
		label := d.attack(b.ID, "beacon", "T1071.001", b.Host,
			fmt.Sprintf("POST through the proxy every %s, shortened by up to %d %%", b.Sleep, b.Jitter))
		r := NewRand(d.s.Seed, "beacon "+b.ID)
		h, site := d.s.host(b.Host), d.s.site(b.Site)
		id := fmt.Sprintf("%08x", r.Uint32())
		gap := func() time.Duration {
			return r.Span(b.Sleep*time.Duration(100-b.Jitter)/100, b.Sleep+time.Microsecond)
		}
		d.every(d.s.offset(b.From), d.s.offset(b.To), gap, func(t time.Duration) {
			q := request{from: h, method: http.MethodPost, site: b.Site, path: b.Path, agent: b.Agent, program: b.ID,
				headers: []header{{"Accept", "*/*"}, {"Content-Type", "application/octet-stream"}, {"Cookie", "id=" + id}},
				body:    r.Bytes(r.Int(b.Up[0], b.Up[1]))}
			got := d.fetch(t, q, response{kind: "application/octet-stream", body: r.Bytes(r.Int(b.Down[0], b.Down[1])),
				headers: []header{{"Cache-Control", "no-store"}}})
			label.event(got.begin, got.done, Destination{site.Name, site.IP, 80}, got.flows...)
		})
	}
}

// Bypass is a host that does not use the proxy: it resolves outside names and
// connects to them itself.
type Bypass struct {
	ID      string   `toml:"id"`
	Host    string   `toml:"host"`
	From    Clock    `toml:"from"`
	To      Clock    `toml:"to"`
	Events  int      `toml:"events"`
	Sites   []string `toml:"sites"`   // answer
	Blocked []string `toml:"blocked"` // do not answer: the firewall drops
	Agent   string   `toml:"user_agent"`
	TLS     string   `toml:"tls"`
}

func planBypasses(d *day, _ *Rand) {
	for _, b := range d.s.Bypasses {
		label := d.attack(b.ID, "bypass", "T1071.001", b.Host, "straight to the internet past the proxy, TLS on 443 and HTTP on 80; some attempts are dropped")
		r := NewRand(d.s.Seed, "bypass "+b.ID)
		from, to := d.s.offset(b.From), d.s.offset(b.To)
		for i := range b.Events {
			t := from + (to-from)*time.Duration(i)/time.Duration(b.Events) + r.Span(0, (to-from)/time.Duration(2*b.Events))
			blocked := len(b.Blocked) > 0 && i%3 == 1
			d.at(t, func(t time.Duration) {
				if blocked {
					d.dropped(t, r, b, label)
				} else {
					d.escaped(t, r, b, label)
				}
			})
		}
	}
}

// dropped is an attempt that the firewall swallows.
func (d *day) dropped(t time.Duration, r *Rand, b Bypass, label *Attack) {
	name := Pick(r, b.Blocked)
	me, server := d.end(b.Host), d.end(name)
	t = d.lookup(t, me, name)
	c := d.wire.Ignore(t, me, server, 443, time.Second, 2*time.Second, 4*time.Second)
	label.event(t, t+7*time.Second, Destination{name, server.Addr, 443}, c.Flow())
	label.outcome("unanswered")
}

// escaped is an attempt that works.
func (d *day) escaped(t time.Duration, r *Rand, b Bypass, label *Attack) {
	name := Pick(r, b.Sites)
	me, server, site := d.end(b.Host), d.end(name), d.s.site(name)
	t = d.lookup(t, me, name)
	label.outcome("answered")
	if site.Scheme == "http" {
		done, flow := d.direct(t, me, server, request{from: d.s.host(b.Host), site: name, path: fmt.Sprintf("/r/%d", r.Below(1000)), agent: b.Agent},
			response{kind: "text/plain", body: []byte(sentence(r, 40))})
		label.event(t, done, Destination{name, server.Addr, 80}, flow)
		return
	}
	c := d.wire.Dial(t, me, 0, server, 443)
	d.converse(c, d.turns(r, session{profile: b.TLS, name: name, version: site.TLS,
		pairs: []pair{{r.Int(200, 700), r.Int(800, 4000), 0}, {r.Int(200, 2500), r.Int(200, 900), 3 * time.Second}}}))
	label.event(t, c.Close(Client, c.Ready(Client)+time.Second), Destination{name, server.Addr, 443}, c.Flow())
}
