package cases

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"

	"kagami/atomicfile"
)

// maxPart is the size at which a file of packets ends.
const maxPart = 256 << 20

// Block types of pcapng (draft-ietf-opsawg-pcapng section 4).
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockNames     = 4
	blockPacket    = 6
	blockHeader    = 8 // type and length
	maxBlock       = 64 << 20
)

// splitter is an io.Writer that cuts a pcapng stream (one section, little-endian)
// into files that can each be read alone: every file begins with the section
// header and all interfaces so far, and with the names.
type splitter struct {
	dir   string
	next  int    // number of the next file
	limit int64  // octets of a file
	names []byte // Name Resolution Block, put behind the interfaces; nil = none

	head  []byte // section header and interfaces so far
	block []byte // the one that is coming in
	f     *os.File
	hash  hash.Hash // of the file
	w     *bufio.Writer
	part  Part
	parts []Part // finished
}

func newSplitter(dir string, first int, names []byte) *splitter {
	return &splitter{dir: dir, next: first, limit: maxPart, names: names}
}

// Write implements io.Writer.
func (s *splitter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		need := s.need()
		take := min(need-len(s.block), len(b))
		s.block = append(s.block, b[:take]...)
		b = b[take:]
		if len(s.block) < blockHeader || len(s.block) < s.need() {
			continue
		}
		if err := s.whole(); err != nil {
			return n - len(b), err
		}
		s.block = s.block[:0]
	}
	return n, nil
}

// need is how long the block at hand has to get, as far as it is known.
func (s *splitter) need() int {
	if len(s.block) < blockHeader {
		return blockHeader
	}
	return int(binary.LittleEndian.Uint32(s.block[4:]))
}

// whole takes one whole block.
func (s *splitter) whole() error {
	typ, size := binary.LittleEndian.Uint32(s.block), s.need()
	if size < 12 || size%4 != 0 || size > maxBlock {
		return fmt.Errorf("split packets: block of %d octets", size)
	}
	switch typ {
	case blockSection:
		if len(s.head) > 0 {
			return fmt.Errorf("split packets: a second section")
		}
		s.head = append(s.head, s.block...)
		return nil // the first interface or packet opens the file
	case blockInterface:
		s.head = append(s.head, s.block...)
		if s.f == nil {
			return nil
		}
	case blockPacket:
		if s.f != nil && s.part.Packets > 0 && s.part.Size+int64(size) > s.limit {
			if err := s.finish(); err != nil {
				return err
			}
		}
		if err := s.open(); err != nil {
			return err
		}
		s.part.Packets++
	default:
		if s.f == nil { // before the first packet: every file gets it
			s.head = append(s.head, s.block...)
			return nil
		}
	}
	return s.put(s.block)
}

func (s *splitter) put(b []byte) error {
	if _, err := s.w.Write(b); err != nil {
		return fmt.Errorf("write packets: %w", err)
	}
	s.hash.Write(b)
	s.part.Size += int64(len(b))
	return nil
}

// open begins the next file if none is open.
func (s *splitter) open() error {
	if s.f != nil {
		return nil
	}
	name := fmt.Sprintf("packets-%04d.pcapng", s.next)
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make file of packets: %w", err)
	}
	if err := atomicfile.GiveAway(f); err != nil {
		f.Close()
		return fmt.Errorf("make file of packets: %w", err)
	}
	s.next++
	s.f, s.part = f, Part{Name: name}
	if s.w == nil {
		s.w = bufio.NewWriterSize(nil, 1<<20)
	}
	s.w.Reset(f)
	s.hash = sha256.New()
	if err := s.put(s.head); err != nil {
		return err
	}
	return s.put(s.names)
}

// finish ends a file: it is on the disk when this returns.
func (s *splitter) finish() error {
	if s.f == nil {
		return nil
	}
	err := errors.Join(s.w.Flush(), s.f.Sync(), s.f.Close())
	s.f = nil
	if err != nil {
		return fmt.Errorf("write packets: %w", err)
	}
	s.part.SHA256 = hex.EncodeToString(s.hash.Sum(nil))
	s.parts = append(s.parts, s.part)
	return nil
}

// end finishes the last file. A stream without packets makes none.
func (s *splitter) end() error {
	if len(s.block) > 0 {
		return fmt.Errorf("split packets: the stream ends in the middle of a block")
	}
	return s.finish()
}

// abandon closes what is open.
func (s *splitter) abandon() {
	if s.f != nil {
		s.f.Close()
		s.f = nil
	}
}
