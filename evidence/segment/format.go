package segment

import "encoding/binary"

// Blocks of pcapng (draft-ietf-opsawg-pcapng section 4) and their shortest forms,
// both lengths included.
const (
	blockInterface    = 1
	blockPacket       = 2 // obsolete
	blockSimple       = 3
	blockNames        = 4
	blockStatistics   = 5
	blockEnhanced     = 6
	blockSecrets      = 10
	blockCustom       = 0xbad
	blockCustomNoCopy = 0x40000bad
	blockLocal        = 0x80000001 // local use
	blockSection      = 0x0a0d0d0a // the same in both byte orders
	byteOrderMagic    = 0x1a2b3c4d

	blockOverhead  = 12 // type and both lengths
	headLen        = 8  // type and first length
	lengthLen      = 4  // the length that ends a block
	packetHead     = 28 // of an Enhanced Packet Block or a Packet Block: what is before the frame
	minSection     = 28
	minInterface   = 20
	minPacket      = packetHead + lengthLen
	minSimple      = 16
	PacketOverhead = minPacket // octets that AppendPacket adds to a frame, without padding
)

// Options (section 3.5).
const (
	optEnd         = 0
	optComment     = 1
	optUserAppl    = 4  // of a section
	optName        = 2  // of an interface
	optTSResol     = 9  // of an interface
	optTSOffset    = 14 // of an interface
	optRecv        = 4  // of statistics, and the following
	optDrop        = 5
	optAccept      = 6
	optOSDrop      = 7
	optDelivered   = 8
	nanoResolution = 9 // 10^-9 seconds
	defaultTSResol = 6 // microseconds
	maxOption      = 1<<16 - 4

	application = "kagami"
)

// Limits of what is read. A packet is at most maxRecord octets long, or as long as
// a pcap header asks for, up to that.
const (
	minSnap       = 256 << 10 // record length that every pcap file may use, as in libpcap
	maxRecord     = 1 << 20
	maxBlock      = maxRecord + 4096
	maxSkip       = 64 << 20 // longest block that is passed over (decryption secrets can be large)
	maxInterfaces = 1024     // of one section
	maxDescribed  = 1 << 16  // of all sections
	maxSections   = 1 << 12  // that differ from the one before
	maxStamps     = 1 << 12  // see Layout
	maxName       = 255      // octets of an interface's name that are kept
)

const (
	macsLen = 12 // both Ethernet addresses come before the tag
	tagLen  = 4  // 802.1Q
)

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
	length := uint32(len(b) - at + lengthLen)
	le.PutUint32(b[at+4:], length)
	return le.AppendUint32(b, length)
}

func appendOption(b []byte, code uint16, value string) []byte {
	value = value[:min(len(value), maxOption)]
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return appendPadding(b, len(value))
}

func appendCounter(b []byte, code uint16, n uint64) []byte {
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, 8)
	return le.AppendUint64(b, n)
}

func appendEnd(b []byte) []byte { return le.AppendUint32(b, optEnd) }
