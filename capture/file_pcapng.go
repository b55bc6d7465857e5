package capture

import (
	"encoding/binary"
	"fmt"

	"kagami/packet"
	"kagami/sensor"
)

// Every pcapng block (draft-ietf-opsawg-pcapng section 3.1), padded to 4 octets:
//
//	+------+--------------+------------+--------------+
//	| type | total length | body       | total length |
//	+------+--------------+------------+--------------+
const (
	blockInterface     = 1
	blockPacket        = 2 // obsolete
	blockSimple        = 3
	blockNames         = 4
	blockStatistics    = 5
	blockEnhanced      = 6
	blockSecrets       = 10
	blockCustom        = 0xbad
	blockCustomNoCopy  = 0x40000bad
	blockLocal         = 0x80000001 // local use
	blockSection       = 0x0a0d0d0a // the same in both byte orders
	byteOrderMagic     = 0x1a2b3c4d
	blockOverhead      = 12 // type and both lengths
	optTSResol         = 9
	optTSOffset        = 14
	defaultTSResol     = 6 // microseconds
	maxBlock           = maxRecord + 4096
	maxSkip            = 64 << 20 // longest block that is skipped unread (decryption secrets can be large)
	maxInterfaces      = 1024     // interfaces of one section
	minSectionLen      = 28
	minInterfaceLen    = 20
	minEnhancedLen     = 32
	minObsoletePackLen = 32
	minSimpleLen       = 16
)

// iface is one Interface Description Block.
type iface struct {
	link  packet.LinkType
	snap  uint32
	time  resolution
	match Matcher
}

// pcapng reads blocks. Interface numbers count within a section, as in the file.
type pcapng struct {
	order  binary.ByteOrder
	ifaces []iface
	skip   int64 // octets of a long block still to pass over
	long   longBlock
	lost   *problem // searching for the next good block
	looked int64    // octets searched since lost.at
}

// problem is what is wrong with the octets at an offset.
type problem struct {
	at   int64
	what string
	torn bool
}

// longBlock is a block that is passed over without being held in memory.
type longBlock struct {
	at     int64
	length uint32
}

func isPcapng(head []byte) bool {
	return len(head) >= blockOverhead && binary.BigEndian.Uint32(head) == blockSection && sectionOrder(head) != nil
}

// sectionOrder reads the byte-order magic of a section header.
func sectionOrder(block []byte) binary.ByteOrder {
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(block[8:]):
		return binary.LittleEndian
	case binary.BigEndian.Uint32(block[8:]):
		return binary.BigEndian
	}
	return nil
}

// step is the outcome of looking at one place in the stream.
type step struct {
	used int // octets to go on by
	need int // octets needed at this place when there are too few
	err  error
}

func (g *pcapng) decode(f *File, frames []sensor.Frame, data []byte, at int64, eof bool) ([]sensor.Frame, int, int, error) {
	d := &section{pcapng: g, f: f, frames: frames}
	defer func() { f.count(d.seen, d.refused) }()
	off := 0
	for len(d.frames) < f.o.Frames {
		rest := data[off:]
		var s step
		switch {
		case g.skip > 0:
			s = g.pass(f, rest, eof)
		case g.lost != nil:
			s = g.resync(f, rest, eof)
		case len(rest) == 0:
			s = step{need: blockOverhead}
		default:
			s = d.block(rest, at+int64(off), eof)
		}
		off += s.used
		if s.need > 0 || s.err != nil {
			return d.frames, off, s.need, s.err
		}
	}
	return d.frames, off, 0, nil
}

// section reads the blocks of one decode call.
type section struct {
	*pcapng
	f             *File
	frames        []sensor.Frame
	seen, refused int
}

// block reads the block at the start of data.
func (d *section) block(data []byte, at int64, eof bool) step {
	if len(data) < blockOverhead {
		return d.short(blockOverhead, len(data), at, eof)
	}
	if binary.BigEndian.Uint32(data) == blockSection {
		order := sectionOrder(data)
		if order == nil {
			return d.lose(at, "section header without byte-order magic")
		}
		d.order = order // lengths of this very block are in its own order
	}
	typ, length := d.order.Uint32(data), d.order.Uint32(data[4:])
	switch {
	case length < blockOverhead || length%4 != 0:
		return d.lose(at, fmt.Sprintf("block length %d", length))
	case length > maxBlock && (carriesPackets(typ) || length > maxSkip):
		return d.lose(at, fmt.Sprintf("block of type %#x and %d octets (at most %d are credible)", typ, length, maxBlock))
	case length > maxBlock:
		d.skip, d.long = int64(length), longBlock{at, length}
		return step{}
	case int(length) > len(data):
		return d.short(int(length), len(data), at, eof)
	}
	if again := d.order.Uint32(data[length-4:]); again != length {
		return d.lose(at, fmt.Sprintf("block begins with length %d and ends with %d", length, again))
	}
	what, err := d.content(typ, data[:length])
	if what != "" {
		d.f.damage(at, what)
	}
	return step{used: int(length), err: err}
}

func carriesPackets(typ uint32) bool {
	return typ == blockEnhanced || typ == blockSimple || typ == blockPacket || typ == blockInterface || typ == blockSection
}

// short asks for more octets, or at the end of the file starts the search for
// a later block: a damaged length looks like a torn block.
func (d *section) short(need, have int, at int64, eof bool) step {
	if !eof {
		return step{need: need}
	}
	s := d.lose(at, fmt.Sprintf("block needs %d octets, file ends after %d", need, have))
	d.lost.torn = true
	s.used = min(s.used, have)
	return s
}

// lose starts the search for the next good block behind the bad one's type.
func (d *section) lose(at int64, what string) step {
	d.lost, d.looked = &problem{at: at, what: what}, 4
	return step{used: 4}
}

// content reads a block whose frame is sound. what says why it had to be
// passed over; err ends the file.
func (d *section) content(typ uint32, block []byte) (what string, err error) {
	switch typ {
	case blockSection:
		if len(block) < minSectionLen {
			return "section header is too short", nil
		}
		d.ifaces = d.ifaces[:0]
	case blockInterface:
		return d.addInterface(block)
	case blockEnhanced:
		return d.enhanced(block), nil
	case blockSimple:
		return d.simple(block), nil
	case blockPacket:
		return d.obsolete(block), nil
	}
	return "", nil
}

func (d *section) addInterface(block []byte) (string, error) {
	if len(block) < minInterfaceLen {
		return "interface description is too short", nil
	}
	if len(d.ifaces) >= maxInterfaces {
		return fmt.Sprintf("more than %d interfaces", maxInterfaces), nil
	}
	i := iface{
		link: packet.LinkType(d.order.Uint16(block[8:])),
		snap: d.order.Uint32(block[12:]),
		time: newResolution(defaultTSResol),
	}
	d.options(&i, block[16:len(block)-4])
	var err error
	i.match, err = d.f.matcher(i.link)
	d.ifaces = append(d.ifaces, i)
	return "", err
}

// options reads what matters of an interface's options: code, length, value
// padded to 4 octets. An option that does not fit ends the list.
func (d *section) options(i *iface, b []byte) {
	var offset int64
	for len(b) >= 4 {
		code, n := d.order.Uint16(b), int(d.order.Uint16(b[2:]))
		b = b[4:]
		if code == 0 || n > len(b) {
			break
		}
		switch {
		case code == optTSResol && n >= 1:
			i.time = newResolution(b[0])
		case code == optTSOffset && n == 8:
			offset = int64(d.order.Uint64(b))
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	i.time.setOffset(offset)
}

func (d *section) enhanced(block []byte) string {
	if len(block) < minEnhancedLen {
		return "packet block is too short"
	}
	id := d.order.Uint32(block[8:])
	return d.packet(id, block)
}

// obsolete reads a Packet Block: like the enhanced one, but its interface
// number has 16 bits and is followed by a drop count.
func (d *section) obsolete(block []byte) string {
	if len(block) < minObsoletePackLen {
		return "packet block is too short"
	}
	return d.packet(uint32(d.order.Uint16(block[8:])), block)
}

func (d *section) packet(id uint32, block []byte) string {
	if uint64(id) >= uint64(len(d.ifaces)) {
		return fmt.Sprintf("packet of interface %d, which is not described", id)
	}
	captured := d.order.Uint32(block[20:])
	if uint64(captured) > uint64(len(block)-minEnhancedLen) {
		return fmt.Sprintf("packet of %d octets in a block of %d", captured, len(block))
	}
	i := &d.ifaces[id]
	d.f.now = i.time.nanos(uint64(d.order.Uint32(block[12:]))<<32 | uint64(d.order.Uint32(block[16:])))
	end := 28 + captured
	d.add(id, block[28:end:end], d.order.Uint32(block[24:]))
	return ""
}

// simple reads a Simple Packet Block, which bears no time: it gets the time of
// the record before it.
func (d *section) simple(block []byte) string {
	if len(block) < minSimpleLen {
		return "packet block is too short"
	}
	if len(d.ifaces) == 0 {
		return "packet of interface 0, which is not described"
	}
	wire := d.order.Uint32(block[8:])
	captured := min(wire, uint32(len(block)-minSimpleLen))
	if snap := d.ifaces[0].snap; snap != 0 {
		captured = min(captured, snap)
	}
	end := 12 + captured
	d.add(0, block[12:end:end], wire)
	return ""
}

func (d *section) add(id uint32, body []byte, wire uint32) {
	i := &d.ifaces[id]
	d.seen++
	if i.match != nil && !i.match.Match(body, max(wire, uint32(len(body)))) {
		d.refused++
		return
	}
	d.frames = append(d.frames, sensor.Frame{
		Time: d.f.now, Data: body, WireLen: max(wire, uint32(len(body))), Link: i.link, Iface: uint16(id),
	})
}
