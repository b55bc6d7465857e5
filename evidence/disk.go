package evidence

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"
)

const (
	// retryAfter is the packet time between attempts while the disk fails.
	retryAfter = int64(5 * time.Second)
	// settleBytes is how much is sent on its way to the disk at a time.
	settleBytes = 1 << 20
	// maxRoomTries bounds the segments deleted for one new one when the disk is
	// full although the budget says otherwise.
	maxRoomTries = 8
)

// disk does the work of one writer's goroutine: it owns the open segment.
type disk struct {
	s   *Store
	log *slog.Logger

	f       file // nil when no segment is open
	seg     segment
	limit   int64
	settled int64
	kept    uint64 // packets in the segment

	failing  bool
	failedAt int64  // packet time of the last failure
	lost     uint64 // packets lost since the failure began
}

func (d *disk) run(work <-chan job, free chan<- *chunk, done chan<- struct{}) {
	defer close(done)
	for j := range work {
		switch {
		case j.chunk != nil:
			d.write(j.chunk)
			j.chunk.data, j.chunk.packets = j.chunk.data[:0], 0
			free <- j.chunk
		case j.reply != nil:
			close(j.reply)
		case d.f != nil && d.aged(j.now):
			d.seal()
		}
	}
	if d.f != nil {
		d.seal()
	}
}

func (d *disk) aged(now int64) bool {
	return apart(now, d.seg.start, int64(d.s.c.SegmentAgeS)*int64(time.Second))
}

// write puts a chunk into the segment, or counts it as lost.
func (d *disk) write(c *chunk) {
	if d.failing && !apart(c.first, d.failedAt, retryAfter) {
		d.lose(c)
		return
	}
	if d.f != nil && (d.seg.size+int64(len(c.data)) > d.limit || d.aged(c.first)) {
		d.seal()
	}
	if d.f == nil {
		if err := d.begin(c); err != nil {
			d.fail(c, fmt.Errorf("begin segment: %w", err))
			return
		}
	}
	if err := d.put(c.data); err != nil {
		d.seal() // at the last whole block
		d.fail(c, fmt.Errorf("write: %w", err))
		return
	}
	d.kept += c.packets
	d.s.packets.Add(c.packets)
	if d.seg.size-d.settled >= settleBytes {
		d.f.Settle(d.settled, d.seg.size)
		d.settled = d.seg.size
	}
	if d.failing {
		d.log.Info("evidence: recording again", "lost_packets", d.lost)
		d.failing, d.lost = false, 0
	}
}

// put writes whole blocks.
func (d *disk) put(b []byte) error {
	if _, err := d.f.Write(b); err != nil {
		return err
	}
	d.seg.size += int64(len(b))
	d.s.grew(int64(len(b)))
	return nil
}

// begin opens a segment and writes what must stand before c's packets.
func (d *disk) begin(c *chunk) error {
	header := appendSection(nil)
	for _, i := range c.ifaces {
		header = appendInterface(header, i)
	}
	seg, limit, err := d.s.reserve(c.first, int64(len(header)+len(c.data)))
	if err != nil {
		return err
	}
	f, err := d.s.create(d.s.path(seg.name))
	if err != nil {
		d.s.finish(seg, limit, 0, false)
		return err
	}
	d.f, d.seg, d.limit, d.settled, d.kept = f, seg, limit, 0, 0
	if err = d.room(); err == nil {
		err = d.put(header)
	}
	if err != nil {
		d.seal()
	}
	return err
}

// room reserves the segment's octets; on a full disk the oldest segments go.
func (d *disk) room() error {
	for try := 0; ; try++ {
		err := d.f.Reserve(d.limit)
		if !errors.Is(err, syscall.ENOSPC) || try == maxRoomTries || !d.s.makeRoom() {
			return err
		}
	}
}

// seal closes the segment at its last whole block. One without packets is
// removed: it would only take a place in the ring.
func (d *disk) seal() {
	if err := d.f.Seal(d.seg.size); err != nil {
		d.s.errors.Add(1)
		d.log.Error("evidence: close segment", "segment", d.seg.name, "err", err)
	}
	keep := d.kept > 0
	if !keep {
		os.Remove(d.s.path(d.seg.name))
	}
	d.s.finish(d.seg, d.limit, d.seg.size, keep)
	d.f = nil
}

// fail counts a failure and its packets, and says it once until it is over.
func (d *disk) fail(c *chunk, err error) {
	d.s.errors.Add(1)
	if !d.failing {
		d.log.Error("evidence: packets are not recorded; capture goes on, and recording is tried again", "dir", d.s.c.Dir, "err", err)
	}
	d.failing, d.failedAt = true, c.first
	d.lose(c)
}

func (d *disk) lose(c *chunk) {
	d.lost += c.packets
	d.s.lostDisk.Add(c.packets)
}
