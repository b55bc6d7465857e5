package integration

import (
	"os/exec"
	"syscall"
)

// endWithUs has the kernel end a server whose test was killed.
func endWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
