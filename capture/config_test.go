package capture

import (
	"fmt"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"default", func(*Config) {}, nil},
		{"workers", func(c *Config) { c.Workers = 0 }, []string{"capture.workers: got 0, want 1..64"}},
		{"snaplen", func(c *Config) { c.Snaplen = 1 << 20 }, []string{"capture.snaplen: got 1048576, want 128..262144"}},
		{"block is no power of two", func(c *Config) { c.BlockKiB = 100 }, []string{"capture.block_kib: got 100, want a power of two"}},
		{"one block only", func(c *Config) { c.RingMiB, c.BlockKiB = 1, 1024 }, []string{"capture.block_kib: got 1024, want at least two blocks in capture.ring_mib = 1"}},
		{"interface name", func(c *Config) { c.Interface = "a-name-of-many-octets" }, []string{`capture.interface: got "a-name-of-many-octets", want a name of at most 15 octets`}},
		{"all problems at once", func(c *Config) { c.RetireMS, c.Workers = 5000, 65 }, []string{
			"capture.workers: got 65, want 1..64", "capture.retire_ms: got 5000, want 1..1000",
		}},
	} {
		cfg := Default()
		c.change(&cfg)
		if got := cfg.Validate(); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
