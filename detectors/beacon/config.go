package beacon

import (
	"fmt"
	"time"

	"kagami/detectors/incident"
	"kagami/detectors/rhythm"
	"kagami/detectors/table"
)

// Config is the [detect.beacon] section.
type Config struct {
	// Enable looks for beacons. Default true.
	Enable bool `toml:"enable"`
	// MinEvidence is what a rhythm of an hour or slower must give by itself, in
	// nats. Default 7, 3 to 100.
	MinEvidence float64 `toml:"min_evidence"`
	// MinFast is the same for faster ones: people have many rare destinations and
	// come back to them within minutes. Default 8, 3 to 100.
	MinFast float64 `toml:"min_evidence_fast"`
	// MinMixed is what the test for a timer mixed with other traffic must give,
	// three times in a row. Default 12, 3 to 100.
	MinMixed float64 `toml:"min_evidence_mixed"`
	// MinLasting is how long a rhythm must last at least. Default 10 min, 0 s to 24 h.
	MinLasting time.Duration `toml:"min_lasting"`
	// Interactive is how many destinations make a machine one that a person uses,
	// as does following links; others are devices, whose timers are their normal
	// life. Default 6, 1 to 10000.
	Interactive int `toml:"interactive_destinations"`
	// OfficeHours are the hours between which people work, in local time: those of
	// the [detect] section. Default [0, 24].
	OfficeHours [2]int `toml:"-"`
	// UTCOffset is local time minus UTC: that of the [detect] section. Default 0 s.
	UTCOffset time.Duration `toml:"-"`
	// Harmless are names whose subdomains are known to be contacted by timers.
	// Default: connectivity checks, time, push and update services of the large vendors.
	Harmless []string `toml:"harmless"`
	// Pairs is how many (client, destination) with 3 or more contacts are
	// followed, 200 octets each. Default 100000, 16 to 10000000.
	Pairs int `toml:"pairs"`
	// Probation is how many (client, destination) with 1 or 2 contacts are
	// remembered, 18 octets each. Default 500000, 16 to 100000000.
	Probation int `toml:"probation"`
	// Mixed is for how many pairs with irregular contacts the times are kept in
	// which a timer may hide, 420 octets each. Default 5000, 16 to 1000000.
	Mixed int `toml:"mixed"`
	// Groups is how many rare domains, programs and networks are followed by
	// machine, in case their destinations rotate, 40 octets each. Default 16384, 16 to 1000000.
	Groups int `toml:"groups"`
	// Watched is for how many pairs with a rhythm sample flows are kept, 1 KiB
	// each. Default 1024, 16 to 100000.
	Watched int `toml:"watched"`
}

// Default returns the built-in settings.
func Default() Config {
	return Config{Enable: true, MinEvidence: 7, MinFast: 8, MinMixed: 12, MinLasting: 10 * time.Minute,
		Interactive: 6, OfficeHours: [2]int{0, 24}, Harmless: harmless(),
		Pairs: 100000, Probation: 500000, Mixed: 5000, Groups: 16384, Watched: 1024}
}

func harmless() []string {
	return []string{"windowsupdate.com", "update.microsoft.com", "events.data.microsoft.com", "wns.windows.com",
		"msftncsi.com", "msftconnecttest.com", "push.apple.com", "mtalk.google.com",
		"connectivitycheck.gstatic.com", "detectportal.firefox.com", "push.services.mozilla.com"}
}

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	var errs []error
	count := func(key string, got, lo, hi int) {
		if got < lo || got > hi {
			errs = append(errs, fmt.Errorf("detect.beacon.%s: got %d, want %d to %d", key, got, lo, hi))
		}
	}
	nats := func(key string, got float64) {
		if !(got >= 3 && got <= 100) { // not a number fails, too
			errs = append(errs, fmt.Errorf("detect.beacon.%s: got %v, want 3 to 100", key, got))
		}
	}
	duration := func(key string, got, lo, hi time.Duration) {
		if got < lo || got > hi {
			errs = append(errs, fmt.Errorf("detect.beacon.%s: got %v, want %v to %v", key, got, lo, hi))
		}
	}
	nats("min_evidence", c.MinEvidence)
	nats("min_evidence_fast", c.MinFast)
	nats("min_evidence_mixed", c.MinMixed)
	duration("min_lasting", c.MinLasting, 0, 24*time.Hour)
	count("interactive_destinations", c.Interactive, 1, 10000)
	count("pairs", c.Pairs, 16, 1e7)
	count("probation", c.Probation, 16, 1e8)
	count("mixed", c.Mixed, 16, 1e6)
	count("groups", c.Groups, 16, 1e6)
	count("watched", c.Watched, 16, 1e5)
	return errs
}

// Memory is the most octets that the tables can take.
func (c *Config) Memory() int64 {
	return table.Bytes[pair](c.Pairs, 0) + probationBytes(c.Probation) + table.Bytes[rhythm.Times](c.Mixed, 0) +
		table.Bytes[uint32](c.Groups, 0) + table.Bytes[incident.Samples](c.Watched, incident.SamplesBehind) +
		table.MemoryBytes(directKeys(c)) + table.MemoryBytes(toldKeys)
}

// offHours tells whether t is on a weekend or outside office hours.
func (c *Config) offHours(t int64) bool {
	local := time.Unix(0, t).UTC().Add(c.UTCOffset)
	if d := local.Weekday(); d == time.Saturday || d == time.Sunday {
		return true
	}
	return local.Hour() < c.OfficeHours[0] || local.Hour() >= c.OfficeHours[1]
}
