package links

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/ulikunitz/xz/lzma"
)

// A SWF (SWF File Format Specification 19, chapter 2) begins
//
//	'F' plain, 'C' zlib or 'Z' LZMA   1
//	"WS"                              2
//	version                           1
//	length of all, decompressed       4, little-endian
//
// and goes on, compressed or not, with the frame's rectangle and the tags.
const swfHeader = 8

// Tags that hold more than pictures, sound and strings.
const (
	swfImportAssets  = 57
	swfImportAssets2 = 71
	swfABC           = 72
	swfMetadata      = 77
	swfDoABC         = 82
	swfBinaryData    = 87
)

func (f *finder) readSWF(t *text) {
	if len(t.b) <= swfHeader {
		return
	}
	d := *t
	switch t.b[0] {
	case 'F':
		d.b, d.off = t.b[swfHeader:], t.at(swfHeader)
	default:
		r := f.swfReader(t)
		if r == nil {
			return
		}
		d = t.unpacked(0, f.inflate(r, len(t.b), t.off))
	}
	f.readTags(&d)
}

// swfReader decompresses what follows the header; nil if that cannot be done.
func (f *finder) swfReader(t *text) io.Reader {
	var r io.Reader
	var err error
	if t.b[0] == 'C' {
		r, err = zlib.NewReader(bytes.NewReader(t.b[swfHeader:]))
	} else {
		r, err = f.lzmaReader(t)
	}
	switch {
	case err == errLimit:
		return nil
	case err != nil:
		f.note(NoteDamaged, 0, t.off)
		return nil
	}
	return r
}

// In a SWF with LZMA, the compressed length (4) and the LZMA properties, which end
// with the size of the dictionary (1+4), stand before the data.
const (
	lzmaProperties = swfHeader + 4
	lzmaDictionary = lzmaProperties + 1
	lzmaData       = lzmaDictionary + 4
	// lzmaTables is about what a decoder allocates beside its dictionary.
	lzmaTables = 512 << 10
)

// errLimit says that a limit was met and noted.
var errLimit = errors.New("limit met")

// lzmaReader writes the header of an .lzma file before the data. The dictionary
// need not be larger than what is read, whatever it says.
func (f *finder) lzmaReader(t *text) (io.Reader, error) {
	if len(t.b) <= lzmaData {
		return nil, io.ErrUnexpectedEOF
	}
	size := uint64(binary.LittleEndian.Uint32(t.b[4:]))
	size -= min(size, swfHeader)
	dictionary := min(uint64(binary.LittleEndian.Uint32(t.b[lzmaDictionary:])), size, uint64(f.budget))
	if !f.spend(lzmaTables+int(dictionary/4), t.off) {
		return nil, errLimit
	}
	header := binary.LittleEndian.AppendUint32([]byte{t.b[lzmaProperties]}, uint32(dictionary))
	header = binary.LittleEndian.AppendUint64(header, size)
	return lzma.ReaderConfig{DictCap: max(int(dictionary), lzma.MinDictCap)}.NewReader(
		io.MultiReader(bytes.NewReader(header), bytes.NewReader(t.b[lzmaData:])))
}

// readTags walks over the tags; where they make no sense, the rest is strings.
func (f *finder) readTags(t *text) {
	b := t.b
	if len(b) == 0 {
		return
	}
	pos := (5+4*int(b[0]>>3)+7)/8 + 4
	for n := 0; pos+2 <= len(b); n++ {
		if n == f.lim.Members {
			f.note(NoteMembers, n, t.at(pos))
			f.readStrings(t, pos)
			return
		}
		head := int(binary.LittleEndian.Uint16(b[pos:]))
		code, size, start := head>>6, head&0x3F, pos+2
		if size == 0x3F {
			if start+4 > len(b) {
				return
			}
			size, start = int(binary.LittleEndian.Uint32(b[start:])), start+4
		}
		if size > len(b)-start {
			f.note(NoteDamaged, 0, t.at(pos))
			f.readStrings(t, pos)
			return
		}
		f.readTag(t, code, start, start+size)
		pos = start + size
	}
}

func (f *finder) readTag(t *text, code, start, end int) {
	b := t.b[start:end]
	switch code {
	case swfMetadata: // RDF, whose only URLs are namespaces
	case swfImportAssets, swfImportAssets2:
		if i := bytes.IndexByte(b, 0); i > 0 {
			f.add(t, found{ref: b[:i], kind: KindObject, where: "SWF import", at: start})
		}
	case swfDoABC:
		if i := bytes.IndexByte(b[min(4, len(b)):], 0); i >= 0 {
			f.readABC(t, b[4+i+1:], start)
		}
	case swfABC:
		f.readABC(t, b, start)
	case swfBinaryData:
		if len(b) > 6 {
			d := t.unpacked(start, b[6:])
			f.read(d, formatOf(d.b, "application/octet-stream"))
		}
	default:
		f.eachURL(b, func(i, n int) {
			f.add(t, found{ref: b[i : i+n], kind: KindString, where: "SWF string", at: start + i, inferred: true})
		})
	}
}

// readABC reads the string constants of ActionScript 3 byte code (AVM2 Overview,
// section 4.3): they have lengths and nothing between them.
func (f *finder) readABC(t *text, b []byte, at int) {
	r := reader{b: b}
	r.skip(4) // versions
	for range 2 {
		for n := r.varint(); n > 1 && !r.bad; n-- { // int, uint
			r.varint()
		}
	}
	if n := r.varint(); n > 1 {
		r.skip(8 * (n - 1)) // double
	}
	for n := r.varint(); n > 1 && !r.bad; n-- {
		f.readConstant(t, r.take(r.varint()), at, "SWF string")
	}
	if r.bad {
		f.note(NoteDamaged, 0, t.at(at))
	}
}

// reader takes fields from octets; after a field that is not there it is bad and
// gives nothing.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) skip(n int) { r.take(n) }

// varint is the u30 of ActionScript: seven bits an octet, least significant first.
func (r *reader) varint() int {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := r.take(1)
		if b == nil {
			return 0
		}
		v |= uint32(b[0]&0x7F) << shift
		if b[0] < 0x80 {
			break
		}
	}
	return int(min(v, math.MaxInt32)) // no count or index is larger
}

func (r *reader) uint16() int {
	if b := r.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}
