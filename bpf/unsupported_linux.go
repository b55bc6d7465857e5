package bpf

import (
	"errors"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ErrUnsupported says that this machine or user cannot have an eBPF program; the
// error around it says why. The sensor works without.
var ErrUnsupported = errors.New("eBPF is not available")

// unsupported puts a failure of bpf(2) into words. It is an ErrUnsupported.
type unsupported struct {
	what  string // that is off
	cause error
}

func (u unsupported) Error() string { return "eBPF " + u.what + " is off: " + u.reason() }

func (u unsupported) reason() string {
	refused := errors.As(u.cause, new(*ebpf.VerifierError))
	switch {
	case errors.Is(u.cause, errUntranslated):
		return u.cause.Error()
	case errors.Is(u.cause, unix.ENOSYS):
		return "this kernel has no bpf(2) (CONFIG_BPF_SYSCALL)"
	case errors.Is(u.cause, unix.ENOMEM):
		return "not enough kernel memory for its tables"
	case errors.Is(u.cause, unix.EMFILE):
		return "too many open files (RLIMIT_NOFILE)"
	case !refused && (errors.Is(u.cause, unix.EPERM) || errors.Is(u.cause, unix.EACCES)):
		return "not permitted; run as root or: setcap cap_net_raw,cap_bpf,cap_perfmon+ep bin/kagami"
	case errors.Is(u.cause, unix.EFAULT), refused && errors.Is(u.cause, unix.EACCES), refused && errors.Is(u.cause, unix.EPERM):
		// Without CAP_PERFMON the verifier also follows what a processor may
		// execute speculatively, and gives up on long programs.
		return "the kernel's verifier gives up without CAP_PERFMON; run as root or: setcap cap_net_raw,cap_bpf,cap_perfmon+ep bin/kagami"
	}
	return "the kernel refuses it (Linux 5.4 or newer is needed): " + u.cause.Error()
}

// Unwrap makes errors.Is find ErrUnsupported and the cause.
func (u unsupported) Unwrap() []error { return []error{ErrUnsupported, u.cause} }
