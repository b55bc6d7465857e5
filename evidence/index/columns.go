package index

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// A section is a number of columns: the values of one field, one behind the other.
// First come the lengths of each column, as it is and as it is stored, then the
// octets. A column that is stored shorter than it is, is a zstd frame (RFC 8878).

const (
	maxColumns = 8 << 20 // octets of a section's columns, unpacked
	leastZip   = 64      // octets; shorter columns are stored as they are
)

// packer writes sections.
type packer struct {
	zip *zstd.Encoder
	buf []byte
}

func (p *packer) section(dst []byte, columns [][]byte) []byte {
	if p.zip == nil {
		// It fails for options that make no sense only; then nothing is packed.
		p.zip, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(128<<10), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithAllLitEntropyCompression(true))
	}
	p.buf = p.buf[:0]
	for _, c := range columns {
		at := len(p.buf)
		if len(c) >= leastZip && p.zip != nil {
			p.buf = p.zip.EncodeAll(c, p.buf)
		}
		if n := len(p.buf) - at; n == 0 || n >= len(c) {
			p.buf = append(p.buf[:at], c...)
		}
		dst = binary.AppendUvarint(dst, uint64(len(c)))
		dst = binary.AppendUvarint(dst, uint64(len(p.buf)-at))
	}
	return append(dst, p.buf...)
}

// unpack reads a section of n columns.
func unpack(b []byte, n int) ([]octets, error) {
	r := octets{b: b}
	columns := make([]octets, n)
	lengths := make([][2]int, n)
	total := uint64(0)
	for i := range lengths {
		raw, stored := r.uvarint(), r.uvarint()
		if total += raw; r.bad || raw > maxColumns || total > maxColumns || stored > raw {
			return nil, fmt.Errorf("%w: column lengths", ErrCorrupt)
		}
		lengths[i] = [2]int{int(raw), int(stored)}
	}
	var unzip *zstd.Decoder
	for i, l := range lengths {
		b := r.take(l[1])
		if r.bad {
			return nil, fmt.Errorf("%w: column %d ends early", ErrCorrupt, i)
		}
		if l[0] != l[1] {
			if unzip == nil {
				var err error
				if unzip, err = newUnzip(); err != nil {
					return nil, err
				}
				defer unzip.Close()
			}
			var err error
			if b, err = unzip.DecodeAll(b, make([]byte, 0, l[0])); err != nil || len(b) != l[0] {
				return nil, fmt.Errorf("%w: column %d is not %d octets: %v", ErrCorrupt, i, l[0], err)
			}
		}
		columns[i].b = b
	}
	if !r.done() {
		return nil, fmt.Errorf("%w: %d octets too many in a section", ErrCorrupt, r.left())
	}
	return columns, nil
}

// newUnzip makes a decompressor that takes no more memory than it is given.
func newUnzip() (*zstd.Decoder, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxColumns), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("make decompressor: %w", err)
	}
	return d, nil
}

// octets reads what was written, never beyond its end: then it is bad, and what it
// returns is zero.
type octets struct {
	b   []byte
	at  int // a step writes no pointer: columns are read side by side, value by value
	bad bool
}

// left is the number of octets that are still to be read.
func (r *octets) left() int { return len(r.b) - r.at }

// fail ends the reading.
func (r *octets) fail() {
	r.at, r.bad = len(r.b), true
}

func (r *octets) uvarint() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		v := r.b[r.at]
		r.at++
		return uint64(v)
	}
	return r.long()
}

func (r *octets) long() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

func (r *octets) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// signed is what varint reads.
func signed(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func appendSigned(b []byte, v int64) []byte { return binary.AppendUvarint(b, signed(v)) }

func (r *octets) take(n int) []byte {
	if n < 0 || n > r.left() {
		r.fail()
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *octets) octet() byte {
	if r.left() == 0 {
		r.fail()
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *octets) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *octets) addr() (a [16]byte) {
	copy(a[:], r.take(16))
	return a
}

// done tells that all was read, and nothing beyond.
func (r *octets) done() bool { return !r.bad && r.left() == 0 }
