package segment

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"kagami/sensor"
)

// What a batch holds at most: more than batchBytes only by one frame.
const (
	batchFrames = 512
	batchBytes  = 256 << 10
)

// Source is a capture file as the engine's source; it tells where each frame stands
// in the file. Damage is passed over and told by Result.
type Source struct {
	path      string
	file      *os.File
	scan      *scanner
	batch     *sensor.Batch // being filled
	positions []int64       // of its frames
	size      uint64

	received, read atomic.Uint64
}

// OpenSource opens an uncompressed pcapng or pcap file.
func OpenSource(path string) (*Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture file: %w", err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("not a regular file: packets cannot be found by their place in it")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open capture file %q: %w", path, err)
	}
	s := &Source{path: path, file: f, size: uint64(st.Size())}
	s.scan = newScanner(f, st.Size(), Visitor{Packet: s.add})
	if err := s.scan.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open capture file %q: %w", path, err)
	}
	return s, nil
}

// Next fills b. The frames are in b's own memory.
func (s *Source) Next(b *sensor.Batch) error {
	if cap(b.Buf) == 0 {
		b.Buf = make([]byte, 0, batchBytes+batchBytes/4)
	}
	b.Frames, b.Buf, s.positions = b.Frames[:0], b.Buf[:0], s.positions[:0]
	s.batch, s.scan.stopped = b, false
	err := s.scan.run()
	s.batch = nil
	b.Now = s.scan.now
	s.received.Add(uint64(len(b.Frames)))
	s.read.Store(uint64(s.scan.pos))
	switch {
	case err != nil:
		return fmt.Errorf("read capture file %q: %w", s.path, err)
	case len(b.Frames) == 0:
		return io.EOF
	}
	return nil
}

// add copies a packet into the batch; false when it is full.
func (s *Source) add(p *Packet) bool {
	b := s.batch
	at := len(b.Buf)
	b.Buf = append(b.Buf, p.Data...)
	b.Frames = append(b.Frames, sensor.Frame{
		Time: p.Time, Data: b.Buf[at:len(b.Buf):len(b.Buf)], WireLen: p.WireLen, Link: p.Link, Iface: uint16(p.Iface),
	})
	s.positions = append(s.positions, p.Pos)
	return len(b.Frames) < batchFrames && len(b.Buf) < batchBytes
}

// Pos is the position in the file of frame i of the batch that Next filled last.
func (s *Source) Pos(i int) int64 { return s.positions[i] }

// Result is what was found up to the last batch: after io.EOF, all.
func (s *Source) Result() Result { return s.scan.result() }

// Stats may be called from any goroutine.
func (s *Source) Stats() sensor.SourceStats {
	return sensor.SourceStats{Received: s.received.Load(), Bytes: s.read.Load(), Size: s.size}
}

// Close closes the file; batches stay valid.
func (s *Source) Close() error {
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("close capture file %q: %w", s.path, err)
	}
	return nil
}

var _ sensor.Source = (*Source)(nil)
