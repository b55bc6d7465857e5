package segment

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/sensor"
)

// MinSnap is the least that AppendPacket shortens a frame to: more than an
// Ethernet header with a tag.
const MinSnap = 64

// Interface is one interface that packets came from. It is comparable.
type Interface struct {
	Link packet.LinkType
	Num  uint16 // sensor.Frame.Iface; of a file that is read: its number in the section
	Snap uint32 // most octets of a frame that are kept, 0 = not known
	Name string // "" = not known
}

// AppendSection starts a section: all interface numbers are new behind it. The
// comment is for the reader of the file, "" for none.
func AppendSection(b []byte, comment string) []byte {
	b, at := begin(b, blockSection)
	b = le.AppendUint32(b, byteOrderMagic)
	b = le.AppendUint32(b, 1)          // version 1.0
	b = le.AppendUint64(b, ^uint64(0)) // section length: not known
	if comment != "" {
		b = appendOption(b, optComment, comment)
	}
	b = appendOption(b, optUserAppl, application)
	return end(appendEnd(b), at)
}

// AppendInterface describes the next interface: the first of a section has id 0.
func AppendInterface(b []byte, i Interface) []byte {
	b, at := begin(b, blockInterface)
	b = le.AppendUint32(b, uint32(i.Link)) // and 16 reserved bits
	b = le.AppendUint32(b, i.Snap)
	if i.Name != "" {
		b = appendOption(b, optName, i.Name)
	}
	b = appendOption(b, optTSResol, string([]byte{nanoResolution}))
	return end(appendEnd(b), at)
}

// AppendPacket writes f as an Enhanced Packet Block of interface id, at most snap
// octets of it (at least MinSnap). An 802.1Q tag that the ring took out of the
// frame is put back.
func AppendPacket(b []byte, id uint32, f *sensor.Frame, snap int) []byte {
	data, wire, tag := f.Data, f.WireLen, 0
	if f.TPID != 0 && f.Link == packet.LinkEthernet && len(data) >= macsLen {
		tag, wire = tagLen, wire+tagLen
	}
	captured := min(len(data)+tag, max(snap, MinSnap))
	b, at := appendPacketHead(b, id, f.Time, captured, wire)
	rest := captured
	if tag != 0 {
		b = append(b, data[:macsLen]...)
		b = binary.BigEndian.AppendUint16(b, f.TPID)
		b = binary.BigEndian.AppendUint16(b, f.VLAN)
		data, rest = data[macsLen:], captured-macsLen-tagLen
	}
	b = append(b, data[:rest]...)
	return end(appendPadding(b, captured), at)
}

// AppendCopy writes a packet that was read elsewhere, with a comment if it is not "".
func AppendCopy(b []byte, id uint32, p *Packet, comment string) []byte {
	b, at := appendPacketHead(b, id, p.Time, len(p.Data), p.WireLen)
	b = append(b, p.Data...)
	b = appendPadding(b, len(p.Data))
	if comment != "" {
		b = appendEnd(appendOption(b, optComment, comment))
	}
	return end(b, at)
}

func appendPacketHead(b []byte, id uint32, ns int64, captured int, wire uint32) ([]byte, int) {
	b, at := begin(b, blockEnhanced)
	b = le.AppendUint32(b, id)
	b = le.AppendUint32(b, uint32(uint64(ns)>>32))
	b = le.AppendUint32(b, uint32(ns))
	b = le.AppendUint32(b, uint32(captured))
	return le.AppendUint32(b, wire), at
}
