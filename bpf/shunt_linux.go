package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"kagami/packet"
	"kagami/sensor"
)

// DefaultFlows is how many flows may be shunted at a time.
const DefaultFlows = 1 << 16

// maxFlows bounds the kernel memory to some 200 MiB.
const maxFlows = 1 << 20

// Options of Open.
type Options struct {
	// Flows is how many flows may be shunted at a time, 0 means DefaultFlows. At
	// most 1,048,576; each takes about 250 octets, most of them in the kernel.
	Flows int

	table int // entries of the kernel's table; tests make it smaller than Flows
}

// MemoryBytes estimates what a Shunt of so many flows takes, for the memory plan:
// a hash table entry with its bucket, the counters, and the key here.
func MemoryBytes(flows int) int64 {
	if flows == 0 {
		flows = DefaultFlows
	}
	return int64(flows) * (keySize + flowSize + 48 + 16 + 2*directionSize + 64)
}

// Sizes of the maps' keys and values, see shunt.c.
const (
	keySize       = 40
	flowSize      = 8
	directionSize = 40 // two for each slot
	lastAt        = 32 // offset of its member last
)

// Shunt makes the kernel count and drop the packets of chosen flows before they
// are copied to a ring. It serves all rings; any goroutine may call it. It is
// meant for a few calls in the life of a flow: each is one to three system calls.
//
// In the kernel it costs 50 ns a packet that passes, and 100 ns one that is
// dropped, which spares the copy and the reading.
//
// SYN, FIN and RST pass, and so do tunnels, fragments and IPv6 extension
// headers. When the kernel evicts a flow from its table, its packets pass again
// and its counts stay.
type Shunt struct {
	spec     *ebpf.CollectionSpec
	flows    *ebpf.Map // packet.Key to slot: the kernel may evict
	counters *ebpf.Map // twice the slot plus side to counts: only this side gives slots
	totals   *ebpf.Map // one entry: all that was ever dropped, by CPU

	mu       sync.Mutex
	programs map[string]*ebpf.Program
	held     map[packet.Key]uint32 // slot, or noSlot when only headers are kept
	free     slots
	stats    ShuntStats
	closed   bool
}

const noSlot = ^uint32(0)

// ShuntStats are totals since Open.
type ShuntStats struct {
	Flows   uint64 // calls of Shunt and Headers that were granted
	Refused uint64 // and those that were not, for want of room or by the kernel
	Held    int    // flows held now
	Packets uint64 // counted and dropped in the kernel
	Bytes   uint64 // the same in octets on the wire
}

// Open makes the kernel's tables and proves that it takes the program. The error
// is an ErrUnsupported with the reason when this machine or user cannot.
//
// What needs CAP_BPF (before Linux 5.8 CAP_SYS_ADMIN) happens in Open and in the
// first Attach for each filter; the rest needs only the system call bpf(2), and
// before Linux 6.0 the capability too where kernel.unprivileged_bpf_disabled is set.
func Open(o Options) (*Shunt, error) {
	if o.Flows == 0 {
		o.Flows = DefaultFlows
	}
	if o.Flows < 1 || o.Flows > maxFlows {
		return nil, fmt.Errorf("open shunt: %d flows, want 1..%d", o.Flows, maxFlows)
	}
	if o.table == 0 {
		o.table = o.Flows
	}
	spec, err := loadShunt()
	if err != nil {
		return nil, fmt.Errorf("read shunt program: %w", err)
	}
	s := &Shunt{spec: spec, programs: map[string]*ebpf.Program{}, held: map[packet.Key]uint32{}, free: slots{limit: uint32(o.Flows)}}
	if err := s.makeMaps(o); err != nil {
		return nil, errors.Join(unsupported{"shunting", err}, s.Close())
	}
	if _, err := s.program(packet.LinkEthernet, nil, 1); err != nil {
		return nil, errors.Join(unsupported{"shunting", err}, s.Close())
	}
	return s, nil
}

func (s *Shunt) makeMaps(o Options) error {
	s.spec.Maps[shuntMapFlows].MaxEntries = uint32(o.table)
	s.spec.Maps[shuntMapCounters].MaxEntries = 2 * uint32(o.Flows)
	for name, m := range s.maps() {
		var err error
		if *m, err = ebpf.NewMap(s.spec.Maps[name]); err != nil {
			return fmt.Errorf("make table %q: %w", name, err)
		}
	}
	return nil
}

func (s *Shunt) maps() map[string]**ebpf.Map {
	return map[string]**ebpf.Map{shuntMapFlows: &s.flows, shuntMapCounters: &s.counters, shuntMapTotals: &s.totals}
}

// Attach makes a packet socket drop what is shunted and, before that, what the
// classic filter refuses (nil: nothing); of the rest at most snaplen octets are
// kept. It replaces any other filter of the socket. The error is an
// ErrUnsupported when the filter cannot be had together with the shunt.
func (s *Shunt) Attach(fd int, link packet.LinkType, filter []bpf.RawInstruction, snaplen uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	prog, err := s.program(link, filter, snaplen)
	if err != nil {
		return unsupported{"shunting", err}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, prog.FD()); err != nil {
		return unsupported{"shunting", fmt.Errorf("attach: %w", err)}
	}
	return nil
}

// program loads the program for a filter once and keeps it: a ring that reopens
// must not need the privilege to load.
func (s *Shunt) program(link packet.LinkType, filter []bpf.RawInstruction, snaplen uint32) (*ebpf.Program, error) {
	ethernet := link == packet.LinkEthernet
	name := fmt.Sprint(ethernet, snaplen, filter)
	if p := s.programs[name]; p != nil {
		return p, nil
	}
	first, err := prologue(filter, ethernet, snaplen)
	if err != nil {
		return nil, err
	}
	spec := s.spec.Copy()
	if err := prepend(first, spec.Programs[shuntProgShunt]); err != nil {
		return nil, err
	}
	var out struct {
		Shunt *ebpf.Program `ebpf:"shunt"`
	}
	replace := map[string]*ebpf.Map{}
	for name, m := range s.maps() {
		replace[name] = *m
	}
	err = spec.LoadAndAssign(&out, &ebpf.CollectionOptions{MapReplacements: replace})
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	s.programs[name] = out.Shunt
	return out.Shunt, nil
}

// Shunt implements sensor.Shunter. Asking again for a flow that the kernel
// evicted puts it back; its counts go on.
func (s *Shunt) Shunt(k packet.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, held := s.held[k]
	fresh := !held || slot == noSlot
	if fresh {
		var ok bool
		if slot, ok = s.free.take(); !ok {
			return s.granted(false)
		}
		if s.closed || !s.zero(slot) {
			s.free.give(slot)
			return s.granted(false)
		}
	}
	if !s.put(k, slot, 0) {
		if fresh {
			s.free.give(slot)
		}
		return s.granted(false)
	}
	s.held[k] = slot
	return s.granted(true)
}

// zero makes a slot ready for a new flow, which spoke just now.
func (s *Shunt) zero(slot uint32) bool {
	none := make([]byte, directionSize)
	binary.NativeEndian.PutUint64(none[lastAt:], uint64(monotonic()))
	return s.counters.Put(2*slot, none) == nil && s.counters.Put(2*slot+1, none) == nil
}

// Headers implements sensor.Shunter: the kernel keeps at most so many octets of
// each further packet of a flow, SYN, FIN and RST excepted. They are not counted
// here: they come. Asking again for a flow that the kernel evicted puts it back.
func (s *Shunt) Headers(k packet.Key, octets uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, held := s.held[k]
	if held && slot != noSlot || !held && len(s.held) >= int(s.free.limit) || octets == 0 || !s.put(k, noSlot, octets) {
		return s.granted(false)
	}
	s.held[k] = noSlot
	return s.granted(true)
}

func (s *Shunt) granted(ok bool) bool {
	if ok {
		s.stats.Flows++
	} else {
		s.stats.Refused++
	}
	return ok
}

// put writes a flow into the kernel's table.
func (s *Shunt) put(k packet.Key, slot, keep uint32) bool {
	if s.closed || k.Proto != packet.ProtoTCP && k.Proto != packet.ProtoUDP {
		return false
	}
	v := binary.NativeEndian.AppendUint32(nil, slot)
	return s.flows.Put(encode(k), binary.NativeEndian.AppendUint32(v, keep)) == nil
}

// encode is struct key of shunt.c.
func encode(k packet.Key) []byte {
	b := make([]byte, 0, keySize)
	b = append(append(b, k.A[:]...), k.B[:]...)
	b = binary.NativeEndian.AppendUint16(b, k.APort)
	b = binary.NativeEndian.AppendUint16(b, k.BPort)
	return append(b, k.Proto, 0, 0, 0)
}

// Shunted implements sensor.Shunter.
func (s *Shunt) Shunted(k packet.Key) (sensor.Shunted, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts(k)
}

func (s *Shunt) counts(k packet.Key) (sensor.Shunted, bool) {
	slot, held := s.held[k]
	if !held || slot == noSlot || s.closed {
		return sensor.Shunted{}, false
	}
	var out sensor.Shunted
	offset := clockOffset()
	for side := range uint32(2) {
		b, err := s.counters.LookupBytes(2*slot + side)
		if err != nil || len(b) != directionSize {
			return sensor.Shunted{}, false
		}
		decode(b, offset, &out, packet.Side(side))
	}
	return out, true
}

// decode reads struct direction of shunt.c; offset makes wall clock of its time.
func decode(b []byte, offset int64, out *sensor.Shunted, side packet.Side) {
	at := func(field int) uint64 { return binary.NativeEndian.Uint64(b[8*field:]) }
	out.Packets[side], out.Bytes[side], out.IPBytes[side], out.Payload[side] = at(0), at(1), at(2), at(3)
	if at(0) != 0 {
		out.Last[side] = int64(at(lastAt/8)) + offset
	}
}

// clockOffset is the wall clock less CLOCK_MONOTONIC, in which the kernel's
// programs see time. A step of the wall clock since a packet moves its time.
func clockOffset() int64 { return time.Now().UnixNano() - monotonic() }

// monotonic is CLOCK_MONOTONIC, which every Linux has.
func monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// Release implements sensor.Shunter. A packet that another CPU is just looking
// at may escape both the counts and the ring.
func (s *Shunt) Release(k packet.Key) (sensor.Shunted, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, held := s.held[k]
	if !held || s.closed {
		return sensor.Shunted{}, false
	}
	// Evicted is deleted too, and no other error is possible for a valid key.
	_ = s.flows.Delete(encode(k))
	c, ok := s.counts(k)
	delete(s.held, k)
	if slot != noSlot {
		s.free.give(slot)
	}
	return c, ok
}

// Stats are totals.
func (s *Shunt) Stats() ShuntStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Held = len(s.held)
	out.Packets, out.Bytes = s.dropped()
	return out
}

// Totals implements sensor.Shunter.
func (s *Shunt) Totals() (packets, octets uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped()
}

func (s *Shunt) dropped() (packets, octets uint64) {
	if s.closed {
		return s.stats.Packets, s.stats.Bytes
	}
	var cpus []struct{ Packets, Bytes uint64 }
	if err := s.totals.Lookup(uint32(0), &cpus); err != nil {
		return 0, 0
	}
	for _, c := range cpus {
		packets += c.Packets
		octets += c.Bytes
	}
	return packets, octets
}

// Close gives the tables and programs back. Sockets keep theirs until closed.
func (s *Shunt) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.totals != nil && !s.closed {
		s.stats.Packets, s.stats.Bytes = s.dropped()
	}
	s.closed = true
	var errs []error
	for _, p := range s.programs {
		errs = append(errs, p.Close())
	}
	clear(s.programs)
	for _, m := range s.maps() {
		if *m != nil {
			errs = append(errs, (*m).Close())
		}
		*m = nil
	}
	return errors.Join(errs...)
}

var _ sensor.Shunter = (*Shunt)(nil)

// slots gives out the numbers below limit, the longest unused first, so that a
// packet still under way in the kernel meets no new owner.
type slots struct {
	limit uint32
	next  uint32 // numbers from here on were never used
	freed []uint32
}

func (s *slots) take() (uint32, bool) {
	if s.next < s.limit {
		s.next++
		return s.next - 1, true
	}
	if len(s.freed) == 0 {
		return 0, false
	}
	n := s.freed[0]
	s.freed = s.freed[1:]
	return n, true
}

func (s *slots) give(n uint32) { s.freed = append(s.freed, n) }
