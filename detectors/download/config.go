package download

import (
	"fmt"
	"time"

	"kagami/detectors/table"
)

// Config is the [detect.download] section. From which score on a person is told
// is set in [detect.incident].
type Config struct {
	// Enable looks for downloads that nobody asked for or that hide a program. Default true.
	Enable bool `toml:"enable"`
	// Chain is how far back requests belong to one visit, and how long what
	// follows a download may confirm it. Default 5 min, 10 s to 1 h.
	Chain time.Duration `toml:"chain"`
	// Clients is of how many machines the last requests are remembered, 6 KiB
	// each. Default 1024, 16 to 100000.
	Clients int `toml:"clients"`
}

// Default returns the built-in settings.
func Default() Config { return Config{Enable: true, Chain: 5 * time.Minute, Clients: 1024} }

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	var errs []error
	if c.Chain < 10*time.Second || c.Chain > time.Hour {
		errs = append(errs, fmt.Errorf("detect.download.chain: got %v, want 10s to 1h", c.Chain))
	}
	if c.Clients < 16 || c.Clients > 1e5 {
		errs = append(errs, fmt.Errorf("detect.download.clients: got %d, want 16 to 100000", c.Clients))
	}
	return errs
}

const (
	voicesPerClient = 2 // machines whose programs are remembered, for each whose requests are
	maxEpisodes     = 64
	maxGuilty       = 256
	filesAhead      = 64 // files under way to their transactions
	maxDomains      = 256

	episodeBehind = 16 << 10 // octets of the texts of one finding
	fileOctets    = 1 << 10
)

// Memory is the most octets that all tables can take.
func (c *Config) Memory() int64 {
	return table.Bytes[visits](c.Clients, 0) +
		table.Bytes[voices](voicesPerClient*c.Clients, 0) +
		table.Bytes[episode](maxEpisodes, episodeBehind) +
		table.Bytes[guilt](maxGuilty, 0) +
		filesAhead*fileOctets + maxDomains*24
}
