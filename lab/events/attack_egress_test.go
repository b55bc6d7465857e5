package events

import (
	"net/netip"
	"testing"
	"time"

	"kagami/records"
)

// TestEgress: connections that go around the proxy, and what becomes of them.
func TestEgress(t *testing.T) {
	for _, c := range []struct {
		cell  Cell
		state string
	}{
		{Cell{Transport: HTTPS, Targets: 3}, "SF"},
		{Cell{Transport: HTTP, Targets: 1}, "SF"},
		{Cell{Transport: RawTCP, Port: 8443, Targets: 2, Beats: 8}, "SF"},
		{Cell{Transport: HTTPS, Targets: 5, Blocked: Dropped}, "S0"},
		{Cell{Transport: RawTCP, Port: 4444, Targets: 4, Blocked: Rejected}, "REJ"},
		{Cell{Transport: RawUDP, Port: 443, Targets: 3, Blocked: Dropped}, "S0"},
		{Cell{Transport: DNSA, Targets: 2}, "SF"},
		{Cell{Transport: DNSA, Targets: 2, Blocked: Dropped}, "S0"},
	} {
		c.cell.Kind = "egress"
		want := c.cell.Beats
		if want == 0 {
			want = 3 * c.cell.Targets
		}
		for _, d := range deeds(Office(), Options{Seed: 5, Attacks: []Spec{{Cell: c.cell, Count: 3}}}) {
			if len(d.beats) != want || len(d.Destinations) != c.cell.Targets {
				t.Errorf("%s: %d attempts, want %d, at %v", d.Cell, len(d.beats), want, d.Destinations)
			}
			seen := make(map[netip.Addr]bool)
			for _, r := range d.all {
				m := r.Meta()
				if f, ok := r.(*records.Flow); ok && !m.ServerInternal && m.Client().Addr() == d.Source {
					seen[m.Server().Addr()] = true
					if f.ConnState != c.state || m.Server().Port() != d.Port {
						t.Errorf("%s: %s to %s, want %s", d.Cell, f.ConnState, m.Server(), c.state)
					}
				}
			}
			if len(seen) != c.cell.Targets {
				t.Errorf("%s: %d addresses", d.Cell, len(seen))
			}
		}
	}
}

// TestExfiltration: the volume leaves, at once or over two weeks.
func TestExfiltration(t *testing.T) {
	for _, drip := range []bool{false, true} {
		cell := Cell{Kind: "exfil", Transport: Connect, Volume: 300 << 20, Drip: drip}
		for _, d := range deeds(Office(), Options{Seed: 6, Attacks: []Spec{{Cell: cell, Count: 4}}}) {
			sent, first, last, posts := int64(0), never, int64(0), 0
			for _, r := range d.all {
				if h, ok := r.(*records.HTTP); ok && h.Meta().Client().Addr() == d.Source {
					if h.Method == "POST" {
						posts++
					}
					sent, first, last = sent+h.TunnelFromOrig, min(first, h.Start), max(last, h.End)
				}
			}
			if sent < cell.Volume || posts != 1 || drip != (last-first > 8*day) {
				t.Errorf("%s: %d octets in %v, %d POST", d.Cell, sent, time.Duration(last-first), posts)
			}
		}
	}
}

// TestPlacing: attacks have destinations of their own, and machines while there
// are enough; no scan shares its machine.
func TestPlacing(t *testing.T) {
	beacon, scan := Cell{Kind: "beacon", Sleep: time.Hour, Beats: 10, Transport: Connect}, Cell{Kind: "scan", Port: 445, Targets: 10, Spacing: time.Second}
	w := New(Office(), Options{Seed: 7, Attacks: []Spec{{Cell: beacon, Count: 25}, {Cell: scan, Count: 15}}})
	hosts, targets := make(map[string]int), make(map[string]int)
	for i, a := range w.Attacks() {
		hosts[a.Host]++
		if a.Kind == "beacon" {
			targets[a.Destination]++
		}
		if (i < 25) != (a.Kind == "beacon") || !a.Source.IsPrivate() {
			t.Errorf("attack %d: %+v", i, a)
		}
	}
	if len(hosts) != 40 || len(targets) != 25 {
		t.Errorf("40 attacks on %d machines, 25 beacons to %d destinations", len(hosts), len(targets))
	}
	crowded := New(Small(), Options{Seed: 7, Attacks: []Spec{{Cell: beacon, Count: 25}, {Cell: scan, Count: 2}}})
	scanning := make(map[string]bool)
	for _, a := range crowded.Attacks() {
		if a.Kind == "scan" {
			scanning[a.Host] = true
		}
	}
	for _, a := range crowded.Attacks() {
		if a.Kind == "beacon" && scanning[a.Host] && len(scanning) < 2 {
			t.Errorf("%s shares %s with a scan", a.ID, a.Host)
		}
	}
}
