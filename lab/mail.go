package lab

import "time"

// Mail is a mail server inside and the programs that ask it for news.
type Mail struct {
	Server string        `toml:"server"`
	Hosts  []string      `toml:"hosts"`
	Period time.Duration `toml:"period"`
}

// planMail keeps one IMAP session over TLS 1.2 (port 993, RFC 8314) open for
// each host and checks for mail in it.
func planMail(d *day, r *Rand) {
	m := d.s.Mail
	if m.Server == "" {
		return
	}
	name := m.Server + "." + d.s.Network.Domain
	series := d.benign(BenignSeries{ID: "imap", Destination: m.Server + ":993", Period: m.Period, Jitter: 2, Via: "direct", Note: "checks for mail inside one long TLS session"})
	for _, h := range d.s.hosts(m.Hosts) {
		series.Hosts = append(series.Hosts, h.Name)
		from, to := d.s.present(h)
		own := NewRand(d.s.Seed, "mail "+h.Name)
		d.at(from+r.Span(time.Minute, 4*time.Minute), func(t time.Duration) {
			t = d.lookup(t, d.end(h.Name), name)
			c := d.wire.Dial(t, d.end(h.Name), 0, d.end(m.Server), 993)
			login := []pair{{40, 90, 5 * time.Millisecond}, {70, 140, 0}, {45, own.Int(400, 1500), 0}}
			d.converse(c, d.turns(own, session{profile: "schannel", name: name, version: "1.2", pairs: login, think: 3 * time.Millisecond}))
			last := min(to, d.s.length()) - 10*time.Minute
			d.every(t+m.Period, last, steady(own, m.Period, 2), func(t time.Duration) {
				series.Events++
				c.Send(Client, t, sealed(own, 38))
				reply := own.Int(60, 75)
				if own.Chance(1, 12) {
					reply = own.Int(300, 1400) // there is mail
				}
				c.Send(Server, c.Ready(Server)+own.Span(time.Millisecond, 8*time.Millisecond), sealed(own, reply))
			})
			d.at(to-5*time.Minute, func(t time.Duration) { c.Close(Client, t) })
		})
	}
}
