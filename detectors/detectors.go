// Package detectors finds what an analyst should look at: beacons, traffic that
// goes around the proxy, scans from inside, and downloads that hide a program.
//
// Every detection is one file with a pure scoring function, tested as such, and
// the streaming state that feeds it. Scores are evidence in nats (natural
// logarithm of a likelihood ratio), so that independent signs add up. All state
// is bounded by Config and counted; nothing depends on map order or wall time:
// the same records give the same alerts.
//
// It imports packet, records and sensor. It must not import decoders, exporters
// or anything that reads files or clocks.
package detectors

import "kagami/sensor"

// Alert thresholds of fused scores, in nats.
const (
	alertScore = 12
	highScore  = 18
)

// Counter is one number of a detector's bookkeeping.
type Counter struct {
	Name  string // snake_case, unique within its detector
	Value uint64
}

// Counted is implemented by every detector of this package: how full its tables
// are, what they had to forget, and what it looked at without alerting. The
// order is fixed.
type Counted interface {
	Name() string // the [detect.NAME] section that governs it
	Counters() []Counter
}

// All returns the detectors in the order in which each record must be given to
// them: the site first, because the others ask it who is who.
func All(c Config) []sensor.Detector {
	s := newSite(c.Site)
	all := []sensor.Detector{s}
	if c.Beacon.Enable {
		all = append(all, newBeacon(c.Beacon, s))
	}
	if c.Egress.Enable {
		all = append(all, newEgress(c.Egress, s))
	}
	if c.Scan.Enable {
		all = append(all, newScan(c.Scan, s))
	}
	if c.Download.Enable {
		all = append(all, newDownload(c.Download, s))
	}
	return all
}
