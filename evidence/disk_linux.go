package evidence

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// file is what a segment needs of the disk; tests put a failing one in its place.
type file interface {
	Write([]byte) (int, error)
	// Reserve makes sure of room for size octets without changing the file's
	// size, so that a full disk is known before packets depend on it.
	Reserve(size int64) error
	// Settle starts the writing of the octets in [from, to) to the disk and
	// waits for those well before them, so that little is lost in a power cut
	// and the page cache stays free for others.
	Settle(from, to int64)
	// Seal cuts the file to size, gives back what was reserved beyond, brings it
	// to the disk and closes it.
	Seal(size int64) error
}

// behind is how far the writing to the disk may lag the writing of the file.
const behind = 8 << 20

type osFile struct{ *os.File }

// create makes a new segment file, for the owner's eyes only.
func create(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Reserve(size int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil // then a full disk shows at a write
	}
	return err
}

// Settle ignores errors: it is advice, and the next write says what is wrong.
func (f osFile) Settle(from, to int64) {
	fd := int(f.Fd())
	unix.SyncFileRange(fd, from, to-from, unix.SYNC_FILE_RANGE_WRITE)
	if old := from - behind; old >= 0 {
		unix.SyncFileRange(fd, old, to-from, unix.SYNC_FILE_RANGE_WRITE_AND_WAIT)
		unix.Fadvise(fd, old, to-from, unix.FADV_DONTNEED)
	}
}

func (f osFile) Seal(size int64) error {
	err := f.Truncate(size)
	return errors.Join(err, unix.Fdatasync(int(f.Fd())), f.Close())
}

// freeBytes is the space that is left on the file system of dir.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("read free space of %q: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// lock claims the directory for this process until it is closed.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another kagami records there; choose another evidence.dir: %w", err)
		}
		return nil, err
	}
	return f, nil
}

// reclaim gives back room that a killed process reserved beyond a file's end.
func reclaim(path string, info os.FileInfo) {
	const slack = 1 << 20
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Blocks*512 > info.Size()+slack {
		os.Truncate(path, info.Size())
	}
}
