// Package atomicfile replaces small files whole: whoever reads one, and a power
// cut, finds the old content or the new. It imports nothing of Kagami.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Write replaces the file at path, or makes it, and brings it to the disk. It
// belongs to the owner of its directory (GiveAway).
func Write(path string, text []byte, mode os.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = GiveAway(f)
	}
	if err == nil && mode != 0o600 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

// GiveAway gives a file made by root to the owner of its directory: the sensor,
// which is not root, has to go on with what an administrator began.
func GiveAway(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Dir(f.Name()), &st); err != nil {
		return fmt.Errorf("find owner of directory: %w", err)
	}
	if st.Uid == 0 && st.Gid == 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// SyncDir makes the names in a directory last.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // file systems without it keep names in order themselves, or not at all
	}
	return errors.Join(err, d.Close())
}
