package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"kagami/packet"
	"kagami/sensor"
)

// TPACKET_V3 (linux/if_packet.h, Linux 6.1). All fields are in host order, at
// the same offsets on 32-bit and 64-bit machines; there are no pointers in it.
//
// A block (tpacket_block_desc with tpacket_hdr_v1):
//
//	0       4       8      12       16           20     24      32
//	+-------+-------+------+--------+------------+------+-------+----------+
//	|version|private|status|packets |first packet|length|seq u64|timestamps|
//	+-------+-------+------+--------+------------+------+-------+----------+
//
// A packet (tpacket3_hdr), followed by the frame at offset mac:
//
//	0    4   8    12       16   20     24      26      28      32       36
//	+----+---+----+--------+----+------+-------+-------+-------+--------+---------+
//	|next|sec|nsec|captured|wire|status|mac u16|net u16|rx hash|VLAN TCI|TPID u16 |
//	+----+---+----+--------+----+------+-------+-------+-------+--------+---------+
const (
	offStatus   = 8
	offPackets  = 12
	offFirst    = 16
	offSec      = 4
	offNsec     = 8
	offCaptured = 12
	offWire     = 16
	offFlags    = 20
	offMac      = 24
	offTCI      = 32
	offTPID     = 36
	packetHdr   = 48

	tpid8021Q = 0x8100
)

// reopenEvery is how often an interface that went away is looked for.
const reopenEvery = time.Second

// Ring is one AF_PACKET ring on a live interface. It implements sensor.Source:
// frames lie in memory shared with the kernel, so one Batch may be under way at
// a time, and its bytes are valid until the following Next. One goroutine calls
// Next and then Close; Stats and State may be called from any.
type Ring struct {
	o     LiveOptions
	group *fanout
	link  packet.LinkType

	mu     sync.Mutex // guards sock, total and closed against Stats
	sock   *socket    // nil while the interface is gone
	total  sensor.SourceStats
	closed bool

	pos    int  // the block to read next
	held   bool // that block is with the reader
	now    int64
	retry  time.Time // when to look for the interface again
	down   atomic.Bool
	flaps  atomic.Uint64
	broken atomic.Uint64 // packets whose offsets contradict the block
}

// State is what a Ring knows of its interface.
type State struct {
	Down   bool   // the interface is down or gone; Next yields idle ticks until it is back
	Flaps  uint64 // times it went down
	Broken uint64 // packets that could not be read in the ring; always 0 with a sound kernel
}

// State tells how the interface is.
func (r *Ring) State() State {
	return State{Down: r.down.Load(), Flaps: r.flaps.Load(), Broken: r.broken.Load()}
}

// Link is the link type of the interface when it was opened.
func (r *Ring) Link() packet.LinkType { return r.link }

// Next hands the block it gave last back to the kernel and fills b from the
// next one. With no packets within the retire timeout, b has no frames and Now
// is the wall clock minus twice that timeout: no earlier packet can still come.
// An interface that goes down is no error; see State.
func (r *Ring) Next(b *sensor.Batch) error {
	b.Frames = b.Frames[:0]
	if r.closed {
		return fmt.Errorf("capture %s: %w", r.o.Interface, os.ErrClosed)
	}
	if r.held {
		status(r.sock.block(r.pos)).Store(unix.TP_STATUS_KERNEL)
		r.pos, r.held = (r.pos+1)%r.sock.blocks, false
	}
	if r.sock == nil && !r.reopen() {
		time.Sleep(r.o.Retire)
		return r.idle(b)
	}
	block := r.sock.block(r.pos)
	if status(block).Load()&unix.TP_STATUS_USER == 0 {
		if err := r.wait(); err != nil {
			return err
		}
		if r.sock == nil || status(block).Load()&unix.TP_STATUS_USER == 0 {
			return r.idle(b)
		}
	}
	r.held = true
	r.frames(b, block)
	if len(b.Frames) == 0 {
		return r.idle(b)
	}
	r.now = b.Frames[len(b.Frames)-1].Time
	b.Now = r.now
	r.checkUp() // frames may be from before it went down, so ask
	return nil
}

// frames lists the packets of a block.
func (r *Ring) frames(b *sensor.Batch, block []byte) {
	ne := binary.NativeEndian
	n, off := ne.Uint32(block[offPackets:]), uint64(ne.Uint32(block[offFirst:]))
	link := r.sock.link
	frames := b.Frames
	for i := range n {
		if off+packetHdr > uint64(len(block)) {
			r.broken.Add(uint64(n - i))
			break
		}
		h := block[off : off+packetHdr]
		start := off + uint64(ne.Uint16(h[offMac:]))
		end := start + uint64(ne.Uint32(h[offCaptured:]))
		if end > uint64(len(block)) {
			r.broken.Add(uint64(n - i))
			break
		}
		f := sensor.Frame{
			Time:    int64(ne.Uint32(h[offSec:]))*nanosPerSec + int64(ne.Uint32(h[offNsec:])),
			Data:    block[start:end:end],
			WireLen: ne.Uint32(h[offWire:]),
			Link:    link,
		}
		if flags := ne.Uint32(h[offFlags:]); flags&unix.TP_STATUS_VLAN_VALID != 0 {
			f.VLAN, f.TPID = uint16(ne.Uint32(h[offTCI:])), tpid8021Q
			if flags&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
				f.TPID = ne.Uint16(h[offTPID:])
			}
		}
		frames = append(frames, f)
		off += uint64(ne.Uint32(h))
	}
	b.Frames = frames
}

// idle makes b a tick. It never steps behind the last frame, except when the
// wall clock itself was set back.
func (r *Ring) idle(b *sensor.Batch) error {
	now := time.Now().Add(-2 * r.o.Retire).UnixNano()
	if step := r.now - now; step > 0 && step <= int64(4*r.o.Retire) {
		now = r.now
	}
	r.now, b.Now = now, now
	return nil
}

// wait sleeps until the kernel has a block ready or the retire timeout is over.
// It sleeps in the runtime's poller: a thread that sleeps in poll(2) itself makes
// the scheduler look after it 50,000 times a second, which costs as much as
// decoding.
func (r *Ring) wait() error {
	block, code := r.sock.block(r.pos), 0
	var failed error
	r.sock.file.SetReadDeadline(time.Now().Add(r.o.Retire))
	err := r.sock.conn.Read(func(fd uintptr) bool {
		if status(block).Load()&unix.TP_STATUS_USER != 0 {
			return true
		}
		code, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return code != 0 || failed != nil
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		if r.checkUp() == gone {
			r.drop()
		}
	case err != nil:
		return fmt.Errorf("capture %s: wait for packets: %w", r.o.Interface, err)
	case failed != nil:
		return fmt.Errorf("capture %s: read socket error: %w", r.o.Interface, failed)
	case unix.Errno(code) == unix.ENETDOWN:
		r.goDown()
	case code != 0:
		return fmt.Errorf("capture %s: socket: %w", r.o.Interface, unix.Errno(code))
	}
	return nil
}

func (r *Ring) goDown() {
	if !r.down.Swap(true) {
		r.flaps.Add(1)
	}
}

// checkUp notices, at most every reopenEvery and only while the interface is
// down, that it is up again (the kernel resumes the ring by itself) or gone for
// good (then the socket is of no use, once it is read empty).
func (r *Ring) checkUp() presence {
	if !r.down.Load() || time.Now().Before(r.retry) {
		return unknown
	}
	r.retry = time.Now().Add(reopenEvery)
	p := r.sock.presence(r.o.Interface)
	if p == up {
		r.down.Store(false)
	}
	return p
}

// drop gives up the socket and keeps its counts.
func (r *Ring) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect()
	r.sock.close()
	r.sock, r.pos, r.held = nil, 0, false
}

// reopen tries to open the interface that went away. Failure is no error: the
// interface may come back, and other rings of the group may still let go of the
// old one.
func (r *Ring) reopen() bool {
	if time.Now().Before(r.retry) {
		return false
	}
	r.retry = time.Now().Add(reopenEvery)
	sock, err := openSocket(r.o, r.group)
	if err != nil {
		return false
	}
	if err := sock.arm(r.o, r.group); err != nil {
		sock.close()
		return false
	}
	r.mu.Lock()
	r.sock = sock
	r.mu.Unlock()
	r.down.Store(false)
	return true
}

// collect adds the kernel's counts, which start anew at each reading.
func (r *Ring) collect() {
	s, err := unix.GetsockoptTpacketStatsV3(r.sock.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return // only a closed socket has none; the counts so far stand
	}
	r.total.Received += uint64(s.Packets)
	r.total.Dropped += uint64(s.Drops)
	r.total.Freezes += uint64(s.Freeze_q_cnt)
}

// Stats are totals. Received counts the dropped frames too, as the kernel does;
// frames that the filter refused are not counted at all, nor are shunted ones.
func (r *Ring) Stats() sensor.SourceStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sock != nil {
		r.collect()
	}
	return r.total
}

// Close gives the ring back. No Next may be under way, and the frames of the
// last Batch are no longer valid.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.sock == nil {
		return nil
	}
	r.collect()
	err := r.sock.close()
	r.sock, r.held = nil, false
	if err != nil {
		return fmt.Errorf("capture %s: close: %w", r.o.Interface, err)
	}
	return nil
}

var _ sensor.Source = (*Ring)(nil)
