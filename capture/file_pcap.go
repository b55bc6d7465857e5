package capture

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"kagami/packet"
	"kagami/sensor"
)

// pcap file header (draft-ietf-opsawg-pcap section 4), one record header (section 5):
//
//	0      4     6     8        16       20       24
//	+------+-----+-----+--------+--------+--------+   seconds | µs or ns | captured | on the wire | data
//	|magic |major|minor|reserved|snaplen |linktype|   Kuznetzov's header adds ifindex u32, protocol u16,
//	+------+-----+-----+--------+--------+--------+   packet type u8 and one octet of padding
const (
	pcapHeaderLen     = 24
	pcapRecordLen     = 16
	kuznetzovLen      = 24
	magicMicro        = 0xa1b2c3d4
	magicNano         = 0xa1b23c4d
	magicKuznetzov    = 0xa1b2cd34
	pcapMajor         = 2
	nanosPerSec       = 1_000_000_000
	linkTypeMask      = 0xffff // the upper half says whether frames end in an FCS
	nanosPerMicro     = 1000
	zerosAreNoPackets = "record headers of zeros (preallocated, or lost in a power cut)"
)

type pcap struct {
	swapped bool // the file is big-endian
	header  int  // length of a record header
	scale   int64
	limit   uint32 // longest credible record
	link    packet.LinkType
	match   Matcher
	zeros   bool // the previous record header was all zeros
}

func isPcap(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	m := binary.LittleEndian.Uint32(head)
	return knownMagic(m) || knownMagic(bits.ReverseBytes32(m))
}

func knownMagic(m uint32) bool {
	return m == magicMicro || m == magicNano || m == magicKuznetzov
}

func newPcap(f *File, head []byte) (*pcap, error) {
	p := &pcap{header: pcapRecordLen, scale: nanosPerMicro}
	magic := binary.LittleEndian.Uint32(head)
	var order binary.ByteOrder = binary.LittleEndian
	if !knownMagic(magic) {
		p.swapped, magic, order = true, bits.ReverseBytes32(magic), binary.BigEndian
	}
	switch magic {
	case magicNano:
		p.scale = 1
	case magicKuznetzov:
		p.header = kuznetzovLen
	}
	if major := order.Uint16(head[4:]); major != pcapMajor {
		return nil, &FormatError{Path: f.path, Found: fmt.Sprintf("a pcap file of version %d.%d (2.x is read)", major, order.Uint16(head[6:]))}
	}
	p.limit = max(minSnap, min(order.Uint32(head[16:]), maxRecord))
	p.link = packet.LinkType(order.Uint32(head[20:]) & linkTypeMask)
	var err error
	p.match, err = f.matcher(p.link)
	return p, err
}

func (p *pcap) decode(f *File, frames []sensor.Frame, data []byte, at int64, eof bool) ([]sensor.Frame, int, int, error) {
	off, seen, refused := 0, 0, 0
	defer func() { f.count(seen, refused) }()
	for len(frames) < f.o.Frames {
		if len(data)-off < p.header {
			return frames, off, p.header, nil
		}
		h := data[off : off+pcapRecordLen]
		sec, frac := binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		captured, wire := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
		if p.swapped {
			sec, frac = bits.ReverseBytes32(sec), bits.ReverseBytes32(frac)
			captured, wire = bits.ReverseBytes32(captured), bits.ReverseBytes32(wire)
		}
		if captured > p.limit {
			return frames, off, 0, f.corrupt(at+int64(off), fmt.Sprintf("packet record of %d octets (at most %d are credible)", captured, p.limit))
		}
		if sec|frac|captured|wire == 0 {
			if !p.zeros {
				f.damage(at+int64(off), zerosAreNoPackets)
			}
			p.zeros = true
			off += p.header
			continue
		}
		end := off + p.header + int(captured)
		if end > len(data) {
			return frames, off, end - off, nil
		}
		p.zeros = false
		f.now = int64(sec)*nanosPerSec + int64(frac)*p.scale
		body := data[off+p.header : end : end]
		off = end
		seen++
		if p.match != nil && !p.match.Match(body, max(wire, captured)) {
			refused++
			continue
		}
		frames = append(frames, sensor.Frame{Time: f.now, Data: body, WireLen: max(wire, captured), Link: p.link})
	}
	return frames, off, 0, nil
}
