package evidence

import (
	"fmt"
	"strconv"

	"kagami/evidence/index"
)

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
	// MaxAgeH is how long packets are kept, in hours of packet time: older segments
	// are deleted whatever room there is. Default 0: no limit. Range 0..87600.
	MaxAgeH int `toml:"max_age_h"`
	// MinFreeBytes is the free space that is left on the file system, in octets:
	// the oldest segments make way for it. Default 2 GiB.
	MinFreeBytes int64 `toml:"min_free_bytes"`
	// MaxBytesPerDay is the budget of octets written in a day (UTC, packet time),
	// for media that wear out: from 70 % of it on the payload of encrypted flows is
	// left out, from 90 % on only headers are written, and at 100 % nothing until
	// the next day. Default 0: no limit; else at least 64 MiB.
	MaxBytesPerDay int64 `toml:"max_bytes_per_day"`
	// EnduranceTBW is what the medium is rated for, in terabytes written (TBW in its
	// data sheet): kagami check then says how long it lasts. Default 0: not known.
	// Range 0..1000000.
	EnduranceTBW int `toml:"endurance_tbw"`
	// BufferMiB is the memory of each writer, in MiB: it bridges the pauses of a
	// slow disk, and holds the newest packets while nothing can be written. Default
	// 8. Range 1..256.
	BufferMiB int `toml:"buffer_mib"`
	// FlushMS bounds how long packets stay in that memory while the disk works, in
	// milliseconds of packet time. Default 500. Range 1..60000.
	FlushMS int `toml:"flush_ms"`
	// SyncS bounds what a power cut takes, in seconds of packet time: what is older
	// is on the medium itself. 0: a segment is brought there when it ends, as always
	// when capture files are read. Default 5. Range 0..3600.
	SyncS int `toml:"sync_s"`

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
	maxSyncS       = 3600
	maxAgeH        = 10 * 365 * 24
	maxTBW         = 1_000_000
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
		BufferMiB:    8,
		FlushMS:      500,
		SyncS:        5,
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
	if c.MaxBytesPerDay != 0 && c.MaxBytesPerDay < minBudget {
		errs = append(errs, fmt.Errorf("evidence.max_bytes_per_day: got %d, want 0 or at least %d", c.MaxBytesPerDay, minBudget))
	}
	within("segment_bytes", c.SegmentBytes, minSegment, maxSegment)
	within("segment_age_s", int64(c.SegmentAgeS), 1, maxSegmentAgeS)
	within("buffer_mib", int64(c.BufferMiB), 1, maxBufferMiB)
	within("flush_ms", int64(c.FlushMS), 1, maxFlushMS)
	within("sync_s", int64(c.SyncS), 0, maxSyncS)
	within("max_age_h", int64(c.MaxAgeH), 0, maxAgeH)
	within("endurance_tbw", int64(c.EnduranceTBW), 0, maxTBW)
	within("cutoff_kib", int64(c.CutoffKiB), 0, maxCutoffKiB)
	return errs
}

// MemoryBytes is the memory that one writer takes at most, for the memory plan: its
// buffer, and the index of the open segment. The index takes so much only in a flood
// of new flows.
func (c Config) MemoryBytes() int64 { return int64(c.BufferMiB)<<20 + index.MemoryBytes }

const (
	gigabyte    = 1e9
	daysPerYear = 365.25
)

// Endurance is the arithmetic of max_bytes_per_day and endurance_tbw in one line,
// for the person who sets them; "" when neither is set. It counts the octets that
// the program writes: what the file system and the medium add is not in it.
func (c Config) Endurance() string {
	day, rated := float64(c.MaxBytesPerDay)/gigabyte, float64(c.EnduranceTBW)*1000
	years := func(perDay float64) string { return number(rated / perDay / daysPerYear) }
	switch {
	case day == 0 && rated == 0:
		return ""
	case rated == 0:
		return fmt.Sprintf("at most %s GB a day: %s TB a year; evidence.endurance_tbw, from the medium's data sheet, tells how long it lasts",
			number(day), number(day*daysPerYear/1000))
	case day == 0:
		return fmt.Sprintf("no limit a day: %s years at 10 GB a day, %s at 100 GB, on a medium rated for %d TBW; evidence.max_bytes_per_day sets one",
			years(10), years(100), c.EnduranceTBW)
	}
	return fmt.Sprintf("at most %s GB a day: %s years on a medium rated for %d TBW", number(day), years(day), c.EnduranceTBW)
}

// number writes three significant digits, and all of those before the point.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
