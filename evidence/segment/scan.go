package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kagami/packet"
)

// Packet is one packet of a file.
type Packet struct {
	Pos       int64 // offset of its block (pcap: record) in the file
	Len       int   // octets of its block
	Time      int64 // ns since the epoch
	WireLen   uint32
	Iface     uint32 // number in its section
	Link      packet.LinkType
	Data      []byte     // borrowed: of the buffer that the file is read with
	Interface *Interface // borrowed: of the layout

	untimed bool // a Simple Packet Block
}

// Visitor is told what a file holds, in its order. A nil function is skipped; one
// that returns false ends the scan. What is passed is borrowed until it returns,
// except a note's Name, Text and Addrs, and Packet.Interface.
type Visitor struct {
	Packet func(*Packet) bool
	Note   func(*Note) bool
	// Mark gets each mark that is whole and stands where it was written. It is good
	// when the octets [m.From, m.Pos) are those that it was written for.
	Mark func(m *Mark, good bool) bool
	// Damage gets each run of octets that had to be passed over, and why.
	Damage func(pos, length int64, what string) bool
}

// Result is what a scan has found.
type Result struct {
	Layout      Layout
	End         int64 // end of the last good block
	Torn        int64 // octets behind End up to the end of the file; also told as damage
	Packets     uint64
	First, Last int64 // smallest and largest time of a packet, ns; 0 when there is none
	Notes       uint64
	LastMark    *Mark // the last that is whole and stands where it was written, nil if there is none
	GoodMarks   int
	BadMarks    int   // also those that are damaged themselves
	Vouched     int64 // end of the last good mark
	Damages     int   // runs of octets that had to be passed over
	Damaged     int64 // octets of these
	Stopped     bool  // a visitor's function ended the scan
}

var (
	// ErrFormat says that a file is no capture file that is read.
	ErrFormat = errors.New("neither pcapng nor pcap")
	// ErrCompressed says that a file must be unpacked first.
	ErrCompressed = errors.New("compressed")
)

// scanner reads a file from one place to another.
type scanner struct {
	window
	v         Visitor
	res       Result
	cur       *section // of res.Layout
	pos       int64
	end       int64 // blocks that begin before it are read
	now       int64 // time of the last packet that bears one
	known     bool  // the layout is given
	blind     bool  // the octets before the next mark were not seen from the last on
	trusting  bool  // marks are believed
	stopped   bool
	described int    // interfaces of all sections
	unsure    int64  // end of the last mark that was not to be read
	noMark    int64  // no mark begins between s.pos and this offset (see nextMark)
	ahead     []byte // what looking ahead has read
	aheadAt   int64  // offset of ahead[0]
	p         Packet
	n         Note
	m         Mark
}

// Scan reads a file of size octets from its start: a segment, or any uncompressed
// pcapng or pcap file. What is damaged is passed over and told; the error is one of
// reading, or wraps ErrFormat or ErrCompressed. Memory is bounded (a window of
// 1 MiB, and what the longest packet takes); it allocates nothing per packet.
func Scan(r io.ReaderAt, size int64, v Visitor) (Result, error) {
	s := newScanner(r, size, v)
	if err := s.open(); err != nil {
		return Result{}, fmt.Errorf("scan: %w", err)
	}
	if err := s.run(); err != nil {
		return s.result(), fmt.Errorf("scan: %w", err)
	}
	return s.result(), nil
}

func newScanner(r io.ReaderAt, size int64, v Visitor) *scanner {
	return &scanner{window: window{r: r, size: size, want: size}, v: v, end: size}
}

// Scan reads the blocks (pcap: records) that begin in [from, to) of a file with this
// layout; one must begin at from. Marks are told from the second on: the first one's
// octets may begin before from.
func (l *Layout) Scan(r io.ReaderAt, from, to int64, v Visitor) (Result, error) {
	s := &scanner{
		window: window{r: r, size: to + 2*maxBlock, want: to, at: from},
		v:      v, res: Result{Layout: *l, End: from}, pos: from, end: to, known: true, blind: true,
	}
	if s.cur = s.res.Layout.at(from); s.cur == nil {
		return s.res, nil
	}
	if err := s.run(); err != nil {
		return s.res, fmt.Errorf("scan: %w", err)
	}
	s.res.Stopped = s.stopped
	return s.res, nil
}

// open finds out the format.
func (s *scanner) open() error {
	head, err := s.view(0, pcapHeaderLen)
	if err != nil || len(head) == 0 {
		return err
	}
	l := &s.res.Layout
	l.sections = []section{{}}
	s.cur = &l.sections[0]
	switch {
	case isPcapng(head):
		l.format = FormatPcapng
	case isPcap(head):
		l.format = FormatPcap
		return s.openPcap(head)
	default:
		if err := compressed(head); err != nil {
			return err
		}
		if _, found, err := s.nextMark(0); err != nil || !found {
			return errors.Join(err, fmt.Errorf("%w: begins with % x", ErrFormat, head[:min(len(head), 8)]))
		}
		l.format = FormatPcapng // one of ours whose first octets are damaged
	}
	return nil
}

func isPcapng(head []byte) bool {
	if len(head) < blockOverhead || le.Uint32(head) != blockSection {
		return false
	}
	_, ok := sectionOrder(head)
	return ok
}

// compressed tells a packed file by its first octets (RFC 1952, RFC 8878, and the
// formats' own documents).
func compressed(head []byte) error {
	for _, c := range []struct{ magic, name, unpack string }{
		{"\x1f\x8b", "gzip", "gunzip"},
		{"\x28\xb5\x2f\xfd", "zstd", "zstd -d"},
		{"\xfd7zXZ\x00", "xz", "unxz"},
		{"BZh", "bzip2", "bunzip2"},
		{"\x04\x22\x4d\x18", "lz4", "lz4 -d"},
		{"PK\x03\x04", "zip", "unzip"},
	} {
		if len(head) >= len(c.magic) && string(head[:len(c.magic)]) == c.magic {
			return fmt.Errorf("%w with %s: packets cannot be found by their place in it; unpack it first (%s)", ErrCompressed, c.name, c.unpack)
		}
	}
	return nil
}

// run reads until the end, or until a visitor's function ends it.
func (s *scanner) run() error {
	need := minSimple
	for !s.stopped && s.pos < min(s.end, s.size) {
		b, err := s.view(s.pos, need)
		if err != nil {
			return err
		}
		var what string
		if s.res.Layout.format == FormatPcap {
			need, what = s.records(b)
		} else {
			need, what = s.blocks(b)
		}
		switch left := s.size - s.pos; {
		case s.stopped:
		case what == "" && (int64(need) <= left || left == 0):
			continue
		case what == "":
			what = fmt.Sprintf("block needs %d octets, file ends after %d", need, left)
			fallthrough
		default:
			if err := s.lose(what); err != nil {
				return err
			}
			need = minSimple
		}
	}
	return nil
}

// result completes what was found.
func (s *scanner) result() Result {
	s.dropRepeated()
	if s.res.Stopped = s.stopped; !s.stopped {
		s.res.Torn = s.size - s.res.End
	}
	return s.res
}

// deliver passes a packet on.
func (s *scanner) deliver(p *Packet) {
	r := &s.res
	if r.Packets == 0 || p.Time < r.First {
		r.First = p.Time
	}
	if r.Packets == 0 || p.Time > r.Last {
		r.Last = p.Time
	}
	r.Packets++
	if s.v.Packet != nil && !s.v.Packet(p) {
		s.stopped = true
	}
}

// damage tells of octets that are passed over.
func (s *scanner) damage(pos, length int64, what string) {
	s.res.Damages++
	s.res.Damaged += length
	if s.v.Damage != nil && !s.v.Damage(pos, length, what) {
		s.stopped = true
	}
}

// sectionOrder reads the byte-order magic of a section header.
func sectionOrder(block []byte) (big, ok bool) {
	switch uint32(byteOrderMagic) {
	case le.Uint32(block[8:]):
		return false, true
	case binary.BigEndian.Uint32(block[8:]):
		return true, true
	}
	return false, false
}
