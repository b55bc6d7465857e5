package cases

import (
	"fmt"
	"time"

	"kagami/records"
)

// Config is the section [pin]: which alerts' packets are kept from rotation, and
// how much of them.
type Config struct {
	// Enabled pins the packets of alerts. It needs [evidence]. Default true.
	Enabled bool `toml:"enabled"`
	// Severity is the least severity of an alert that is pinned: "low", "medium" or
	// "high". Default "medium".
	Severity string `toml:"severity"`
	// Rules are the detectors whose alerts are pinned; none = all. Default none.
	Rules []string `toml:"rules"`
	// BeforeS is how long before the alert the host's traffic is kept, in seconds.
	// Default 600. Range 0..86400.
	BeforeS int `toml:"before_s"`
	// AfterS is how long after it, in seconds. Default 300. Range 0..86400.
	AfterS int `toml:"after_s"`
	// QuotaBytes is the room of all cases together, in octets; 0 = a fifth of
	// evidence.max_bytes. Beyond it new cases keep the alerted flows only, and a
	// quarter beyond that nothing but their manifest. Old cases are never deleted.
	// Default 0.
	QuotaBytes int64 `toml:"quota_bytes"`
	// MaxWaiting is how many cases may be under way at once. Default 16. Range 1..256.
	MaxWaiting int `toml:"max_waiting"`
	// MaxPerDay is how many cases alerts may open in a day of packet time. Default
	// 100. Range 1..10000.
	MaxPerDay int `toml:"max_per_day"`
	// Dir holds the cases. Default "": "cases" in evidence.dir.
	Dir string `toml:"dir"`

	// StoreBytes is evidence.max_bytes; set by the program.
	StoreBytes int64 `toml:"-"`
	// Wait makes Close finish the cases whose window is not over, however long that
	// takes: for capture files, whose end is the end. Live, they go on at the next
	// start. Set by the program.
	Wait bool `toml:"-"`
}

// Limits of the settings.
const (
	maxSpanS   = 24 * 60 * 60
	maxWaiting = 256
	maxPerDay  = 10_000
)

// Default is the configuration of a small box.
func Default() Config {
	return Config{Enabled: true, Severity: "medium", BeforeS: 600, AfterS: 300, MaxWaiting: 16, MaxPerDay: 100}
}

// Validate returns every problem.
func (c Config) Validate() []error {
	var errs []error
	within := func(key string, got, low, high int64) {
		if got < low || got > high {
			errs = append(errs, fmt.Errorf("pin.%s: got %d, want %d..%d", key, got, low, high))
		}
	}
	if _, ok := severity(c.Severity); !ok {
		errs = append(errs, fmt.Errorf("pin.severity: got %q, want \"low\", \"medium\" or \"high\"", c.Severity))
	}
	within("before_s", int64(c.BeforeS), 0, maxSpanS)
	within("after_s", int64(c.AfterS), 0, maxSpanS)
	within("max_waiting", int64(c.MaxWaiting), 1, maxWaiting)
	within("max_per_day", int64(c.MaxPerDay), 1, maxPerDay)
	if c.QuotaBytes < 0 {
		errs = append(errs, fmt.Errorf("pin.quota_bytes: got %d, want 0 or more", c.QuotaBytes))
	}
	return errs
}

func severity(name string) (records.Severity, bool) {
	for s := records.Low; s <= records.High; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

func (c Config) before() time.Duration { return time.Duration(c.BeforeS) * time.Second }
func (c Config) after() time.Duration  { return time.Duration(c.AfterS) * time.Second }

// quota is the room of all cases together.
func (c Config) quota() int64 {
	if c.QuotaBytes > 0 {
		return c.QuotaBytes
	}
	return c.StoreBytes / 5
}
