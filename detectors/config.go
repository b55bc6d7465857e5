package detectors

import (
	"fmt"
	"slices"
	"time"

	"kagami/detectors/beacon"
	"kagami/detectors/canary"
	"kagami/detectors/census"
	"kagami/detectors/download"
	"kagami/detectors/egress"
	"kagami/detectors/incident"
	"kagami/detectors/scan"
)

// Config is the [detect] section: what all detectors share, and a section for
// each.
type Config struct {
	// State is the file that keeps what was learned, "" = a restart forgets it.
	// Default /var/lib/kagami/learned.
	State string `toml:"state"`
	// StateEvery is how often it is written. Default 5 min, 10 s to 24 h.
	StateEvery time.Duration `toml:"state_every"`
	// Suppressions is the file of what is known and not to be told, "" = none.
	Suppressions string `toml:"suppressions"`
	// OfficeHours are the hours between which people work, in local time; weekends
	// are free. Default [0, 24]: only weekends are out of office hours, 0 to 24.
	OfficeHours [2]int `toml:"office_hours"`
	// UTCOffset is local time minus UTC, for hours and weekends. Default 0 s, -14 h to 14 h.
	UTCOffset time.Duration `toml:"utc_offset"`

	Census   census.Config   `toml:"census"`
	Incident incident.Config `toml:"incident"`
	Beacon   beacon.Config   `toml:"beacon"`
	Egress   egress.Config   `toml:"egress"`
	Scan     scan.Config     `toml:"scan"`
	Download download.Config `toml:"download"`
	Canary   canary.Config   `toml:"canary"`
}

// Default returns the built-in settings.
func Default() Config {
	return Config{
		State: "/var/lib/kagami/learned", StateEvery: 5 * time.Minute, OfficeHours: [2]int{0, 24},
		Census: census.Default(), Incident: incident.Default(),
		Beacon: beacon.Default(), Egress: egress.Default(), Scan: scan.Default(), Download: download.Default(), Canary: canary.Default(),
	}
}

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	var errs []error
	duration := func(key string, got, lo, hi time.Duration) {
		if got < lo || got > hi {
			errs = append(errs, fmt.Errorf("detect.%s: got %v, want %v to %v", key, got, lo, hi))
		}
	}
	duration("state_every", c.StateEvery, 10*time.Second, 24*time.Hour)
	duration("utc_offset", c.UTCOffset, -14*time.Hour, 14*time.Hour)
	for i, most := range [2]int{c.OfficeHours[1], 24} {
		if got := c.OfficeHours[i]; got < 0 || got > most {
			errs = append(errs, fmt.Errorf("detect.office_hours[%d]: got %d, want 0 to %d", i, got, most))
		}
	}
	return slices.Concat(errs, c.Census.Validate(), c.Incident.Validate(), c.Beacon.Validate(), c.Egress.Validate(), c.Scan.Validate(), c.Download.Validate(), c.Canary.Validate())
}

// Memory is the most octets that all tables can take. They grow with use, so a
// small network takes little of it.
func (c *Config) Memory() int64 {
	total := c.Census.Memory() + c.Incident.Memory()
	if c.Beacon.Enable {
		total += c.Beacon.Memory()
	}
	if c.Egress.Enable {
		total += c.Egress.Memory()
	}
	if c.Scan.Enable {
		total += c.Scan.Memory()
	}
	if c.Download.Enable {
		total += c.Download.Memory()
	}
	if c.Canary.Enable {
		total += c.Canary.Memory()
	}
	return total
}
