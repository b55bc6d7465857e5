package main

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// goOffline takes from the whole process, for good, the right to make sockets and to
// connect them: the kernel answers EPERM (seccomp(2)). What listens already goes on,
// and takes connections. Programs that it would start inherit that.
func goOffline() error {
	filter, err := noSockets(runtime.GOARCH)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // both calls belong together; the second one is for all threads
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up the right to connect: no_new_privs: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	failed, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	switch {
	case e != 0:
		return fmt.Errorf("give up the right to connect (Linux 3.17 or newer with seccomp filters): %w", e)
	case failed != 0:
		return fmt.Errorf("give up the right to connect: thread %d has a filter of its own", failed)
	}
	return nil
}

// noSockets is a filter program (classic BPF over struct seccomp_data) that refuses
// system calls that make or connect sockets, or take them from other processes, and
// all of other architectures, whose numbers differ.
func noSockets(arch string) ([]unix.SockFilter, error) {
	const numberAt, archAt = 0, 4 // in seccomp_data
	const x32 = 0x40000000        // numbers from there on are of amd64's other interface
	audit := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64, "arm": unix.AUDIT_ARCH_ARM}[arch]
	if audit == 0 {
		return nil, errors.New("give up the right to connect: not known how on " + arch)
	}
	refused := []uint32{unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_IO_URING_SETUP, unix.SYS_PIDFD_GETFD}
	const load, equal, atLeast, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	left := uint8(len(refused))
	p := []unix.SockFilter{
		{Code: load, K: archAt},
		{Code: equal, K: audit, Jf: left + 3},
		{Code: load, K: numberAt},
		{Code: atLeast, K: x32, Jt: left + 1},
	}
	for i, number := range refused {
		p = append(p, unix.SockFilter{Code: equal, K: number, Jt: left - uint8(i)})
	}
	return append(p, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}), nil
}
