package index

import (
	"encoding/binary"
	"hash/crc32"
)

// The filter is a blocked Bloom filter (Putze, Sanders, Singler 2007): all bits of a
// key are in one block, so that a lookup is one read. A block is 32 octets: four
// lanes of 56 bits, in each of which a key has one bit, and a CRC-32C of these, so
// that damage never looks like absence.
//
// It is filled at a fixed size, before the number of keys is known, and shrunk by
// making neighbours one.
const (
	blockLen     = 32
	lanes        = 4
	laneLen      = 7
	laneBits     = laneLen * 8
	blockBits    = lanes * laneBits
	bitsPerKey   = 12 // 1 % of the answers are wrong
	segmentScale = 15 // 32,768 blocks, 1 MiB while it is filled
	chapterScale = 17
)

// bloom is a filter that is being filled.
type bloom struct {
	blocks [][lanes]uint64
	scale  uint // log2 of the number of blocks
	keys   int  // different ones so far; fewer when the filter gets too full to tell
}

func newBloom(scale uint) *bloom {
	return &bloom{blocks: make([][lanes]uint64, 1<<scale), scale: scale}
}

func (b *bloom) reset() {
	clear(b.blocks)
	b.keys = 0
}

// bit is the place of a key in a lane: 11 of its bits, scaled.
func bit(value uint64, lane uint) uint64 { return (value >> (11 * lane) & 0x7ff) * laneBits >> 11 }

func (b *bloom) add(value uint64) {
	block := &b.blocks[value>>(64-b.scale)]
	added := uint64(0)
	for i := range uint(lanes) {
		m := uint64(1) << bit(value, i)
		added |= m &^ block[i]
		block[i] |= m
	}
	if added != 0 {
		b.keys++
	}
}

// blockOf is the block of a key in a filter of n blocks that was filled with 1<<scale.
func blockOf(value uint64, scale uint, n int) int64 {
	return int64(value >> (64 - scale) * uint64(n) >> scale)
}

// append writes the filter, shrunk to n blocks.
func (b *bloom) append(dst []byte, n int) []byte {
	at := 0
	for i := range int64(n) {
		var sum [lanes]uint64
		for ; at < len(b.blocks) && blockOf(uint64(at)<<(64-b.scale), b.scale, n) == i; at++ {
			for l := range sum {
				sum[l] |= b.blocks[at][l]
			}
		}
		from := len(dst)
		for _, lane := range sum {
			dst = append(dst, byte(lane), byte(lane>>8), byte(lane>>16), byte(lane>>24), byte(lane>>32), byte(lane>>40), byte(lane>>48))
		}
		dst = binary.LittleEndian.AppendUint32(dst, checksum(dst[from:]))
	}
	return dst
}

// filterShape is what a lookup must know of a filter in a file.
type filterShape struct {
	scale uint
	n     int // blocks
	pos   int64
}

// len is the filter's length in octets.
func (s filterShape) len() int64 { return int64(s.n) * blockLen }

// at is where the block of a key is in the file.
func (s filterShape) at(value uint64) int64 {
	return s.pos + blockOf(value, s.scale, s.n)*blockLen
}

// has looks a key up in its block; whole is false when the block is damaged.
func (b *filterBlock) has(value uint64) (has, whole bool) {
	if checksum(b[:blockLen-4]) != binary.LittleEndian.Uint32(b[blockLen-4:]) {
		return true, false
	}
	for i := range uint(lanes) {
		at := bit(value, i)
		if b[uint64(i)*laneLen+at/8]>>(at%8)&1 == 0 {
			return false, true
		}
	}
	return true, true
}

type filterBlock [blockLen]byte

// checksum is CRC-32C (RFC 3720 appendix B.4).
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
