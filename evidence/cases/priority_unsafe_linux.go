package cases

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// idle binds the goroutine to its thread and gives that the lowest claim on disk
// and processor: copying never takes from recording. The thread ends with the
// goroutine, so the priority does not leak. It is best effort: a system that
// refuses only makes the copying less polite.
func idle() {
	const (
		whoProcess = 1       // IOPRIO_WHO_PROCESS: with 0, the calling thread (linux/ioprio.h)
		classIdle  = 3 << 13 // IOPRIO_CLASS_IDLE
		lowest     = 19
	)
	runtime.LockOSThread()
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, 0, classIdle)
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), lowest)
}
