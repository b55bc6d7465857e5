package evidence

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// file is what a segment needs of the disk; tests put a failing one in its place.
type file interface {
	WriteAt(b []byte, at int64) (int, error)
	// Reserve makes sure of room for size octets without changing the file's
	// size, so that a full disk is known before packets depend on it.
	Reserve(size int64) error
	// Settle starts the writing of the octets in [from, to) to the disk and
	// waits for those well before them, so that little is lost in a power cut
	// and the page cache stays free for others.
	Settle(from, to int64)
	// Sync brings what was written to the disk.
	Sync() error
	// Close cuts the file to size, gives back what was reserved beyond, and
	// closes it.
	Close(size int64) error
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

func (f osFile) Sync() error { return unix.Fdatasync(int(f.Fd())) }

func (f osFile) Close(size int64) error {
	return errors.Join(f.Truncate(size), f.File.Close())
}

// save writes a small file, whole or not at all. It is not synced: what it holds
// can be made anew, and bears a checksum.
func save(path string, b []byte) error {
	temp := path + tempSuffix
	err := os.WriteFile(temp, b, 0o600)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}

// freeSpace is what is left on the file system of dir.
func freeSpace(dir string) (space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return space{}, fmt.Errorf("read free space of %q: %w", dir, err)
	}
	free := space{bytes: int64(st.Bavail) * int64(st.Bsize), inodes: -1}
	if st.Files > 0 {
		free.inodes = int64(st.Ffree)
	}
	return free, nil
}

// links is how many names a file has: a case that holds it has given it another.
func links(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// background gives the calling thread the lowest priority, for the disk, too.
func background() { unix.Setpriority(unix.PRIO_PROCESS, 0, 19) }

// bootID names the run of the kernel since its start, "" when it is not known.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// hint is what to do about an error that keeps the store from being opened.
func hint(err error) string {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "; let the user that kagami runs as read and write there, or choose another evidence.dir"
	case errors.Is(err, unix.EROFS):
		return "; the file system is read-only: mount it for writing, or choose another evidence.dir"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "; the disk is full: free room, or choose another evidence.dir"
	}
	return ""
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
