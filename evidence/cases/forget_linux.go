package cases

import (
	"os"

	"golang.org/x/sys/unix"
)

// forget drops what memory has of a file that is on the disk, so that reading it
// back reads the disk. It is advice: a failure changes nothing.
func forget(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
