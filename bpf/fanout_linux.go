package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Fanout spreads packets over the rings of an interface by the innermost
// address pair, see fanout.c. It costs 25 ns a packet.
//
// It is there because PACKET_FANOUT_HASH tears flows apart. Measured on Linux
// 6.18 with 64 two-way flows over 4 rings (TestLiveFanout), flows whose packets
// came through more than one ring:
//
//	                             PACKET_FANOUT_HASH   this
//	IPv4, IPv6, VLAN, QinQ                        0      0
//	GRE, NVGRE, IP in IP, 6in4, PPPoE             0      0
//	IPv4 fragments and whole datagrams           48      0
//	IPv6 fragments and whole datagrams           47      0
//	VXLAN                                        47      0
//	GENEVE                                       40      0
//	ERSPAN II from two switches                  64      0
//	a flow both tunnelled and not                63      0
//	GTP-U, MPLS              0, but all on one ring      0
type Fanout struct{ prog *ebpf.Program }

// OpenFanout loads the program, which needs CAP_BPF and CAP_PERFMON. The error is
// an ErrUnsupported with the reason when this machine or user cannot.
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
