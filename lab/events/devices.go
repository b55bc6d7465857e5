package events

import (
	"strconv"
	"strings"
)

// Rare tells whether a class of benign traffic is one machine's alone, periodic
// and harmless.
func Rare(class string) bool { return strings.HasPrefix(class, rare) }

const rare = "rare:"

// gadgets are the things that one machine alone does, to a destination that no
// other machine knows, like clockwork, and harmlessly: what a detector of beacons
// must live with. Every site has at least ten.
func gadgets() []habit {
	ws, srv := of(workstation), of(server, workstation)
	device := of(tv, camera, printer, phone, gateway, router, storage)
	return []habit{
		{class: "tv", way: viaDirect, from: 5 * minute, to: 5 * minute, jitter: 1, roles: of(tv), up: 700, down: 3000},
		{class: "cron", from: 10 * minute, to: 10 * minute, roles: ws, up: 350, down: 900},
		{class: "signage", way: viaDirect, from: 60 * second, to: 60 * second, jitter: 1, roles: device, up: 300, down: 1200},
		{class: "weather", way: viaClear, from: 15 * minute, to: 15 * minute, jitter: 2, roles: srv, up: 120, down: 2200},
		{class: "licence", from: hour, to: hour, roles: srv, up: 900, down: 400},
		{class: "solar", way: viaDirect, from: 5 * minute, to: 5 * minute, roles: device, up: 900, down: 200},
		{class: "backup-report", from: 24 * hour, to: 24 * hour, roles: srv, up: 5000, down: 300},
		{class: "printer-supply", way: viaDirect, from: 24 * hour, to: 24 * hour, jitter: 1, roles: of(printer), up: 2500, down: 300},
		{class: "alarm", way: viaDirect, from: 30 * second, to: 30 * second, jitter: 3, roles: device, up: 150, down: 100},
		{class: "cron-hourly", from: hour, to: hour, roles: ws, up: 350, down: 12000},
		{class: "stock-ticker", way: viaClear, when: working, from: 60 * second, to: 60 * second, jitter: 5, roles: ws, up: 110, down: 800},
		{class: "tab", when: working, from: 30 * second, to: 5 * minute, jitter: 10, roles: ws, up: 450, down: 600},
		{class: "mail-poll", when: working, from: 10 * minute, to: 10 * minute, jitter: 1, roles: ws, up: 600, down: 1400},
		{class: "hobby", way: viaSession, from: 60 * second, to: 4 * minute, jitter: 5, roles: ws, up: 80, down: 80, rest: 20 * hour},
		{class: "ups", way: viaDirect, from: 8 * hour, to: 8 * hour, jitter: 2, roles: device, up: 900, down: 200},
		{class: "heating", way: viaDirect, from: 15 * minute, to: 15 * minute, jitter: 1, roles: device, up: 1300, down: 400},
	}
}

// beginDevices gives the gadgets to machines: three quarters are there from the
// beginning, the others come after the learning week.
func (r *run) beginDevices() {
	if r.opt.NoRare {
		return
	}
	list := gadgets()
	d := stream(r.opt.Seed, "gadgets", 0)
	for i := range list {
		g := &list[i]
		hosts := r.all(g.roles)
		if len(hosts) == 0 {
			hosts = r.all(of(workstation))
		}
		n := 1
		if g.class == "tv" {
			n = min(len(hosts), 3)
		}
		for k := range n {
			h := hosts[(d.Below(len(hosts))+k)%len(hosts)]
			if g.class == "tv" {
				h = hosts[k]
			}
			b := *g
			tag := strconv.Itoa(k + 1)
			b.servers, b.port = []string{[...]string{"api.", "www.", "data."}[d.Below(3)] + g.class + "-" + word(mix(r.opt.Seed+uint64(i))) + tag + ".example"}, 443
			if b.way == viaClear {
				b.port = 80
			}
			at := r.start + d.between(0, 6*hour)
			if d.percent(25) && r.opt.Days > 8 {
				at = r.start + learning + d.between(0, int64(r.opt.Days-8)*day)
			}
			r.begins(&b, h, stream(r.opt.Seed, g.class, k), benign(rare+g.class+tag), at)
		}
	}
}
