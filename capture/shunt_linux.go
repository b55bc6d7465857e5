package capture

import (
	"errors"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"kagami/packet"
	"kagami/sensor"
)

// ShuntProgram drops the packets of chosen flows in the kernel. kagami/bpf has
// it; one serves all rings.
type ShuntProgram interface {
	sensor.Shunter
	// Attach puts it on a packet socket together with a filter (nil: none) and a
	// snap length, in place of whatever filter the socket had.
	Attach(fd int, link packet.LinkType, filter []bpf.RawInstruction, snaplen uint32) error
}

// FanoutProgram chooses the ring for each packet. kagami/bpf has it.
type FanoutProgram interface {
	// Attach gives it to the group of a socket that has joined one of the kind
	// PACKET_FANOUT_EBPF.
	Attach(fd int) error
}

// ErrNotAsked is why a program is not in use when the options name none.
var ErrNotAsked = errors.New("not asked for")

// Programs tells which eBPF programs the kernel runs for the rings of an interface.
type Programs struct {
	Shunt  error // nil: shunting works; else why not
	Fanout error // nil: by innermost address pair; else why PACKET_FANOUT_HASH, or one ring, has to do
}

// Programs tells which programs are in use; it is settled when OpenRings returns.
func (r *Ring) Programs() Programs {
	r.group.mu.Lock()
	defer r.group.mu.Unlock()
	return r.group.programs
}

// Shunt implements sensor.Shunter. All rings share what the program holds.
func (r *Ring) Shunt(k packet.Key) bool {
	return r.o.Shunt != nil && r.Programs().Shunt == nil && r.o.Shunt.Shunt(k)
}

// Shunted implements sensor.Shunter.
func (r *Ring) Shunted(k packet.Key) (sensor.Shunted, bool) {
	if r.o.Shunt == nil {
		return sensor.Shunted{}, false
	}
	return r.o.Shunt.Shunted(k)
}

// Release implements sensor.Shunter.
func (r *Ring) Release(k packet.Key) (sensor.Shunted, bool) {
	if r.o.Shunt == nil {
		return sensor.Shunted{}, false
	}
	return r.o.Shunt.Release(k)
}

// Headers implements sensor.Shunter.
func (r *Ring) Headers(k packet.Key, octets uint32) bool {
	return r.o.Shunt != nil && r.Programs().Shunt == nil && r.o.Shunt.Headers(k, octets)
}

// Totals implements sensor.Shunter.
func (r *Ring) Totals() (packets, octets uint64) {
	if r.o.Shunt == nil {
		return 0, 0
	}
	return r.o.Shunt.Totals()
}

var _ sensor.Shunter = (*Ring)(nil)

// newFanout is the group before its first ring.
func newFanout(o LiveOptions) *fanout {
	g := &fanout{kind: unix.PACKET_FANOUT_HASH}
	if o.Shunt == nil {
		g.programs.Shunt = ErrNotAsked
	}
	if o.Fanout == nil || o.Rings < 2 {
		g.programs.Fanout = ErrNotAsked
	} else {
		g.kind = unix.PACKET_FANOUT_EBPF
	}
	return g
}

// attachShunt puts filter and shunt on the socket. When they cannot be had
// together, shunting is off for the whole group, and the filter stands alone.
func (s *socket) attachShunt(o LiveOptions, group *fanout, filter []bpf.RawInstruction) (done bool) {
	group.mu.Lock()
	defer group.mu.Unlock()
	if group.programs.Shunt == nil {
		group.programs.Shunt = o.Shunt.Attach(s.fd, s.link, filter, uint32(o.Snaplen))
	}
	return group.programs.Shunt == nil
}

// enter makes the socket a member of the group: of the kind PACKET_FANOUT_EBPF
// if the options have a program for it and this kernel knows the kind.
func (s *socket) enter(o LiveOptions, group *fanout, flags int) error {
	member := func() error {
		return unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, group.id|(group.kind|flags)<<16)
	}
	err := member()
	if group.kind != unix.PACKET_FANOUT_EBPF {
		return err
	}
	if err == nil {
		return o.Fanout.Attach(s.fd) // until then, the first ring gets everything
	}
	if group.joined {
		return err
	}
	group.kind, group.programs.Fanout = unix.PACKET_FANOUT_HASH, err
	return member()
}
