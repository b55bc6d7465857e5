package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capabilities and Landlock domains belong to threads, and Go has many: both are
// changed with syscall.AllThreadsSyscall, which takes raw arguments.

// keepCapabilities reduces the capabilities of all threads to those of keep that
// the program has (capset(2)).
func keepCapabilities(keep []uint) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, want [2]unix.CapUserData
	if err := unix.Capget(&hdr, &have[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	for _, c := range keep {
		bit := uint32(1) << (c % 32)
		want[c/32].Permitted |= bit & have[c/32].Permitted
		want[c/32].Effective |= bit & have[c/32].Permitted
	}
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&want)), 0)
	return allThreadsError("capset", e)
}

// What Landlock governs, by version of its interface (landlock(7)).
const (
	landlockFiles = 1<<13 - 1 // version 1: all up to MAKE_SYM
	landlockRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	landlockWrite = landlockRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
)

// confine lets all threads read and write below these directories only, and
// returns the version of the kernel's Landlock. Programs cannot be run at all.
func confine(readable, writable []place) (abi int, err error) {
	n, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return 0, fmt.Errorf("ask for Landlock (Linux 5.13 or newer, enabled): %w", e)
	}
	abi = int(n)
	handled, write := landlockRights(abi)
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	fd, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if e != 0 {
		return 0, fmt.Errorf("make Landlock rules: %w", e)
	}
	defer unix.Close(int(fd))
	for _, p := range readable {
		if err := allowBelow(int(fd), p.dir, landlockRead); err != nil && !os.IsNotExist(err) && !os.IsPermission(err) {
			return 0, err
		}
	}
	for _, p := range writable {
		if err := allowBelow(int(fd), p.dir, write); err != nil {
			return 0, err
		}
	}
	_, _, e = syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
	return abi, allThreadsError("landlock_restrict_self", e)
}

// landlockRights are the rights that a version governs, and those of writers.
func landlockRights(abi int) (handled, write uint64) {
	handled, write = landlockFiles, landlockWrite
	if abi >= 2 {
		handled |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		handled |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		write |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 5 {
		handled |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return handled, write
}

func allowBelow(ruleset int, dir string, rights uint64) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); e != 0 {
		return fmt.Errorf("add Landlock rule for %q: %w", dir, e)
	}
	return nil
}
