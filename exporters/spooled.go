package exporters

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"kagami/exporters/spool"
)

// Queues of [[export]] queue.
const (
	QueueMemory = "memory"
	QueueDisk   = "disk"
)

const (
	DefaultDiskBytes = 4 << 30 // of a queue on disk, when disk_bytes is 0
	minDiskBytes     = 1 << 20
)

func (c Config) checkQueue() error {
	switch {
	case c.Queue != "" && c.Queue != QueueMemory && c.Queue != QueueDisk:
		return fmt.Errorf("export.queue: got %q, want memory or disk%s", c.Queue, didYouMean(c.Queue, []string{QueueMemory, QueueDisk}))
	case c.DiskBytes != 0 && c.DiskBytes < minDiskBytes:
		return fmt.Errorf("export.disk_bytes: got %d, want 0 (4 GiB) or at least %d", c.DiskBytes, minDiskBytes)
	case c.DiskBytes != 0 && c.Queue != QueueDisk:
		return fmt.Errorf("export.disk_bytes: got %d, which is of a queue on disk: want queue = %q, too", c.DiskBytes, QueueDisk)
	}
	return nil
}

// SpoolDir is the directory of a queue on disk below base: always the same for the
// same name and format, or, without a name, for the same format and place.
func (c Config) SpoolDir(base string) string {
	if c.Name != "" {
		return filepath.Join(base, c.Name+"-"+c.Format)
	}
	sum := sha256.Sum256([]byte(c.Format + "\n" + c.To))
	return filepath.Join(base, c.Format+"-"+hex.EncodeToString(sum[:6]))
}

// LeftQueues are the directories of queues below base that hold lines, and that
// none of the exports would send: their name, format or place was changed.
func LeftQueues(base string, to []Config) []string {
	used := map[string]bool{}
	for _, c := range to {
		used[c.SpoolDir(base)] = c.Queue == QueueDisk
	}
	segments, _ := filepath.Glob(filepath.Join(base, "*", "*.spool")) // none, if base cannot be read
	var left []string
	for _, path := range segments {
		if dir := filepath.Dir(path); !used[dir] && !slices.Contains(left, dir) {
			left = append(left, dir)
		}
	}
	return left
}

// OpenDurable opens an export with a queue on disk below base: what an earlier run
// could not deliver goes first. A directory that cannot be used is an error, for
// the promise could not be kept.
func OpenDurable(c Config, env Env, base string) (*Durable, error) {
	most := c.DiskBytes
	if most == 0 {
		most = DefaultDiskBytes
	}
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := spool.Open(spool.Config{Dir: c.SpoolDir(base), MaxBytes: most}, env.Logger)
	if err != nil {
		return nil, fmt.Errorf("open queue of export %q: %w", Redact(c.To), err)
	}
	env.SeqID = s.ID()
	e, err := Open(c, env)
	if err != nil {
		s.Close(context.Background())
		return nil, err
	}
	return NewDurable(e, s), nil
}

// SpoolMemory is what an export with a queue on disk takes of memory, octets: 12 MiB
// the queue, the rest what its place holds at most (compressors, batches under way).
const SpoolMemory = 16 << 20
