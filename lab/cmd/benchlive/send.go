package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// TPACKET_V2 frames of a transmit ring (linux/if_packet.h): a header of 32
// octets that begins with status and length, then the data.
const (
	slotSize  = 2048
	slotHead  = 32
	slots     = 256 // fewer than net.core.netdev_max_backlog: the send waits for all
	blockSize = 64 << 10
	maxFrame  = slotSize - slotHead
)

// sent is what a sender reports.
type sent struct {
	Frames  uint64        `json:"frames"`
	Octets  uint64        `json:"octets"`
	Lasting time.Duration `json:"ns"`
	CPU     time.Duration `json:"cpu_ns"`
	Others  uint64        `json:"others"` // frames besides the bulk flow
}

func (s sent) rate() float64 { return float64(s.Frames) / s.Lasting.Seconds() }

// txRing is an AF_PACKET socket with a transmit ring. A send that waits makes
// the kernel pass every frame on before it returns, so none is lost on the way.
type txRing struct {
	fd  int
	mem []byte
	at  int // the slot that the kernel sends next
}

func openTx(dev string) (*txRing, error) {
	d, err := net.InterfaceByName(dev)
	if err != nil {
		return nil, fmt.Errorf("find interface %q: %w", dev, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	for opt, value := range map[int]int{unix.PACKET_VERSION: unix.TPACKET_V2, unix.PACKET_QDISC_BYPASS: 1} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, opt, value); err != nil {
			return nil, fmt.Errorf("set packet socket option %d: %w", opt, err)
		}
	}
	req := unix.TpacketReq{Block_size: blockSize, Block_nr: slots * slotSize / blockSize, Frame_size: slotSize, Frame_nr: slots}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_TX_RING, &req); err != nil {
		return nil, fmt.Errorf("set up transmit ring: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, slots*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map transmit ring: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: d.Index}); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	return &txRing{fd: fd, mem: mem}, nil
}

// next is the slot of the next frame.
func (t *txRing) next() []byte {
	slot := t.mem[t.at*slotSize : (t.at+1)*slotSize]
	t.at = (t.at + 1) % slots
	return slot
}

// ready marks the slot's frame of n octets for sending.
func (t *txRing) ready(slot []byte, n int) {
	binary.NativeEndian.PutUint32(slot[4:], uint32(n))
	binary.NativeEndian.PutUint32(slot, unix.TP_STATUS_SEND_REQUEST)
}

// flush sends the frames that are ready, and waits until all are.
func (t *txRing) flush() error {
	if err := unix.Send(t.fd, nil, 0); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// sendMain is the sender's process.
func sendMain(args []string) error {
	f := flag.NewFlagSet("send", flag.ContinueOnError)
	kind := f.String("traffic", "60", "")
	file := f.String("file", "", "")
	rate := f.Float64("rate", 0, "frames a second; 0 is as fast as possible")
	lasting := f.Duration("for", time.Second, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	tr, err := newTraffic(*kind, *file)
	if err != nil {
		return err
	}
	tx, err := openTx(senderEnd)
	if err != nil {
		return err
	}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		return err
	}
	s, err := transmit(tx, tr, *rate, *lasting)
	if err != nil {
		return err
	}
	after, err := cpuTime(os.Getpid())
	if err != nil {
		return err
	}
	s.CPU = after - before
	if b, ok := tr.(*bulk); ok {
		s.Others = b.frames[0]
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// transmit sends in pieces of at most 2 ms at the rate.
func transmit(tx *txRing, tr traffic, rate float64, lasting time.Duration) (s sent, err error) {
	piece := slots
	if rate > 0 {
		piece = max(1, min(slots, int(rate/500)))
	}
	began := time.Now()
	for s.Lasting < lasting {
		for range piece {
			slot := tx.next()
			n := tr.next(slot[slotHead:])
			tx.ready(slot, n)
			s.Octets += uint64(n)
		}
		if err := tx.flush(); err != nil {
			return s, err
		}
		s.Frames += uint64(piece)
		if rate > 0 {
			due := time.Duration(float64(s.Frames) / rate * float64(time.Second))
			time.Sleep(due - time.Since(began))
		}
		s.Lasting = time.Since(began)
	}
	return s, nil
}
