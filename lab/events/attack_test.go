package events

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"kagami/records"
)

// deed is what one attack left, in the order of its beats.
type deed struct {
	*Attack
	beats  []beat // Beat > 0, one each
	others int    // contacts of Beat 0
	all    []records.Record
}

// beat is one of them: when it began, and its records.
type beat struct {
	at      int64
	records []records.Record
}

// deeds plays a world without other traffic and sorts its records by attack.
func deeds(s Site, o Options) []*deed {
	o.Quiet = true
	w := New(s, o)
	byID := make(map[*Attack]*deed)
	var out []*deed
	for _, a := range w.Attacks() {
		byID[a] = &deed{Attack: a}
		out = append(out, byID[a])
	}
	for e := range w.Events() {
		a := e.Label.Attack
		if a == nil {
			continue
		}
		d := byID[a]
		d.all = append(d.all, e.Record)
		if e.Record.Meta().Client().Addr() != a.Source && e.Record.Meta().Kind != records.KindARP {
			continue // a leg of the proxy's, or the resolver's
		}
		at := began(e.Record)
		if e.Label.Beat == 0 {
			if _, ok := e.Record.(*records.Flow); ok {
				d.others++
			}
			continue
		}
		for len(d.beats) < e.Label.Beat {
			d.beats = append(d.beats, beat{at: never})
		}
		b := &d.beats[e.Label.Beat-1]
		b.at = min(b.at, at)
		b.records = append(b.records, e.Record)
	}
	return out
}

// began is when what a record tells of began.
func began(r records.Record) int64 {
	switch r := r.(type) {
	case *records.Flow:
		return r.Start
	case *records.HTTP:
		return r.Start
	case *records.TLS:
		return r.Start
	case *records.DNS:
		return r.Time
	case *records.Pulse:
		return r.Start
	}
	return r.Meta().At
}

func kinds(list []records.Record) map[string]int {
	out := make(map[string]int)
	for _, r := range list {
		name := fmt.Sprintf("%T", r)[len("*records."):]
		if h, ok := r.(*records.HTTP); ok {
			name = h.Method
		}
		out[name]++
	}
	return out
}

// TestBeaconGaps: intervals follow the law of their cell.
func TestBeaconGaps(t *testing.T) {
	const slack = 400 * millisecond // looking up the name, or not
	for _, c := range []struct {
		model  Model
		jitter int
		lo, hi int // percent of the sleep
	}{
		{CobaltStrike, 0, 100, 100}, {CobaltStrike, 50, 50, 100}, {Symmetric, 25, 75, 125}, {Additive, 60, 100, 160}, {Grid, 0, 100, 100}, {Grid, 25, 75, 125},
	} {
		for _, sleep := range []time.Duration{10 * time.Second, 10 * time.Minute, 8 * time.Hour} {
			cell := Cell{Kind: "beacon", Sleep: sleep, Jitter: c.jitter, Model: c.model, Beats: 40, Transport: HTTPS}
			for _, d := range deeds(Office(), Options{Seed: 1, Attacks: []Spec{{Cell: cell, Count: 4}}}) {
				if len(d.beats) != 40 {
					t.Errorf("%s: %d beats", d.Cell, len(d.beats))
				}
				lo, hi := int64(sleep)*int64(c.lo)/100-slack, int64(sleep)*int64(c.hi)/100+slack
				least, most := never, int64(0)
				for i := range d.beats[1:] {
					gap := d.beats[i+1].at - d.beats[i].at
					least, most = min(least, gap), max(most, gap)
				}
				if least < lo || most > hi {
					t.Errorf("%s: gaps from %v to %v, want %v to %v", d.Cell, time.Duration(least), time.Duration(most), time.Duration(lo), time.Duration(hi))
				}
				if c.jitter >= 25 && most-least < (hi-lo)*6/10 {
					t.Errorf("%s: gaps from %v to %v use little of the room", d.Cell, time.Duration(least), time.Duration(most))
				}
				if d.Start < New(Office(), Options{}).Start()+learning {
					t.Errorf("%s: begins in the learning week", d.Cell)
				}
			}
		}
	}
}

// TestBeaconTransports: every transport leaves the records that it should.
func TestBeaconTransports(t *testing.T) {
	for _, c := range []struct {
		transport Transport
		every     map[string]int // of each beat, at the machine; looking up aside
	}{
		{HTTPS, map[string]int{"TLS": 1, "Flow": 1}},
		{HTTP, map[string]int{"web": 1, "Flow": 1}},
		{Connect, map[string]int{"TLS": 1, "CONNECT": 1, "Flow": 1}},
		{AbsoluteURI, map[string]int{"web": 1, "Flow": 1}},
		{DNSTXT, map[string]int{"DNS": 2, "Flow": 1}},
		{DNSA, map[string]int{"DNS": 2, "Flow": 1}},
		{RawTCP, map[string]int{"Flow": 1}},
		{RawUDP, map[string]int{"Flow": 1}},
		{ICMP, map[string]int{"Flow": 1}},
		{Pulses, map[string]int{"Pulse": 1}},
		{ConnectPulses, map[string]int{"Pulse": 1}},
	} {
		cell := Cell{Kind: "beacon", Sleep: time.Minute, Jitter: 20, Beats: 12, Transport: c.transport}
		for _, d := range deeds(Office(), Options{Seed: 2, Days: 9, Attacks: []Spec{{Cell: cell, Count: 3}}}) {
			for i, b := range d.beats {
				got := kinds(b.records)
				if n := got["GET"] + got["POST"]; n > 0 {
					got["web"] = n
				}
				if got["DNS"] > 0 && c.transport.named() && c.every["DNS"] == 0 { // the name, now and then
					got["Flow"] -= got["DNS"] / 2
				}
				if (i == 0 || i == len(d.beats)-1) && c.every["Pulse"] > 0 {
					continue // the session's beginning and end
				}
				for kind, n := range c.every {
					if got[kind] != n {
						t.Errorf("%s beat %d: %v, want %v", d.Cell, i+1, got, c.every)
					}
				}
			}
			proxied := slices.ContainsFunc(d.all, func(r records.Record) bool { return r.Meta().Server().Port() == 3128 })
			if proxied != c.transport.proxied() || len(d.Destinations) != 1 || c.transport.named() != (len(d.Names) == 1) {
				t.Errorf("%s: proxied %v, destinations %v, names %v", d.Cell, proxied, d.Destinations, d.Names)
			}
		}
	}
}

// with plants five beacons that differ from a plain one.
func with(change func(*Cell)) []*deed {
	c := Cell{Kind: "beacon", Sleep: 5 * time.Minute, Jitter: 10, Beats: 200, Transport: Connect}
	change(&c)
	return deeds(Office(), Options{Seed: 3, Attacks: []Spec{{Cell: c, Count: 5}}})
}

// TestBeaconPadding: requests are of one size, or of any.
func TestBeaconPadding(t *testing.T) {
	size := func(ds []*deed) (spread uint64) {
		for _, d := range ds {
			least, most := ^uint64(0), uint64(0)
			for _, r := range d.all {
				if f, ok := r.(*records.Flow); ok && f.Meta().Server().Port() == 3128 {
					least, most = min(least, f.Orig.Payload), max(most, f.Orig.Payload)
				}
			}
			spread = max(spread, most-least)
		}
		return spread
	}
	if plain, padded := size(with(func(*Cell) {})), size(with(func(c *Cell) { c.Padding = true })); plain > 20 || padded < 2000 {
		t.Errorf("requests differ by %d octets, padded by %d", plain, padded)
	}
}

// TestBeaconAxes: the other axes do what they say.
func TestBeaconAxes(t *testing.T) {
	near := func(name string, got, want, by int) {
		t.Helper()
		if got < want-by || got > want+by {
			t.Errorf("%s: %d, want %d +- %d", name, got, want, by)
		}
	}
	for _, d := range with(func(c *Cell) { c.Missed = 40 }) {
		near("beats of which 40 % are missed", len(d.beats), 120, 30)
	}
	for _, d := range with(func(c *Cell) { c.Noise = 50 }) {
		near("contacts between beats", d.others, 100, 35)
	}
	for _, d := range with(func(c *Cell) { c.Interactive = true }) {
		if d.others < 15 {
			t.Errorf("nobody types: %d contacts", d.others)
		}
	}
	for _, d := range with(func(c *Cell) { c.Rotate = 10 }) {
		seen := make(map[string]bool)
		for _, r := range d.all {
			if h, ok := r.(*records.HTTP); ok {
				seen[h.Host] = true
			}
		}
		if len(seen) != 10 || len(d.Names) != 10 {
			t.Errorf("%d domains are used, %d planned", len(seen), len(d.Names))
		}
	}
	hours := make(map[int64]int)
	for _, d := range with(func(c *Cell) { c.Asleep = true }) {
		for _, b := range d.beats {
			hours[b.at/hour%24]++
		}
	}
	for h := range int64(5) {
		if hours[h] > 0 {
			t.Errorf("%d beats of sleeping machines between %d and %d o'clock", hours[h], h, h+1)
		}
	}
}

// TestScans: targets, outcomes, order and pace of each shape.
func TestScans(t *testing.T) {
	for _, c := range []struct {
		cell                      Cell
		answered, refused, silent int // flows
		dark                      int // targets that ARP does not find
	}{
		{Cell{Shape: Horizontal, Port: 445, Targets: 40, Spacing: time.Minute}, 0, -1, -1, 0},
		{Cell{Shape: Horizontal, Port: 3389, Targets: 40, Spacing: time.Second, Success: 50}, 20, -1, -1, 0},
		{Cell{Shape: Horizontal, Port: 22, Targets: 40, Spacing: time.Minute, Dark: 50, Success: 20, Random: true}, 4, -1, -1, 20},
		{Cell{Shape: Vertical, Targets: 100, Spacing: 10 * time.Second}, 0, -1, -1, 0},
		{Cell{Shape: UDPSweep, Port: 161, Targets: 30, Spacing: time.Minute, Success: 20}, 6, 0, 24, 0},
		{Cell{Shape: PingSweep, Targets: 30, Spacing: time.Minute, Dark: 50}, 0, 0, 15, 15},
		{Cell{Shape: ARPSweep, Targets: 30, Spacing: time.Second, Dark: 50}, 0, 0, 0, 15},
		{Cell{Shape: Horizontal, Port: 445, Targets: 20, Spacing: time.Hour, Admin: true}, 0, -1, -1, 0},
		{Cell{Shape: Horizontal, Port: 445, Targets: 20, Spacing: time.Minute, Scanner: true}, 0, -1, -1, 0},
	} {
		c.cell.Kind = "scan"
		for _, d := range deeds(Office(), Options{Seed: 4, Attacks: []Spec{{Cell: c.cell, Count: 3}}}) {
			if c.cell.Scanner != (d.Host == "vulnscan01") {
				t.Errorf("%s: from %s", d.Cell, d.Host)
			}
			if len(d.beats) != c.cell.Targets {
				t.Errorf("%s: %d probes", d.Cell, len(d.beats))
			}
			got := outcomes(d)
			total := got.answered + got.refused + got.silent + got.dark
			if c.cell.Shape != ARPSweep && total != c.cell.Targets || got.answered != c.answered || got.dark != c.dark ||
				c.refused >= 0 && (got.refused != c.refused || got.silent != c.silent) {
				t.Errorf("%s: %+v", d.Cell, got)
			}
			ascending := slices.IsSortedFunc(d.beats, func(a, b beat) int { return aim(a).Compare(aim(b)) })
			if ascending == c.cell.Random && c.cell.Shape != Vertical {
				t.Errorf("%s: ascending %v", d.Cell, ascending)
			}
			for i := range d.beats[1:] {
				if gap := d.beats[i+1].at - d.beats[i].at; gap < int64(c.cell.Spacing)*9/10 {
					t.Errorf("%s: probes %v apart", d.Cell, time.Duration(gap))
					break
				}
			}
		}
	}
}

// aim is whom a probe goes to.
func aim(b beat) netip.Addr {
	if a, ok := b.records[0].(*records.ARP); ok {
		return a.Target
	}
	return b.records[0].Meta().Server().Addr()
}

type results struct{ answered, refused, silent, dark int }

func outcomes(d *deed) (out results) {
	found, asked := make(map[netip.Addr]bool), make(map[netip.Addr]int)
	for _, r := range d.all {
		switch r := r.(type) {
		case *records.Flow:
			switch {
			case r.ConnState == "REJ":
				out.refused++
			case r.Resp.Packets > 0:
				out.answered++
			default:
				out.silent++
			}
		case *records.ARP:
			if r.Op == 2 {
				found[r.Sender] = true
			} else {
				asked[r.Target]++
			}
		}
	}
	for a, n := range asked {
		if !found[a] && n == 3 {
			out.dark++
		}
	}
	return out
}
