package scan

import (
	"fmt"
	"net/netip"
	"time"

	"kagami/detectors/incident"
	"kagami/detectors/table"
)

// Config is the [detect.scan] section.
type Config struct {
	// Enable looks for scans from inside. Default true.
	Enable bool `toml:"enable"`
	// Threshold is the alarm level of the sequential tests, in nats. Default 11.5, 4 to 100.
	Threshold float64 `toml:"threshold"`
	// PeerOdds is the probability under which a day's (or week's) number of new
	// administrative peers is no accident. Default 1e-6, 1e-12 to 0.01.
	PeerOdds float64 `toml:"peer_odds"`
	// FirstDayPeers is how many new administrative peers a day are expected of a
	// machine before its own habit is known. Default 0.5, 0.05 to 100.
	FirstDayPeers float64 `toml:"first_day_peers"`
	// Allow are machines to ignore whatever they do. Default none; see Scanners for
	// machines that may scan at certain hours.
	Allow []netip.Prefix `toml:"allow"`
	// Scanners may scan in their windows, and nowhere else: [[detect.scan.scanner]].
	Scanners []Scanner `toml:"scanner"`
	// UTCOffset is local time minus UTC, for the windows: that of the [detect]
	// section. Default 0s.
	UTCOffset time.Duration `toml:"-"`
	// Remember is how long at least a contact is not new again. Default 15 days (360h), 1 h to 90 days.
	Remember time.Duration `toml:"memory"`
	// Contacts is how many contacts the memory holds, up to 5 octets each; as many
	// ports of machines are remembered besides. Default 500000, 1000 to 100000000.
	Contacts int `toml:"contacts"`
	// Sources is how many machines are followed, 6 KiB each at most. Default 2048, 16 to 1000000.
	Sources int `toml:"sources"`
	// Pairs is how many (client, server) with failed ports, and (client, UDP port)
	// without answers, are followed, 2 KiB each at most. Default 2048, 16 to 1000000.
	Pairs int `toml:"pairs"`
	// Stale is of how many (server, port) it is remembered who else could not
	// reach them, and of how many network cards whom they speak for. Default 8192,
	// 16 to 1000000.
	Stale int `toml:"stale"`
}

// Default returns the built-in settings.
func Default() Config {
	return Config{Enable: true, Threshold: 11.5, PeerOdds: 1e-6, FirstDayPeers: 0.5,
		Remember: 15 * 24 * time.Hour, Contacts: 500000, Sources: 2048, Pairs: 2048, Stale: 8192}
}

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	var errs []error
	wrong := func(key string, got, lo, hi any) {
		errs = append(errs, fmt.Errorf("detect.scan.%s: got %v, want %v to %v", key, got, lo, hi))
	}
	for _, x := range [...]struct {
		key         string
		got, lo, hi float64
	}{
		{"threshold", c.Threshold, 4, 100},
		{"peer_odds", c.PeerOdds, 1e-12, 0.01},
		{"first_day_peers", c.FirstDayPeers, 0.05, 100},
	} {
		if !(x.got >= x.lo && x.got <= x.hi) { // not a number fails, too
			wrong(x.key, x.got, x.lo, x.hi)
		}
	}
	for _, x := range [...]struct {
		key         string
		got, lo, hi time.Duration
	}{
		{"memory", c.Remember, time.Hour, 90 * 24 * time.Hour},
	} {
		if x.got < x.lo || x.got > x.hi {
			wrong(x.key, x.got, x.lo, x.hi)
		}
	}
	for _, x := range [...]struct {
		key         string
		got, lo, hi int
	}{
		{"contacts", c.Contacts, 1000, 1e8},
		{"sources", c.Sources, 16, 1e6},
		{"pairs", c.Pairs, 16, 1e6},
		{"stale", c.Stale, 16, 1e6},
	} {
		if x.got < x.lo || x.got > x.hi {
			wrong(x.key, x.got, x.lo, x.hi)
		}
	}
	for i := range c.Scanners {
		errs = append(errs, c.Scanners[i].validate(i)...)
	}
	return errs
}

// Memory is the most octets that all tables can take.
func (c *Config) Memory() int64 {
	list := int64(maxTargets)*targetSize + incident.SamplesBehind
	return table.Bytes[source](c.Sources, 3*list) + table.Bytes[series](c.Pairs, list) +
		2*table.Bytes[table.Crowd](c.Stale, 0) + table.Bytes[ask](maxAsks, 0) + maxAsks*queuedSize +
		2*table.MemoryBytes(c.Contacts)
}
