package evidence

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/sensor"
)

// Blocks and options of pcapng (draft-ietf-opsawg-pcapng sections 4.1 to 4.3).
// Block type 0x80000001 (local use) is reserved for marks of this program: it
// is skipped silently by other readers, unlike custom blocks.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockEnhanced  = 6
	byteOrderMagic = 0x1a2b3c4d

	optEnd      = 0
	optUserAppl = 4 // of a section
	optName     = 2 // of an interface
	optTSResol  = 9 // of an interface
	nanoseconds = 9 // 10^-9 seconds

	blockOverhead  = 12 // type and both lengths
	packetOverhead = blockOverhead + 20
	tagLen         = 4  // 802.1Q
	macsLen        = 12 // both addresses come before the tag

	application = "kagami"
)

// iface is one interface of a segment.
type iface struct {
	link packet.LinkType
	num  uint16 // sensor.Frame.Iface
	snap uint32
	name string
}

var le = binary.LittleEndian

func padded(n int) int { return (n + 3) &^ 3 }

func appendPadding(b []byte, n int) []byte {
	return append(b, "\x00\x00\x00"[:padded(n)-n]...)
}

// begin starts a block; end puts both lengths in.
func begin(b []byte, typ uint32) ([]byte, int) {
	at := len(b)
	b = le.AppendUint32(b, typ)
	return le.AppendUint32(b, 0), at
}

func end(b []byte, at int) []byte {
	length := uint32(len(b) - at + 4)
	le.PutUint32(b[at+4:], length)
	return le.AppendUint32(b, length)
}

func appendOption(b []byte, code uint16, value string) []byte {
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return appendPadding(b, len(value))
}

func appendSection(b []byte) []byte {
	b, at := begin(b, blockSection)
	b = le.AppendUint32(b, byteOrderMagic)
	b = le.AppendUint32(b, 1)          // version 1.0
	b = le.AppendUint64(b, ^uint64(0)) // section length: not known
	b = appendOption(b, optUserAppl, application)
	b = appendOption(b, optEnd, "")
	return end(b, at)
}

func appendInterface(b []byte, i iface) []byte {
	b, at := begin(b, blockInterface)
	b = le.AppendUint32(b, uint32(i.link)) // and 16 reserved bits
	b = le.AppendUint32(b, i.snap)
	if i.name != "" {
		b = appendOption(b, optName, i.name)
	}
	b = appendOption(b, optTSResol, string([]byte{nanoseconds}))
	b = appendOption(b, optEnd, "")
	return end(b, at)
}

// appendPacket writes f as an Enhanced Packet Block, at most snap octets of it
// (at least minSnap). An 802.1Q tag that the ring took out of the frame is put back.
func appendPacket(b []byte, id uint32, f *sensor.Frame, snap int) []byte {
	data, wire, tag := f.Data, f.WireLen, 0
	if f.TPID != 0 && f.Link == packet.LinkEthernet && len(data) >= macsLen {
		tag, wire = tagLen, wire+tagLen
	}
	captured := min(len(data)+tag, snap)
	b, at := begin(b, blockEnhanced)
	b = le.AppendUint32(b, id)
	b = le.AppendUint32(b, uint32(uint64(f.Time)>>32))
	b = le.AppendUint32(b, uint32(f.Time))
	b = le.AppendUint32(b, uint32(captured))
	b = le.AppendUint32(b, wire)
	rest := captured
	if tag != 0 {
		b = append(b, data[:macsLen]...)
		b = binary.BigEndian.AppendUint16(b, f.TPID)
		b = binary.BigEndian.AppendUint16(b, f.VLAN)
		data, rest = data[macsLen:], captured-macsLen-tagLen
	}
	b = append(b, data[:rest]...)
	b = appendPadding(b, captured)
	return end(b, at)
}
