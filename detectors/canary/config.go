package canary

import (
	"fmt"

	"kagami/detectors/table"
)

// Config is the [detect.canary] section.
type Config struct {
	// Enable tells of the labelled traffic of kagami canary. Default true.
	Enable bool `toml:"enable"`
	// AlertsPerHour is how many such alerts an hour may have: the label is public,
	// and whoever wants can write it. Default 60, 6 to 10000.
	AlertsPerHour int `toml:"alerts_per_hour"`
}

// Default returns the built-in settings.
func Default() Config { return Config{Enable: true, AlertsPerHour: 60} }

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	if c.AlertsPerHour < 6 || c.AlertsPerHour > 1e4 {
		return []error{fmt.Errorf("detect.canary.alerts_per_hour: got %d, want 6 to 10000", c.AlertsPerHour)}
	}
	return nil
}

// maxTold is how many labels are remembered as told.
const maxTold = 512

// Memory is the most octets that all tables can take.
func (c *Config) Memory() int64 { return table.Bytes[struct{}](maxTold, 0) }
