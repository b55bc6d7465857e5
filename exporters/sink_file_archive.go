package exporters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// archive names, compresses and deletes the files that ended in a directory:
//
//	NAME.20261122T064500.000Z        ended at that time, UTC
//	NAME.20261122T064500.000Z.zst    the same, compressed
//
// Compression is one thread of the lowest priority. What an earlier run left
// uncompressed is made up for; other files are not touched.
type archive struct {
	dir    string
	keep   int // of each name; 0 = all
	plain  bool
	logger *slog.Logger

	later time.Time // before which no file is taken, since one could not be; of the sink's goroutine

	mu      sync.Mutex
	names   []string // to look after
	working bool
	done    sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

const (
	archiveStamp = "20060102T150405.000Z"
	archiveSpare = ".part" // being compressed
	archivePiece = 256 << 10
	archiveAhead = 7 * 24 * time.Hour
)

func newArchive(dir string, o fileOptions, l *slog.Logger) *archive {
	a := &archive{dir: dir, keep: o.keep, plain: o.plain, logger: l}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// may tells whether files may end now: not soon after one could not.
func (a *archive) may(now time.Time) bool { return !now.Before(a.later) }

// take gives the file of that name the name of one that ended now. False: it
// cannot, and said so; the file is better too long than closed.
func (a *archive) take(name string, now time.Time) bool {
	stamp, to := a.stamp(name, now), ""
	for to == "" || exists(to) || exists(to+".zst") {
		to = filepath.Join(a.dir, name+"."+stamp.UTC().Format(archiveStamp))
		stamp = stamp.Add(time.Millisecond)
	}
	if err := os.Rename(filepath.Join(a.dir, name), to); err != nil {
		a.later = now.Add(logEvery)
		a.logger.Warn("file cannot be rotated and goes on", "err", err)
		return false
	}
	a.resume(name)
	return true
}

// stamp is the time in the name of a file that ends now. Files are deleted in the
// order of their names: when the clock was set back, the name goes on behind the
// newest one, unless that is from a clock that was far off.
func (a *archive) stamp(name string, now time.Time) time.Time {
	entries, _ := os.ReadDir(a.dir)
	newest := time.Time{}
	for _, e := range entries {
		if at, ok := endedAt(e.Name(), name); ok && at.After(newest) {
			newest = at
		}
	}
	if ahead := newest.Sub(now); ahead >= 0 && ahead < archiveAhead {
		return newest.Add(time.Millisecond)
	}
	return now
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// resume looks after the files of that name that ended.
func (a *archive) resume(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.names, name) {
		a.names = append(a.names, name)
	}
	if !a.working {
		a.working = true
		a.done.Go(a.work)
	}
}

// close stops compressing and returns when it has stopped.
func (a *archive) close() {
	a.cancel()
	a.done.Wait()
}

func (a *archive) work() {
	runtime.LockOSThread() // and never unlocked: the thread ends with its low priority
	leastPriority()
	for {
		a.mu.Lock()
		if len(a.names) == 0 || a.ctx.Err() != nil {
			a.working = false
			a.mu.Unlock()
			return
		}
		name := a.names[0]
		a.names = slices.Delete(a.names, 0, 1)
		a.mu.Unlock()
		if err := a.tend(name); err != nil && a.ctx.Err() == nil {
			a.logger.Warn("rotated file stays as it is", "err", err)
		}
	}
}

// tend compresses the files of that name that ended, and deletes the oldest.
func (a *archive) tend(name string) error {
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return fmt.Errorf("read directory: %w", err)
	}
	var ended []string // ReadDir sorts by name, and so by time
	for _, e := range entries {
		if n, ok := archived(e.Name(), name); ok {
			ended = append(ended, n)
		}
	}
	var problems []error
	for a.keep > 0 && len(ended) > a.keep {
		problems = append(problems, os.Remove(filepath.Join(a.dir, ended[0])))
		ended = ended[1:]
	}
	for _, n := range ended {
		if path := filepath.Join(a.dir, n); !a.plain && filepath.Ext(n) != ".zst" {
			problems = append(problems, a.compress(path))
		}
	}
	return errors.Join(problems...)
}

// archived tells whether a file is one of that name that ended.
func archived(file, name string) (string, bool) {
	_, ok := endedAt(file, name)
	return file, ok
}

// endedAt is when a file of that name ended, as its name says.
func endedAt(file, name string) (time.Time, bool) {
	rest, ok := strings.CutPrefix(file, name+".")
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(archiveStamp, strings.TrimSuffix(rest, ".zst"))
	return at, err == nil
}

// compress replaces a file by its compressed form, which has its mode and time.
func (a *archive) compress(path string) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("compress file: %w", err)
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return fmt.Errorf("compress file: %w", err)
	}
	part := path + archiveSpare
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, st.Mode().Perm())
	if err != nil {
		return fmt.Errorf("compress file: %w", err)
	}
	err = a.pack(out, in)
	if err == nil {
		err = out.Sync() // always: the file that it replaces may be on the disk for long
	}
	err = errors.Join(err, out.Close())
	if err == nil {
		err = errors.Join(os.Chtimes(part, time.Time{}, st.ModTime()), os.Rename(part, path+".zst"))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("compress file: %w", err), os.Remove(part))
	}
	return os.Remove(path)
}

// pack compresses until the end or until the archive is closed.
func (a *archive) pack(out io.Writer, in io.Reader) error {
	// The usual level takes twice the time for 3 % less, and a MiB more.
	z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	buf := make([]byte, archivePiece)
	for a.ctx.Err() == nil {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := z.Write(buf[:n]); err != nil {
				return errors.Join(err, z.Close())
			}
		}
		if err == io.EOF {
			return z.Close()
		}
		if err != nil {
			return errors.Join(err, z.Close())
		}
	}
	return errors.Join(a.ctx.Err(), z.Close())
}
