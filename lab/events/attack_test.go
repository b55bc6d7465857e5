package events

import (
	"testing"
	"time"

	"kagami/records"
)

func TestAttackOverview(t *testing.T) {
	var specs []Spec
	for tr := HTTPS; tr <= ConnectPulses; tr++ {
		specs = append(specs, Spec{Cell: Cell{Kind: "beacon", Sleep: time.Minute * 5, Jitter: 25, Beats: 30, Transport: tr}, Count: 2})
	}
	for sh := Horizontal; sh <= ARPSweep; sh++ {
		specs = append(specs, Spec{Cell: Cell{Kind: "scan", Shape: sh, Spacing: time.Minute, Targets: 30, Dark: 50, Success: 20, Port: 445}, Count: 2})
	}
	specs = append(specs, Spec{Cell: Cell{Kind: "egress", Port: 443, Targets: 3}, Count: 2}, Spec{Cell: Cell{Kind: "egress", Port: 443, Targets: 3, Blocked: Dropped}, Count: 2},
		Spec{Cell: Cell{Kind: "exfil", Transport: Connect, Volume: 500 << 20}, Count: 1})
	w := New(Office(), Options{Seed: 1, Days: 14, Attacks: specs, Quiet: true})
	kinds := map[string]map[records.Kind]int{}
	beats := map[string]int{}
	for e := range w.Events() {
		if a := e.Label.Attack; a != nil {
			if kinds[a.ID] == nil {
				kinds[a.ID] = map[records.Kind]int{}
			}
			kinds[a.ID][e.Record.Meta().Kind]++
			beats[a.ID] = max(beats[a.ID], e.Label.Beat)
		}
	}
	for _, a := range w.Attacks() {
		out := map[int]int{}
		for k, n := range kinds[a.ID] {
			out[int(k)] = n
		}
		t.Log(a.ID, a.Cell, a.Host, a.Source, a.Destinations, beats[a.ID], out)
	}
}
