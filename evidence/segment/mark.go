package segment

import "hash/crc32"

// Counters are totals of one writer since its session began:
//
//	Seen = Stored + LostSlow + LostFull + LostError + LeftOut + Ignored + Waiting
type Counters struct {
	Seen          uint64 // packets that were given to the writer
	Stored        uint64 // packets in segments
	StoredBytes   uint64 // octets of these, as captured
	Cut           uint64 // of the stored: headers only
	CutBytes      uint64 // the octets that these lack
	LostSlow      uint64 // the disk was too slow
	LostFull      uint64 // the disk was full
	LostError     uint64 // the disk failed
	LeftOut       uint64 // encrypted packets left out by the ladder or the daily budget
	Ignored       uint64 // packets of interfaces beyond what a segment describes
	KernelDropped uint64 // of the source: never seen
	Waiting       uint64 // in memory
	Level         uint8  // rung of the pressure ladder, 0 = none; not a total
}

// Mark is a checkpoint: it vouches for the octets since the mark before. It stands
// every MiB and at each sync.
type Mark struct {
	Session  int64  // start of the recording process, ns since the epoch
	Worker   uint16 // whose file it is
	Segment  uint64 // the segment's number
	Pos      int64  // offset of this block in the file
	CRC      uint32 // Sum of the octets from the end of the mark before, or the file's start, up to Pos
	Packets  uint64 // in this segment so far
	Last     int64  // time of the last packet, ns since the epoch
	Synced   bool   // the octets before Pos were synced to the disk before this was written
	Counters Counters

	// From is set by Scan: where the octets begin that CRC is about.
	From int64
}

// MarkLen is the length of a mark in the file.
const MarkLen = localHead + markFixed + 8*markCounters + lengthLen + lengthLen

const (
	markFixed    = 8 + 8 + 8 + 8 + 8 + 4 + 2 + 2
	markCounters = 12

	markSynced = 1 // flag
	markLevel  = 8 // shift of Counters.Level
)

// Sum adds b to the CRC-32C (RFC 3720 appendix B.4) of what came before; begin with 0.
func Sum(crc uint32, b []byte) uint32 {
	return crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), b)
}

// AppendMark writes m as a local-use block of MarkLen octets:
//
//	session i64 | segment u64 | offset i64 | packets u64 | last i64 | CRC u32 | worker u16 | flags u16 | 12 counters u64
//	CRC-32C of the block from its magic up to here u32
func AppendMark(b []byte, m *Mark) []byte {
	b, at := beginLocal(b, localMark)
	b = le.AppendUint64(b, uint64(m.Session))
	b = le.AppendUint64(b, m.Segment)
	b = le.AppendUint64(b, uint64(m.Pos))
	b = le.AppendUint64(b, m.Packets)
	b = le.AppendUint64(b, uint64(m.Last))
	b = le.AppendUint32(b, m.CRC)
	b = le.AppendUint16(b, m.Worker)
	var flags uint16
	if m.Synced {
		flags = markSynced
	}
	flags |= uint16(m.Counters.Level) << markLevel
	b = le.AppendUint16(b, flags)
	for _, c := range m.Counters.list() {
		b = le.AppendUint64(b, c)
	}
	b = le.AppendUint32(b, Sum(0, b[at+headLen:]))
	return end(b, at)
}

func (c *Counters) list() [markCounters]uint64 {
	return [...]uint64{c.Seen, c.Stored, c.StoredBytes, c.Cut, c.CutBytes, c.LostSlow, c.LostFull, c.LostError,
		c.LeftOut, c.Ignored, c.KernelDropped, c.Waiting}
}

// parseMark reads the block of a mark; false when it does not vouch for itself.
func parseMark(m *Mark, block []byte) bool {
	const own = MarkLen - lengthLen - 4
	if len(block) != MarkLen || Sum(0, block[headLen:own]) != le.Uint32(block[own:]) {
		return false
	}
	r := body{b: block[localHead:own]}
	*m = Mark{Session: r.i64(), Segment: r.u64(), Pos: r.i64(), Packets: r.u64(), Last: r.i64(), CRC: r.u32(), Worker: r.u16()}
	flags := r.u16()
	m.Synced = flags&markSynced != 0
	c := &m.Counters
	c.Level = uint8(flags >> markLevel)
	for _, n := range []*uint64{&c.Seen, &c.Stored, &c.StoredBytes, &c.Cut, &c.CutBytes, &c.LostSlow, &c.LostFull, &c.LostError,
		&c.LeftOut, &c.Ignored, &c.KernelDropped, &c.Waiting} {
		*n = r.u64()
	}
	return !r.short
}
