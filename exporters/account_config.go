package exporters

import (
	"fmt"
	"regexp"
	"time"
)

// AccountConfig says who the sensor is, and where it keeps what proves it.
type AccountConfig struct {
	Enable bool   `toml:"enable"`
	Dir    string `toml:"dir"`    // of the state, and of the key
	Key    string `toml:"key"`    // signing key; "" is signing.key in Dir. The evidence store's may be named
	Sensor string `toml:"sensor"` // the sensor's id; "" is the host's name

	// Every is the time between heartbeats. Default 1 min, 1 s to 1 h.
	Every time.Duration `toml:"every"`
}

// DefaultAccount is on, with a heartbeat a minute.
func DefaultAccount() AccountConfig {
	return AccountConfig{Enable: true, Dir: "/var/lib/kagami/account", Every: time.Minute}
}

var accountName = regexp.MustCompile(`^[\w.-]{0,63}$`)

// Validate returns every problem.
func (c *AccountConfig) Validate() (errs []error) {
	if c.Enable && c.Dir == "" {
		errs = append(errs, fmt.Errorf("account.dir: want a directory, or account.enable = false"))
	}
	if !accountName.MatchString(c.Sensor) {
		errs = append(errs, fmt.Errorf(`account.sensor: got %q, want at most 63 letters, digits, "-", "_", "."`, c.Sensor))
	}
	if c.Every < time.Second || c.Every > time.Hour {
		errs = append(errs, fmt.Errorf("account.every: got %v, want 1s..1h", c.Every))
	}
	return errs
}
