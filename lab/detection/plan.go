package detection

import (
	"time"

	"kagami/lab/events"
)

// Plan says what is played.
type Plan struct {
	Seeds  []uint64
	Days   int
	Repeat int  // instances of each beacon in an office; scans have one, so that each is a machine's only one
	Quick  bool // one small site, few cells: whether it works, not how well
}

// Full is the plan behind published figures, Reduced one of a few minutes, Smoke
// one of seconds. Seeds 1 to 5 are for tuning, those from 6 on are held out.
func Full() Plan {
	return Plan{Seeds: []uint64{6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, Days: 28, Repeat: 3}
}
func Reduced() Plan { return Plan{Seeds: []uint64{6, 7}, Days: 28, Repeat: 1} }
func Smoke() Plan   { return Plan{Seeds: []uint64{6}, Days: 8, Repeat: 1, Quick: true} }

const (
	beacons = "beacons"
	scans   = "scans"
)

// Jobs are the worlds of a plan: each site and seed once with beacons, once with
// scans and bypasses, so that what one attack makes a detector say does not hide
// another. An office is played
// twice more with a sensor that misses packets, and two worlds with restarts.
func (p Plan) Jobs() []Job {
	var out []Job
	for _, seed := range p.Seeds {
		for _, site := range p.sites() {
			for _, theme := range []string{beacons, scans} {
				out = append(out, Job{Site: site, Theme: theme, Options: events.Options{
					Seed: seed, Days: p.Days, Reuse: true, Attacks: p.specs(site, theme, seed)}})
			}
		}
	}
	small := events.Small()
	out = append(out, Job{Site: small, Theme: beacons, Restart: 7 * time.Hour, Options: events.Options{
		Seed: p.Seeds[0], Days: p.Days, Reuse: true, Attacks: p.specs(small, beacons, p.Seeds[0])}})
	if !p.Quick {
		site, seed := events.Office(), p.Seeds[0]
		out = append(out, Job{Site: site, Theme: scans, Restart: 50 * time.Hour, Options: events.Options{
			Seed: seed, Days: p.Days, Reuse: true, Attacks: p.specs(site, scans, seed)}})
		for _, loss := range []float64{0.01, 0.05} {
			out = append(out, Job{Site: site, Theme: beacons, Options: events.Options{
				Seed: seed, Days: p.Days, Reuse: true, Loss: loss, Attacks: p.specs(site, beacons, seed)}})
		}
	}
	return out
}

func (p Plan) sites() []events.Site {
	if p.Quick {
		return []events.Site{events.Small()}
	}
	return events.Sites()
}

// specs are the attacks of one world.
func (p Plan) specs(site events.Site, theme string, seed uint64) []events.Spec {
	var cells []events.Cell
	switch {
	case p.Quick && theme == beacons:
		cells = []events.Cell{{Kind: "beacon", Sleep: time.Minute, Beats: beats(time.Minute)}, {Kind: "beacon", Sleep: time.Hour, Jitter: 25, Beats: beats(time.Hour)}}
	case p.Quick:
		cells = []events.Cell{sweep(10*time.Second, 0, 0), sweep(time.Minute, 0, 50)}
	case theme == beacons:
		cells = beaconCells(site.Proxy)
	default:
		cells = scanCells(site.Proxy)
	}
	count := 1
	switch {
	case site.Name == "small":
		cells = nth(cells, len(cells)/6+1, int(seed))
	case site.Name == "factory":
		cells = nth(cells, 2, int(seed))
	case theme == beacons:
		count = p.Repeat
	}
	out := make([]events.Spec, len(cells))
	for i, c := range cells {
		out[i] = events.Spec{Cell: c, Count: count}
		if isDaily(&c) && !p.Quick { // begins within one week: each day of it counts alike
			out[i].Count, out[i].From, out[i].To = dailies, learningDays*24*time.Hour, 2*learningDays*24*time.Hour
		}
		if p.Quick {
			out[i].From, out[i].To = 24*time.Hour, 36*time.Hour
		}
	}
	return out
}

// nth takes every n-th cell, beginning at another one for each seed, so that all
// get their turn where there are few machines.
func nth(cells []events.Cell, n, seed int) []events.Cell {
	var out []events.Cell
	for i, c := range cells {
		if (i+seed)%n == 0 {
			out = append(out, c)
		}
	}
	return out
}

// sleeps of the beacons of B1 and B2.
func sleeps() []time.Duration {
	return []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute,
		time.Hour, 4 * time.Hour, 8 * time.Hour, 24 * time.Hour}
}

// beats is for how many a beacon goes on: one and a half days, as RITA wants to
// see a whole one, or 60 beats, or as many as fit between the learning week and
// the end of the fourth.
func beats(sleep time.Duration) int {
	return max(int(36*time.Hour/sleep), min(60, int(20*24*time.Hour/sleep)))
}

// enough is by how many beats one must be found: 30, or for the fast ones those
// of 15 minutes, since none is told in its first ten.
func enough(sleep time.Duration) int { return max(30, int(15*time.Minute/sleep)) }

func jitters() []int { return []int{0, 10, 25, 50} }

// web is the transport of beacons that are about their rhythm, not their carrier.
func web(proxy bool) events.Transport {
	if proxy {
		return events.Connect
	}
	return events.HTTPS
}

// beaconCells are what the targets B1 to B6 name, and one cell for each other axis.
func beaconCells(proxy bool) []events.Cell {
	var out []events.Cell
	add := func(c events.Cell) {
		c.Kind = "beacon"
		if c.Beats == 0 {
			c.Beats = beats(c.Sleep)
		}
		out = append(out, c)
	}
	w := web(proxy)
	for _, s := range sleeps() {
		for _, j := range jitters() {
			for _, missed := range []int{0, 20} {
				add(events.Cell{Sleep: s, Jitter: j, Missed: missed, Transport: w})
			}
		}
	}
	for _, missed := range []int{0, 20} {
		add(daily(missed, w))
	}
	for _, s := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour} { // B4
		for _, j := range []int{0, 10, 25} {
			add(events.Cell{Sleep: s, Jitter: j, Missed: 40, Beats: 40, Transport: w})
		}
	}
	pulses := []events.Transport{events.Pulses}
	if proxy {
		pulses = append(pulses, events.ConnectPulses)
	}
	for _, t := range pulses { // B5
		for _, j := range []int{0, 25, 50} {
			add(events.Cell{Sleep: 5 * time.Minute, Jitter: j, Transport: t})
		}
	}
	for _, s := range []time.Duration{time.Minute, 10 * time.Minute} { // B6
		for _, j := range []int{0, 10} {
			add(events.Cell{Sleep: s, Jitter: j, Noise: 50, Beats: 67, Transport: w})
		}
	}
	for _, c := range otherCells(proxy) {
		add(c)
	}
	return out
}

// daily is the beacon of B3, over before the end on whichever day of the week it begins.
func daily(missed int, w events.Transport) events.Cell {
	return events.Cell{Kind: "beacon", Sleep: 24 * time.Hour, Jitter: 5, Model: events.Symmetric, Missed: missed, Transport: w, Beats: 12}
}

// isDaily tells whether a cell is one of B3.
func isDaily(c *events.Cell) bool { return *c == daily(c.Missed, c.Transport) }

// dailies is how many there are of each in a world: they cost hardly anything, and
// what comes of one depends on the day and hour at which it begins.
const dailies = 20

// ten is the beacon that the other axes vary: ten minutes, 25 percent.
func ten(w events.Transport) events.Cell {
	return events.Cell{Sleep: 10 * time.Minute, Jitter: 25, Transport: w}
}

func otherCells(proxy bool) []events.Cell {
	w := web(proxy)
	var out []events.Cell
	vary := func(change func(*events.Cell)) {
		c := ten(w)
		change(&c)
		out = append(out, c)
	}
	for _, t := range []events.Transport{events.HTTPS, events.HTTP, events.Connect, events.AbsoluteURI, events.DNSTXT, events.DNSA,
		events.RawTCP, events.RawUDP, events.ICMP} {
		if t == events.AbsoluteURI && !proxy || t == events.Connect && !proxy {
			continue
		}
		vary(func(c *events.Cell) { c.Transport = t })
	}
	for _, m := range []events.Model{events.Symmetric, events.Additive, events.Grid} {
		vary(func(c *events.Cell) { c.Model = m })
	}
	vary(func(c *events.Cell) { c.Jitter = 60 })
	vary(func(c *events.Cell) { c.Rotate = 3 })
	vary(func(c *events.Cell) { c.Rotate = 10 })
	vary(func(c *events.Cell) { c.Padding = true })
	vary(func(c *events.Cell) { c.Interactive = true })
	vary(func(c *events.Cell) { c.Asleep = true })
	vary(func(c *events.Cell) { c.Asleep, c.Sleep, c.Beats = true, time.Hour, 100 })
	vary(func(c *events.Cell) { c.Noise = 100 })
	return out
}

// spacings of scans.
func spacings() []time.Duration {
	return []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
		5 * time.Minute, 10 * time.Minute, 20 * time.Minute, time.Hour}
}

// sweep is a scan of machines, at their file service.
func sweep(spacing time.Duration, success, dark int) events.Cell {
	return events.Cell{Kind: "scan", Port: 445, Spacing: spacing, Success: success, Dark: dark, Targets: scanTargets(spacing), Random: true}
}

// scanTargets is enough for the fastest peers to see the whole of a quick scan,
// and for the slow ones to last no longer than some days.
func scanTargets(spacing time.Duration) int {
	switch {
	case spacing <= 10*time.Second:
		return 200
	case spacing <= 10*time.Minute:
		return 100
	}
	return 40
}

// scanCells are what the targets S1 and of egress name.
func scanCells(proxy bool) []events.Cell {
	var out []events.Cell
	for _, s := range spacings() {
		out = append(out, sweep(s, 0, 0), sweep(s, 0, 50))
	}
	for _, s := range []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute} {
		out = append(out, sweep(s, 50, 0), sweep(s, 20, 0))
	}
	vary := func(change func(*events.Cell)) {
		c := sweep(10*time.Second, 0, 0)
		change(&c)
		out = append(out, c)
	}
	for _, port := range []uint16{22, 3389, 5985} {
		vary(func(c *events.Cell) { c.Port = port })
	}
	vary(func(c *events.Cell) { c.Random = false })
	vary(func(c *events.Cell) { c.Admin = true })
	vary(func(c *events.Cell) { c.Scanner = true })
	vary(func(c *events.Cell) { c.Shape, c.Port = events.Vertical, 0 })
	vary(func(c *events.Cell) { c.Shape, c.Port, c.Spacing, c.Targets = events.Vertical, 0, 5*time.Minute, 40 })
	vary(func(c *events.Cell) { c.Shape, c.Port = events.UDPSweep, 161 })
	vary(func(c *events.Cell) { c.Shape, c.Port = events.PingSweep, 0 })
	vary(func(c *events.Cell) { c.Shape, c.Port = events.ARPSweep, 0 })
	if proxy {
		out = append(out, egressCells()...)
	}
	return out
}

func egressCells() []events.Cell {
	var out []events.Cell
	for _, c := range []events.Cell{
		{Transport: events.HTTPS, Port: 443}, {Transport: events.HTTP, Port: 80}, {Transport: events.RawTCP, Port: 4444}, {Transport: events.RawUDP, Port: 4444},
	} {
		for _, b := range []events.Blocked{events.Permitted, events.Dropped, events.Rejected} {
			c.Kind, c.Blocked, c.Targets = "egress", b, 5
			if b == events.Permitted {
				c.Targets = 1
			}
			if c.Transport == events.RawUDP && b != events.Permitted {
				continue
			}
			out = append(out, c)
		}
	}
	return out
}
