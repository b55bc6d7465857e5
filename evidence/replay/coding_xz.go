package replay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

const (
	// maxDict bounds the dictionary that a coded body may ask for: what "xz -9" uses.
	// maxDicts bounds those of all blocks of one body, since each is allocated anew.
	maxDict, maxDicts = 64 << 20, 512 << 20
)

var errBigDict = errors.New("dictionary is too large")

// newXZ is a reader of the .xz format.
func newXZ(b []byte) (io.ReadCloser, error) {
	if err := checkDicts(b); err != nil {
		return nil, err
	}
	r, err := xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(r), nil
}

// newLZMA is a reader of what came before .xz: a header, and LZMA.
func newLZMA(b []byte) (io.ReadCloser, error) {
	r, err := lzma.ReaderConfig{DictCap: maxDict}.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(r), nil
}

// checkDicts walks over the blocks of an .xz stream and adds up the dictionaries that
// their headers ask for (the .xz file format, section 3). It stops at what it does not
// understand: the reader will, too.
func checkDicts(b []byte) error {
	const header, filterLZMA2 = 12, 0x21
	checks := [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}
	if len(b) < header {
		return io.ErrUnexpectedEOF
	}
	check := checks[b[7]&0x0f]
	b = b[header:]
	sum := int64(0)
	for len(b) > 0 && b[0] != 0 {
		n := 4 * (int(b[0]) + 1)
		if len(b) < n || n < 8 {
			return nil
		}
		fields := b[2 : n-4]
		for _, flag := range []byte{0x40, 0x80} { // compressed and uncompressed size
			if b[1]&flag != 0 {
				_, k := binary.Uvarint(fields)
				if k <= 0 {
					return nil
				}
				fields = fields[k:]
			}
		}
		if b[1]&0x03 != 0 || len(fields) < 3 || fields[0] != filterLZMA2 || fields[1] != 1 {
			return nil // other filters: the reader takes none
		}
		size := dictSize(fields[2])
		if sum += size; size > maxDict || sum > maxDicts {
			return errBigDict
		}
		k := chunks(b[n:])
		k += (4-k%4)%4 + check
		if k > len(b)-n {
			return nil
		}
		b = b[n+k:]
	}
	return nil
}

// dictSize is what an octet says of LZMA2's dictionary.
func dictSize(c byte) int64 {
	if c > 40 {
		return 1 << 32
	}
	return int64(2|c&1) << (c/2 + 11)
}

// chunks is the length of the LZMA2 chunks that b begins with.
func chunks(b []byte) int {
	at := 0
	for at < len(b) {
		c := b[at]
		switch {
		case c == 0:
			return at + 1
		case c < 0x80:
			if at+3 > len(b) {
				return len(b)
			}
			at += 3 + int(binary.BigEndian.Uint16(b[at+1:])) + 1
		default:
			if at+5 > len(b) {
				return len(b)
			}
			n := 5 + int(binary.BigEndian.Uint16(b[at+3:])) + 1
			if c >= 0xc0 {
				n++
			}
			at += n
		}
	}
	return len(b)
}
