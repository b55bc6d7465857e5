package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"kagami/packet"
)

// frameSize is only the unit in which TPACKET_V3 checks the ring's geometry.
const frameSize = 2048

// fanout is what the rings of one interface share.
type fanout struct {
	mu     sync.Mutex // rings reopen on their own goroutines
	joined bool
	id     int // chosen by the kernel for the first ring, then kept
	kind   int // PACKET_FANOUT_HASH or PACKET_FANOUT_EBPF

	programs Programs
}

// socket is one AF_PACKET socket and its mapped ring.
type socket struct {
	fd        int
	file      *os.File        // owns fd; with the runtime's poller, see Ring.wait
	conn      syscall.RawConn // of file
	ifindex   int
	link      packet.LinkType
	mem       []byte
	blocks    int
	blockSize int
}

func (s *socket) block(i int) []byte { return s.mem[i*s.blockSize : (i+1)*s.blockSize] }

// OpenRings opens an interface with o.Rings rings; each flow's packets, both
// directions, come through the same ring. The errors say what to do.
func OpenRings(o LiveOptions) ([]*Ring, error) {
	group := newFanout(o)
	var rings []*Ring
	for range o.Rings {
		sock, err := openSocket(o, group)
		if err != nil {
			return nil, errors.Join(err, closeAll(rings))
		}
		rings = append(rings, &Ring{o: o, group: group, link: sock.link, sock: sock})
	}
	// All rings have joined: only now let packets in, or the first ring would
	// get the packets of the others too.
	for _, r := range rings {
		if err := r.sock.arm(o, group); err != nil {
			return nil, errors.Join(err, closeAll(rings))
		}
	}
	return rings, nil
}

func closeAll(rings []*Ring) error {
	var errs []error
	for _, r := range rings {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// openSocket opens a ring that takes no packets yet: it is bound last, with a
// filter that refuses everything, so that no packet of another interface or
// from before the fan-out gets in.
func openSocket(o LiveOptions, group *fanout) (*socket, error) {
	dev, err := findInterface(o.Interface)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, explain(o, "open packet socket", err)
	}
	s := &socket{fd: fd, ifindex: dev.Index, file: os.NewFile(uintptr(fd), o.Interface)}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, explain(o, "open packet socket", err)
	}
	if err := s.setUp(o, group); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) setUp(o LiveOptions, group *fanout) error {
	set := func(opt, value int) error { return unix.SetsockoptInt(s.fd, unix.SOL_PACKET, opt, value) }
	if err := set(unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return explain(o, "choose TPACKET_V3", err)
	}
	if o.IgnoreOutgoing {
		if err := set(unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return explain(o, "ignore outgoing frames (Linux 4.20 or newer, or set capture.ignore_outgoing = false)", err)
		}
	}
	if err := s.attach([]bpf.RawInstruction{{Op: opRetK}}); err != nil {
		return explain(o, "attach filter", err)
	}
	if err := s.mapRing(o); err != nil {
		return explain(o, "set up ring", err)
	}
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: s.ifindex}); err != nil {
		return explain(o, "bind", err)
	}
	var err error
	if s.link, err = s.linkType(o.Interface); err != nil {
		return err
	}
	if o.Promiscuous {
		m := unix.PacketMreq{Ifindex: int32(s.ifindex), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return explain(o, "make promiscuous", err)
		}
	}
	if o.Rings > 1 {
		if err := s.join(o, group); err != nil {
			return explain(o, "join fan-out", err)
		}
	}
	return nil
}

func (s *socket) mapRing(o LiveOptions) error {
	s.blockSize, s.blocks = o.BlockBytes, max(1, o.RingBytes/o.BlockBytes)
	req := unix.TpacketReq3{
		Block_size:     uint32(s.blockSize),
		Block_nr:       uint32(s.blocks),
		Frame_size:     frameSize,
		Frame_nr:       uint32(s.blockSize / frameSize * s.blocks),
		Retire_blk_tov: uint32(o.Retire.Milliseconds()),
	}
	if err := unix.SetsockoptTpacketReq3(s.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return err
	}
	mem, err := unix.Mmap(s.fd, 0, s.blockSize*s.blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	s.mem = mem
	return err
}

// join makes the socket a member of the group. The kernel picks a free id for
// the first one, so no other program's group is joined by chance.
func (s *socket) join(o LiveOptions, group *fanout) error {
	group.mu.Lock()
	defer group.mu.Unlock()
	flags := 0
	if !group.joined {
		flags = unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	if err := s.enter(o, group, flags); err != nil {
		return err
	}
	got, err := unix.GetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return err
	}
	group.id, group.joined = got&0xffff, true
	return nil
}

// arm replaces the filter that refuses everything with the one that was asked for.
func (s *socket) arm(o LiveOptions, group *fanout) error {
	var filter []bpf.RawInstruction
	if o.Filter != nil {
		var err error
		if filter, err = o.Filter(s.link); err != nil {
			return err
		}
	}
	if s.attachShunt(o, group, filter) {
		return nil
	}
	if err := s.attach(limitSnap(filter, o.Snaplen)); err != nil {
		return explain(o, "attach filter", err)
	}
	return nil
}

const opRetK = 0x06 // BPF_RET|BPF_K: return a constant, the octets to keep

// limitSnap makes the filter keep at most snaplen octets: TPACKET_V3 has no
// other snap length.
func limitSnap(filter []bpf.RawInstruction, snaplen int) []bpf.RawInstruction {
	if filter == nil {
		return []bpf.RawInstruction{{Op: opRetK, K: uint32(snaplen)}}
	}
	out := slices.Clone(filter)
	for i := range out {
		if out[i].Op == opRetK {
			out[i].K = min(out[i].K, uint32(snaplen))
		}
	}
	return out
}

func (s *socket) attach(filter []bpf.RawInstruction) error {
	if len(filter) > unix.BPF_MAXINSNS {
		return fmt.Errorf("filter of %d instructions, at most %d fit: %w", len(filter), unix.BPF_MAXINSNS, unix.EINVAL)
	}
	prog := make([]unix.SockFilter, len(filter))
	for i, ins := range filter {
		prog[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}

// linkType asks the bound socket for the interface's hardware type.
func (s *socket) linkType(name string) (packet.LinkType, error) {
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return 0, fmt.Errorf("capture %s: read hardware type: %w", name, err)
	}
	hatype := sa.(*unix.SockaddrLinklayer).Hatype
	switch hatype {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return packet.LinkEthernet, nil
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		return packet.LinkRaw, nil
	}
	return 0, fmt.Errorf("capture %s: hardware type %d is not read; choose an Ethernet or raw IP interface", name, hatype)
}

// presence says what became of an interface that went down.
type presence uint8

const (
	unknown presence = iota
	up
	down
	gone // removed, even if another has taken its name
)

func (s *socket) presence(name string) presence {
	dev, err := net.InterfaceByIndex(s.ifindex)
	switch {
	case err != nil || dev.Name != name:
		return gone
	case dev.Flags&net.FlagUp == 0:
		return down
	}
	return up
}

func (s *socket) close() error {
	var errs []error
	if s.mem != nil {
		errs = append(errs, unix.Munmap(s.mem))
	}
	return errors.Join(append(errs, s.file.Close())...)
}

// networkOrder is htons.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
