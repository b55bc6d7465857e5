package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// file is what the spool needs of an open file.
type file interface {
	ReadAt(b []byte, at int64) (int, error)
	WriteAt(b []byte, at int64) (int, error)
	Truncate(size int64) error
	// Sync brings what was written to the disk.
	Sync() error
	Close() error
}

// disk is where files are; tests put a failing one, and one that loses its power,
// in its place.
type disk interface {
	create(path string) (file, error) // a new one
	open(path string) (file, error)   // for reading
	resume(path string) (file, error) // for writing; it is made when it is not there
	remove(path string) error
	syncDir(path string) error // brings names to the disk
}

type osDisk struct{}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return unix.Fdatasync(int(f.Fd())) }

// writeParts writes parts one behind the other, with one call where that works.
func writeParts(f file, parts [][]byte, at int64) error {
	if f, ok := f.(osFile); ok {
		return f.writeParts(parts, at)
	}
	for _, b := range parts {
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
		at += int64(len(b))
	}
	return nil
}

func (f osFile) writeParts(parts [][]byte, at int64) error {
	for len(parts) > 0 {
		n, err := unix.Pwritev(int(f.Fd()), parts, at)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return &fs.PathError{Op: "write", Path: f.Name(), Err: err}
		}
		at += int64(n)
		for len(parts) > 0 && n >= len(parts[0]) {
			n -= len(parts[0])
			parts = parts[1:]
		}
		if n > 0 {
			parts = append([][]byte{parts[0][n:]}, parts[1:]...)
		}
	}
	return nil
}

// wrap keeps a nil *os.File from becoming a file.
func wrap(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osDisk) create(path string) (file, error) {
	return wrap(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600))
}

func (osDisk) open(path string) (file, error) {
	return wrap(os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0))
}

func (osDisk) resume(path string) (file, error) {
	return wrap(os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600))
}

func (osDisk) remove(path string) error { return os.Remove(path) }

func (osDisk) syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
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
			return nil, fmt.Errorf("another kagami uses it; give every export a directory of its own: %w", err)
		}
		return nil, err
	}
	return f, nil
}

// full tells whether an error is about room.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// hint is what to do about an error of the disk.
func hint(err error) string {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "; let the user that kagami runs as read and write there"
	case errors.Is(err, unix.EROFS):
		return "; the file system is read-only: mount it for writing, or choose another directory"
	case full(err):
		return "; the disk is full: free room, or choose another directory"
	}
	return ""
}
