package exporters

import "golang.org/x/sys/unix"

// leastPriority puts the calling thread behind all others. Where it cannot, the
// thread goes on as it is.
func leastPriority() { unix.Setpriority(unix.PRIO_PROCESS, 0, 19) }
