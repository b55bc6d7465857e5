package sealedzip

import (
	"encoding/binary"
	"math"
	"time"
)

// The structures of a ZIP file, of APPNOTE.TXT 6.3.10
// (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).
const (
	localSignature      = 0x04034b50 // section 4.3.7
	descriptorSignature = 0x08074b50 // 4.3.9
	centralSignature    = 0x02014b50 // 4.3.12
	end64Signature      = 0x06064b50 // 4.3.14
	locatorSignature    = 0x07064b50 // 4.3.15
	endSignature        = 0x06054b50 // 4.3.16

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3 // sizes follow the data
	flagUTF8       = 1 << 11

	methodDeflate = 8
	methodAES     = 99 // the real method is in the extra field

	version20 = 20     // deflate
	version45 = 45     // ZIP64
	version51 = 51     // AES
	madeBy    = 3 << 8 // Unix, for the permissions

	extraZIP64 = 0x0001
	extraTime  = 0x5455
	extraAES   = 0x9901

	regularFile = 0o100600 << 16
)

// entry is one file.
type entry struct {
	name         string
	modified     time.Time
	sealed       bool
	offset       int64 // of its local header
	packed, size int64
	crc          uint32 // 0 when sealed: that is what AE-2 is
}

// big tells whether its sizes need ZIP64.
func (e *entry) big() bool { return max(e.packed, e.size) >= math.MaxUint32 }

func (e *entry) flags() uint16 {
	f := uint16(flagDescriptor)
	if e.sealed {
		f |= flagEncrypted
	}
	for i := range len(e.name) {
		if e.name[i] >= 0x80 {
			return f | flagUTF8
		}
	}
	return f
}

func (e *entry) method() uint16 {
	if e.sealed {
		return methodAES
	}
	return methodDeflate
}

// needs is the version of the format that a reader must know.
func (e *entry) needs() uint16 {
	switch {
	case e.sealed:
		return version51
	case e.big() || e.offset >= math.MaxUint32:
		return version45
	}
	return version20
}

// local is the header before the data.
func (e *entry) local() []byte {
	needs, extra := uint16(version20), e.extra()
	if e.sealed {
		needs = version51
	}
	b := e.common(u16(u32(nil, localSignature), needs))
	b = append(b, make([]byte, 12)...) // checksum and sizes: see the descriptor
	b = u16(b, uint16(len(e.name)), uint16(len(extra)))
	return append(append(b, e.name...), extra...)
}

// common are flags, method and time.
func (e *entry) common(b []byte) []byte {
	b = u16(b, e.flags())
	b = u16(b, e.method())
	day, clock := dosTime(e.modified)
	return u16(b, clock, day)
}

// descriptor follows the data.
func (e *entry) descriptor() []byte {
	b := u32(nil, descriptorSignature, e.crc)
	if e.big() {
		return u64(b, uint64(e.packed), uint64(e.size))
	}
	return u32(b, uint32(e.packed), uint32(e.size))
}

// central is the header in the directory.
func (e *entry) central() []byte {
	extra := append(e.extra64(), e.extra()...)
	b := e.common(u16(u32(nil, centralSignature), madeBy|version51, e.needs()))
	packed, size := e.packed, e.size
	if e.big() {
		packed, size = math.MaxUint32, math.MaxUint32
	}
	b = u32(b, e.crc, uint32(packed), uint32(size))
	b = u16(b, uint16(len(e.name)), uint16(len(extra)))
	b = append(b, make([]byte, 6)...) // comment, disk, internal attributes
	b = u32(b, regularFile, uint32(min(e.offset, math.MaxUint32)))
	return append(append(b, e.name...), extra...)
}

// extra64 has what does not fit into 32 bits (section 4.5.3).
func (e *entry) extra64() []byte {
	var b []byte
	if e.big() {
		b = u64(b, uint64(e.size), uint64(e.packed))
	}
	if e.offset >= math.MaxUint32 {
		b = u64(b, uint64(e.offset))
	}
	if b == nil {
		return nil
	}
	return append(u16(nil, extraZIP64, uint16(len(b))), b...)
}

// extra says how the entry is encrypted, and its time to the second, in UTC.
func (e *entry) extra() []byte {
	var b []byte
	if e.sealed {
		b = u16(b, extraAES, 7)
		b = u16(b, 2)              // AE-2
		b = append(b, 'A', 'E', 3) // AES-256
		b = u16(b, methodDeflate)
	}
	if s := e.modified.Unix(); !e.modified.IsZero() && s == int64(int32(s)) {
		b = u16(b, extraTime, 5)
		b = u32(append(b, 1), uint32(s))
	}
	return b
}

// dosTime is a time as MS-DOS keeps it, in UTC; before 1980 it knows none.
func dosTime(t time.Time) (day, clock uint16) {
	t = t.UTC()
	if y := t.Year(); y < 1980 || y > 2107 {
		return 1<<5 | 1, 0
	}
	day = uint16((t.Year()-1980)<<9 | int(t.Month())<<5 | t.Day())
	return day, uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2)
}

// directoryEnd ends the file: from and size are the directory's place.
func directoryEnd(entries int, from, size int64) []byte {
	var b []byte
	if entries >= math.MaxUint16 || from >= math.MaxUint32 || size >= math.MaxUint32 {
		b = u32(b, end64Signature)
		b = u64(b, 44) // of what follows
		b = u16(b, madeBy|version51, version45)
		b = append(b, make([]byte, 8)...) // disks
		b = u64(b, uint64(entries), uint64(entries))
		b = u64(b, uint64(size), uint64(from))
		b = u32(b, locatorSignature, 0)
		b = u64(b, uint64(from+size))
		b = u32(b, 1)
	}
	n := uint16(min(entries, math.MaxUint16))
	b = u32(b, endSignature, 0) // disks
	b = u16(b, n, n)
	b = u32(b, uint32(min(size, math.MaxUint32)), uint32(min(from, math.MaxUint32)))
	return u16(b, 0)
}

func u16(b []byte, vs ...uint16) []byte {
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func u32(b []byte, vs ...uint32) []byte {
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func u64(b []byte, vs ...uint64) []byte {
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}
