package segment

import "encoding/binary"

// A local-use block of ours:
//
//	0      4        8        12     13        14      16
//	+------+--------+--------+------+---------+-------+------+-----+--------+
//	| type | length | "KGMI" | kind | version | zeros | body | pad | length |
//	+------+--------+--------+------+---------+-------+------+-----+--------+
//
// The body is little-endian, whatever the section's byte order.
const (
	localMagic   = "KGMI"
	localNote    = 1
	localMark    = 2
	localFiller  = 3
	localVersion = 1
	localHead    = headLen + 8
)

func beginLocal(b []byte, kind uint8) ([]byte, int) {
	b, at := begin(b, blockLocal)
	b = append(b, localMagic...)
	return append(b, kind, localVersion, 0, 0), at
}

// MinFiller is the shortest filler, MaxFiller the longest.
const (
	MinFiller = localHead + lengthLen
	MaxFiller = maxSkip
)

// AppendFiller writes a block of n octets that says nothing: recovery puts it over
// octets that are lost. n is a multiple of 4 from MinFiller to MaxFiller.
func AppendFiller(b []byte, n int) []byte {
	b, at := beginLocal(b, localFiller)
	b = append(b, make([]byte, n-MinFiller)...)
	return end(b, at)
}

// local tells whether a local-use block is ours, of a version that is known.
func local(block []byte) (kind uint8, body []byte, ok bool) {
	if len(block) < localHead+lengthLen || string(block[headLen:headLen+4]) != localMagic || block[13] != localVersion {
		return 0, nil, false
	}
	return block[12], block[localHead : len(block)-lengthLen], true
}

// body reads fields one after the other. Past the end everything is zero and
// short is set.
type body struct {
	b     []byte
	short bool
}

func (r *body) take(n int) []byte {
	if r.short || n > len(r.b) {
		r.short = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *body) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *body) u16() uint16 {
	if b := r.take(2); b != nil {
		return le.Uint16(b)
	}
	return 0
}

func (r *body) u32() uint32 {
	if b := r.take(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (r *body) u64() uint64 {
	if b := r.take(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

func (r *body) i64() int64 { return int64(r.u64()) }

// uvarint reads what binary.AppendUvarint wrote.
func (r *body) uvarint() uint64 {
	n, used := binary.Uvarint(r.b)
	if r.short || used <= 0 {
		r.short = true
		return 0
	}
	r.b = r.b[used:]
	return n
}
