package evidence

import "fmt"

// Config is the section [evidence]: packets kept on disk.
type Config struct {
	// Enabled turns recording on. Default false.
	Enabled bool `toml:"enabled"`
	// Dir holds the segments; it is made if absent. One kagami at a time may use
	// it. Default "/var/lib/kagami/evidence".
	Dir string `toml:"dir"`
	// MaxBytes is the budget for all segments together, in octets. Default
	// 8 GiB. At least 64 MiB.
	MaxBytes int64 `toml:"max_bytes"`
	// SegmentBytes is the size at which a segment ends, in octets. Default
	// 64 MiB. Range 1 MiB..4 GiB. Smaller when the writers' open segments would
	// take more than half of max_bytes.
	SegmentBytes int64 `toml:"segment_bytes"`
	// SegmentAgeS is the packet time after which a segment ends, in seconds.
	// Default 600. Range 1..86400.
	SegmentAgeS int `toml:"segment_age_s"`
	// MinFreeBytes is the free space that is left on the file system, in octets:
	// the oldest segments make way for it. Default 2 GiB.
	MinFreeBytes int64 `toml:"min_free_bytes"`
	// BufferMiB is the memory of each writer, in MiB: it bridges the pauses of a
	// slow disk. Default 2. Range 1..256.
	BufferMiB int `toml:"buffer_mib"`
	// FlushMS bounds how long packets stay in that memory, in milliseconds of
	// packet time. Default 1000. Range 1..60000.
	FlushMS int `toml:"flush_ms"`

	// CutoffKiB is how much payload of each direction of an encrypted flow is kept,
	// in KiB; behind it only headers are. Default 64. Range 0..1048576, 0 keeps all.
	CutoffKiB int `toml:"cutoff_kib"`

	// Interface is the name written into the segments; set by the program.
	Interface string `toml:"-"`
	// Wait makes Add wait for the disk instead of losing packets: for capture
	// files, never for live capture. Set by the program.
	Wait bool `toml:"-"`
}

// Limits of the settings.
const (
	minBudget      = 64 << 20
	minSegment     = 1 << 20
	maxSegment     = 4 << 30
	maxSegmentAgeS = 24 * 60 * 60
	maxBufferMiB   = 256
	maxFlushMS     = 60_000
	maxCutoffKiB   = 1 << 20
)

// Default is the configuration of a small box.
func Default() Config {
	return Config{
		Dir:          "/var/lib/kagami/evidence",
		MaxBytes:     8 << 30,
		SegmentBytes: 64 << 20,
		SegmentAgeS:  600,
		MinFreeBytes: 2 << 30,
		BufferMiB:    2,
		FlushMS:      1000,
		CutoffKiB:    64,
	}
}

// Validate returns every problem.
func (c Config) Validate() []error {
	var errs []error
	within := func(key string, got, low, high int64) {
		if got < low || got > high {
			errs = append(errs, fmt.Errorf("evidence.%s: got %d, want %d..%d", key, got, low, high))
		}
	}
	if c.Dir == "" {
		errs = append(errs, fmt.Errorf("evidence.dir: got %q, want a directory", c.Dir))
	}
	if c.MaxBytes < minBudget {
		errs = append(errs, fmt.Errorf("evidence.max_bytes: got %d, want at least %d", c.MaxBytes, minBudget))
	}
	if c.MinFreeBytes < 0 {
		errs = append(errs, fmt.Errorf("evidence.min_free_bytes: got %d, want 0 or more", c.MinFreeBytes))
	}
	within("segment_bytes", c.SegmentBytes, minSegment, maxSegment)
	within("segment_age_s", int64(c.SegmentAgeS), 1, maxSegmentAgeS)
	within("buffer_mib", int64(c.BufferMiB), 1, maxBufferMiB)
	within("flush_ms", int64(c.FlushMS), 1, maxFlushMS)
	within("cutoff_kib", int64(c.CutoffKiB), 0, maxCutoffKiB)
	return errs
}

// MemoryBytes is the memory that one writer takes, for the memory plan.
func (c Config) MemoryBytes() int64 { return int64(c.BufferMiB) << 20 }
