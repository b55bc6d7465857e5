package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Config says where a spool lives and what it may use.
type Config struct {
	Dir          string        // absolute; it is made with mode 0700, and holds nothing else
	MaxBytes     int64         // octets of segment files, >= 1 MiB
	MemoryBytes  int           // octets of memory, everything included: 4 to 16 MiB; 0 is 12 MiB
	SegmentBytes int64         // octets of one segment; 0 is 8 MiB; it follows MaxBytes, see segmentBytes
	SyncEvery    time.Duration // what was written is on the disk so much later, >= 0.1 s; 0 is 5 s
	SpillAfter   time.Duration // what waits longer is written, an eighth of it earlier at most, >= 10 ms; 0 is 1 s

	retryAfter time.Duration // between attempts while the disk fails; tests do not wait as long
	quietFor   time.Duration // nothing is dropped for so long when the log says that there is room again
}

const (
	minMaxBytes  = 1 << 20
	minMemory    = 4 << 20
	maxMemory    = 16 << 20
	minSpill     = 10 * time.Millisecond
	minSync      = 100 * time.Millisecond
	maxSegments  = 4096      // files; 100 octets of memory each
	maxBatch     = 512 << 10 // octets that Next hands out at a time
	fixedMemory  = 2 << 20   // what is not chunks: read buffers, Next's lines, flights, segments
	minSegment   = chunkBytes + headerBytes + trailerBytes
	mostOfBudget = 16 // a segment is at most so small a part of the budget: as much goes at once
)

func (c Config) withDefaults() Config {
	if c.MemoryBytes == 0 {
		c.MemoryBytes = 12 << 20
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = 8 << 20
	}
	if c.SyncEvery == 0 {
		c.SyncEvery = 5 * time.Second
	}
	if c.SpillAfter == 0 {
		c.SpillAfter = time.Second
	}
	if c.retryAfter == 0 {
		c.retryAfter = retryAfter
	}
	if c.quietFor == 0 {
		c.quietFor = tellEvery
	}
	return c
}

// Validate returns every problem, or nil. It opens nothing.
func (c Config) Validate() error {
	c = c.withDefaults()
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(filepath.IsAbs(c.Dir), "spool.dir: got %q, want an absolute path", c.Dir)
	check(c.MaxBytes >= minMaxBytes, "spool.max_bytes: got %d, want at least %d", c.MaxBytes, minMaxBytes)
	check(c.MemoryBytes >= minMemory && c.MemoryBytes <= maxMemory, "spool.memory_bytes: got %d, want %d to %d", c.MemoryBytes, minMemory, maxMemory)
	check(c.SegmentBytes >= 0, "spool.segment_bytes: got %d, want 0 or more", c.SegmentBytes)
	check(c.SyncEvery >= minSync, "spool.sync_every: got %v, want at least %v", c.SyncEvery, minSync)
	check(c.SpillAfter >= minSpill, "spool.spill_after: got %v, want at least %v", c.SpillAfter, minSpill)
	return errors.Join(problems...)
}

// segmentBytes is the size of a segment: the one asked for, but so that there are
// neither too many files nor too few to drop one of them.
func (c Config) segmentBytes() int64 {
	return max(min(c.SegmentBytes, c.MaxBytes/mostOfBudget), 2*c.MaxBytes/maxSegments, minSegment)
}

// chunks is how many of them the memory has room for.
func (c Config) chunks() int { return (c.MemoryBytes - fixedMemory) / chunkBytes }
