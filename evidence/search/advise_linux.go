package search

import (
	"os"

	"golang.org/x/sys/unix"
)

// sequential tells the kernel to read ahead.
func sequential(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL) // advice: without it, it is slower
}

// forget drops octets of a file from the page cache; 0 is up to its end. Pages that
// are not yet on disk stay.
func forget(f *os.File, at, length int64) {
	_ = unix.Fadvise(int(f.Fd()), at, length, unix.FADV_DONTNEED)
}

// cached tells whether most of a file is in the page cache (cachestat, Linux 6.5). On
// older kernels it is said not to be.
func cached(f *os.File, size int64) bool {
	var stat unix.Cachestat_t
	all := unix.CachestatRange{Off: 0, Len: uint64(size)}
	if err := unix.Cachestat(uint(f.Fd()), &all, &stat, 0); err != nil {
		return false
	}
	return int64(stat.Cache)*int64(os.Getpagesize()) > size/2
}
