package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Fanout spreads packets over the rings of an interface by the innermost
// address pair, see fanout.c.
type Fanout struct{ prog *ebpf.Program }

// OpenFanout loads the program. The error is an ErrUnsupported with the reason
// when this machine or user cannot.
func OpenFanout() (*Fanout, error) {
	var out struct {
		Fanout *ebpf.Program `ebpf:"fanout"`
	}
	if err := loadFanoutObjects(&out, nil); err != nil {
		return nil, unsupported{"fan-out", fmt.Errorf("load program: %w", err)}
	}
	return &Fanout{out.Fanout}, nil
}

// Attach gives the program to the fan-out group of a packet socket, which must
// have joined with PACKET_FANOUT_EBPF. It needs no privilege.
func (f *Fanout) Attach(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, f.prog.FD()); err != nil {
		return unsupported{"fan-out", fmt.Errorf("attach: %w", err)}
	}
	return nil
}

// Close gives the program back; groups keep theirs.
func (f *Fanout) Close() error { return f.prog.Close() }
