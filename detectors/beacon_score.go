package detectors

import (
	"fmt"
	"math"
	"strings"
	"time"

	"kagami/records"
)

// score is the fused evidence for a beacon.
type score struct {
	total   float64
	rhythm  float64 // part of the total
	reasons []reason
	known   familiarity
}

func (s *score) context() float64 { return s.total - s.rhythm }

// Limits of what a rhythm can say, in nats: the evidence against a harmless
// timer with the same regularity (see saturate).
const (
	limitRare   = 20 // one or two machines that people use
	limitShared = 11 // three and more machines run the same timer
	limitDevice = 8  // a machine that nobody uses does nothing but timers
	limitCommon = 6  // everybody runs the same timer, or it is a person's habit
)

const (
	usesProxy = 10 // connections through a proxy make its user
	browses   = 10 // requests that name a referring page make a browser
)

// attended tells whether a person seems to use a machine. What has few
// destinations and does not follow links is a device.
func (h *host) attended(destinations int) bool {
	return int(h.destinations) >= destinations || h.browsed >= browses
}

// rhythmLimit picks the limit for a destination and a client.
func rhythmLimit(f familiarity, device, explained bool) float64 {
	switch {
	case explained || f.common():
		return limitCommon
	case device:
		return limitDevice
	case f.hosts >= 3:
		return limitShared
	}
	return limitRare
}

// score fuses the rhythm with what surrounds it.
func (b *beacon) score(p *pair, c *contact, h *host, r *rhythm) score {
	s := score{known: b.site.familiar(c)}
	device := h == nil || !h.attended(b.config.Interactive)
	add := func(nats float64, text string) {
		if nats != 0 {
			s.reasons = append(s.reasons, reason{nats, text})
		}
	}
	add(s.known.rarity(), "number of machines that contact it")
	add(b.site.age(s.known), "time since it was first seen")
	add(b.site.nameless(c), "an address that no DNS answer gave out")
	if c.how == byProxyConnect && c.port != 443 && c.port != 80 {
		add(1.5, "tunnel to an unusual port")
	}
	if !c.how.proxied() && h != nil && h.proxied >= usesProxy {
		add(2, "goes around the proxy")
	}
	if !device { // devices know no office hours, and say the same every time
		add(steadiness(p.upN, p.upMean, p.upM), "requests of nearly one size")
		if p.offHours >= 3 {
			add(1, "contacts outside office hours")
		}
	}
	service, habit := c.status || b.harmless(c), b.habit(p, r)
	if service {
		add(-8, "certificate status, or the name of a known service")
	}
	if habit {
		add(-1, "once a day or week, as people do")
	}
	s.rhythm = saturate(r.evidence, rhythmLimit(s.known, device, service || habit))
	s.total = s.rhythm + sum(s.reasons)
	return s
}

// steadiness is the evidence in nats of requests of equal size, from the moments
// of log2 of their octets.
func steadiness(n uint32, mean, m2 float64) float64 {
	if n < 4 {
		return 0
	}
	switch sd := math.Sqrt(m2 / float64(n-1)); {
	case sd < 0.07:
		return 1
	case sd < 0.3:
		return 0.5
	}
	return 0
}

// harmless tells whether a destination is a well-known service. A name alone is
// easily claimed, so where DNS is visible the address must have come from it.
func (b *beacon) harmless(c *contact) bool {
	if c.name == "" || !c.how.proxied() && b.site.nameless(&contact{addr: c.addr}) != 0 {
		return false
	}
	return within(c.name, b.config.Harmless)
}

// within tells whether name is one of the domains or in one.
func within(name string, domains []string) bool {
	name = strings.ToLower(name)
	for _, d := range domains {
		if rest, ok := strings.CutSuffix(name, strings.ToLower(d)); ok && (rest == "" || strings.HasSuffix(rest, ".")) {
			return true
		}
	}
	return false
}

// offHours tells whether t is on a weekend or outside office hours.
func (c *BeaconConfig) offHours(t int64) bool {
	local := time.Unix(0, t).UTC().Add(c.UTCOffset)
	if d := local.Weekday(); d == time.Saturday || d == time.Sunday {
		return true
	}
	return local.Hour() < c.OfficeHours[0] || local.Hour() >= c.OfficeHours[1]
}

// habit tells whether a daily or weekly rhythm may be a person's. It is not when
// it comes at any hour of the day, or often on free days, or keeps the minute
// and comes on a free day, too.
func (b *beacon) habit(p *pair, r *rhythm) bool {
	hours := math.Exp2(r.period) / 3600
	if !(hours >= 20 && hours <= 28 || hours >= 6.5*24 && hours <= 7.5*24) {
		return false
	}
	var off int
	var x, y float64
	for i := range p.n {
		t := p.time(i)
		if b.config.offHours(t) {
			off++
		}
		angle := 2 * math.Pi * float64(t%int64(24*time.Hour)) / float64(24*time.Hour)
		x, y = x+math.Cos(angle), y+math.Sin(angle)
	}
	length := min(math.Hypot(x, y)/float64(p.n), 1)
	spread := math.Sqrt(-2*math.Log(length)) / (2 * math.Pi) * 24 * 60 // circular standard deviation, minutes
	return spread <= 180 && off < 3 && !(off >= 1 && spread < 10)
}

// alert tells the incident.
func (b *beacon) alert(p *pair, c *contact, r *rhythm, s *score, w *samples) *records.Alert {
	a := records.NewAlert(*c.meta)
	to := c.text()
	a.Rule = "beacon"
	a.Title = fmt.Sprintf("%s contacts %s every %s", c.client, quote(to), span(seconds(r.period)))
	a.Score, a.Severity = s.total, severity(s.total)
	a.Source, a.Destination, a.DestAddr, a.DestPort = c.client, to, c.addr, c.port
	a.Since, a.Until = p.first, p.last
	a.Evidence = b.explain(p, c, r, s, to)
	a.Benign = "Updaters, telemetry, chat, monitoring and open browser tabs also call on a timer. " +
		"Ask what program on this machine knows the destination, and whether other machines should."
	a.Technique = beaconTechniques(c)
	w.into(a)
	return a
}

func (b *beacon) explain(p *pair, c *contact, r *rhythm, s *score, to string) []string {
	counted := r.kept + r.missed + r.other
	e := []string{
		fmt.Sprintf("%s contacted %s %d times in %s (%s to %s)%s", c.client, quote(to), p.contacts, span(p.last-p.first),
			clock(p.first), clock(p.last), ", "+c.how.phrase()),
		fmt.Sprintf("%d of the last %d gaps lie between %s and %s (median %s)", r.kept, counted,
			span(seconds(r.lo)), span(seconds(r.hi)), span(seconds(r.period))),
		fmt.Sprintf("the rhythm gives %.1f nats against unattended human behaviour, of which %.1f count here", r.evidence, s.rhythm),
		fmt.Sprintf("%s of %d known machines contact this destination; first seen %s", atLeast(s.known.hosts), s.known.total, clock(s.known.since)),
	}
	if r.missed > 0 {
		e = append(e, fmt.Sprintf("%d gaps fit missed beats or a machine that slept", r.missed))
	}
	if p.failed > 0 {
		e = append(e, fmt.Sprintf("%d contacts had no answer or an error", p.failed))
	}
	if p.upN > 0 {
		e = append(e, fmt.Sprintf("requests have about %.0f octets", math.Exp2(p.upMean)))
	}
	if p.offHours > 0 {
		e = append(e, fmt.Sprintf("%d contacts were outside office hours", p.offHours))
	}
	return appendReasons(e, s.reasons)
}

func seconds(log2 float64) int64 { return int64(math.Exp2(log2) * float64(time.Second)) }

func atLeast(n int) string {
	if n >= len(crowd{}.ids) {
		return fmt.Sprintf("at least %d", n)
	}
	return fmt.Sprint(n)
}

func (h how) phrase() string {
	return [...]string{"over TCP", "over UDP", "over HTTP", "over TLS", "over HTTP through the proxy", "in tunnels through the proxy"}[h]
}

// beaconTechniques names the MITRE ATT&CK techniques of a beacon made that way.
func beaconTechniques(c *contact) []string {
	switch c.how {
	case overHTTP:
		return []string{"T1071.001"}
	case overTLS:
		return []string{"T1071.001", "T1573"}
	case byProxy:
		return []string{"T1071.001", "T1090"}
	case byProxyConnect:
		return []string{"T1071.001", "T1573", "T1090"}
	}
	return []string{"T1095"}
}
