package decoders

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
)

// inspector reads a file from its first octet on and finds what its first octets
// do not tell: what a container holds, what stands far inside.
type inspector interface {
	read(p []byte)
	// found returns the type with what was found until now, and the first program
	// that an archive names.
	found(fileType) (fileType, string)
}

// inspect is the inspector for a type, nil if there is nothing to find. size is
// the file's length, -1 if it is unknown.
func inspect(t fileType, size int64) inspector {
	switch t.word {
	case "zip":
		return &zipReader{}
	case "ole2":
		return newOLE2Reader()
	case "rar":
		return newRARReader()
	case "7z":
		return newSevenZipReader()
	case "":
		if t.class == "" || t.class == classData {
			return newDiskReader(size)
		}
	}
	return nil
}

// spot collects the octets of one place in a stream.
type spot struct {
	pos    int64  // of the next octet to come
	at     int64  // where the place begins
	octets []byte // of the place, as far as they came; cap is how many are wanted
}

func newSpot(at int64, n int) spot { return spot{at: at, octets: make([]byte, 0, n)} }

// read takes the stream's next octets. It returns those behind the place: not
// empty only if the place is full.
func (s *spot) read(p []byte) []byte {
	if skip := s.at + int64(len(s.octets)) - s.pos; skip > 0 {
		if skip >= int64(len(p)) {
			s.pos += int64(len(p))
			return nil
		}
		p = p[skip:]
		s.pos += skip
	}
	n := min(len(p), cap(s.octets)-len(s.octets))
	s.octets = append(s.octets, p[:n]...)
	s.pos += int64(n)
	return p[n:]
}

func (s *spot) full() bool { return len(s.octets) == cap(s.octets) }

// move goes on to a later place. What was read of it already is kept.
func (s *spot) move(at int64) {
	old := s.octets
	s.octets = s.octets[:0]
	if n := at - s.at; n < int64(len(old)) {
		s.octets = append(s.octets, old[n:]...)
	}
	s.at = at
}

// ole2Reader reads a compound file's directory ([MS-CFB] sections 2.2 and 2.6).
type ole2Reader struct {
	spot   spot
	header bool // the header was read: the spot is the directory
}

const (
	ole2Header    = 512
	ole2Entry     = 128
	ole2Directory = 16 * ole2Entry // entries looked at
)

func newOLE2Reader() *ole2Reader { return &ole2Reader{spot: newSpot(0, ole2Header)} }

func (r *ole2Reader) read(p []byte) {
	rest := r.spot.read(p)
	if r.header || !r.spot.full() {
		return
	}
	const shiftAt, firstDirectoryAt = 30, 48
	h := r.spot.octets
	shift := binary.LittleEndian.Uint16(h[shiftAt:])
	if shift != 9 && shift != 12 {
		shift = 9
	}
	at := (int64(binary.LittleEndian.Uint32(h[firstDirectoryAt:])) + 1) << shift
	next := newSpot(at, ole2Directory)
	next.pos = r.spot.pos
	r.spot, r.header = next, true
	r.spot.read(rest)
}

// found implements inspector.
func (r *ole2Reader) found(t fileType) (fileType, string) {
	if !r.header {
		return t, ""
	}
	for b := r.spot.octets; len(b) >= ole2Entry; b = b[ole2Entry:] {
		const lengthAt, kindAt, classAt, root = 64, 66, 80, 5
		n := int(binary.LittleEndian.Uint16(b[lengthAt:]))
		if n < 2 || n > lengthAt {
			continue
		}
		if b[kindAt] == root && bytes.Equal(b[classAt+1:classAt+16], msiClass[1:]) && (b[classAt] == 0x84 || b[classAt] == 0x86) {
			return fileType{word: "msi", mime: "application/x-msi", class: classProgram}, ""
		}
		t = ole2Holds(t, utf16LE(b[:n-2]))
	}
	return t, ""
}

// msiClass is the class of a Windows installer's root storage; a patch's begins
// with 86.
var msiClass = [16]byte{0x84, 0x10, 0x0c, 8: 0xc0, 15: 0x46}

// ole2Holds names the type by an entry of the directory.
func ole2Holds(t fileType, entry string) fileType {
	switch entry {
	case "WordDocument":
		t.mime = "application/msword"
	case "Workbook", "Book":
		t.mime = "application/vnd.ms-excel"
	case "PowerPoint Document":
		t.mime = "application/vnd.ms-powerpoint"
	case "VisioDocument":
		t.mime = "application/vnd.visio"
	case "__properties_version1.0", "__nameid_version1.0":
		t.mime = "application/vnd.ms-outlook"
	case "VBA", "Macros", "_VBA_PROJECT_CUR", "_VBA_PROJECT":
		t.traits = withTrait(t.traits, traitMacros)
	case "EncryptedPackage", "EncryptionInfo":
		t.traits = withTrait(t.traits, traitEncrypted)
	}
	return t
}

func withTrait(traits []string, one string) []string {
	for _, t := range traits {
		if t == one {
			return traits
		}
	}
	return append(traits[:len(traits):len(traits)], one)
}

func utf16LE(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// diskReader looks for disk images: ISO 9660 and UDF (ECMA-119 section 8, ECMA-167
// part 3 section 9.1.2), and those with a trailer at the end.
type diskReader struct {
	volume, trailer spot
}

func newDiskReader(size int64) *diskReader {
	const volumeAt, trailerLen = 32769, 512
	d := &diskReader{volume: newSpot(volumeAt, 5)}
	if size > trailerLen {
		d.trailer = newSpot(size-trailerLen, 8)
	}
	return d
}

func (d *diskReader) read(p []byte) {
	d.volume.read(p)
	if cap(d.trailer.octets) > 0 {
		d.trailer.read(p)
	}
}

// found implements inspector.
func (d *diskReader) found(t fileType) (fileType, string) {
	switch string(d.volume.octets) {
	case "CD001", "BEA01", "NSR02", "NSR03":
		return fileType{word: "iso", mime: "application/x-iso9660-image", class: classArchive}, ""
	}
	switch {
	case bytes.HasPrefix(d.trailer.octets, []byte("conectix")):
		return fileType{word: "vhd", mime: "application/x-vhd", class: classArchive}, ""
	case bytes.HasPrefix(d.trailer.octets, []byte("koly")):
		return fileType{word: "dmg", mime: "application/x-apple-diskimage", class: classArchive}, ""
	}
	return t, ""
}
