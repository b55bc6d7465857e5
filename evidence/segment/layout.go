package segment

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"kagami/packet"
)

// Format is what kind of file it is.
type Format uint8

const (
	FormatNone   Format = iota // empty
	FormatPcapng               // draft-ietf-opsawg-pcapng
	FormatPcap                 // draft-ietf-opsawg-pcap
)

func (f Format) String() string {
	return [...]string{"none", "pcapng", "pcap"}[min(f, FormatPcap)]
}

// Layout is what random access to packets needs: the format, and byte order and
// interfaces of each section. The zero Layout is an empty file's.
type Layout struct {
	format   Format
	pcap     pcapHeader
	sections []section // by position; one that describes the same as the one before is left out
	stamps   []stamp   // by position
}

// section is what a part of the file has in common. A pcap file has one.
type section struct {
	pos    int64
	big    bool // big-endian
	ifaces []iface
}

type iface struct {
	Interface
	time resolution
}

// stamp gives the time of Simple Packet Blocks, which bear none, from pos on: that
// of the packet before. Behind maxStamps of them, the last holds on.
type stamp struct {
	pos  int64
	time int64
}

var (
	// ErrNotPacket says that a sound block without a packet begins at a position.
	ErrNotPacket = errors.New("no packet block")
	// ErrBlock says that no sound block (pcap: record) begins at a position.
	ErrBlock = errors.New("no sound block")
)

// Format tells what kind of file it is.
func (l *Layout) Format() Format { return l.format }

// Interfaces are all that the file describes, section by section.
func (l *Layout) Interfaces() []Interface {
	var all []Interface
	for _, s := range l.sections {
		for _, i := range s.ifaces {
			all = append(all, i.Interface)
		}
	}
	return all
}

// at finds the section that an offset of the file belongs to, nil if there is none.
func (l *Layout) at(pos int64) *section {
	if n := len(l.sections); n > 0 && l.sections[n-1].pos <= pos {
		return &l.sections[n-1] // mostly there is but one
	}
	i, found := slices.BinarySearchFunc(l.sections, pos, func(s section, pos int64) int { return cmp.Compare(s.pos, pos) })
	if !found {
		i--
	}
	if i < 0 {
		return nil
	}
	return &l.sections[i]
}

// stampAt is the time of a packet without one at pos.
func (l *Layout) stampAt(pos int64) int64 {
	i, found := slices.BinarySearchFunc(l.stamps, pos, func(s stamp, pos int64) int { return cmp.Compare(s.pos, pos) })
	if !found {
		i--
	}
	if i < 0 {
		return 0
	}
	return l.stamps[i].time
}

// Packet reads the packet whose block (pcap: record) begins at offset pos of the
// file. b is what the file holds from there on, as much as is at hand: need is 0,
// or how many octets it takes at least, when b has too few. p borrows from b.
//
// The error is ErrNotPacket when a sound block without a packet begins there: then
// p.Pos and p.Len tell where it is. It wraps ErrBlock when there is none, or one that
// does not hold together.
func (l *Layout) Packet(b []byte, pos int64, p *Packet) (need int, err error) {
	s := l.at(pos)
	if s == nil {
		return 0, fmt.Errorf("read packet at octet %d: %w: before the first section", pos, ErrBlock)
	}
	var what string
	var other bool
	switch {
	case l.format == FormatPcap:
		need, what = l.pcap.record(b, s, p)
	case pos%4 != 0:
		what = "blocks begin at multiples of 4"
	default:
		need, other, what = s.block(b, p)
	}
	switch p.Pos = pos; {
	case what != "":
		return 0, fmt.Errorf("read packet at octet %d: %w: %s", pos, ErrBlock, what)
	case other:
		return 0, ErrNotPacket
	case need == 0 && p.untimed:
		p.Time = l.stampAt(pos)
	}
	return need, nil
}

// block reads the block that b begins with; other says that it is no packet's.
func (s *section) block(b []byte, p *Packet) (need int, other bool, what string) {
	if len(b) < headLen {
		return blockOverhead, false, ""
	}
	typ, length := s.u32(b), s.u32(b[4:])
	packets := typ == blockEnhanced || typ == blockSimple || typ == blockPacket
	most := uint32(maxBlock)
	if !carries(typ) && known(typ) {
		most = maxSkip // its end is out of sight
	}
	if length < blockOverhead || length%4 != 0 || length > most || packets && length < minSimple {
		return 0, false, fmt.Sprintf("block of type %#x and %d octets", typ, length)
	}
	n := int(length)
	if len(b) < n && (packets || n <= maxBlock) {
		return n, false, ""
	}
	if len(b) >= n && s.u32(b[n-lengthLen:]) != length {
		return 0, false, "the two lengths of the block differ"
	}
	if !packets {
		*p = Packet{Len: n}
		return 0, true, ""
	}
	return 0, false, s.packet(typ, b[:n], p)
}

func (s *section) u32(b []byte) uint32 { return u32(b, s.big) }

func (s *section) u16(b []byte) uint16 {
	n := le.Uint16(b)
	if s.big {
		n = bits.ReverseBytes16(n)
	}
	return n
}

func (s *section) i64(b []byte) int64 {
	n := le.Uint64(b)
	if s.big {
		n = bits.ReverseBytes64(n)
	}
	return int64(n)
}

func u32(b []byte, big bool) uint32 {
	n := le.Uint32(b)
	if big {
		n = bits.ReverseBytes32(n)
	}
	return n
}

// same tells whether two sections read alike.
func (s *section) same(o *section) bool {
	return s.big == o.big && slices.Equal(s.ifaces, o.ifaces)
}

// layoutVersion is the first octet of a layout.
const layoutVersion = 1

// Append encodes l; ParseLayout reads it.
//
//	version u8 | format u8 | pcap: flags u8
//	sections: count, each: offset - offset before | order u8 | interfaces: count, each:
//	          link | snap length | if_tsresol u8 | if_tsoffset, signed, s | name: length, octets
//	stamps: count, each: offset - offset before | time, ns
//
// Numbers without a size are varints.
func (l *Layout) Append(b []byte) []byte {
	b = append(b, layoutVersion, uint8(l.format), l.pcap.flags())
	b = binary.AppendUvarint(b, uint64(l.pcap.limit))
	b = binary.AppendUvarint(b, uint64(len(l.sections)))
	before := int64(0)
	for i := range l.sections {
		s := &l.sections[i]
		order := uint8(0)
		if s.big {
			order = 1
		}
		b = append(binary.AppendUvarint(b, uint64(s.pos-before)), order)
		before = s.pos
		b = binary.AppendUvarint(b, uint64(len(s.ifaces)))
		for _, f := range s.ifaces {
			b = binary.AppendUvarint(b, uint64(f.Link))
			b = binary.AppendUvarint(b, uint64(f.Snap))
			b = append(b, f.time.code)
			b = binary.AppendVarint(b, f.time.offset/nanosPerSec)
			b = append(binary.AppendUvarint(b, uint64(len(f.Name))), f.Name...)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(l.stamps)))
	before = 0
	for _, s := range l.stamps {
		b = binary.AppendUvarint(b, uint64(s.pos-before))
		b = binary.AppendUvarint(b, uint64(s.time))
		before = s.pos
	}
	return b
}

var errLayout = errors.New("read layout: damaged")

// ParseLayout reads what Append wrote, and returns what follows it.
func ParseLayout(b []byte) (Layout, []byte, error) {
	r := body{b: b}
	if v := r.u8(); v != layoutVersion && !r.short {
		return Layout{}, nil, fmt.Errorf("read layout: version %d", v)
	}
	var l Layout
	l.format = Format(r.u8())
	l.pcap = newPcapHeader(r.u8(), uint32(min(r.uvarint(), maxRecord)))
	pos, described := int64(0), 0
	for range r.count(maxSections) {
		pos += r.offset()
		s := section{pos: pos, big: r.u8() == 1}
		n := r.count(maxInterfaces)
		if described += n; described > maxDescribed {
			return Layout{}, nil, errLayout
		}
		for num := range n {
			s.ifaces = append(s.ifaces, r.iface(uint16(num)))
		}
		l.sections = append(l.sections, s)
	}
	pos = 0
	for range r.count(maxStamps) {
		pos += r.offset()
		l.stamps = append(l.stamps, stamp{pos, int64(min(r.uvarint(), maxTime))})
	}
	if r.short || l.format > FormatPcap || pos < 0 || l.format == FormatPcap && !l.pcapSound() {
		return Layout{}, nil, errLayout
	}
	return l, r.b, nil
}

func (l *Layout) pcapSound() bool { return len(l.sections) == 1 && len(l.sections[0].ifaces) == 1 }

// count reads a number of things, each of which takes an octet at least.
func (r *body) count(most uint64) int {
	n := r.uvarint()
	if n > min(most, uint64(len(r.b))) {
		r.short = true
		return 0
	}
	return int(n)
}

// offset reads a step between two offsets of a file.
func (r *body) offset() int64 {
	n := r.uvarint()
	if n > 1<<48 {
		r.short = true
	}
	return int64(n)
}

func (r *body) iface(num uint16) iface {
	link, snap, code := r.uvarint(), r.uvarint(), r.u8()
	offset, used := binary.Varint(r.b)
	if r.short || used <= 0 || link > 1<<16-1 || snap > 1<<32-1 {
		r.short = true
		return iface{}
	}
	r.b = r.b[used:]
	name := r.take(int(min(r.uvarint(), maxName+1)))
	return iface{
		Interface: Interface{Link: packet.LinkType(link), Num: num, Snap: uint32(snap), Name: string(name)},
		time:      newResolution(code, offset),
	}
}
